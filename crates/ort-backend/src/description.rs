//! The metadata of a model.

/// What a model's file says of itself.
#[derive(Debug, Default, Clone)]
pub struct Metadata {
    /// The program that wrote it.
    pub producer: String,
    /// The name of the graph.
    pub graph_name: String,
    /// The description of the graph.
    pub graph_description: String,
    /// The model's name space.
    pub domain: String,
    /// The description of the model.
    pub description: String,
    /// The version of the model.
    pub version: i64,
    /// Keys and values of `metadata_props`, in the order of the file.
    pub custom: Vec<(String, String)>,
}

impl From<&onnx_view::Model<'_>> for Metadata {
    fn from(model: &onnx_view::Model<'_>) -> Self {
        Self {
            producer: model.producer.into(),
            graph_name: model.graph.name.into(),
            graph_description: model.graph.description.into(),
            domain: model.domain.into(),
            description: model.description.into(),
            version: model.version,
            custom: model.properties.iter().map(|&(key, value)| (key.into(), value.into())).collect(),
        }
    }
}
