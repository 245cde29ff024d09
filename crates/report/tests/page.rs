//! The page as a text: what is in it, what never is, and where it is put.

mod common;

use std::fs;

use report::{Error, Report, check, html, write};
use trainer::History;

use common::{analysis, history, sample};

/// Text that would be markup, end a script or a style, or turn the line around.
const HOSTILE: &str = "</script><script>alert(1)</script></style><!--<img src=x onerror=alert(2)>\" onclick='alert(3)' &lt; \u{202e}\u{2066}\0\u{1b}\u{1f40b}\n";

fn page(run: &History, compared: &[History], analysis: Result<&analysis::Analysis, &str>) -> String {
    let report =
        Report { run, compared, analysis, dataset: "tale", made_by: "carve 0.1.0 on a test", command: "carve" };
    html(&report).unwrap()
}

/// The text of the element of the page's data.
fn data(page: &str) -> &str {
    let start = page.find("id=\"data\">").unwrap() + 10;
    &page[start..start + page[start..].find("</script>").unwrap()]
}

#[test]
fn a_whole_run_is_told() {
    let mut run = history("modern", 1_000);
    run.progress = vec![sample(1, "The ship ", "qqzx"), sample(512, "The ship ", "was lost")];
    let found = analysis("\"Ahoy!\" cried the mate.\nThe sea was still, and \"so it is,\" said she.\n", &[16, 16]);
    let page = page(&run, &[history("lecture", 500)], Ok(&found));
    for part in [
        "<h2>How it went</h2>",
        "best: 1.",
        "lecture, validation",
        "carve train --dataset tale --recipe modern --time-budget",
        "preparation <code>123456789abcdef0",
        "<h2>What it wrote when</h2>",
        "was lost",
        "<h2>What its cells do</h2>",
        "inside quotes",
        "untrained 0.71",
        "random 0.550",
        "Layer 2, forget gates",
        "<h2>Where it errs</h2>",
        "n-gram",
        "<mark>quoth</mark>",
        "The longest copied passage has 30 characters",
    ] {
        assert!(page.contains(part), "{part}");
    }
    assert!(page.starts_with("<!DOCTYPE html>"));
    // Nothing to load, anywhere.
    for never in [" src=", "<link", "url(", "@import", "href=\"http", "fetch(", "XMLHttpRequest", "import("] {
        assert!(!page.contains(never), "{never}");
    }
    assert!(page.contains("default-src 'none'"));
}

#[test]
fn every_plot_has_a_text_alternative() {
    let found = analysis("\"Ahoy!\" cried the mate.\n", &[8]);
    let page = page(&history("modern", 100), &[], Ok(&found));
    let plots: Vec<&str> = page.split("<svg").skip(1).map(|rest| &rest[..rest.find("</svg>").unwrap()]).collect();
    assert_eq!(plots.len(), 5 + 3, "five of the training, three of the gates of a layer");
    for plot in plots {
        let ids = plot.split("aria-labelledby=\"").nth(1).unwrap().split('"').next().unwrap();
        for id in ids.split(' ') {
            assert_eq!(page.matches(&format!("id=\"{id}\"")).count(), 1, "{id}");
        }
        assert!(plot.contains("role=\"img\"") && plot.contains("<desc"), "{plot}");
    }
}

#[test]
fn hostile_text_is_never_markup() {
    let mut run = history(HOSTILE, 100);
    run.progress = vec![sample(1, HOSTILE, HOSTILE)];
    if let Some(config) = &mut run.config {
        config.dataset = HOSTILE.into();
        config.recipe.summary = HOSTILE.into();
        config.init_from = Some(HOSTILE.into());
    }
    let mut found = analysis(HOSTILE, &[8]);
    found.passage.source = HOSTILE.into();
    found.passage.symbols[0] = HOSTILE.into();
    found.errors.source = HOSTILE.into();
    found.scoring.source = HOSTILE.into();
    let word = &mut found.errors.words[0];
    (word.word, word.excerpt, word.start, word.end) =
        (HOSTILE.into(), HOSTILE.repeat(2), HOSTILE.len(), 2 * HOSTILE.len());
    found.errors.breakdown.causes[0].parts[0].name = HOSTILE.into();
    let other = [history(HOSTILE, 50)];
    let report = Report {
        run: &run,
        compared: &other,
        analysis: Ok(&found),
        dataset: HOSTILE,
        made_by: HOSTILE,
        command: HOSTILE,
    };
    let page = html(&report).unwrap();
    for never in ["<script>alert", "<img", "\u{202e}", "\u{2066}", "\0", "\u{1b}"] {
        assert!(!page.contains(never), "{never:?}");
    }
    assert_eq!(page.matches("<script").count(), 2, "the data and the page's own");
    assert_eq!(page.matches("</script").count(), 2);
    assert_eq!(page.matches("</style").count(), 1);
    assert!(
        page.contains("&lt;script&gt;alert(1)")
            && page.contains("\u{27e8}U+202E\u{27e9}")
            && page.contains('\u{1f40b}')
    );
    let symbols = serde_json::from_str::<serde_json::Value>(data(&page)).unwrap()["symbols"][0].clone();
    assert!(symbols.as_str().unwrap().starts_with("</script><script>alert(1)</script></style><!--"), "{symbols}");

    // Why there is no analysis may quote a file's name.
    let page = html(&Report { analysis: Err(HOSTILE), ..report }).unwrap();
    assert_eq!((page.matches("<script").count(), page.matches("<img").count()), (1, 0));
}

