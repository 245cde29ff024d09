//! `carve recipes`: the recipes, or one of them in full.

use anyhow::Result;
use clap::Args;
use trainer::recipe::{Recipe, Request};
use trainer::{DeviceName, FitText, fit};

use crate::progress::fitted_in_words;
use crate::session::Session;
use crate::{names, output, values};

/// List the recipes, or print one in full.
#[derive(Args)]
#[command(after_help = "Examples:\n  carve recipes\n  carve recipes modern\n  \
                        carve recipes modern --set model.hidden=512 --set minutes=30\n  \
                        carve recipes modern --set minutes=30 --characters 1000000")]
pub struct Arguments {
    /// The recipe to print as TOML, with all its fields.
    #[arg(value_name = "NAME")]
    name: Option<String>,
    /// Set a field of the recipe before it is printed. Repeatable.
    #[arg(long = "set", value_name = "FIELD=VALUE", requires = "name")]
    overrides: Vec<String>,
    /// Fit the recipe to a text with N characters to train on, and to this machine, as `train` does. Takes a few seconds.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(2..), requires = "name",
          conflicts_with = "dataset")]
    characters: Option<u64>,
    /// Fit the recipe to a prepared text and to this machine.
    #[arg(long, value_name = "NAME", value_parser = names::text, requires = "name")]
    dataset: Option<String>,
    /// Device to compute on.
    #[arg(long, value_parser = values::device(), default_value = "auto")]
    device: DeviceName,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

/// Prints the list, or one recipe.
pub fn run(session: &Session, arguments: &Arguments) -> Result<()> {
    let Some(name) = &arguments.name else {
        let all = Recipe::all()?;
        if arguments.json {
            return output::line(&serde_json::json!(all).to_string());
        }
        return all.iter().try_for_each(|recipe| output::line(&format!("{:<14} {}", recipe.name, recipe.summary)));
    };
    let text = match (&arguments.dataset, arguments.characters) {
        (Some(dataset), _) => Some(FitText::Shards(session.artifacts.shards(dataset))),
        (None, characters) => characters.map(|count| FitText::Characters(usize::try_from(count).unwrap_or(usize::MAX))),
    };
    let recipe = if let Some(text) = text {
        let request =
            Request { recipe: Some(name.clone()), overrides: arguments.overrides.clone(), ..Request::default() };
        let mut progress = session.progress();
        let (recipe, fitted) = fit(&request, &text, arguments.device, &mut progress)?;
        progress.clear();
        if let Some(fitted) = fitted {
            progress.say(&fitted_in_words(&fitted));
        }
        recipe
    } else {
        Recipe::with_overrides(name, &arguments.overrides)?
    };
    if arguments.json {
        output::line(&serde_json::json!(recipe).to_string())
    } else {
        output::write(&toml::to_string(&recipe)?)
    }
}
