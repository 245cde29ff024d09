//! The two passes over a text.

use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU64};
use std::thread;

use model_card::{Unit, Vocabulary, counted};
use xxhash_rust::xxh3::{Xxh3, xxh3_64};

use super::blocks::{Block, Blocks, CutRules, FileCounts, Span};
use super::count::Histogram;
use super::encode::Encoder;
use super::inputs::Inputs;
use super::options::{Options, Progress, Stage};
use super::pipeline::process_in_order;
use super::reading::Reading;
use super::shards::Shards;
use super::splitter::{BlockTokens, Splitter};
use super::text::{Normaliser, Piece};
use super::totals::{FirstPass, Totals, split_rule};
use crate::index::{INDEX_VERSION, Index, SplitEntry, WindowShape};
use crate::shard::writer::FinishedShard;
use crate::{Error, Result, Settings, Split, Windows};

/// A text that is being prepared.
pub struct Job<'j> {
    pub options: &'j Options,
    pub settings: Settings,
    pub inputs: Inputs,
    pub progress: &'j mut (dyn FnMut(Progress) + Send),
    pub cancelled: &'j AtomicBool,
    pub block_bytes: usize,
}

/// A worker of the first pass.
#[derive(Default)]
struct Counter {
    histogram: Histogram,
    tokens: BlockTokens,
    hash: u64,
}

/// A worker of the second pass.
#[derive(Default)]
struct BlockEncoder {
    ids: Vec<u8>,
    tokens: BlockTokens,
    hash: u64,
}

impl<'j> Job<'j> {
    /// The first pass: counts symbols, tokens and documents.
    pub fn count(&mut self) -> Result<FirstPass> {
        let (mut totals, bytes) = (Totals::new(&self.settings), self.inputs.bytes());
        let (histogram, files) = self.count_blocks(Span::ALL, bytes, |_, hash, tokens| totals.add(hash, tokens))?;
        Ok(totals.finish(histogram, files))
    }

