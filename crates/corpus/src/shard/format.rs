//! The bytes of a shard. No other module knows bincode.
//!
//! | bytes | what |
//! | --- | --- |
//! | 0..8 | magic, `SCRIMSHD` |
//! | 8..12 | format version, u32 |
//! | 12..53 | header: width u8, then count, offset, vocabulary, run and checksum, u64 each |
//! | 53..64 | zeros |
//! | 64.. | count × width bytes: the ids |
//!
//! All numbers are little-endian. The file is exactly 64 + count × width bytes long. The reader is a view of `&[u8]`
//! and allocates nothing, so no header can make it use memory or read outside its slice.

use std::path::Path;

use bincode::{Decode, Encode};
use model_card::counted;
use xxhash_rust::xxh3::xxh3_64;

use crate::{Error, Result};

/// The magic bytes at the start of a shard.
pub const MAGIC: [u8; 8] = *b"SCRIMSHD";
/// The version that this crate writes and the only one that it reads.
pub const FORMAT_VERSION: u32 = 1;
/// Bytes before the ids: a cache line, so that ids of any width are aligned.
pub const HEADER_LENGTH: usize = 64;

/// Bytes of one id.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Width {
    /// Up to 256 tokens.
    One = 1,
    /// Up to 65,536 tokens.
    Two = 2,
    /// More.
    Four = 4,
}

impl Width {
    /// The smallest width that holds every id of a vocabulary with `tokens` tokens.
    pub fn of_vocabulary(tokens: usize) -> Self {
        match tokens {
            0..=0x100 => Self::One,
            0x101..=0x1_0000 => Self::Two,
            _ => Self::Four,
        }
    }

    /// Bytes of one id.
    pub fn bytes(self) -> usize {
        self as usize
    }

    fn from_bytes(bytes: u8) -> Option<Self> {
        [Self::One, Self::Two, Self::Four].into_iter().find(|width| *width as u8 == bytes)
    }
}

/// The header of a shard.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Header {
    /// Bytes of one id.
    pub width: Width,
    /// Number of ids.
    pub count: u64,
    /// Ids of the corpus before this shard.
    pub offset: u64,
    /// [`model_card::Vocabulary::fingerprint`] of the vocabulary that the ids refer to.
    pub vocabulary: u64,
    /// Identity of the corpus that the shard belongs to: [`crate::Index::run`].
    pub run: u64,
    /// xxh3-64 of the ids' bytes.
    pub checksum: u64,
}

/// The header as bincode sees it.
#[derive(Encode, Decode)]
struct Stored {
    width: u8,
    count: u64,
    offset: u64,
    vocabulary: u64,
    run: u64,
    checksum: u64,
}

const VERSION_AT: usize = MAGIC.len();
const HEADER_AT: usize = VERSION_AT + size_of::<u32>();

impl Header {
    /// The first 64 bytes of a shard.
    ///
    /// # Panics
    /// Never: the header has a fixed size below 64 bytes.
    pub fn to_bytes(&self) -> [u8; HEADER_LENGTH] {
        let Self { width, count, offset, vocabulary, run, checksum } = *self;
        let stored = Stored { width: width as u8, count, offset, vocabulary, run, checksum };
        let mut bytes = [0; HEADER_LENGTH];
        bytes[..VERSION_AT].copy_from_slice(&MAGIC);
        bytes[VERSION_AT..HEADER_AT].copy_from_slice(&FORMAT_VERSION.to_le_bytes());
        bincode::encode_into_slice(stored, &mut bytes[HEADER_AT..], configuration()).expect("a header fits");
        bytes
    }
}

/// A shard whose header and length agree.
#[derive(Debug, Clone, Copy)]
pub struct Shard<'b> {
    header: Header,
    ids: &'b [u8],
}

