//! `cargo xtask bench losses`: trains what `docs/losses.toml` lists, keeps a record of every run in `docs/losses.jsonl`, and
//! writes the tables of `docs/expected-losses.md` from these records.
//!
//! A record says on what machine it was made. Records of other machines stay, so that the tables grow.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail, ensure};
use clap::Args;
use serde::{Deserialize, Serialize};

use super::{machine, measure, median};
use crate::project::{Project, output, replace, run as run_program};

const ROWS: &str = "docs/losses.toml";
const RECORDS: &str = "docs/losses.jsonl";
const PAGE: &str = "docs/expected-losses.md";
/// What stands around the tables in the page.
const MARKS: [&str; 2] = ["<!-- cargo xtask bench losses: begin -->", "<!-- cargo xtask bench losses: end -->"];

#[derive(Args)]
#[command(after_help = "Examples:\n  cargo xtask bench losses --list\n  \
                        cargo xtask bench losses names sea-story\n  \
                        SCRIMSHAW_DATASETS=~/texts cargo xtask bench losses --missing\n\n\
                        Runs are kept in artifacts/losses. An interrupted command goes on where it was when it is given \
                        again. Let nothing else run on the machine: a time budget is a number of steps.")]
pub struct Arguments {
    /// Rows of docs/losses.toml to train, by name; none, and the tables are only written again.
    rows: Vec<String>,
    /// Train every row that has no record of this machine.
    #[arg(long, conflicts_with = "rows")]
    missing: bool,
    /// Train these seeds instead of the row's.
    #[arg(long, value_name = "N", value_delimiter = ',')]
    seeds: Vec<u64>,
    /// List the rows and how many records each has.
    #[arg(long, conflicts_with_all = ["missing", "seeds"])]
    list: bool,
}

/// A row of the tables: what is trained, and where it is measured.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Row {
    name: String,
    /// The text, as the table calls it.
    text: String,
    /// A file that is looked for in the folders of `SCRIMSHAW_DATASETS`, if the program does not know the text.
    file: Option<String>,
    /// Words for `carve prepare`, after the file.
    #[serde(default)]
    prepare: String,
    /// Words for `carve train`.
    train: String,
    #[serde(default = "validation")]
    split: String,
    #[serde(default = "one")]
    seeds: Vec<u64>,
}

fn validation() -> String {
    "validation".into()
}

fn one() -> Vec<u64> {
    vec![1]
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Rows {
    row: Vec<Row>,
}

/// What a run came to.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Record {
    row: String,
    /// The words for `carve train`; a record of other words is not shown.
    train: String,
    seed: u64,
    nats: f64,
    split: String,
    parameters: u64,
    /// The network that was chosen, such as 2×288.
    network: String,
    dropout: String,
    steps: u64,
    minutes: f64,
    machine: String,
    /// The commit that was measured.
    version: String,
}

#[derive(Deserialize)]
struct Outcome {
    parameters: u64,
    step: u64,
    elapsed: f64,
}

#[derive(Deserialize)]
struct Evaluation {
    nats: f64,
}

pub fn run(project: &Project, arguments: &Arguments) -> Result<()> {
    let rows = read_rows(&project.root.join(ROWS))?;
    let mut records = read_records(&project.root.join(RECORDS))?;
    if arguments.list {
        for row in &rows {
            let count = records.iter().filter(|record| row.made(record)).count();
            println!("{:<24} {count} of {} records   carve train {}", row.name, row.seeds.len(), row.train);
        }
        return Ok(());
    }
    if let Some(unknown) = arguments.rows.iter().find(|name| !rows.iter().any(|row| row.name == **name)) {
        bail!("{ROWS} has no row \"{unknown}\"; cargo xtask bench losses --list shows them");
    }
    let (machine, version) = (machine(), version(project)?);
    let carve = Carve {
        program: project.build("carve", &[])?.get_program().into(),
        artifacts: project.artifacts.join("losses"),
    };
    for row in rows.iter().filter(|row| arguments.missing || arguments.rows.contains(&row.name)) {
        let seeds = if arguments.seeds.is_empty() { &row.seeds } else { &arguments.seeds };
        for seed in seeds {
            let same = |record: &Record| row.made(record) && record.seed == *seed && record.machine == machine;
            if arguments.missing && records.iter().any(same) {
                continue;
            }
            let Some(record) = train(&carve, row, *seed, &machine, &version)? else { break };
            eprintln!("{} seed {seed}: {:.4} nats in {:.1} minutes", row.name, record.nats, record.minutes);
            records.retain(|record| !same(record));
            records.push(record);
            write_records(&project.root.join(RECORDS), &records)?;
        }
    }
    let page = project.root.join(PAGE);
    let old = fs::read_to_string(&page).with_context(|| format!("cannot read {}", page.display()))?;
    let new = replaced(&old, &tables(&rows, &records))?;
    replace(&page, |beside| fs::write(beside, new))?;
    eprintln!("wrote {}", page.display());
    Ok(())
}

/// The program that trains, and the folder for its results.
struct Carve {
    program: PathBuf,
    artifacts: PathBuf,
}

