//! Where it errs: the loss by kind of character, what is taken for what, the most surprising words, the causes of errors, and
//! what is copied.

use analysis::{Analysis, Confusion, Copied, ErrorAnalysis, SurprisingWord};
use maud::{Markup, html};

use crate::escape;
use crate::numbers::{percent, thousands};

/// The section.
pub fn section(analysis: &Analysis) -> Markup {
    let errors = &analysis.errors;
    let source = escape::text(&errors.source);
    html! {
        section id="errors" {
            h2 { "Where it errs" }
            p {
                "Measured on the " (source) ": "
                strong { (format!("{:.4}", errors.nats)) " nats" } " per character, " (format!("{:.4}", errors.nats / std::f64::consts::LN_2)) " bits, over " (thousands(errors.tokens as u64)) " characters."
            }
            (kinds(errors))
            (breakdown(errors))
            (confusion(&errors.confusion, &analysis.passage.symbols))
            (words(&errors.words))
            @if let Some(copied) = &analysis.copied { (novelty(copied)) }
        }
    }
}

/// A bar in a table; its number stands beside it.
fn bar(share: f64) -> Markup {
    html! { span.share aria-hidden="true" { span style=(format!("width:{:.1}%", 100.0 * share.clamp(0.0, 1.0))) {} } }
}

fn kinds(errors: &ErrorAnalysis) -> Markup {
    html! {
        h3 { "By kind of character" }
        div.scroll tabindex="0" role="region" aria-label="Loss by kind of character" {
            table.bars {
                thead { tr { th scope="col" { "kind" } th.n scope="col" { "characters" } th.n scope="col" { "nats each" } th.n scope="col" { "share of the loss" } th aria-hidden="true" {} } }
                tbody {
                    @for kind in errors.kinds.iter().filter(|kind| kind.tokens > 0) {
                        tr {
                            th scope="row" { (kind.kind) } td.n { (thousands(kind.tokens as u64)) } td.n { (format!("{:.3}", kind.nats)) }
                            td.n { (percent(kind.share)) } td { (bar(kind.share)) }
                        }
                    }
                }
            }
        }
    }
}

fn breakdown(errors: &ErrorAnalysis) -> Markup {
    let breakdown = &errors.breakdown;
    let all = breakdown.errors + breakdown.right;
    html! {
        h3 { "By cause" }
        p {
            "An error is a character that got a probability below one half: " (thousands(breakdown.errors as u64)) " of " (thousands(all as u64)) ", "
            (percent(breakdown.errors as f64 / all.max(1) as f64)) ". Each belongs to the first cause that applies, after Karpathy, Johnson and Fei-Fei (2015), section 4.4. The n-gram models and word counts are made from "
            (thousands(breakdown.training_tokens as u64)) " characters of the training text. The " (thousands(breakdown.right as u64)) " others cost "
            (percent(breakdown.right_nats / (errors.nats * errors.tokens as f64).max(f64::MIN_POSITIVE))) " of the loss."
        }
        div.scroll tabindex="0" role="region" aria-label="Errors by cause" {
            table.bars {
                thead { tr { th scope="col" { "cause" } th.n scope="col" { "errors" } th.n scope="col" { "share of errors" } th aria-hidden="true" {} } }
                tbody {
                    @for cause in &breakdown.causes {
                        tr {
                            th scope="row" {
                                (cause.name) br; span.small { (cause.definition) }
                                @if !cause.parts.is_empty() {
                                    details { summary { "in parts" } ul.parts { @for part in &cause.parts { li { (escape::text(&part.name)) ": " (thousands(part.errors as u64)) } } } }
                                }
                            }
                            td.n { (thousands(cause.errors as u64)) } td.n { (percent(cause.share)) } td { (bar(cause.share)) }
                        }
                    }
                }
            }
        }
    }
}

