//! Checks the arguments, and turns them into a command.

use std::{
    collections::hash_map::RandomState,
    hash::{BuildHasher, Hasher},
    path::Path,
};

use decoding::{Decoding, Options};
use sampler::{Backend, Engine, Plan};

use super::{
    arguments::{Arguments, JsonArgument, ScoreArguments, Subcommands, WriteArguments},
    config::{Action, Command, Form, Prompt, ScoreConfig, WriteConfig},
    failure::Failure,
};

/// The most threads: each holds buffers of its own.
const MAX_THREADS: usize = 1024;

/// The most characters that --novel compares: a saved text has room for them.
const LONGEST_QUOTATION: usize = 1000;

/// Checks what clap does not check.
pub fn validate(arguments: Arguments) -> Result<Command, Failure> {
    let backend = backend(&arguments);
    let action = match arguments.command {
        None => Action::Write(validate_write(arguments.write)?),
        Some(Subcommands::Bundle { output }) => Action::Bundle(output),
        Some(Subcommands::Info { json }) => Action::Info { json },
        Some(Subcommands::Score(score)) => Action::Score(validate_score(score)?),
    };
    let cores = || std::thread::available_parallelism().map_or(1, usize::from).min(MAX_THREADS);
    let threads = arguments.threads.unwrap_or_else(cores);
    if !(1..=MAX_THREADS).contains(&threads) {
        return Err(Failure::Usage(format!(
            "--threads {threads}: give 1 to {MAX_THREADS}; more than one per core gains nothing"
        )));
    }
    Ok(Command { engine: Engine { backend, threads: 1 }, threads, model: arguments.model, action })
}

#[cfg(feature = "onnxruntime")]
fn backend(arguments: &Arguments) -> Backend {
    let named = arguments.onnxruntime.clone().or_else(|| std::env::var_os("ORT_DYLIB_PATH").map(Into::into));
    named.map_or_else(Backend::default, Backend::OnnxRuntime)
}

#[cfg(not(feature = "onnxruntime"))]
fn backend(_: &Arguments) -> Backend {
    Backend::default()
}

