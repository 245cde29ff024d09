//! What the fuzz targets need of the crate's insides.

use std::io::{self, Read};
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU64};

use crate::Result;
use crate::prepare::reading::{Opened, Reading, failure, open};

/// Reads up to `most` bytes of a file as [`prepare`](crate::prepare::prepare) reads it: decompressed, and without
/// what is left out. Returns how many there were.
pub fn read_input(file: &Path, most: u64) -> Result<u64> {
    let (read, cancelled) = (AtomicU64::new(0), AtomicBool::new(false));
    let reading = Reading { drop_byte_order_mark: true, strip_gutenberg: true, read: &read, cancelled: &cancelled };
    let inputs = crate::prepare::inputs::Inputs::find(&[file.into()], &[], &cancelled)?;
    match open(&inputs.files[0], reading)? {
        Opened::Binary | Opened::Empty => Ok(0),
        Opened::Text(text) => {
            io::copy(&mut text.reader.take(most), &mut io::sink()).map_err(|source| failure(file, text.format, source))
        }
    }
}
