//! Colours for terminals, and the width of characters there.

use std::{env, ffi::OsString, io::IsTerminal};

/// Whether to colour a stream: it is a terminal, not a dumb one, and `NO_COLOR` (no-color.org) is not set.
pub fn wanted(stream: &impl IsTerminal) -> bool {
    decide(stream.is_terminal(), |name| env::var_os(name))
}

/// The decision of `wanted` in an environment.
fn decide(terminal: bool, variable: impl Fn(&str) -> Option<OsString>) -> bool {
    let refused = variable("NO_COLOR").is_some_and(|value| !value.is_empty());
    let dumb = variable("TERM").is_some_and(|term| term == "dumb");
    terminal && !refused && !dumb
}

/// The background for a probability, from red for unlikely through yellow to green (256-colour palette).
pub fn of_probability(probability: f32) -> &'static str {
    match probability {
        p if p < 0.01 => "\u{1b}[30;48;5;203m",
        p if p < 0.05 => "\u{1b}[30;48;5;215m",
        p if p < 0.2 => "\u{1b}[30;48;5;228m",
        p if p < 0.5 => "\u{1b}[30;48;5;193m",
        _ => "\u{1b}[30;48;5;120m",
    }
}

/// Starts a surprising character.
pub const MARK: &str = "\u{1b}[1;7;31m";

/// Ends a colour.
pub const END: &str = "\u{1b}[0m";

/// Text for a table: characters that move the cursor are replaced by symbols.
pub fn visible(text: &str) -> String {
    text.chars()
        .map(|character| match character {
            '\n' => '\u{21b5}',
            '\r' => '\u{240d}',
            '\t' => '\u{21e5}',
            control if control.is_control() => '\u{b7}',
            other => other,
        })
        .collect()
}

/// Width in columns: two for wide East Asian characters and emoji.
pub fn columns(text: &str) -> usize {
    let wide = |character: char| {
        matches!(u32::from(character),
            0x1100..=0x115f | 0x2e80..=0xa4cf | 0xac00..=0xd7a3 | 0xf900..=0xfaff | 0xfe30..=0xfe6f
            | 0xff00..=0xff60 | 0x1f300..=0x1faff | 0x20000..=0x3fffd)
    };
    text.chars().map(|character| if wide(character) { 2 } else { 1 }).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn terminals_are_coloured_unless_the_user_refuses() {
        let cases = [
            (true, None, None, true),
            (true, None, Some("xterm"), true),
            (false, None, Some("xterm"), false),
            (true, Some("1"), Some("xterm"), false),
            (true, Some("anything"), None, false),
            // An empty NO_COLOR counts as unset (no-color.org).
            (true, Some(""), Some("xterm"), true),
            (true, None, Some("dumb"), false),
        ];
        for (terminal, no_color, term, expected) in cases {
            let variable = |name: &str| if name == "TERM" { term } else { no_color }.map(OsString::from);
            assert_eq!(decide(terminal, variable), expected, "{terminal} {no_color:?} {term:?}");
        }
    }

    #[test]
    fn characters_that_move_the_cursor_are_shown_as_symbols() {
        assert_eq!(visible("a\n\r\t\u{1b}[31m\u{9b}\u{7f}"), "a\u{21b5}\u{240d}\u{21e5}\u{b7}[31m\u{b7}\u{b7}");
        assert_eq!((columns("a\u{e9}"), columns("\u{6f22}\u{1f40b}")), (2, 4));
    }
}
