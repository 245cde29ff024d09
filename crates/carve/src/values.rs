//! Values of flags that are neither numbers nor paths.

use std::time::Duration;

use clap::builder::{PossibleValuesParser, TypedValueParser};
use serde::Deserialize;
use serde::de::value::{Error, StrDeserializer};
use trainer::DeviceName;

/// Parses a flag into a type that a library declares for its JSON: the words are those of its `serde` form.
pub fn one_of<T: for<'d> Deserialize<'d> + Clone + Send + Sync + 'static>(
    words: &'static [&'static str],
) -> impl TypedValueParser<Value = T> {
    PossibleValuesParser::new(words).try_map(|word| T::deserialize(StrDeserializer::<Error>::new(&word)))
}

/// Parses the name of a device.
pub fn device() -> impl TypedValueParser<Value = DeviceName> {
    PossibleValuesParser::new(DeviceName::ALL.map(DeviceName::name)).try_map(|name| name.parse::<DeviceName>())
}

/// Parses `90s`, `10m`, `1h30m`, `2h`, or seconds without a unit.
pub fn duration(text: &str) -> Result<Duration, String> {
    let parse = || {
        let mut seconds = 0.0;
        let mut rest = text.trim();
        while !rest.is_empty() {
            let end =
                rest.find(|character: char| !character.is_ascii_digit() && character != '.').unwrap_or(rest.len());
            let number: f64 = rest[..end].parse().ok()?;
            let unit = rest[end..].chars().next();
            seconds += number
                * match unit {
                    Some('h') => 3600.0,
                    Some('m') => 60.0,
                    Some('s') => 1.0,
                    None if end == text.trim().len() => 1.0,
                    _ => return None,
                };
            rest = rest[end + unit.map_or(0, char::len_utf8)..].trim_start();
        }
        (seconds > 0.0 && seconds < 1e9).then(|| Duration::from_secs_f64(seconds))
    };
    parse().ok_or_else(|| format!("cannot parse {text:?} as a duration; use a form such as 90s, 10m or 2h"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_sums_of_hours_minutes_and_seconds() {
        let cases =
            [("90s", 90.0), ("10m", 600.0), ("1.5h", 5400.0), ("20", 20.0), ("1h30m", 5400.0), ("1h 2m 3s", 3723.0)];
        for (text, seconds) in cases {
            assert_eq!(duration(text), Ok(Duration::from_secs_f64(seconds)), "{text}");
        }
        for text in ["", "m", "-3s", "-1", "0s", "soon", "1d", "NaN", "1h30", "1e3s", "5 m 3"] {
            let message = duration(text).unwrap_err();
            assert!(message.contains("as a duration; use a form such as 90s, 10m or 2h"), "{message}");
        }
    }
}