impl<'b> Shard<'b> {
    /// Parses the bytes of a whole shard. `path` is only used in error messages.
    ///
    /// This checks the header and the length, in the same time for any size. [`Shard::verify`] checks the ids.
    pub fn parse(bytes: &'b [u8], path: &Path) -> Result<Self> {
        let damaged = |message: String| Error::ShardHeader { path: path.into(), message };
        let Some((head, ids)) = bytes.split_at_checked(HEADER_LENGTH) else {
            return Err(header_too_short(path, bytes.len() as u64));
        };
        if !head.starts_with(&MAGIC) {
            return Err(damaged("it does not start with the magic bytes of a shard".into()));
        }
        let version = head[VERSION_AT..HEADER_AT].iter().rev().fold(0, |value, &byte| value << 8 | u32::from(byte));
        if version != FORMAT_VERSION {
            return Err(damaged(format!("format version {version}, and this program reads {FORMAT_VERSION}")));
        }
        let (stored, length): (Stored, usize) = bincode::decode_from_slice(&head[HEADER_AT..], configuration())
            .map_err(|error| damaged(format!("its header cannot be decoded ({error})")))?;
        let Stored { width, count, offset, vocabulary, run, checksum } = stored;
        let width = Width::from_bytes(width).ok_or_else(|| damaged(format!("its ids have {width} bytes each")))?;
        if head[HEADER_AT + length..].iter().any(|&byte| byte != 0) {
            return Err(damaged("the padding after its header is not zero".into()));
        }
        let expected = count
            .checked_mul(width.bytes() as u64)
            .and_then(|length| length.checked_add(HEADER_LENGTH as u64))
            .ok_or_else(|| damaged(format!("its header states {count} ids")))?;
        if offset.checked_add(count).is_none() {
            return Err(damaged(format!("its header states an offset of {offset}")));
        }
        let found = bytes.len() as u64;
        if found != expected {
            return Err(Error::ShardLength { path: path.into(), found, expected });
        }
        Ok(Self { header: Header { width, count, offset, vocabulary, run, checksum }, ids })
    }

    /// A shard whose header [`Shard::parse`] has already checked against these ids.
    pub(crate) fn trusted(header: Header, ids: &'b [u8]) -> Self {
        Self { header, ids }
    }

    /// The header.
    pub fn header(&self) -> Header {
        self.header
    }

    /// Copies ids from `start` on to `output`.
    ///
    /// # Panics
    /// If the shard ends before `output` is full.
    pub fn read(&self, start: usize, output: &mut [u32]) {
        let width = self.header.width.bytes();
        let bytes = &self.ids[start * width..(start + output.len()) * width];
        match self.header.width {
            Width::One => output.iter_mut().zip(bytes).for_each(|(id, &byte)| *id = u32::from(byte)),
            Width::Two => {
                let (pairs, _) = bytes.as_chunks::<2>();
                output.iter_mut().zip(pairs).for_each(|(id, &pair)| *id = u32::from(u16::from_le_bytes(pair)));
            }
            Width::Four => {
                let (quads, _) = bytes.as_chunks::<4>();
                output.iter_mut().zip(quads).for_each(|(id, &quad)| *id = u32::from_le_bytes(quad));
            }
        }
    }

    /// Reads every id, and checks the checksum and that each id is below the size of the vocabulary.
    pub fn verify(&self, vocabulary: usize, path: &Path) -> Result<()> {
        if xxh3_64(self.ids) != self.header.checksum {
            return Err(Error::ShardAltered(path.into()));
        }
        // The checksum holds, so this is a fault of the writer.
        if self.largest().is_some_and(|largest| largest as usize >= vocabulary) {
            let message = format!("it contains ids past the {vocabulary} tokens of the vocabulary");
            return Err(Error::ShardHeader { path: path.into(), message });
        }
        Ok(())
    }

    fn largest(&self) -> Option<u32> {
        match self.header.width {
            Width::One => self.ids.iter().copied().max().map(u32::from),
            Width::Two => self.ids.as_chunks().0.iter().copied().map(u16::from_le_bytes).max().map(u32::from),
            Width::Four => self.ids.as_chunks().0.iter().copied().map(u32::from_le_bytes).max(),
        }
    }
}

pub(super) fn header_too_short(path: &Path, length: u64) -> Error {
    let message = format!("it has {}, and a header takes {HEADER_LENGTH}", counted(length, "byte"));
    Error::ShardHeader { path: path.into(), message }
}

