//! The outermost layer of an ONNX file: what must be known before an engine may see it.
//!
//! An ONNX file is a `ModelProto` in protocol buffers (onnx.proto). Its operator sets (field 8) and its metadata (field
//! 14) are read here. Of the graph (field 7) only the sizes of its tensors are: an engine multiplies dimensions before it
//! looks at the data, and a product that overflows would end the process. Nothing is allocated by a length that the file
//! claims, and every claim is held against the bytes that are there.

use std::ops::RangeInclusive;

use crate::{Error, Result};

/// The operator sets of the standard domain in which `LSTM` and its neighbours mean what this project means by them.
pub(crate) const OPSETS: RangeInclusive<i64> = 7..=26;

/// What the outermost layer of an ONNX file says.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Header {
    /// The version of the standard operators.
    pub opset: Option<i64>,
    /// The model card's JSON, as it stands in the metadata.
    pub card: Option<String>,
    /// Whether there is a graph.
    pub graph: bool,
}

impl Header {
    /// Walks the file and checks the operator set.
    pub fn read(bytes: &[u8]) -> Result<Self> {
        if bytes.is_empty() {
            return Err(Error::NotOnnx("it is empty"));
        }
        let mut header = Self::default();
        let mut fields = Fields { rest: bytes };
        while let Some(field) = fields.next()? {
            match field {
                (7, Value::Bytes(graph)) => {
                    header.graph = true;
                    check_tensors(graph, Message::Graph, bytes.len())?;
                }
                (8, Value::Bytes(opset)) => header.read_opset(opset)?,
                (14, Value::Bytes(property)) => header.read_property(property)?,
                _ => {}
            }
        }
        if !header.graph {
            return Err(Error::NotOnnx("it holds no graph"));
        }
        match header.opset {
            Some(found) if !OPSETS.contains(&found) => Err(Error::Opset { found, supported: OPSETS }),
            Some(_) => Ok(header),
            None => Err(Error::NotOnnx("it names no operator set")),
        }
    }

    fn read_opset(&mut self, bytes: &[u8]) -> Result<()> {
        let (mut domain, mut version) = (&b""[..], 0);
        let mut fields = Fields { rest: bytes };
        while let Some(field) = fields.next()? {
            match field {
                (1, Value::Bytes(bytes)) => domain = bytes,
                (2, Value::Number(number)) => version = number as i64,
                _ => {}
            }
        }
        if domain.is_empty() || domain == b"ai.onnx" {
            self.opset = Some(version);
        }
        Ok(())
    }

    fn read_property(&mut self, bytes: &[u8]) -> Result<()> {
        let (mut key, mut value) = (&b""[..], &b""[..]);
        let mut fields = Fields { rest: bytes };
        while let Some(field) = fields.next()? {
            match field {
                (1, Value::Bytes(bytes)) => key = bytes,
                (2, Value::Bytes(bytes)) => value = bytes,
                _ => {}
            }
        }
        if key == model_card::CARD_KEY.as_bytes() {
            self.card = Some(String::from_utf8_lossy(value).into_owned());
        }
        Ok(())
    }
}

/// The messages in which tensors lie: a graph's initializers (field 5), and the attributes (5) of its nodes (1), which
/// have one (5) or several (10).
#[derive(Clone, Copy)]
enum Message {
    Graph,
    Node,
    Attribute,
}

/// Refuses a graph with a tensor of more numbers than `room` bytes can hold.
fn check_tensors(bytes: &[u8], message: Message, room: usize) -> Result<()> {
    let mut fields = Fields { rest: bytes };
    while let Some((number, value)) = fields.next()? {
        let Value::Bytes(bytes) = value else { continue };
        match (message, number) {
            (Message::Graph, 1) => check_tensors(bytes, Message::Node, room)?,
            (Message::Node, 5) => check_tensors(bytes, Message::Attribute, room)?,
            (Message::Graph, 5) | (Message::Attribute, 5 | 10) => check_tensor(bytes, room)?,
            _ => {}
        }
    }
    Ok(())
}

/// `TensorProto`: the dimensions (field 1) come one by one, or several packed in one field.
fn check_tensor(bytes: &[u8], room: usize) -> Result<()> {
    let mut count = Some(1_u64);
    let mut multiply = |dimension| count = count.and_then(|count| count.checked_mul(dimension));
    let mut fields = Fields { rest: bytes };
    while let Some(field) = fields.next()? {
        match field {
            (1, Value::Number(dimension)) => multiply(dimension),
            (1, Value::Bytes(packed)) => {
                let mut packed = Fields { rest: packed };
                while !packed.rest.is_empty() {
                    multiply(packed.number()?);
                }
            }
            _ => {}
        }
    }
    // The smallest numbers take four bits.
    if count.is_some_and(|count| count / 2 <= room as u64) {
        Ok(())
    } else {
        Err(Error::Oversized("a tensor in it claims more numbers"))
    }
}