    /// Counts the symbols of some blocks, and passes each block with its hash and its tokens to `receive`, in order.
    /// About `bytes` bytes will be read.
    pub fn count_blocks(
        &mut self,
        span: Span,
        bytes: u64,
        mut receive: impl FnMut(&Block, u64, &BlockTokens) -> Result<()> + Send,
    ) -> Result<(Histogram, FileCounts)> {
        let normaliser = Normaliser::new(&self.settings);
        let (threads, inputs) = (self.threads(), &self.inputs);
        let read = AtomicU64::new(0);
        let mut blocks = Blocks::new(&inputs.files, self.reading(&read), self.rules(), self.block_bytes, span);
        let progress = &mut self.progress;
        let counters = process_in_order(
            threads,
            &mut blocks,
            Counter::default,
            |counter, block| {
                counter.tokens.clear();
                counter.hash = xxh3_64(&block.bytes);
                let Counter { histogram, tokens, .. } = counter;
                let receive = |piece: Piece<'_>| {
                    histogram.add(piece);
                    tokens.count += match piece {
                        Piece::Boundary => 1,
                        Piece::Bytes(bytes) => bytes.len(),
                        Piece::Characters(text) => text.chars().count(),
                    };
                    if piece == Piece::Boundary {
                        tokens.ends.push(tokens.count);
                    }
                };
                normaliser.pieces(block, receive).map_err(|place| not_text(inputs, block, place))
            },
            |counter, block| {
                progress(Progress { stage: Stage::Counting, bytes: block.read, total: Some(bytes) });
                receive(block, counter.hash, &counter.tokens)
            },
        )?;
        let mut histogram = Histogram::default();
        for counter in &counters {
            histogram.merge(&counter.histogram);
        }
        Ok((histogram, blocks.counts))
    }

    /// The index that follows from the first pass: complete but for the shards.
    pub fn index(&self, pass: &FirstPass) -> Result<Index> {
        let Self { options, settings, inputs, .. } = self;
        if pass.files.read == 0 {
            let (binary, empty) = (pass.files.binary, pass.files.empty + inputs.empty);
            return Err(Error::NothingFound { path: options.inputs[0].clone(), binary, empty });
        }
        let mut splits = Vec::new();
        let mut offset = 0;
        for (split, tokens) in Split::ALL.into_iter().zip(pass.tokens) {
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
        let (vocabulary, unknown) = pass.histogram.vocabulary(settings)?;
        Ok(Index {
            format_version: INDEX_VERSION,
            name: options.name.clone(),
            run: self.run(pass.content, &vocabulary),
            source: options.source.clone(),
            licence: options.licence.clone(),
            settings: settings.clone(),
            tokens: offset,
            documents: pass.documents,
            unknown,
            window: WindowShape {
                length: options.window,
                step: options.step,
                count: Windows::count(pass.tokens[0] as usize, options.window, options.step) as u64,
            },
            splits,
            shards: Vec::new(),
            inputs: crate::Inputs {
                files: pass.files.read,
                bytes: inputs.bytes(),
                skipped_binary: pass.files.binary,
                skipped_empty: pass.files.empty + inputs.empty,
                content: pass.content,
                stamp: inputs.stamp,
            },
            vocabulary,
        })
    }

    /// What the user should know about the text.
    pub fn warnings(&self, pass: &FirstPass) -> Vec<String> {
        let mut warnings = Vec::new();
        let nul = pass.histogram.nul(self.settings.unit);
        if nul > 0 {
            let nul = counted(nul, "NUL character");
            warnings.push(format!("the text contains {nul} (U+0000); check that it is text"));
        }
        let (unmarked, files) = (pass.files.unmarked, pass.files.read);
        if unmarked > 0 {
            warnings.push(if files == 1 {
                "the text has no Project Gutenberg start mark, so nothing was left out of it".into()
            } else {
                let which = format!("{unmarked} of {files} files");
                format!("nothing was left out of {which}, because they have no Project Gutenberg start mark")
            });
        }
        warnings
    }

    /// The second pass: writes the ids.
    pub fn write(&mut self, index: &Index, folder: &Path) -> Result<Vec<FinishedShard>> {
        let encoder = Encoder::new(&index.vocabulary);
        let width = encoder.width().bytes();
        let mut splitter = Splitter::new(split_rule(index));
        let mut shards = Shards::all(index, folder);
        let mut content = Xxh3::new();
        let bytes = self.inputs.bytes();
        self.encode_blocks(Span::ALL, bytes, &encoder, |_, hash, tokens, ids| {
            content.update(&hash.to_le_bytes());
            splitter.assign(tokens, |split, range| shards.push(split, &ids[range.start * width..range.end * width]))
        })?;
        if content.digest() != index.inputs.content {
            return Err(Error::InputChanged);
        }
        shards.finish()
    }

    /// Encodes some blocks, and passes each with its hash, its tokens and their ids to `receive`, in order. About `bytes`
    /// bytes will be read.
    pub fn encode_blocks(
        &mut self,
        span: Span,
        bytes: u64,
        encoder: &Encoder,
        mut receive: impl FnMut(&Block, u64, &BlockTokens, &[u8]) -> Result<()> + Send,
    ) -> Result<()> {
        let normaliser = Normaliser::new(&self.settings);
        let (threads, inputs) = (self.threads(), &self.inputs);
        let read = AtomicU64::new(0);
        let mut blocks = Blocks::new(&inputs.files, self.reading(&read), self.rules(), self.block_bytes, span);
        let progress = &mut self.progress;
        process_in_order(
            threads,
            &mut blocks,
            BlockEncoder::default,
            |worker, block| {
                worker.ids.clear();
                worker.tokens.clear();
                worker.hash = xxh3_64(&block.bytes);
                let BlockEncoder { ids, tokens, .. } = worker;
                let receive = |piece: Piece<'_>| {
                    tokens.count += encoder.encode(piece, ids);
                    if piece == Piece::Boundary {
                        tokens.ends.push(tokens.count);
                    }
                };
                normaliser.pieces(block, receive).map_err(|place| not_text(inputs, block, place))
            },
            |worker, block| {
                progress(Progress { stage: Stage::Writing, bytes: block.read, total: Some(bytes) });
                receive(block, worker.hash, &worker.tokens, &worker.ids)
            },
        )?;
        Ok(())
    }

    fn threads(&self) -> usize {
        let cores = || thread::available_parallelism().map_or(1, usize::from);
        self.options.threads.unwrap_or_else(cores).clamp(1, 32)
    }

    fn reading<'a>(&self, read: &'a AtomicU64) -> Reading<'a>
    where
        'j: 'a,
    {
        Reading {
            // A token can be any byte, so bytes stay as they are.
            drop_byte_order_mark: self.settings.unit == Unit::Char,
            strip_gutenberg: self.settings.strip_gutenberg,
            read,
            cancelled: self.cancelled,
        }
    }

    fn rules(&self) -> CutRules {
        CutRules { text: Normaliser::new(&self.settings).needs_text(), nfc: self.settings.normalisation.nfc }
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
        [0xff, 0xfe, ..] | [0xfe, 0xff, ..] if block.offset == 0 => " (it looks like UTF-16)",
        _ => "",
    };
    let path = inputs.files[block.input].path.clone();
    Error::InvalidUtf8 { path, offset: block.offset + place as u64, hint }
}
