//! Checkpoints to PyTorch and back, by the scripts of `docs/pytorch.md`: see `pytorch.py` beside this file.
//!
//! It needs a Python with torch and safetensors: the one that the variable `SCRIMSHAW_PYTHON` names, or `python3`.
//! Without one the test says so and passes.

use std::fs;
use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};

use candle_core::{Device, Tensor};
use lstm::{CharLstm, Outputs};
use model_card::{
    CARD_FILE, Context, FORMAT_VERSION, InputEncoding, ModelCard, ModelSize, Normalisation, Provenance, Unit,
    Vocabulary, WEIGHTS_FILE,
};
use serde::Deserialize;
use tempfile::TempDir;
use trainer::import::{Description, import};

#[path = "library/python.rs"]
mod python;
use python::python;

/// Largest difference allowed between two logits.
const TOLERANCE: f32 = 1e-5;

const IDS: [[u32; 4]; 2] = [[3, 1, 4, 1], [5, 0, 2, 6]];

/// What `pytorch.py` prints.
#[derive(Deserialize)]
struct Printed {
    ids: Vec<u32>,
    logits: Vec<Vec<Vec<f32>>>,
}

#[test]
fn pytorch_gives_the_same_logits_and_the_module_back() {
    let Some(python) = python() else { return };
    let cases: Vec<Case> = [
        (1, InputEncoding::OneHot),
        (2, InputEncoding::OneHot),
        (1, InputEncoding::Embedding { size: 3 }),
        (2, InputEncoding::Embedding { size: 3 }),
        (2, InputEncoding::TiedEmbedding),
    ]
    .into_iter()
    .map(|(layers, input)| Case::new(&ModelSize { vocabulary: 7, hidden: 5, layers, input }))
    .collect();
    let printed = run(&python, &cases);
    assert_eq!(printed.len(), cases.len());
    for (case, printed) in cases.iter().zip(printed) {
        case.check(printed);
    }
}

/// A network, and a fresh folder with its checkpoint.
struct Case {
    network: CharLstm,
    folder: TempDir,
}

impl Case {
    fn new(size: &ModelSize) -> Self {
        let case = Self { network: random(size), folder: tempfile::tempdir().unwrap() };
        write(&case.folder.path().join("checkpoint"), &case.network);
        case
    }

    fn check(&self, Printed { ids, logits: found }: Printed) {
        let size = self.network.size();
        assert_eq!(ids, [1, 2, 4, 6], "the ids of the page's text");
        let found: Vec<f32> = found.into_iter().flatten().flatten().collect();
        let expected = logits(&self.network);
        assert_eq!(found.len(), expected.len(), "{size:?}");
        let differences = found.iter().zip(&expected).map(|(found, expected)| (found - expected).abs());
        let difference = differences.fold(0.0, f32::max);
        assert!(difference <= TOLERANCE, "{size:?}: logits are off by {difference}");

        let folder = self.folder.path();
        let description = Description::beside(&folder.join("checkpoint").join(WEIGHTS_FILE)).unwrap().unwrap();
        let back = folder.join("back");
        let card = import(&folder.join("module.safetensors"), description, &back).unwrap();
        assert_eq!(card.size, *size);
        let tensors = candle_core::safetensors::load(back.join(WEIGHTS_FILE), &Device::Cpu).unwrap();
        let back = CharLstm::load(tensors, &card.size, &Device::Cpu).unwrap();
        assert_eq!(logits(&back), expected, "{size:?}");
    }
}

/// A network with numbers everywhere: first weights have biases of zero, which hide a mistake.
fn random(size: &ModelSize) -> CharLstm {
    let network = CharLstm::init(size, 23, &Device::Cpu).unwrap();
    for variable in network.variables() {
        // Multiples of 1/256 between -1/2 and 1/2: a quarter and three quarters of one add up without rounding.
        let number = |place: usize| (place * 97 % 257) as f32 / 256.0 - 0.5;
        let numbers: Vec<f32> = (0..variable.elem_count()).map(number).collect();
        variable.set(&Tensor::from_vec(numbers, variable.shape(), &Device::Cpu).unwrap()).unwrap();
    }
    network
}

/// Writes a checkpoint as a training does.
fn write(folder: &Path, network: &CharLstm) {
    fs::create_dir(folder).unwrap();
    let tensors = network.tensors().unwrap().into_iter().collect();
    candle_core::safetensors::save(&tensors, folder.join(WEIGHTS_FILE)).unwrap();
    let card = ModelCard {
        format_version: FORMAT_VERSION,
        vocabulary: Vocabulary::from_text(Unit::Char, "ahoy mt"),
        normalisation: Normalisation::default(),
        size: *network.size(),
        context: Context::Stateful,
        seed_text: String::new(),
        provenance: Provenance::default(),
    };
    fs::write(folder.join(CARD_FILE), card.to_json()).unwrap();
}

fn logits(network: &CharLstm) -> Vec<f32> {
    let ids = Tensor::new(&IDS, &Device::Cpu).unwrap(); // (N, T)
    let (logits, _) = network.forward(&ids, None, Outputs::All).unwrap(); // (N, T, V)
    logits.flatten_all().unwrap().to_vec1().unwrap()
}

/// Runs the page's scripts in every case's folder: one Python for all, because it takes seconds to load torch.
fn run(python: &str, cases: &[Case]) -> Vec<Printed> {
    let mut child = Command::new(python)
        .arg(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/pytorch.py"))
        .arg(serde_json::to_string(&IDS).unwrap())
        .args(cases.iter().map(|case| case.folder.path()))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(scripts().join("\0").as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success(), "the script failed: see its message above");
    let lines = output.stdout.split(|&byte| byte == b'\n').filter(|line| !line.is_empty());
    lines.map(|line| serde_json::from_slice(line).unwrap()).collect()
}

/// The Python blocks of the page, in its order.
fn scripts() -> Vec<String> {
    let page = fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/pytorch.md")).unwrap();
    let blocks = page.split("```python\n").skip(1).filter_map(|rest| rest.split_once("```"));
    blocks.map(|(script, _)| script.to_owned()).collect()
}
