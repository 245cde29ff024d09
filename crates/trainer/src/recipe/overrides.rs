//! Fields of a recipe that are replaced: by the user as `FIELD=VALUE`, and by the recipe itself for a time budget.
//!
//! This file knows TOML tables. It does not know what the fields of a recipe mean.

use serde::Deserialize;

use super::fit::Rules;

/// Fields that have other values if the time budget is in a range: `[[fit]]` in a recipe's file.
#[derive(Deserialize)]
pub struct Variant {
    /// From this many minutes on, and below this many.
    minutes: [f64; 2],
    /// The fields.
    #[serde(flatten)]
    pub fields: toml::Table,
}

impl Variant {
    /// Whether a time budget is in the range.
    pub fn covers(&self, minutes: f64) -> bool {
        (self.minutes[0]..self.minutes[1]).contains(&minutes)
    }
}

/// Takes the fits out of a recipe's table.
pub fn take_variants(table: &mut toml::Table) -> Result<Vec<Variant>, String> {
    let Some(fits) = table.remove("fit") else { return Ok(vec![]) };
    fits.try_into().map_err(|error: toml::de::Error| format!("fit: {}", error.message()))
}

/// Takes the rules of fitting out of a recipe's table, if it has any.
pub fn take_rules(table: &mut toml::Table) -> Result<Option<Rules>, String> {
    let Some(rules) = table.remove("fitting") else { return Ok(None) };
    let rules: Rules = rules.try_into().map_err(|error: toml::de::Error| format!("fitting: {}", error.message()))?;
    rules.validate().map(|()| Some(rules))
}

/// The minutes of a recipe's table; 0 if there are none. A value that is not a number is refused later.
pub fn minutes(table: &toml::Table) -> f64 {
    match table.get("minutes") {
        Some(toml::Value::Float(minutes)) => *minutes,
        Some(toml::Value::Integer(minutes)) => *minutes as f64,
        _ => 0.0,
    }
}

/// Replaces the fields of a table by those of another one, down to single values.
pub fn overlay(table: &mut toml::Table, other: toml::Table) {
    for (name, value) in other {
        match (table.get_mut(&name), value) {
            (Some(toml::Value::Table(below)), toml::Value::Table(above)) => overlay(below, above),
            (_, value) => drop(table.insert(name, value)),
        }
    }
}

/// Replaces fields by assignments of the form `FIELD=VALUE`, in any order: kinds come first, because another kind has
/// other fields. If a field is named twice, the last one counts.
pub fn replace_all(table: &mut toml::Table, assignments: &[String]) -> Result<(), String> {
    let mut parsed = assignments.iter().map(|text| Assignment::parse(text)).collect::<Result<Vec<_>, _>>()?;
    let names = |what: &str| parsed.iter().any(|assignment| assignment.path.split('.').next() == Some(what));
    if names("windows") && names("streams") {
        return Err("windows and streams are both named: a text is cut in one way".into());
    }
    parsed.sort_by_key(|assignment| assignment.field() != "kind");
    parsed.into_iter().try_for_each(|assignment| assignment.apply(table))
}

/// The value of a field by its path; `None` if there is none.
pub fn find<'t>(table: &'t toml::Table, path: &str) -> Option<&'t toml::Value> {
    let mut names = path.split('.');
    let first = table.get(names.next()?)?;
    names.try_fold(first, |value, name| value.get(name))
}

/// `FIELD=VALUE`.
pub struct Assignment<'t> {
    /// The field with the tables that it is in, as in `optimizer.learning_rate`.
    pub path: &'t str,
    value: toml::Value,
}

