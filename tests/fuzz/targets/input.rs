//! Any bytes as a text to prepare: plain, gzip, zstd, xz or zip, by their first bytes.
#![no_main]

use fuzz::Scratch;

/// Bytes that are read of what an input unpacks to: a few bytes may stand for gigabytes, which is no fault.
const MOST: u64 = 1 << 16;

fuzz::target!(|bytes: &[u8]| {
    let file = Scratch::file("input", bytes);
    let _ = corpus::fuzzing::read_input(&file, MOST);
});
