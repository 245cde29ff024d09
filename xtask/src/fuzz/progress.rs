//! What libFuzzer prints while it runs.

use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use serde::Serialize;

/// Time between two lines of progress.
const PAUSE: Duration = Duration::from_secs(10);

/// Counts of one target.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
pub struct Stats {
    /// Inputs tried.
    pub executions: u64,
    /// The same per second.
    pub per_second: u64,
    /// Edges of the program that were reached.
    pub coverage: u64,
    /// Edges, by how often they were passed, and comparisons.
    pub features: u64,
}

impl Stats {
    /// Takes the numbers of one line. Returns whether it had any.
    fn take(&mut self, line: &str) -> bool {
        if let Some((name, value)) = line.strip_prefix("stat::").and_then(|rest| rest.split_once(':')) {
            if let Ok(value) = value.trim().parse() {
                match name {
                    "number_of_executed_units" => self.executions = value,
                    "average_exec_per_sec" => self.per_second = value,
                    _ => {}
                }
            }
            return true;
        }
        let words: Vec<&str> = line.split_whitespace().collect();
        // Frames of a stack trace begin with # too.
        let executions = words.first().and_then(|word| word.strip_prefix('#')?.parse().ok());
        let Some(executions) = executions.filter(|_| words.contains(&"cov:")) else { return false };
        self.executions = executions;
        for pair in words.windows(2) {
            let Ok(value) = pair[1].parse() else { continue };
            match pair[0] {
                "cov:" => self.coverage = value,
                "ft:" => self.features = value,
                "exec/s:" => self.per_second = value,
                _ => {}
            }
        }
        true
    }
}

/// Runs a target to its end. Prints a line now and then, and everything that is no line of numbers.
pub fn follow(fuzzer: &mut Command, name: &str) -> Result<(Stats, bool)> {
    let mut child = fuzzer
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .with_context(|| format!("cannot start {}", fuzzer.get_program().display()))?;
    let (mut stats, mut shown) = (Stats::default(), Instant::now());
    // What a target prints before it fails belongs to the failure; what libFuzzer prints at its start does not.
    let mut is_failing = false;
    for line in BufReader::new(child.stderr.take().context("a target has no stderr")?).split(b'\n') {
        let line = line?;
        let line = String::from_utf8_lossy(&line);
        is_failing |= line.starts_with("thread '") || line.starts_with("==") || line.contains("panicked at");
        if !stats.take(&line) && is_failing {
            eprintln!("{line}");
        } else if shown.elapsed() > PAUSE {
            shown = Instant::now();
            let Stats { executions, per_second, coverage, .. } = stats;
            eprintln!("{name}: {executions} executions, {per_second}/s, coverage {coverage}");
        }
    }
    Ok((stats, !child.wait()?.success()))
}

#[cfg(test)]
mod tests {
    use super::Stats;

    #[test]
    fn the_numbers_of_libfuzzer_are_read() {
        let cases = [
            (
                "#2097152\tpulse  cov: 1040 ft: 4519 corp: 917/118Kb lim: 4096 exec/s: 10330 rss: 120Mb",
                Some(Stats { executions: 2_097_152, per_second: 10_330, coverage: 1040, features: 4519 }),
            ),
            ("stat::number_of_executed_units: 77", Some(Stats { executions: 77, ..Stats::default() })),
            ("stat::average_exec_per_sec:     9", Some(Stats { per_second: 9, ..Stats::default() })),
            ("INFO: Seed: 3", None),
            ("#0 0x55 in main", None),
        ];
        for (line, expected) in cases {
            let mut stats = Stats::default();
            assert_eq!(stats.take(line).then_some(stats), expected, "{line}");
        }
    }
}
