//! The text file in a zip archive, as a stream.
//!
//! Texts are often offered as an archive of one file, sometimes with pictures or an operating system's own files beside
//! it. The crate `zip` reads the archive's directory. The file itself is unpacked here, because a reader of `zip`
//! borrows the archive, and this one has to outlive it.

use std::io::{self, BufReader, Read, Seek, SeekFrom, Take};
use std::path::Path;

use flate2::Crc;
use flate2::read::DeflateDecoder;
use globset::GlobSet;
use model_card::printable;
use zip::{CompressionMethod, ZipArchive};

use crate::{Error, Result};

/// One of several files is text if this many bytes at its start contain no NUL.
const HEAD_BYTES: u64 = 8 * 1024;
/// Most files that an error message names.
const NAMED_FILES: usize = 10;

/// The contents of a file in an archive. At the end, their checksum is compared with the directory's.
pub struct Entry<R> {
    contents: Contents<Take<R>>,
    checksum: Crc,
    expected: u32,
}

enum Contents<R> {
    Stored(R),
    Deflated(DeflateDecoder<R>),
}

/// A file in the archive's directory.
struct Listed {
    index: usize,
    name: String,
}

/// Opens the only text file in an archive, or the only one among the files that match `include`.
///
/// Folders, empty files, hidden files and `__MACOSX` do not count, and binary files do not if there are others.
///
/// # Errors
/// [`Error::Archive`] names the files if none of them is text, or several are.
pub fn open<R: Read + Seek>(file: R, path: &Path, include: Option<&GlobSet>) -> Result<Entry<BufReader<R>>> {
    let damaged = |source: io::Error| Error::Decompress { path: path.into(), format: "zip", source };
    let mut archive = ZipArchive::new(BufReader::new(file)).map_err(|error| damaged(error.into()))?;
    let files = files(&archive).map_err(damaged)?;
    let wanted = |listed: &&Listed| include.map_or(!is_hidden(&listed.name), |include| include.is_match(&listed.name));
    let mut texts: Vec<&Listed> = files.iter().filter(wanted).collect();
    if texts.len() > 1 {
        let mut kept = Vec::new();
        for listed in texts {
            if is_text(&mut archive, listed.index).map_err(damaged)? {
                kept.push(listed);
            }
        }
        texts = kept;
    }
    let entries = match texts[..] {
        [text] => return Entry::open(archive, text.index).map_err(damaged),
        [] if files.is_empty() => "no files in it".into(),
        [] if include.is_some() => format!("no text file that matches --include: {}", names(files.iter())),
        [] => format!("no text file: {}", names(files.iter())),
        _ => format!("{} text files: {}", texts.len(), names(texts.iter().copied())),
    };
    Err(Error::Archive { path: path.into(), entries })
}

/// The files of an archive that are not empty.
fn files<R: Read + Seek>(archive: &ZipArchive<R>) -> io::Result<Vec<Listed>> {
    let mut files = Vec::new();
    for index in 0..archive.len() {
        let entry = archive.by_index_data(index)?;
        if entry.is_file() && entry.size() > 0 {
            let name = entry.name().unwrap_or_else(|_| String::from_utf8_lossy(entry.name_raw())).into_owned();
            files.push(Listed { index, name });
        }
    }
    Ok(files)
}

/// Whether a name is that of a hidden file, such as `.DS_Store`, or in macOS's folder `__MACOSX`.
fn is_hidden(name: &str) -> bool {
    name.split('/').any(|part| part.starts_with('.') || part == "__MACOSX")
}

fn is_text<R: Read + Seek>(archive: &mut ZipArchive<R>, index: usize) -> io::Result<bool> {
    let entry = archive.by_index_raw(index)?;
    let (method, encrypted) = (entry.compression(), entry.encrypted());
    // A file that cannot be unpacked may be text. It counts, and gets its own message if it is chosen.
    let Ok(contents) = Contents::new(entry, method, encrypted) else { return Ok(true) };
    let mut head = Vec::new();
    contents.take(HEAD_BYTES).read_to_end(&mut head)?;
    Ok(memchr::memchr(0, &head).is_none())
}

/// Names of files for a message.
fn names<'f>(files: impl ExactSizeIterator<Item = &'f Listed>) -> String {
    let more = files.len().saturating_sub(NAMED_FILES);
    let quoted = |listed: &Listed| format!("\"{}\"", printable(&listed.name));
    let mut names: Vec<String> = files.take(NAMED_FILES).map(quoted).collect();
    if more > 0 {
        names.push(format!("and {more} more"));
    }
    names.join(", ")
}

