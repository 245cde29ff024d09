//! Scores texts: bits per character of every line, or the most surprising lines.

use std::rc::Rc;

use sampler::{Model, Network, Scorer};

use super::{
    config::ScoreConfig,
    encoder::Encoder,
    failure::Failure,
    lines::{Lines, Next},
    report::Report,
};

/// Scores each file on its own.
pub fn score(model: Model, helpers: Vec<Network>, config: &ScoreConfig) -> Result<(), Failure> {
    let card = model.card.clone();
    let mut scorer = Scorer::new(model, helpers);
    let mut report = Report::new(&card, config);
    let mut encoder = Encoder::new(&card, config.lossy, config.skip_unknown);
    for path in &config.files {
        let mut lines = Lines::open(path)?;
        let scored = score_lines(&mut lines, &mut encoder, &mut scorer, &mut report);
        // The lines before an unusable one are shown all the same.
        if matches!(scored, Ok(()) | Err(Failure::Input(_))) {
            scorer.finish(|nats| report.receive(nats))?;
            report.show()?;
            report.flush()?;
        }
        scored?;
    }
    report.finish(encoder.skipped)
}

/// Scores a text up to its end. Lines are shown in blocks, or as soon as there is no more input.
fn score_lines(
    lines: &mut Lines,
    encoder: &mut Encoder<'_>,
    scorer: &mut Scorer,
    report: &mut Report<'_>,
) -> Result<(), Failure> {
    let name: Rc<str> = lines.name().into();
    loop {
        match lines.next()? {
            Next::Line(line) => {
                let tokens = encoder.encode(&line, lines.name())?;
                report.expect(&name, line.number, &tokens);
                scorer.push(&tokens, |nats| report.receive(nats))?;
                report.show()?;
            }
            Next::Waiting if !report.shows_lines() => {}
            Next::Waiting => {
                scorer.flush(|nats| report.receive(nats))?;
                report.show()?;
                report.flush()?;
            }
            Next::End => return Ok(()),
        }
    }
}
