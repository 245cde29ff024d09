//! The messages in an event file: the fields of `TensorFlow`'s `event.proto`, `summary.proto` and `tensor.proto` that
//! are written here. A reader skips all others. Fields of a `oneof` are optional fields here, which is the same on the wire.

use prost::Message;

/// The first event of a file says this.
pub const FILE_VERSION: &str = "brain.Event:2";

/// `DT_STRING` of `types.proto`.
const STRING: i32 = 7;

/// `DATA_CLASS_TENSOR` of `summary.proto`.
const TENSOR: i32 = 2;

/// `tensorflow.Event`.
#[derive(Clone, PartialEq, Message)]
pub struct Event {
    /// Seconds since 1970.
    #[prost(double, tag = "1")]
    pub wall_time: f64,
    #[prost(int64, tag = "2")]
    pub step: i64,
    /// In the first event only.
    #[prost(string, optional, tag = "3")]
    pub file_version: Option<String>,
    #[prost(message, optional, tag = "5")]
    pub summary: Option<Summary>,
}

/// `tensorflow.Summary`.
#[derive(Clone, PartialEq, Message)]
pub struct Summary {
    #[prost(message, repeated, tag = "1")]
    pub value: Vec<SummaryValue>,
}

/// `tensorflow.Summary.Value`.
#[derive(Clone, PartialEq, Message)]
pub struct SummaryValue {
    #[prost(string, tag = "1")]
    pub tag: String,
    #[prost(float, optional, tag = "2")]
    pub simple_value: Option<f32>,
    #[prost(message, optional, tag = "8")]
    pub tensor: Option<TensorProto>,
    #[prost(message, optional, tag = "9")]
    pub metadata: Option<SummaryMetadata>,
}

/// `tensorflow.TensorProto`.
#[derive(Clone, PartialEq, Message)]
pub struct TensorProto {
    #[prost(int32, tag = "1")]
    pub dtype: i32,
    #[prost(message, optional, tag = "2")]
    pub tensor_shape: Option<TensorShape>,
    #[prost(bytes = "vec", repeated, tag = "8")]
    pub string_val: Vec<Vec<u8>>,
}

/// `tensorflow.TensorShapeProto`.
#[derive(Clone, PartialEq, Message)]
pub struct TensorShape {
    #[prost(message, repeated, tag = "2")]
    pub dim: Vec<Dimension>,
}

/// `tensorflow.TensorShapeProto.Dim`.
#[derive(Clone, PartialEq, Message)]
pub struct Dimension {
    #[prost(int64, tag = "1")]
    pub size: i64,
}

/// `tensorflow.SummaryMetadata`.
#[derive(Clone, PartialEq, Message)]
pub struct SummaryMetadata {
    #[prost(message, optional, tag = "1")]
    pub plugin_data: Option<PluginData>,
    #[prost(int32, tag = "4")]
    pub data_class: i32,
}

/// `tensorflow.SummaryMetadata.PluginData`.
#[derive(Clone, PartialEq, Message)]
pub struct PluginData {
    #[prost(string, tag = "1")]
    pub plugin_name: String,
}

impl SummaryValue {
    /// A number.
    pub fn scalar(tag: &str, number: f64) -> Self {
        Self { tag: tag.into(), simple_value: Some(number as f32), tensor: None, metadata: None }
    }

    /// A text, for TensorBoard's plugin of that name, which shows it as Markdown.
    pub fn text(tag: &str, text: &str) -> Self {
        let tensor_shape = Some(TensorShape { dim: vec![Dimension { size: 1 }] });
        let tensor = TensorProto { dtype: STRING, tensor_shape, string_val: vec![text.as_bytes().to_vec()] };
        let plugin_data = Some(PluginData { plugin_name: "text".into() });
        let metadata = SummaryMetadata { plugin_data, data_class: TENSOR };
        Self { tag: tag.into(), simple_value: None, tensor: Some(tensor), metadata: Some(metadata) }
    }
}
