//! `trainer import`: a network that PyTorch trained, as a checkpoint.

use corpus::Corpus;
use model_card::{Context, ModelCard};

use crate::arguments::ImportArguments;
use crate::import::{Description, import as import_file};
use crate::{Error, Result};

/// Makes the checkpoint, and says what is in it.
pub fn import(arguments: &ImportArguments) -> Result<ModelCard> {
    let description = if let Some(shards) = &arguments.shards {
        let corpus = Corpus::open(shards)?;
        let window = |length| Context::Window { length: length as usize };
        Description::of_corpus(&corpus, arguments.window.map_or(Context::Stateful, window))
    } else {
        let beside = Description::beside(&arguments.file)?;
        beside.ok_or_else(|| Error::NoVocabulary { path: arguments.file.clone() })?
    };
    Ok(import_file(&arguments.file, description, &arguments.output)?)
}
