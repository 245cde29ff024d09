//! Which messages of an ONNX file hold which others, what has to be checked in all of them, and the one thing that the
//! engine wants written otherwise: it reads some repeated numbers only as a field each, as the second version of protobuf
//! writes them, and not many in one field, as the third does.

use crate::{
    error::{Error, Result},
    wire::{Field, Fields},
};

/// The messages that hold others, as far as the engine reads them.
#[derive(Clone, Copy)]
pub(crate) enum Message {
    Model,
    Graph,
    Node,
    Attribute,
    Tensor,
    Value,
    Type,
    TensorType,
    Shape,
    Leaf,
}

impl Message {
    /// The message that a field holds, if it holds one.
    fn inner(self, number: u64) -> Option<Self> {
        match (self, number) {
            (Self::Model, 7) | (Self::Attribute, 6 | 11) => Some(Self::Graph),
            (Self::Graph, 1) => Some(Self::Node),
            (Self::Graph, 5) | (Self::Attribute, 5 | 10) => Some(Self::Tensor),
            (Self::Graph, 11..=13) => Some(Self::Value),
            (Self::Node, 5) => Some(Self::Attribute),
            (Self::Value, 2) => Some(Self::Type),
            (Self::Type, 1) => Some(Self::TensorType),
            (Self::TensorType, 2) => Some(Self::Shape),
            (Self::Shape, 1) | (Self::Tensor, 13) => Some(Self::Leaf),
            _ => None,
        }
    }

    /// Whether a field is of numbers that the engine reads one by one: the sizes of tensors, the numbers of attributes.
    fn repeats(self, number: u64) -> bool {
        matches!((self, number), (Self::Tensor, 1) | (Self::Attribute, 7 | 8))
    }

    /// Whether the numbers of such a field are floats.
    fn holds_floats(self, number: u64) -> bool {
        matches!((self, number), (Self::Attribute, 7))
    }
}

/// Graphs within graphs (the bodies of loops) that are followed; the engine recurses as deep as the file says.
const DEEPEST: usize = 64;

/// What there is in a model that needs more than reading its file.
#[derive(Debug, Default, Clone, Copy)]
pub(crate) struct Found {
    /// Weights lie in other files, beside this one.
    pub(crate) external_data: bool,
    /// Numbers stand in a row where the engine reads them one by one.
    pub(crate) packed_numbers: bool,
}

/// Checks every length in a message and the messages in it, and says what was found.
pub(crate) fn check(bytes: &[u8], message: Message, depth: usize, found: &mut Found) -> Result<()> {
    if depth > DEEPEST {
        return Err(Error::NotAModel(format!("its messages lie more than {DEEPEST} deep")));
    }
    for field in Fields::new(bytes) {
        match field? {
            // `TensorProto.data_location`: 1 is EXTERNAL.
            (14, Field::Number(1)) if matches!(message, Message::Tensor) => found.external_data = true,
            (number, Field::Bytes(_)) if message.repeats(number) => found.packed_numbers = true,
            (number, Field::Bytes(inside)) => {
                if let Some(inner) = message.inner(number) {
                    check(inside, inner, depth + 1, found)?;
                }
            }
            _ => {}
        }
    }
    Ok(())
}

/// The same message with every number in a field of its own where the engine wants that. Its lengths must have been
/// checked.
pub(crate) fn unpack(bytes: &[u8], message: Message) -> Result<Vec<u8>> {
    let mut unpacked = Vec::with_capacity(bytes.len());
    let mut fields = Fields::new(bytes);
    while !fields.is_empty() {
        let (whole, number, field) = fields.whole_field()?;
        match field {
            Field::Bytes(floats) if message.repeats(number) && message.holds_floats(number) => {
                let (floats, []) = floats.as_chunks::<4>() else {
                    return Err(Error::NotAModel("a float in it does not end".into()));
                };
                for float in floats {
                    push_number(&mut unpacked, number << 3 | 5);
                    unpacked.extend(float);
                }
            }
            Field::Bytes(packed) if message.repeats(number) => {
                let mut numbers = Fields::new(packed);
                while !numbers.is_empty() {
                    push_number(&mut unpacked, number << 3);
                    push_number(&mut unpacked, numbers.number()?);
                }
            }
            Field::Bytes(inside) if message.inner(number).is_some() => {
                let inside = unpack(inside, message.inner(number).unwrap_or(Message::Leaf))?;
                push_number(&mut unpacked, number << 3 | 2);
                push_number(&mut unpacked, inside.len() as u64);
                unpacked.extend(inside);
            }
            _ => unpacked.extend(whole),
        }
    }
    Ok(unpacked)
}

