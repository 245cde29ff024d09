//! `carve evaluate`: a checkpoint's loss on the splits of a text.

use anyhow::Result;
use clap::{Args, ValueEnum};
use corpus::Split;
use trainer::evaluation::{LECTURE_LENGTH, LECTURE_STEP, STREAMS, WINDOW_LENGTH};
use trainer::{DeviceName, EvaluateConfig, Event, Measured, Observer, Protocol, dynamic, evaluate};

use super::checkpoint::Which;
use crate::progress::Progress;
use crate::session::Session;
use crate::{names, output, values};

/// Measure a run's best checkpoint on the splits of a text.
#[derive(Args)]
#[command(after_help = "Examples:\n  carve evaluate --dataset letters\n  \
                        carve evaluate --dataset letters --run modern-2 --split validation --json\n  \
                        carve evaluate --dataset letters --protocol windows --length 256\n  \
                        carve evaluate --dataset letters --on diary")]
pub struct Arguments {
    #[command(flatten)]
    which: Which,
    /// Another prepared text to measure on.
    #[arg(long, value_name = "NAME", value_parser = names::text)]
    on: Option<String>,
    /// The split to measure on [default: all].
    #[arg(long, value_parser = values::one_of::<Split>(&["train", "validation", "test"]))]
    split: Option<Split>,
    /// How to measure.
    #[arg(long, value_enum, default_value_t = ProtocolName::Carried)]
    protocol: ProtocolName,
    /// Characters per window [default: 256 for windows, 40 for lecture] or per segment [default: 50 for dynamic].
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    length: Option<u32>,
    /// Learning rate of dynamic evaluation.
    #[arg(long, value_name = "RATE", default_value_t = dynamic::Settings::default().learning_rate)]
    dynamic_rate: f64,
    /// Fraction by which dynamic evaluation pulls the weights back to the trained ones after each segment.
    #[arg(long, value_name = "FRACTION", default_value_t = dynamic::Settings::default().decay)]
    dynamic_decay: f64,
    /// Device to compute on.
    #[arg(long, value_parser = values::device(), default_value = "auto")]
    device: DeviceName,
    /// Print one JSON object per split.
    #[arg(long)]
    json: bool,
}

/// A way to measure, as the user names it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum ProtocolName {
    /// One state carried over the whole text.
    Carried,
    /// The same in 64 parallel streams, each warmed up on the 512 characters before it: what training reports.
    Streams,
    /// Adjacent windows from zero states, every character counted (nanoGPT's way).
    Windows,
    /// A window every three characters, only the character after it counted (the lecture's way).
    Lecture,
    /// One carried state, and weights that go on learning from what they were measured on (dynamic evaluation).
    Dynamic,
}

impl Arguments {
    fn protocol(&self) -> Protocol {
        let length = |default: usize| self.length.map_or(default, |length| length as usize);
        match self.protocol {
            ProtocolName::Carried => Protocol::Carried,
            ProtocolName::Streams => Protocol::Streams(STREAMS),
            ProtocolName::Windows => Protocol::Windows(length(WINDOW_LENGTH)),
            ProtocolName::Lecture => Protocol::Last { length: length(LECTURE_LENGTH), step: LECTURE_STEP },
            ProtocolName::Dynamic => Protocol::Dynamic(dynamic::Settings {
                segment: length(dynamic::Settings::default().segment),
                learning_rate: self.dynamic_rate,
                decay: self.dynamic_decay,
            }),
        }
    }
}

/// Measures, and prints each split as soon as it is measured.
pub fn run(session: &Session, arguments: &Arguments) -> Result<()> {
    let text = arguments.on.as_ref().unwrap_or(&arguments.which.dataset);
    let checkpoint = arguments.which.checkpoint(session)?;
    session.artifacts.check_prepared(text)?;
    let config = EvaluateConfig {
        checkpoint,
        shards: session.artifacts.shards(text),
        split: arguments.split,
        protocol: arguments.protocol(),
        device: arguments.device,
        // A text that is named with --on is meant.
        allow_other_text: arguments.on.is_some(),
    };
    let mut report = Report { progress: session.progress(), json: arguments.json, printed: Ok(()) };
    evaluate(&config, &mut report)?;
    report.printed
}

struct Report {
    progress: Progress,
    json: bool,
    printed: Result<()>,
}

impl Observer for Report {
    fn observe(&mut self, event: &Event<'_>) {
        let Event::Measured(measured) = event else { return self.progress.observe(event) };
        self.progress.clear();
        let Measured { split, score } = measured;
        let line = if self.json {
            serde_json::json!(measured).to_string()
        } else {
            format!(
                "{:<10} {:.4} nats  {:.4} bits per character  perplexity {:.3}  {} characters",
                split.name(),
                score.nats,
                score.bits,
                score.perplexity,
                score.characters
            )
        };
        if self.printed.is_ok() {
            self.printed = output::line(&line);
        }
    }
}
