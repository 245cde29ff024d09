//! The one file in a zip archive, as a stream.
//!
//! Texts are offered as zip archives of a single file. Such an archive is read from its start as it comes, header, data,
//! checksum, without the directory at its end; one of several files is refused, for nobody said which of them is meant.
//!
//! Source of the format: PKWARE's APPNOTE.TXT, sections 4.3.7 (local file header) and 4.3.9 (data descriptor).

use std::io::{self, BufRead, Read, Take};

use flate2::Crc;
use flate2::bufread::DeflateDecoder;

/// The file in an archive; its checksum is held against what was read when it ends.
pub struct Member<R> {
    data: Data<R>,
    crc: Crc,
    /// The checksum that the header gives; one that was not known then follows the data.
    expected: Option<u32>,
    ended: bool,
}

enum Data<R> {
    Stored(Take<R>),
    Deflated(DeflateDecoder<R>),
}

/// Bits of the header's flags.
const ENCRYPTED: u16 = 1 << 0;
const CHECKSUM_FOLLOWS: u16 = 1 << 3;

/// What records begin with.
const NEXT_FILE: [u8; 4] = *b"PK\x03\x04";
const DESCRIPTOR: [u8; 4] = *b"PK\x07\x08";

impl<R: BufRead> Member<R> {
    /// Reads the header of the archive's first file.
    pub fn new(mut archive: R) -> io::Result<Self> {
        let header: [u8; 30] = array(&mut archive)?;
        let short = |at: usize| u16::from_le_bytes([header[at], header[at + 1]]);
        let long = |at: usize| u32::from_le_bytes([header[at], header[at + 1], header[at + 2], header[at + 3]]);
        let (flags, method) = (short(6), short(8));
        let (expected, stored) = (long(14), long(18));
        let rest = u64::from(short(26)) + u64::from(short(28));
        if io::copy(&mut archive.by_ref().take(rest), &mut io::sink())? != rest {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        if flags & ENCRYPTED != 0 {
            return Err(io::Error::other("it is encrypted"));
        }
        let checksum_follows = flags & CHECKSUM_FOLLOWS != 0;
        let data = match method {
            // All ones: the size is of 64 bits and stands elsewhere.
            0 if !checksum_follows && stored != u32::MAX => Data::Stored(archive.take(stored.into())),
            8 => Data::Deflated(DeflateDecoder::new(archive)),
            _ => return Err(io::Error::other("it is packed in a way that is not read here: unpack it")),
        };
        Ok(Self { data, crc: Crc::new(), expected: (!checksum_follows).then_some(expected), ended: false })
    }

    /// What follows the data: the checksum, if the header had none, and no other file.
    fn end(&mut self) -> io::Result<()> {
        let archive: &mut dyn Read = match &mut self.data {
            Data::Stored(data) => data.get_mut(),
            Data::Deflated(data) => data.get_mut(),
        };
        let expected = if let Some(expected) = self.expected {
            expected
        } else {
            let first = array(archive)?;
            let checksum = if first == DESCRIPTOR { array(archive)? } else { first };
            // Both sizes; the deflated data has said where it ends.
            array::<8>(archive)?;
            u32::from_le_bytes(checksum)
        };
        if self.crc.sum() != expected {
            return Err(io::Error::other("its checksum differs"));
        }
        let mut record = array(archive)?;
        if !record.starts_with(b"PK") {
            // The sizes were of 64 bits each.
            array::<4>(archive)?;
            record = array(archive)?;
        }
        if record == NEXT_FILE {
            return Err(io::Error::other("it holds several files: unpack it and name those to read"));
        }
        Ok(())
    }
}

impl<R: BufRead> Read for Member<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.ended || buffer.is_empty() {
            return Ok(0);
        }
        let length = match &mut self.data {
            Data::Stored(data) => data.read(buffer)?,
            Data::Deflated(data) => data.read(buffer)?,
        };
        self.crc.update(&buffer[..length]);
        if length == 0 {
            self.end()?;
            self.ended = true;
        }
        Ok(length)
    }
}

