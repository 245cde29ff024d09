//! A prepared corpus: the index and its mapped shards.

use std::fs::File;
use std::io;
use std::ops::Range;
use std::path::{Path, PathBuf};

use memmap2::Mmap;
use model_card::{Normalisation, Vocabulary};

use crate::shard::format::{HEADER_LENGTH, Header, Shard};
use crate::shard::map::map;
use crate::{Error, Index, Result, Split, Tokens};

/// A prepared corpus, open for reading. It takes no memory for the ids: they are read from the mapped shards.
#[derive(Debug)]
pub struct Corpus {
    folder: PathBuf,
    index: Index,
    shards: Vec<Mapped>,
}

#[derive(Debug)]
struct Mapped {
    path: PathBuf,
    header: Header,
    bytes: Mmap,
    offset: usize,
    count: usize,
}

impl Corpus {
    /// Opens what `prepare` wrote into a folder.
    ///
    /// Checks all that costs no reading: that every shard is there, has the length that its header says, and belongs to
    /// this index and its vocabulary. [`Corpus::verify`] reads the ids too.
    pub fn open(folder: &Path) -> Result<Self> {
        let index = Index::read(folder)?;
        let vocabulary = index.vocabulary.fingerprint();
        let open = |entry: &crate::index::ShardEntry| {
            let path = folder.join(&entry.file);
            let bytes = open_shard(&path)?;
            let header = Shard::parse(&bytes, &path)?.header();
            if header.run != index.run {
                return Err(Error::OtherRun { path, found: header.run, expected: index.run });
            }
            if header.vocabulary != vocabulary {
                return Err(Error::OtherVocabulary { path, found: header.vocabulary, expected: vocabulary });
            }
            if (header.offset, header.count, header.checksum) != (entry.offset, entry.count, entry.checksum) {
                let message = "its header says other things of it than the index does".into();
                return Err(Error::ShardHeader { path, message });
            }
            // The index was checked to count no more tokens than a usize can.
            Ok(Mapped { path, header, bytes, offset: entry.offset as usize, count: entry.count as usize })
        };
        let shards = index.shards.iter().map(open).collect::<Result<_>>()?;
        Ok(Self { folder: folder.into(), index, shards })
    }

    /// Reads every id: the checksums must hold, and no id may be outside the vocabulary. Some seconds a 10 GB.
    pub fn verify(&self) -> Result<()> {
        self.verdicts().collect()
    }

    /// Verifies the shards one by one, in the order of the index.
    pub fn verdicts(&self) -> impl Iterator<Item = Result<()>> + '_ {
        let vocabulary = self.index.vocabulary.len();
        self.shards.iter().map(move |shard| shard.view().verify(vocabulary, &shard.path))
    }

    /// The folder that holds it.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// What it is made of and where it came from.
    pub fn index(&self) -> &Index {
        &self.index
    }

    /// Tokens and their texts.
    pub fn vocabulary(&self) -> &Vocabulary {
        &self.index.vocabulary
    }

    /// What was done to the text, and is to be done to a prompt.
    pub fn normalisation(&self) -> Normalisation {
        self.index.settings.normalisation
    }

    /// All tokens, the splits one after another.
    pub fn tokens(&self) -> Tokens<'_> {
        Tokens::of_corpus(self, 0..self.index.tokens as usize)
    }

    /// The tokens of a split; `None` where nothing was held out for it. There is always one to train on.
    pub fn split(&self, split: Split) -> Option<Tokens<'_>> {
        self.index.split(split).map(|entry| {
            let start = entry.offset as usize;
            Tokens::of_corpus(self, start..start + entry.tokens as usize)
        })
    }

    /// The text of a range of tokens; a boundary has none.
    ///
    /// # Panics
    /// If the range is not inside the corpus.
    pub fn text(&self, range: Range<usize>) -> String {
        self.vocabulary().decode(&self.tokens().to_vec(range))
    }

    /// Fills `output` from a position on, across shards; [`Tokens::read`] has checked that there are so many ids.
    pub(crate) fn read(&self, start: usize, mut output: &mut [u32]) {
        // The first shard that ends after `start`: found among many in the logarithm of their number.
        let first = self.shards.partition_point(|shard| shard.offset + shard.count <= start);
        let mut position = start;
        for shard in &self.shards[first..] {
            if output.is_empty() {
                return;
            }
            let inside = position - shard.offset;
            let (now, later) = output.split_at_mut(output.len().min(shard.count - inside));
            shard.view().read(inside, now);
            position += now.len();
            output = later;
        }
    }
}

impl Mapped {
    /// The shard as it was checked when it was opened: its header is not read again.
    fn view(&self) -> Shard<'_> {
        Shard::trusted(self.header, &self.bytes[HEADER_LENGTH..])
    }
}

fn open_shard(path: &Path) -> Result<Mmap> {
    let failed = |source: io::Error| match source.kind() {
        io::ErrorKind::NotFound => Error::ShardMissing(path.into()),
        _ => Error::Read { path: path.into(), source },
    };
    let file = File::open(path).map_err(failed)?;
    let length = file.metadata().map_err(failed)?.len();
    // An empty file cannot be mapped on every system; this is the message that it would get anyway.
    if length < HEADER_LENGTH as u64 {
        let message = format!("it has {length} bytes, and a header takes {HEADER_LENGTH}");
        return Err(Error::ShardHeader { path: path.into(), message });
    }
    map(&file).map_err(failed)
}
