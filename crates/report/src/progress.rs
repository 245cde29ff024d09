//! What it wrote when: one prompt and one seed, continued after more and more steps.

use maud::{Markup, html};
use trainer::History;

use crate::escape;
use crate::numbers::{duration, short, thousands};

/// The section.
pub fn section(run: &History) -> Markup {
    html! {
        section id="samples" {
            h2 { "What it wrote when" }
            @if let Some(first) = run.progress.first() {
                p { "One prompt, one seed, temperature " (short(f64::from((first.temperature * 100.0).round()) / 100.0)) ", after more and more steps. The prompt is set in grey." }
                ol.samples {
                    @for sample in &run.progress {
                        li {
                            h3 {
                                "step " (thousands(sample.step as u64))
                                small {
                                    (duration(sample.elapsed)) ", training loss " (format!("{:.2}", sample.loss))
                                    @if let Some(loss) = sample.validation_loss { ", validation " (format!("{loss:.3}")) }
                                }
                            }
                            p.text { span.prompt { (escape::text(&sample.prompt)) } (escape::text(&sample.text)) }
                        }
                    }
                }
            } @else if run.samples.is_empty() {
                p.note { "This run kept no samples. Training keeps them unless " code { "records.progress" } " is 0; earlier versions kept none." }
            } @else {
                ol.samples {
                    @for sample in &run.samples {
                        li {
                            h3 {
                                "step " (thousands(sample.step as u64))
                                @if let Some(seconds) = run.seconds_at(sample.step) { small { (duration(seconds)) } }
                            }
                            p.text { (escape::text(sample.text.trim_matches('\n'))) }
                        }
                    }
                }
            }
        }
    }
}
