#![doc = include_str!("../README.md")]

mod error;
mod graph;
mod port;
mod reader;
mod tensor;
pub mod wire;

#[cfg(test)]
mod tests;

use std::{borrow::Cow, collections::HashSet, ops::RangeInclusive};

pub use error::{Error, Result};
pub use graph::{Attribute, Graph, Node};
pub use port::{Dimension, Port, PortType};
use reader::Reader;
pub use tensor::Tensor;
use wire::{Field, Fields, name, text};

/// The versions of ONNX's own operators that are read: from the one with today's broadcasting on, up to the newest that
/// was published when this was written. An engine that met a later one would guess what its operators mean.
pub const OPSETS: RangeInclusive<u64> = 7..=28;

/// How deep graphs may lie within graphs (as the bodies of loops do): readers recurse.
pub const DEEPEST: usize = 64;

/// The most items of a list: nodes, names of a node, attributes, tensors, inputs, outputs, entries of the metadata.
pub const MOST_ITEMS: usize = 1 << 16;

/// The most dimensions of a tensor or a port.
pub const MOST_DIMENSIONS: usize = 64;

/// The most bytes of a name. Descriptions and the values of metadata may be longer.
pub const LONGEST_NAME: usize = 1 << 12;

/// A file: `ModelProto`.
#[derive(Debug, Default)]
pub struct Model<'a> {
    /// The program that wrote the file.
    pub producer: &'a str,
    /// The model's name space, such as `org.example`.
    pub domain: &'a str,
    /// The version of the model.
    pub version: i64,
    /// Its description.
    pub description: &'a str,
    /// The version of ONNX's own operators.
    pub opset: u64,
    /// Keys and values of `metadata_props`, in the order of the file.
    pub properties: Vec<(&'a str, &'a str)>,
    /// The main graph.
    pub graph: Graph<'a>,
    /// Facts about the whole file, graphs within graphs included.
    pub facts: Facts,
}

/// What some engines cannot read.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub struct Facts {
    /// Some tensors lie in other files.
    pub external_data: bool,
    /// Dimensions of tensors or numbers of attributes are packed.
    pub packed_numbers: bool,
}

impl<'a> Model<'a> {
    /// Reads and checks a whole file.
    pub fn read(file: &'a [u8]) -> Result<Self> {
        if file.is_empty() {
            return Err(Error::Malformed("it is empty"));
        }
        let mut model = Self::default();
        let mut reader = Reader::new(file.len());
        let (mut has_graph, mut opset) = (false, None);
        for field in Fields::new(file) {
            match field? {
                (2, Field::Bytes(bytes)) => model.producer = name(bytes)?,
                (4, Field::Bytes(bytes)) => model.domain = name(bytes)?,
                (5, Field::Number(number)) => model.version = number as i64,
                (6, Field::Bytes(bytes)) => model.description = text(bytes)?,
                (7, Field::Bytes(bytes)) => {
                    // Parts of one message add up, if there are several.
                    has_graph = true;
                    model.graph.read(bytes, 0, &mut reader)?;
                }
                (8, Field::Bytes(bytes)) => opset = read_opset(bytes)?.or(opset),
                (14, Field::Bytes(bytes)) => reader.push(&mut model.properties, read_property(bytes)?)?,
                _ => {}
            }
        }
        if !has_graph {
            return Err(Error::Malformed("it holds no graph"));
        }
        model.opset = opset.ok_or(Error::Malformed("it names no operator set"))?;
        // Up to the third version of the format, weights were listed among the inputs.
        let constants = distinct("constants", model.graph.initializers.iter().map(|tensor| tensor.name))?;
        model.graph.inputs.retain(|input| !constants.contains(input.name));
        distinct("inputs", model.graph.inputs.iter().map(|input| input.name))?;
        distinct("outputs", model.graph.outputs.iter().map(|output| output.name))?;
        model.facts = reader.facts;
        Ok(model)
    }

    /// A value of the metadata. The last one counts, if the key is there several times.
    pub fn property(&self, key: &str) -> Option<&'a str> {
        self.properties.iter().rev().find(|(known, _)| *known == key).map(|(_, value)| *value)
    }
}

/// A name for a message: its beginning, if it is long.
pub fn shortened(name: &str) -> Cow<'_, str> {
    const SHOWN: usize = 60;
    match name.char_indices().nth(SHOWN) {
        Some((end, _)) => format!("{}\u{2026}", &name[..end]).into(),
        None => name.into(),
    }
}

/// The set of some names, no two of which may be the same: engines would differ in which one they take.
fn distinct<'a>(kind: &'static str, names: impl ExactSizeIterator<Item = &'a str>) -> Result<HashSet<&'a str>> {
    let mut known = HashSet::with_capacity(names.len());
    for name in names {
        if !known.insert(name) {
            return Err(Error::Duplicate { kind, name: shortened(name).into() });
        }
    }
    Ok(known)
}

/// `OperatorSetIdProto`: the version, if it is that of ONNX's own operators.
fn read_opset(message: &[u8]) -> Result<Option<u64>> {
    let (mut domain, mut version) = ("", 0);
    for field in Fields::new(message) {
        match field? {
            (1, Field::Bytes(bytes)) => domain = name(bytes)?,
            (2, Field::Number(number)) => version = number,
            _ => {}
        }
    }
    if !is_standard(domain) {
        return Ok(None);
    }
    if OPSETS.contains(&version) { Ok(Some(version)) } else { Err(Error::Opset { found: version, supported: OPSETS }) }
}

/// `StringStringEntryProto`.
fn read_property(message: &[u8]) -> Result<(&str, &str)> {
    let mut pair = ("", "");
    for field in Fields::new(message) {
        match field? {
            (1, Field::Bytes(bytes)) => pair.0 = name(bytes)?,
            (2, Field::Bytes(bytes)) => pair.1 = text(bytes)?,
            _ => {}
        }
    }
    Ok(pair)
}

/// Whether a domain is that of ONNX's own operators.
fn is_standard(domain: &str) -> bool {
    domain.is_empty() || domain == "ai.onnx"
}