fn validate_write(arguments: WriteArguments) -> Result<WriteConfig, Failure> {
    if arguments.count == 0 {
        return Err(Failure::Usage("--count 0 writes nothing: give 1 or more".into()));
    }
    // A text is ended after the stop text; an empty one would end it at once.
    if arguments.stop.iter().any(String::is_empty) {
        return Err(Failure::Usage("--stop needs a text, such as '\\n' for the end of a line".into()));
    }
    // 32 bits are enough to choose from, easy to type, and exact in every reader of JSON.
    let seed = arguments.seed.unwrap_or_else(|| RandomState::new().build_hasher().finish() >> 32);
    let plan = |temperature: f32, cycle: Vec<f32>| -> Result<Plan, Failure> {
        let options = Options {
            temperature,
            top_k: arguments.top_k,
            top_p: arguments.top_p,
            min_p: arguments.min_p,
            repetition_penalty: arguments.repetition_penalty,
            frequency_penalty: arguments.frequency_penalty,
            ..Options::default()
        };
        Decoding::new(options.clone())?;
        let length = if arguments.forever { usize::MAX } else { arguments.length };
        Ok(Plan {
            options,
            cycle,
            length,
            words: arguments.words,
            seed,
            continued: arguments.save_state.is_some(),
            ..Plan::default()
        })
    };
    let plans = arguments
        .temperature
        .iter()
        .map(|&temperature| plan(temperature, Vec::new()))
        .collect::<Result<Vec<_>, _>>()?;
    let is_random = arguments.temperature.iter().any(|&temperature| temperature > 0.0);
    let plans = if arguments.cycle { vec![plan(arguments.temperature[0], arguments.temperature)?] } else { plans };
    let form = match arguments.json {
        Some(JsonArgument::Samples) => Form::JsonSamples,
        Some(JsonArgument::Characters) if arguments.count > 1 => {
            return Err(Failure::Usage("--json=characters shows one text: leave --count out".into()));
        }
        Some(JsonArgument::Characters) => Form::JsonCharacters,
        None if arguments.interactive => Form::Interactive,
        None if arguments.explain => Form::Explained,
        None => Form::Plain,
    };
    if arguments.forever && form == Form::JsonSamples {
        return Err(Failure::Usage(
            "--json waits for the end of the text: use --json=characters with --forever".into(),
        ));
    }
    if arguments.forever && plans.len() > 1 {
        return Err(Failure::Usage("--forever never gets to the second temperature: give one, or --cycle".into()));
    }
    if (arguments.save_state.is_some() || arguments.load_state.is_some()) && plans.len() > 1 {
        return Err(Failure::Usage("a saved text is a single one: give one temperature, or --cycle".into()));
    }
    if !(2..=LONGEST_QUOTATION).contains(&arguments.novel_length) {
        let length = arguments.novel_length;
        return Err(Failure::Usage(format!("--novel-length {length}: give 2 to {LONGEST_QUOTATION}")));
    }
    if let Some(path) = &arguments.save_state {
        check_folder(path)?;
    }
    let prompt = match (arguments.prompt, arguments.prompt_file) {
        (Some(text), _) if text != "-" => Some(Prompt::Text(text)),
        (None, Some(path)) if path != Path::new("-") => Some(Prompt::File(path)),
        (None, None) => None,
        _ => Some(Prompt::StandardInput),
    };
    if form == Form::Interactive && prompt == Some(Prompt::StandardInput) {
        return Err(Failure::Usage(
            "--interactive reads your choices from standard input: give the prompt itself".into(),
        ));
    }
    let is_drawn = arguments.seed.is_none() && arguments.load_state.is_none();
    let is_shown = is_drawn && is_random && form != Form::JsonSamples;
    Ok(WriteConfig {
        prompt,
        skip_unknown: arguments.skip_unknown,
        hide_prompt: arguments.hide_prompt,
        plans,
        stops: arguments.stop,
        allow: arguments.allow,
        forbid: arguments.forbid,
        novel: arguments.novel.map(|path| (path, arguments.novel_length)),
        separator: arguments.separator,
        shown_seed: is_shown.then_some(seed),
        count: arguments.count,
        forever: arguments.forever,
        save_state: arguments.save_state,
        load_state: arguments.load_state,
        stateful: arguments.stateful,
        form,
    })
}

/// Refuses a file that cannot be written before anything else is.
fn check_folder(path: &Path) -> Result<(), Failure> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    if path.is_dir() || !folder.is_dir() {
        return Err(Failure::Usage(format!("--save-state {}: name a file in a folder that exists", path.display())));
    }
    Ok(())
}

