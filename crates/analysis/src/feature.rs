//! Features of a text that a cell may follow.

use serde::Serialize;

/// A feature of a text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Feature {
    /// Between two double quotes.
    InsideQuotes,
    /// How many brackets and braces are open.
    BracketDepth,
    /// How many parentheses are open.
    ParenthesisDepth,
    /// Characters since the line's start.
    PositionInLine,
    /// Characters since the word's start.
    PositionInWord,
    /// Behind the end of a sentence, before the next word.
    AfterSentence,
    /// How far the line is indented.
    Indentation,
    /// In a comment of a program.
    InsideComment,
    /// In a string of a program.
    InsideString,
    /// In a web address.
    InsideUrl,
    /// In a tag of HTML or XML.
    InsideTag,
    /// A capital letter.
    UpperCase,
    /// In a number.
    DigitRun,
}

/// How a cell is scored against a feature. A cell that is low where the feature is high scores as well as one that is
/// high there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Measure {
    /// For yes/no features: the probability that the cell's state at a token where the feature holds is above its state
    /// at one where it does not (the area under the ROC curve), or the complement if that is more. From 0.5 to 1.
    Auc,
    /// For depths and positions: the absolute value of Pearson's correlation. From 0 to 1.
    Correlation,
}

impl Feature {
    /// All features.
    pub const ALL: [Self; 13] = [
        Self::InsideQuotes,
        Self::BracketDepth,
        Self::ParenthesisDepth,
        Self::PositionInLine,
        Self::PositionInWord,
        Self::AfterSentence,
        Self::Indentation,
        Self::InsideComment,
        Self::InsideString,
        Self::InsideUrl,
        Self::InsideTag,
        Self::UpperCase,
        Self::DigitRun,
    ];

    /// Its name.
    pub fn name(self) -> &'static str {
        match self {
            Self::InsideQuotes => "inside quotes",
            Self::BracketDepth => "depth of brackets",
            Self::ParenthesisDepth => "depth of parentheses",
            Self::PositionInLine => "position in the line",
            Self::PositionInWord => "position in the word",
            Self::AfterSentence => "after a sentence's end",
            Self::Indentation => "indentation",
            Self::InsideComment => "inside a comment",
            Self::InsideString => "inside a string",
            Self::InsideUrl => "inside a URL",
            Self::InsideTag => "inside a markup tag",
            Self::UpperCase => "upper case",
            Self::DigitRun => "in a number",
        }
    }

    /// Its definition in one sentence.
    pub fn definition(self) -> &'static str {
        match self {
            Self::InsideQuotes => {
                "From an opening double quote, straight or curly, to the character before the closing one; a blank line \
                 ends a quote."
            }
            Self::BracketDepth => "How many square brackets and braces are open.",
            Self::ParenthesisDepth => "How many parentheses are open; a blank line closes all of them.",
            Self::PositionInLine => "Characters since the start of the line, at most 120.",
            Self::PositionInWord => "Which letter or digit of the word it is, counted from 1; 0 outside words.",
            Self::AfterSentence => {
                "From a full stop, question mark or exclamation mark that white space follows to the character before the \
                 next letter or digit."
            }
            Self::Indentation => "Columns of white space at the start of the line, a tab as four.",
            Self::InsideComment => {
                "In a comment of a program: from //, or # and a space, to the end of the line, or between /* and */."
            }
            Self::InsideString => "In a string of a program: between two quotes of the same kind in one line.",
            Self::InsideUrl => "From the end of http://, https:// or www. to the next space, quote or closing bracket.",
            Self::InsideTag => "From < before a letter, / or ! to the character before the next >, in one line.",
            Self::UpperCase => "A capital letter.",
            Self::DigitRun => "A digit, or a comma or point between two digits.",
        }
    }

    /// How cells are scored against it.
    pub fn measure(self) -> Measure {
        match self {
            Self::BracketDepth
            | Self::ParenthesisDepth
            | Self::PositionInLine
            | Self::PositionInWord
            | Self::Indentation => Measure::Correlation,
            _ => Measure::Auc,
        }
    }
}