#[test]
fn what_a_run_lacks_is_said() {
    let nothing =
        History { metrics: vec![], steps: vec![], times: vec![], best: None, parameters: None, ..history("old", 20) };
    let old = History { steps: vec![], times: vec![], ..history("old", 100) };
    let mut once = history("once", 20);
    once.metrics.truncate(1);
    once.times.truncate(1);
    once.steps.truncate(1);
    let imported = History { config: None, ..nothing.clone() };
    let mut written = history("written", 100);
    written.samples = vec![trainer::history::Sample { step: 10, text: "\n----- After epoch 1\nthe sea".into() }];
    let cases: [(&History, &[&str]); 5] = [
        (&nothing, &["recorded no evaluation", "kept no samples"]),
        (&old, &["Loss over steps", "kept no samples"]),
        (&once, &["Loss over steps", "h0"]),
        (&imported, &["network was imported"]),
        (&written, &["----- After epoch 1\nthe sea"]),
    ];
    for (run, parts) in cases {
        let page = page(run, &[], Err("The text is not prepared any more."));
        for part in parts.iter().chain(&["The text is not prepared any more."]) {
            assert!(page.contains(part), "{}: {part}", run.name);
        }
        assert!(!page.contains("NaN") && !page.contains(">inf"), "{}", run.name);
    }
}

#[test]
fn only_a_report_is_replaced() {
    let place = tempfile::tempdir().unwrap();
    let run = history("modern", 20);
    let report =
        Report { run: &run, compared: &[], analysis: Err("none"), dataset: "tale", made_by: "", command: "carve" };
    let path = place.path().join("report.html");
    write(&report, &path).unwrap();
    write(&Report { dataset: "another", ..report }, &path).unwrap();
    assert!(fs::read_to_string(&path).unwrap().contains("another"));

    for (name, bytes) in [("mine.html", &b"<!DOCTYPE html><html lang=\"en\"><p>mine"[..]), ("empty.html", b"")] {
        let mine = place.path().join(name);
        fs::write(&mine, bytes).unwrap();
        assert!(matches!(write(&report, &mine), Err(Error::NotAReport { .. })), "{name}");
        assert_eq!(fs::read(&mine).unwrap(), bytes);
    }
    for unwritable in [place.path().into(), place.path().join("missing/report.html"), path.join("report.html")] {
        assert!(matches!(write(&report, &unwritable), Err(Error::Write { .. })), "{}", unwritable.display());
    }
    assert!(check(&place.path().join("new.html")).is_ok());
    assert_eq!(fs::read_dir(place.path()).unwrap().count(), 3, "nothing is left behind");
}

#[test]
fn twenty_thousand_characters_and_896_cells_can_be_mailed() {
    // Larger than a real network's: states that follow nothing a compressor knows.
    let text: String =
        (0..20_000_u32).map(|at| char::from(b'a' + (at.wrapping_mul(2_654_435_761) >> 27) as u8 % 26)).collect();
    let mut found = analysis(&text[..200], &[448, 448]);
    found.passage.tokens = text.bytes().map(|byte| u32::from(byte - b'a')).collect();
    found.passage.surprise = vec![1.0; 20_000];
    found.passage.guesses = vec![found.passage.guesses[0].clone(); 20_000];
    let mut noise = 1_u64;
    for layer in &mut found.passage.layers {
        layer.states = (0..20_000 * layer.size)
            .map(|_| {
                noise = noise.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                ((noise >> 56) as u8 as i8).max(-127)
            })
            .collect();
    }
    let page = page(&history("modern", 100), &[], Ok(&found));
    eprintln!("noise in 896 cells at 20,000 characters: {} bytes", page.len());
    assert!(page.len() <= 5_000_000, "{}", page.len());
    assert!(page.contains("states are shown for the first"), "noise does not fit");
}
