//! A prepared corpus: the index and its mapped shards.

use std::ops::Range;
use std::path::{Path, PathBuf};

use model_card::{Normalisation, Vocabulary};

use crate::shard::set::ShardSet;
use crate::{Error, Index, Result, Split, SplitEntry, Tokens};

/// A prepared corpus, open for reading. The ids are read from the mapped shards, so it needs no memory for them.
///
/// A corpus always has a training split: [`Corpus::open`] fails without one. The validation and test splits are there
/// only if the text was prepared with them.
#[derive(Debug)]
pub struct Corpus {
    folder: PathBuf,
    index: Index,
    shards: ShardSet,
    training: SplitEntry,
}

impl Corpus {
    /// Opens what `prepare` wrote into a folder.
    ///
    /// Checks everything that needs no reading of ids: that every shard is there, has the length that its header
    /// states, and belongs to this index and vocabulary. [`Corpus::verify`] reads the ids too.
    pub fn open(folder: &Path) -> Result<Self> {
        let index = Index::read(folder)?;
        let training = index.split(Split::Train).ok_or_else(|| Error::Index {
            path: folder.join(crate::INDEX_FILE),
            message: "it has no training split".into(),
        })?;
        let shards = ShardSet::open(folder, &index)?;
        Ok(Self { folder: folder.into(), index, shards, training })
    }

    /// Reads every id, and checks the checksums and that every id is in the vocabulary. Takes seconds for 10 GB.
    pub fn verify(&self) -> Result<()> {
        self.verdicts().collect()
    }

    /// Verifies the shards one by one, in the order of the index.
    pub fn verdicts(&self) -> impl Iterator<Item = Result<()>> + '_ {
        self.shards.verify_each(self.index.vocabulary.len())
    }

    /// The folder of the corpus.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// What the corpus contains, and where it came from.
    pub fn index(&self) -> &Index {
        &self.index
    }

    /// The vocabulary.
    pub fn vocabulary(&self) -> &Vocabulary {
        &self.index.vocabulary
    }

    /// How the text was normalised. Prompts need the same normalisation.
    pub fn normalisation(&self) -> Normalisation {
        self.index.settings.normalisation
    }

    /// All tokens, one split after another. That includes what is held out: train on [`Corpus::training`].
    pub fn tokens(&self) -> Tokens<'_> {
        Tokens::of_shards(&self.shards, 0..self.index.tokens as usize)
    }

    /// The tokens to train on: the training split, without the validation and test splits. There always is one.
    pub fn training(&self) -> Tokens<'_> {
        self.entry_tokens(self.training)
    }

    /// The tokens of a split, or `None` if the text was prepared without it.
    ///
    /// `split(Split::Train)` is never `None`, and never contains what is held out; it equals [`Corpus::training`],
    /// which needs no `Option`. Do not fall back on [`Corpus::tokens`] for a missing split: it contains all of them.
    pub fn split(&self, split: Split) -> Option<Tokens<'_>> {
        self.index.split(split).map(|entry| self.entry_tokens(entry))
    }

    /// The text of a range of tokens. Boundaries between documents have no text.
    ///
    /// # Panics
    /// If the range is not inside the corpus.
    pub fn text(&self, range: Range<usize>) -> String {
        self.vocabulary().decode(&self.tokens().to_vec(range))
    }

    fn entry_tokens(&self, entry: SplitEntry) -> Tokens<'_> {
        let start = entry.offset as usize;
        Tokens::of_shards(&self.shards, start..start + entry.tokens as usize)
    }
}
