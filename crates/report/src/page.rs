//! The page around the sections: head, policy, style, navigation, data and script.

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use maud::{Markup, PreEscaped, html};
use sha2::{Digest, Sha256};

use crate::{Report, Result, cells, escape, mistakes, progress, training};

/// What every page of this kind begins with, in every version.
pub const START: &str = "<!DOCTYPE html><html lang=\"en\"><head><meta charset=\"utf-8\"><meta name=\"generator\" content=\"scrimshaw report\">";

const STYLE: &str = include_str!("page.css");
const SCRIPT: &str = include_str!("page.js");

/// The page.
pub fn html(report: &Report<'_>) -> Result<String> {
    let data = report.analysis.ok().map(|analysis| cells::data(&analysis.passage));
    let json = data.as_ref().map(escape::json).transpose()?;
    let title = format!("{} \u{b7} {}", escape::text(report.dataset), escape::text(&report.run.name));
    let page = html! {
        (PreEscaped(START))
        meta http-equiv="Content-Security-Policy" content=(policy());
        meta name="viewport" content="width=device-width, initial-scale=1";
        meta name="color-scheme" content="light dark";
        title { (title) " \u{b7} Scrimshaw" }
        style { (PreEscaped(STYLE)) }
        (PreEscaped("</head><body>"))
        a.skip href="#training" { "Skip to the content" }
        header {
            p.kind { "Scrimshaw \u{b7} report on a training" }
            h1 { bdi { (escape::text(report.dataset)) } " " span.run { bdi { (escape::text(&report.run.name)) } } }
            (training::figures(report))
        }
        (navigation())
        main {
            (training::section(report))
            (progress::section(report.run))
            @match (report.analysis, &data) {
                (Ok(analysis), Some(data)) => { (cells::section(analysis, data)) (mistakes::section(analysis)) }
                (Err(why), _) => { (missing(why)) }
                (Ok(_), None) => {}
            }
        }
        footer { p { "Made by " (escape::text(report.made_by)) ". This page loads nothing and sends nothing." } }
        @if let Some(json) = &json { script type="application/json" id="data" { (PreEscaped(json)) } }
        script { (PreEscaped(SCRIPT)) }
        (PreEscaped("</body></html>\n"))
    };
    Ok(page.into_string())
}

/// Nothing may be loaded; the one script is known by its hash. Style attributes carry widths and strengths.
fn policy() -> String {
    let hash = BASE64_STANDARD.encode(Sha256::digest(SCRIPT));
    format!(
        "default-src 'none'; script-src 'sha256-{hash}'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'"
    )
}

fn navigation() -> Markup {
    let sections = [
        ("training", "How it went"),
        ("samples", "What it wrote"),
        ("cells", "Its cells"),
        ("errors", "Where it errs"),
    ];
    html! {
        nav aria-label="Sections" {
            @for (id, name) in sections { a href=(format!("#{id}")) { (name) } }
            button type="button" id="theme" aria-label="Switch between light and dark" title="Light or dark" { "\u{25d0}" }
        }
    }
}

/// What stands where the analysis would be.
fn missing(why: &str) -> Markup {
    html! {
        section id="cells" { h2 { "What its cells do" } p.note { (escape::text(why)) } }
        section id="errors" { h2 { "Where it errs" } p.note { "Nothing was measured, for the same reason." } }
    }
}
