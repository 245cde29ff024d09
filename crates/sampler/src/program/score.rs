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
        let scored = score_lines(&mut lines, config.line_buffered, &mut encoder, &mut scorer, &mut report);
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

/// Scores a text up to its end. Lines are shown in blocks, or as soon as there is no more input, or each as it ends.
fn score_lines(
    lines: &mut Lines,
    is_line_buffered: bool,
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
                if is_line_buffered && line.bytes.ends_with(b"\n") {
                    show_all(scorer, report)?;
                }
            }
            Next::Waiting if !report.shows_lines() => {}
            Next::Waiting => show_all(scorer, report)?,
            Next::End => return Ok(()),
        }
    }
}

/// Scores and shows the lines read so far.
fn show_all(scorer: &mut Scorer, report: &mut Report<'_>) -> Result<(), Failure> {
    scorer.flush(|nats| report.receive(nats))?;
    report.show()?;
    report.flush()
}

#[cfg(test)]
mod tests {
    use sampler::Engine;

    use super::*;

    #[test]
    fn buffered_by_lines_each_line_is_scored_before_the_next_is_read() {
        for (line_buffered, scored) in [(false, 0), (true, 3)] {
            for file in ["stateful", "window", "names"] {
                let file = format!("{}/tests/data/{file}.onnx", env!("CARGO_MANIFEST_DIR"));
                let model = Model::open(&file, &Engine::default()).unwrap();
                let card = model.card.clone();
                let config = ScoreConfig {
                    files: Vec::new(),
                    top: None,
                    // Nothing is printed.
                    above: Some(f32::INFINITY),
                    line_buffered,
                    mark: 7.0,
                    total: false,
                    json: false,
                    stateful: false,
                    lossy: false,
                    skip_unknown: true,
                };
                let mut report = Report::new(&card, &config);
                let mut scorer = Scorer::new(model, Vec::new());
                // The whole file is there, so nobody waits for input.
                let mut lines = Lines::of_file(&b"abc\nel\na\nrest without an end"[..]);
                let mut encoder = Encoder::new(&card, false, true);
                score_lines(&mut lines, line_buffered, &mut encoder, &mut scorer, &mut report).unwrap();
                assert_eq!(report.lines(), scored, "{file}");
            }
        }
    }
}
