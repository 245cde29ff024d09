//! One graph through the engine and through its twin.

use std::sync::Arc;

use arbitrary::{Result, Unstructured};
use lstm_engine::{
    Arithmetic, Error, Input, Instructions, Plan, Session,
    onnx_view::{Dimension, Model, PortType},
};

use super::{
    damage,
    floats::{Bounded, SLACK},
    generator::{Case, Given, Numbers, generate, generate_bytes},
    integers, twin,
};

/// Numbers that an input or an intermediate result of a damaged file may have.
const MOST_NUMBERS: usize = 4096;

/// What became of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// The engine ran it, and its twin gave the same.
    Same,
    /// The same, and the engine computes it in integers, to the bit as the twin for these does.
    SameIntegers,
    /// The engine ran it; numbers on the way were so large that nothing was compared but shapes.
    Large,
    /// The reader or the engine refused it.
    Refused,
}

/// Draws a graph, damages it in half of the cases, and holds the engine and its twin together.
///
/// # Panics
/// If they differ, if a valid graph is refused, or if anything else goes wrong.
pub fn run(choices: &mut Unstructured<'_>) -> Result<(Case, Outcome)> {
    let (is_damaged, instructions) = (choices.arbitrary::<bool>()?, instructions(choices)?);
    let mut case = generate(choices)?;
    if is_damaged {
        let mut fields = damage::read(&case.file).expect("a generated file is protobuf");
        damage::damage(&mut fields, choices)?;
        case.file = damage::write(&fields);
        if choices.ratio(1, 4)? {
            damage::damage_bytes(&mut case.file, choices)?;
        }
        case.for_rten = false;
    }
    let outcome = compare(&case.file, &case.inputs, instructions);
    match outcome {
        Err(error) if !is_damaged => panic!("a valid graph is refused: {error}"),
        Err(_) => Ok((case, Outcome::Refused)),
        Ok(outcome) => Ok((case, outcome)),
    }
}

/// Draws a graph of int8 weights, and holds the engine and its twins together on all instruction sets of this machine.
///
/// # Panics
/// As [`run`].
pub fn run_bytes(choices: &mut Unstructured<'_>) -> Result<Outcome> {
    let case = generate_bytes(choices)?;
    let outcome = |instructions| {
        let outcome = compare(&case.file, &case.inputs, instructions);
        outcome.unwrap_or_else(|error| panic!("a valid graph is refused: {error}"))
    };
    let outcomes: Vec<Outcome> = Instructions::available().into_iter().map(outcome).collect();
    assert!(outcomes.iter().all(|outcome| *outcome == outcomes[0]), "{outcomes:?}");
    Ok(outcomes[0])
}

/// One of the instruction sets of this machine.
pub fn instructions(choices: &mut Unstructured<'_>) -> Result<Instructions> {
    Ok(*choices.choose(&Instructions::available())?)
}

/// Runs a file in the engine and in its twin. The error is the engine's.
///
/// # Panics
/// If the engine runs it and the twin differs or refuses.
pub fn compare(file: &[u8], given: &[Given], instructions: Instructions) -> std::result::Result<Outcome, String> {
    let model = Model::read(file).map_err(|error| error.to_string())?;
    let compile = |arithmetic| Plan::compile_in(&model, instructions, arithmetic).map_err(|error| error.to_string());
    let plan = compile(Arithmetic::Floats)?;
    let inputs = fit(&model, given).ok_or("it takes too large inputs")?;
    let mut session = Session::new(Arc::new(plan), 1);
    execute(&mut session, &inputs).map_err(|error| error.to_string())?;
    let (expected, is_moderate) = match twin::run::<Bounded>(&model, &inputs) {
        Ok(result) => result,
        Err(reason) => panic!("the engine runs a graph that its twin refuses: {reason}\n{}", show(&model)),
    };
    for (index, expected) in expected.iter().enumerate() {
        let (shape, numbers) = session.output(index);
        assert_eq!(shape, expected.shape, "the shape of output {index}");
        assert_eq!(numbers.len(), expected.numbers.len(), "the numbers of output {index}");
        if is_moderate {
            for (found, exact) in numbers.iter().zip(&expected.numbers) {
                let difference = (f64::from(*found) - exact.value).abs();
                assert!(
                    difference <= SLACK * exact.error + 1e-30,
                    "output {index}: {found} should be {} within {}\n{}",
                    exact.value,
                    SLACK * exact.error,
                    show(&model)
                );
            }
        }
    }
    if model.graph.nodes.iter().any(|node| node.operator == "DequantizeLinear") {
        let mut stored = Session::new(Arc::new(compile(Arithmetic::Stored)?), 1);
        execute(&mut stored, &inputs).map_err(|error| error.to_string())?;
        if let Some(expected) = integers::run(&model, &inputs).expect("the other twin ran it") {
            for (index, expected) in expected.iter().enumerate() {
                assert_same_bits(index, stored.output(index).1, &expected.numbers, &model);
            }
            return Ok(Outcome::SameIntegers);
        }
        for index in 0..expected.len() {
            assert_same_bits(index, stored.output(index).1, session.output(index).1, &model);
        }
    }
    Ok(if is_moderate { Outcome::Same } else { Outcome::Large })
}

