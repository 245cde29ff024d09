//! How much of a text is copied from the text that a model was trained on.
//!
//! [`PassageIndex`] finds, for every position of a text, the longest passage from there on that the training text contains
//! too. [`Overlap`] sums that up for one text: the longest copied passage, and the share of all its passages of 20, 40 and
//! 80 characters that are copies. Any two texts of a language share short passages, so [`Novelty`] compares what a model
//! wrote with as much of the validation text, which nobody copied.
//!
//! This module knows token ids and a vocabulary; it knows nothing of networks, recipes or files.
//!
//! ```
//! use corpus::Tokens;
//! use model_card::{Unit, Vocabulary};
//! use trainer::novelty::Novelty;
//!
//! let text = "the whale that sank the boat was white";
//! let vocabulary = Vocabulary::from_text(Unit::Char, text);
//! let training = vocabulary.encode(text)?;
//! let sample = vocabulary.encode("a white boat sank the whale")?;
//! let novelty = Novelty::measure(Tokens::of(&training), &sample, None, &vocabulary)?;
//! assert_eq!(novelty.sample.longest.unwrap().text, "at sank the ");
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod index;

use std::fmt;

use corpus::Tokens;
use model_card::{Unit, Vocabulary};
use serde::{Deserialize, Serialize};

pub use index::{Error, Match, PassageIndex, Result};

/// Lengths of the passages that are counted, in tokens.
pub const PASSAGE_LENGTHS: [usize; 3] = [20, 40, 80];

/// An id that no vocabulary has. Between texts that are measured together, it keeps passages from crossing to the next.
pub const SEPARATOR: u32 = u32::MAX;

/// Characters of a passage that are shown to a person.
const SHOWN: usize = 200;

/// A sample and, for comparison, as much of the validation text, both compared with the training text.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Novelty {
    /// What a token is: every length and offset counts characters, or bytes.
    pub unit: Unit,
    /// What the model wrote.
    pub sample: Overlap,
    /// An excerpt of the validation text of the same length; `None` if nothing was held out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub validation: Option<Overlap>,
}

/// How much of one text is in the training text.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Overlap {
    /// Tokens in the text.
    pub length: usize,
    /// The longest passage that is in the training text, the first of several; `None` if not one token is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub longest: Option<Passage>,
    /// The share of copies for each of [`PASSAGE_LENGTHS`].
    pub shares: Vec<Share>,
}

/// A passage that is in both texts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Passage {
    /// The passage. Bytes that are part of a character become U+FFFD.
    pub text: String,
    /// Tokens in it.
    pub length: usize,
    /// Its position in the training text in tokens, boundaries between documents included: one of possibly several.
    pub training_offset: usize,
    /// Its position in the measured text in tokens.
    pub sample_offset: usize,
}

/// How many of a text's passages of one length are copies.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Share {
    /// Tokens in a passage.
    pub length: usize,
    /// Passages in the text: one from every position that enough tokens follow.
    pub passages: usize,
    /// Those of them that are in the training text.
    pub copied: usize,
    /// `copied` over `passages`, from 0 to 1; `None` if the text is too short for any passage.
    pub share: Option<f64>,
}

impl Novelty {
    /// Compares `sample`, and as much of the validation text, with the training text.
    ///
    /// The excerpt of the validation text is as long as the sample, because a longer text would have a longer longest
    /// passage. It comes from the middle of the split, which is the same for every run and less unusual than a beginning.
    /// For several texts build a [`PassageIndex`] once; see it for memory.
    pub fn measure(
        training: Tokens<'_>,
        sample: &[u32],
        validation: Option<Tokens<'_>>,
        vocabulary: &Vocabulary,
    ) -> Result<Self> {
        let index = PassageIndex::build(training)?;
        Ok(Self::against(&index, sample, validation, vocabulary))
    }

    /// The same with an index that was built before.
    pub fn against(
        index: &PassageIndex<'_>,
        sample: &[u32],
        validation: Option<Tokens<'_>>,
        vocabulary: &Vocabulary,
    ) -> Self {
        let excerpt = validation.filter(|tokens| !tokens.is_empty()).map(|tokens| {
            let length = sample.len().min(tokens.len());
            let start = (tokens.len() - length) / 2;
            tokens.to_vec(start..start + length)
        });
        Self {
            unit: vocabulary.unit(),
            sample: Overlap::measure(index, sample, vocabulary),
            validation: excerpt.map(|excerpt| Overlap::measure(index, &excerpt, vocabulary)),
        }
    }
}