/// A field's content, as far as it matters here.
enum Value<'b> {
    Number(u64),
    Bytes(&'b [u8]),
}

/// The fields of one protocol-buffers message, in order.
struct Fields<'b> {
    rest: &'b [u8],
}

impl<'b> Fields<'b> {
    fn next(&mut self) -> Result<Option<(u64, Value<'b>)>> {
        if self.rest.is_empty() {
            return Ok(None);
        }
        let tag = self.number()?;
        let value = match tag & 7 {
            0 => Value::Number(self.number()?),
            1 => Value::Bytes(self.take(8)?),
            2 => {
                let length = self.number()?;
                Value::Bytes(self.take(length)?)
            }
            5 => Value::Bytes(self.take(4)?),
            _ => return Err(Error::NotOnnx("its fields are of no known kind")),
        };
        if tag >> 3 == 0 { Err(Error::NotOnnx("a field has no number")) } else { Ok(Some((tag >> 3, value))) }
    }

    /// A base-128 number of at most ten bytes.
    fn number(&mut self) -> Result<u64> {
        let mut number = 0;
        for place in 0..10 {
            let Some((&byte, rest)) = self.rest.split_first() else {
                return Err(Error::CutShort { announced: 1, left: 0 });
            };
            self.rest = rest;
            number |= u64::from(byte & 0x7f) << (7 * place);
            if byte < 0x80 {
                return Ok(number);
            }
        }
        Err(Error::NotOnnx("a number in it does not end"))
    }

    fn take(&mut self, length: u64) -> Result<&'b [u8]> {
        let left = self.rest.len();
        let cut = || Error::CutShort { announced: length, left };
        let length = usize::try_from(length).map_err(|_| cut())?;
        let (taken, rest) = self.rest.split_at_checked(length).ok_or_else(cut)?;
        self.rest = rest;
        Ok(taken)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::{any, prop, proptest};

    use super::*;

    const MODEL: &[u8] = include_bytes!("../tests/data/stateful.onnx");

    #[test]
    fn a_model_names_its_operators_and_its_card() {
        let header = Header::read(MODEL).unwrap();
        assert_eq!((header.opset, header.graph), (Some(17), true));
        assert!(header.card.unwrap().contains("\"seed_text\": \"the sea \""));
    }

    #[test]
    fn what_is_not_onnx_is_refused_by_name() {
        let huge: &[u8] = &[0x3a, 0xff, 0xff, 0xff, 0xff, 0x07]; // a graph of 2 GB
        let cases: [(&[u8], &str); 12] = [
            (b"", "it is empty"),
            (b"\x08\x08", "no graph"),
            (b"Once upon a time", "not an ONNX file"),
            (b"\x02\x00", "no number"),
            (b"\x80\x80\x80\x80\x80\x80\x80\x80\x80\x80\x80", "does not end"),
            (huge, "announces 2147483647 bytes where 0 are left"),
            (b"\x3a\x00", "no operator set"),
            (b"\x3a\x00\x42\x02\x10\x63", "operator set 99"),
            // Graphs with an initializer, or a node with an attribute, of 2^31 numbers, and of 2^35 times 2^35.
            (b"\x3a\x08\x2a\x06\x08\x80\x80\x80\x80\x08", "claims more numbers than the file"),
            (b"\x3a\x0c\x0a\x0a\x2a\x08\x2a\x06\x08\x80\x80\x80\x80\x08", "claims more numbers than the file"),
            (
                b"\x3a\x10\x2a\x0e\x0a\x0c\x80\x80\x80\x80\x80\x01\x80\x80\x80\x80\x80\x01",
                "claims more numbers than the file",
            ),
            (b"\x3a\x03\x2a\x01\x08", "announces 1 bytes where 0 are left"),
        ];
        for (bytes, part) in cases {
            let message = Header::read(bytes).unwrap_err().to_string();
            assert!(message.contains(part), "{message:?} should say {part:?}");
        }
    }

    #[test]
    fn a_model_cut_anywhere_is_refused_or_has_lost_its_card() {
        for length in 0..MODEL.len() {
            if let Ok(header) = Header::read(&MODEL[..length]) {
                assert_eq!(header.card, None, "cut to {length} bytes");
            }
        }
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_or_refused(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            let _ = Header::read(&bytes);
        }

        #[test]
        fn any_changed_byte_is_read_or_refused(place in 0..MODEL.len(), byte in any::<u8>()) {
            let mut model = MODEL.to_vec();
            model[place] = byte;
            let _ = Header::read(&model);
        }
    }
}
