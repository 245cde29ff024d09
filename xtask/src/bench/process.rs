//! Measures a program from outside: its start-up time, memory and speed.

use std::fs;
use std::io::{self, Read};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

/// Time and memory until the first bytes are written.
pub struct Start {
    pub until_first_byte: Duration,
    /// Peak resident memory until a few thousand bytes were written, if the system reports it.
    pub peak_bytes: Option<f64>,
}

/// Starts a program that writes endlessly, waits for its first bytes and closes the pipe.
pub fn start(command: &mut Command) -> Result<Start> {
    let begin = Instant::now();
    let (mut child, mut stdout) = spawn(command)?;
    let read = stdout.read_exact(&mut [0]);
    let until_first_byte = begin.elapsed();
    let read = read.and_then(|()| stdout.read_exact(&mut [0; 4095]));
    let peak_bytes = peak_memory(child.id());
    drop(stdout);
    let status = child.wait()?;
    // The exit code of a program whose pipe was closed says nothing.
    if read.is_err() {
        bail!("{} ended before it had written much: {status}", command.get_program().display());
    }
    Ok(Start { until_first_byte, peak_bytes })
}

/// Runs a program to its end; returns the time that took and the number of bytes it wrote.
pub fn whole(command: &mut Command) -> Result<(Duration, u64)> {
    let begin = Instant::now();
    let (mut child, mut stdout) = spawn(command)?;
    let bytes = io::copy(&mut stdout, &mut io::sink())?;
    let status = child.wait()?;
    if !status.success() {
        bail!("{} failed: {status}", command.get_program().display());
    }
    Ok((begin.elapsed(), bytes))
}

fn spawn(command: &mut Command) -> Result<(Child, ChildStdout)> {
    let child = command.stdin(Stdio::null()).stdout(Stdio::piped()).spawn();
    let mut child = child.with_context(|| format!("cannot start {}", command.get_program().display()))?;
    let stdout = child.stdout.take().context("the program has no standard output")?;
    Ok((child, stdout))
}

/// Linux reports it in `/proc`, in kibibytes.
fn peak_memory(process: u32) -> Option<f64> {
    let status = fs::read_to_string(format!("/proc/{process}/status")).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    line.trim().strip_suffix(" kB")?.trim().parse::<f64>().ok().map(|kibibytes| kibibytes * 1024.0)
}

#[cfg(all(test, unix))]
mod tests {
    use super::{start, whole};
    use std::process::Command;

    #[test]
    fn an_endless_writer_is_measured_and_ended() {
        let found = start(&mut Command::new("yes")).unwrap();
        assert!(!found.until_first_byte.is_zero());
        assert!(found.peak_bytes.is_none_or(|bytes| bytes > 1000.0));
    }

    #[test]
    fn what_a_program_writes_is_counted() {
        let (_, bytes) = whole(Command::new("printf").arg("twelve bytes")).unwrap();
        assert_eq!(bytes, 12);
        assert!(whole(&mut Command::new("false")).is_err());
    }
}
