//! Reads of a model's file what the engine does not tell: the declared types and shapes of inputs and outputs, and the
//! metadata; and checks on the way that no length in the file claims more bytes than are there.
//!
//! An ONNX file is one protobuf message, `ModelProto`, whose fields are numbered in `onnx.proto`. The check matters: the
//! engine reserves memory by the lengths it reads, so that a file of a few bytes that claims gigabytes would end the
//! process. This module reads slices, allocates in proportion to what it finds, and knows nothing of the engine.

use crate::{
    element,
    error::{Error, Result},
    messages::{Found, Message, check},
    types::TypeInfo,
    wire::{Field, Fields},
};

/// What a file says of its model.
#[derive(Debug, Default)]
pub(crate) struct Header {
    pub(crate) inputs: Vec<Port>,
    pub(crate) outputs: Vec<Port>,
    pub(crate) metadata: Metadata,
    pub(crate) found: Found,
}

/// An input or an output of a model.
#[derive(Debug)]
pub(crate) struct Port {
    pub(crate) name: String,
    pub(crate) info: TypeInfo,
    /// False for a sequence, a map, an optional or a sparse tensor.
    pub(crate) is_tensor: bool,
}

/// Who made the model and what they wrote into it.
#[derive(Debug, Default, Clone)]
pub(crate) struct Metadata {
    pub(crate) producer: String,
    pub(crate) graph_name: String,
    pub(crate) graph_description: String,
    pub(crate) domain: String,
    pub(crate) description: String,
    pub(crate) version: i64,
    /// Keys and values of `metadata_props`, in the order of the file.
    pub(crate) custom: Vec<(String, String)>,
}

impl Header {
    /// Reads and checks a whole file.
    pub(crate) fn read(bytes: &[u8]) -> Result<Self> {
        let mut header = Self::default();
        let mut initialized = Vec::new();
        let mut has_graph = false;
        for field in Fields::new(bytes) {
            match field? {
                (2, Field::Bytes(name)) => header.metadata.producer = text(name)?,
                (4, Field::Bytes(domain)) => header.metadata.domain = text(domain)?,
                (5, Field::Number(version)) => header.metadata.version = version as i64,
                (6, Field::Bytes(description)) => header.metadata.description = text(description)?,
                (7, Field::Bytes(graph)) => {
                    has_graph = true;
                    check(graph, Message::Graph, 0, &mut header.found)?;
                    header.read_graph(graph, &mut initialized)?;
                }
                (8, Field::Bytes(opset)) => check_opset(opset)?,
                (14, Field::Bytes(property)) => header.metadata.custom.push(read_property(property)?),
                _ => {}
            }
        }
        if !has_graph {
            return Err(Error::NotAModel("it holds no graph".into()));
        }
        // Up to IR version 3, the weights were listed among the inputs.
        header.inputs.retain(|input| !initialized.contains(&input.name));
        Ok(header)
    }

    fn read_graph(&mut self, graph: &[u8], initialized: &mut Vec<String>) -> Result<()> {
        for field in Fields::new(graph) {
            match field? {
                (2, Field::Bytes(name)) => self.metadata.graph_name = text(name)?,
                (5, Field::Bytes(tensor)) => initialized.extend(read_tensor_name(tensor)?),
                (10, Field::Bytes(description)) => self.metadata.graph_description = text(description)?,
                (11, Field::Bytes(value)) => self.inputs.push(read_port(value)?),
                (12, Field::Bytes(value)) => self.outputs.push(read_port(value)?),
                _ => {}
            }
        }
        Ok(())
    }
}

/// The newest set of ONNX's own operators that is known. rten takes an operator of any later version for one of the last
/// version that it knows, and would compute something else than the file means.
const NEWEST_OPSET: u64 = 28;

/// `OperatorSetIdProto`: a domain and a version.
fn check_opset(opset: &[u8]) -> Result<()> {
    let (mut domain, mut version) = (String::new(), 0);
    for field in Fields::new(opset) {
        match field? {
            (1, Field::Bytes(name)) => domain = text(name)?,
            (2, Field::Number(number)) => version = number,
            _ => {}
        }
    }
    let is_standard = domain.is_empty() || domain == "ai.onnx";
    if is_standard && version > NEWEST_OPSET { Err(Error::UnknownOpset(version, NEWEST_OPSET)) } else { Ok(()) }
}

/// `TensorProto`: its name.
fn read_tensor_name(tensor: &[u8]) -> Result<Option<String>> {
    let mut name = None;
    for field in Fields::new(tensor) {
        if let (8, Field::Bytes(bytes)) = field? {
            name = Some(text(bytes)?);
        }
    }
    Ok(name)
}

/// `ValueInfoProto`: a name and a type.
fn read_port(value: &[u8]) -> Result<Port> {
    let mut port = Port { name: String::new(), info: TypeInfo::undeclared(), is_tensor: true };
    for field in Fields::new(value) {
        match field? {
            (1, Field::Bytes(name)) => port.name = text(name)?,
            (2, Field::Bytes(kind)) => {
                // `TypeProto`: one of a tensor, a sequence, a map, an optional and a sparse tensor.
                for field in Fields::new(kind) {
                    match field? {
                        (1, Field::Bytes(tensor)) => port.info = read_tensor_type(tensor)?,
                        (4 | 5 | 8 | 9, _) => port.is_tensor = false,
                        _ => {}
                    }
                }
            }
            _ => {}
        }
    }
    Ok(port)
}

/// `TypeProto.Tensor`: an element type and a shape.
fn read_tensor_type(tensor: &[u8]) -> Result<TypeInfo> {
    let mut element = 0;
    let mut dimensions = Vec::new();
    let mut symbols = Vec::new();
    let mut has_shape = false;
    for field in Fields::new(tensor) {
        match field? {
            (1, Field::Number(number)) => element = number,
            (2, Field::Bytes(shape)) => {
                has_shape = true; // one of no dimensions is the shape of a single number
                for field in Fields::new(shape) {
                    if let (1, Field::Bytes(dimension)) = field? {
                        let (size, symbol) = read_dimension(dimension)?;
                        dimensions.push(size);
                        symbols.push(symbol);
                    }
                }
            }
            _ => {}
        }
    }
    TypeInfo::declared(element::from_onnx(element), has_shape.then_some((dimensions, symbols)))
}

/// `TensorShapeProto.Dimension`: a size, or −1 and a name.
fn read_dimension(dimension: &[u8]) -> Result<(i64, String)> {
    let mut size = -1;
    let mut symbol = String::new();
    for field in Fields::new(dimension) {
        match field? {
            (1, Field::Number(number)) => size = i64::try_from(number).unwrap_or(-1),
            (2, Field::Bytes(name)) => symbol = text(name)?,
            _ => {}
        }
    }
    Ok((size, symbol))
}

/// `StringStringEntryProto`: a key and a value.
fn read_property(property: &[u8]) -> Result<(String, String)> {
    let mut pair = (String::new(), String::new());
    for field in Fields::new(property) {
        match field? {
            (1, Field::Bytes(key)) => pair.0 = text(key)?,
            (2, Field::Bytes(value)) => pair.1 = text(value)?,
            _ => {}
        }
    }
    Ok(pair)
}

fn text(bytes: &[u8]) -> Result<String> {
    String::from_utf8(bytes.to_vec()).map_err(|_| Error::NotAModel("a name in it is not UTF-8".into()))
}
