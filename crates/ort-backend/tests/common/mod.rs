//! A tiny engine, and the one environment over it.

#![allow(dead_code, reason = "each test binary uses a part of it")]

use std::{ffi::CStr, path::PathBuf, sync::OnceLock};

use ort::{environment::Environment, session::Session, value::TensorRef};
use ort_backend::{
    Elements, Engine, Error, Metadata, Model, ModelSource, Options, Output, Outputs, Port, Result, Tensor, View,
    onnx_view,
};

/// Gives each output the input at the same place (or the last one): every second as numbers of its own, the others as a
/// tensor that it gives away.
pub struct Echo;

pub struct EchoModel {
    inputs: Vec<Port>,
    outputs: Vec<Port>,
    metadata: Metadata,
    /// What the program set for this model.
    mood: Option<String>,
}

/// The entry of a session's options that sets the engine's mood.
pub const MOOD: &CStr = c"test.mood";

impl Engine for Echo {
    const NAME: &'static CStr = c"echo 1.0";
    type Model = EchoModel;

    fn open(source: ModelSource<'_>, options: &Options) -> Result<EchoModel> {
        let bytes = source.read()?;
        let view = onnx_view::Model::read(&bytes)?;
        if let Some(node) = view.graph.nodes.iter().find(|node| !node.is_standard()) {
            return Err(Error::Model(format!("no echo of {}", node.operator).into()));
        }
        let mood = options.entry(MOOD).map(|mood| format!("{} {}", mood.to_string_lossy(), options.threads));
        let (inputs, outputs) = (Port::all(&view.graph.inputs)?, Port::all(&view.graph.outputs)?);
        Ok(EchoModel { inputs, outputs, metadata: Metadata::from(&view), mood })
    }
}

pub struct Echoes(Vec<Tensor>);

impl Model for EchoModel {
    type Outputs<'m> = Echoes;

    fn inputs(&self) -> &[Port] {
        &self.inputs
    }

    fn outputs(&self) -> &[Port] {
        &self.outputs
    }

    fn metadata(&self) -> &Metadata {
        &self.metadata
    }

    fn run(&self, inputs: &[View<'_>], wanted: &[usize]) -> Result<Echoes> {
        match self.mood.as_deref() {
            Some("angry 1") => panic!("the engine is angry"),
            Some("lazy 1") => return Ok(Echoes(Vec::new())),
            Some(mood) => return Err(Error::Inputs(mood.into())),
            None => {}
        }
        let echo = |&index: &usize| {
            let view = inputs[index.min(inputs.len() - 1)];
            match view.elements {
                Elements::Float32(items) => Tensor::from_vec(view.shape, items.to_vec()),
                Elements::Int64(items) => Tensor::from_vec(view.shape, items.to_vec()),
                Elements::Int32(items) => Tensor::from_vec(view.shape, items.to_vec()),
                Elements::Bool(items) => Tensor::from_bools(view.shape, items.iter().map(|&item| item != 0)),
                Elements::Uint8(items) => Tensor::from_vec(view.shape, items.to_vec()),
                Elements::Int8(items) => Tensor::from_vec(view.shape, items.to_vec()),
            }
        };
        wanted.iter().map(echo).collect::<Result<_>>().map(Echoes)
    }
}

impl Outputs for Echoes {
    fn take(&mut self, position: usize) -> Result<Output<'_>> {
        let tensor = self.0.get_mut(position).ok_or_else(|| Error::Run("too few echoes".into()))?;
        if position.is_multiple_of(2) {
            return Ok(Output::Borrowed(tensor.view()));
        }
        let empty = Tensor::from_vec::<u8>(&[0], Vec::new())?;
        Ok(Output::Owned(std::mem::replace(tensor, empty)))
    }
}

/// The one environment of the process.
pub fn environment() -> &'static Environment {
    static ENVIRONMENT: OnceLock<Environment> = OnceLock::new();
    ENVIRONMENT.get_or_init(|| {
        assert!(ort::set_api(ort_backend::api::<Echo>()));
        ort::init().with_telemetry(false).build().unwrap()
    })
}

pub fn fixture(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../ort-rten/tests/models").join(name)
}

/// A session with one thread.
pub fn open(name: &str) -> Session {
    let builder = Session::builder(environment()).unwrap();
    builder.with_intra_threads(1).unwrap().commit_from_file(fixture(name)).unwrap()
}

/// A session in a mood.
pub fn open_in_mood(mood: &str) -> Session {
    let builder = Session::builder(environment()).unwrap().with_intra_threads(1).unwrap();
    builder.with_config_entry("test.mood", mood).unwrap().commit_from_file(fixture("character.onnx")).unwrap()
}

/// Inputs of the character model: ids (T 3, N 2), h and c (L 2, N 2, H 8).
pub struct Inputs {
    pub ids: Vec<i64>,
    pub hidden: Vec<f32>,
    pub cell: Vec<f32>,
}

pub const IDS: [i64; 2] = [3, 2];
pub const STATE: [i64; 3] = [2, 2, 8];

impl Inputs {
    pub fn new() -> Self {
        let hidden: Vec<f32> = (0_u8..32).map(f32::from).collect();
        let cell = hidden.iter().map(|value| -value).collect();
        Self { ids: vec![1, 10, 0, 3, 7, 7], hidden, cell }
    }

    /// As `session.run` takes them.
    pub fn all(&self) -> Vec<(std::borrow::Cow<'static, str>, ort::session::SessionInputValue<'_>)> {
        ort::inputs![
            "ids" => TensorRef::from_array_view((IDS, &*self.ids)).unwrap(),
            "h" => TensorRef::from_array_view((STATE, &*self.hidden)).unwrap(),
            "c" => TensorRef::from_array_view((STATE, &*self.cell)).unwrap(),
        ]
    }
}

/// Runs the character model and compares the echo with the inputs.
#[track_caller]
pub fn check_echo(session: &mut Session) {
    let inputs = Inputs::new();
    let outputs = session.run(inputs.all()).unwrap();
    assert_eq!(outputs["logits"].try_extract_tensor::<i64>().unwrap().1, inputs.ids);
    assert_eq!(outputs["h_next"].try_extract_tensor::<f32>().unwrap().1, inputs.hidden);
    let (shape, cell) = outputs["c_next"].try_extract_tensor::<f32>().unwrap();
    assert_eq!((&shape[..], cell), (&STATE[..], &*inputs.cell));
}
