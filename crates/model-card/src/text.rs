//! Small helpers for the text of messages.

use std::borrow::Cow;
use std::fmt::Write as _;

/// Text that is safe to print on a terminal, on one line.
///
/// Control characters (which can clear the screen, set its title or paste into the shell), line separators, and the
/// marks that change the direction of the text around them become escapes such as `\n` and `\u{202e}`. Everything else
/// stays. Use it for any text that comes from a file or from somebody else: the fields of a card, names in an archive,
/// paths.
///
/// ```
/// assert_eq!(model_card::printable("a\u{1b}[2Jb\n"), "a\\u{1b}[2Jb\\n");
/// ```
pub fn printable(text: &str) -> Cow<'_, str> {
    if !text.contains(is_unprintable) {
        return Cow::Borrowed(text);
    }
    let mut escaped = String::with_capacity(text.len() + 8);
    for character in text.chars() {
        if is_unprintable(character) {
            let _ = write!(escaped, "{}", character.escape_default());
        } else {
            escaped.push(character);
        }
    }
    Cow::Owned(escaped)
}

/// Text of several lines, or JSON, that is safe to print on a terminal.
///
/// As [`printable`], but line ends and tabs stay, and what is escaped is escaped as in JSON: `\u001b`. JSON remains the same
/// JSON, because outside of its strings there are no other such characters.
///
/// ```
/// assert_eq!(model_card::printable_lines("a\u{1b}[2J\n\tb"), "a\\u001b[2J\n\tb");
/// ```
pub fn printable_lines(text: &str) -> Cow<'_, str> {
    let is_escaped = |character| is_unprintable(character) && !matches!(character, '\n' | '\r' | '\t');
    if !text.contains(is_escaped) {
        return Cow::Borrowed(text);
    }
    let mut escaped = String::with_capacity(text.len() + 8);
    for character in text.chars() {
        if is_escaped(character) {
            // All of them are in the first plane: four digits are enough.
            let _ = write!(escaped, "\\u{:04x}", u32::from(character));
        } else {
            escaped.push(character);
        }
    }
    Cow::Owned(escaped)
}

/// Control characters, and those with the property `Bidi_Control` (Unicode Standard Annex 9), and the two separators
/// that some terminals and editors show as line ends.
fn is_unprintable(character: char) -> bool {
    character.is_control()
        || matches!(
            character,
            '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}'
        )
}

/// A number with its noun, in the plural unless it is 1: `1 file`, `2 files`.
pub fn counted(count: u64, noun: &str) -> String {
    if count == 1 { format!("1 {noun}") } else { format!("{count} {noun}s") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_steers_a_terminal_is_escaped_and_the_rest_stays() {
        let cases = [
            ("The Lamp-Black Chart", "The Lamp-Black Chart"),
            (
                "Caf\u{e9} \u{6f22}\u{5b57} \u{1f40b} e\u{301} \u{5d0}",
                "Caf\u{e9} \u{6f22}\u{5b57} \u{1f40b} e\u{301} \u{5d0}",
            ),
            ("\u{1b}]0;title\u{7}", "\\u{1b}]0;title\\u{7}"),
            ("\u{9b}2J\u{7f}\0", "\\u{9b}2J\\u{7f}\\u{0}"),
            ("a\r\n\tb\u{2028}", "a\\r\\n\\tb\\u{2028}"),
            ("user\u{202e}txt.exe\u{2066}", "user\\u{202e}txt.exe\\u{2066}"),
            ("\u{200f}\u{61c}", "\\u{200f}\\u{61c}"),
            ("a\\b \"quoted\"", "a\\b \"quoted\""),
        ];
        for (text, expected) in cases {
            assert_eq!(printable(text), expected, "{text:?}");
        }
        assert!(matches!(printable("plain"), Cow::Borrowed(_)));
    }

    #[test]
    fn lines_stay_lines_and_json_stays_json() {
        let cases = [
            ("caf\u{e9}\r\n\t\u{1f40b}\n", "caf\u{e9}\r\n\t\u{1f40b}\n"),
            ("\n\u{1b}[2J\u{9b}a\tb\u{202e}\u{7f}", "\n\\u001b[2J\\u009ba\tb\\u202e\\u007f"),
        ];
        for (text, expected) in cases {
            assert_eq!(printable_lines(text), expected, "{text:?}");
        }
        let text = "a\u{1b}\u{9b}\u{202e}\u{7f}\n\u{e9}";
        let json = serde_json::to_string_pretty(&[text]).unwrap();
        let shown = printable_lines(&json);
        assert!(shown.lines().all(|line| matches!(printable(line), Cow::Borrowed(_))), "{shown}");
        assert_eq!(serde_json::from_str::<[String; 1]>(&shown).unwrap(), [text]);
    }

    #[test]
    fn one_is_singular() {
        assert_eq!([0, 1, 2].map(|count| counted(count, "file")), ["0 files", "1 file", "2 files"]);
    }
}
