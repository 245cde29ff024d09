//! Any text is refused, or is an index whose JSON round-trips.
#![no_main]

use std::path::Path;

use corpus::Index;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    let path = Path::new("fuzz");
    if let Ok(index) = Index::from_json(text, path) {
        assert_eq!(Index::from_json(&index.to_json(), path).expect("the JSON of an index"), index);
    }
});
