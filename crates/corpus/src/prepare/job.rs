//! The two readings of a text.

use std::path::Path;
use std::sync::atomic::AtomicBool;
use std::thread;

use model_card::Vocabulary;
use xxhash_rust::xxh3::{Xxh3, xxh3_64};

use super::blocks::{Block, Blocks, Rules, Tally};
use super::count::Histogram;
use super::encode::Encoder;
use super::inputs::Inputs;
use super::layout::{Layout, Rule, Shape};
use super::pipeline::in_order;
use super::text::{Piece, Reading};
use super::{Options, Progress, Stage};
use crate::index::{INDEX_VERSION, Index, SplitEntry, WindowShape};
use crate::shard::format::Width;
use crate::shard::writer::{FinishedShard, ShardWriter, Shared};
use crate::{Error, Result, Settings, Split, SplitBy, Windows};

/// A text at work.
pub struct Job<'j> {
    pub options: &'j Options,
    pub settings: Settings,
    pub inputs: Inputs,
    pub progress: &'j mut (dyn FnMut(Progress) + Send),
    pub cancelled: &'j AtomicBool,
    pub block_bytes: usize,
}

/// What the first reading found.
pub struct Counted {
    histogram: Histogram,
    /// Tokens of each split.
    tokens: [u64; 3],
    documents: u64,
    content: u64,
    tally: Tally,
}

/// What a worker of the first reading gathers.
#[derive(Default)]
struct Counter {
    histogram: Histogram,
    shape: Shape,
    hash: u64,
}

/// What a worker of the second reading fills.
#[derive(Default)]
struct Scribe {
    ids: Vec<u8>,
    shape: Shape,
    hash: u64,
}

