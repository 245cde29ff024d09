//! The escapes that a user may type.

/// The text that an argument stands for: `\n`, `\t`, `\0` and `\\` are a line end, a tab, a NUL and a backslash.
pub fn unescape(argument: &str) -> Result<String, String> {
    let mut text = String::with_capacity(argument.len());
    let mut characters = argument.chars();
    while let Some(character) = characters.next() {
        text.push(match character {
            '\\' => match characters.next() {
                Some('n') => '\n',
                Some('t') => '\t',
                Some('0') => '\0',
                Some('\\') => '\\',
                other => {
                    let escape = other.map_or(String::new(), String::from);
                    return Err(format!(
                        "`\\{escape}` is not an escape; use \\n, \\t or \\0, and \\\\ for a backslash"
                    ));
                }
            },
            other => other,
        });
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arguments_are_unescaped() {
        let cases = [("", ""), ("a b", "a b"), (r"\n\n", "\n\n"), (r"a\tb\0", "a\tb\0"), (r"\\n", "\\n")];
        for (argument, text) in cases {
            assert_eq!(unescape(argument).as_deref(), Ok(text), "{argument}");
        }
        for (argument, part) in [(r"a\x", r"`\x` is not"), ("a\\", r"`\` is not")] {
            assert!(unescape(argument).unwrap_err().contains(part), "{argument}");
        }
    }
}
