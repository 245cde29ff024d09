//! Opens one input: decompressed where its content says so, left out where it is no text.

use std::fs::File;
use std::io::{self, BufReader, Cursor, Read};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use flate2::bufread::MultiGzDecoder;
use lzma_rust2::XzReader;
use ruzstd::decoding::{BlockDecodingStrategy, FrameDecoder};

use super::blocks::failure;
use super::gutenberg::Stripped;
use super::inputs::Input;
use super::zip::Member;
use crate::Result;

/// How much of the start tells what a file is.
const HEAD_BYTES: u64 = 8 * 1024;

/// What an input turned out to be.
pub enum Opened {
    /// A file of a folder with NUL bytes near its start.
    Binary,
    /// A file of a folder that holds nothing once it is decompressed.
    Empty,
    /// Text, as far as anyone can tell.
    Text {
        /// The text, decompressed.
        reader: Box<dyn Read + Send>,
        /// The compression, for messages.
        format: Option<&'static str>,
        /// Bytes left out before what the reader begins with.
        dropped: u64,
        /// Whether Project Gutenberg's marks were looked for in vain.
        unmarked: bool,
    },
}

/// Opens an input; the bytes that are read from the disk are added to `read`.
pub fn open(input: &Input, strip_gutenberg: bool, read: &Arc<AtomicU64>) -> Result<Opened> {
    let mut file = Counted { file: input.open()?, read: Arc::clone(read) };
    let magic = head(&mut file, 6).map_err(|source| failure(&input.path, None, source))?;
    // What is found in a folder and begins like zip is a document or a program more often than a text.
    let format = compression(&magic).filter(|&format| format != ZIP || input.named);
    let raw = Cursor::new(magic).chain(file);
    let failed = |source| failure(&input.path, format, source);
    let mut reader: Box<dyn Read + Send> = match format {
        Some(GZIP) => Box::new(MultiGzDecoder::new(BufReader::with_capacity(64 * 1024, raw))),
        Some(ZSTD) => Box::new(Frames::new(BufReader::with_capacity(64 * 1024, raw))),
        Some(XZ) => Box::new(XzReader::new(BufReader::with_capacity(64 * 1024, raw), true)),
        Some(ZIP) => Box::new(Member::new(BufReader::with_capacity(64 * 1024, raw)).map_err(failed)?),
        _ => Box::new(raw),
    };
    if !input.named {
        let head = head(&mut reader, HEAD_BYTES).map_err(failed)?;
        if head.is_empty() {
            return Ok(Opened::Empty);
        }
        if memchr::memchr(0, &head).is_some() {
            return Ok(Opened::Binary);
        }
        reader = Box::new(Cursor::new(head).chain(reader));
    }
    if !strip_gutenberg {
        return Ok(Opened::Text { reader, format, dropped: 0, unmarked: false });
    }
    let stripped = Stripped::new(reader).map_err(failed)?;
    let (dropped, unmarked) = (stripped.dropped(), stripped.unmarked());
    Ok(Opened::Text { reader: Box::new(stripped), format, dropped, unmarked })
}

const GZIP: &str = "gzip";
const ZSTD: &str = "zstd";
const XZ: &str = "xz";
const ZIP: &str = "zip";

/// The compression that a file's first bytes name.
fn compression(magic: &[u8]) -> Option<&'static str> {
    match magic {
        [0x1f, 0x8b, 8, ..] => Some(GZIP),
        [0x28, 0xb5, 0x2f, 0xfd, ..] => Some(ZSTD),
        [0xfd, b'7', b'z', b'X', b'Z', 0] => Some(XZ),
        [b'P', b'K', 3, 4, ..] => Some(ZIP),
        _ => None,
    }
}

fn head(reader: &mut impl Read, bytes: u64) -> io::Result<Vec<u8>> {
    let mut head = Vec::new();
    reader.by_ref().take(bytes).read_to_end(&mut head)?;
    Ok(head)
}

/// A file whose reading is counted, for the progress.
struct Counted {
    file: File,
    read: Arc<AtomicU64>,
}

impl Read for Counted {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let length = self.file.read(buffer)?;
        self.read.fetch_add(length as u64, Ordering::Relaxed);
        Ok(length)
    }
}

/// All frames of a zstd file, one after another, as the format allows.
struct Frames<R> {
    source: R,
    decoder: FrameDecoder,
    ended: bool,
}

impl<R: io::BufRead> Frames<R> {
    fn new(source: R) -> Self {
        Self { source, decoder: FrameDecoder::new(), ended: true }
    }
}

impl<R: io::BufRead> Read for Frames<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        loop {
            if self.ended {
                if self.source.fill_buf()?.is_empty() {
                    return Ok(0);
                }
                self.decoder.reset(&mut self.source).map_err(io::Error::other)?;
                self.ended = false;
            }
            if self.decoder.can_collect() == 0 && !self.decoder.is_finished() {
                let strategy = BlockDecodingStrategy::UptoBytes(buffer.len());
                self.decoder.decode_blocks(&mut self.source, strategy).map_err(io::Error::other)?;
                continue;
            }
            let length = self.decoder.read(buffer)?;
            if length > 0 || buffer.is_empty() {
                return Ok(length);
            }
            self.ended = self.decoder.is_finished();
        }
    }
}
