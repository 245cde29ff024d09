//! The texts that arguments name: read, and resolved against the model.

use std::{
    fs::File,
    io::{self, ErrorKind, Read},
};

use sampler::{Error, Model, Request, Resolved};

use super::{
    config::{Prompt, WriteConfig},
    failure::Failure,
    output::notice,
};

/// Bytes of a text whose sorting takes seconds.
const SLOW: usize = 4 << 20;

/// Reads the prompt and the text that is not to be quoted, and looks up all characters of the request.
pub fn resolve(model: &Model, config: &WriteConfig) -> Result<Resolved, Failure> {
    let prompt = match &config.prompt {
        // A saved text has its prompt behind it.
        _ if config.load_state.is_some() => Some(String::new()),
        Some(Prompt::Text(text)) => Some(text.clone()),
        Some(Prompt::File(path)) => {
            let name = path.display().to_string();
            Some(read(File::open(path), &format!("the prompt from {name}"))?)
        }
        Some(Prompt::StandardInput) => Some(read(Ok(io::stdin().lock()), "the prompt from standard input")?),
        None => None,
    };
    let known = match &config.novel {
        Some((path, length)) => {
            let name = path.display().to_string();
            let text = read(File::open(path), &name)?;
            if text.len() > SLOW {
                notice(&format!("sorting {} for --novel", model_card::printable(&name)));
            }
            Some((text, *length))
        }
        None => None,
    };
    let request = Request {
        prompt: prompt.as_deref(),
        skip_unknown: config.skip_unknown,
        stops: &config.stops,
        allow: config.allow.as_deref(),
        forbid: config.forbid.as_deref(),
        known: known.as_ref().map(|(text, length)| (&**text, *length)),
    };
    Ok(request.resolve(&model.card)?)
}

fn read(input: io::Result<impl Read>, name: &str) -> Result<String, Failure> {
    let mut bytes = Vec::new();
    let read = input.and_then(|mut input| input.read_to_end(&mut bytes));
    read.map_err(|error| match error.kind() {
        ErrorKind::OutOfMemory => Error::Memory(format!("{name} is larger than the memory that there is")).into(),
        _ => Failure::Input(format!("cannot read {name}: {error}")),
    })?;
    String::from_utf8(bytes).map_err(|error| {
        let place = error.utf8_error().valid_up_to();
        Failure::Input(format!("{name} is not UTF-8 at byte {place}"))
    })
}