impl Novelty {
    /// The longest passages in one line.
    pub fn in_short(&self) -> String {
        let length = |overlap: &Overlap| overlap.longest.as_ref().map_or(0, |passage| passage.length);
        let of_validation = |text| format!("; in as much of the validation text, {}", length(text));
        let comparison = self.validation.as_ref().map_or(String::new(), of_validation);
        let (sampled, longest) = (self.sample.length, length(&self.sample));
        format!(
            "novelty: longest passage copied from the training text in {sampled} sampled characters: {longest}{comparison}"
        )
    }
}

impl Overlap {
    /// Compares one text with the training text.
    ///
    /// A passage contains characters (or bytes) alone: no boundary, no [`SEPARATOR`], and no unknown token, which may stand
    /// for any character.
    pub fn measure(index: &PassageIndex<'_>, text: &[u32], vocabulary: &Vocabulary) -> Self {
        let mut shares = PASSAGE_LENGTHS.map(|length| Share { length, passages: 0, copied: 0, share: None });
        let mut longest: Option<(usize, Match)> = None;
        let mut start = 0;
        for piece in text.split(|&id| vocabulary.symbol(id).is_none()) {
            for (offset, found) in index.matches(piece).enumerate() {
                if found.length > longest.map_or(0, |(_, other)| other.length) {
                    longest = Some((start + offset, found));
                }
                for share in shares.iter_mut().filter(|share| offset + share.length <= piece.len()) {
                    share.passages += 1;
                    share.copied += usize::from(found.length >= share.length);
                }
            }
            start += piece.len() + 1;
        }
        for share in &mut shares {
            share.share = (share.passages > 0).then(|| share.copied as f64 / share.passages as f64);
        }
        let longest = longest.map(|(offset, Match { length, position })| Passage {
            text: vocabulary.decode(&text[offset..offset + length]),
            length,
            training_offset: position,
            sample_offset: offset,
        });
        Self { length: text.len(), longest, shares: shares.to_vec() }
    }
}

impl fmt::Display for Novelty {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let unit = match self.unit {
            Unit::Char => "character",
            Unit::Byte => "byte",
        };
        match &self.sample.longest {
            None => write!(formatter, "the sample has no {unit} of the training text")?,
            Some(Passage { length, training_offset, text, .. }) => write!(
                formatter,
                "longest passage copied from the training text: {length} {unit}s, from {unit} {training_offset} on: {}",
                shown(text)
            )?,
        }
        if let Some(Passage { length, text, .. }) = self.validation.as_ref().and_then(|text| text.longest.as_ref()) {
            write!(formatter, "\nlongest in as much of the validation text: {length} {unit}s: {}", shown(text))?;
        }
        for (place, share) in self.sample.shares.iter().enumerate() {
            let Some(of_sample) = share.share else { continue };
            let percent = |share: f64| share * 100.0;
            write!(formatter, "\npassages of {} {unit}s that are copies: ", share.length)?;
            write!(formatter, "{:.1} % of the sample's", percent(of_sample))?;
            let of_validation = self.validation.as_ref().and_then(|text| text.shares.get(place)?.share);
            if let Some(of_validation) = of_validation {
                write!(formatter, ", {:.1} % of the validation text's", percent(of_validation))?;
            }
        }
        Ok(())
    }
}

