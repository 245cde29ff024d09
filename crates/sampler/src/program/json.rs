//! Texts and characters as JSON, one object per line.

use sampler::{Plan, Sample};
use serde::Serialize;

use super::{candidates::Candidates, config::WriteConfig, failure::Failure, output::Output, text::Text};

/// Candidates listed for each character.
const ALTERNATIVES: usize = 5;

#[derive(Serialize)]
struct SampleObject<'s> {
    sample: usize,
    prompt: &'s str,
    text: &'s str,
    characters: usize,
    end: &'static str,
    /// The temperature, or the list that is cycled through.
    temperature: Temperature<'s>,
    seed: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    frequency_penalty: Option<f32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    allow: Option<&'s str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    forbid: Option<&'s str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    novel: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    novel_length: Option<usize>,
}

#[derive(Serialize)]
#[serde(untagged)]
enum Temperature<'s> {
    Constant(f32),
    Cycle(&'s [f32]),
}

#[derive(Serialize)]
struct CharacterObject<'s> {
    text: &'s str,
    /// The model's own probability, before temperature and filters.
    probability: f32,
    alternatives: Vec<Alternative<'s>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    end: Option<&'static str>,
}

#[derive(Serialize)]
struct Alternative<'s> {
    text: &'s str,
    probability: f32,
}

/// Writes one object for a sample.
pub fn sample(
    output: &mut Output,
    config: &WriteConfig,
    plan: &Plan,
    prompt: &str,
    sample: &Sample,
) -> Result<(), Failure> {
    let temperature = if plan.cycle.is_empty() {
        Temperature::Constant(plan.options.temperature)
    } else {
        Temperature::Cycle(&plan.cycle)
    };
    output.json_line(&SampleObject {
        sample: sample.index,
        prompt,
        text: &sample.text,
        characters: sample.text.chars().count(),
        end: sample.end.name(),
        temperature,
        seed: plan.seed,
        frequency_penalty: plan.options.frequency_penalty,
        allow: config.allow.as_deref(),
        forbid: config.forbid.as_deref(),
        novel: config.novel.as_ref().map(|(path, _)| path.display().to_string()),
        novel_length: config.novel.as_ref().map(|&(_, length)| length),
    })
}

/// Writes one object for each token (in a byte model, a byte), with the five most likely ones.
pub fn characters(text: &mut Text, output: &mut Output) -> Result<(), Failure> {
    let mut candidates = Candidates::default();
    while !text.is_over() {
        candidates.update(&mut text.sampler, ALTERNATIVES)?;
        let step = text.write()?;
        let alternatives = candidates.likeliest.iter().map(|(text, probability)| {
            let probability = *probability;
            Alternative { text, probability }
        });
        output.json_line(&CharacterObject {
            text: step.text,
            probability: candidates.probability(step.token),
            alternatives: alternatives.collect(),
            end: step.end.map(sampler::End::name),
        })?;
    }
    Ok(())
}
