//! The kernels with operands rounded to bfloat16: against the same rounding in candle's ordinary ops, and against the
//! network that rounds nothing.

mod cases;

use candle_core::{DType, Device, Result, Tensor, Var};
use candle_nn::ops::sigmoid;
use cases::{CASE, Case, cases, numbers};
use lstm::{
    CharLstm, Clipping, FusedOptimizer, Implementation, Instructions, Outputs, Precision, Processor, State, Update,
    naive,
};

/// Largest differences that are allowed, each as a share of the largest number of its tensor.
struct Bounds {
    /// From the twin below: a number that is summed in another order may round to the neighbour, and the kernels round the
    /// gradients of the gates too.
    twin: f32,
    /// From the network that rounds nothing.
    exact: f32,
    /// Between two sets of instructions.
    instructions: f32,
}

impl Bounds {
    /// About twice what the cases below show.
    fn of(name: &str) -> Self {
        match name {
            "loss" => Self { twin: 1e-5, exact: 1e-3, instructions: 1e-5 },
            "logits" | "hidden" | "cell" => Self { twin: 5e-4, exact: 1e-2, instructions: 1e-4 },
            _ => Self { twin: 1e-2, exact: 1.5e-2, instructions: 5e-4 },
        }
    }
}

fn rounded(instructions: Instructions, threads: usize) -> Implementation {
    Implementation::Fused(Processor { instructions, threads, precision: Precision::BFloat16 })
}

/// The largest difference of a tensor's numbers as a share of the largest number.
fn difference(expected: &Tensor, found: &Tensor) -> f32 {
    let (expected, found) = (numbers(expected), numbers(found));
    assert_eq!(expected.len(), found.len());
    let largest = expected.iter().fold(1e-9f32, |largest, number| largest.max(number.abs()));
    expected.iter().zip(found).fold(0.0, |most, (expected, found)| (expected - found).abs().max(most)) / largest
}

/// Logits, loss and final state by the naive cell's equations with rounded operands in all products. Gradients pass through
/// the rounding as if it were not there.
fn twin(
    case: &Case,
    network: &CharLstm,
    ids: &Tensor,
    targets: &Tensor,
    state: Option<&State>,
) -> Result<(Tensor, Tensor, State)> {
    let variables = network.variables();
    let (embedding, rest) = variables.split_at(usize::from(case.embedding > 0));
    let ids = ids.t()?.contiguous()?; // (T, N)
    let zeros = Tensor::zeros((case.batch, case.hidden), DType::F32, &Device::Cpu)?;
    let mut vectors = embedding.first().map(|embedding| naive::rows(embedding, &ids)).transpose()?; // (T, N, E)
    let (mut hidden_states, mut cell_states) = (vec![], vec![]);
    for (layer, weights) in rest[..case.layers].iter().enumerate() {
        let input = weights.dim(0)? - case.hidden - 1;
        let (input_weight, recurrent) = (weights.narrow(0, 0, input)?, weights.narrow(0, input, case.hidden)?);
        let projected = match &vectors {
            None => naive::rows(&input_weight, &ids)?,
            Some(vectors) => round(vectors)?.broadcast_matmul(&round(&input_weight)?)?,
        };
        let projected = projected.broadcast_add(&weights.narrow(0, input + case.hidden, 1)?)?; // (T, N, 4H)
        let mut hidden = state.map_or(Ok(zeros.clone()), |state| state.hidden.get(layer))?;
        let mut cell = state.map_or(Ok(zeros.clone()), |state| state.cell.get(layer))?;
        let mut steps = vec![];
        for time in 0..case.time {
            let gates = (projected.get(time)? + round(&hidden)?.matmul(&round(&recurrent)?)?)?; // (N, 4H)
            let gate = |index: usize| gates.narrow(1, index * case.hidden, case.hidden); // (N, H)
            cell = ((sigmoid(&gate(1)?)? * cell)? + (sigmoid(&gate(0)?)? * gate(2)?.tanh()?)?)?;
            hidden = (sigmoid(&gate(3)?)? * cell.tanh()?)?;
            steps.push(hidden.clone());
        }
        vectors = Some(Tensor::stack(&steps, 0)?); // (T, N, H)
        hidden_states.push(hidden);
        cell_states.push(cell);
    }
    let top = vectors.expect("a network has layers");
    let top = if case.outputs == Outputs::All { top } else { top.narrow(0, case.time - 1, 1)? };
    let logits = round(&top)?.broadcast_matmul(&round(&rest[case.layers])?)?.broadcast_add(&rest[case.layers + 1])?;
    let logits = logits.transpose(0, 1)?.contiguous()?; // (N, T or 1, V)
    let loss = candle_nn::loss::cross_entropy(&logits.flatten_to(1)?, &targets.flatten_all()?)?;
    let logits = if case.outputs == Outputs::All { logits } else { logits.squeeze(1)? };
    Ok((logits, loss, State { hidden: Tensor::stack(&hidden_states, 0)?, cell: Tensor::stack(&cell_states, 0)? }))
}

