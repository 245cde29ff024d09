//! Any text is refused, or is an index whose JSON is read back as the same.
#![no_main]

use std::path::Path;

use corpus::Index;

fuzz::target!(|text: &str| {
    let path = Path::new("fuzz");
    if let Ok(index) = Index::from_json(text, path) {
        assert_eq!(Index::from_json(&index.to_json(), path).expect("the JSON of an index"), index);
    }
});
