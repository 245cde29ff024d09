//! An event file: opened, cut back, appended to, and read.

use std::collections::HashMap;
use std::fs::{File, OpenOptions};
use std::io::{self, BufReader, Write};
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use prost::Message;

use crate::messages::{Event, FILE_VERSION, Summary, SummaryValue};
use crate::{Error, Result, record};

/// An event file that grows. Events are written in the order of their steps, each with one write.
#[derive(Debug)]
pub struct EventFile {
    path: PathBuf,
    file: File,
    last: HashMap<String, u64>,
}

/// One value of a file, as it is read.
#[derive(Debug, Clone, PartialEq)]
pub struct Reading {
    /// The step.
    pub step: u64,
    /// Seconds since 1970.
    pub wall_time: f64,
    /// The name of the series that it belongs to.
    pub tag: String,
    /// The value.
    pub value: Value,
}

/// A value in an event file.
#[derive(Debug, Clone, PartialEq)]
pub enum Value {
    /// A number. Event files have 32 bits for it.
    Scalar(f32),
    /// A text.
    Text(String),
}

impl EventFile {
    /// Opens the file, or makes it. What follows the last event of step `through`, or is cut off or damaged, is removed.
    ///
    /// The file's name has to contain `tfevents`, or TensorBoard does not look at it.
    ///
    /// # Errors
    /// [`Error::NotAnEventFile`] if there is something else of that name; it stays as it is.
    pub fn open(path: &Path, through: u64) -> Result<Self> {
        let unwritable = |source| Error::Write { path: path.into(), source };
        let (mut last, mut kept) = (HashMap::new(), None);
        let is_there = walk(path, &mut |event, end| {
            let is_kept = event.step.cast_unsigned() <= through;
            if is_kept {
                let values = event.summary.into_iter().flat_map(|summary| summary.value);
                last.extend(values.map(|value| (value.tag, event.step.cast_unsigned())));
                kept = Some(end);
            }
            is_kept
        })?;
        if !is_there {
            let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0.0, |since| since.as_secs_f64());
            let first = Event { wall_time: now, file_version: Some(FILE_VERSION.into()), ..Event::default() };
            durable::write(path, &record::encode(&first.encode_to_vec())).map_err(unwritable)?;
        }
        if let Some(kept) = kept {
            // Not the handle that appends: Windows would not let it.
            let file = OpenOptions::new().write(true).open(path).map_err(unwritable)?;
            file.set_len(kept).map_err(unwritable)?;
        }
        let file = OpenOptions::new().append(true).open(path).map_err(unwritable)?;
        Ok(Self { path: path.into(), file, last })
    }

    /// The last step that has a value of this tag.
    pub fn last_step(&self, tag: &str) -> Option<u64> {
        self.last.get(tag).copied()
    }

    /// Appends numbers, each with its tag, at a step. `wall_time` is in seconds since 1970.
    pub fn scalars(&mut self, step: u64, wall_time: f64, numbers: &[(&str, f64)]) -> Result<()> {
        self.append(step, wall_time, numbers.iter().map(|(tag, number)| SummaryValue::scalar(tag, *number)).collect())
    }

    /// Appends a text, which TensorBoard shows as Markdown, at a step. `wall_time` is in seconds since 1970.
    pub fn text(&mut self, step: u64, wall_time: f64, tag: &str, text: &str) -> Result<()> {
        self.append(step, wall_time, vec![SummaryValue::text(tag, text)])
    }

    fn append(&mut self, step: u64, wall_time: f64, value: Vec<SummaryValue>) -> Result<()> {
        self.last.extend(value.iter().map(|value| (value.tag.clone(), step)));
        let event = Event { wall_time, step: step.cast_signed(), file_version: None, summary: Some(Summary { value }) };
        // One write, so that a kill leaves it whole or not at all.
        let written = self.file.write_all(&record::encode(&event.encode_to_vec()));
        written.map_err(|source| Error::Write { path: self.path.clone(), source })
    }
}

/// All values of an event file in order. What is cut off or damaged ends them.
///
/// # Errors
/// [`Error::Read`], and [`Error::NotAnEventFile`] for a file of something else.
pub fn read(path: &Path) -> Result<Vec<Reading>> {
    let mut readings = vec![];
    let is_there = walk(path, &mut |event, _| {
        for value in event.summary.into_iter().flat_map(|summary| summary.value) {
            let SummaryValue { tag, simple_value, tensor, .. } = value;
            let text = tensor.and_then(|tensor| tensor.string_val.into_iter().next());
            let text = text.map(|bytes| Value::Text(String::from_utf8_lossy(&bytes).into_owned()));
            let value = simple_value.map(Value::Scalar).or(text);
            let reading = |value| Reading { step: event.step.cast_unsigned(), wall_time: event.wall_time, tag, value };
            readings.extend(value.map(reading));
        }
        true
    })?;
    if is_there { Ok(readings) } else { Err(Error::Read { path: path.into(), source: io::ErrorKind::NotFound.into() }) }
}

