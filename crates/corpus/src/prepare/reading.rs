//! Opens one input: decompresses it if its contents call for that, and skips it if it is not text.

use std::fs::File;
use std::io::{self, BufReader, Cursor, Read, Seek, SeekFrom};
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use flate2::bufread::MultiGzDecoder;
use lzma_rust2::XzReader;
use ruzstd::decoding::{BlockDecodingStrategy, FrameDecoder};

use super::gutenberg::BookReader;
use super::inputs::Input;
use super::zip;
use crate::{Error, Result};

/// Bytes at the start of a file that show whether it is binary.
const HEAD_BYTES: u64 = 8 * 1024;

/// U+FEFF at the start of a file is a byte-order mark, not part of the text.
const BYTE_ORDER_MARK: &[u8] = "\u{feff}".as_bytes();

/// How inputs are read.
#[derive(Debug, Clone, Copy)]
pub struct Reading<'a> {
    /// Drop a byte-order mark at the start of a file.
    pub drop_byte_order_mark: bool,
    /// Leave out Project Gutenberg's header and licence.
    pub strip_gutenberg: bool,
    /// Counts the bytes that are read from the disk.
    pub read: &'a AtomicU64,
    /// Reading fails when this becomes true.
    pub cancelled: &'a AtomicBool,
}

/// What an input turned out to be.
pub enum Opened<'a> {
    /// A file in a folder with NUL bytes near its start.
    Binary,
    /// A file in a folder that is empty, or empty once it is decompressed.
    Empty,
    /// Text, as far as its start shows.
    Text(Text<'a>),
}

/// An input that is read as text.
pub struct Text<'a> {
    /// The text, decompressed.
    pub reader: Box<dyn Read + Send + 'a>,
    /// The compression format, for messages.
    pub format: Option<&'static str>,
    /// Bytes that were left out before the start of the reader.
    pub dropped: u64,
    /// Whether Project Gutenberg's start mark was looked for and not found.
    pub unmarked: bool,
    /// Whether it can also be read from any byte on ([`open_at`]): what is compressed, or may end at a mark, can not.
    pub seekable: bool,
}

/// Opens an input.
pub fn open<'a>(input: &Input, reading: Reading<'a>) -> Result<Opened<'a>> {
    let mut file = CountingFile { file: input.open()?, reading };
    let failed = |format| move |source| failure(&input.path, format, source);
    let magic = head(&mut file, 6).map_err(failed(None))?;
    // A file in a folder that looks like a zip archive is usually a document or a program.
    let format = compression(&magic).filter(|&format| format != ZIP || input.named);
    let raw = Cursor::new(magic).chain(file);
    let mut reader: Box<dyn Read + Send> = match format {
        Some(GZIP) => Box::new(MultiGzDecoder::new(BufReader::with_capacity(64 * 1024, raw))),
        Some(ZSTD) => Box::new(ZstdReader::new(BufReader::with_capacity(64 * 1024, raw))),
        Some(XZ) => Box::new(XzReader::new(BufReader::with_capacity(64 * 1024, raw), true)),
        Some(ZIP) => {
            let mut file = raw.into_inner().1;
            file.rewind().map_err(failed(None))?;
            Box::new(zip::open(file, &input.path, input.include.as_ref())?)
        }
        _ => Box::new(raw),
    };
    let mut head = head(&mut reader, HEAD_BYTES).map_err(failed(format))?;
    let mut dropped = 0;
    if reading.drop_byte_order_mark && head.starts_with(BYTE_ORDER_MARK) {
        dropped = BYTE_ORDER_MARK.len() as u64;
        head.drain(..BYTE_ORDER_MARK.len());
    }
    if head.is_empty() {
        return if input.named { Err(Error::Empty(input.path.clone())) } else { Ok(Opened::Empty) };
    }
    if !input.named && memchr::memchr(0, &head).is_some() {
        return Ok(Opened::Binary);
    }
    reader = Box::new(Cursor::new(head).chain(reader));
    if !reading.strip_gutenberg {
        return Ok(Opened::Text(Text { reader, format, dropped, unmarked: false, seekable: format.is_none() }));
    }
    let book = BookReader::new(reader).map_err(failed(format))?;
    let (dropped, unmarked) = (dropped + book.dropped(), book.unmarked());
    Ok(Opened::Text(Text { reader: Box::new(book), format, dropped, unmarked, seekable: false }))
}

/// Opens an input that is [`Text::seekable`] at a byte.
pub fn open_at<'a>(input: &Input, reading: Reading<'a>, offset: u64) -> Result<Box<dyn Read + Send + 'a>> {
    let mut file = CountingFile { file: input.open()?, reading };
    file.seek(SeekFrom::Start(offset)).map_err(|source| failure(&input.path, None, source))?;
    Ok(Box::new(file))
}

/// The error for a read that failed. It names the compression format, if there is one.
pub fn failure(path: &Path, format: Option<&'static str>, source: io::Error) -> Error {
    match format {
        Some(format) => Error::Decompress { path: path.into(), format, source },
        None => Error::Read { path: path.into(), source },
    }
}

const GZIP: &str = "gzip";
const ZSTD: &str = "zstd";
const XZ: &str = "xz";
const ZIP: &str = "zip";

/// The compression format that the first bytes of a file show.
fn compression(magic: &[u8]) -> Option<&'static str> {
    match magic {
        [0x1f, 0x8b, 8, ..] => Some(GZIP),
        [0x28, 0xb5, 0x2f, 0xfd, ..] => Some(ZSTD),
        [0xfd, b'7', b'z', b'X', b'Z', 0] => Some(XZ),
        // With files, or without any.
        [b'P', b'K', 3, 4, ..] | [b'P', b'K', 5, 6, ..] => Some(ZIP),
        _ => None,
    }
}

fn head(reader: &mut impl Read, bytes: u64) -> io::Result<Vec<u8>> {
    let mut head = Vec::new();
    reader.by_ref().take(bytes).read_to_end(&mut head)?;
    Ok(head)
}

/// A file that counts what is read from it, and that can be cancelled in any loop that reads it.
struct CountingFile<'a> {
    file: File,
    reading: Reading<'a>,
}

impl Read for CountingFile<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.reading.cancelled.load(Ordering::Relaxed) {
            return Err(io::Error::other("cancelled"));
        }
        let length = self.file.read(buffer)?;
        self.reading.read.fetch_add(length as u64, Ordering::Relaxed);
        Ok(length)
    }
}

impl Seek for CountingFile<'_> {
    fn seek(&mut self, position: SeekFrom) -> io::Result<u64> {
        self.file.seek(position)
    }
}

/// Reads all frames of a zstd file, one after another, as the format allows.
struct ZstdReader<R> {
    source: R,
    decoder: FrameDecoder,
    ended: bool,
}

impl<R: io::BufRead> ZstdReader<R> {
    fn new(source: R) -> Self {
        Self { source, decoder: FrameDecoder::new(), ended: true }
    }
}

impl<R: io::BufRead> Read for ZstdReader<R> {
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
