//! Continues a prompt.

use std::{io::Write, ops::ControlFlow};

use sampler::{Model, Network, Plan, Sample, Sampler, Writer, write_batch};

use super::{
    Failure,
    arguments::{Form, WriteConfig},
    explain, interactive, json,
    output::Output,
    prompt,
};

/// One text, or one for each temperature.
pub fn write(mut model: Model, mut helpers: Vec<Network>, config: &WriteConfig) -> Result<(), Failure> {
    let prompt = prompt::resolve(&model, config.prompt.as_ref())?;
    let mut output = Output::new();
    for plan in &config.plans {
        if config.plans.len() > 1 && config.form == Form::Plain {
            output.flush()?;
            eprintln!("----- temperature: {}", plan.options.temperature);
        }
        model = write_one(model, &mut helpers, config, plan, &prompt, &mut output)?;
    }
    Ok(output.flush()?)
}

/// Under one plan. The model comes back.
fn write_one(
    mut model: Model,
    helpers: &mut [Network],
    config: &WriteConfig,
    plan: &Plan,
    prompt: &str,
    output: &mut Output,
) -> Result<Model, Failure> {
    let shown = if config.hide_prompt { "" } else { prompt };
    if config.count > 1 {
        write_samples(&mut model, helpers, config, plan, prompt, |sample| match config.form {
            Form::JsonSamples => json::sample(output, plan, prompt, &sample),
            _ => Ok(writeln!(output, "{shown}{}", sample.text)?),
        })?;
        return Ok(model);
    }
    let mut sampler = Sampler::new(model);
    prompt::begin(&mut sampler, prompt)?;
    match config.form {
        Form::Plain => write_plain(&mut sampler, plan, prompt, shown, output)?,
        Form::Explained => explain::explain(&mut sampler, plan, prompt, output)?,
        Form::Interactive => interactive::interact(&mut sampler, plan, prompt, shown, output)?,
        Form::JsonCharacters => json::characters(&mut sampler, plan, prompt, output)?,
        Form::JsonSamples => {
            let sample = write_sample(&mut sampler, plan, prompt)?;
            json::sample(output, plan, prompt, &sample)?;
        }
    }
    Ok(sampler.into_model())
}

/// A writer that has seen the prompt.
pub fn writer(sampler: &Sampler, plan: &Plan, prompt: &str) -> Result<Writer, Failure> {
    let vocabulary = &sampler.card().vocabulary;
    let mut writer = Writer::new(plan, vocabulary, 0)?;
    for token in vocabulary.encode(prompt).map_err(sampler::Error::Text)? {
        writer.remember(token);
    }
    Ok(writer)
}

fn write_plain(
    sampler: &mut Sampler,
    plan: &Plan,
    prompt: &str,
    shown: &str,
    output: &mut Output,
) -> Result<(), Failure> {
    output.write_all(shown.as_bytes())?;
    let mut writer = writer(sampler, plan, prompt)?;
    let mut ended = plan.length == 0;
    while !ended {
        let step = sampler.write(&mut writer)?;
        ended = step.end.is_some();
        output.write_all(step.text.as_bytes())?;
    }
    Ok(output.write_all(b"\n")?)
}

fn write_sample(sampler: &mut Sampler, plan: &Plan, prompt: &str) -> Result<Sample, Failure> {
    let mut writer = writer(sampler, plan, prompt)?;
    let mut text = String::new();
    loop {
        let step = sampler.write(&mut writer)?;
        text.push_str(step.text);
        if let Some(end) = step.end {
            return Ok(Sample { index: 0, text, end });
        }
    }
}

/// Many samples; what goes wrong while they are shown ends the run.
fn write_samples(
    model: &mut Model,
    helpers: &mut [Network],
    config: &WriteConfig,
    plan: &Plan,
    prompt: &str,
    mut show: impl FnMut(Sample) -> Result<(), Failure>,
) -> Result<(), Failure> {
    let tokens: Vec<u32> = model.card.vocabulary.boundary().into_iter().chain(model.encode(prompt)?).collect();
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