fn configuration() -> impl bincode::config::Config {
    bincode::config::standard().with_little_endian().with_fixed_int_encoding().with_limit::<HEADER_LENGTH>()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shard(width: Width, ids: &[u8]) -> Vec<u8> {
        let count = (ids.len() / width.bytes()) as u64;
        let header = Header { width, count, offset: 7, vocabulary: 8, run: 9, checksum: xxh3_64(ids) };
        [&header.to_bytes()[..], ids].concat()
    }

    #[test]
    fn the_layout_is_as_documented() {
        let bytes = shard(Width::Two, &[1, 0, 2, 1]);
        assert_eq!(bytes.len(), 64 + 4);
        assert_eq!(bytes[..8], MAGIC);
        assert_eq!(bytes[8..12], [1, 0, 0, 0]);
        assert_eq!(bytes[12], 2);
        for (place, value) in [2_u64, 7, 8, 9, xxh3_64(&[1, 0, 2, 1])].into_iter().enumerate() {
            assert_eq!(bytes[13 + 8 * place..21 + 8 * place], value.to_le_bytes(), "number {place}");
        }
        assert!(bytes[53..64].iter().all(|&byte| byte == 0));
    }

    #[test]
    fn ids_of_every_width_round_trip() {
        let cases: [(Width, &[u8], &[u32]); 3] = [
            (Width::One, &[0, 255, 3], &[0, 255, 3]),
            (Width::Two, &[0, 0, 255, 255, 1, 2], &[0, 65_535, 513]),
            (Width::Four, &[255, 255, 16, 0, 1, 2, 3, 4, 0, 0, 0, 0], &[0x0010_ffff, 0x0403_0201, 0]),
        ];
        for (width, ids, expected) in cases {
            let bytes = shard(width, ids);
            let shard = Shard::parse(&bytes, Path::new("x")).unwrap();
            let mut output = [0; 3];
            shard.read(0, &mut output);
            assert_eq!(output, expected, "{width:?}");
            shard.read(1, &mut output[..1]);
            assert_eq!(output[0], expected[1], "{width:?} from the second id");
            assert_eq!((shard.header().offset, shard.header().count), (7, 3));
        }
    }

    #[test]
    fn the_width_is_the_smallest_that_fits() {
        let cases = [(1, 1), (256, 1), (257, 2), (65_536, 2), (65_537, 4), (1_114_114, 4)];
        for (tokens, bytes) in cases {
            assert_eq!(Width::of_vocabulary(tokens).bytes(), bytes, "{tokens} tokens");
        }
    }

    #[test]
    fn every_kind_of_damage_is_named() {
        let refuse = |change: fn(&mut Vec<u8>), part: &str| {
            let mut bytes = shard(Width::Two, &[1, 0, 2, 1]);
            change(&mut bytes);
            let message = Shard::parse(&bytes, Path::new("the-shard"))
                .and_then(|shard| shard.verify(300, Path::new("the-shard")))
                .unwrap_err()
                .to_string();
            assert!(message.contains(part) && message.contains("the-shard"), "{message:?} should say {part:?}");
        };
        refuse(Vec::clear, "0 bytes, and a header takes 64");
        refuse(|bytes| bytes.truncate(63), "63 bytes, and a header takes 64");
        refuse(|bytes| bytes[0] = b'X', "does not start with the magic bytes");
        refuse(|bytes| bytes[8] = 2, "format version 2");
        refuse(|bytes| bytes[9] = 1, "format version 257");
        refuse(|bytes| bytes[11] = 1, "format version 16777217");
        refuse(|bytes| bytes[12] = 3, "its ids have 3 bytes each");
        refuse(|bytes| bytes[60] = 1, "padding");
        refuse(|bytes| bytes.truncate(66), "66 bytes and its header says 68: it was truncated");
        refuse(|bytes| bytes.push(0), "69 bytes and its header says 68: it was appended to");
        refuse(|bytes| bytes[13..21].fill(0xff), "states 18446744073709551615 ids");
        refuse(|bytes| bytes[21..29].fill(0xff), "states an offset of");
        refuse(|bytes| bytes[64] = 2, "checksum differs");
        refuse(|bytes| bytes[45] ^= 1, "checksum differs");
        refuse(|bytes| *bytes = shard(Width::Two, &[44, 1]), "past the 300 tokens of the vocabulary");
    }
}
