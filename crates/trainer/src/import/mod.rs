//! A network that PyTorch trained, as a checkpoint: a `.safetensors` file in, a checkpoint's folder out.
//!
//! The file holds the weights of a module with the fields `embedding`, `lstm` and `output`, under the names of
//! [`model_card::tensors`]; a prefix of all names, such as `module.`, is ignored. All sizes follow from the shapes. What
//! the tensors do not say, above all which character an id stands for, is a [`Description`]: from a card beside the file,
//! or from the prepared corpus whose ids the module was trained on.
//!
//! A file without `embedding.weight` has one-hot input, and so has one whose embedding is the identity matrix. An embedding
//! that equals `output.weight`, or takes its place in the file, is tied to it.

mod error;

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fs;
use std::io;
use std::path::Path;

use candle_core::{DType, Device, Tensor};
use corpus::{Corpus, Split, Tokens};
use lstm::CharLstm;
use model_card::{
    CARD_FILE, Context, FORMAT_VERSION, InputEncoding, ModelCard, ModelSize, Normalisation, Provenance, Vocabulary,
    WEIGHTS_FILE, tensors,
};

pub use error::{Error, Result};

/// Characters of the seed text for a model that reads no window.
const SEED_LENGTH: usize = 40;

/// Names that an error lists at most.
const LISTED: usize = 8;

/// What the tensors do not say: a [`ModelCard`] without the sizes.
#[derive(Debug, Clone, PartialEq)]
pub struct Description {
    /// Tokens and their texts, in the order of the network's ids.
    pub vocabulary: Vocabulary,
    /// How a prompt is normalised before it is looked up.
    pub normalisation: Normalisation,
    /// What the model expects to have seen.
    pub context: Context,
    /// An excerpt to start from when no prompt is given.
    pub seed_text: String,
    /// Where the model came from.
    pub provenance: Provenance,
}

impl Description {
    /// What `card.json` beside the file says; `None` if there is none.
    pub fn beside(file: &Path) -> Result<Option<Self>> {
        let path = file.with_file_name(CARD_FILE);
        match fs::read_to_string(&path) {
            Ok(json) => {
                let card = ModelCard::from_json(&json).map_err(|source| Error::Card { path, source })?;
                Ok(Some(card.into()))
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(source) => Err(Error::Read { path, source }),
        }
    }

    /// What the corpus says that the module was trained on; `context` is how it was trained.
    pub fn of_corpus(corpus: &Corpus, context: Context) -> Self {
        let index = corpus.index();
        let tokens = corpus.split(Split::Train).unwrap_or(Tokens::of(&[]));
        let length = match context {
            Context::Window { length } => length,
            Context::Stateful => SEED_LENGTH,
        };
        Self {
            vocabulary: corpus.vocabulary().clone(),
            normalisation: corpus.normalisation(),
            context,
            seed_text: corpus.vocabulary().decode(&tokens.to_vec(0..length.min(tokens.len()))),
            provenance: Provenance {
                dataset: index.name.clone(),
                licence: index.licence.clone(),
                tokens: index.tokens,
                recipe: "imported".into(),
                program: concat!("scrimshaw ", env!("CARGO_PKG_VERSION")).into(),
                ..Provenance::default()
            },
        }
    }
}

impl From<ModelCard> for Description {
    fn from(card: ModelCard) -> Self {
        let ModelCard { vocabulary, normalisation, context, seed_text, provenance, .. } = card;
        Self { vocabulary, normalisation, context, seed_text, provenance }
    }
}

/// Writes the network of a `.safetensors` file as a checkpoint into a new `folder`, and returns its card.
///
/// The numbers are those of the file, except for PyTorch's two biases per layer: a checkpoint holds their sum, and zeros.
pub fn import(file: &Path, description: Description, folder: &Path) -> Result<ModelCard> {
    import_into(file, description, folder, Path::new(""))
}

/// The same with the checkpoint at a relative path in the new `folder`.
pub fn import_into(file: &Path, description: Description, folder: &Path, path: &Path) -> Result<ModelCard> {
    let exists = || Error::Exists { path: folder.into() };
    if folder.symlink_metadata().is_ok() {
        return Err(exists());
    }
    let network = read(file)?;
    let size = *network.size();
    let Description { vocabulary, normalisation, context, seed_text, provenance } = description;
    if vocabulary.len() != size.vocabulary {
        let (network, vocabulary) = (size.vocabulary, vocabulary.len());
        return Err(Error::OtherVocabulary { path: file.into(), network, vocabulary });
    }
    let format_version = FORMAT_VERSION;
    let card = ModelCard { format_version, vocabulary, normalisation, size, context, seed_text, provenance };
    let tensors: HashMap<String, Tensor> = network.tensors()?.into_iter().collect();
    let fill = |folder: &Path| {
        let checkpoint = folder.join(path);
        fs::create_dir_all(&checkpoint)?;
        candle_core::safetensors::save(&tensors, checkpoint.join(WEIGHTS_FILE)).map_err(io::Error::other)?;
        fs::write(checkpoint.join(CARD_FILE), card.to_json())
    };
    durable::create_dir(folder, fill).map_err(|source| match source.kind() {
        // Not if a parent is a file.
        io::ErrorKind::AlreadyExists if folder.symlink_metadata().is_ok() => exists(),
        _ => Error::Write { path: folder.into(), source },
    })?;
    Ok(card)
}

/// The network of a `.safetensors` file that PyTorch wrote, its sizes read off the shapes.
pub fn read(file: &Path) -> Result<CharLstm> {
    let bytes = fs::read(file).map_err(|source| Error::Read { path: file.into(), source })?;
    let tensors = candle_core::safetensors::load_buffer(&bytes, &Device::Cpu)
        .map_err(|error| Error::NotSafetensors { path: file.into(), message: error.to_string() })?;
    let mut module = Module { file, prefix: prefix(file, &tensors)?, tensors };
    let size = module.size()?;
    module.check(&size)?;
    let prefix = module.prefix.len();
    let weights = module.tensors.into_iter().map(|(name, tensor)| (name[prefix..].to_owned(), tensor));
    Ok(CharLstm::load(weights, &size, &Device::Cpu)?)
}

/// The tensors of a file, and the prefix of all their names.
struct Module<'f> {
    file: &'f Path,
    prefix: String,
    tensors: HashMap<String, Tensor>,
}