impl Carve {
    fn command(&self, words: &[&str]) -> Command {
        let mut command = Command::new(&self.program);
        command.args(words).arg("--artifacts").arg(&self.artifacts);
        command
    }
}

impl Row {
    /// Whether a record is one of this row as it stands now.
    fn made(&self, record: &Record) -> bool {
        record.row == self.name && record.train == self.train && record.split == self.split
    }
}

fn read_rows(path: &Path) -> Result<Vec<Row>> {
    let text = fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
    let Rows { row } = toml::from_str(&text).with_context(|| format!("cannot read {}", path.display()))?;
    Ok(row)
}

fn read_records(path: &Path) -> Result<Vec<Record>> {
    let text = if path.exists() { fs::read_to_string(path)? } else { String::new() };
    let records = text.lines().map(serde_json::from_str).collect::<Result<_, _>>();
    records.with_context(|| format!("{} has a line that is no record", path.display()))
}

fn write_records(path: &Path, records: &[Record]) -> Result<()> {
    let mut text = String::new();
    for record in records {
        writeln!(text, "{}", serde_json::to_string(record)?)?;
    }
    replace(path, |beside| fs::write(beside, text))
}

/// The commit, marked if files were changed since.
fn version(project: &Project) -> Result<String> {
    let git = |words: &[&str]| output(Command::new("git").args(words).current_dir(&project.root));
    let changed = git(&["status", "--porcelain", "--untracked-files=no", "--", "crates", "datasets", "Cargo.lock"])?;
    Ok(format!("{}{}", git(&["rev-parse", "--short", "HEAD"])?.trim(), if changed.is_empty() { "" } else { "+" }))
}

/// Trains a row and evaluates it; nothing if its text is not on this machine, which is said.
fn train(carve: &Carve, row: &Row, seed: u64, machine: &str, version: &str) -> Result<Option<Record>> {
    let words: Vec<&str> = row.train.split_whitespace().collect();
    let mut dataset = words.iter().skip_while(|word| **word != "--dataset").skip(1);
    let dataset = *dataset.next().with_context(|| format!("row {}: its words for train lack --dataset", row.name))?;
    if let Some(file) = &row.file {
        let Some(path) = find(file) else {
            eprintln!("skipped {}: no folder in SCRIMSHAW_DATASETS has {file}", row.name);
            return Ok(None);
        };
        let mut prepare = carve.command(&["prepare", "--name", dataset]);
        run_program(prepare.arg(path).args(row.prepare.split_whitespace()))?;
    }
    let run = format!("{}-{seed}-{version}", row.name);
    let folder = carve.artifacts.join(dataset).join("runs").join(&run);
    let mut command = carve.command(&["train", "--json", "--run", &run]);
    if folder.exists() {
        command.args(["--dataset", dataset, "--resume"]);
    } else {
        command.args(&words).args(["--seed", &seed.to_string()]);
    }
    let printed = output(&mut command)?;
    let last = printed.lines().last().unwrap_or_default();
    let outcome: Outcome = serde_json::from_str(last).with_context(|| format!("carve train printed {last:?}"))?;
    let words = ["evaluate", "--json", "--dataset", dataset, "--run", &run, "--split", &row.split];
    let evaluation: Evaluation = measure(&mut carve.command(&words))?;
    let config: serde_json::Value = serde_json::from_str(&fs::read_to_string(folder.join("config.json"))?)?;
    let recipe = &config["recipe"];
    let dropout = ["output", "between", "recurrent"].map(|place| recipe["dropout"][place].as_f64().unwrap_or(0.0));
    Ok(Some(Record {
        row: row.name.clone(),
        train: row.train.clone(),
        seed,
        nats: evaluation.nats,
        split: row.split.clone(),
        parameters: outcome.parameters,
        network: format!("{}×{}", recipe["model"]["layers"], recipe["model"]["hidden"]),
        dropout: dropout.map(|rate| format!("{rate:.2}")).join(", "),
        steps: outcome.step,
        minutes: outcome.elapsed / 60.0,
        machine: machine.into(),
        version: version.into(),
    }))
}

/// A file in the folders that `SCRIMSHAW_DATASETS` names.
fn find(file: &str) -> Option<PathBuf> {
    let folders = std::env::var_os("SCRIMSHAW_DATASETS")?;
    std::env::split_paths(&folders).map(|folder| folder.join(file)).find(|path| path.is_file())
}

