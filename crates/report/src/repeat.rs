//! The command that trains the same run again.

use serde_json::Value;
use trainer::RunConfig;
use trainer::recipe::Recipe;

/// Fields that differ without changing what is trained, or are said in another way.
const UNSAID: &[&str] = &["name", "summary", "minutes", "epochs"];

/// The command, for a shell. `None` for a recipe that the program does not know (any more).
pub fn command(program: &str, config: &RunConfig) -> Option<String> {
    let RunConfig { recipe, seed, dataset, device, init_from, .. } = config;
    // The time chooses what the recipe fits to it.
    let known = Recipe::with_overrides(&recipe.name, &[format!("minutes={:?}", recipe.minutes)]).ok()?;
    let mut words = vec![format!("{program} train --dataset {} --recipe {}", quoted(dataset), recipe.name)];
    if recipe.minutes > 0.0 {
        words.push(format!("--time-budget {}s", recipe.minutes * 60.0));
    } else {
        words.push(format!("--epochs {}", recipe.epochs));
    }
    let (asked, known) = (serde_json::to_value(recipe).ok()?, serde_json::to_value(&known).ok()?);
    let mut changes = vec![];
    differences("", &asked, &known, &mut changes);
    words.extend(changes.into_iter().map(|change| format!("--set {}", quoted(&change))));
    words.push(format!("--seed {seed}"));
    if device != "cpu" {
        words.push(format!("--device {device}"));
    }
    words.extend(init_from.as_ref().map(|from| format!("--init-from {}", quoted(&from.display().to_string()))));
    Some(words.join(" "))
}

/// The fields in which a recipe differs from the known one, as `FIELD=VALUE`.
fn differences(path: &str, asked: &Value, known: &Value, changes: &mut Vec<String>) {
    match (asked, known) {
        (Value::Object(fields), Value::Object(others)) => {
            for (name, value) in fields {
                let path = if path.is_empty() { name.clone() } else { format!("{path}.{name}") };
                if !UNSAID.contains(&path.as_str()) {
                    differences(&path, value, others.get(name).unwrap_or(&Value::Null), changes);
                }
            }
        }
        (asked, known) if asked == known => {}
        (asked, _) => changes.extend(as_toml(asked).map(|value| format!("{path}={value}"))),
    }
}

/// A value as TOML has it. There is no word for nothing.
fn as_toml(value: &Value) -> Option<String> {
    Some(match value {
        Value::Null => return None,
        Value::Object(fields) => {
            let fields: Vec<String> =
                fields.iter().filter_map(|(name, value)| Some(format!("{name} = {}", as_toml(value)?))).collect();
            format!("{{ {} }}", fields.join(", "))
        }
        Value::Array(values) => format!("[{}]", values.iter().filter_map(as_toml).collect::<Vec<_>>().join(", ")),
        Value::String(word) => format!("{word:?}"),
        number => number.to_string(),
    })
}

/// A word for a shell.
fn quoted(word: &str) -> String {
    let is_plain = |character: char| character.is_alphanumeric() || "-_./=:+,".contains(character);
    if !word.is_empty() && word.chars().all(is_plain) {
        word.into()
    } else {
        format!("'{}'", word.replace('\'', "'\\''"))
    }
}

#[cfg(test)]
mod tests {
    use trainer::Plans;

    use super::*;

    fn config(recipe: Recipe) -> RunConfig {
        RunConfig {
            recipe,
            seed: 7,
            device: "cpu".into(),
            dataset: "tale".into(),
            shards: "shards".into(),
            corpus: 3,
            init_from: None,
            plans: Plans::default(),
            repeats: None,
        }
    }

    #[test]
    fn the_command_names_what_differs_from_the_recipe() {
        let set = |name: &str, words: &[&str]| {
            let words: Vec<String> = words.iter().map(ToString::to_string).collect();
            Recipe::with_overrides(name, &words).unwrap()
        };
        let cases = [
            (set("lecture", &[]), "carve train --dataset tale --recipe lecture --epochs 60 --seed 7"),
            (
                set("lecture", &["epochs=3", "model.hidden=64"]),
                "carve train --dataset tale --recipe lecture --epochs 3 --set model.hidden=64 --seed 7",
            ),
            (set("modern", &["minutes=30"]), "carve train --dataset tale --recipe modern --time-budget 1800s --seed 7"),
            (
                set("char-rnn", &["schedule.kind=constant", "epochs=2"]),
                "carve train --dataset tale --recipe char-rnn --epochs 2 --set 'schedule.kind=\"constant\"' --seed 7",
            ),
        ];
        for (recipe, words) in cases {
            assert_eq!(command("carve", &config(recipe)).as_deref(), Some(words));
        }
        let unknown = Recipe { name: "of-old".into(), ..Recipe::named("lecture").unwrap() };
        assert_eq!(command("carve", &config(unknown)), None);
    }

    #[test]
    fn what_the_command_sets_gives_the_same_recipe() {
        let words: Vec<String> = [
            "model.input={ kind = 'embedding', size = 7 }",
            "samples.temperatures=[0.5, 1.0]",
            "epochs=2",
            "minutes=0",
        ]
        .map(ToString::to_string)
        .into();
        let recipe = Recipe::with_overrides("modern", &words).unwrap();
        let mut changes = vec![];
        let known = serde_json::to_value(Recipe::with_overrides("modern", &["minutes=0".into()]).unwrap()).unwrap();
        differences("", &serde_json::to_value(&recipe).unwrap(), &known, &mut changes);
        changes.extend(["epochs=2".into(), "minutes=0".into()]);
        assert_eq!(Recipe::with_overrides("modern", &changes).unwrap(), recipe, "{changes:?}");
    }

    #[test]
    fn a_shell_reads_words_back() {
        assert_eq!(quoted("tale-2.txt"), "tale-2.txt");
        assert_eq!(quoted("it's"), "'it'\\''s'");
        assert_eq!(quoted(""), "''");
    }
}