impl Module<'_> {
    /// Reads the sizes off the shapes. An embedding that is the identity is removed, since the input is one-hot. One that is
    /// stored instead of the output weight is stored as both.
    fn size(&mut self) -> Result<ModelSize> {
        let (table, output) = (self.name(tensors::EMBEDDING_WEIGHT), self.name(tensors::OUTPUT_WEIGHT));
        if !self.tensors.contains_key(&output)
            && let Some(tied) = self.tensors.get(&table)
            && let Some(recurrent) = self.tensors.get(&self.name(&tensors::weight_hh(0)))
            && tied.dims().last() == recurrent.dims().last()
        {
            self.tensors.insert(output.clone(), tied.clone());
        }
        let (vocabulary, hidden) = self.matrix(tensors::OUTPUT_WEIGHT, "(vocabulary, hidden size)")?;
        let layers = (0..self.tensors.len()).take_while(|&layer| self.has(&tensors::weight_ih(layer))).count();
        let mut input = InputEncoding::OneHot;
        if self.has(tensors::EMBEDDING_WEIGHT) {
            let (_, size) = self.matrix(tensors::EMBEDDING_WEIGHT, "(vocabulary, length of a vector)")?;
            if is_identity(&self.tensors[&table])? {
                self.tensors.remove(&table);
            } else if are_equal(&self.tensors[&table], &self.tensors[&output])? {
                input = InputEncoding::TiedEmbedding;
            } else {
                input = InputEncoding::Embedding { size };
            }
        }
        Ok(ModelSize { vocabulary, hidden, layers, input })
    }

    /// Compares names, shapes and numbers with those of a network of this size.
    fn check(&self, size: &ModelSize) -> Result<()> {
        let mut foreign: BTreeSet<&str> = self.tensors.keys().map(String::as_str).collect();
        for (name, expected) in shapes(size) {
            let tensor = self.get(&name)?;
            let name = self.name(&name);
            if tensor.dims() != expected {
                let one_hot = size.input == InputEncoding::OneHot && name.ends_with(&tensors::weight_ih(0));
                let why = if one_hot { " (without `embedding.weight` the input is one-hot)" } else { "" };
                return Err(self.wrong_shape(name, tensor, format!("{expected:?}{why}")));
            }
            // One number that is not finite makes the sum not finite.
            let sum = tensor.to_dtype(DType::F64)?.abs()?.sum_all()?.to_scalar::<f64>()?;
            if !sum.is_finite() {
                return Err(Error::NotFinite { path: self.file.into(), name });
            }
            foreign.remove(name.as_str());
        }
        if foreign.is_empty() {
            return Ok(());
        }
        Err(Error::Foreign { path: self.file.into(), names: list(foreign) })
    }

    /// The two sizes of a matrix, neither of which may be zero.
    fn matrix(&self, name: &str, expected: &str) -> Result<(usize, usize)> {
        let tensor = self.get(name)?;
        match *tensor.dims() {
            [rows, columns] if rows > 0 && columns > 0 => Ok((rows, columns)),
            _ => Err(self.wrong_shape(self.name(name), tensor, expected.into())),
        }
    }

    fn get(&self, name: &str) -> Result<&Tensor> {
        let name = self.name(name);
        self.tensors.get(&name).ok_or_else(|| {
            let advice = if name.contains("bias") {
                "make the module with `bias=True`, or add zeros of that name"
            } else {
                "give the module the fields `lstm` (nn.LSTM) and `output` (nn.Linear), and save all of its state_dict"
            };
            Error::Missing { path: self.file.into(), name, advice }
        })
    }

    fn has(&self, name: &str) -> bool {
        self.tensors.contains_key(&self.name(name))
    }

    /// A tensor's name in the file.
    fn name(&self, name: &str) -> String {
        format!("{}{name}", self.prefix)
    }

    fn wrong_shape(&self, name: String, tensor: &Tensor, expected: String) -> Error {
        Error::Shape { path: self.file.into(), name, found: tensor.dims().to_vec(), expected }
    }
}

