//! A model's graph as its file has it, read in place: nodes, attributes and constants.
//!
//! `None` stands for whatever is not understood here; the engine then reads the file itself and says what it thinks.

use crate::wire::{Field, Fields};

/// The main graph. Names are bytes, which are only compared.
#[derive(Default)]
pub(super) struct Graph<'a> {
    pub(super) nodes: Vec<Node<'a>>,
    constants: Vec<Constant<'a>>,
}

/// `NodeProto`
#[derive(Default)]
pub(super) struct Node<'a> {
    pub(super) operator: &'a [u8],
    domain: &'a [u8],
    pub(super) inputs: Vec<&'a [u8]>,
    pub(super) outputs: Vec<&'a [u8]>,
    pub(super) attributes: Vec<Attribute<'a>>,
}

/// `AttributeProto`, of one kind or another.
#[derive(Default)]
pub(super) struct Attribute<'a> {
    pub(super) name: &'a [u8],
    pub(super) integer: i64,
    pub(super) integers: Vec<i64>,
    pub(super) text: &'a [u8],
    pub(super) texts: Vec<&'a [u8]>,
    tensor: &'a [u8],
}

/// `TensorProto` of 32-bit floats or 64-bit integers.
#[derive(Default)]
pub(super) struct Constant<'a> {
    name: &'a [u8],
    pub(super) shape: Vec<usize>,
    floats: &'a [u8],
    /// Empty if there are floats.
    pub(super) integers: Vec<i64>,
}

/// More nodes than a recurrent network of any sensible depth has: looking names up takes time with their square.
const MOST_NODES: usize = 512;

impl<'a> Graph<'a> {
    /// Reads a `ModelProto` whose lengths have been checked.
    pub(super) fn read(model: &'a [u8]) -> Option<Self> {
        let mut graph = Self::default();
        for field in Fields::new(model) {
            if let (7, Field::Bytes(message)) = field.ok()? {
                for field in Fields::new(message) {
                    match field.ok()? {
                        (1, Field::Bytes(node)) => graph.add(Node::read(node)?)?,
                        (5, Field::Bytes(tensor)) => graph.constants.extend(Constant::read(tensor)),
                        (15, _) => return None, // sparse
                        _ => {}
                    }
                }
            }
        }
        (graph.nodes.len() <= MOST_NODES && graph.constants.len() <= MOST_NODES).then_some(graph)
    }

    /// Nodes that hold a tensor are constants, and all others are nodes.
    fn add(&mut self, node: Node<'a>) -> Option<()> {
        if node.operator == b"Constant" && node.is_standard() {
            let constant = Constant::read(node.attribute(b"value")?.tensor)?;
            self.constants.push(Constant { name: node.output(0)?, ..constant });
        } else {
            self.nodes.push(node);
        }
        Some(())
    }

    /// The constant of this name. (The last one, if there are several: none would be wrong.)
    pub(super) fn constant(&self, name: &[u8]) -> Option<&Constant<'a>> {
        self.constants.iter().rev().find(|constant| constant.name == name)
    }
}

impl<'a> Node<'a> {
    fn read(node: &'a [u8]) -> Option<Self> {
        let mut read = Self::default();
        for field in Fields::new(node) {
            match field.ok()? {
                (1, Field::Bytes(name)) => read.inputs.push(name),
                (2, Field::Bytes(name)) => read.outputs.push(name),
                (4, Field::Bytes(operator)) => read.operator = operator,
                (5, Field::Bytes(attribute)) => read.attributes.push(Attribute::read(attribute)?),
                (7, Field::Bytes(domain)) => read.domain = domain,
                _ => {}
            }
        }
        Some(read)
    }

    /// Whether the operator is one of ONNX's own.
    pub(super) fn is_standard(&self) -> bool {
        self.domain.is_empty() || self.domain == b"ai.onnx"
    }

    /// The name of an input that is given.
    pub(super) fn input(&self, index: usize) -> Option<&'a [u8]> {
        self.inputs.get(index).copied().filter(|name| !name.is_empty())
    }

    /// The name of an output that is wanted.
    pub(super) fn output(&self, index: usize) -> Option<&'a [u8]> {
        self.outputs.get(index).copied().filter(|name| !name.is_empty())
    }

    pub(super) fn attribute(&self, name: &[u8]) -> Option<&Attribute<'a>> {
        self.attributes.iter().find(|attribute| attribute.name == name)
    }
}

impl<'a> Attribute<'a> {
    fn read(attribute: &'a [u8]) -> Option<Self> {
        let mut read = Self::default();
        for field in Fields::new(attribute) {
            match field.ok()? {
                (1, Field::Bytes(name)) => read.name = name,
                (3, Field::Number(integer)) => read.integer = integer as i64,
                (4, Field::Bytes(text)) => read.text = text,
                (5, Field::Bytes(tensor)) => read.tensor = tensor,
                (8, integers) => push_integers(&mut read.integers, integers)?,
                (9, Field::Bytes(text)) => read.texts.push(text),
                _ => {}
            }
        }
        Some(read)
    }
}

impl<'a> Constant<'a> {
    fn read(tensor: &'a [u8]) -> Option<Self> {
        const FLOAT: u64 = 1;
        const INT64: u64 = 7;
        let mut read = Self::default();
        let (mut kind, mut raw, mut shape) = (0, None, Vec::new());
        for field in Fields::new(tensor) {
            match field.ok()? {
                (1, sizes) => push_integers(&mut shape, sizes)?,
                (2, Field::Number(number)) => kind = number,
                (4, Field::Bytes(floats)) if read.floats.is_empty() => read.floats = floats,
                (7, integers) => push_integers(&mut read.integers, integers)?,
                (8, Field::Bytes(name)) => read.name = name,
                (9, Field::Bytes(bytes)) => raw = Some(bytes),
                (3 | 4 | 13, _) | (14, Field::Number(1)) => return None, // a segment, floats one by one, data in another file
                _ => {}
            }
        }
        read.shape = shape.into_iter().map(|size| usize::try_from(size).ok()).collect::<Option<_>>()?;
        match (kind, raw) {
            (FLOAT, Some(raw)) => read.floats = raw,
            (INT64, Some(raw)) => {
                read.integers = raw.as_chunks().0.iter().map(|bytes| i64::from_le_bytes(*bytes)).collect();
            }
            (FLOAT | INT64, None) => {}
            _ => return None,
        }
        let count = read.shape.iter().try_fold(1_usize, |count, &size| count.checked_mul(size))?;
        let found = if kind == FLOAT { read.floats.len() / 4 } else { read.integers.len() };
        (found == count).then_some(read)
    }

    /// The numbers in row-major order, if they are floats.
    pub(super) fn floats(&self) -> Option<&'a [[u8; 4]]> {
        self.integers.is_empty().then_some(self.floats.as_chunks().0)
    }
}

/// One number, or many in a row.
fn push_integers(integers: &mut Vec<i64>, field: Field<'_>) -> Option<()> {
    match field {
        Field::Number(number) => integers.push(number as i64),
        Field::Bytes(packed) => {
            let mut numbers = Fields::new(packed);
            while !numbers.is_empty() {
                integers.push(numbers.number().ok()? as i64);
            }
        }
        Field::Fixed => return None,
    }
    Some(())
}
