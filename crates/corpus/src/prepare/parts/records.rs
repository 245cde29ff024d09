//! The blocks that a part counted, in a file that is read from its start to its end.
//!
//! A record is: the number of inputs since the block before (for the first block: since the first input), the block's offset
//! in its input, the xxh3-64 of its bytes (eight bytes, little-endian), its number of tokens, the number of boundaries
//! among them, and for each boundary the tokens since the one before, itself included. Numbers are in LEB128: seven bits
//! a byte, the lowest first, and the highest bit set in all bytes but the last.

use std::fs::File;
use std::io::{self, BufRead, BufReader, BufWriter, Read, Write};
use std::path::{Path, PathBuf};

use xxhash_rust::xxh3::Xxh3;

use super::super::blocks::{Block, Place};
use super::super::splitter::BlockTokens;
use crate::{Error, Result};

/// A block that was counted.
#[derive(Debug, Default)]
pub struct Record {
    /// Where it starts.
    pub place: Place,
    /// xxh3-64 of its bytes.
    pub hash: u64,
    /// Its tokens.
    pub tokens: BlockTokens,
}

/// Writes records.
pub struct RecordWriter<W: Write> {
    file: BufWriter<W>,
    hash: Xxh3,
    buffer: Vec<u8>,
    input: usize,
    blocks: u64,
}

impl<W: Write> RecordWriter<W> {
    /// No records yet.
    pub fn new(file: W) -> Self {
        Self { file: BufWriter::new(file), hash: Xxh3::new(), buffer: Vec::new(), input: 0, blocks: 0 }
    }

    /// Appends a block.
    pub fn add(&mut self, block: &Block, hash: u64, tokens: &BlockTokens) -> io::Result<()> {
        self.buffer.clear();
        push(&mut self.buffer, (block.input - self.input) as u64);
        push(&mut self.buffer, block.offset);
        self.buffer.extend_from_slice(&hash.to_le_bytes());
        push(&mut self.buffer, tokens.count as u64);
        push(&mut self.buffer, tokens.ends.len() as u64);
        let mut before = 0;
        for &end in &tokens.ends {
            push(&mut self.buffer, (end - before) as u64);
            before = end;
        }
        self.input = block.input;
        self.blocks += 1;
        self.hash.update(&self.buffer);
        self.file.write_all(&self.buffer)
    }

    /// The number of records, and the xxh3-64 of their bytes.
    pub fn finish(mut self) -> io::Result<(u64, u64)> {
        self.file.flush()?;
        Ok((self.blocks, self.hash.digest()))
    }
}

/// Reads records.
pub struct RecordReader {
    path: PathBuf,
    file: BufReader<Hashed>,
    input: usize,
    left: u64,
    checksum: u64,
}

/// A file whose bytes are hashed as they are read.
struct Hashed {
    file: File,
    hash: Xxh3,
}

impl Read for Hashed {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let length = self.file.read(buffer)?;
        self.hash.update(&buffer[..length]);
        Ok(length)
    }
}

impl RecordReader {
    /// The records of a file that has so many, with this checksum.
    pub fn open(path: &Path, blocks: u64, checksum: u64) -> Result<Self> {
        let file = File::open(path).map_err(|source| Error::Read { path: path.into(), source })?;
        let file = BufReader::with_capacity(1 << 16, Hashed { file, hash: Xxh3::new() });
        Ok(Self { path: path.into(), file, input: 0, left: blocks, checksum })
    }

    /// Reads the next record. Returns `false` at the end, where the checksum is compared.
    pub fn next(&mut self, record: &mut Record) -> Result<bool> {
        if self.left == 0 {
            let rest = self.file.fill_buf().map(<[u8]>::len);
            let is_whole =
                rest.map_err(|error| self.failed(error))? == 0 && self.file.get_ref().hash.digest() == self.checksum;
            return if is_whole { Ok(false) } else { Err(self.damaged()) };
        }
        self.left -= 1;
        self.read(record).map_err(|error| self.failed(error))?;
        Ok(true)
    }

    fn read(&mut self, record: &mut Record) -> io::Result<()> {
        let overflow = || io::Error::from(io::ErrorKind::InvalidData);
        let inputs = usize::try_from(pull(&mut self.file)?).map_err(|_| overflow())?;
        self.input = self.input.checked_add(inputs).ok_or_else(overflow)?;
        record.place = Place { input: self.input, offset: pull(&mut self.file)? };
        let mut hash = [0; 8];
        self.file.read_exact(&mut hash)?;
        record.hash = u64::from_le_bytes(hash);
        record.tokens.clear();
        record.tokens.count = usize::try_from(pull(&mut self.file)?).map_err(|_| overflow())?;
        let mut end = 0_u64;
        for _ in 0..pull(&mut self.file)? {
            end = end.checked_add(pull(&mut self.file)?).ok_or_else(overflow)?;
            if end > record.tokens.count as u64 {
                return Err(overflow());
            }
            record.tokens.ends.push(end as usize);
        }
        Ok(())
    }

    fn failed(&self, error: io::Error) -> Error {
        match error.kind() {
            io::ErrorKind::UnexpectedEof | io::ErrorKind::InvalidData => self.damaged(),
            _ => Error::Read { path: self.path.clone(), source: error },
        }
    }

    fn damaged(&self) -> Error {
        Error::PartDamaged { path: self.path.clone(), message: "its checksum differs".into() }
    }
}

fn push(buffer: &mut Vec<u8>, mut number: u64) {
    while number >= 0x80 {
        buffer.push(number as u8 | 0x80);
        number >>= 7;
    }
    buffer.push(number as u8);
}

fn pull(reader: &mut impl Read) -> io::Result<u64> {
    let mut number = 0;
    for shift in (0..64).step_by(7) {
        let mut byte = [0];
        reader.read_exact(&mut byte)?;
        number |= u64::from(byte[0] & 0x7f) << shift;
        if byte[0] < 0x80 {
            return Ok(number);
        }
    }
    Err(io::ErrorKind::InvalidData.into())
}