/// Every tensor of a network and its shape: PyTorch's.
fn shapes(size: &ModelSize) -> BTreeMap<String, Vec<usize>> {
    let ModelSize { vocabulary, hidden, layers, .. } = *size;
    let mut all = BTreeMap::new();
    if let Some(size) = size.embedding_size() {
        all.insert(tensors::EMBEDDING_WEIGHT.into(), vec![vocabulary, size]);
    }
    for layer in 0..layers {
        all.insert(tensors::weight_ih(layer), vec![4 * hidden, size.input_size(layer)]);
        all.insert(tensors::weight_hh(layer), vec![4 * hidden, hidden]);
        all.insert(tensors::bias_ih(layer), vec![4 * hidden]);
        all.insert(tensors::bias_hh(layer), vec![4 * hidden]);
    }
    all.insert(tensors::OUTPUT_WEIGHT.into(), vec![vocabulary, hidden]);
    all.insert(tensors::OUTPUT_BIAS.into(), vec![vocabulary]);
    all
}

/// The prefix of the first layer's weight, if there is one and no other.
fn prefix(file: &Path, tensors: &HashMap<String, Tensor>) -> Result<String> {
    let first = tensors::weight_ih(0);
    let found = tensors.keys().filter_map(|name| name.strip_suffix(&first));
    let prefixes: BTreeSet<&str> = found.filter(|prefix| prefix.is_empty() || prefix.ends_with('.')).collect();
    let mut each = prefixes.iter();
    match (each.next(), each.next()) {
        (Some(prefix), None) => Ok((*prefix).into()),
        (None, _) => {
            let names: BTreeSet<&str> = tensors.keys().map(String::as_str).collect();
            let found = if names.is_empty() { "nothing".into() } else { list(names) };
            Err(Error::NoNetwork { path: file.into(), found })
        }
        _ => Err(Error::SeveralNetworks { path: file.into(), prefixes: list(prefixes) }),
    }
}

/// Whether an embedding gives each token its one-hot vector.
fn is_identity(table: &Tensor) -> Result<bool> {
    let (rows, columns) = table.dims2()?;
    Ok(rows == columns && are_equal(table, &Tensor::eye(rows, DType::F32, &Device::Cpu)?)?)
}

/// Whether two tensors have the same shape and, in float32, the same numbers.
fn are_equal(left: &Tensor, right: &Tensor) -> Result<bool> {
    if left.dims() != right.dims() {
        return Ok(false);
    }
    let difference = (left.to_dtype(DType::F32)? - right.to_dtype(DType::F32)?)?;
    Ok(difference.abs()?.sum_all()?.to_scalar::<f32>()? == 0.0)
}

/// The first names in quotes, and how many more there are.
fn list(names: BTreeSet<&str>) -> String {
    let more = names.len().saturating_sub(LISTED);
    let quoted: Vec<String> = names.into_iter().take(LISTED).map(|name| format!("`{name}`")).collect();
    let shown = quoted.join(", ");
    if more > 0 { format!("{shown} and {more} more") } else { shown }
}
