//! Continues a prompt.

use std::{
    borrow::Cow,
    io::{IsTerminal as _, Write},
    ops::ControlFlow,
};

use model_card::{counted, printable_lines};
use sampler::{End, Model, Network, Plan, Resolved, Sample, Sampler, weights_checksum, write_batch};

use super::{
    config::{Form, WriteConfig},
    explain,
    failure::Failure,
    interactive,
    interrupt::Interrupt,
    json,
    output::{Output, notice},
    prompt, state,
    text::Text,
};

/// The default separator of texts that have several lines: a line of its own.
const SEPARATOR: &str = "\n-----\n";

/// Writes one text, or several, for each temperature.
pub fn write(mut model: Model, mut helpers: Vec<Network>, bytes: &[u8], config: &WriteConfig) -> Result<(), Failure> {
    let resolved = prompt::resolve(&model, config)?;
    if resolved.skipped > 0 {
        let skipped = counted(resolved.skipped, "character");
        notice(&format!("left out of the prompt: {skipped} that this model does not know"));
    }
    if let Some(seed) = config.shown_seed {
        notice(&format!("seed {seed}; --seed repeats this text"));
    }
    let prompt = &*resolved.prompt;
    let shown = if config.hide_prompt { "" } else { prompt };
    let default_separator = if may_have_lines(&model, shown) { SEPARATOR } else { "\n" };
    let mut texts = Texts {
        output: Output::new(),
        separator: config.separator.as_deref().unwrap_or(default_separator),
        is_separator_due: false,
        is_terminal: std::io::stdout().is_terminal(),
    };
    for plan in &config.plans {
        let plan = resolved.plan(plan.clone());
        if config.plans.len() > 1 && !matches!(config.form, Form::JsonSamples | Form::JsonCharacters) {
            texts.separate()?;
            texts.output.flush()?;
            notice(&format!("temperature {}", plan.options.temperature));
        }
        model = if config.count > 1 {
            write_samples(&mut model, &mut helpers, config, &plan, &resolved.tokens, |sample| {
                if config.form == Form::JsonSamples {
                    return json::sample(&mut texts.output, config, &plan, prompt, &sample);
                }
                let [shown, text] = [shown, &*sample.text].map(|text| texts.shown(text).into_owned());
                texts.write(|output| Ok(write!(output, "{shown}{text}")?))
            })?;
            model
        } else {
            write_one(model, bytes, config, &plan, &resolved, shown, &mut texts)?
        };
    }
    texts.finish()
}

/// Whether a text can have more than one line.
fn may_have_lines(model: &Model, shown: &str) -> bool {
    shown.contains('\n') || model.card.vocabulary.symbols().binary_search(&u32::from('\n')).is_ok()
}

/// Texts on standard output, with a separator between them.
struct Texts<'s> {
    output: Output,
    separator: &'s str,
    is_separator_due: bool,
    is_terminal: bool,
}

impl Texts<'_> {
    /// Text as it is shown: a model from a stranger must not steer a terminal.
    fn shown<'t>(&self, text: &'t str) -> Cow<'t, str> {
        if self.is_terminal { printable_lines(text) } else { Cow::Borrowed(text) }
    }

    /// Writes the separator, if there is a text before it.
    fn separate(&mut self) -> Result<(), Failure> {
        if std::mem::take(&mut self.is_separator_due) {
            self.output.write_all(self.separator.as_bytes())?;
        }
        Ok(())
    }

    /// Writes one text, without a line end.
    fn write(&mut self, text: impl FnOnce(&mut Output) -> Result<(), Failure>) -> Result<(), Failure> {
        self.separate()?;
        text(&mut self.output)?;
        self.is_separator_due = true;
        Ok(())
    }

    /// Ends the last text.
    fn finish(mut self) -> Result<(), Failure> {
        if self.is_separator_due {
            self.output.write_all(b"\n")?;
        }
        Ok(self.output.flush()?)
    }
}

/// Writes the only text of a plan; if it is to go on forever, one document after the other. Returns the model.
fn write_one(
    model: Model,
    bytes: &[u8],
    config: &WriteConfig,
    plan: &Plan,
    resolved: &Resolved,
    shown: &str,
    texts: &mut Texts<'_>,
) -> Result<Model, Failure> {
    let interrupt = if config.forever { Interrupt::listen()? } else { Interrupt::default() };
    let is_saved = config.save_state.is_some() || config.load_state.is_some();
    let weights = if is_saved { weights_checksum(bytes)? } else { String::new() };
    let mut text = match &config.load_state {
        Some(path) => {
            let mut sampler = Sampler::new(model);
            let writer = state::load(path, &mut sampler, plan, &weights)?;
            Text::resume(sampler, writer, interrupt)
        }
        None => Text::begin(model, plan, &resolved.tokens, interrupt)?,
    };
    loop {
        write_form(&mut text, config, plan, &resolved.prompt, shown, texts)?;
        if !config.forever || text.is_interrupted() || text.writer.end() != Some(End::Boundary) {
            break;
        }
        text.begin_next(plan, &resolved.tokens)?;
    }
    if let Some(path) = &config.save_state {
        texts.output.flush()?;
        state::save(path, &mut text, &weights)?;
    }
    Ok(text.sampler.into_model())
}

fn write_form(
    text: &mut Text,
    config: &WriteConfig,
    plan: &Plan,
    prompt: &str,
    shown: &str,
    texts: &mut Texts<'_>,
) -> Result<(), Failure> {
    match config.form {
        Form::Plain => write_plain(text, shown, texts),
        Form::Interactive => texts.write(|output| interactive::interact(text, prompt, shown, output)),
        // A table ends in an empty line, JSON in a line end.
        Form::Explained => explain::explain(text, &mut texts.output),
        Form::JsonCharacters => json::characters(text, &mut texts.output),
        Form::JsonSamples => {
            let sample = write_sample(text)?;
            // A text that was loaded has its own seed.
            let plan = Plan { seed: text.writer.seed().0, ..plan.clone() };
            json::sample(&mut texts.output, config, &plan, prompt, &sample)
        }
    }
}

fn write_plain(text: &mut Text, shown: &str, texts: &mut Texts<'_>) -> Result<(), Failure> {
    let shown = texts.shown(shown);
    texts.write(|output| Ok(output.write_all(shown.as_bytes())?))?;
    while !text.is_over() {
        let written = texts.shown(text.write()?.text);
        texts.output.write_all(written.as_bytes())?;
    }
    Ok(())
}

fn write_sample(text: &mut Text) -> Result<Sample, Failure> {
    let mut written = String::new();
    loop {
        if let Some(end) = text.writer.end() {
            return Ok(Sample { index: 0, text: written, end });
        }
        written.push_str(text.write()?.text);
    }
}

/// Writes many samples. The first failure of `show` ends it.
fn write_samples(
    model: &mut Model,
    helpers: &mut [Network],
    config: &WriteConfig,
    plan: &Plan,
    prompt: &[u32],
    mut show: impl FnMut(Sample) -> Result<(), Failure>,
) -> Result<(), Failure> {
    let tokens: Vec<u32> = model.card.vocabulary.boundary().into_iter().chain(prompt.iter().copied()).collect();
    let mut failure = None;
    write_batch(model, helpers, plan, &tokens, config.count, |sample| match show(sample) {
        Ok(()) => ControlFlow::Continue(()),
        Err(error) => {
            failure = Some(error);
            ControlFlow::Break(())
        }
    })?;
    failure.map_or(Ok(()), Err)
}