impl Job<'_> {
    /// The first reading: counts symbols, tokens and documents.
    pub fn count(&mut self) -> Result<Counted> {
        let reading = Reading::new(&self.settings);
        let by_document = self.settings.split_by == SplitBy::Document;
        let shares = self.settings.split;
        let mut layout =
            Layout::new(if by_document { Rule::Documents(shares) } else { Rule::Contiguous([u64::MAX, 0, 0]) });
        let mut tokens = [0; 3];
        let mut content = Xxh3::new();
        let (threads, inputs, total) = (self.threads(), &self.inputs, Some(self.inputs.bytes()));
        let mut blocks = Blocks::new(&inputs.files, self.rules(), self.block_bytes);
        let progress = &mut self.progress;
        let counters = in_order(
            threads,
            &mut blocks,
            self.cancelled,
            Counter::default,
            |counter, block| {
                counter.shape.clear();
                counter.hash = xxh3_64(&block.bytes);
                let Counter { histogram, shape, .. } = counter;
                let receive = |piece: Piece<'_>| {
                    histogram.add(piece);
                    shape.tokens += match piece {
                        Piece::Boundary => 1,
                        Piece::Bytes(bytes) => bytes.len(),
                        Piece::Characters(text) => text.chars().count(),
                    };
                    if piece == Piece::Boundary {
                        shape.ends.push(shape.tokens);
                    }
                };
                reading.pieces(block, receive).map_err(|place| not_text(inputs, block, place))
            },
            |counter, block| {
                content.update(&counter.hash.to_le_bytes());
                progress(Progress { stage: Stage::Counting, bytes: block.read, total });
                layout.deal(&counter.shape, |split, range| {
                    tokens[split as usize] += range.len() as u64;
                    Ok(())
                })
            },
        )?;
        let mut histogram = Histogram::default();
        for counter in &counters {
            histogram.merge(&counter.histogram);
        }
        if !by_document {
            tokens = shares.cut(tokens[0]);
        }
        Ok(Counted {
            histogram,
            tokens,
            documents: if reading.bounds() { layout.documents() } else { 0 },
            content: content.digest(),
            tally: blocks.tally,
        })
    }

    /// What the first reading makes of the corpus: all of its index but the shards.
    pub fn index(&self, counted: &Counted) -> Result<Index> {
        let Self { options, settings, inputs, .. } = self;
        if counted.tally.files == 0 {
            let (binary, empty) = (counted.tally.binary, counted.tally.empty + inputs.empty);
            return Err(Error::NothingFound { path: options.inputs[0].clone(), binary, empty });
        }
        let mut splits = Vec::new();
        let mut offset = 0;
        for (split, tokens) in Split::ALL.into_iter().zip(counted.tokens) {
            if settings.split.percent(split) == 0 {
                continue;
            }
            if tokens <= options.window as u64 {
                let alone = settings.split.percent(Split::Train) == 100;
                let what = if alone { "the text".into() } else { format!("the {split} split") };
                return Err(Error::TooShort { what, tokens, window: options.window });
            }
            splits.push(SplitEntry { split, offset, tokens });
            offset += tokens;
        }
        let (vocabulary, unknown) = counted.histogram.vocabulary(settings)?;
        Ok(Index {
            format_version: INDEX_VERSION,
            name: options.name.clone(),
            run: self.run(counted.content, &vocabulary),
            source: options.source.clone(),
            licence: options.licence.clone(),
            settings: settings.clone(),
            tokens: offset,
            documents: counted.documents,
            unknown,
            window: WindowShape {
                length: options.window,
                step: options.step,
                count: Windows::count(counted.tokens[0] as usize, options.window, options.step) as u64,
            },
            splits,
            shards: Vec::new(),
            inputs: crate::Inputs {
                files: counted.tally.files,
                bytes: inputs.bytes(),
                skipped_binary: counted.tally.binary,
                skipped_empty: counted.tally.empty + inputs.empty,
                content: counted.content,
                stamp: inputs.stamp,
            },
            vocabulary,
        })
    }

    /// What the user may want to know about the text.
    pub fn warnings(&self, counted: &Counted) -> Vec<String> {
        let mut warnings = Vec::new();
        let nul = counted.histogram.nul(self.settings.unit);
        if nul > 0 {
            warnings.push(format!("the text holds {nul} NUL characters (U+0000): is it a text?"));
        }
        let unmarked = counted.tally.unmarked;
        if unmarked > 0 {
            let files = counted.tally.files;
            warnings.push(format!("{unmarked} of {files} files have no Project Gutenberg marks and stay whole"));
        }
        warnings
    }

    /// The second reading: writes the ids.
    pub fn write(&mut self, index: &Index, folder: &Path) -> Result<Vec<FinishedShard>> {
        let reading = Reading::new(&self.settings);
        let encoder = Encoder::new(&index.vocabulary);
        let rule = if self.settings.split_by == SplitBy::Document {
            Rule::Documents(self.settings.split)
        } else {
            Rule::Contiguous(Split::ALL.map(|split| index.split(split).map_or(0, |entry| entry.tokens)))
        };
        let mut layout = Layout::new(rule);
        let mut shards = Shards::new(index, encoder.width(), folder);
        let mut content = Xxh3::new();
        let width = encoder.width().bytes();
        let (threads, inputs, total) = (self.threads(), &self.inputs, Some(self.inputs.bytes()));
        let mut blocks = Blocks::new(&inputs.files, self.rules(), self.block_bytes);
        let progress = &mut self.progress;
        in_order(
            threads,
            &mut blocks,
            self.cancelled,
            Scribe::default,
            |scribe, block| {
                scribe.ids.clear();
                scribe.shape.clear();
                scribe.hash = xxh3_64(&block.bytes);
                let Scribe { ids, shape, .. } = scribe;
                let receive = |piece: Piece<'_>| {
                    shape.tokens += encoder.encode(piece, ids);
                    if piece == Piece::Boundary {
                        shape.ends.push(shape.tokens);
                    }
                };
                reading.pieces(block, receive).map_err(|place| not_text(inputs, block, place))
            },
            |scribe, block| {
                content.update(&scribe.hash.to_le_bytes());
                progress(Progress { stage: Stage::Writing, bytes: block.read, total });
                let ids = &scribe.ids;
                layout.deal(&scribe.shape, |split, range| {
                    shards.push(split, &ids[range.start * width..range.end * width])
                })
            },
        )?;
        if content.digest() != index.inputs.content {
            return Err(Error::InputChanged);
        }
        shards.finish()
    }

    fn threads(&self) -> usize {
        let cores = || thread::available_parallelism().map_or(1, usize::from);
        self.options.threads.unwrap_or_else(cores).clamp(1, 32)
    }

    fn rules(&self) -> Rules {
        Rules {
            text: Reading::new(&self.settings).decodes(),
            nfc: self.settings.normalisation.nfc,
            strip_gutenberg: self.settings.strip_gutenberg,
        }
    }

    fn run(&self, content: u64, vocabulary: &Vocabulary) -> u64 {
        let mut hash = Xxh3::new();
        hash.update(&content.to_le_bytes());
        hash.update(&vocabulary.fingerprint().to_le_bytes());
        hash.update(&self.settings.to_bytes());
        hash.digest()
    }
}

