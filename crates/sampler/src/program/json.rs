//! Samples and characters as JSON, one object a line.

use std::io::Write;

use sampler::{Plan, Sample, Sampler};
use serde::Serialize;

use super::{Failure, explain::Candidates, output::Output, write};

#[derive(Serialize)]
struct SampleObject<'s> {
    sample: usize,
    prompt: &'s str,
    text: &'s str,
    characters: usize,
    end: &'static str,
    /// The one in force, or all that take turns.
    temperature: Temperature<'s>,
    seed: u64,
}

#[derive(Serialize)]
#[serde(untagged)]
enum Temperature<'s> {
    One(f32),
    Turns(&'s [f32]),
}

#[derive(Serialize)]
struct CharacterObject<'s> {
    text: &'s str,
    /// The model's own, whatever the temperature.
    probability: f32,
    alternatives: Vec<Alternative>,
    #[serde(skip_serializing_if = "Option::is_none")]
    end: Option<&'static str>,
}

#[derive(Serialize)]
struct Alternative {
    text: String,
    probability: f32,
}

/// One object for a sample.
pub fn sample(output: &mut Output, plan: &Plan, prompt: &str, sample: &Sample) -> Result<(), Failure> {
    let temperature = if plan.cycle.is_empty() {
        Temperature::One(plan.options.temperature)
    } else {
        Temperature::Turns(&plan.cycle)
    };
    let object = SampleObject {
        sample: sample.index,
        prompt,
        text: &sample.text,
        characters: sample.text.chars().count(),
        end: sample.end.name(),
        temperature,
        seed: plan.seed,
    };
    line(output, &object)
}

/// One object for each token that is written (in a byte model, a byte), with the five likeliest.
pub fn characters(sampler: &mut Sampler, plan: &Plan, prompt: &str, output: &mut Output) -> Result<(), Failure> {
    let mut writer = write::writer(sampler, plan, prompt)?;
    let mut candidates = Candidates::default();
    let mut ended = plan.length == 0;
    while !ended {
        candidates.look(sampler, 5)?;
        let step = sampler.write(&mut writer)?;
        ended = step.end.is_some();
        let alternatives = candidates
            .likeliest
            .iter()
            .map(|(text, probability)| Alternative { text: text.clone(), probability: *probability });
        let object = CharacterObject {
            text: step.text,
            probability: candidates.probability(step.token),
            alternatives: alternatives.collect(),
            end: step.end.map(sampler::End::name),
        };
        line(output, &object)?;
    }
    Ok(())
}

/// One object a line.
pub fn line(output: &mut Output, object: &impl Serialize) -> Result<(), Failure> {
    serde_json::to_writer(&mut *output, object).map_err(std::io::Error::from)?;
    Ok(output.write_all(b"\n")?)
}
