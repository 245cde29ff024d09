//! The losses of a run as a plot in braille characters.

use textplots::{Chart, Plot, Shape};
use trainer::{Metrics, StepRecord};

use crate::progress::thousands;

/// Lines of the plot itself, and the least columns that one takes with its labels.
const ROWS: usize = 14;
const NARROWEST: usize = 30;

/// Columns of the labels on the left.
const LABELS: usize = 7;

/// Share of the losses that the plot has room for; higher ones, which the first steps have, lie on its upper edge.
const SHOWN: f64 = 0.95;

/// Training losses as dots and validation losses as a line, over steps, in at most `width` columns. `None` if there is too
/// little to draw, or no room.
pub fn losses(steps: &[StepRecord], metrics: &[Metrics], width: usize) -> Option<String> {
    let point = |step: usize, loss: f64| (step as f32, loss as f32);
    let mut training: Vec<_> = steps.iter().map(|record| point(record.step, record.loss)).collect();
    if training.is_empty() {
        training = metrics.iter().map(|metrics| point(metrics.step, metrics.train_loss)).collect();
    }
    let validation: Vec<_> =
        metrics.iter().filter_map(|metrics| Some(point(metrics.step, metrics.validation_loss?))).collect();
    let mut all: Vec<f32> = training.iter().chain(&validation).map(|(_, loss)| *loss).collect();
    all.sort_by(f32::total_cmp);
    let last = training.iter().chain(&validation).map(|(step, _)| *step).fold(0.0, f32::max);
    if all.len() < 2 || width < NARROWEST {
        return None;
    }
    let low = all[0];
    let high = all[((all.len() - 1) as f64 * SHOWN).ceil() as usize].max(low + 1e-3);
    let shown = |points: &[(f32, f32)]| points.iter().map(|(step, loss)| (*step, loss.min(high))).collect::<Vec<_>>();
    let (training, validation) = (shown(&training), shown(&validation));

    // A braille character is two dots wide and four high. The canvas has one dot more than it is told, in each direction.
    let columns = width - LABELS - 1;
    let size = |characters: usize, dots: usize| u32::try_from(characters * dots - 1).unwrap_or(u32::MAX).max(32);
    let mut chart = Chart::new_with_y_range(size(columns, 2), size(ROWS, 4), 0.0, last, low, high);
    let (dots, line) = (Shape::Points(&training), Shape::Lines(&validation));
    let drawn = chart.lineplot(&dots).lineplot(&line);
    drawn.figures();
    let frame = drawn.frame();

    let legend = if validation.is_empty() {
        "training loss in nats per character"
    } else {
        "loss in nats per character: training as dots, validation as a line"
    };
    let mut plot = format!("{}\n", legend.get(..width).unwrap_or(legend));
    let rows: Vec<&str> = frame.lines().collect();
    for row in 0..ROWS {
        let label = match row {
            0 => format!("{high:.3}"),
            _ if row == ROWS / 2 => format!("{:.3}", f32::midpoint(low, high)),
            _ if row == ROWS - 1 => format!("{low:.3}"),
            _ => String::new(),
        };
        let drawn = rows.get(row).copied().unwrap_or_default();
        let drawn: String = drawn.chars().take(columns).collect();
        plot += format!("{label:>LABELS$} {drawn}").trim_end();
        plot.push('\n');
    }
    let end = format!("step {}", thousands(f64::from(last)));
    Some(format!("{plot}{:>LABELS$} 0{end:>rest$}\n", "", rest = columns - 1))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn metrics(step: usize, validation_loss: Option<f64>) -> Metrics {
        let train_loss = 1.0 + 8.0 / step as f64;
        Metrics { epoch: 1, step, train_loss, validation_loss, learning_rate: 0.1, characters: 1 }
    }

    #[test]
    fn a_plot_fits_the_width_and_names_its_axes() {
        let all: Vec<Metrics> = (1..=50).map(|step| metrics(step * 10, Some(1.5 + 5.0 / step as f64))).collect();
        for width in [30, 79, 80, 200] {
            let plot = losses(&[], &all, width).unwrap();
            let lines: Vec<&str> = plot.lines().collect();
            assert_eq!(lines.len(), ROWS + 2, "{plot}");
            assert!(lines.iter().all(|line| line.chars().count() <= width), "{width} columns:\n{plot}");
            assert!(lines[ROWS].trim_start().starts_with("1.016"), "the lowest loss is at the bottom:\n{plot}");
            assert!(lines[ROWS + 1].ends_with("step 500") && lines[ROWS + 1].chars().count() == width, "{plot}");
            let is_drawn = |line: &&str| line.chars().any(|letter| ('\u{2801}'..='\u{28ff}').contains(&letter));
            assert!(lines.iter().filter(|line| is_drawn(line)).count() > ROWS / 2, "{plot}");
        }
        assert!(losses(&[], &all, 79).unwrap().contains("validation as a line"));
        let without: Vec<Metrics> = all.iter().map(|line| Metrics { validation_loss: None, ..*line }).collect();
        assert!(!losses(&[], &without, 79).unwrap().contains("validation"));
    }

    #[test]
    fn what_cannot_be_drawn_is_not() {
        let all = [metrics(1, Some(2.0)), metrics(2, Some(2.0))];
        assert_eq!(losses(&[], &[], 80), None);
        assert_eq!(losses(&[], &[metrics(1, None)], 80), None);
        assert_eq!(losses(&[], &all, NARROWEST - 1), None);
        let same = [Metrics { train_loss: 2.0, ..all[0] }, Metrics { train_loss: 2.0, ..all[1] }];
        assert!(losses(&[], &same, 80).is_some(), "one loss has a range too");
    }
}