fn push_number(bytes: &mut Vec<u8>, mut number: u64) {
    while number >= 0x80 {
        bytes.push(number as u8 | 0x80);
        number >>= 7;
    }
    bytes.push(number as u8);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        AllOperators, Operators,
        model::Model,
        options::{Environment, SessionOptions},
        tensor::Tensor,
    };

    const CHARACTER: &[u8] = include_bytes!("../tests/models/character.onnx");

    fn field(number: u64, bytes: &[u8]) -> Vec<u8> {
        let mut field = Vec::new();
        push_number(&mut field, number << 3 | 2);
        push_number(&mut field, bytes.len() as u64);
        field.extend(bytes);
        field
    }

    /// y = xᵀ + w for x (2, 3) and w (3, 2) of ones; the permutation and the sizes of w are packed.
    fn packed() -> Vec<u8> {
        let value = |name: &str| {
            let kind = field(1, &[1 << 3, 1]); // a tensor of floats
            [field(1, name.as_bytes()), field(2, &kind)].concat()
        };
        let permutation = [field(1, b"perm"), field(8, &[1, 0]), vec![0xa0, 0x01, 7]].concat(); // field 20: of integers
        let transpose = [field(1, b"x"), field(2, b"t"), field(4, b"Transpose"), field(5, &permutation)].concat();
        let add = [field(1, b"t"), field(1, b"w"), field(2, b"y"), field(4, b"Add")].concat();
        let ones = 1.0_f32.to_le_bytes().repeat(6);
        let weight = [field(1, &[3, 2]), vec![2 << 3, 1], field(8, b"w"), field(9, &ones)].concat();
        let graph = [field(1, &transpose), field(1, &add), field(5, &weight)].concat();
        let graph = [graph, field(11, &value("x")), field(12, &value("y"))].concat();
        [vec![1 << 3, 8], field(7, &graph), field(8, &[2 << 3, 17])].concat()
    }

    #[test]
    fn the_engine_reads_packed_numbers() {
        let environment = Environment { registry: AllOperators::registry, threads: 0 };
        let model = Model::from_bytes(&packed(), &environment, &SessionOptions { threads: 1, ..Default::default() });
        let input = Tensor::from_floats(&[2, 3], vec![0.0, 1.0, 2.0, 3.0, 4.0, 5.0]);
        let outputs = model.unwrap().run(&[(c"x", &input)], &[0]).unwrap();
        assert_eq!(outputs[0].shape(), [3, 2]);
        assert_eq!(outputs[0].elements::<f32>().unwrap(), [1.0, 4.0, 2.0, 5.0, 3.0, 6.0]);
    }

    #[test]
    fn what_is_not_packed_stays_as_it_is() {
        let mut found = Found::default();
        check(CHARACTER, Message::Model, 0, &mut found).unwrap();
        assert!(!found.packed_numbers);
        assert!(unpack(CHARACTER, Message::Model).unwrap() == CHARACTER);
    }

    #[test]
    fn packed_numbers_that_do_not_end_are_refused() {
        for (attribute, message) in [(field(7, &[1, 2, 3]), "a float"), (field(8, &[1, 0x80]), "a number")] {
            let model = field(7, &field(1, &field(5, &attribute)));
            let error = unpack(&model, Message::Model).unwrap_err().to_string();
            assert!(error.contains(message), "{error}");
        }
    }
}
