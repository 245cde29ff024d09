//! Leaves out what Project Gutenberg puts around a book: all up to the line that marks its start, and all from the line
//! that marks its end.

use std::io::{self, Read};

use memchr::memmem;

/// The start is looked for in so many bytes; the longest headers of old e-texts take a tenth of it.
const HEAD_BYTES: u64 = 256 * 1024;
/// Bytes read at a time after that.
const STEP_BYTES: u64 = 64 * 1024;

/// What the line before the book begins with.
const START: [&[u8]; 4] = [
    b"*** START OF THIS PROJECT GUTENBERG",
    b"*** START OF THE PROJECT GUTENBERG",
    b"***START OF THIS PROJECT GUTENBERG",
    b"***START OF THE PROJECT GUTENBERG",
];
/// What the line after the book begins with.
const END: [&[u8]; 6] = [
    b"*** END OF THIS PROJECT GUTENBERG",
    b"*** END OF THE PROJECT GUTENBERG",
    b"***END OF THIS PROJECT GUTENBERG",
    b"***END OF THE PROJECT GUTENBERG",
    b"End of Project Gutenberg's ",
    b"End of the Project Gutenberg ",
];

/// The book inside an e-text; a text without marks as it is.
pub struct Stripped<R> {
    inner: R,
    /// Bytes read and not handed out.
    buffer: Vec<u8>,
    /// Bytes of the buffer that were handed out.
    start: usize,
    /// Bytes of the buffer that hold no beginning of an end mark.
    ready: usize,
    dropped: u64,
    unmarked: bool,
    marked: bool,
    ended: bool,
}

impl<R: Read> Stripped<R> {
    /// Reads the head of a text and looks for the start of the book.
    pub fn new(mut inner: R) -> io::Result<Self> {
        let mut buffer = Vec::new();
        inner.by_ref().take(HEAD_BYTES).read_to_end(&mut buffer)?;
        let mark = START.iter().filter_map(|mark| find_line(&buffer, mark)).min();
        let start =
            mark.map_or(0, |mark| memchr::memchr(b'\n', &buffer[mark..]).map_or(buffer.len(), |end| mark + end + 1));
        let mut stripped = Self {
            inner,
            buffer,
            start,
            ready: start,
            dropped: start as u64,
            unmarked: mark.is_none(),
            marked: mark.is_some(),
            ended: false,
        };
        stripped.look_for_end();
        Ok(stripped)
    }

    /// Bytes left out before the book.
    pub fn dropped(&self) -> u64 {
        self.dropped
    }

    /// Whether there was no mark of a start.
    pub fn unmarked(&self) -> bool {
        self.unmarked
    }

    /// Ends the text where a mark stands in the buffer; else keeps back what could be the beginning of one.
    fn look_for_end(&mut self) {
        let longest = END.iter().map(|mark| mark.len()).max().unwrap_or(0);
        let fresh = &self.buffer[self.start..];
        // Without a start there is no end: a text that only speaks of the marks stays whole.
        let mark = if self.marked { END.iter().filter_map(|mark| find_line(fresh, mark)).min() } else { None };
        match mark {
            Some(mark) => {
                self.ready = self.start + mark;
                self.ended = true;
            }
            // The line feed before a mark is kept back with it: a mark is one only at the start of a line.
            None => self.ready = self.start.max(self.buffer.len().saturating_sub(longest + 1)),
        }
    }

    fn refill(&mut self) -> io::Result<()> {
        self.buffer.drain(..self.start);
        self.start = 0;
        let read = self.inner.by_ref().take(STEP_BYTES).read_to_end(&mut self.buffer)?;
        self.look_for_end();
        if read == 0 && !self.ended {
            self.ready = self.buffer.len();
            self.ended = true;
        }
        Ok(())
    }
}

impl<R: Read> Read for Stripped<R> {
    fn read(&mut self, output: &mut [u8]) -> io::Result<usize> {
        while self.start == self.ready && !self.ended {
            self.refill()?;
        }
        let length = output.len().min(self.ready - self.start);
        output[..length].copy_from_slice(&self.buffer[self.start..self.start + length]);
        self.start += length;
        Ok(length)
    }
}

/// Where a line begins with the mark.
fn find_line(text: &[u8], mark: &[u8]) -> Option<usize> {
    memmem::find_iter(text, mark).find(|&place| place == 0 || text[place - 1] == b'\n')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn strip(text: &str) -> (String, u64) {
        let mut stripped = Stripped::new(text.as_bytes()).unwrap();
        let mut book = String::new();
        let dropped = stripped.dropped();
        stripped.read_to_string(&mut book).unwrap();
        (book, dropped)
    }

    #[test]
    fn the_book_is_what_lies_between_the_marks() {
        let start = "*** START OF THIS PROJECT GUTENBERG EBOOK A TALE ***\r\n";
        let end = "*** END OF THE PROJECT GUTENBERG EBOOK A TALE ***\r\nlicence";
        let cases = [
            (format!("header\r\n{start}A tale.\r\n{end}"), "A tale.\r\n"),
            (format!("header\n{start}A tale.\nEnd of Project Gutenberg's A Tale\n{end}"), "A tale.\n"),
            (
                format!("header\n{start}He said *** END OF THE PROJECT GUTENBERG\n{end}"),
                "He said *** END OF THE PROJECT GUTENBERG\n",
            ),
            (format!("header\n{start}cut short"), "cut short"),
            (start.into(), ""),
            ("no marks at all".into(), "no marks at all"),
            (format!("no start\n{end}"), &format!("no start\n{end}")),
            (String::new(), ""),
        ];
        for (text, book) in cases {
            let (found, dropped) = strip(&text);
            assert_eq!(found, book, "{text:?}");
            assert!(text[dropped as usize..].starts_with(book), "{text:?}");
        }
    }

    #[test]
    fn an_end_is_found_wherever_the_reading_breaks_off() {
        let end = "*** END OF THIS PROJECT GUTENBERG EBOOK ***\nlicence";
        for distance in 0..80 {
            let book = "x".repeat((HEAD_BYTES + STEP_BYTES) as usize - 80 + distance) + "\n";
            let text = format!("*** START OF THE PROJECT GUTENBERG EBOOK ***\n{book}{end}");
            assert!(strip(&text).0 == book, "{distance}");
        }
    }
}