/// One table for each machine that has records of a row.
fn tables(rows: &[Row], records: &[Record]) -> String {
    let current: Vec<&Record> = records.iter().filter(|record| rows.iter().any(|row| row.made(record))).collect();
    let machines: BTreeSet<&str> = current.iter().map(|record| &*record.machine).collect();
    let mut text = String::new();
    for machine in machines {
        let _ = writeln!(text, "### {machine}\n");
        text.push_str("| text | `cargo xtask train` | network | dropout | minutes | split | nats | bits |\n");
        text.push_str("| --- | --- | --- | --- | --: | --- | --: | --: |\n");
        for row in rows {
            let mut of_row: Vec<&Record> =
                current.iter().copied().filter(|record| row.made(record) && record.machine == machine).collect();
            of_row.sort_by_key(|record| record.seed);
            let Some(first) = of_row.first() else { continue };
            let nats = median(of_row.iter().map(|record| record.nats));
            let minutes = median(of_row.iter().map(|record| record.minutes));
            let _ = write!(text, "| {} | `{}` | {} | {} ", row.text, row.train, first.network, first.dropout);
            let _ = write!(text, "| {minutes:.1} | {} | {}", row.split, spread(&of_row, nats));
            let _ = writeln!(text, " | {:.3} |", nats / std::f64::consts::LN_2);
        }
        let versions: BTreeSet<&str> =
            current.iter().filter(|record| record.machine == machine).map(|record| &*record.version).collect();
        let versions: Vec<&str> = versions.into_iter().collect();
        let _ = writeln!(text, "\nMeasured at {}.\n", versions.join(", "));
    }
    text
}

/// The median and, of several seeds, each.
fn spread(records: &[&Record], median: f64) -> String {
    if records.len() == 1 {
        return format!("{median:.4}");
    }
    let each: Vec<String> = records.iter().map(|record| format!("{:.4}", record.nats)).collect();
    let seeds: Vec<String> = records.iter().map(|record| record.seed.to_string()).collect();
    format!("{median:.4} (seeds {}: {})", seeds.join(", "), each.join(", "))
}

/// A page with what is between the marks replaced.
fn replaced(page: &str, tables: &str) -> Result<String> {
    let [begin, end] = MARKS;
    let parts = page.split_once(begin).and_then(|(before, rest)| Some((before, rest.split_once(end)?.1)));
    let (before, after) = parts.with_context(|| format!("{PAGE} lacks the lines {begin} and {end}"))?;
    ensure!(!after.contains(begin), "{PAGE} has the line {begin} twice");
    let tables = tables.trim_end();
    let between = if tables.is_empty() { "\n\n".into() } else { format!("\n\n{tables}\n\n") };
    Ok(format!("{before}{begin}{between}{end}{after}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(name: &str, train: &str) -> Row {
        let [name, train, text] = [name, train, "a text"].map(String::from);
        Row { name, text, file: None, prepare: String::new(), train, split: validation(), seeds: one() }
    }

    fn record(row: &Row, seed: u64, nats: f64, machine: &str) -> Record {
        Record {
            row: row.name.clone(),
            train: row.train.clone(),
            seed,
            nats,
            split: row.split.clone(),
            parameters: 1,
            network: "1×8".into(),
            dropout: "0.00, 0.00, 0.00".into(),
            steps: 2,
            minutes: 0.5,
            machine: machine.into(),
            version: "abc".into(),
        }
    }

    #[test]
    fn a_table_has_the_median_of_a_row_and_leaves_out_what_is_no_longer_asked_for() {
        let rows = [row("sea", "--dataset sea"), row("names", "--dataset names")];
        let mut records = [3, 1, 2].map(|seed| record(&rows[0], seed, 1.0 + seed as f64, "a machine")).to_vec();
        records.push(Record { train: "--dataset names --seed 9".into(), ..record(&rows[1], 1, 9.0, "a machine") });
        records.push(record(&rows[1], 1, 7.0, "another machine"));
        let text = tables(&rows, &records);
        assert!(text.contains("| 3.0000 (seeds 1, 2, 3: 2.0000, 3.0000, 4.0000) | 4.328 |"), "{text}");
        assert!(!text.contains("9.0000") && text.contains("### another machine"), "{text}");
        assert_eq!(text.matches("a text").count(), 2, "{text}");
    }

    #[test]
    fn what_stands_around_the_tables_stays() {
        let page = format!("before\n{}\nold\n{}\nafter\n", MARKS[0], MARKS[1]);
        let new = replaced(&page, "new\n").unwrap();
        assert_eq!(new, format!("before\n{}\n\nnew\n\n{}\nafter\n", MARKS[0], MARKS[1]));
        assert_eq!(replaced(&new, "new").unwrap(), new, "writing the tables again changes nothing");
        assert!(replaced("no marks", "new").unwrap_err().to_string().contains("lacks the lines"));
    }

    #[test]
    fn the_rows_of_the_repository_can_be_read_and_each_names_a_dataset() {
        let project = Project::find().unwrap();
        let rows = read_rows(&project.root.join(ROWS)).unwrap();
        let names: BTreeSet<&str> = rows.iter().map(|row| &*row.name).collect();
        assert_eq!(names.len(), rows.len(), "two rows have one name");
        for row in &rows {
            assert!(row.train.contains("--dataset "), "{row:?}");
        }
        let records = read_records(&project.root.join(RECORDS)).unwrap();
        let page = fs::read_to_string(project.root.join(PAGE)).unwrap();
        assert_eq!(
            replaced(&page, &tables(&rows, &records)).unwrap(),
            page,
            "cargo xtask bench losses writes it again"
        );
    }
}
