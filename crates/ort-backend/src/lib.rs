#![doc = include_str!("../README.md")]
#![expect(unsafe_code, reason = "the C interface of ONNX Runtime is raw pointers")]

mod build;
mod description;
mod element;
mod engine;
mod error;
mod ffi;
#[cfg(feature = "onnxruntime")]
mod library;
mod memory;
mod metadata;
mod options;
mod port;
mod refusals;
mod session;
mod status;
mod tensor;
mod types;
mod values;

pub use onnx_view;
pub use ort_sys;

pub use description::Metadata;
pub use element::Element;
pub use engine::{Engine, Model, ModelSource, Output, Outputs};
pub use error::{Error, Result, Source};
#[cfg(feature = "onnxruntime")]
pub use library::library_api;
pub use options::Options;
pub use port::Port;
pub use tensor::{Elements, Native, Tensor, View};

/// The interface over an engine, for `ort::set_api`, before anything else of `ort`.
pub fn api<E: Engine>() -> ort_sys::OrtApi {
    let mut api = refusals::table();
    status::install(&mut api);
    memory::install(&mut api);
    options::install(&mut api);
    session::install::<E>(&mut api);
    metadata::install::<E>(&mut api);
    values::install(&mut api);
    types::install(&mut api);
    build::install::<E>(&mut api);
    api
}
