//! Encodes the model so that every reader can read it.
//!
//! Protobuf allows a tensor's `dims` to be written packed, as proto3 writers do, or unpacked, as ONNX's own tools do.
//! rten 0.27 reads only the unpacked form. So tensors are encoded here, with unpacked `dims`, and everything else by
//! prost.

use candle_onnx::onnx::{GraphProto, ModelProto, StringStringEntryProto, TensorProto};
use prost::Message;
use prost::encoding::{WireType, encode_key, encode_varint};

/// `ModelProto.graph` in ONNX's schema.
const GRAPH_FIELD: u32 = 7;
/// `ModelProto.metadata_props` in ONNX's schema.
const METADATA_FIELD: u32 = 14;
/// `GraphProto.initializer` in ONNX's schema.
const INITIALIZER_FIELD: u32 = 5;

/// The fields of a `TensorProto` that the exporter sets, with their numbers in ONNX's schema.
#[derive(Clone, PartialEq, Message)]
struct Tensor {
    #[prost(int64, repeated, packed = "false", tag = "1")]
    dims: Vec<i64>,
    #[prost(int32, tag = "2")]
    data_type: i32,
    #[prost(string, tag = "8")]
    name: String,
    #[prost(bytes = "vec", tag = "9")]
    raw_data: Vec<u8>,
}

/// The bytes of an ONNX file with this model.
pub fn encode(model: &ModelProto) -> Vec<u8> {
    let graph = model.graph.clone().unwrap_or_default();
    let mut graph_bytes = GraphProto { initializer: vec![], ..graph.clone() }.encode_to_vec();
    for TensorProto { dims, data_type, name, raw_data, .. } in graph.initializer {
        let tensor = Tensor { dims, data_type, name, raw_data };
        append(&mut graph_bytes, INITIALIZER_FIELD, &tensor.encode_to_vec());
    }
    let mut bytes = ModelProto { graph: None, ..model.clone() }.encode_to_vec();
    append(&mut bytes, GRAPH_FIELD, &graph_bytes);
    bytes
}

/// Adds an entry to the metadata of an encoded model.
pub fn add_metadata(bytes: &mut Vec<u8>, key: &str, value: &str) {
    let entry = StringStringEntryProto { key: key.into(), value: value.into() };
    append(bytes, METADATA_FIELD, &entry.encode_to_vec());
}

/// Appends an embedded message to an encoded one. A protobuf message is a plain sequence of fields, so this is allowed.
fn append(message: &mut Vec<u8>, field: u32, embedded: &[u8]) {
    encode_key(field, WireType::LengthDelimited, message);
    encode_varint(embedded.len() as u64, message);
    message.extend_from_slice(embedded);
}

#[cfg(test)]
mod tests {
    use super::*;
    use candle_onnx::onnx::NodeProto;

    #[test]
    fn the_bytes_decode_to_the_model() {
        let tensor = |name: &str, dims: &[i64]| TensorProto {
            name: name.into(),
            dims: dims.into(),
            data_type: 1,
            raw_data: vec![1, 2, 3, 4],
            ..TensorProto::default()
        };
        let model = ModelProto {
            ir_version: 8,
            producer_name: "test".into(),
            graph: Some(GraphProto {
                name: "graph".into(),
                node: vec![NodeProto { op_type: "Add".into(), ..NodeProto::default() }],
                initializer: vec![tensor("first", &[1, 300]), tensor("second", &[])],
                ..GraphProto::default()
            }),
            ..ModelProto::default()
        };
        let mut bytes = encode(&model);
        assert_eq!(ModelProto::decode(bytes.as_slice()).unwrap(), model);
        add_metadata(&mut bytes, "key", "value");
        let entry = StringStringEntryProto { key: "key".into(), value: "value".into() };
        let with_entry = ModelProto { metadata_props: vec![entry], ..model };
        assert_eq!(ModelProto::decode(bytes.as_slice()).unwrap(), with_entry);
        // Field 1 as a varint (key 0x08), once for each dimension: 1, and 300 in two bytes.
        let unpacked = [0x08, 0x01, 0x08, 0xac, 0x02];
        assert!(bytes.windows(unpacked.len()).any(|window| window == unpacked), "{bytes:x?}");
    }
}
