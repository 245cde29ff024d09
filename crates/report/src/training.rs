//! How it went: losses, learning rate, gradient norm and speed, over steps and over time; and everything that determined
//! the run.

use maud::{Markup, html};
use trainer::recipe::Recipe;
use trainer::{History, Metrics};

use crate::numbers::{duration, percent, short, thousands};
use crate::plot::{Axis, Line, Plot};
use crate::{Report, escape, repeat};

/// Evaluations that are listed.
const LISTED: usize = 60;

/// The section.
pub fn section(report: &Report<'_>) -> Markup {
    let runs: Vec<&History> = std::iter::once(report.run).chain(report.compared).collect();
    let has_evaluations = runs.iter().any(|run| !run.metrics.is_empty());
    html! {
        section id="training" {
            h2 { "How it went" }
            @if !has_evaluations {
                p.note { "This run recorded no evaluation: it was imported, or it was stopped before the first one." }
            }
            div.plots {
                (losses("loss-steps", "Loss over steps", &runs, &Across::Steps))
                (losses("loss-time", "Loss over time", &runs, &Across::time(&runs)))
                (of_steps("rate", "Learning rate", &runs, "learning rate", |record| record.learning_rate))
                (of_steps("gradient", "Gradient norm", &runs, "norm before clipping", |record| record.gradient_norm))
                (speed(&runs))
            }
            @if !report.compared.is_empty() { (comparison(&runs)) }
            (evaluations(report.run))
            (settings(report))
        }
    }
}

/// What is across: steps, or time in a unit.
enum Across {
    Steps,
    Time { unit: &'static str, seconds: f64 },
}

impl Across {
    /// Time in the unit that suits the longest run.
    fn time(runs: &[&History]) -> Self {
        match runs.iter().filter_map(|run| seconds(run)).fold(0.0, f64::max) {
            longest if longest < 180.0 => Self::Time { unit: "seconds", seconds: 1.0 },
            longest if longest < 3.0 * 3600.0 => Self::Time { unit: "minutes", seconds: 60.0 },
            _ => Self::Time { unit: "hours", seconds: 3600.0 },
        }
    }

    fn axis(&self) -> Axis {
        match self {
            Self::Steps => Axis { name: "steps", is_logarithmic: true, is_cut: false },
            Self::Time { unit, .. } => Axis { name: unit, is_logarithmic: false, is_cut: false },
        }
    }

