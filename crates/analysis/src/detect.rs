//! Where a text has each feature.
//!
//! Every function takes the characters of a text and gives a value for each: 0 or 1, or a depth or position. A value says what
//! is so after the character was read, which is what the state of a cell can tell.

use crate::{Feature, text::BOUNDARY};

/// Positions in a line are counted up to this.
const LONGEST_LINE: u8 = 120;

/// A tag or a URL's marker is looked for in at most this many characters.
const LONGEST_TAG: usize = 200;

/// Of a hundred characters that are not white space, how many a program has among [`OF_PROGRAMS`] at least.
const PROGRAM_SHARE: usize = 3;

/// Characters that programs have often and prose seldom.
const OF_PROGRAMS: &[char] = &['{', '}', '(', ')', '[', ']', '=', '_', '<', '>', '/', '\\', '#', '*', '|', '&', '+'];

/// The value of a feature at each character; why there can be none if there is none.
pub fn detect(feature: Feature, text: &[char]) -> Result<Vec<u8>, String> {
    let of_program = |which: fn(Syntax) -> bool| {
        if is_program(text) {
            Ok(syntax(text).into_iter().map(|syntax| u8::from(which(syntax))).collect())
        } else {
            Err("the text does not look like a program".into())
        }
    };
    Ok(match feature {
        Feature::InsideQuotes => inside_quotes(text),
        Feature::BracketDepth => depth(text, &['[', '{'], &[']', '}'], false),
        Feature::ParenthesisDepth => depth(text, &['('], &[')'], true),
        Feature::PositionInLine => position_in_line(text),
        Feature::PositionInWord => position_in_word(text),
        Feature::AfterSentence => after_sentence(text),
        Feature::Indentation => indentation(text),
        Feature::InsideComment => return of_program(|syntax| syntax == Syntax::Comment),
        Feature::InsideString => return of_program(|syntax| syntax == Syntax::String),
        Feature::InsideUrl => inside_url(text),
        Feature::InsideTag => inside_tag(text),
        Feature::UpperCase => text.iter().map(|character| u8::from(character.is_uppercase())).collect(),
        Feature::DigitRun => digit_run(text),
    })
}

/// Whether the line that ends with the line feed at `place` is blank, so that a paragraph ends there.
fn ends_paragraph(text: &[char], place: usize) -> bool {
    let before = text[..place].iter().rev().find(|character| !matches!(character, ' ' | '\t' | '\r'));
    text[place] == BOUNDARY || text[place] == '\n' && before.is_none_or(|&before| before == '\n')
}

/// Double quotes alone: a single one may be an apostrophe. A paragraph's end closes them, because a speech that goes on in
/// the next paragraph opens them there again.
fn inside_quotes(text: &[char]) -> Vec<u8> {
    let mut closing: Option<&[char]> = None;
    let mut value = |place: usize| {
        let character = text[place];
        closing = match (closing, character) {
            _ if ends_paragraph(text, place) => None,
            (Some(marks), _) if marks.contains(&character) => None,
            (None, '"') => Some(&['"']),
            (_, '\u{201c}') => Some(&['\u{201d}']),
            (None, '\u{201e}') => Some(&['\u{201c}', '\u{201d}']),
            (None, '\u{ab}') => Some(&['\u{bb}']),
            _ => closing,
        };
        u8::from(closing.is_some())
    };
    (0..text.len()).map(&mut value).collect()
}

fn depth(text: &[char], opening: &[char], closing: &[char], paragraph_closes: bool) -> Vec<u8> {
    let mut depth = 0_u8;
    let mut value = |place: usize| {
        let character = text[place];
        if character == BOUNDARY || paragraph_closes && ends_paragraph(text, place) {
            depth = 0;
        } else if opening.contains(&character) {
            depth = depth.saturating_add(1);
        } else if closing.contains(&character) {
            depth = depth.saturating_sub(1);
        }
        depth
    };
    (0..text.len()).map(&mut value).collect()
}

fn ends_line(character: char) -> bool {
    character == '\n' || character == BOUNDARY
}