/// Numbers rounded to bfloat16.
fn round(tensor: &Tensor) -> Result<Tensor> {
    tensor + (tensor.to_dtype(DType::BF16)?.to_dtype(DType::F32)? - tensor)?.detach()
}

#[test]
fn every_shape_agrees_with_its_twin_and_nearly_with_the_exact_network() {
    let odd = [
        Case { hidden: 5, batch: 5, time: 3, layers: 3, ..CASE },
        Case { hidden: 33, batch: 1, time: 1, given_state: true, ..CASE },
        Case { hidden: 17, batch: 3, time: 7, embedding: 9, vocabulary: 67, given_state: true, ..CASE },
        // More than one visit to the gradient, the last one shorter.
        Case { hidden: 36, batch: 65, time: 23, layers: 2, vocabulary: 30, ..CASE },
        Case { hidden: 20, batch: 601, time: 3, ..CASE },
    ];
    for case in cases().into_iter().chain(odd) {
        let network = case.network();
        let exact = case.results(&network, Implementation::Naive).unwrap();
        let expected =
            case.results_of(&network, |ids, targets, state| twin(&case, &network, ids, targets, state)).unwrap();
        let mut first: Option<Vec<(String, Tensor)>> = None;
        for instructions in Instructions::available() {
            let found = case.results(&network, rounded(instructions, 2)).unwrap();
            let first = first.get_or_insert_with(|| found.clone());
            for (index, (name, found)) in found.iter().enumerate() {
                let bounds = Bounds::of(name);
                for (other, expected, bound) in [
                    ("twin", &expected[index].1, bounds.twin),
                    ("exact network", &exact[index].1, bounds.exact),
                    ("first instructions", &first[index].1, bounds.instructions),
                ] {
                    let difference = difference(expected, found);
                    assert!(difference <= bound, "{case:?}, {instructions:?}: {name} is {difference} off the {other}");
                }
            }
        }
    }
}

#[test]
fn results_are_the_same_bits_for_any_number_of_threads() {
    let case = Case { batch: 37, hidden: 71, time: 12, layers: 2, vocabulary: 65, given_state: true, ..CASE };
    for case in [case, Case { outputs: Outputs::Last, given_state: false, layers: 1, embedding: 35, ..case }] {
        let network = case.network();
        for instructions in Instructions::available() {
            let [one, two, three] =
                [1, 2, 3].map(|threads| case.results(&network, rounded(instructions, threads)).unwrap());
            for (((name, one), (_, two)), (_, three)) in one.iter().zip(&two).zip(&three) {
                assert!(numbers(one) == numbers(two) && numbers(one) == numbers(three), "{instructions:?}: {name}");
            }
        }
    }
}