/// Holds an output to the same numbers, NaN included; zeros may have another sign.
fn assert_same_bits(index: usize, found: &[f32], expected: &[f32], model: &Model<'_>) {
    assert_eq!(found.len(), expected.len(), "the numbers of output {index}");
    for (found, expected) in found.iter().zip(expected) {
        // Adding zero makes both zeros the same.
        let is_same = (found + 0.0).to_bits() == (expected + 0.0).to_bits() || found.is_nan() && expected.is_nan();
        assert!(is_same, "output {index}: {found:e} should be exactly {expected:e}\n{}", show(model));
    }
}

/// A graph in a form that can be read, for messages.
fn show(model: &Model<'_>) -> String {
    let graph = &model.graph;
    let tensors = graph.initializers.iter().map(|tensor| format!("{:?} = constant {:?}", tensor.name, tensor.shape));
    let inputs = graph.inputs.iter().map(|input| format!("{:?} = input {:?}", input.name, input.kind));
    let nodes = graph.nodes.iter().map(|node| {
        let attributes = node.attributes.iter().map(|attribute| match &attribute.tensor {
            Some(tensor) => format!(" {}={:?}", attribute.name, tensor.shape),
            None => format!(" {}={} {:?}", attribute.name, attribute.integer, attribute.integers),
        });
        format!("{:?} = {} {:?}{}", node.outputs, node.operator, node.inputs, attributes.collect::<String>())
    });
    let outputs = graph.outputs.iter().map(|output| format!("output {:?}", output.name));
    inputs.chain(tensors).chain(nodes).chain(outputs).collect::<Vec<_>>().join("\n")
}

/// Runs a session on these inputs.
pub fn execute(session: &mut Session, inputs: &[Given]) -> std::result::Result<(), Error> {
    let inputs: Vec<Input<'_>> = inputs
        .iter()
        .map(|given| Input {
            shape: &given.shape,
            numbers: match &given.numbers {
                Numbers::Floats(floats) => lstm_engine::Numbers::Floats(floats),
                Numbers::Longs(ids) => lstm_engine::Numbers::Longs(ids),
                Numbers::Integers(ids) => lstm_engine::Numbers::Integers(ids),
            },
        })
        .collect();
    session.run(&inputs)
}

/// What to run a file on, in the order of its inputs: what is given under a name, or ones of the shape that it declares. None
/// if that would be too many numbers.
pub fn fit(model: &Model<'_>, given: &[Given]) -> Option<Vec<Given>> {
    let inputs = model.graph.inputs.iter().map(|port| {
        if let Some(given) = given.iter().find(|given| given.name == port.name) {
            return Some(given.clone());
        }
        let PortType::Tensor { element, shape } = &port.kind else { return None };
        let shape = shape.as_deref().unwrap_or(&[Dimension::Unknown, Dimension::Unknown, Dimension::Unknown]);
        let shape: Vec<usize> = shape
            .iter()
            .map(|dimension| match *dimension {
                Dimension::Fixed(size) => usize::try_from(size).unwrap_or(1),
                Dimension::Named(_) | Dimension::Unknown => 2,
            })
            .collect();
        let count = shape.iter().try_fold(1_usize, |count, &size| count.checked_mul(size));
        let count = count.filter(|&count| count <= MOST_NUMBERS)?;
        let numbers = match element {
            1 => Numbers::Floats(vec![1.0; count]),
            6 => Numbers::Integers(vec![1; count]),
            _ => Numbers::Longs(vec![1; count]),
        };
        Some(Given { name: port.name.into(), shape, numbers })
    });
    inputs.collect()
}
