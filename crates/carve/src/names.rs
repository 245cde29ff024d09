//! Names of texts and runs: each is the name of a folder.

use std::path::Path;

/// Folders in the artifacts folder that are no texts.
const RESERVED: &[&str] = &["dist", "cache"];

/// Endings of compressed files, which are no part of a text's name.
const COMPRESSED: &[&str] = &["gz", "zst", "xz", "zip"];

/// The name of a run, as a flag gives it.
pub fn run(name: &str) -> Result<String, String> {
    if name.is_ascii() { folder(name) } else { Err(format!("{name:?} cannot name a run: use ASCII characters")) }
}

/// The name of a text, as a flag gives it.
pub fn text(name: &str) -> Result<String, String> {
    if RESERVED.iter().any(|reserved| reserved.eq_ignore_ascii_case(name)) {
        return Err(format!("{name:?} is a folder of the program's own: choose another name"));
    }
    folder(name)
}

fn folder(name: &str) -> Result<String, String> {
    if !name.starts_with(char::is_alphanumeric) || !name.chars().all(allowed) {
        return Err(format!(
            "{name:?} cannot name a folder here: use letters, digits, '-', '_' and '.', and begin with a letter or digit"
        ));
    }
    Ok(name.into())
}

/// The name of a text whose file or folder has no other name: its own, without endings, `-` in place of what no folder
/// here is called. `None` where nothing is left.
pub fn of_path(path: &Path) -> Option<String> {
    let path = if path.file_name().is_none() { path.canonicalize().ok()? } else { path.into() };
    let ending = path.extension().and_then(|ending| ending.to_str()).unwrap_or_default();
    let stem = match path.file_stem()? {
        _ if path.is_dir() => path.file_name()?.into(),
        stem if COMPRESSED.contains(&ending) => Path::new(stem).file_stem()?.to_os_string(),
        stem => stem.to_os_string(),
    };
    let stem = stem.to_string_lossy().replace(|character| !allowed(character), "-");
    text(stem.trim_matches(['-', '.', '_'])).ok()
}

fn allowed(character: char) -> bool {
    character.is_alphanumeric() || "-_.".contains(character)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_stay_in_their_folder() {
        for name in ["sea-story", "a", "run_2.1", "caf\u{e9}"] {
            assert_eq!(text(name).as_deref(), Ok(name));
        }
        for name in ["", "..", "a/b", "a\\b", ".hidden", "a b", "dist", "Cache"] {
            assert!(text(name).is_err(), "{name}");
        }
    }

    #[test]
    fn a_text_has_the_name_of_its_file() {
        let cases = [
            ("a/letters.txt", Some("letters")),
            ("letters.txt.gz", Some("letters")),
            ("sources/", Some("sources")),
            ("my letters.txt", Some("my-letters")),
            ("\u{7d05}\u{6a13}\u{5922}.txt", Some("\u{7d05}\u{6a13}\u{5922}")),
            (".hidden", Some("hidden")),
            ("???", None),
            ("dist.txt", None),
            ("/", None),
        ];
        for (path, expected) in cases {
            assert_eq!(of_path(Path::new(path)).as_deref(), expected, "{path}");
        }
        let folder = tempfile::tempdir().unwrap();
        let dotted = folder.path().join("linux-6.1");
        std::fs::create_dir(&dotted).unwrap();
        assert_eq!(of_path(&dotted).as_deref(), Some("linux-6.1"), "a folder has no ending");
    }
}
