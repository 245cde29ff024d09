//! `carve recipes`: the recipes, or one of them in full.

use anyhow::Result;
use clap::Args;
use trainer::recipe::Recipe;

use crate::output;

/// List the recipes, or print one in full.
#[derive(Args)]
#[command(after_help = "Examples:\n  carve recipes\n  carve recipes modern\n  \
                        carve recipes modern --set model.hidden=512 --set minutes=30")]
pub struct Arguments {
    /// The recipe to print as TOML, with all its fields.
    #[arg(value_name = "NAME")]
    name: Option<String>,
    /// Set a field of the recipe before it is printed. Repeatable.
    #[arg(long = "set", value_name = "FIELD=VALUE", requires = "name")]
    overrides: Vec<String>,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

/// Prints the list, or one recipe.
pub fn run(arguments: &Arguments) -> Result<()> {
    let Some(name) = &arguments.name else {
        let all = Recipe::all()?;
        if arguments.json {
            return output::line(&serde_json::json!(all).to_string());
        }
        return all.iter().try_for_each(|recipe| output::line(&format!("{:<14} {}", recipe.name, recipe.summary)));
    };
    let recipe = Recipe::with_overrides(name, &arguments.overrides)?;
    if arguments.json {
        output::line(&serde_json::json!(recipe).to_string())
    } else {
        output::write(&toml::to_string(&recipe)?)
    }
}
