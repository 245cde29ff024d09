//! First weights, and weights out of a network and back.

use candle_core::{DType, Device, Result, Tensor};
use lstm::{CharLstm, Outputs};
use model_card::{InputEncoding, ModelSize, tensors};

fn size(vocabulary: usize, hidden: usize, layers: usize, embedding: Option<usize>) -> ModelSize {
    let input = embedding.map_or(InputEncoding::OneHot, |size| InputEncoding::Embedding { size });
    ModelSize { vocabulary, hidden, layers, input }
}

fn numbers(tensor: &Tensor) -> Vec<f32> {
    tensor.flatten_all().unwrap().to_vec1().unwrap()
}

#[test]
fn a_seed_means_the_same_weights() {
    let size = size(5, 4, 1, None);
    let draw = |seed| CharLstm::init(&size, seed, &Device::Cpu).unwrap().tensors().unwrap();
    let (first, again, other) = (draw(3), draw(3), draw(4));
    let name = tensors::weight_hh(0);
    assert_eq!(numbers(&first[&name]), numbers(&again[&name]));
    assert_ne!(numbers(&first[&name]), numbers(&other[&name]));
}

#[test]
fn first_weights_are_those_of_keras() -> Result<()> {
    let size = size(40, 32, 2, Some(24));
    let network = CharLstm::init(&size, 1, &Device::Cpu).unwrap();
    let weights = network.tensors().unwrap();
    let uniform = |name: &str, limit: f64| {
        let numbers = numbers(&weights[name]);
        let mean_square = numbers.iter().map(|number| f64::from(number * number)).sum::<f64>() / numbers.len() as f64;
        assert!(numbers.iter().all(|number| f64::from(number.abs()) <= limit), "{name} leaves ±{limit}");
        // The variance of a uniform distribution in ±limit is limit²/3.
        assert!((mean_square / (limit * limit / 3.0) - 1.0).abs() < 0.1, "{name}: mean square {mean_square}");
    };
    uniform(tensors::EMBEDDING_WEIGHT, 0.05);
    uniform(&tensors::weight_ih(0), (6.0f64 / (24.0 + 128.0)).sqrt());
    uniform(&tensors::weight_ih(1), (6.0f64 / (32.0 + 128.0)).sqrt());
    uniform(tensors::OUTPUT_WEIGHT, (6.0f64 / (32.0 + 40.0)).sqrt());
    for layer in 0..2 {
        let recurrent = &weights[&tensors::weight_hh(layer)]; // (4H, H)
        let product = recurrent.t()?.matmul(recurrent)?; // (H, H): orthonormal columns give the identity
        let difference = (product - Tensor::eye(32, DType::F32, &Device::Cpu)?)?.abs()?;
        assert!(numbers(&difference).iter().all(|number| *number < 1e-5), "layer {layer} is not orthogonal");
        let forget_only: Vec<f32> = (0..128).map(|row| if row / 32 == 1 { 1.0 } else { 0.0 }).collect();
        assert_eq!(numbers(&weights[&tensors::bias_ih(layer)]), forget_only);
        assert_eq!(numbers(&weights[&tensors::bias_hh(layer)]), [0.0; 128]);
    }
    assert_eq!(numbers(&weights[tensors::OUTPUT_BIAS]), [0.0; 40]);
    Ok(())
}

#[test]
fn the_optimiser_gets_every_parameter_once() {
    for size in [size(60, 128, 1, None), size(10, 8, 2, Some(4))] {
        let network = CharLstm::init(&size, 0, &Device::Cpu).unwrap();
        let count: usize = network.variables().iter().map(|variable| variable.elem_count()).sum();
        assert_eq!(count, size.parameters());
    }
}

#[test]
fn weights_survive_the_way_out_and_back() -> Result<()> {
    let size = size(9, 6, 2, Some(3));
    let network = CharLstm::init(&size, 11, &Device::Cpu).unwrap();
    let ids = Tensor::new(&[[3u32, 1, 4, 1], [5, 8, 2, 6]], &Device::Cpu)?;
    let logits = |network: &CharLstm| numbers(&network.forward(&ids, None, Outputs::All).unwrap().0);
    let out = network.tensors().unwrap();
    let back = CharLstm::load(out.clone(), &size, &Device::Cpu).unwrap();
    assert_eq!(logits(&back), logits(&network));

    // PyTorch's two biases act as their sum, wherever it lies.
    let mut moved = out;
    for layer in 0..2 {
        let bias = moved[&tensors::bias_ih(layer)].clone();
        moved.insert(tensors::bias_ih(layer), (&bias * 0.25)?);
        moved.insert(tensors::bias_hh(layer), (&bias * 0.75)?);
    }
    assert_eq!(logits(&CharLstm::load(moved, &size, &Device::Cpu).unwrap()), logits(&network));
    Ok(())
}

#[test]
fn what_does_not_fit_is_refused_by_name() {
    let (made, fewer) = (size(9, 6, 1, None), size(9, 6, 2, None));
    let network = CharLstm::init(&made, 0, &Device::Cpu).unwrap();
    let load = |size: &ModelSize| CharLstm::load(network.tensors().unwrap(), size, &Device::Cpu).unwrap_err();
    let forward = |dims: (usize, usize)| {
        let ids = Tensor::zeros(dims, DType::U32, &Device::Cpu).unwrap();
        let state = lstm::State::zeros(&made, 2, &Device::Cpu).unwrap();
        network.forward(&ids, Some(&state), Outputs::Last).unwrap_err()
    };
    let cases = [
        (load(&fewer), "no tensor \"lstm.bias_ih_l1\""),
        (load(&size(8, 6, 1, None)), "lstm.weight_ih_l0 has the shape [24, 9] where [24, 8]"),
        (CharLstm::init(&size(9, 0, 1, None), 0, &Device::Cpu).unwrap_err(), "may be zero"),
        (forward((0, 4)), "[0, 4]"),
        (forward((3, 4)), "the hidden state has the shape [1, 2, 6] where [1, 3, 6]"),
    ];
    for (error, part) in cases {
        assert!(error.to_string().contains(part), "{error} should say {part}");
    }
}