/// A passage in quotes on one line, shortened if it is long.
fn shown(text: &str) -> String {
    match text.char_indices().nth(SHOWN) {
        None => format!("{text:?}"),
        Some((end, _)) => format!("{:?}…", &text[..end]),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Twenty-six letters, a boundary and an unknown token.
    fn vocabulary() -> Vocabulary {
        Vocabulary::from_text(Unit::Char, "abcdefghijklmnopqrstuvwxyz").with_boundary().with_unknown()
    }

    /// Letters that no window of four repeats: the alphabet forwards, then in steps of 3, 5, 7 and so on.
    fn letters(count: usize) -> Vec<u32> {
        let steps = [1, 3, 5, 7, 9, 11, 15, 17, 19, 21, 23, 25];
        steps.into_iter().flat_map(|step| (0..26).map(move |place| place * step % 26)).take(count).collect()
    }

    fn overlap(training: &[u32], text: &[u32]) -> Overlap {
        Overlap::measure(&PassageIndex::build(Tokens::of(training)).unwrap(), text, &vocabulary())
    }

    fn copied(overlap: &Overlap) -> Vec<(usize, usize)> {
        overlap.shares.iter().map(|share| (share.passages, share.copied)).collect()
    }

    #[test]
    fn every_start_of_a_passage_counts() {
        let training = letters(200);
        // 60 copied letters, and 40 of which no two neighbours are ones of the training text.
        let text = [&training[50..110], &[0; 40]].concat();
        let found = overlap(&training, &text);
        // Of 100 letters there are 81 passages of 20; 41 of them lie within the 60.
        assert_eq!(copied(&found), [(81, 41), (61, 21), (21, 0)]);
        assert_eq!(found.shares[0].share, Some(41.0 / 81.0));
        let longest = found.longest.unwrap();
        assert_eq!((longest.length, longest.training_offset, longest.sample_offset), (60, 50, 0));
        assert_eq!(longest.text, vocabulary().decode(&training[50..110]));
    }

    #[test]
    fn no_passage_holds_a_token_without_a_text() {
        let vocabulary = vocabulary();
        let (boundary, unknown) = (vocabulary.boundary().unwrap(), vocabulary.unknown().unwrap());
        let plain = letters(50);
        for special in [boundary, unknown, SEPARATOR] {
            let text = [&plain[..20], &[special], &plain[21..]].concat();
            let found = overlap(&text, &text);
            // One passage of 20 before the special token, and ten after it.
            assert_eq!(copied(&found), [(11, 11), (0, 0), (0, 0)], "special token {special}");
            assert_eq!(found.shares[1].share, None);
            let longest = found.longest.unwrap();
            assert_eq!((longest.length, longest.training_offset, longest.sample_offset), (29, 21, 21));
        }
    }

    #[test]
    fn nothing_copied_is_nothing() {
        for (training, text) in [(vec![0, 1], vec![2, 3]), (vec![], vec![2]), (vec![2], vec![]), (vec![], vec![])] {
            let found = overlap(&training, &text);
            assert_eq!(found.longest, None, "{text:?} of {training:?}");
            assert_eq!(copied(&found), [(0, 0); 3], "{text:?} of {training:?}");
        }
    }

    #[test]
    fn the_validation_excerpt_is_as_long_as_the_sample() {
        let (training, sample) = (letters(200), letters(30));
        let measure = |validation: &[u32]| {
            Novelty::measure(Tokens::of(&training), &sample, Some(Tokens::of(validation)), &vocabulary()).unwrap()
        };
        // Of a hundred letters the middle thirty are taken, and only those are copies.
        let validation = [&[0; 35], &training[100..130], &[0; 35]].concat();
        let excerpt = measure(&validation).validation.unwrap();
        assert_eq!((excerpt.length, excerpt.longest.unwrap().training_offset), (30, 100));
        assert_eq!(measure(&[1; 7]).validation.unwrap().length, 7);
        assert_eq!(measure(&[]).validation, None);
    }

    #[test]
    fn people_read_a_few_lines() {
        let training = letters(200);
        let sample = [&training[..25], &[0; 15]].concat();
        let validation = [&[0; 16][..], &training[3..6], &[0; 21]].concat();
        let novelty =
            Novelty::measure(Tokens::of(&training), &sample, Some(Tokens::of(&validation)), &vocabulary()).unwrap();
        assert_eq!(
            novelty.to_string(),
            "longest passage copied from the training text: 25 characters, from character 0 on: \
             \"abcdefghijklmnopqrstuvwxy\"\n\
             longest in as much of the validation text: 3 characters: \"def\"\n\
             passages of 20 characters that are copies: 28.6 % of the sample's, 0.0 % of the validation text's\n\
             passages of 40 characters that are copies: 0.0 % of the sample's, 0.0 % of the validation text's"
        );
        let json = serde_json::to_string(&novelty).unwrap();
        assert_eq!(serde_json::from_str::<Novelty>(&json).unwrap(), novelty);
    }

    #[test]
    fn a_long_passage_is_cut_for_the_eye_alone() {
        let training = letters(300);
        let novelty = Novelty::measure(Tokens::of(&training), &training, None, &vocabulary()).unwrap();
        let line = novelty.to_string().lines().next().unwrap().to_owned();
        assert!(line.contains("300 characters") && line.ends_with("\"…"), "{line}");
        assert_eq!(novelty.sample.longest.unwrap().text.len(), 300);
    }
}
