//! A PyTorch module's file to a checkpoint, without PyTorch: see `pytorch.rs` for the same with it.

use std::collections::HashMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicBool;

use candle_core::{DType, Device, Tensor};
use corpus::Corpus;
use corpus::prepare::{Options, prepare};
use lstm::{CharLstm, Outputs};
use model_card::{
    CARD_FILE, Context, InputEncoding, ModelCard, ModelSize, Normalisation, Provenance, Unit, Vocabulary, WEIGHTS_FILE,
    tensors,
};
use tempfile::TempDir;
use trainer::import::{Description, Error, import};

type Tensors = HashMap<String, Tensor>;

const TOKENS: &str = "abcdefg";
const SIZES: [ModelSize; 4] = [
    ModelSize { vocabulary: 7, hidden: 5, layers: 1, input: InputEncoding::OneHot },
    ModelSize { vocabulary: 7, hidden: 4, layers: 2, input: InputEncoding::Embedding { size: 3 } },
    // As many numbers in a vector as there are tokens: a table all the same, because it is not the identity.
    ModelSize { vocabulary: 7, hidden: 4, layers: 3, input: InputEncoding::Embedding { size: 7 } },
    ModelSize { vocabulary: 7, hidden: 4, layers: 2, input: InputEncoding::TiedEmbedding },
];

/// A fresh folder with a module's file.
struct Case {
    folder: TempDir,
}

impl Case {
    fn new(tensors: &Tensors) -> Self {
        let case = Self { folder: tempfile::tempdir().unwrap() };
        candle_core::safetensors::save(tensors, case.file()).unwrap();
        case
    }

    fn file(&self) -> PathBuf {
        self.folder.path().join("module.safetensors")
    }

    fn checkpoint(&self) -> PathBuf {
        self.folder.path().join("runs/imported")
    }

    fn import(&self) -> Result<ModelCard, Error> {
        import(&self.file(), description(TOKENS), &self.checkpoint())
    }
}

fn description(tokens: &str) -> Description {
    Description {
        vocabulary: Vocabulary::from_text(Unit::Char, tokens),
        normalisation: Normalisation { lowercase: true, ..Normalisation::default() },
        context: Context::Window { length: 12 },
        seed_text: "abba".into(),
        provenance: Provenance { dataset: "songs".into(), ..Provenance::default() },
    }
}

fn network(size: &ModelSize) -> CharLstm {
    CharLstm::init(size, 17, &Device::Cpu).unwrap()
}

fn weights(size: &ModelSize) -> Tensors {
    network(size).tensors().unwrap().into_iter().collect()
}

fn logits(network: &CharLstm) -> Vec<f32> {
    let ids = Tensor::new(&[[3_u32, 1, 4, 1], [5, 0, 2, 6]], &Device::Cpu).unwrap();
    let (logits, _) = network.forward(&ids, None, Outputs::All).unwrap(); // (N, T, V)
    logits.flatten_all().unwrap().to_vec1().unwrap()
}

/// The network of a checkpoint's folder, read as any later stage reads it.
fn checkpoint(folder: &Path) -> (ModelCard, CharLstm) {
    let card = ModelCard::from_json(&fs::read_to_string(folder.join(CARD_FILE)).unwrap()).unwrap();
    let tensors = candle_core::safetensors::load(folder.join(WEIGHTS_FILE), &Device::Cpu).unwrap();
    let network = CharLstm::load(tensors, &card.size, &Device::Cpu).unwrap();
    (card, network)
}

#[test]
fn what_goes_out_comes_back_bit_for_bit() {
    for size in SIZES {
        let case = Case::new(&weights(&size));
        let card = case.import().unwrap();
        assert_eq!(card.size, size);
        assert_eq!(Description::from(card.clone()), description(TOKENS));
        let (written, imported) = checkpoint(&case.checkpoint());
        assert_eq!(written, card);
        assert_eq!(logits(&imported), logits(&network(&size)), "{size:?}");
        let left: Vec<_> = fs::read_dir(case.checkpoint().parent().unwrap()).unwrap().collect();
        assert_eq!(left.len(), 1, "nothing temporary stays: {left:?}");
    }
}