fn position_in_line(text: &[char]) -> Vec<u8> {
    let mut position = 0;
    let mut value = |&character: &char| {
        position = if ends_line(character) { 0 } else { LONGEST_LINE.min(position + 1) };
        position
    };
    text.iter().map(&mut value).collect()
}

/// Whether a character belongs to a word: letters and digits, and an apostrophe between two letters.
fn in_word(text: &[char], place: usize) -> bool {
    let is_letter = |place: usize| text.get(place).is_some_and(|character| character.is_alphabetic());
    match text[place] {
        '\'' | '\u{2019}' => place > 0 && is_letter(place - 1) && is_letter(place + 1),
        character => character.is_alphanumeric(),
    }
}

fn position_in_word(text: &[char]) -> Vec<u8> {
    let mut position = 0_u8;
    let mut value = |place: usize| {
        position = if in_word(text, place) { position.saturating_add(1) } else { 0 };
        position
    };
    (0..text.len()).map(&mut value).collect()
}

fn after_sentence(text: &[char]) -> Vec<u8> {
    let closes = |character: &char| matches!(character, '"' | '\'' | '\u{201d}' | '\u{2019}' | ')' | ']');
    let mut is_after = false;
    let mut value = |place: usize| {
        let character = text[place];
        if matches!(character, '.' | '?' | '!') {
            let next = text[place + 1..].iter().find(|character| !closes(character));
            is_after |= next.is_none_or(|next| next.is_whitespace() || *next == BOUNDARY);
        } else if character.is_alphanumeric() || character == BOUNDARY {
            is_after = false;
        }
        u8::from(is_after)
    };
    (0..text.len()).map(&mut value).collect()
}

fn indentation(text: &[char]) -> Vec<u8> {
    let (mut columns, mut at_start) = (0_u8, true);
    let mut value = |&character: &char| {
        match character {
            _ if ends_line(character) => (columns, at_start) = (0, true),
            ' ' if at_start => columns = columns.saturating_add(1),
            '\t' if at_start => columns = columns.saturating_add(4),
            _ => at_start = false,
        }
        columns
    };
    text.iter().map(&mut value).collect()
}

/// What part of a program a character is in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Syntax {
    Code,
    Comment,
    String,
}

/// Whether a text looks like a program rather than prose.
fn is_program(text: &[char]) -> bool {
    let visible = text.iter().filter(|character| !character.is_whitespace()).count();
    let of_programs = text.iter().filter(|character| OF_PROGRAMS.contains(character)).count();
    of_programs > 0 && of_programs * 100 >= PROGRAM_SHARE * visible
}

/// The parts of a program in most languages: C's, Rust's and JavaScript's comments, Python's and the shell's.
fn syntax(text: &[char]) -> Vec<Syntax> {
    let mut parts = vec![Syntax::Code; text.len()];
    let find = |from: usize, found: &dyn Fn(usize) -> bool| (from..text.len()).find(|&place| found(place));
    let at = |place: usize, mark: &str| mark.chars().enumerate().all(|(index, c)| text.get(place + index) == Some(&c));
    let mut place = 0;
    while place < text.len() {
        let before = place.checked_sub(1).map(|before| text[before]);
        let starts_word = before.is_none_or(char::is_whitespace);
        let (part, end) = if at(place, "/*") {
            // The closing mark belongs to the comment but for its last character.
            let end = find(place + 2, &|place| at(place, "*/") || text[place] == BOUNDARY);
            (Syntax::Comment, end.map_or(text.len(), |end| end + usize::from(text[end] == '*')))
        } else if at(place, "//") && before != Some(':') || starts_word && (at(place, "# ") || at(place, "#!/")) {
            (Syntax::Comment, find(place, &|place| ends_line(text[place])).unwrap_or(text.len()))
        } else if let Some(end) = end_of_string(text, place) {
            (Syntax::String, end)
        } else {
            place += 1;
            continue;
        };
        parts[place..end].fill(part);
        place = end + 1;
    }
    parts
}