fn array<const N: usize>(reader: &mut (impl Read + ?Sized)) -> io::Result<[u8; N]> {
    let mut bytes = [0; N];
    reader.read_exact(&mut bytes)?;
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Archives by Python's zipfile, of `a.txt` with the text `b"ahoy " * 8`:
    ///
    /// ```python
    /// import io, zipfile
    /// class Pipe(io.RawIOBase):  # cannot seek: the checksum follows the data
    ///     def __init__(self): self.bytes = b""
    ///     def writable(self): return True
    ///     def write(self, b): self.bytes += bytes(b); return len(b)
    /// def archive(out, method, names=["a.txt"]):
    ///     with zipfile.ZipFile(out, "w", method) as z:
    ///         for n in names: z.writestr(zipfile.ZipInfo(n), b"ahoy " * 8, method)
    ///     return out.bytes if isinstance(out, Pipe) else out.getvalue()
    /// for data in [archive(io.BytesIO(), 0), archive(io.BytesIO(), 8), archive(Pipe(), 8),
    ///              archive(io.BytesIO(), 8, ["a.txt", "b.txt"])]:
    ///     print(data.hex())
    /// ```
    const STORED: &str = "504b030414000000000000002100160310c9280000002800000005000000612e74787461686f792061686f792061686f7920\
        61686f792061686f792061686f792061686f792061686f7920504b0102140314000000000000002100160310c92800000028\
        000000050000000000000000000000800100000000612e747874504b05060000000001000100330000004b0000000000";
    const DEFLATED: &str = "504b030414000000080000002100160310c90a0000002800000005000000612e7478744bccc8af5448244c0000504b010214\
        0314000000080000002100160310c90a00000028000000050000000000000000000000800100000000612e747874504b0506\
        0000000001000100330000002d0000000000";
    const PIPED: &str = "504b03041400080008000000210000000000000000000000000005000000612e7478744bccc8af5448244c0000504b070816\
        0310c90a00000028000000504b0102140314000800080000002100160310c90a000000280000000500000000000000000000\
        00800100000000612e747874504b05060000000001000100330000003d0000000000";
    const TWO: &str = "504b030414000000080000002100160310c90a0000002800000005000000612e7478744bccc8af5448244c0000504b030414\
        000000080000002100160310c90a0000002800000005000000622e7478744bccc8af5448244c0000504b0102140314000000\
        080000002100160310c90a00000028000000050000000000000000000000800100000000612e747874504b01021403140000\
        00080000002100160310c90a0000002800000005000000000000000000000080012d000000622e747874504b050600000000\
        02000200660000005a0000000000";

    fn bytes(hexadecimal: &str) -> Vec<u8> {
        let digits = hexadecimal.as_bytes().chunks(2);
        digits.map(|pair| u8::from_str_radix(str::from_utf8(pair).unwrap(), 16).unwrap()).collect()
    }

    fn read(archive: &[u8]) -> Result<String, String> {
        let mut text = String::new();
        let read = Member::new(archive).and_then(|mut member| member.read_to_string(&mut text));
        read.map(|_| text).map_err(|error| error.to_string())
    }

    #[test]
    fn a_file_comes_out_however_it_was_packed() {
        for (what, archive) in [("stored", STORED), ("deflated", DEFLATED), ("piped", PIPED)] {
            assert_eq!(read(&bytes(archive)).as_deref(), Ok("ahoy ahoy ahoy ahoy ahoy ahoy ahoy ahoy "), "{what}");
        }
    }

    #[test]
    fn what_cannot_be_read_is_refused() {
        let change = |place: usize, byte: u8| {
            let mut archive = bytes(STORED);
            archive[place] ^= byte;
            archive
        };
        let cases = [
            ("several files", bytes(TWO), "several files"),
            ("an encrypted file", change(6, 1), "encrypted"),
            ("another packing", change(8, 12), "unpack it"),
            ("an altered text", change(40, 1), "checksum"),
            ("a stored file of unknown length", change(6, 8), "unpack it"),
        ];
        for (what, archive, part) in cases {
            let message = read(&archive).unwrap_err();
            assert!(message.contains(part), "{what}: {message:?} should say {part:?}");
        }
    }

    #[test]
    fn an_archive_cut_short_is_never_a_whole_text() {
        for archive in [STORED, DEFLATED, PIPED].map(bytes) {
            let directory = archive.windows(4).position(|window| window == b"PK\x01\x02").unwrap();
            for length in 0..directory {
                assert!(read(&archive[..length]).is_err(), "{length} bytes of {}", archive.len());
            }
        }
    }
}
