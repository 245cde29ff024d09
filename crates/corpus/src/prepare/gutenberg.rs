//! Leaves out what Project Gutenberg puts around a book: everything up to the line that marks its start, and everything
//! from the line that marks its end.

use std::io::{self, Read};

use memchr::memmem;

/// The start mark is looked for in this many bytes. The longest headers of old e-texts need a tenth of it.
const HEAD_BYTES: u64 = 256 * 1024;
/// Bytes read at a time after that.
const STEP_BYTES: u64 = 64 * 1024;

/// Starts of the line before the book.
const START: [&[u8]; 4] = [
    b"*** START OF THIS PROJECT GUTENBERG",
    b"*** START OF THE PROJECT GUTENBERG",
    b"***START OF THIS PROJECT GUTENBERG",
    b"***START OF THE PROJECT GUTENBERG",
];
/// Starts of the line after the book.
const END: [&[u8]; 6] = [
    b"*** END OF THIS PROJECT GUTENBERG",
    b"*** END OF THE PROJECT GUTENBERG",
    b"***END OF THIS PROJECT GUTENBERG",
    b"***END OF THE PROJECT GUTENBERG",
    b"End of Project Gutenberg's ",
    b"End of the Project Gutenberg ",
];

/// Reads the book in an e-text. A text without a start mark is read as it is.
pub struct BookReader<R> {
    inner: R,
    /// Bytes that were read from `inner`.
    buffer: Vec<u8>,
    /// Bytes of the buffer that were handed out.
    start: usize,
    /// Bytes of the buffer that may be handed out, because no end mark starts in them.
    ready: usize,
    /// Whether the buffer, from `start` on, begins a line.
    at_line_start: bool,
    dropped: u64,
    marked: bool,
    ended: bool,
}

impl<R: Read> BookReader<R> {
    /// Reads the start of a text and looks for the start mark.
    pub fn new(mut inner: R) -> io::Result<Self> {
        let mut buffer = Vec::new();
        inner.by_ref().take(HEAD_BYTES).read_to_end(&mut buffer)?;
        let mark = START.iter().filter_map(|mark| find_line(&buffer, mark, true)).min();
        let start =
            mark.map_or(0, |mark| memchr::memchr(b'\n', &buffer[mark..]).map_or(buffer.len(), |end| mark + end + 1));
        let mut book = Self {
            inner,
            buffer,
            start,
            ready: start,
            at_line_start: true,
            dropped: start as u64,
            marked: mark.is_some(),
            ended: false,
        };
        book.find_end();
        Ok(book)
    }

    /// Bytes that were left out before the book.
    pub fn dropped(&self) -> u64 {
        self.dropped
    }

    /// Whether there was no start mark.
    pub fn unmarked(&self) -> bool {
        !self.marked
    }

    /// Ends the text at an end mark in the buffer. Without one, holds back the bytes that could be the start of one.
    fn find_end(&mut self) {
        let longest = END.iter().map(|mark| mark.len()).max().unwrap_or(0);
        let fresh = &self.buffer[self.start..];
        // A text without a start mark has no end mark either; it may just mention one.
        let find = |mark: &&[u8]| find_line(fresh, mark, self.at_line_start);
        let mark = if self.marked { END.iter().filter_map(find).min() } else { None };
        match mark {
            Some(mark) => {
                self.ready = self.start + mark;
                self.ended = true;
            }
            // A mark and the line feed before it.
            None => self.ready = self.start.max(self.buffer.len().saturating_sub(longest + 1)),
        }
    }

    fn refill(&mut self) -> io::Result<()> {
        self.buffer.drain(..self.start);
        self.start = 0;
        let read = self.inner.by_ref().take(STEP_BYTES).read_to_end(&mut self.buffer)?;
        self.find_end();
        if read == 0 && !self.ended {
            self.ready = self.buffer.len();
            self.ended = true;
        }
        Ok(())
    }
}

impl<R: Read> Read for BookReader<R> {
    fn read(&mut self, output: &mut [u8]) -> io::Result<usize> {
        while self.start == self.ready && !self.ended {
            self.refill()?;
        }
        let length = output.len().min(self.ready - self.start);
        output[..length].copy_from_slice(&self.buffer[self.start..self.start + length]);
        self.start += length;
        if let Some(last) = output[..length].last() {
            self.at_line_start = *last == b'\n';
        }
        Ok(length)
    }
}

/// The position of the first line that starts with a mark. `at_line_start` says whether the text begins a line.
fn find_line(text: &[u8], mark: &[u8], at_line_start: bool) -> Option<usize> {
    let starts_line = |place: usize| if place == 0 { at_line_start } else { text[place - 1] == b'\n' };
    memmem::find_iter(text, mark).find(|&place| starts_line(place))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn strip(text: &str) -> (String, u64) {
        let mut reader = BookReader::new(text.as_bytes()).unwrap();
        let mut book = String::new();
        let dropped = reader.dropped();
        reader.read_to_string(&mut book).unwrap();
        (book, dropped)
    }

    #[test]
    fn the_book_is_what_is_between_the_marks() {
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

    /// Reads a book that ends with an end mark after `before`, for many positions of the mark in the reader's buffer.
    fn check_every_position(before: &str, mark_ends_the_book: bool) {
        let end = "*** END OF THIS PROJECT GUTENBERG EBOOK ***\n";
        for distance in 0..140 {
            let book = "x".repeat((HEAD_BYTES + STEP_BYTES) as usize - 120 + distance) + before;
            let text = format!("*** START OF THE PROJECT GUTENBERG EBOOK ***\n{book}{end}");
            let expected = if mark_ends_the_book { book } else { book + end };
            assert!(strip(&text).0 == expected, "{before:?}, {distance}");
        }
    }

    #[test]
    fn an_end_mark_is_found_at_every_position() {
        check_every_position("\n", true);
        check_every_position("\r\n", true);
    }

    #[test]
    fn an_end_mark_in_the_middle_of_a_line_does_not_end_the_book() {
        check_every_position("", false);
        check_every_position("\n> ", false);
    }
}
