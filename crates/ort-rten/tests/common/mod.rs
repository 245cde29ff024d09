//! What the tests of sessions share: the environment, the fixtures (from `models.py`), and the character model's inputs.

#![allow(dead_code, reason = "each test binary uses a part of it")]

use std::{collections::BTreeMap, fs, path::PathBuf, sync::OnceLock};

use ort::{
    environment::Environment,
    session::{Session, SessionOutputs},
    value::TensorRef,
};
use ort_rten::ort_backend::ort_sys;

/// The one environment of the process, over this crate.
pub fn environment() -> &'static Environment {
    environment_over(ort_rten::api)
}

/// The one environment of the process, over the interface that the first caller gives.
pub fn environment_over(api: impl FnOnce() -> ort_sys::OrtApi) -> &'static Environment {
    static ENVIRONMENT: OnceLock<Environment> = OnceLock::new();
    ENVIRONMENT.get_or_init(|| {
        assert!(ort::set_api(api()));
        ort::init().with_telemetry(false).build().unwrap()
    })
}

pub fn fixture(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/models").join(name)
}

/// A session with one thread.
pub fn open(name: &str) -> Session {
    let builder = Session::builder(environment()).unwrap();
    builder.with_intra_threads(1).unwrap().commit_from_file(fixture(name)).unwrap()
}

/// The message of the error of opening these bytes.
pub fn refusal(bytes: &[u8]) -> String {
    let mut builder = Session::builder(environment()).unwrap();
    match builder.commit_from_memory(bytes) {
        Ok(_) => panic!("the model was opened"),
        Err(error) => error.to_string(),
    }
}

/// The inputs that `models.py` gave to ONNX Runtime: ids (T 3, N 2), h and c (L 2, N 2, H 8).
pub struct Inputs {
    pub ids: Vec<i64>,
    pub hidden: Vec<f32>,
    pub cell: Vec<f32>,
}

pub const IDS: [i64; 2] = [3, 2];
pub const STATE: [i64; 3] = [2, 2, 8];

impl Inputs {
    pub fn new() -> Self {
        let hidden: Vec<f32> = (0_u8..32).map(|index| (f32::from(index) - 16.0) / 40.0).collect();
        let cell = hidden.iter().map(|value| -value).collect();
        Self { ids: vec![1, 10, 0, 3, 7, 7], hidden, cell }
    }

    pub fn run<'s>(&self, session: &'s mut Session) -> ort::Result<SessionOutputs<'s>> {
        session.run(ort::inputs![
            "ids" => TensorRef::from_array_view((IDS, &*self.ids))?,
            "h" => TensorRef::from_array_view((STATE, &*self.hidden))?,
            "c" => TensorRef::from_array_view((STATE, &*self.cell))?,
        ])
    }
}

/// Shapes and elements of outputs, by name.
pub type Results = BTreeMap<String, (Vec<i64>, Vec<f32>)>;

pub fn results(outputs: &SessionOutputs<'_>) -> Results {
    let tensor = |(name, value): (&str, ort::value::ValueRef<'_>)| {
        let (shape, elements) = value.try_extract_tensor::<f32>().unwrap();
        (name.to_owned(), (shape.to_vec(), elements.to_vec()))
    };
    outputs.iter().map(tensor).collect()
}

/// What ONNX Runtime gave for [`Inputs::new`], as `models.py` wrote it down.
pub fn expected() -> Results {
    serde_json::from_slice(&fs::read(fixture("character.json")).unwrap()).unwrap()
}

#[track_caller]
pub fn assert_close(found: &Results, expected: &Results, bound: f32) {
    assert_eq!(found.keys().collect::<Vec<_>>(), expected.keys().collect::<Vec<_>>());
    for (name, (shape, elements)) in found {
        let (expected_shape, expected_elements) = &expected[name];
        assert_eq!(shape, expected_shape, "shape of {name}");
        assert_eq!(elements.len(), expected_elements.len(), "length of {name}");
        for (index, (found, expected)) in elements.iter().zip(expected_elements).enumerate() {
            assert!((found - expected).abs() <= bound, "{name}[{index}] is {found} and should be {expected}");
        }
    }
}
