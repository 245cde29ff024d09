//! Rewrites a file in the one form that rten reads: it wants the dimensions of tensors and the numbers of attributes in a
//! field each, as the second version of protobuf writes them, and not packed in one field, as the third does.

use ort_backend::onnx_view::{
    Result,
    wire::{Field, Fields},
};

/// The same file with every number in a field of its own where rten wants that. `onnx_view::Model` has accepted the file.
pub(crate) fn unpack(file: &[u8]) -> Result<Vec<u8>> {
    unpack_message(file, Message::Model)
}

/// The messages on the way to such numbers.
#[derive(Clone, Copy)]
enum Message {
    Model,
    Graph,
    Node,
    Attribute,
    Tensor,
}

impl Message {
    /// The message that a field holds, if it holds one.
    fn inner(self, number: u64) -> Option<Self> {
        match (self, number) {
            (Self::Model, 7) | (Self::Attribute, 6 | 11) => Some(Self::Graph),
            (Self::Graph, 1) => Some(Self::Node),
            (Self::Node, 5) => Some(Self::Attribute),
            (Self::Graph, 5) | (Self::Attribute, 5 | 10) => Some(Self::Tensor),
            _ => None,
        }
    }

    /// Whether a field is of numbers that rten reads one by one: the dimensions of tensors, the numbers of attributes.
    fn repeats(self, number: u64) -> bool {
        matches!((self, number), (Self::Tensor, 1) | (Self::Attribute, 7 | 8))
    }

    /// Whether the numbers of such a field are floats.
    fn holds_floats(self, number: u64) -> bool {
        matches!((self, number), (Self::Attribute, 7))
    }
}

/// Its lengths must have been checked.
fn unpack_message(bytes: &[u8], message: Message) -> Result<Vec<u8>> {
    // Messages lie within messages: room for each of them beforehand would be many times the file.
    let mut unpacked = Vec::new();
    let mut fields = Fields::new(bytes);
    loop {
        let before = fields.rest();
        let Some(field) = fields.next() else { return Ok(unpacked) };
        let (number, field) = field?;
        let whole = &before[..before.len() - fields.rest().len()];
        match field {
            Field::Bytes(floats) if message.repeats(number) && message.holds_floats(number) => {
                for float in floats.as_chunks::<4>().0 {
                    push_number(&mut unpacked, number << 3 | 5);
                    unpacked.extend(float);
                }
            }
            Field::Bytes(packed) if message.repeats(number) => {
                let mut numbers = Fields::new(packed);
                while !numbers.rest().is_empty() {
                    push_number(&mut unpacked, number << 3);
                    push_number(&mut unpacked, numbers.number()?);
                }
            }
            Field::Bytes(inside) => match message.inner(number) {
                Some(inner) => {
                    let inside = unpack_message(inside, inner)?;
                    push_number(&mut unpacked, number << 3 | 2);
                    push_number(&mut unpacked, inside.len() as u64);
                    unpacked.extend(inside);
                }
                None => unpacked.extend(whole),
            },
            _ => unpacked.extend(whole),
        }
    }
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
    use crate::{AllOperators, Rten};
    use ort_backend::{Elements, Engine, Model, ModelSource, Options, Output, Outputs, View, onnx_view};

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
    fn rten_reads_packed_numbers() {
        let file = packed();
        let source = ModelSource::Memory(&file);
        let model = Rten::<AllOperators>::open(source, &Options::default()).unwrap();
        let elements = Elements::Float32(&[0.0, 1.0, 2.0, 3.0, 4.0, 5.0]);
        let mut outputs = model.run(&[View { shape: &[2, 3], elements }], &[0]).unwrap();
        let Output::Owned(output) = outputs.take(0).unwrap() else { panic!("rten gives tensors away") };
        let View { shape: [3, 2], elements: Elements::Float32(floats) } = output.view() else { panic!("{output:?}") };
        assert_eq!(floats, [1.0, 4.0, 2.0, 5.0, 3.0, 6.0]);
    }

    #[test]
    fn what_is_not_packed_stays_as_it_is() {
        assert!(!onnx_view::Model::read(CHARACTER).unwrap().facts.packed_numbers);
        assert!(unpack(CHARACTER).unwrap() == CHARACTER);
        let file = packed();
        let unpacked = unpack(&file).unwrap();
        assert!(onnx_view::Model::read(&file).unwrap().facts.packed_numbers);
        assert!(!onnx_view::Model::read(&unpacked).unwrap().facts.packed_numbers);
    }
}
