//! A loaded model and how it runs: the safe middle between the C interface and the engine.

use std::{
    ffi::{CStr, CString},
    fs,
    path::Path,
};

use ort_sys::ONNXTensorElementDataType as Type;
use rten::{Model as Engine, ModelOptions, NodeId, ValueOrView, ValueView};
use rten_tensor::TensorView;
use smallvec::{SmallVec, smallvec};

use crate::{
    element::{self, Element},
    error::{Error, Result},
    header::{Header, Metadata},
    messages::{Found, Message, unpack},
    options::{Environment, SessionOptions},
    plan::{Plan, Threads, Value},
    pool::SessionPool,
    tensor::Tensor,
    types::TypeInfo,
};

/// A model that can be run, by several threads at once.
pub(crate) struct Model {
    runner: Runner,
    pub(crate) inputs: Vec<Port>,
    pub(crate) outputs: Vec<Port>,
    pub(crate) metadata: Metadata,
    pool: SessionPool,
}

/// What runs a model.
enum Runner {
    Plan(Plan),
    /// The engine, and the node of each input and output.
    Engine {
        engine: Box<Engine>,
        inputs: Vec<NodeId>,
        outputs: Vec<NodeId>,
    },
}

/// An input or an output.
pub(crate) struct Port {
    pub(crate) name: CString,
    pub(crate) info: TypeInfo,
    kind: &'static str,
}

/// Room for what a run needs per input and output, on the stack for models with few of them.
pub(crate) type Few<T> = SmallVec<[T; 8]>;

impl Model {
    /// Opens a file. Weights in other files are looked for beside it, if its name ends in `.onnx`.
    pub(crate) fn from_file(path: &Path, environment: &Environment, options: &SessionOptions) -> Result<Self> {
        let bytes = fs::read(path).map_err(|reason| Error::Unreadable { path: path.to_owned(), reason })?;
        let header = Header::read(&bytes)?;
        let mut obstacle = String::from("its form");
        if let Some(plan) = plan(&bytes, &header, options, &mut obstacle) {
            return Self::new(header, environment, options, |_| Ok(Runner::Plan(plan)));
        }
        let engine = engine_options(environment, options);
        let engine = match header.found {
            Found { external_data: true, packed_numbers: true } => return Err(Error::PackedNumbers),
            Found { external_data: true, .. } => {
                drop(bytes);
                engine.load_file(path)
            }
            Found { packed_numbers: true, .. } => engine.load(unpack(&bytes, Message::Model)?),
            Found { .. } => engine.load(bytes),
        };
        let engine = engine.map_err(|error| Error::Load(error, obstacle))?;
        Self::new(header, environment, options, |header| Runner::engine(engine, header))
    }

    /// Opens a model in memory, which is not needed any more afterwards.
    pub(crate) fn from_bytes(bytes: &[u8], environment: &Environment, options: &SessionOptions) -> Result<Self> {
        let header = Header::read(bytes)?;
        let mut obstacle = String::from("its form");
        if let Some(plan) = plan(bytes, &header, options, &mut obstacle) {
            return Self::new(header, environment, options, |_| Ok(Runner::Plan(plan)));
        }
        let bytes = if header.found.packed_numbers { unpack(bytes, Message::Model)? } else { bytes.to_vec() };
        let engine = engine_options(environment, options).load(bytes);
        let engine = engine.map_err(|error| Error::Load(error, obstacle))?;
        Self::new(header, environment, options, |header| Runner::engine(engine, header))
    }

    fn new(
        header: Header,
        environment: &Environment,
        options: &SessionOptions,
        runner: impl FnOnce(&Header) -> Result<Runner>,
    ) -> Result<Self> {
        let runner = runner(&header)?;
        let ports = |kind, ports: Vec<_>| ports.into_iter().map(|port| Port::new(kind, port)).collect();
        let inputs: Result<Vec<_>> = ports("input", header.inputs);
        let outputs: Result<Vec<_>> = ports("output", header.outputs);
        let threads = if options.shares_threads { environment.threads } else { options.threads };
        let pool = SessionPool::new(threads);
        Ok(Self { inputs: inputs?, outputs: outputs?, metadata: header.metadata, pool, runner })
    }