#[test]
fn precisions_share_a_network_and_its_memory() {
    let case = Case { hidden: 21, layers: 2, given_state: true, ..CASE };
    let network = case.network();
    let (ids, targets) = (case.ids(1, &[case.batch, case.time]), case.ids(2, &[case.batch, case.time]));
    let gradients = |precision: Precision| {
        let loss = network.with_precision(precision).loss(&ids, &targets, None, Outputs::All).unwrap().0;
        let gradients = loss.backward().unwrap();
        network.variables().iter().map(|variable| numbers(gradients.get(variable).unwrap())).collect::<Vec<_>>()
    };
    let exact = gradients(Precision::Float32);
    let rounded = gradients(Precision::BFloat16);
    assert_ne!(exact, rounded, "rounding changes the gradients");
    assert_eq!(exact, gradients(Precision::Float32));
    assert_eq!(rounded, gradients(Precision::BFloat16));
    let naive = network.with_implementation(Implementation::Naive).with_precision(Precision::BFloat16);
    let logits = |network: &CharLstm| numbers(&network.forward(&ids, None, Outputs::All).unwrap().0);
    assert_eq!(
        logits(&naive),
        logits(&network.with_implementation(Implementation::Naive)),
        "other implementations round nothing"
    );
}

#[test]
fn nan_and_infinity_go_where_the_naive_cell_lets_them() {
    for hidden in [18, 19] {
        let case = Case { batch: 4, hidden, layers: 2, given_state: true, ..CASE };
        for poison in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
            for place in ["bias", "recurrent weight"] {
                let network = case.network();
                let weights = &network.variables()[0];
                let mut poisoned = numbers(weights);
                let row = if place == "bias" { case.vocabulary + case.hidden } else { case.vocabulary + 2 };
                poisoned[row * 4 * case.hidden + 17] = poison;
                weights.set(&Tensor::from_vec(poisoned, weights.shape(), &Device::Cpu).unwrap()).unwrap();
                let expected = case.results(&network, Implementation::Naive).unwrap();
                for instructions in Instructions::available() {
                    let found = case.results(&network, rounded(instructions, 1)).unwrap();
                    for ((name, expected), (_, found)) in expected.iter().zip(&found) {
                        let kind = |number: &f32| (number.is_nan(), number.is_infinite());
                        let kinds = |tensor: &Tensor| numbers(tensor).iter().map(kind).collect::<Vec<_>>();
                        assert_eq!(kinds(expected), kinds(found), "{poison} in the {place}, {instructions:?}: {name}");
                    }
                }
            }
        }
    }
}

#[test]
fn training_goes_as_without_rounding() {
    let case = Case { hidden: 32, layers: 2, batch: 8, time: 16, vocabulary: 12, ..CASE };
    // A text of period 12 in which the next token follows from the last two.
    let text: Vec<u32> = [3, 1, 4, 1, 5, 9, 2, 6, 5, 3, 8, 10].repeat(13);
    let batch = |shift: usize| {
        let rows = (0..case.batch).flat_map(|row| text[row * 17 + shift..][..case.time].to_vec()).collect::<Vec<_>>();
        Tensor::from_vec(rows, (case.batch, case.time), &Device::Cpu).unwrap()
    };
    let (ids, targets) = (batch(0), batch(1));
    let train = |precision: Precision| {
        let network = case.network().with_precision(precision);
        let optimizer = FusedOptimizer { processor: Processor::detect() };
        let step = Update::Adaptive { learning_rate: 3e-3, correction: 1.0, epsilon: 1e-7, weight_decay: 0.0 };
        let variables = network.variables();
        let squares: Vec<Tensor> = variables.iter().map(|variable: &Var| variable.zeros_like().unwrap()).collect();
        let mut losses = vec![];
        for _ in 0..60 {
            let (loss, _) = network.loss(&ids, &targets, None, Outputs::All).unwrap();
            let gradients = loss.backward().unwrap();
            for (variable, square) in variables.iter().zip(&squares) {
                let gradient = gradients.get(variable).unwrap();
                optimizer.update_moment(square, gradient, Clipping::NONE, Update::MovingSquare { decay: 0.9 }).unwrap();
                optimizer.adaptive_step(variable, gradient, square, Clipping::NONE, step).unwrap();
            }
            losses.push(loss.to_scalar::<f32>().unwrap());
        }
        losses
    };
    let (exact, rounded) = (train(Precision::Float32), train(Precision::BFloat16));
    assert!(exact[59] < 0.5 * exact[0], "the task is learnt: {exact:?}");
    for (step, (exact, rounded)) in exact.iter().zip(&rounded).enumerate() {
        assert!((exact - rounded).abs() <= 0.1 * exact, "step {step}: {rounded} where {exact} is expected");
    }
}