fn confusion(confusion: &Confusion, symbols: &[String]) -> Markup {
    let label = |token: u32| escape::label(symbols.get(token as usize).map_or("", String::as_str));
    let total = |row: usize| (confusion.counts[row].iter().sum::<u64>() + confusion.other[row]).max(1);
    html! {
        h3 { "What it takes for what" }
        p { "Each row is one of the commonest characters; the columns say how often, in percent, each character was the likeliest guess where that one stood. " (label_note()) }
        div.scroll tabindex="0" role="region" aria-label="Confusion of the commonest characters" {
            table.heat {
                thead { tr { th scope="col" { "is \\ guessed" } @for &token in &confusion.tokens { th scope="col" { bdi { (label(token)) } } } th scope="col" { "other" } } }
                tbody {
                    @for (row, &token) in confusion.tokens.iter().enumerate() {
                        tr {
                            th scope="row" { bdi { (label(token)) } }
                            @for (column, &count) in confusion.counts[row].iter().enumerate() { (heat(count, total(row), row == column)) }
                            (heat(confusion.other[row], total(row), false))
                        }
                    }
                }
            }
        }
    }
}

fn label_note() -> Markup {
    html! { "A space is \u{2423}, a line break \u{23ce}." }
}

fn heat(count: u64, total: u64, is_right: bool) -> Markup {
    let share = 100.0 * count as f64 / total as f64;
    let strength = share.sqrt() * 10.0;
    html! {
        td.right[is_right] style=(format!("--a:{strength:.0}")) { @if share >= 0.5 { (format!("{share:.0}")) } }
    }
}

fn words(words: &[SurprisingWord]) -> Markup {
    if words.is_empty() {
        return html! {};
    }
    html! {
        h3 { "The most surprising words" }
        div.scroll tabindex="0" role="region" aria-label="The most surprising words" {
            table {
                thead { tr { th scope="col" { "word" } th.n scope="col" { "bits" } th.n scope="col" { "here" } th.n scope="col" { "in training" } th scope="col" { "as in" } } }
                tbody {
                    @for word in words {
                        tr {
                            th scope="row" { bdi { (escape::token(&word.word)) } }
                            td.n { (format!("{:.1}", word.bits)) } td.n { (word.times) } td.n { (word.times_in_training) }
                            td.excerpt { bdi { (excerpt(word)) } }
                        }
                    }
                }
            }
        }
    }
}

fn excerpt(word: &SurprisingWord) -> Markup {
    let (start, end) = (word.start, word.end);
    let parts = (word.excerpt.get(..start), word.excerpt.get(start..end), word.excerpt.get(end..));
    let (Some(before), Some(within), Some(after)) = parts else { return html! { (escape::token(&word.excerpt)) } };
    html! { (escape::token(before)) mark { (escape::token(within)) } (escape::token(after)) }
}

fn novelty(copied: &Copied) -> Markup {
    let sample = &copied.novelty.sample;
    let validation = copied.novelty.validation.as_ref();
    let shown = |share: Option<f64>| share.map_or("-".into(), percent);
    html! {
        h3 { "What it copies" }
        p {
            "A sample of " (thousands(sample.length as u64)) " characters at temperature " (copied.temperature) " with seed " (copied.seed) ", compared with the training text"
            @if validation.is_some() { ", beside as much held-out text, which nobody copied" } "."
        }
        div.scroll tabindex="0" role="region" aria-label="What it copies" {
            table {
                thead { tr { th scope="col" { "passages of" } th.n scope="col" { "copied by the model" } @if validation.is_some() { th.n scope="col" { "in held-out text" } } } }
                tbody {
                    @for (number, share) in sample.shares.iter().enumerate() {
                        tr {
                            th scope="row" { (share.length) " characters" }
                            td.n { (shown(share.share)) }
                            @if let Some(validation) = validation { td.n { (shown(validation.shares.get(number).and_then(|share| share.share))) } }
                        }
                    }
                }
            }
        }
        @if let Some(longest) = &sample.longest {
            p { "The longest copied passage has " (thousands(longest.length as u64)) " characters"
                @if let Some(theirs) = validation.and_then(|validation| validation.longest.as_ref()) { " (in held-out text " (thousands(theirs.length as u64)) ")" } ":" }
            blockquote.text { (escape::text(&longest.text)) }
        }
    }
}
