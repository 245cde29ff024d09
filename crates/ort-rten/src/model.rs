//! A model that rten runs.

use std::{fmt, path::Path};

use ort_backend::{
    Elements, Error, Metadata, Model, ModelSource, Options, Port, Result, Tensor, View, onnx_view,
    ort_sys::ONNXTensorElementDataType as Type,
};
use rten::{ModelOptions, NodeId, OpRegistry, Value, ValueOrView, ValueView};
use rten_tensor::{Layout, Tensor as RtenTensor, TensorView};
use smallvec::SmallVec;

use crate::{pool::SessionPool, unpack::unpack};

/// A model that rten runs, by several threads at once if they want.
pub struct RtenModel {
    model: Box<rten::Model>,
    inputs: Vec<Port>,
    outputs: Vec<Port>,
    metadata: Metadata,
    input_nodes: Vec<NodeId>,
    output_nodes: Vec<NodeId>,
    pool: SessionPool,
}

impl fmt::Debug for RtenModel {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("RtenModel")
            .field("inputs", &self.inputs)
            .field("outputs", &self.outputs)
            .finish_non_exhaustive()
    }
}

impl RtenModel {
    /// Opens a model. Weights in other files are looked for beside its own, if its name ends in `.onnx`.
    pub(crate) fn open(source: ModelSource<'_>, options: &Options, registry: OpRegistry) -> Result<Self> {
        let bytes = source.read()?;
        // rten reserves memory by the lengths that it reads, so it may only see a file that has been checked.
        let view = onnx_view::Model::read(&bytes)?;
        let (inputs, outputs) = (Port::all(&view.graph.inputs)?, Port::all(&view.graph.outputs)?);
        let metadata = Metadata::from(&view);
        let mut rten = ModelOptions::with_ops(registry);
        rten.enable_optimization(options.optimize);
        let model = match (source, view.facts) {
            (ModelSource::File(path), facts) if facts.external_data => load_beside(&rten, path, facts)?,
            (_, facts) if facts.packed_numbers => rten.load(unpack(&bytes)?).map_err(|error| load_failed(&error))?,
            _ => rten.load(bytes.into_owned()).map_err(|error| load_failed(&error))?,
        };
        let node = |port: &Port| model.node_id(&port.name()).map_err(|error| Error::Model(error.into()));
        let input_nodes = inputs.iter().map(node).collect::<Result<_>>()?;
        let output_nodes = outputs.iter().map(node).collect::<Result<_>>()?;
        let pool = SessionPool::new(options.threads);
        Ok(Self { model: Box::new(model), inputs, outputs, metadata, input_nodes, output_nodes, pool })
    }
}

/// Opens a model whose weights are in other files. rten reads the file itself then, and it cannot be rewritten.
fn load_beside(rten: &ModelOptions, path: &Path, facts: onnx_view::Facts) -> Result<rten::Model> {
    if facts.packed_numbers {
        let text = "the model has weights in other files and was written by a program that packs the dimensions of its \
                    tensors, which rten does not read; save it as one file";
        return Err(Error::Model(text.into()));
    }
    rten.load_file(path).map_err(|error| load_failed(&error))
}

fn load_failed(error: &rten::LoadError) -> Error {
    let text = format!(
        "rten cannot load the model: {error}; if rten has the operator that is missing, name it in the operators given \
         to `api_with_operators`"
    );
    Error::Model(text.into())
}

impl Model for RtenModel {
    type Outputs<'m> = Vec<Option<Tensor>>;

    fn inputs(&self) -> &[Port] {
        &self.inputs
    }

    fn outputs(&self) -> &[Port] {
        &self.outputs
    }

    fn metadata(&self) -> &Metadata {
        &self.metadata
    }