/// Hands over each whole event of a file and where it ends, as long as `go_on` wants more. Returns whether there is a file.
fn walk(path: &Path, go_on: &mut dyn FnMut(Event, u64) -> bool) -> Result<bool> {
    let unreadable = |source| Error::Read { path: path.into(), source };
    let file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(false),
        Err(source) => return Err(unreadable(source)),
    };
    let length = file.metadata().map_err(unreadable)?.len();
    let (mut source, mut end) = (BufReader::new(file), 0);
    while let Some((bytes, size)) = record::decode(&mut source, length - end).map_err(unreadable)? {
        let Ok(event) = Event::decode(&bytes[..]) else { break };
        if end == 0 && event.file_version.as_deref() != Some(FILE_VERSION) {
            break;
        }
        end += size;
        if !go_on(event, end) {
            return Ok(true);
        }
    }
    // The first event is put in place with the file.
    if end == 0 { Err(Error::NotAnEventFile { path: path.into() }) } else { Ok(true) }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    fn name(folder: &tempfile::TempDir) -> PathBuf {
        folder.path().join("events.out.tfevents.0.test")
    }

    /// Steps from `from` to `to`, each with two numbers, every second one with a text.
    fn write(path: &Path, from: u64, to: u64) {
        let mut file = EventFile::open(path, from - 1).unwrap();
        for step in from..=to {
            file.scalars(step, step as f64, &[("loss", 1.0 / step as f64), ("rate", 0.1)]).unwrap();
            if step.is_multiple_of(2) {
                file.text(step, step as f64, "sample", &format!("the sea {step} \u{1f30a}\u{0}")).unwrap();
            }
        }
    }

    #[test]
    fn what_is_written_is_read() {
        let folder = tempfile::tempdir().unwrap();
        let path = name(&folder);
        write(&path, 1, 2);
        let reading = |step, tag: &str, value| Reading { step, wall_time: step as f64, tag: tag.into(), value };
        let expected = [
            reading(1, "loss", Value::Scalar(1.0)),
            reading(1, "rate", Value::Scalar(0.1)),
            reading(2, "loss", Value::Scalar(0.5)),
            reading(2, "rate", Value::Scalar(0.1)),
            reading(2, "sample", Value::Text("the sea 2 \u{1f30a}\u{0}".into())),
        ];
        assert_eq!(read(&path).unwrap(), expected);
        let file = EventFile::open(&path, 9).unwrap();
        assert_eq!(["loss", "sample", "other"].map(|tag| file.last_step(tag)), [Some(2), Some(2), None]);
    }

    #[test]
    fn a_file_that_is_cut_anywhere_goes_on_without_a_gap_or_a_repetition() {
        let folder = tempfile::tempdir().unwrap();
        let (path, whole) = (name(&folder), folder.path().join("events.out.tfevents.0.whole"));
        write(&whole, 1, 6);
        let (bytes, expected) = (fs::read(&whole).unwrap(), read(&whole).unwrap());
        let first = bytes.len() - written(&expected, &whole);
        for cut in first..=bytes.len() {
            fs::write(&path, &bytes[..cut]).unwrap();
            // The last step that is there may lack its text: it is written again.
            let reached = EventFile::open(&path, 9).unwrap().last_step("loss").unwrap_or(0).saturating_sub(1);
            write(&path, reached + 1, 6);
            assert_eq!(read(&path).unwrap(), expected, "cut to {cut} bytes");
        }
        write(&path, 3, 4);
        assert_eq!(read(&path).unwrap().last().unwrap().step, 4, "later steps are gone");
    }

    /// Bytes of a file after its first event.
    fn written(readings: &[Reading], path: &Path) -> usize {
        assert!(!readings.is_empty());
        let empty = path.with_file_name("events.out.tfevents.0.empty");
        drop(EventFile::open(&empty, 0).unwrap());
        fs::read(path).unwrap().len() - fs::read(empty).unwrap().len()
    }

    #[test]
    fn a_file_of_something_else_stays_as_it_is() {
        let folder = tempfile::tempdir().unwrap();
        let path = name(&folder);
        let without_version = record::encode(&Event::default().encode_to_vec());
        for bytes in [&b""[..], b"mine", &[0; 100], &[255; 100], &without_version] {
            fs::write(&path, bytes).unwrap();
            let error = EventFile::open(&path, 9).unwrap_err();
            assert!(matches!(error, Error::NotAnEventFile { .. }), "{error}");
            assert!(error.to_string().contains("move it away") && error.to_string().contains("tfevents"), "{error}");
            assert!(read(&path).is_err());
            assert_eq!(fs::read(&path).unwrap(), bytes);
        }
        assert!(matches!(read(&folder.path().join("nowhere")), Err(Error::Read { .. })));
        let nowhere = EventFile::open(&folder.path().join("a/b/tfevents"), 0).unwrap_err();
        assert!(matches!(nowhere, Error::Write { .. }), "{nowhere}");
    }
}
