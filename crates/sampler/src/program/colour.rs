//! Colours, where they are wanted, and the columns that a character takes.

use std::io::IsTerminal;

/// Whether a stream may be coloured: a terminal that is not dumb, and no `NO_COLOR` (no-color.org).
pub fn wanted(stream: &impl IsTerminal) -> bool {
    let set = |name| std::env::var_os(name).is_some_and(|value| !value.is_empty());
    stream.is_terminal() && !set("NO_COLOR") && std::env::var_os("TERM").is_none_or(|term| term != "dumb")
}

/// The background for a probability: red for the unlikely, over yellow, to green (of the 256-colour palette).
pub fn of_probability(probability: f32) -> &'static str {
    match probability {
        p if p < 0.01 => "\u{1b}[30;48;5;203m",
        p if p < 0.05 => "\u{1b}[30;48;5;215m",
        p if p < 0.2 => "\u{1b}[30;48;5;228m",
        p if p < 0.5 => "\u{1b}[30;48;5;193m",
        _ => "\u{1b}[30;48;5;120m",
    }
}

/// Marks what is surprising.
pub const MARK: &str = "\u{1b}[1;7;31m";

/// Ends any colour.
pub const END: &str = "\u{1b}[0m";

/// A text that may stand in a table: what moves the cursor is replaced by a picture of it.
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

/// Columns of a terminal: two for the wide characters of East Asia and for emoji.
pub fn columns(text: &str) -> usize {
    let wide = |character: char| {
        matches!(u32::from(character),
            0x1100..=0x115f | 0x2e80..=0xa4cf | 0xac00..=0xd7a3 | 0xf900..=0xfaff | 0xfe30..=0xfe6f
            | 0xff00..=0xff60 | 0x1f300..=0x1faff | 0x20000..=0x3fffd)
    };
    text.chars().map(|character| if wide(character) { 2 } else { 1 }).sum()
}
