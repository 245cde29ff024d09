//! A run and an analysis made by hand, with whatever text a test puts into them.

use analysis::{
    Analysis, Breakdown, Cause, CausePart, CauseShare, CellScore, Confusion, Copied, ErrorAnalysis, Feature,
    FeatureResult, GateShare, GateStatistics, Guess, KindLoss, LayerStates, Passage, Scoring, SurprisingWord,
};
use model_card::{Unit, Vocabulary};
use trainer::novelty::{Novelty, Overlap, Share};
use trainer::recipe::Recipe;
use trainer::{Best, History, Metrics, Plans, ProgressSample, RunConfig, StepRecord, Times};

/// A run of `steps` optimizer steps under this name.
pub fn history(name: &str, steps: usize) -> History {
    let loss = |step: usize| 1.4 + 2.8 / (1.0 + step as f64 / 60.0);
    let record = |step: usize| StepRecord {
        epoch: 1 + step / 500,
        step,
        loss: loss(step) + 0.05 * (step as f64 * 1.7).sin(),
        gradient_norm: 0.4 + 1.0 / (1.0 + step as f64 / 100.0) + 0.1 * (step as f64 * 0.9).cos().abs(),
        learning_rate: 0.002 * (1.0 - step as f64 / steps as f64),
        seconds: 0.06,
        characters: 2_500 * step as u64,
        done: step as f64 / steps as f64,
        elapsed: 0.06 * step as f64,
    };
    let evaluation = |step: usize| Metrics {
        epoch: 1 + step / 500,
        step,
        train_loss: loss(step),
        validation_loss: Some(loss(step) + 0.03 + (step as f64 / steps as f64).powi(4) * 0.02),
        learning_rate: record(step).learning_rate,
        characters: 2_500 * step as u64,
    };
    let evaluated = || (steps / 20..=steps).step_by((steps / 20).max(1));
    let metrics: Vec<Metrics> = evaluated().map(evaluation).collect();
    let lowest = metrics.iter().min_by(|one, other| one.deciding_loss().total_cmp(&other.deciding_loss())).copied();
    History {
        name: name.into(),
        config: Some(RunConfig {
            recipe: Recipe::named("modern").unwrap(),
            seed: 7,
            device: "cpu".into(),
            dataset: "tale".into(),
            shards: "shards".into(),
            corpus: 0x1234_5678_9abc_def0,
            init_from: None,
            plans: Plans::default(),
            repeats: None,
        }),
        steps: (1..=steps).map(record).collect(),
        times: evaluated()
            .map(|step| Times { step, elapsed: 0.06 * step as f64, speed: 41_000.0 + step as f64 })
            .collect(),
        best: lowest.map(|lowest| Best { step: lowest.step, loss: lowest.deciding_loss(), waited: 0 }),
        metrics,
        parameters: Some(2_577_985),
        progress: vec![],
        samples: vec![],
    }
}

/// A sample along the way.
pub fn sample(step: usize, prompt: &str, text: &str) -> ProgressSample {
    let (prompt, text) = (prompt.into(), text.into());
    ProgressSample {
        epoch: 1,
        step,
        loss: 2.0,
        validation_loss: None,
        elapsed: 0.06 * step as f64,
        temperature: 0.5,
        prompt,
        text,
    }
}