fn validate_score(arguments: ScoreArguments) -> Result<ScoreConfig, Failure> {
    let ScoreArguments { mut files, top, above, line_buffered, mark, total, json, stateful, lossy, skip_unknown } =
        arguments;
    if above.is_some_and(f32::is_nan) {
        return Err(Failure::Usage("--above NaN: give a number of bits, such as 4".into()));
    }
    if mark.is_nan() {
        return Err(Failure::Usage("--mark NaN: give a number of bits, such as 7".into()));
    }
    if files.is_empty() {
        files.push("-".into());
    }
    Ok(ScoreConfig { files, top, above, line_buffered, mark, total, json, stateful, lossy, skip_unknown })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn write_config(line: &str) -> WriteConfig {
        match validate(Arguments::parse_words(line.split(' ')).unwrap()).unwrap().action {
            Action::Write(config) => config,
            other => panic!("{line}: {other:?}"),
        }
    }

    #[test]
    fn temperatures_become_plans() {
        let cases = [
            ("scrimshaw", vec![(0.5, vec![])]),
            ("scrimshaw --temperature 0", vec![(0.0, vec![])]),
            ("scrimshaw --temperature 0.2 --temperature 1", vec![(0.2, vec![]), (1.0, vec![])]),
            ("scrimshaw --temperature 0.2,1 --cycle", vec![(0.2, vec![0.2, 1.0])]),
        ];
        for (line, expected) in cases {
            let plans = write_config(line).plans;
            let found: Vec<_> = plans.iter().map(|plan| (plan.options.temperature, plan.cycle.clone())).collect();
            assert_eq!(found, expected, "{line}");
        }
    }

    #[test]
    fn a_seed_is_shown_if_it_was_drawn_and_matters() {
        let cases = [
            ("scrimshaw", true),
            ("scrimshaw --count 3", true),
            ("scrimshaw --explain", true),
            ("scrimshaw --json=characters", true),
            ("scrimshaw --temperature 0,1", true),
            ("scrimshaw --temperature 0", false),
            ("scrimshaw --seed 7", false),
            ("scrimshaw --json", false),
        ];
        for (line, is_shown) in cases {
            let config = write_config(line);
            assert_eq!(config.shown_seed, is_shown.then_some(config.plans[0].seed), "{line}");
            assert!(config.plans[0].seed < 1 << 32, "{line}");
        }
    }

    #[test]
    fn invalid_arguments_are_usage_errors() {
        let cases = [
            ("scrimshaw --temperature NaN", "temperature of NaN"),
            ("scrimshaw --temperature -1", "temperature of -1"),
            ("scrimshaw --temperature 0.5,-1 --cycle", "temperature of -1"),
            ("scrimshaw --temperature warm", "give a number"),
            ("scrimshaw --top-p 2", "top-p of 2"),
            ("scrimshaw --top-k 0", "top-k of 0"),
            ("scrimshaw --top-k -1", "give a whole number"),
            ("scrimshaw --frequency-penalty 3", "frequency penalty of 3"),
            ("scrimshaw --count 0", "--count 0"),
            ("scrimshaw --count -2", "give a whole number"),
            ("scrimshaw --length -5", "give a whole number"),
            ("scrimshaw --length 1.5", "give a whole number"),
            ("scrimshaw --seed -1", "give a whole number"),
            ("scrimshaw --threads 0", "--threads 0"),
            ("scrimshaw --threads -1", "give a whole number"),
            ("scrimshaw --threads 100000", "give 1 to 1024"),
            ("scrimshaw --count 2 --json=characters", "leave --count out"),
            ("scrimshaw --interactive --prompt -", "standard input"),
            ("scrimshaw --interactive --prompt-file -", "standard input"),
            ("scrimshaw --prompt a --prompt-file b", "cannot be used with"),
            ("scrimshaw --forever --length 3", "cannot be used with"),
            ("scrimshaw --forever --count 3", "cannot be used with"),
            ("scrimshaw --forever --json", "use --json=characters"),
            ("scrimshaw --forever --temperature 0,1", "--cycle"),
            ("scrimshaw --save-state no-such-folder/state", "folder that exists"),
            ("scrimshaw --save-state state --temperature 0,1", "--cycle"),
            ("scrimshaw --save-state state --count 2", "cannot be used with"),
            ("scrimshaw --save-state state --words", "cannot be used with"),
            ("scrimshaw --load-state state --prompt a", "cannot be used with"),
            ("scrimshaw --load-state state --seed 1", "cannot be used with"),
            ("scrimshaw --novel text --novel-length 1", "give 2 to 1000"),
            ("scrimshaw --novel-length 5", "--novel <FILE>"),
            ("scrimshaw --stop=", "--stop needs a text"),
            (r"scrimshaw --stop \d", r"`\d` is not an escape"),
            (r"scrimshaw --allow \d", r"`\d` is not an escape"),
            (r"scrimshaw --separator \d", r"`\d` is not an escape"),
            ("scrimshaw --top-k 3 info", "--top-k before `info`"),
            ("scrimshaw --json score", "--json before `score`"),
            ("scrimshaw score --top -1", "give a whole number"),
            ("scrimshaw score --mark NaN", "--mark NaN"),
            ("scrimshaw score --above NaN", "--above NaN"),
            ("scrimshaw score --above much", "give a number"),
            ("scrimshaw score --above 3 --total", "cannot be used with"),
            ("scrimshaw score --line-buffered --top 3", "cannot be used with"),
        ];
        for (line, part) in cases {
            let message = match Arguments::parse_words(line.split(' ')) {
                Ok(arguments) => validate(arguments).unwrap_err().to_string(),
                Err(error) => error.to_string(),
            };
            assert!(message.contains(part), "{line}: {message:?} should say {part:?}");
            assert!(!message.contains("unexpected argument"), "{line}: {message:?}");
        }
    }
}