/// Where the closing quote is of a string that starts here, in the same line.
fn end_of_string(text: &[char], start: usize) -> Option<usize> {
    let quote = text[start];
    let before = start.checked_sub(1).map(|before| text[before]);
    // An apostrophe, or a lifetime of Rust, is no quote.
    let opens = match quote {
        '"' => true,
        '\'' => before.is_none_or(|before| before.is_whitespace() || "([{,=:+".contains(before)),
        _ => false,
    };
    let mut place = start + 1;
    while opens && place < text.len() && !ends_line(text[place]) {
        if text[place] == quote {
            let after = text.get(place + 1).copied();
            let closes = quote == '"' || after.is_none_or(|after| after.is_whitespace() || ")]},;:.+".contains(after));
            return closes.then_some(place);
        }
        place += if text[place] == '\\' { 2 } else { 1 };
    }
    None
}

fn inside_url(text: &[char]) -> Vec<u8> {
    let ends = |character: char| character.is_whitespace() || "\"'<>)]}\u{201c}\u{201d}\u{1c}".contains(character);
    let mut is_inside = false;
    let mut value = |place: usize| {
        let behind = |marker: &str| {
            let length = marker.len();
            place + 1 >= length && text[place + 1 - length..=place].iter().copied().eq(marker.chars())
        };
        let starts_word = place < 4 || !text[place - 4].is_alphanumeric();
        if behind("http://") || behind("https://") || starts_word && behind("www.") {
            is_inside = true;
        } else if ends(text[place]) {
            is_inside = false;
        }
        u8::from(is_inside)
    };
    (0..text.len()).map(&mut value).collect()
}

/// A < behind a letter or a colon is a generic type of a program, unless it closes a tag.
fn inside_tag(text: &[char]) -> Vec<u8> {
    let mut values = vec![0; text.len()];
    let mut place = 0;
    while place < text.len() {
        let next = text.get(place + 1).copied().unwrap_or(' ');
        let behind_name = place > 0 && (text[place - 1].is_alphanumeric() || "_:".contains(text[place - 1]));
        let opens = text[place] == '<' && (matches!(next, '/' | '!') || next.is_alphabetic() && !behind_name);
        let rest = &text[(place + 1).min(text.len())..];
        let length = rest.iter().take(LONGEST_TAG).position(|&character| "<>\n\u{1c}".contains(character));
        match length.filter(|&length| opens && rest[length] == '>') {
            Some(length) => {
                values[place..=place + length].fill(1);
                place += length + 2;
            }
            None => place += 1,
        }
    }
    values
}