    fn run(&self, inputs: &[View<'_>], wanted: &[usize]) -> Result<Vec<Option<Tensor>>> {
        // Two passes over the inputs, for the views of the second borrow the integers of the first.
        let narrowed = self.inputs.iter().zip(inputs).map(|(port, view)| narrow(port, view));
        let narrowed = narrowed.collect::<Result<SmallVec<[_; 8]>>>()?;
        let mut values = Vec::with_capacity(inputs.len());
        for ((node, view), narrowed) in self.input_nodes.iter().zip(inputs).zip(&narrowed) {
            values.push((*node, rten_view(view, narrowed)?));
        }
        let nodes: SmallVec<[NodeId; 8]> = wanted.iter().map(|&index| self.output_nodes[index]).collect();
        let options = rten::RunOptions::default().with_thread_pool(self.pool.get());
        let results = self.model.run(values, &nodes, Some(options)).map_err(|error| Error::Run(error.into()))?;
        let declared = wanted.iter().map(|&index| self.outputs[index].element());
        results.into_iter().zip(declared).map(|(value, declared)| output(value, declared).map(Some)).collect()
    }
}

/// The elements as 32-bit integers, where they are integers or bools of a size that rten does not know.
fn narrow(port: &Port, view: &View<'_>) -> Result<SmallVec<[i32; 8]>> {
    match view.elements {
        Elements::Int64(longs) => {
            let narrow = |(index, &value): (usize, &i64)| {
                i32::try_from(value).map_err(|_| {
                    let name = port.name();
                    Error::Inputs(format!(
                        "element {index} of {name:?} is {value}; rten computes with 32-bit integers, so values from \
                         -2147483648 to 2147483647 can be given"
                    ))
                })
            };
            longs.iter().enumerate().map(narrow).collect()
        }
        Elements::Bool(bools) => Ok(bools.iter().map(|&byte| (byte != 0).into()).collect()),
        _ => Ok(SmallVec::new()),
    }
}

/// A view as rten wants it, of the narrowed integers if there are any.
fn rten_view<'a>(view: &View<'a>, narrowed: &'a [i32]) -> Result<ValueOrView<'a>> {
    match view.elements {
        Elements::Float32(elements) => view_of(view.shape, elements),
        Elements::Int32(elements) => view_of(view.shape, elements),
        Elements::Int64(_) | Elements::Bool(_) => view_of(view.shape, narrowed),
        Elements::Uint8(elements) => view_of(view.shape, elements),
        Elements::Int8(elements) => view_of(view.shape, elements),
    }
}

fn view_of<'a, T>(shape: &[usize], elements: &'a [T]) -> Result<ValueOrView<'a>>
where
    ValueView<'a>: From<TensorView<'a, T>>,
{
    Ok(ValueView::from_shape(shape, elements).map_err(|error| Error::Run(error.into()))?.into())
}

/// An output, with rten's 32-bit integers turned into the type that the model declares.
fn output(value: Value, declared: Type) -> Result<Tensor> {
    match value {
        Value::FloatTensor(tensor) => take(tensor),
        Value::UInt8Tensor(tensor) => take(tensor),
        Value::Int8Tensor(tensor) => take(tensor),
        Value::Int32Tensor(tensor) => match declared {
            Type::ONNX_TENSOR_ELEMENT_DATA_TYPE_INT64 => {
                let shape = tensor.shape().to_vec();
                Tensor::from_vec(&shape, tensor.into_data().into_iter().map(i64::from).collect())
            }
            Type::ONNX_TENSOR_ELEMENT_DATA_TYPE_BOOL => {
                let shape = tensor.shape().to_vec();
                Tensor::from_bools(&shape, tensor.into_data().into_iter().map(|integer| integer != 0))
            }
            _ => take(tensor),
        },
        _ => Err(Error::UnsupportedElement("sequences".into())),
    }
}

/// A tensor that is not in row-major order is copied, one that is gives its memory away.
fn take<T: Clone + ort_backend::Native>(tensor: RtenTensor<T>) -> Result<Tensor> {
    let shape = tensor.shape().to_vec();
    Tensor::from_vec(&shape, tensor.into_data())
}
