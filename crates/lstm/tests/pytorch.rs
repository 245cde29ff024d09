//! The network against numbers made by PyTorch: see `pytorch.py` beside this file.

use std::collections::HashMap;

use candle_core::{DType, Device, Result, Tensor, Var, backprop::GradStore};
use lstm::{CharLstm, Implementation, Instructions, Outputs, Precision, Processor, State};
use model_card::{InputEncoding, ModelSize};

/// Largest difference allowed, as a share of the largest number of the expected tensor.
const TOLERANCE: f64 = 1e-5;

#[test]
fn logits_states_and_gradients_are_those_of_pytorch() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/pytorch.safetensors");
    let file = candle_core::safetensors::load(path, &Device::Cpu).unwrap();
    for case in ["last", "all", "embedded", "three-layers", "one-of-each", "wide"] {
        let processor = |instructions| Processor { instructions, threads: 2, precision: Precision::Float32 };
        let fused = Instructions::available().into_iter().map(processor).map(Implementation::Fused);
        for implementation in fused.chain([Implementation::Naive, Implementation::Stepwise]) {
            println!("{case}, {implementation:?}");
            for fused_loss in [false, true] {
                check(&Case(case, &file), implementation, fused_loss).unwrap_or_else(|error| panic!("{case}: {error}"));
            }
        }
    }
}

/// One network of the file, by name.
struct Case<'a>(&'static str, &'a HashMap<String, Tensor>);

impl Case<'_> {
    fn get(&self, name: &str) -> Option<&Tensor> {
        self.1.get(&format!("{}/{name}", self.0))
    }

    fn tensor(&self, name: &str) -> &Tensor {
        self.get(name).unwrap_or_else(|| panic!("the file has no {name} for {}", self.0))
    }

    fn weights(&self) -> impl Iterator<Item = (String, Tensor)> {
        let prefix = format!("{}/weight.", self.0);
        self.1.iter().filter_map(move |(name, tensor)| Some((name.strip_prefix(&prefix)?.to_owned(), tensor.clone())))
    }

    fn size(&self) -> ModelSize {
        let (vocabulary, hidden) = self.tensor("weight.output.weight").dims2().unwrap();
        let input = match self.get("weight.embedding.weight") {
            None => InputEncoding::OneHot,
            Some(table) => InputEncoding::Embedding { size: table.dim(1).unwrap() },
        };
        ModelSize { vocabulary, hidden, layers: self.tensor("hidden").dim(0).unwrap(), input }
    }

    fn assert_close(&self, name: &str, found: &Tensor) {
        let expected = self.tensor(name);
        assert_eq!(found.dims(), expected.dims(), "{}: shape of {name}", self.0);
        let largest = |tensor: &Tensor| tensor.abs().unwrap().flatten_all().unwrap().max(0).unwrap();
        let difference = largest(&(found - expected).unwrap()).to_scalar::<f32>().unwrap();
        let scale = largest(expected).to_scalar::<f32>().unwrap();
        assert!(f64::from(difference) <= TOLERANCE * f64::from(scale), "{}: {name} is off by {difference}", self.0);
    }
}

fn check(case: &Case<'_>, implementation: Implementation, fused_loss: bool) -> Result<()> {
    let size = case.size();
    let network = CharLstm::load(case.weights(), &size, &Device::Cpu).unwrap().with_implementation(implementation);
    let targets = case.tensor("targets").to_dtype(DType::U32)?;
    let outputs = if targets.rank() == 2 { Outputs::All } else { Outputs::Last };
    let initial = [Var::from_tensor(case.tensor("hidden"))?, Var::from_tensor(case.tensor("cell"))?];
    let state = State { hidden: initial[0].as_tensor().clone(), cell: initial[1].as_tensor().clone() };
    let ids = case.tensor("ids").to_dtype(DType::U32)?;
    let (logits, mut end) = network.forward(&ids, Some(&state), outputs).unwrap();
    case.assert_close("logits", &logits);
    case.assert_close("final_hidden", &end.hidden);
    case.assert_close("final_cell", &end.cell);
    let entropy = if fused_loss {
        let (loss, again) = network.loss(&ids, &targets, Some(&state), outputs).unwrap();
        end = again;
        loss
    } else {
        candle_nn::loss::cross_entropy(&logits.reshape(((), size.vocabulary))?, &targets.flatten_all()?)?
    };
    let objective = ((entropy + end.hidden.sqr()?.mean_all()?)? + end.cell.sqr()?.mean_all()?)?;
    case.assert_close("objective", &objective);
    let gradients = objective.backward()?;
    case.assert_close("gradient.hidden", gradients.get(&initial[0]).unwrap());
    case.assert_close("gradient.cell", gradients.get(&initial[1]).unwrap());
    for (name, gradient) in named(&network, &gradients)? {
        case.assert_close(&format!("gradient.{name}"), &gradient);
    }
    Ok(())
}

/// Gradients under PyTorch's names: those of the variables put in the variables' place.
fn named(network: &CharLstm, gradients: &GradStore) -> Result<Vec<(String, Tensor)>> {
    for variable in network.variables() {
        variable.set(&gradients.get(&variable).unwrap().contiguous()?)?;
    }
    // The second bias of a layer gets the same gradient as the first; the network has only their sum.
    let tensors = network.tensors().unwrap().into_iter();
    Ok(tensors.filter(|(name, _)| !name.contains("bias_hh")).collect())
}
