//! The commands: flags become a library's configuration, and what the library returns is printed.

use std::path::PathBuf;

use anyhow::Result;
use clap::{Args, Command as Clap, CommandFactory, FromArgMatches, Parser, Subcommand};

use crate::artifacts::Artifacts;
use crate::name::name;
use crate::session::Session;

mod checkpoint;
mod completions;
mod datasets;
mod evaluate;
mod export;
mod import;
mod inspect;
mod man;
mod neurons;
mod novelty;
mod page;
mod prepare;
mod recipes;
mod report;
mod runs;
mod source;
mod train;

/// Heading of the options that every command has.
const GLOBAL: &str = "Global options";

/// Make a small text model out of any text.
#[derive(Parser)]
#[command(
    name = "carve",
    version,
    propagate_version = true,
    after_help = "Examples:\n  carve train letters.txt                  prepare, train, export, print text\n  \
                  carve train                              the same with a sea story that comes with the program\n  \
                  carve train letters.txt --time-budget 10m --seed 7\n  \
                  carve train --dataset letters --resume   continue after Ctrl-C, a crash or a power cut\n\n\
                  Exit codes: 0 done, 1 another failure, 2 wrong usage, 3 bad input, 4 damaged data, 5 cannot write,\n\
                  6 busy (another process works in the same folder), 7 not finished (a part of a text waits for the others),\n\
                  130 interrupted.\n\n\
                  SCRIMSHAW_DATASETS names folders that are searched for NAME.txt before a dataset is downloaded."
)]
pub struct Arguments {
    #[command(flatten)]
    global: Global,
    #[command(subcommand)]
    command: Command,
}

#[derive(Args)]
struct Global {
    /// Folder for results.
    #[arg(
        long,
        global = true,
        value_name = "FOLDER",
        default_value = "artifacts",
        env = "SCRIMSHAW_ARTIFACTS",
        hide_env_values = true,
        help_heading = GLOBAL
    )]
    artifacts: PathBuf,
    /// Show no progress: stderr gets errors only.
    #[arg(long, short, global = true, help_heading = GLOBAL)]
    quiet: bool,
}

#[derive(Subcommand)]
enum Command {
    Train(Box<train::Arguments>),
    Prepare(Box<prepare::Arguments>),
    Inspect(inspect::Arguments),
    Datasets(datasets::Arguments),
    Runs(runs::Arguments),
    Recipes(recipes::Arguments),
    Evaluate(evaluate::Arguments),
    Report(report::Arguments),
    Novelty(novelty::Arguments),
    Neurons(neurons::Arguments),
    Export(export::Arguments),
    Page(page::Arguments),
    Import(import::Arguments),
    Completions(completions::Arguments),
    Man(man::Arguments),
}

impl Arguments {
    /// Reads the command line; ends the program with a message if it makes no sense.
    pub fn read() -> Self {
        let matches = declaration().get_matches();
        Self::from_arg_matches(&matches).unwrap_or_else(|error| error.exit())
    }
}

/// All commands and flags.
fn declaration() -> Clap {
    // `--seed -1` is a number out of range, and no unknown flag.
    fn accept_negative_numbers(command: Clap) -> Clap {
        command.mut_args(|argument| {
            if argument.get_action().takes_values() { argument.allow_negative_numbers(true) } else { argument }
        })
    }
    let called = name();
    let command = Arguments::command().mut_subcommands(accept_negative_numbers).bin_name(&called);
    if called == "carve" {
        return command;
    }
    // The examples in the help are lines to copy.
    let examples = |command: Clap| match command
        .get_after_help()
        .map(|help| help.to_string().replace("carve ", &(name() + " ")))
    {
        Some(help) => command.after_help(help),
        None => command,
    };
    examples(command).mut_subcommands(examples)
}

/// Runs the command that the arguments name.
pub fn run(arguments: Arguments) -> Result<()> {
    let Global { artifacts, quiet } = arguments.global;
    let session = Session { artifacts: Artifacts::new(artifacts), quiet };
    match arguments.command {
        Command::Train(arguments) => train::run(&session, *arguments),
        Command::Prepare(arguments) => prepare::run(&session, *arguments),
        Command::Inspect(arguments) => inspect::run(&session, &arguments),
        Command::Datasets(arguments) => datasets::run(&session, &arguments),
        Command::Runs(arguments) => runs::run(&session, &arguments),
        Command::Recipes(arguments) => recipes::run(&session, &arguments),
        Command::Evaluate(arguments) => evaluate::run(&session, &arguments),
        Command::Report(arguments) => report::run(&session, &arguments),
        Command::Novelty(arguments) => novelty::run(&session, &arguments),
        Command::Neurons(arguments) => neurons::run(&session, &arguments),
        Command::Export(arguments) => export::run(&session, &arguments),
        Command::Page(arguments) => page::run(&session, &arguments),
        Command::Import(arguments) => import::run(&session, &arguments),
        Command::Completions(arguments) => completions::run(&arguments),
        Command::Man(arguments) => man::run(&arguments),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_contradicts_itself_nowhere() {
        declaration().debug_assert();
    }

    #[test]
    fn wrong_values_are_refused_with_the_reason() {
        let cases: [(&[&str], &str); 13] = [
            (&["train", "--seed", "-1"], "-1"),
            (&["train", "--time-budget", "-1"], "use a form such as 90s, 10m or 2h"),
            (&["train", "--time-budget", "soon"], "cannot parse \"soon\" as a duration"),
            (&["train", "--epochs", "0"], "0"),
            (&["prepare", "a", "--split", "-10/110"], "-10/110"),
            (&["prepare", "a", "--min-count", "0"], "0"),
            (&["prepare", "a", "--part", "0/8"], "counted from 1"),
            (&["prepare", "a", "--part", "9/8"], "there are only 8 parts"),
            (&["prepare", "a", "--part", "3"], "use a form such as 3/8"),
            (&["prepare", "a", "--part", "1/2", "--merge"], "--merge"),
            (&["prepare", "a", "--wait"], "--part"),
            (&["train", "--dataset", "dist"], "choose another name"),
            (&["train", "--recipy", "modern"], "--recipe"),
        ];
        for (words, part) in cases {
            let words = std::iter::once(&"carve").chain(words);
            let error = declaration().try_get_matches_from(words).unwrap_err();
            assert_eq!(error.exit_code(), 2, "{error}");
            let message = error.to_string();
            assert!(message.contains(part) && !message.contains("unexpected argument '-1"), "{message}");
        }
    }
}
