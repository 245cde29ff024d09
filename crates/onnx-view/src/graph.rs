//! Graphs, their nodes, and the nodes' attributes.

use crate::{
    DEEPEST, Error, Port, Result, Tensor, is_standard,
    reader::Reader,
    wire::{Field, Fields, each_integer, name, text},
};

/// `GraphProto`
#[derive(Debug, Default)]
pub struct Graph<'a> {
    /// Its name.
    pub name: &'a str,
    /// Its description.
    pub description: &'a str,
    /// Its operators, in an order in which they can run.
    pub nodes: Vec<Node<'a>>,
    /// Its constants, but for those that are nodes.
    pub initializers: Vec<Tensor<'a>>,
    /// What it takes.
    pub inputs: Vec<Port<'a>>,
    /// What it gives.
    pub outputs: Vec<Port<'a>>,
    /// Whether it has sparse constants, which the view leaves out.
    pub has_sparse_initializers: bool,
}

/// One use of an operator: `NodeProto`.
#[derive(Debug, Default)]
pub struct Node<'a> {
    /// Its name, which may be empty.
    pub name: &'a str,
    /// The operator, such as `LSTM`.
    pub operator: &'a str,
    /// Where the operator is defined.
    domain: &'a str,
    /// The names of the values that it reads; empty for those that are left out.
    pub inputs: Vec<&'a str>,
    /// The names of the values that it makes; empty for those that are not wanted.
    pub outputs: Vec<&'a str>,
    /// Its attributes.
    pub attributes: Vec<Attribute<'a>>,
}

/// `AttributeProto`. Only the fields of its own kind are filled.
#[derive(Debug, Default)]
pub struct Attribute<'a> {
    /// Its name.
    pub name: &'a str,
    /// An integer.
    pub integer: i64,
    /// Integers.
    pub integers: Vec<i64>,
    /// A text.
    pub text: &'a [u8],
    /// Texts.
    pub texts: Vec<&'a [u8]>,
    /// A tensor.
    pub tensor: Option<Box<Tensor<'a>>>,
}

impl<'a> Graph<'a> {
    /// Adds the fields of a message.
    pub(crate) fn read(&mut self, message: &'a [u8], depth: usize, reader: &mut Reader) -> Result<()> {
        if depth > DEEPEST {
            return Err(Error::TooDeep);
        }
        for field in Fields::new(message) {
            match field? {
                (1, Field::Bytes(bytes)) => {
                    let node = Node::read(bytes, depth, reader)?;
                    reader.push(&mut self.nodes, node)?;
                }
                (2, Field::Bytes(bytes)) => self.name = name(bytes)?,
                (5, Field::Bytes(bytes)) => {
                    let tensor = Tensor::read(bytes, reader)?;
                    reader.push(&mut self.initializers, tensor)?;
                }
                (10, Field::Bytes(bytes)) => self.description = text(bytes)?,
                (11, Field::Bytes(bytes)) => {
                    let port = Port::read(bytes, reader)?;
                    reader.push(&mut self.inputs, port)?;
                }
                (12, Field::Bytes(bytes)) => {
                    let port = Port::read(bytes, reader)?;
                    reader.push(&mut self.outputs, port)?;
                }
                // Types of values within, which an engine may read: they are checked and not kept.
                (13, Field::Bytes(bytes)) => drop(Port::read(bytes, reader)?),
                (15, _) => self.has_sparse_initializers = true,
                _ => {}
            }
        }
        Ok(())
    }
}

impl<'a> Node<'a> {
    fn read(message: &'a [u8], depth: usize, reader: &mut Reader) -> Result<Self> {
        let mut node = Self::default();
        for field in Fields::new(message) {
            match field? {
                (1, Field::Bytes(bytes)) => reader.push(&mut node.inputs, name(bytes)?)?,
                (2, Field::Bytes(bytes)) => reader.push(&mut node.outputs, name(bytes)?)?,
                (3, Field::Bytes(bytes)) => node.name = name(bytes)?,
                (4, Field::Bytes(bytes)) => node.operator = name(bytes)?,
                (5, Field::Bytes(bytes)) => {
                    let attribute = Attribute::read(bytes, depth, reader)?;
                    reader.push(&mut node.attributes, attribute)?;
                }
                (7, Field::Bytes(bytes)) => node.domain = name(bytes)?,
                _ => {}
            }
        }
        Ok(node)
    }

    /// Whether the operator is one of ONNX's own.
    pub fn is_standard(&self) -> bool {
        is_standard(self.domain)
    }

    /// The name of an input that is given.
    pub fn input(&self, index: usize) -> Option<&'a str> {
        self.inputs.get(index).copied().filter(|name| !name.is_empty())
    }

    /// The name of an output that is wanted.
    pub fn output(&self, index: usize) -> Option<&'a str> {
        self.outputs.get(index).copied().filter(|name| !name.is_empty())
    }

    /// An attribute by its name.
    pub fn attribute(&self, name: &str) -> Option<&Attribute<'a>> {
        self.attributes.iter().find(|attribute| attribute.name == name)
    }
}

impl<'a> Attribute<'a> {
    fn read(message: &'a [u8], depth: usize, reader: &mut Reader) -> Result<Self> {
        let mut attribute = Self::default();
        for field in Fields::new(message) {
            match field? {
                (1, Field::Bytes(bytes)) => attribute.name = name(bytes)?,
                (3, Field::Number(number)) => attribute.integer = number as i64,
                (4, Field::Bytes(bytes)) => attribute.text = bytes,
                (5, Field::Bytes(bytes)) => attribute.tensor = Some(Box::new(Tensor::read(bytes, reader)?)),
                // Graphs and further tensors are checked and not kept.
                (6 | 11, Field::Bytes(bytes)) => Graph::default().read(bytes, depth + 1, reader)?,
                (10, Field::Bytes(bytes)) => drop(Tensor::read(bytes, reader)?),
                (7, Field::Bytes(floats)) => {
                    reader.facts.packed_numbers = true;
                    if !floats.len().is_multiple_of(4) {
                        return Err(Error::Malformed("a float in it does not end"));
                    }
                }
                (8, integers) => {
                    reader.facts.packed_numbers |= matches!(integers, Field::Bytes(_));
                    each_integer(integers, |integer| reader.push(&mut attribute.integers, integer))?;
                }
                (9, Field::Bytes(bytes)) => reader.push(&mut attribute.texts, bytes)?,
                _ => {}
            }
        }
        Ok(attribute)
    }
}