#[test]
fn other_spellings_are_the_same_network() {
    let prefixed = |tensors: Tensors| -> Tensors {
        tensors.into_iter().map(|(name, tensor)| (format!("module.{name}"), tensor)).collect()
    };
    let two_biases = |mut tensors: Tensors| {
        let bias = tensors[&tensors::bias_ih(0)].clone();
        tensors.insert(tensors::bias_ih(0), (&bias * 0.25).unwrap());
        tensors.insert(tensors::bias_hh(0), (&bias * 0.75).unwrap());
        tensors
    };
    let identity = |mut tensors: Tensors| {
        tensors.insert(tensors::EMBEDDING_WEIGHT.into(), Tensor::eye(7, DType::F32, &Device::Cpu).unwrap());
        tensors
    };
    let double = |tensors: Tensors| -> Tensors {
        tensors.into_iter().map(|(name, tensor)| (name, tensor.to_dtype(DType::F64).unwrap())).collect()
    };
    let size = SIZES[0];
    for (what, tensors) in [
        ("a prefix", prefixed(weights(&size))),
        ("two biases", two_biases(weights(&size))),
        ("one-hot input as a table", identity(weights(&size))),
        ("float64", double(weights(&size))),
        ("all of these", prefixed(double(identity(two_biases(weights(&size)))))),
    ] {
        let case = Case::new(&tensors);
        let card = case.import().unwrap_or_else(|error| panic!("{what}: {error}"));
        assert_eq!(card.size, size, "{what}");
        assert_eq!(logits(&checkpoint(&case.checkpoint()).1), logits(&network(&size)), "{what}");
    }
}

#[test]
fn a_tied_table_needs_one_name() {
    let size = SIZES[3];
    let mut tensors = weights(&size);
    tensors.remove(tensors::OUTPUT_WEIGHT);
    let case = Case::new(&tensors);
    assert_eq!(case.import().unwrap().size, size);
    assert_eq!(logits(&checkpoint(&case.checkpoint()).1), logits(&network(&size)));
}

/// What the import says of a network's file after a change, which must leave no checkpoint.
fn complaint(size: &ModelSize, change: impl FnOnce(&mut Tensors)) -> String {
    let mut tensors = weights(size);
    change(&mut tensors);
    let case = Case::new(&tensors);
    let message = case.import().unwrap_err().to_string();
    assert!(!case.checkpoint().exists(), "{message:?}, and yet there is a checkpoint");
    message
}

#[test]
fn what_does_not_fit_is_named() {
    let without = |size: usize, name: &str| complaint(&SIZES[size], |tensors| drop(tensors.remove(name)));
    let with = |name: &str, dims: &[usize]| {
        let tensor = Tensor::zeros(dims, DType::F32, &Device::Cpu).unwrap();
        complaint(&SIZES[1], |tensors| drop(tensors.insert(name.into(), tensor)))
    };
    let diverged = complaint(&SIZES[0], |tensors| {
        let bias = Tensor::new(&[0.0, f32::NAN, 0.0, 0.0, 0.0, 0.0, 0.0], &Device::Cpu).unwrap();
        tensors.insert(tensors::OUTPUT_BIAS.into(), bias);
    });
    let cases = [
        (without(0, "lstm.weight_ih_l0"), "called `lstm.weight_ih_l0`, alone or after a prefix. It holds `lstm.bias"),
        (complaint(&SIZES[0], Tensors::clear), "It holds nothing"),
        (without(0, "lstm.weight_hh_l0"), "has no tensor `lstm.weight_hh_l0`: give the module"),
        (without(0, "lstm.bias_hh_l0"), "has no tensor `lstm.bias_hh_l0`: make the module with `bias=True`"),
        (without(0, "output.weight"), "has no tensor `output.weight`"),
        (without(1, "output.weight"), "has no tensor `output.weight`"),
        (without(0, "output.bias"), "has no tensor `output.bias`"),
        (without(1, "embedding.weight"), "`lstm.weight_ih_l0` has the shape [16, 3] and should have [16, 7] (without"),
        (with("lstm.weight_hh_l1", &[16, 5]), "`lstm.weight_hh_l1` has the shape [16, 5] and should have [16, 4]"),
        (with("lstm.weight_ih_l0", &[16, 7]), "`lstm.weight_ih_l0` has the shape [16, 7] and should have [16, 3]"),
        (with("embedding.weight", &[8, 3]), "`embedding.weight` has the shape [8, 3] and should have [7, 3]"),
        (with("embedding.weight", &[21]), "[21] and should have (vocabulary, length of a vector)"),
        (with("output.weight", &[7, 0]), "[7, 0] and should have (vocabulary, hidden size)"),
        (with("output.bias", &[8]), "`output.bias` has the shape [8] and should have [7]"),
        (with("lstm.weight_ih_l0_reverse", &[1]), "does not have: `lstm.weight_ih_l0_reverse`. The network would not"),
        (with("lstm.weight_hh_l3", &[1]), "does not have: `lstm.weight_hh_l3`."),
        (with("decoder.lstm.weight_ih_l0", &[1]), "several networks, under ``, `decoder.`"),
        (diverged, "`output.bias` holds numbers that are not finite"),
    ];
    for (message, part) in cases {
        assert!(message.contains(part), "{message:?} should say {part:?}");
    }
}

