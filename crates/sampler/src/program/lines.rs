//! Reads a text line by line in constant memory. Says when the next line is not there yet.

use std::{
    fs::File,
    io::{self, Read},
    path::Path,
    sync::mpsc::{self, Receiver, RecvTimeoutError, SyncSender},
    thread,
    time::{Duration, Instant},
};

use super::failure::Failure;

/// Longer lines are split into pieces.
const LONGEST: usize = 1 << 16;

/// Bytes read at once.
const CHUNK: usize = 1 << 16;

/// Chunks that are read ahead from a pipe.
const CHUNKS_AHEAD: usize = 8;

/// How long a line that was read may wait for more input, so that many lines are scored together.
const PATIENCE: Duration = Duration::from_millis(20);

/// A line with its line end, or a piece of a very long line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Line {
    /// Line number, from 1.
    pub number: u64,
    /// Offset in the text, in bytes.
    pub offset: u64,
    /// Its bytes.
    pub bytes: Vec<u8>,
}

/// What comes next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Next {
    Line(Line),
    /// There is no complete line yet. The next call waits for one.
    Waiting,
    End,
}

/// The lines of a text.
pub struct Lines {
    input: Input,
    name: String,
    number: u64,
    offset: u64,
    buffer: Vec<u8>,
    /// Bytes of the buffer that were returned already.
    start: usize,
    has_ended: bool,
}

enum Input {
    /// A file, where the next bytes are always there.
    File(Box<dyn Read>),
    /// A pipe or terminal, which a thread reads.
    Stream {
        chunks: Receiver<io::Result<Vec<u8>>>,
        /// Until when a line may wait for more. `None` if no line is waiting.
        deadline: Option<Instant>,
    },
}

impl Lines {
    /// Opens a text; `-` is standard input.
    pub fn open(path: &Path) -> Result<Self, Failure> {
        let name = path.display().to_string();
        let failed = |error| Failure::Input(format!("cannot read {name}: {error}"));
        if path == Path::new("-") {
            return Self::stream(io::stdin(), "standard input".into());
        }
        if path.is_dir() {
            return Err(failed(io::ErrorKind::IsADirectory.into()));
        }
        let file = File::open(path).map_err(failed)?;
        if file.metadata().is_ok_and(|metadata| metadata.is_file()) {
            Ok(Self::new(Input::File(Box::new(file)), name))
        } else {
            Self::stream(file, name)
        }
    }

    fn stream(input: impl Read + Send + 'static, name: String) -> Result<Self, Failure> {
        let (sender, chunks) = mpsc::sync_channel(CHUNKS_AHEAD);
        let thread = thread::Builder::new().spawn(move || read_chunks(input, &sender));
        thread.map_err(|error| Failure::Input(format!("cannot start a thread that reads {name}: {error}")))?;
        Ok(Self::new(Input::Stream { chunks, deadline: None }, name))
    }

    /// The lines of a file of these bytes.
    #[cfg(test)]
    pub fn of_file(bytes: &'static [u8]) -> Self {
        Self::new(Input::File(Box::new(bytes)), "text".into())
    }

    fn new(input: Input, name: String) -> Self {
        Self { input, name, number: 1, offset: 0, buffer: Vec::new(), start: 0, has_ended: false }
    }

    /// The next line. A piece of a line ends before an ASCII character, which normalisation does not join to others.
    pub fn next(&mut self) -> Result<Next, Failure> {
        loop {
            let rest = &self.buffer[self.start..];
            let line_end = rest.iter().take(LONGEST).position(|&byte| byte == b'\n');
            let length = match line_end {
                Some(place) => place + 1,
                None if rest.len() >= LONGEST => piece(&rest[..LONGEST]),
                None if !self.has_ended => {
                    if self.read()? {
                        continue;
                    }
                    return Ok(Next::Waiting);
                }
                None if rest.is_empty() => return Ok(Next::End),
                None => rest.len(),
            };
            let line = Line { number: self.number, offset: self.offset, bytes: rest[..length].to_vec() };
            self.number += u64::from(line_end.is_some());
            self.offset += length as u64;
            self.start += length;
            return Ok(Next::Line(line));
        }
    }

    /// The text's name for messages.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Reads more into the buffer. Returns whether anything came, the end included.
    fn read(&mut self) -> Result<bool, Failure> {
        self.buffer.drain(..self.start);
        self.start = 0;
        let failed = |error| Failure::Input(format!("cannot read {}: {error}", self.name));
        match &mut self.input {
            Input::File(file) => {
                let read = file.by_ref().take(CHUNK as u64).read_to_end(&mut self.buffer);
                self.has_ended = read.map_err(failed)? == 0;
            }
            Input::Stream { chunks, deadline } => {
                let chunk = match *deadline {
                    Some(deadline) => chunks.recv_timeout(deadline.saturating_duration_since(Instant::now())),
                    None => chunks.recv().map_err(RecvTimeoutError::from),
                };
                match chunk {
                    Ok(chunk) => {
                        self.buffer.extend_from_slice(&chunk.map_err(failed)?);
                        deadline.get_or_insert_with(|| Instant::now() + PATIENCE);
                    }
                    Err(RecvTimeoutError::Timeout) => {
                        *deadline = None;
                        return Ok(false);
                    }
                    Err(RecvTimeoutError::Disconnected) => self.has_ended = true,
                }
            }
        }
        Ok(true)
    }
}

/// Length of the next piece of a long line.
fn piece(bytes: &[u8]) -> usize {
    let last = |is_start: fn(&u8) -> bool| bytes.iter().rposition(is_start).filter(|&place| place > 0);
    last(u8::is_ascii).or_else(|| last(|byte| byte & 0xc0 != 0x80)).unwrap_or(bytes.len())
}

/// Sends what is read until the end, an error, or the receiver is gone.
fn read_chunks(mut input: impl Read, sender: &SyncSender<io::Result<Vec<u8>>>) {
    let mut buffer = vec![0; CHUNK];
    loop {
        let chunk = match input.read(&mut buffer) {
            Ok(0) => return,
            Ok(length) => Ok(buffer[..length].to_vec()),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => Err(error),
        };
        let failed = chunk.is_err();
        if sender.send(chunk).is_err() || failed {
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(mut lines: Lines) -> Vec<Line> {
        let mut found = Vec::new();
        loop {
            match lines.next().unwrap() {
                Next::Line(line) => found.push(line),
                Next::Waiting => {}
                Next::End => return found,
            }
        }
    }

    #[test]
    fn lines_keep_their_ends_and_long_lines_come_in_pieces() {
        let long = format!("{}\u{e9}\n", "ab ".repeat(50_000));
        let text = format!("one\r\n\ntwo\n{long}{}last", "\u{4e16}".repeat(60_000));
        let input = io::Cursor::new(text.clone());
        let from_file = lines(Lines::new(Input::File(Box::new(input.clone())), "text".into()));
        let from_stream = lines(Lines::stream(input, "text".into()).unwrap());
        assert_eq!(from_file, from_stream);
        let mut offset = 0;
        for line in &from_file {
            assert!(line.bytes.len() <= LONGEST);
            assert!(std::str::from_utf8(&line.bytes).is_ok(), "cut inside a character at {}", line.offset);
            assert_eq!(line.offset, offset);
            offset += line.bytes.len() as u64;
        }
        assert_eq!(from_file.iter().map(|line| line.number).collect::<Vec<_>>(), [1, 2, 3, 4, 4, 4, 5, 5, 5]);
        assert_eq!(from_file.iter().flat_map(|line| line.bytes.clone()).collect::<Vec<_>>(), text.as_bytes());
    }
}
