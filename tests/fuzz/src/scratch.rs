//! Files in memory, for readers that take a path.

use std::{
    fs,
    path::{Path, PathBuf},
    sync::LazyLock,
};

/// Files of this process. Each target writes to the same few names again and again.
#[derive(Debug)]
pub struct Scratch;

impl Scratch {
    /// A file with these bytes.
    ///
    /// # Panics
    /// If the folder of temporary files cannot be written to.
    pub fn file(name: &str, bytes: &[u8]) -> PathBuf {
        let path = folder().join(name);
        fs::write(&path, bytes).expect("the folder of temporary files can be written to");
        path
    }

    /// A folder in which a file has these bytes.
    ///
    /// # Panics
    /// As [`Self::file`].
    pub fn folder_with(folder_name: &str, name: &str, bytes: &[u8]) -> PathBuf {
        let path = folder().join(folder_name);
        let file = path.join(name);
        if fs::write(&file, bytes).is_err() {
            fs::create_dir_all(&path).and_then(|()| fs::write(&file, bytes)).expect("a folder can be made");
        }
        path
    }
}

/// A folder of this process, in memory where the system has a file system for that. `cargo xtask fuzz` names one that it
/// removes afterwards: libFuzzer ends a process without a chance to.
fn folder() -> &'static Path {
    static FOLDER: LazyLock<PathBuf> = LazyLock::new(|| {
        if let Some(folder) = std::env::var_os("SCRIMSHAW_FUZZ_SCRATCH") {
            return folder.into();
        }
        let memory = Path::new("/dev/shm");
        let parent = if memory.is_dir() { memory.into() } else { std::env::temp_dir() };
        let folder = parent.join(format!("scrimshaw-fuzz-{}", std::process::id()));
        fs::create_dir_all(&folder).expect("a folder for temporary files can be made");
        folder
    });
    &FOLDER
}