impl<'t> Assignment<'t> {
    /// Reads an assignment. The value is TOML; a word that is not TOML counts as a string.
    pub fn parse(text: &'t str) -> Result<Self, String> {
        let Some((path, value)) = text.split_once('=') else {
            return Err(format!("cannot read {text:?}: write FIELD=VALUE, as in optimizer.learning_rate=0.001"));
        };
        let (path, value) = (path.trim(), value.trim());
        let value = match toml::from_str::<toml::Table>(&format!("value = {value}")) {
            Ok(mut parsed) => parsed.remove("value").ok_or_else(|| format!("{text:?} has no value"))?,
            Err(_) => toml::Value::String(value.into()),
        };
        Ok(Self { path, value })
    }

    fn field(&self) -> &'t str {
        self.path.rsplit('.').next().unwrap_or(self.path)
    }

    /// Puts the value into a table. Missing tables on the way are made.
    fn apply(self, table: &mut toml::Table) -> Result<(), String> {
        let Self { path, value } = self;
        let (tables, field) = path.rsplit_once('.').map_or((None, path), |(tables, field)| (Some(tables), field));
        let mut place = &mut *table;
        for name in tables.into_iter().flat_map(|tables| tables.split('.')) {
            let entry = place.entry(name).or_insert_with(|| toml::Value::Table(toml::Table::new()));
            place = entry.as_table_mut().ok_or_else(|| format!("{path}: {name} is a value, and holds no fields"))?;
        }
        if field == "kind" && place.get("kind") != Some(&value) {
            // Another kind has other fields: those of the old one would only be refused.
            place.clear();
        }
        place.insert(field.into(), value);
        // A text is cut in one way: naming one takes the other's place.
        match path.split('.').next() {
            Some("windows") => table.remove("streams"),
            Some("streams") => table.remove("windows"),
            _ => None,
        };
        Ok(())
    }
}

/// What is wrong, with the field's place and, for a misspelt one, the field that is meant.
pub fn explain(error: &serde_path_to_error::Error<toml::de::Error>) -> String {
    let message = in_words(error.inner().message());
    let path = error.path().to_string();
    let place = if path == "." { String::new() } else { format!("{path}: ") };
    let mut quoted = message.split('`').skip(1).step_by(2);
    let unknown = message.starts_with("unknown ").then(|| quoted.next()).flatten();
    match unknown.and_then(|unknown| nearest(unknown, quoted)) {
        Some(nearest) => format!("{place}{message}; did you mean `{nearest}`?"),
        None => format!("{place}{message}"),
    }
}

/// The name that a misspelt one is meant to be; `None` if none is close.
pub fn nearest<'n>(misspelt: &str, names: impl Iterator<Item = &'n str>) -> Option<&'n str> {
    let distance = |name: &str| strsim::damerau_levenshtein(misspelt, name);
    let (distance, name) = names.map(|name| (distance(name), name)).min()?;
    // A third of the letters may be wrong.
    (3 * distance <= misspelt.chars().count().max(name.chars().count())).then_some(name)
}

/// Serde's names of Rust types as what they mean to a user.
fn in_words(message: &str) -> String {
    let types = [
        ("expected usize", "expected a whole number, at least 0"),
        ("expected u64", "expected a whole number, at least 0"),
        ("expected f64", "expected a number"),
        ("expected f32", "expected a number"),
        ("expected a sequence", "expected a list, as in [0.5, 1.0]"),
        ("expected an array of length 2", "expected a list of two numbers, as in [0.9, 0.99]"),
    ];
    for (rust, words) in types {
        if let Some(before) = message.strip_suffix(rust) {
            return format!("{before}{words}");
        }
    }
    match message.find("expected struct ").or_else(|| message.find("expected internally tagged enum ")) {
        Some(place) => format!("{}expected a table of fields", &message[..place]),
        None => message.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_close_names_are_proposed() {
        let names = || ["batch", "hidden", "learning_rate"].into_iter();
        for (misspelt, expected) in [
            ("batches", Some("batch")),
            ("hiden", Some("hidden")),
            ("learning_rte", Some("learning_rate")),
            ("dpeth", None),
            ("speed", None),
            ("x", None),
        ] {
            assert_eq!(nearest(misspelt, names()), expected, "{misspelt}");
        }
    }
}