    /// Runs the model on named inputs and gives the named outputs, in the order of the names.
    pub(crate) fn run(&self, inputs: &[(&CStr, &Tensor)], outputs: &[usize]) -> Result<Few<Tensor>> {
        let mut given: Few<usize> = SmallVec::with_capacity(inputs.len());
        for (position, (name, tensor)) in inputs.iter().enumerate() {
            let index = find(&self.inputs, "input", name, position)?;
            let port = &self.inputs[index];
            port.check_type(tensor)?;
            port.check_shape(tensor)?;
            given.push(index);
        }
        if let Some(missing) = (0..self.inputs.len()).find(|index| !given.contains(index)) {
            return Err(Error::MissingInput(self.inputs[missing].name()));
        }
        let given = given.into_iter().zip(inputs.iter().map(|(_, tensor)| *tensor));
        match &self.runner {
            Runner::Plan(plan) => self.run_plan(plan, given, outputs),
            Runner::Engine { engine, inputs, outputs: nodes } => {
                let nodes: Few<NodeId> = outputs.iter().map(|&index| nodes[index]).collect();
                self.run_engine(engine, inputs, &given.collect::<Few<_>>(), &nodes, outputs)
            }
        }
    }

    fn run_plan<'a>(
        &self,
        plan: &Plan,
        given: impl Iterator<Item = (usize, &'a Tensor)>,
        outputs: &[usize],
    ) -> Result<Few<Tensor>> {
        let mut inputs: Few<Option<&Tensor>> = smallvec![None; self.inputs.len()];
        given.for_each(|(index, tensor)| inputs[index] = Some(tensor));
        let threads = Threads((self.pool.threads() > 1).then_some(&self.pool));
        let results = plan.run(inputs.into_iter().flatten().map(value), outputs, threads)?;
        Ok(results.into_iter().map(|(shape, numbers)| Tensor::from_floats(&shape, numbers)).collect())
    }

    fn run_engine(
        &self,
        engine: &Engine,
        inputs: &[NodeId],
        given: &[(usize, &Tensor)],
        nodes: &[NodeId],
        outputs: &[usize],
    ) -> Result<Few<Tensor>> {
        // Two passes over the inputs, for the views of the second borrow the integers of the first.
        let converted = given.iter().map(|(index, tensor)| self.inputs[*index].convert(tensor));
        let converted = converted.collect::<Result<Few<_>>>()?;
        let mut values = Vec::with_capacity(inputs.len()); // rten takes no other
        for ((index, tensor), converted) in given.iter().zip(&converted) {
            values.push((inputs[*index], view(tensor, converted)?));
        }
        let options = rten::RunOptions::default().with_thread_pool(self.pool.get());
        let results = engine.run(values, nodes, Some(options))?;
        let declared = outputs.iter().map(|&index| self.outputs[index].info.element());
        results.into_iter().zip(declared).map(|(value, declared)| Tensor::from_rten(value, declared)).collect()
    }

    /// Where an output stands in the list of outputs; `guess` is looked at first.
    pub(crate) fn find_output(&self, name: &CStr, guess: usize) -> Result<usize> {
        find(&self.outputs, "output", name, guess)
    }
}

impl Runner {
    fn engine(engine: Engine, header: &Header) -> Result<Self> {
        let node = |port: &crate::header::Port| Ok(engine.node_id(&port.name)?);
        let inputs = header.inputs.iter().map(node).collect::<Result<_>>()?;
        let outputs = header.outputs.iter().map(node).collect::<Result<_>>()?;
        Ok(Self::Engine { inputs, outputs, engine: Box::new(engine) })
    }
}

/// A model's plan, if its graph has one and optimisation is not switched off.
fn plan(model: &[u8], header: &Header, options: &SessionOptions, obstacle: &mut String) -> Option<Plan> {
    if !options.optimize {
        return None;
    }
    let ports = |ports: &[crate::header::Port]| {
        let port = |port: &crate::header::Port| match port.info.element() {
            _ if !port.is_tensor => None,
            Type::ONNX_TENSOR_ELEMENT_DATA_TYPE_FLOAT => Some(false),
            Type::ONNX_TENSOR_ELEMENT_DATA_TYPE_INT64 | Type::ONNX_TENSOR_ELEMENT_DATA_TYPE_INT32 => Some(true),
            _ => None,
        };
        ports.iter().map(port).collect::<Option<Vec<bool>>>()
    };
    let inputs = ports(&header.inputs)?;
    let inputs: Vec<_> = header.inputs.iter().map(|port| &*port.name).zip(inputs).collect();
    let outputs: Vec<_> = header.outputs.iter().map(|port| &*port.name).collect();
    let are_floats = ports(&header.outputs)?.iter().all(|are_ids| !are_ids);
    if are_floats { Plan::compile(model, &inputs, &outputs, obstacle) } else { None }
}

/// A tensor as a plan takes it; only those of these types are inputs of plans.
fn value(tensor: &Tensor) -> Value<'_> {
    let shape = tensor.shape().iter().map(|&size| size as usize).collect();
    if let Some(floats) = tensor.elements::<f32>() {
        return Value::Floats(shape, floats.into());
    }
    if let Some(longs) = tensor.elements::<i64>() {
        return Value::Integers(shape, longs.into());
    }
    let integers = tensor.elements::<i32>().unwrap_or_default();
    Value::Integers(shape, integers.iter().copied().map(i64::from).collect())
}

