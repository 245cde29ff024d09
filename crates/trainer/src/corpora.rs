//! Prepared texts as training and measuring need them: opened, verified, and never a split in place of another.

use corpus::{Corpus, Split, Tokens};

use crate::observer::{Event, Observer};
use crate::{Error, Result};

/// Reads every id and checks the checksums: some seconds per 10 GB.
pub fn verify(corpus: &Corpus, observer: &mut dyn Observer) -> Result<()> {
    let total = corpus.index().tokens;
    for (verdict, shard) in corpus.verdicts().zip(&corpus.index().shards) {
        verdict?;
        let done = shard.offset + shard.count;
        observer.observe(&Event::Progress { task: "verifying the text", done, total: Some(total) });
    }
    Ok(())
}

/// A split.
///
/// # Errors
/// [`Error::NoSplit`] if nothing was held out for it.
pub fn split(corpus: &Corpus, split: Split) -> Result<Tokens<'_>> {
    let no_split = || Error::NoSplit { corpus: corpus.index().name.clone(), split: split.name() };
    corpus.split(split).ok_or_else(no_split)
}

/// The text to train on: the training split, and never what is held out.
///
/// # Errors
/// [`Error::NoSplit`] if there is none. `corpus` refuses an index without one, so this cannot happen with what it wrote.
pub fn training_text(corpus: &Corpus) -> Result<Tokens<'_>> {
    split(corpus, Split::Train)
}
