//! `trainer recipes`: the recipes, or one of them in full.

use std::io::Write;

use crate::arguments::RecipesArguments;
use crate::recipe::Recipe;
use crate::{Error, Result};

/// Prints the list, or one recipe.
pub fn recipes(arguments: &RecipesArguments, out: &mut impl Write) -> Result<()> {
    let text = match &arguments.name {
        Some(name) => {
            let recipe = Recipe::with_overrides(name, &arguments.overrides)?;
            if arguments.json {
                format!("{}\n", serde_json::json!(recipe))
            } else {
                toml::to_string(&recipe).map_err(|error| Error::Print(std::io::Error::other(error)))?
            }
        }
        None if arguments.json => format!("{}\n", serde_json::json!(Recipe::all()?)),
        None => {
            let line = |recipe: &Recipe| format!("{:<14} {}", recipe.name, recipe.summary);
            Recipe::all()?.iter().map(line).collect::<Vec<_>>().join("\n") + "\n"
        }
    };
    match out.write_all(text.as_bytes()) {
        Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => Ok(()),
        other => other.map_err(Error::Print),
    }
}