fn not_text(inputs: &Inputs, block: &Block, place: usize) -> Error {
    let hint = match block.bytes[..] {
        [0xff, 0xfe, ..] | [0xfe, 0xff, ..] if block.offset == 0 => " (it begins like UTF-16)",
        _ => "",
    };
    let path = inputs.files[block.input].path.clone();
    Error::InvalidUtf8 { path, offset: block.offset + place as u64, hint }
}

/// The shards of all splits at work.
struct Shards<'s> {
    folder: &'s Path,
    shared: Shared,
    /// Bytes of a shard at most: whole ids.
    limit: u64,
    splits: [SplitShards; 3],
}

#[derive(Default)]
struct SplitShards {
    current: Option<ShardWriter>,
    finished: Vec<FinishedShard>,
    /// Tokens of the corpus before the current shard.
    offset: u64,
}

impl<'s> Shards<'s> {
    fn new(index: &Index, width: Width, folder: &'s Path) -> Self {
        let shared = Shared { width, vocabulary: index.vocabulary.fingerprint(), run: index.run };
        let width = width.bytes() as u64;
        let limit = index.settings.shard_bytes / width * width;
        let splits = Split::ALL.map(|split| {
            let offset = index.split(split).map_or(0, |entry| entry.offset);
            SplitShards { offset, ..SplitShards::default() }
        });
        Self { folder, shared, limit, splits }
    }

    fn push(&mut self, split: Split, mut ids: &[u8]) -> Result<()> {
        while !ids.is_empty() {
            let shards = &mut self.splits[split as usize];
            let writer = match &mut shards.current {
                Some(writer) => writer,
                none => none.insert(ShardWriter::create(self.folder, self.shared)?),
            };
            let room = (self.limit - writer.bytes()).min(ids.len() as u64) as usize;
            writer.push(&ids[..room])?;
            ids = &ids[room..];
            if writer.bytes() == self.limit {
                shards.close(split, self.shared)?;
            }
        }
        Ok(())
    }

    fn finish(mut self) -> Result<Vec<FinishedShard>> {
        let mut finished = Vec::new();
        for split in Split::ALL {
            let shards = &mut self.splits[split as usize];
            shards.close(split, self.shared)?;
            finished.append(&mut shards.finished);
        }
        Ok(finished)
    }
}

impl SplitShards {
    fn close(&mut self, split: Split, shared: Shared) -> Result<()> {
        if let Some(writer) = self.current.take() {
            let name = format!("{split}-{:05}-{:016x}.shard", self.finished.len(), shared.run);
            let shard = writer.finish(name, self.offset)?;
            self.offset += shard.entry().count;
            // One shard a split is on its way to the disk while the next is written, and no more.
            self.finished.last_mut().map_or(Ok(()), FinishedShard::settle)?;
            self.finished.push(shard);
        }
        Ok(())
    }
}