/// An analysis of a text by a network of these layers. States and guesses follow the text in a made-up way.
#[expect(clippy::too_many_lines, reason = "one field after another")]
pub fn analysis(text: &str, sizes: &[usize]) -> Analysis {
    let vocabulary = Vocabulary::from_text(Unit::Char, text);
    let tokens = vocabulary.encode(text).unwrap();
    let symbols: Vec<String> = (0..vocabulary.len() as u32).map(|token| vocabulary.decode(&[token])).collect();
    let state = |at: usize, cell: usize| {
        // A cell that follows quotation marks, one that counts along the line, and others that drift.
        let before = &tokens[..=at];
        let quotes = before.iter().filter(|token| symbols[**token as usize] == "\"").count();
        let line = before.iter().rev().take_while(|token| symbols[**token as usize] != "\n").count();
        match cell {
            0 => {
                if quotes % 2 == 1 {
                    0.95
                } else {
                    -0.9
                }
            }
            1 => (line as f32 / 35.0).tanh() * 2.0 - 1.0,
            _ => f32::midpoint((at as f32 / (2.0 + cell as f32)).sin(), (tokens[at] as f32).sin()),
        }
    };
    let layer = |size: usize| LayerStates {
        size,
        states: (0..tokens.len() * size).map(|at| (127.0 * state(at / size, at % size)).round() as i8).collect(),
    };
    let guesses = (0..tokens.len()).map(|at| {
        let next = tokens.get(at + 1).copied().unwrap_or(0);
        let count = symbols.len().min(5) as u32;
        let guess = |rank: u32| Guess {
            token: (next + rank) % symbols.len() as u32,
            probability: 0.5 / 2_f32.powi(rank as i32),
        };
        (0..count).map(guess).collect()
    });
    let source = "validation split".to_owned();
    let of = |feature: Feature, cell, found: bool| FeatureResult {
        feature,
        name: feature.name(),
        definition: feature.definition(),
        measure: feature.measure(),
        positives: 0.21,
        best: (0..5)
            .map(|rank| CellScore {
                layer: sizes.len() - 1,
                cell: cell + rank,
                score: 0.97 - 0.05 * rank as f32,
                rises: true,
            })
            .collect(),
        random: 0.55,
        untrained: 0.71,
        found,
        absent: None,
    };
    let features = Feature::ALL
        .iter()
        .enumerate()
        .map(|(number, feature)| of(*feature, number.min(sizes[sizes.len() - 1] - 5), number < 4));
    let gate = |number: usize| GateShare {
        shut: ((number * 37) % 100) as f32 / 130.0,
        open: ((number * 61) % 100) as f32 / 250.0,
    };
    let gates = |size: usize| (0..size).map(gate).collect::<Vec<_>>();
    let word = SurprisingWord {
        word: "quoth".into(),
        bits: 31.5,
        times: 2,
        times_in_training: 1,
        excerpt: "and then quoth he".into(),
        start: 9,
        end: 14,
    };
    Analysis {
        passage: Passage {
            source: source.clone(),
            surprise: (0..tokens.len()).map(|at| if at == 0 { 0.0 } else { (at % 7) as f32 }).collect(),
            guesses: guesses.collect(),
            layers: sizes.iter().map(|size| layer(*size)).collect(),
            features: vec![],
            symbols: symbols.clone(),
            tokens,
        },
        scoring: Scoring {
            source: source.clone(),
            chosen_on: 5_000,
            scored_on: 5_000,
            least_auc: 0.9,
            least_correlation: 0.7,
            margin: 0.25,
        },
        features: features.collect(),
        gates: sizes
            .iter()
            .map(|size| GateStatistics { input: gates(*size), forget: gates(*size), output: gates(*size) })
            .collect(),
        errors: ErrorAnalysis {
            source,
            nats: 1.4,
            tokens: 10_000,
            kinds: vec![
                KindLoss { kind: "small letters", tokens: 8_000, nats: 1.3, share: 0.743 },
                KindLoss { kind: "spaces", tokens: 2_000, nats: 1.8, share: 0.257 },
                KindLoss { kind: "digits", tokens: 0, nats: 0.0, share: 0.0 },
            ],
            confusion: Confusion {
                tokens: (0..symbols.len().min(20) as u32).collect(),
                counts: (0..symbols.len().min(20))
                    .map(|row| {
                        (0..symbols.len().min(20))
                            .map(|column| if row == column { 600 } else { (row * column % 30) as u64 })
                            .collect()
                    })
                    .collect(),
                other: vec![40; symbols.len().min(20)],
            },
            words: vec![word],
            breakdown: Breakdown {
                errors: 4_000,
                right: 6_000,
                right_nats: 2_000.0,
                causes: vec![CauseShare {
                    cause: Cause::NGram,
                    name: "n-gram",
                    definition: "An n-gram model with n from 1 to 9 gives the character a probability of at least one half.",
                    errors: 4_000,
                    share: 1.0,
                    nats: 12_000.0,
                    parts: vec![CausePart { name: "n = 3".into(), errors: 4_000 }],
                }],
                training_tokens: 90_000,
            },
        },
        copied: Some(Copied { temperature: 1.0, seed: 1, novelty: novelty(text) }),
    }
}

fn novelty(text: &str) -> Novelty {
    let shares = [20, 40, 80].map(|length| Share { length, passages: 9_981, copied: 120, share: Some(0.012) }).to_vec();
    let passage = trainer::novelty::Passage {
        text: text.chars().take(30).collect(),
        length: 30,
        training_offset: 0,
        sample_offset: 0,
    };
    let overlap = Overlap { length: 10_000, longest: Some(passage), shares };
    Novelty { unit: Unit::Char, sample: overlap.clone(), validation: Some(overlap) }
}