    fn of(&self, run: &History, step: usize) -> Option<f64> {
        match self {
            Self::Steps => Some(step as f64),
            Self::Time { seconds, .. } => run.seconds_at(step).map(|elapsed| elapsed / seconds),
        }
    }
}

/// Seconds of training.
pub fn seconds(run: &History) -> Option<f64> {
    let evaluated = run.times.last().map(|times| times.elapsed);
    let recorded = run.steps.last().map(|record| record.elapsed);
    evaluated.into_iter().chain(recorded).max_by(f64::total_cmp)
}

/// The evaluation that the best checkpoint was made at.
pub fn best(run: &History) -> Option<&Metrics> {
    let best = run.best?;
    run.metrics.iter().find(|metrics| metrics.step == best.step)
}

fn losses(id: &str, title: &str, runs: &[&History], across: &Across) -> Markup {
    let is_alone = runs.len() == 1;
    let name = |run: &History, loss: &str| {
        if is_alone { loss.to_owned() } else { format!("{}, {loss}", escape::text(&run.name)) }
    };
    let mut lines = vec![];
    for (colour, run) in runs.iter().enumerate() {
        let line = |loss: &str, is_faint, points| Line { name: name(run, loss), colour, is_faint, points };
        let validation = |metrics: &Metrics| Some((across.of(run, metrics.step)?, metrics.validation_loss?));
        lines.push(line("validation", false, run.metrics.iter().filter_map(validation).collect()));
        // Of single steps where there are any: they show the beginning.
        let recorded = run.steps.iter().filter_map(|record| Some((across.of(run, record.step)?, record.loss)));
        let evaluated =
            run.metrics.iter().filter_map(|metrics| Some((across.of(run, metrics.step)?, metrics.train_loss)));
        let training = if run.steps.is_empty() { evaluated.collect() } else { recorded.collect() };
        lines.push(line("training", true, training));
    }
    let mark = best(runs[0]).and_then(|best| {
        let what = format!("best: {:.4} nats at step {}", best.deciding_loss(), thousands(best.step as u64));
        Some((across.of(runs[0], best.step)?, best.deciding_loss(), what))
    });
    let is_cut = matches!(across, Across::Time { .. });
    let y = Axis { name: "nats per character", is_logarithmic: false, is_cut };
    Plot { id, title: &format!("{title}, in nats per character"), x: across.axis(), y, lines, mark }.figure()
}

fn of_steps(
    id: &str,
    title: &str,
    runs: &[&History],
    name: &'static str,
    value: fn(&trainer::StepRecord) -> f64,
) -> Markup {
    let line = |(colour, run): (usize, &&History)| Line {
        name: escape::text(&run.name),
        colour,
        is_faint: false,
        points: run.steps.iter().map(|record| (record.step as f64, value(record))).collect(),
    };
    let y = Axis { name, is_logarithmic: false, is_cut: id == "gradient" };
    Plot { id, title, x: Across::Steps.axis(), y, lines: runs.iter().enumerate().map(line).collect(), mark: None }
        .figure()
}

fn speed(runs: &[&History]) -> Markup {
    let line = |(colour, run): (usize, &&History)| Line {
        name: escape::text(&run.name),
        colour,
        is_faint: false,
        points: run.times.iter().map(|times| (times.step as f64, times.speed)).collect(),
    };
    let y = Axis { name: "characters per second", is_logarithmic: false, is_cut: false };
    let lines = runs.iter().enumerate().map(line).collect();
    let title = "Speed, in characters per second";
    Plot { id: "speed", title, x: Across::Steps.axis(), y, lines, mark: None }.figure()
}

fn comparison(runs: &[&History]) -> Markup {
    html! {
        h3 { "The runs" }
        div.scroll tabindex="0" role="region" aria-label="The runs" {
            table {
                thead { tr {
                    th scope="col" { "run" } th scope="col" { "recipe" } th.n scope="col" { "parameters" } th.n scope="col" { "steps" }
                    th.n scope="col" { "time" } th.n scope="col" { "best loss" } th.n scope="col" { "bits" }
                } }
                tbody {
                    @for run in runs {
                        @let loss = run.best.map(|best| best.loss);
                        tr {
                            th scope="row" { bdi { (escape::text(&run.name)) } }
                            td { (run.config.as_ref().map_or("imported", |config| config.recipe.name.as_str())) }
                            td.n { (run.parameters.map_or("-".into(), |parameters| thousands(parameters as u64))) }
                            td.n { (run.metrics.last().map_or("-".into(), |metrics| thousands(metrics.step as u64))) }
                            td.n { (seconds(run).map_or("-".into(), duration)) }
                            td.n { (loss.map_or("-".into(), |loss| format!("{loss:.4}"))) }
                            td.n { (loss.map_or("-".into(), |loss| format!("{:.4}", loss / std::f64::consts::LN_2))) }
                        }
                    }
                }
            }
        }
    }
}

fn evaluations(run: &History) -> Markup {
    if run.metrics.is_empty() {
        return html! {};
    }
    let skipped = run.metrics.len().saturating_sub(LISTED);
    html! {
        details {
            summary { "Every evaluation" }
            @if skipped > 0 { p.note { "The last " (LISTED) " of " (run.metrics.len()) "." } }
            div.scroll tabindex="0" role="region" aria-label="Every evaluation" {
                table {
                    thead { tr {
                        th.n scope="col" { "step" } th.n scope="col" { "epoch" } th.n scope="col" { "training" } th.n scope="col" { "validation" }
                        th.n scope="col" { "learning rate" } th.n scope="col" { "characters" } th.n scope="col" { "time" } th.n scope="col" { "characters/s" }
                    } }
                    tbody {
                        @for metrics in &run.metrics[skipped..] {
                            @let times = run.times.iter().find(|times| times.step == metrics.step);
                            tr.best[run.best.is_some_and(|best| best.step == metrics.step)] {
                                td.n { (thousands(metrics.step as u64)) }
                                td.n { (metrics.epoch) }
                                td.n { (format!("{:.4}", metrics.train_loss)) }
                                td.n { (metrics.validation_loss.map_or("-".into(), |loss| format!("{loss:.4}"))) }
                                td.n { (short(metrics.learning_rate)) }
                                td.n { (thousands(metrics.characters)) }
                                td.n { (times.map_or("-".into(), |times| duration(times.elapsed))) }
                                td.n { (times.map_or("-".into(), |times| short(times.speed))) }
                            }
                        }
                    }
                }
            }
        }
    }
}

/// Everything that determined the run, and the command that repeats it.
fn settings(report: &Report<'_>) -> Markup {
    let Some(config) = &report.run.config else {
        return html! { p.note { "The network was imported: how it was trained is not recorded here." } };
    };
    let repeat = repeat::command(report.command, config);
    html! {
        @if let Some(command) = &repeat {
            h3 { "To train it again" }
            pre.command tabindex="0" role="region" aria-label="To train it again" { code { (escape::text(command)) } }
        }
        details {
            summary { "Recipe, text and machine" }
            dl {
                dt { "text" } dd { bdi { (escape::text(&config.dataset)) } ", preparation " code { (format!("{:016x}", config.corpus)) } }
                dt { "seed" } dd { (config.seed) }
                dt { "trained on" } dd { (config.device) }
                @if let Some(from) = &config.init_from { dt { "first weights from" } dd { (escape::text(&from.display().to_string())) } }
                dt { "this page was made by" } dd { (escape::text(report.made_by)) }
            }
            (recipe(&config.recipe))
        }
    }
}

fn recipe(recipe: &Recipe) -> Markup {
    let mut fields = vec![];
    flatten("", &serde_json::to_value(recipe).unwrap_or_default(), &mut fields);
    html! {
        div.scroll tabindex="0" role="region" aria-label="Recipe" {
            table {
                thead { tr { th scope="col" { "field of the recipe" } th scope="col" { "value" } } }
                tbody { @for (field, value) in &fields { tr { th scope="row" { code { (field) } } td { (escape::text(value)) } } } }
            }
        }
    }
}

fn flatten(path: &str, value: &serde_json::Value, fields: &mut Vec<(String, String)>) {
    match value {
        serde_json::Value::Object(object) => {
            for (name, value) in object {
                let path = if path.is_empty() { name.clone() } else { format!("{path}.{name}") };
                flatten(&path, value, fields);
            }
        }
        serde_json::Value::String(text) => fields.push((path.into(), text.clone())),
        value => fields.push((path.into(), value.to_string())),
    }
}

/// What the page opens with: the figures that people ask for first.
pub fn figures(report: &Report<'_>) -> Markup {
    let run = report.run;
    let size =
        run.config.as_ref().map(|config| format!("{}\u{d7}{}", config.recipe.model.layers, config.recipe.model.hidden));
    let loss = run.best.map(|best| best.loss);
    let is_validation = best(run).is_some_and(|best| best.validation_loss.is_some());
    let copied = report.analysis.ok().and_then(|analysis| analysis.copied.as_ref());
    let figure = |value: String, name: &str| html! { div { dt { (name) } dd { (value) } } };
    html! {
        dl.figures {
            @if let Some(loss) = loss {
                (figure(format!("{loss:.3}"), if is_validation { "validation loss, nats per character" } else { "training loss, nats per character" }))
                (figure(format!("{:.3}", loss / std::f64::consts::LN_2), "bits per character"))
            }
            @if let Some(size) = size { (figure(size, "layers and cells")) }
            @if let Some(parameters) = run.parameters { (figure(thousands(parameters as u64), "parameters")) }
            @if let Some(seconds) = seconds(run) { (figure(duration(seconds), "of training")) }
            @if let Some(times) = run.times.last() { (figure(short(times.speed), "characters per second")) }
            @if let Some(share) = copied.and_then(|copied| copied.novelty.sample.shares.first()?.share) {
                (figure(percent(share), "of what it writes is copied, in passages of 20"))
            }
        }
    }
}