impl<R: Read> Contents<R> {
    fn new(raw: R, method: CompressionMethod, encrypted: bool) -> io::Result<Self> {
        match method {
            _ if encrypted => Err(io::Error::other("the file in it is encrypted: unpack the archive")),
            CompressionMethod::STORE => Ok(Self::Stored(raw)),
            CompressionMethod::DEFLATE => Ok(Self::Deflated(DeflateDecoder::new(raw))),
            other => {
                Err(io::Error::other(format!("its compression method, {other}, is not supported: unpack the archive")))
            }
        }
    }
}

impl<R: Read> Read for Contents<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Stored(contents) => contents.read(buffer),
            Self::Deflated(contents) => contents.read(buffer),
        }
    }
}

impl<R: Read + Seek> Entry<R> {
    fn open(mut archive: ZipArchive<R>, index: usize) -> io::Result<Self> {
        let entry = archive.by_index_raw(index)?;
        let (method, encrypted, expected) = (entry.compression(), entry.encrypted(), entry.crc32());
        let (start, size) = (entry.data_start().ok_or(io::ErrorKind::InvalidData)?, entry.compressed_size());
        drop(entry);
        let mut file = archive.into_inner();
        file.seek(SeekFrom::Start(start))?;
        Ok(Self { contents: Contents::new(file.take(size), method, encrypted)?, checksum: Crc::new(), expected })
    }
}

impl<R: Read> Read for Entry<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let length = self.contents.read(buffer)?;
        self.checksum.update(&buffer[..length]);
        if length == 0 && !buffer.is_empty() && self.checksum.sum() != self.expected {
            return Err(io::Error::other("the checksum of the file in it differs"));
        }
        Ok(length)
    }
}

#[cfg(test)]
mod tests {
    use std::io::{Cursor, Write};

    use globset::{Glob, GlobSetBuilder};
    use zip::ZipWriter;
    use zip::write::SimpleFileOptions;

    use super::*;

    /// Archives by Python's zipfile, of `a.txt` with the text `b"ahoy " * 8`:
    ///
    /// ```python
    /// import io, zipfile
    /// class Pipe(io.RawIOBase):  # cannot seek: the checksum follows the data
    ///     def __init__(self): self.bytes = b""
    ///     def writable(self): return True
    ///     def write(self, b): self.bytes += bytes(b); return len(b)
    /// def archive(out, method):
    ///     with zipfile.ZipFile(out, "w", method) as z:
    ///         z.writestr(zipfile.ZipInfo("a.txt"), b"ahoy " * 8, method)
    ///     return out.bytes if isinstance(out, Pipe) else out.getvalue()
    /// for data in [archive(io.BytesIO(), 0), archive(io.BytesIO(), 8), archive(Pipe(), 8)]:
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

    fn bytes(hexadecimal: &str) -> Vec<u8> {
        let digits = hexadecimal.as_bytes().chunks(2);
        digits.map(|pair| u8::from_str_radix(str::from_utf8(pair).unwrap(), 16).unwrap()).collect()
    }

    fn read_matching(archive: &[u8], include: &[&str]) -> std::result::Result<String, String> {
        let mut set = GlobSetBuilder::new();
        for pattern in include {
            set.add(Glob::new(pattern).unwrap());
        }
        let set = set.build().unwrap();
        let mut text = String::new();
        let mut entry = open(Cursor::new(archive), Path::new("x.zip"), (!include.is_empty()).then_some(&set))
            .map_err(|error| error.to_string())?;
        entry.read_to_string(&mut text).map_err(|error| error.to_string())?;
        Ok(text)
    }

    fn read(archive: &[u8]) -> std::result::Result<String, String> {
        read_matching(archive, &[])
    }

    /// An archive of these files, uncompressed. A name that ends with a slash is a folder.
    fn archive(files: &[(&str, &[u8])]) -> Vec<u8> {
        let mut writer = ZipWriter::new(Cursor::new(Vec::new()));
        let options = SimpleFileOptions::default().compression_method(CompressionMethod::STORE);
        for (name, contents) in files {
            if name.ends_with('/') {
                writer.add_directory(*name, options).unwrap();
            } else {
                writer.start_file(*name, options).unwrap();
                writer.write_all(contents).unwrap();
            }
        }
        writer.finish().unwrap().into_inner()
    }

