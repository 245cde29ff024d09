//! The header is the one that the sources give.

use std::{fs, path::Path};

/// In the order in which the header shows them.
const SOURCES: [&str; 7] = ["failure", "handle", "model", "options", "write", "score", "logits"];

#[test]
fn the_header_is_that_of_the_sources() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR"));
    let config = cbindgen::Config::from_file(folder.join("cbindgen.toml")).unwrap();
    let sources = SOURCES.iter().map(|name| folder.join("src").join(name).with_extension("rs"));
    let builder = sources.fold(cbindgen::Builder::new().with_config(config), cbindgen::Builder::with_src);
    let mut made = Vec::new();
    builder.generate().unwrap().write(&mut made);
    let made = String::from_utf8(made).unwrap();
    let header = folder.join("include/scrimshaw.h");
    if std::env::var_os("SCRIMSHAW_WRITE_HEADER").is_some_and(|write| write == "1") {
        fs::write(&header, &made).unwrap();
    }
    let kept = fs::read_to_string(&header).unwrap_or_default();
    assert_eq!(kept, made, "make the header anew: SCRIMSHAW_WRITE_HEADER=1 cargo test -p c-library --test header");
}

#[test]
fn every_source_with_a_function_for_c_is_in_the_header() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let has_functions = fs::read_to_string(&path).unwrap().contains("#[unsafe(no_mangle)]");
        let is_listed = SOURCES.iter().any(|name| path.ends_with(format!("{name}.rs")));
        assert!(is_listed || !has_functions, "{} is missing in SOURCES", path.display());
    }
}