fn digit_run(text: &[char]) -> Vec<u8> {
    let is_digit = |place: Option<usize>| place.and_then(|place| text.get(place)).is_some_and(char::is_ascii_digit);
    let value = |place: usize| {
        let is_inside = matches!(text[place], ',' | '.') && is_digit(place.checked_sub(1)) && is_digit(Some(place + 1));
        u8::from(is_inside || is_digit(Some(place)))
    };
    (0..text.len()).map(value).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A value below 10 as its digit, above as a letter.
    fn digits(values: &[u8]) -> String {
        values.iter().map(|&value| char::from_digit(u32::from(value), 36).unwrap_or('+')).collect()
    }

    #[track_caller]
    fn check(feature: Feature, text: &str, expected: &str) {
        let characters: Vec<char> = text.chars().collect();
        let found = detect(feature, &characters).map(|values| digits(&values));
        assert_eq!(found.as_deref(), Ok(expected), "{feature:?} of {text:?}");
    }

    #[test]
    fn each_feature_is_where_its_definition_says() {
        #[rustfmt::skip]
        let cases: &[(Feature, &str, &str)] = &[
            (Feature::InsideQuotes,     "a \"b c\" d",                "001111000"),
            (Feature::InsideQuotes,     "\u{201c}a don't\u{201d}.",   "1111111100"),
            (Feature::InsideQuotes,     "\u{201e}a\u{201c} b",        "11000"),
            (Feature::InsideQuotes,     "\u{ab}a\u{bb}",              "110"),
            (Feature::InsideQuotes,     "it's 'so'",                  "000000000"),
            (Feature::InsideQuotes,     "\"a\n\n\"b\" c",             "111011000"),
            (Feature::InsideQuotes,     "\"a\n \n\"b\"",              "11110110"),
            (Feature::InsideQuotes,     "\"a\u{1c}b",                 "1100"),
            (Feature::BracketDepth,     "[a{b}]c]",                   "11221000"),
            (Feature::BracketDepth,     "[a\n\n\u{1c}b",              "111100"),
            (Feature::ParenthesisDepth, "(a(b)))c(d\n\ne",            "1122100011100"),
            (Feature::PositionInLine,   "ab\nc\n\n",                  "120100"),
            (Feature::PositionInWord,   "I don't 'go'",               "101234500120"),
            (Feature::AfterSentence,    "3.5 a. \"B!\" c",            "0000011101110"),
            (Feature::Indentation,      "  a b\n\tc\nd",              "1222204400"),
            (Feature::InsideComment,    "a(); // b\nc",               "00000111100"),
            (Feature::InsideComment,    "x{/*a*/}",                   "00111100"),
            (Feature::InsideComment,    "# a\n#[b]\n(",               "1110000000"),
            (Feature::InsideComment,    "http://a(b)",                "00000000000"),
            (Feature::InsideComment,    "f(\"// a\")",                "000000000"),
            (Feature::InsideString,     "f(\"a\\\"b\", 'c')",         "00111110001100"),
            (Feature::InsideString,     "&'a T, <'b>",                "00000000000"),
            (Feature::InsideString,     "don't (x) = 'y'",            "000000000000110"),
            (Feature::InsideString,     "(\"a\n\"b\")",               "00001100"),
            (Feature::InsideUrl,        "see http://a.b/c, www.d e",  "0000000000111111100001100"),
            (Feature::InsideUrl,        "awww.b",                     "000000"),
            (Feature::InsideTag,        "a <b c=\"d\">e</b> x < y",   "0011111111001110000000"),
            (Feature::InsideTag,        "Vec<u8> <T>",                "00000000110"),
            (Feature::InsideTag,        "<b\n>",                      "0000"),
            (Feature::UpperCase,        "aB \u{c9}",                  "0101"),
            (Feature::DigitRun,         "a1,000.5, 2",                "01111111001"),
        ];
        for (feature, text, expected) in cases {
            check(*feature, text, expected);
        }
        let covered: Vec<Feature> = cases.iter().map(|case| case.0).collect();
        assert!(Feature::ALL.iter().all(|feature| covered.contains(feature)), "every feature has a case");
    }

    #[test]
    fn values_that_a_byte_cannot_hold_stop_at_the_largest() {
        let many = |character: char| vec![character; 300];
        let last = |feature, text: &[char]| detect(feature, text).unwrap()[text.len() - 1];
        assert_eq!(last(Feature::PositionInLine, &many('a')), 120);
        assert_eq!(last(Feature::PositionInWord, &many('a')), 255);
        assert_eq!(last(Feature::BracketDepth, &many('[')), 255);
        assert_eq!(last(Feature::Indentation, &many('\t')), 255);
    }

    #[test]
    fn prose_has_no_comments_and_no_strings() {
        let prose =
            "She said (once): 'No,' and her cat was \"gone\" for a year and a day, or so she told us afterwards.";
        let prose: Vec<char> = prose.chars().collect();
        for feature in [Feature::InsideComment, Feature::InsideString] {
            for text in [&prose[..], &[]] {
                assert_eq!(detect(feature, text).unwrap_err(), "the text does not look like a program");
            }
        }
    }

    #[test]
    fn no_text_breaks_a_detector() {
        // All short texts over the marks that the detectors look for.
        let marks = ['"', '\'', '\n', '\u{1c}', '/', '*', '<', '>', 'a', '1', '.', '\\', '#', ' ', '('];
        for number in 0..marks.len().pow(4) {
            let text: Vec<char> = (0..4).map(|place| marks[number / marks.len().pow(place) % marks.len()]).collect();
            for feature in Feature::ALL {
                if let Ok(values) = detect(feature, &text) {
                    assert_eq!(values.len(), text.len());
                }
            }
        }
    }
}