    #[test]
    fn a_file_is_read_however_it_was_packed() {
        for (what, archive) in [("stored", STORED), ("deflated", DEFLATED), ("piped", PIPED)] {
            assert_eq!(read(&bytes(archive)).as_deref(), Ok("ahoy ahoy ahoy ahoy ahoy ahoy ahoy ahoy "), "{what}");
        }
    }

    #[test]
    fn the_only_text_is_found_among_other_files() {
        let book: (&str, &[u8]) = ("book/tale.txt", b"a tale");
        let cases: [&[(&str, &[u8])]; 6] = [
            &[("book/", b""), book],
            &[book, ("__MACOSX/book/._tale.txt", b"resources"), (".DS_Store", b"Bud1")],
            &[("cover.png", b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR"), ("cover.jpg", b"\xff\xd8\xff\xe0\0\x10JFIF"), book],
            &[("empty.txt", b""), book],
            &[book, ("book/.hidden.txt", b"hidden")],
            // UTF-16 looks binary, but nothing else can be meant.
            &[("folder/", b""), ("tale.txt", b"a\0 tale")],
        ];
        for files in cases {
            let found = read(&archive(files)).unwrap();
            assert_eq!(found.replace('\0', ""), "a tale", "{files:?}");
        }
    }

    #[test]
    fn several_texts_are_named_and_one_can_be_chosen() {
        let two = archive(&[("a.txt", b"first"), ("b/\u{1b}[2J.txt", b"second"), ("c.png", b"\0")]);
        assert_eq!(
            read(&two).unwrap_err(),
            "x.zip is a zip archive with 2 text files: \"a.txt\", \"b/\\u{1b}[2J.txt\"; choose one with --include NAME, \
             or unpack the archive"
        );
        assert_eq!(read_matching(&two, &["a.*"]).as_deref(), Ok("first"));
        assert_eq!(read_matching(&two, &["**/*2J.txt"]).as_deref(), Ok("second"));
        assert!(read_matching(&two, &["x*"]).unwrap_err().contains("no text file that matches --include: \"a.txt\""));
        // Hidden files can be chosen too.
        assert_eq!(read_matching(&archive(&[(".a", b"hidden"), ("b", b"text")]), &[".*"]).as_deref(), Ok("hidden"));
    }

    #[test]
    fn an_archive_without_text_is_refused() {
        let many: Vec<String> = (0..13).map(|number| format!("{number}.png")).collect();
        let many: Vec<(&str, &[u8])> = many.iter().map(|name| (name.as_str(), &b"\0"[..])).collect();
        let cases = [
            (archive(&[]), "no files in it"),
            (archive(&[("folder/", b""), ("empty", b"")]), "no files in it"),
            (archive(&[("__MACOSX/a", b"a"), (".b", b"b")]), "no text file: \"__MACOSX/a\", \".b\""),
            (archive(&many), "\"9.png\", and 3 more"),
        ];
        for (archive, part) in cases {
            let message = read(&archive).unwrap_err();
            assert!(message.contains(part), "{message:?} should say {part:?}");
        }
    }

    #[test]
    fn what_cannot_be_read_is_refused() {
        // Places in the local header and in the directory's.
        let change = |local: usize, central: usize, mask: u8| {
            let mut archive = bytes(STORED);
            let directory = directory(&archive);
            archive[local] ^= mask;
            archive[directory + central] ^= mask;
            archive
        };
        let mut altered = bytes(STORED);
        altered[40] ^= 1;
        let cases = [
            ("an encrypted file", change(6, 8, 1), "encrypted"),
            ("another compression", change(8, 10, 12), "Bzip2, is not supported"),
            ("an altered text", altered, "checksum"),
        ];
        for (what, archive, part) in cases {
            let message = read(&archive).unwrap_err();
            assert!(message.contains(part), "{what}: {message:?} should say {part:?}");
        }
    }

    #[test]
    fn a_truncated_archive_is_never_read_as_a_whole_text() {
        for archive in [STORED, DEFLATED, PIPED].map(bytes) {
            for length in 0..archive.len() {
                assert!(read(&archive[..length]).is_err(), "{length} bytes of {}", archive.len());
            }
        }
    }

    fn directory(archive: &[u8]) -> usize {
        archive.windows(4).position(|window| window == b"PK\x01\x02").unwrap()
    }
}
