//! Any text as a recipe, and as a change to one: it is refused, or is a recipe whose numbers can be used.
#![no_main]

use trainer::recipe::{Recipe, Request};

fuzz::target!(|text: &str| {
    let (text, change) = text.split_once('\0').unwrap_or((text, ""));
    let changes: Vec<String> = change.lines().map(Into::into).collect();
    if let Ok(recipe) = Recipe::from_toml("fuzz", text, &changes) {
        assert!(recipe.time() > 0);
        let _ = (recipe.context(), recipe.model_size(20).parameters());
        let request = Request { overrides: changes, ..Request::default() };
        let _ = request.resume(&recipe);
    }
});
