//! The markup of the page: policy, style, form, card, data and scripts.

use std::io::Write;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use flate2::Compression;
use flate2::write::DeflateEncoder;
use maud::{Markup, PreEscaped, html};
use model_card::{ModelCard, printable};
use sha2::{Digest, Sha256};

use crate::{Page, facts};

/// What every page of this kind begins with, in every version.
pub const START: &str = "<!DOCTYPE html><html lang=\"en\"><head><meta charset=\"utf-8\"><meta name=\"generator\" content=\"scrimshaw page\">";

const STYLE: &str = include_str!("page.css");
const SCRIPT: &str = include_str!("page.js");

/// The page.
pub fn html(page: &Page<'_>) -> String {
    let Page { card, model, engine, made_by } = page;
    let engine_script = inline(engine.script);
    let scripts = [&engine_script, SCRIPT];
    let name = printable(&card.provenance.dataset);
    html! {
        (PreEscaped(START))
        meta http-equiv="Content-Security-Policy" content=(policy(scripts));
        meta name="viewport" content="width=device-width, initial-scale=1";
        meta name="color-scheme" content="light dark";
        title { (name) " \u{b7} Scrimshaw" }
        style { (PreEscaped(STYLE)) }
        (PreEscaped("</head><body data-state=\"loading\">"))
        header {
            button type="button" #theme aria-label="Switch between light and dark" title="Light or dark" { "\u{25d0}" }
            p.kind { "Scrimshaw \u{b7} a model that writes text" }
            h1 { bdi { (name) } }
            p.kind { (facts::summary(card, model.len())) }
        }
        main {
            (form(beginning(card)))
            p #status role="status" { "Loading\u{2026}" }
            (text())
            (details(page))
        }
        footer { p { "Made by " (printable(made_by)) ". This page loads nothing and sends nothing." } }
        noscript { p.note { "The model in this page runs as a script. Allow scripts for this file to let it write." } }
        script type="application/octet-stream" #model { (PreEscaped(pack(model))) }
        script type="application/octet-stream" #engine { (PreEscaped(pack(engine.wasm))) }
        @for script in scripts { script { (PreEscaped(script)) } }
        (PreEscaped("</body></html>\n"))
    }
    .into_string()
}

/// Nothing may be loaded or connected to; the scripts are known by their hashes. Style attributes carry shares.
fn policy(scripts: [&str; 2]) -> String {
    let hashes = scripts.map(|script| format!("'sha256-{}'", BASE64_STANDARD.encode(Sha256::digest(script)))).join(" ");
    format!(
        "default-src 'none'; script-src {hashes} 'wasm-unsafe-eval'; style-src 'unsafe-inline'; base-uri 'none'; \
         form-action 'none'"
    )
}

/// A script that ends no `<script>` element. In JavaScript, these sequences stand in strings, comments and regular
/// expressions only, where the backslash changes nothing.
fn inline(script: &str) -> String {
    script.replace("</", "<\\/").replace("<!--", "<\\!--")
}

/// Raw deflate, in base64.
fn pack(bytes: &[u8]) -> String {
    let mut encoder = DeflateEncoder::new(Vec::new(), Compression::best());
    // Writing to memory cannot fail.
    let _ = encoder.write_all(bytes);
    BASE64_STANDARD.encode(encoder.finish().unwrap_or_default())
}

/// What an empty prompt means: a model of documents begins a new one.
fn beginning(card: &ModelCard) -> &'static str {
    if card.vocabulary.boundary().is_some() { "Empty: a new text" } else { "Empty: an excerpt of the training text" }
}

/// What the reader sets.
fn form(beginning: &str) -> Markup {
    html! {
        form #form novalidate {
            label for="prompt" { "Prompt" }
            textarea #prompt rows="2" spellcheck="false" autocapitalize="off" autocomplete="off" enterkeyhint="go"
                aria-describedby="prompt-help" placeholder=(beginning) {}
            p.small #prompt-help { kbd { "Enter" } " writes, " kbd { "Shift" } "+" kbd { "Enter" } " starts a line, " kbd { "Esc" } " stops." }
            div.fields {
                (number("temperature", "Temperature", "0.5", "0", "5", "any"))
                (number("top-p", "Top-p", "1", "0", "1", "any"))
                (number("length", "Characters", "400", "1", "100000", "1"))
                (number("count", "Texts", "1", "1", "100", "1"))
                div { label for="seed" { "Seed" } input #seed inputmode="numeric" pattern="[0-9]*" autocomplete="off" placeholder="a new one"; }
                div { label for="stop-text" { "Stop after" } input #stop-text autocomplete="off" spellcheck="false" placeholder="nothing" title="\\n is a line end, \\t a tab, \\\\ a backslash"; }
            }
            div.controls {
                button.primary type="submit" #write disabled { "Write" }
                button type="button" #stop disabled { "Stop" }
                label.check { input type="checkbox" #surprise; "Colour by surprise" }
                span.scale #scale hidden { "0" span.bar {} "8 bits" }
                a #link href="#" { "Link with these settings" }
            }
        }
    }
}

fn number(id: &str, label: &str, value: &str, least: &str, most: &str, step: &str) -> Markup {
    html! {
        div {
            label for=(id) { (label) }
            input type="number" id=(id) value=(value) min=(least) max=(most) step=(step) required inputmode="decimal";
        }
    }
}

/// What the model writes, and what it expected.
fn text() -> Markup {
    html! {
        section aria-label="Text" {
            div #texts tabindex="0" role="group" aria-label="The text; arrow keys walk through its characters" {}
            div.readout #readout aria-live="off" {}
        }
    }
}

fn details(page: &Page<'_>) -> Markup {
    let file = [("file", facts::size(page.model.len()))];
    html! {
        details {
            summary { "About this model" }
            dl {
                @for (label, value) in page.card.facts().into_iter().chain(file) {
                    dt { (label) }
                    dd { bdi { (printable(&value)) } }
                }
            }
        }
    }
}
