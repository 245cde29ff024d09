//! `carve man`: manual pages.

use std::fs;
use std::path::PathBuf;

use anyhow::{Context, Result};
use clap::Args;

use crate::output;

/// Print the manual page, or write the pages of all commands into a folder.
#[derive(Args)]
#[command(after_help = "Examples:\n  carve man | man -l -\n  carve man ~/.local/share/man/man1")]
pub struct Arguments {
    /// Folder for carve.1, carve-train.1 and so on; without it the main page is printed.
    #[arg(value_name = "FOLDER")]
    folder: Option<PathBuf>,
}

/// Prints or writes them.
pub fn run(arguments: &Arguments) -> Result<()> {
    let Some(folder) = &arguments.folder else {
        let mut page = Vec::new();
        clap_mangen::Man::new(super::declaration()).render(&mut page)?;
        return output::write(&String::from_utf8_lossy(&page));
    };
    let written = fs::create_dir_all(folder).and_then(|()| clap_mangen::generate_to(super::declaration(), folder));
    written.with_context(|| format!("cannot write the pages into {}", folder.display()))
}
