//! Where results go.

use std::path::{Path, PathBuf};

use anyhow::Result;

use crate::failure::Failure;

/// The folder of all results: `NAME/shards`, `NAME/runs/RUN`, `NAME/model.onnx`, and `cache` for downloads.
pub struct Artifacts {
    root: PathBuf,
}

impl Artifacts {
    /// The folder at this path, which need not be there.
    pub fn new(root: PathBuf) -> Self {
        Self { root }
    }

    /// The folder itself.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// The shards of a text.
    pub fn shards(&self, text: &str) -> PathBuf {
        self.root.join(text).join("shards")
    }

    /// The runs on a text.
    pub fn runs(&self, text: &str) -> PathBuf {
        self.root.join(text).join("runs")
    }

    /// The best model of a text.
    pub fn model(&self, text: &str) -> PathBuf {
        self.root.join(text).join("model.onnx")
    }

    /// Downloaded and embedded texts.
    pub fn cache(&self) -> PathBuf {
        self.root.join("cache")
    }

    /// Whether something is prepared under this name.
    pub fn is_prepared(&self, text: &str) -> bool {
        self.shards(text).join(corpus::INDEX_FILE).exists()
    }

    /// Fails unless a text is prepared under this name.
    pub fn check_prepared(&self, text: &str) -> Result<()> {
        if self.is_prepared(text) {
            return Ok(());
        }
        let carve = crate::name::name();
        let is_declared = crate::datasets::names().any(|name| name == text);
        let advice = if is_declared { format!("--dataset {text}") } else { format!("PATH --name {text}") };
        let folder = self.root.display();
        let message = format!("nothing is prepared under the name {text} in {folder}: run {carve} prepare {advice}");
        Err(Failure::Input(message).into())
    }
}

/// Fails unless files can be written into a folder, which need not be there yet. Nothing is left behind.
pub fn check_writable(folder: &Path) -> Result<()> {
    let there = folder.ancestors().find(|path| path.symlink_metadata().is_ok()).unwrap_or(Path::new("."));
    let there = if there.as_os_str().is_empty() { Path::new(".") } else { there };
    tempfile::tempfile_in(there).map(drop).map_err(|error| {
        let advice = "check permissions and free space, or name another folder";
        Failure::CannotWrite(format!("cannot write {}: {error}; {advice}", folder.display())).into()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_tried_before_they_are_made() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("file");
        std::fs::write(&file, "").unwrap();
        check_writable(&folder.path().join("a/b")).unwrap();
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1, "nothing is left behind");
        let error = check_writable(&file.join("a")).unwrap_err().to_string();
        assert!(error.contains("file"), "{error}");
    }
}