#[test]
fn what_is_not_there_or_no_such_file_is_named() {
    let case = Case::new(&weights(&SIZES[0]));
    let folder = case.folder.path();
    let pickle = folder.join("module.pt");
    fs::write(&pickle, b"PK\x03\x04 and so on").unwrap();
    fs::write(folder.join("file"), "").unwrap();
    let to = case.checkpoint();
    let cases = [
        (import(&folder.join("none"), description(TOKENS), &to), "cannot read"),
        (import(&pickle, description(TOKENS), &to), "is not a safetensors file"),
        (import(&case.file(), description("abc"), &to), "a network of 7 tokens, and the vocabulary has 3"),
        (import(&case.file(), description(TOKENS), folder), "exists already"),
        (import(&case.file(), description(TOKENS), &folder.join("file/checkpoint")), "cannot write"),
    ];
    for (result, part) in cases {
        let message = result.unwrap_err().to_string();
        assert!(message.contains(part), "{message:?} should say {part:?}");
    }
}

#[test]
fn a_card_beside_the_file_describes_it() {
    let case = Case::new(&weights(&SIZES[0]));
    assert_eq!(Description::beside(&case.file()).unwrap(), None);
    case.import().unwrap();
    // A checkpoint's own file is such a file.
    let file = case.checkpoint().join(WEIGHTS_FILE);
    assert_eq!(Description::beside(&file).unwrap(), Some(description(TOKENS)));
    fs::write(case.checkpoint().join(CARD_FILE), "{}").unwrap();
    let message = Description::beside(&file).unwrap_err().to_string();
    assert!(message.contains(CARD_FILE) && message.contains("not a model card"), "{message}");
}

#[test]
fn a_corpus_describes_what_was_trained_on_it() {
    let folder = tempfile::tempdir().unwrap();
    let text = folder.path().join("song.txt");
    fs::write(&text, "GABE FED A CAFE ".repeat(4)).unwrap();
    let shards = folder.path().join("shards");
    let normalisation = Normalisation { lowercase: true, ..Normalisation::default() };
    let (inputs, output, name) = (vec![text], shards.clone(), "song".into());
    let options = Options { inputs, output, name, normalisation, ..Options::default() };
    prepare(&options, &mut |_progress| (), &AtomicBool::new(false)).unwrap();
    let corpus = Corpus::open(&shards).unwrap();
    for (context, seed_text) in
        [(Context::Window { length: 8 }, "gabe fed"), (Context::Stateful, "gabe fed a cafe gabe fed a cafe gabe fed")]
    {
        let found = Description::of_corpus(&corpus, context);
        assert_eq!((found.normalisation, found.context), (normalisation, context));
        assert_eq!((&found.vocabulary, found.seed_text.as_str()), (corpus.vocabulary(), seed_text));
        assert_eq!((found.provenance.dataset.as_str(), found.provenance.tokens), ("song", 64));
        assert_eq!(found.provenance.recipe, "imported");
    }
}
