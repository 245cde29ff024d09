//! `carve completions`: completions for a shell.

use anyhow::Result;
use clap::Args;
use clap_complete::Shell;

use crate::output;

/// Print completions for a shell.
#[derive(Args)]
#[command(after_help = "Examples:\n  carve completions bash > ~/.local/share/bash-completion/completions/carve\n  \
                        carve completions zsh > ~/.zfunc/_carve")]
pub struct Arguments {
    /// The shell.
    shell: Shell,
}

/// Prints them.
pub fn run(arguments: &Arguments) -> Result<()> {
    let mut script = Vec::new();
    clap_complete::generate(arguments.shell, &mut super::declaration(), "carve", &mut script);
    output::write(&String::from_utf8_lossy(&script))
}
