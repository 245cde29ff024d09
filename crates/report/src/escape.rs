//! Text of unknown origin: shown as itself, never as markup, and without power over the text around it.
//!
//! Markup is escaped by the template (HTML) or by [`json`] (the data of the page). What is left are characters that nobody
//! sees or that change the direction of what follows. They are replaced by what names them.

use std::fmt::Write;

/// A text for the page: control characters and those that change the direction of text become visible; line breaks and
/// tabs stay.
pub fn text(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '\n' | '\t' => shown.push(character),
            _ => push_visible(&mut shown, character),
        }
    }
    shown
}

/// A token for the page: as [`text`], and with line breaks, tabs and lone marks visible. A space stays a space.
pub fn token(token: &str) -> String {
    let mut shown = String::with_capacity(token.len());
    for character in token.chars() {
        match character {
            '\n' => shown.push('\u{23ce}'),
            '\t' => shown.push('\u{21e5}'),
            _ => push_visible(&mut shown, character),
        }
    }
    shown
}

/// A token in a table, where a space has to be seen.
pub fn label(symbol: &str) -> String {
    if symbol == " " { "\u{2423}".into() } else { token(symbol) }
}

/// JSON for a `<script>` element: no `<`, so that nothing in it ends the element.
pub fn json(value: &impl serde::Serialize) -> serde_json::Result<String> {
    Ok(serde_json::to_string(value)?.replace('<', "\\u003c"))
}

fn push_visible(shown: &mut String, character: char) {
    match character {
        // Unicode's own pictures of the control characters.
        '\0'..='\x1f' => shown.push(char::from_u32(0x2400 + u32::from(character)).unwrap_or(character)),
        '\x7f' => shown.push('\u{2421}'),
        _ if is_hidden(character) => {
            // Writing to a string cannot fail.
            let _ = write!(shown, "\u{27e8}U+{:04X}\u{27e9}", u32::from(character));
        }
        _ => shown.push(character),
    }
}

/// Characters that are not seen, or change the direction or the lines of the text around them.
fn is_hidden(character: char) -> bool {
    matches!(character,
        '\u{80}'..='\u{9f}' | '\u{ad}' | '\u{61c}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}'
        | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hidden_characters_are_named_and_others_stay() {
        let cases = [
            ("a <b> & \"c\" 'd'", "a <b> & \"c\" 'd'"),
            ("one\ntwo\tthree", "one\ntwo\tthree"),
            ("\0\x1b\x7f\r", "\u{2400}\u{241b}\u{2421}\u{240d}"),
            ("abc\u{202e}def\u{2066}", "abc\u{27e8}U+202E\u{27e9}def\u{27e8}U+2066\u{27e9}"),
            ("\u{1f40b}\u{5d0}\u{301}", "\u{1f40b}\u{5d0}\u{301}"),
            ("\u{200b}\u{feff}\u{e0041}", "\u{27e8}U+200B\u{27e9}\u{27e8}U+FEFF\u{27e9}\u{27e8}U+E0041\u{27e9}"),
        ];
        for (given, shown) in cases {
            assert_eq!(text(given), shown);
        }
        assert_eq!((token("\n").as_str(), token("\t").as_str(), token(" ").as_str()), ("\u{23ce}", "\u{21e5}", " "));
        assert_eq!(label(" "), "\u{2423}");
    }

    #[test]
    fn json_ends_no_script() {
        let hostile = "</script><!--<script>\u{2028}";
        let written = json(&hostile).unwrap();
        assert!(!written.contains('<'), "{written}");
        assert_eq!(serde_json::from_str::<String>(&written).unwrap(), hostile);
    }
}