impl Port {
    fn new(kind: &'static str, port: crate::header::Port) -> Result<Self> {
        if !port.is_tensor {
            return Err(Error::UnsupportedElement(format!("the {kind} {:?}, which is no tensor", port.name)));
        }
        let name = CString::new(port.name).map_err(|_| Error::NotAModel("a name in it holds a zero byte".into()))?;
        Ok(Self { name, info: port.info, kind })
    }

    fn name(&self) -> String {
        self.name.to_string_lossy().into_owned()
    }

    pub(crate) fn check_type(&self, tensor: &Tensor) -> Result<()> {
        let declared = self.info.element();
        if declared == tensor.element().sys() || declared == Type::ONNX_TENSOR_ELEMENT_DATA_TYPE_UNDEFINED {
            return Ok(());
        }
        let expected = element::name(declared);
        Err(Error::WrongType { kind: self.kind, name: self.name(), expected, found: tensor.element() })
    }

    fn check_shape(&self, tensor: &Tensor) -> Result<()> {
        if self.info.admits(tensor.shape()) {
            return Ok(());
        }
        let (expected, found) = (self.info.describe_shape(), tensor.shape().to_vec());
        Err(Error::WrongShape { kind: self.kind, name: self.name(), expected, found })
    }

    /// Whether a tensor of the caller can take this output of this shape.
    pub(crate) fn check_room(&self, room: &Tensor, output: &Tensor) -> Result<()> {
        if room.element() != output.element() {
            let (expected, found) = (output.element().to_string(), room.element());
            return Err(Error::WrongType { kind: self.kind, name: self.name(), expected, found });
        }
        if room.shape() != output.shape() {
            let (expected, found) = (format!("{:?}", output.shape()), room.shape().to_vec());
            return Err(Error::WrongShape { kind: self.kind, name: self.name(), expected, found });
        }
        Ok(())
    }

    /// The elements as 32-bit integers, where they are integers (or bools) of another size that rten does not know.
    fn convert(&self, tensor: &Tensor) -> Result<SmallVec<[i32; 8]>> {
        if let Some(longs) = tensor.elements::<i64>() {
            let narrow = |(index, &value): (usize, &i64)| {
                i32::try_from(value).map_err(|_| Error::IntegerOutOfRange { name: self.name(), index, value })
            };
            return longs.iter().enumerate().map(narrow).collect();
        }
        match tensor.elements::<u8>() {
            Some(bools) if tensor.element() == Element::Bool => {
                Ok(bools.iter().map(|&byte| (byte != 0).into()).collect())
            }
            _ => Ok(SmallVec::new()),
        }
    }
}

fn engine_options(environment: &Environment, options: &SessionOptions) -> ModelOptions {
    let mut engine = ModelOptions::with_ops((environment.registry)());
    engine.enable_optimization(options.optimize);
    engine
}

/// A view of a tensor as rten wants it, of the converted integers if there are any.
fn view<'a>(tensor: &'a Tensor, converted: &'a [i32]) -> Result<ValueOrView<'a>> {
    let shape: SmallVec<[usize; 4]> = tensor.shape().iter().map(|&size| size as usize).collect();
    match tensor.element() {
        Element::Float32 => view_of(&shape, tensor.elements::<f32>()),
        Element::Int32 => view_of(&shape, tensor.elements::<i32>()),
        Element::Int64 | Element::Bool => view_of(&shape, Some(converted)),
        Element::Uint8 => view_of(&shape, tensor.elements::<u8>()),
        Element::Int8 => view_of(&shape, tensor.elements::<i8>()),
    }
}

fn view_of<'a, T>(shape: &[usize], elements: Option<&'a [T]>) -> Result<ValueOrView<'a>>
where
    ValueView<'a>: From<TensorView<'a, T>>,
{
    // Neither can fail: the type was matched and the number of elements is that of the shape.
    let elements = elements.ok_or_else(|| Error::invalid("a tensor has elements of another type than it says"))?;
    Ok(ValueView::from_shape(shape, elements).map_err(Error::invalid)?.into())
}

fn find(ports: &[Port], kind: &'static str, name: &CStr, guess: usize) -> Result<usize> {
    if ports.get(guess).is_some_and(|port| *port.name == *name) {
        return Ok(guess);
    }
    ports.iter().position(|port| *port.name == *name).ok_or_else(|| Error::UnknownName {
        kind,
        name: name.to_string_lossy().into_owned(),
        known: ports.iter().map(Port::name).collect::<Vec<_>>().join(", "),
    })
}
