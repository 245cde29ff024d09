#![doc = include_str!("../README.md")]
#![expect(unsafe_code, reason = "the C interface of ONNX Runtime is raw pointers")]

mod build;
mod element;
mod error;
mod ffi;
mod header;
mod large_pages;
#[cfg(feature = "onnxruntime")]
mod library;
mod memory;
mod messages;
mod model;
mod options;
mod plan;
mod pool;
mod refusals;
mod session;
mod tensor;
mod types;
mod wire;

#[cfg(feature = "onnxruntime")]
pub use library::library_api;
pub use ort_sys;
pub use rten;

pub use large_pages::LargePages;
pub use pool::within_pool;

/// A set of operators that models may use.
///
/// The linker leaves out the operators that no set names. [`rten::op_registry!`] writes a set down:
///
/// ```
/// use ort_rten::{Operators, rten};
///
/// struct Perceptron;
///
/// impl Operators for Perceptron {
///     fn registry() -> rten::OpRegistry {
///         rten::op_registry!(MatMul, Add, Relu)
///     }
/// }
///
/// let api = ort_rten::api_with_operators::<Perceptron>(); // for `ort::set_api`
/// ```
pub trait Operators: 'static {
    /// Makes the set; called once for every model that is opened.
    fn registry() -> rten::OpRegistry;
}

/// Every operator that rten has without further features.
#[derive(Debug, Clone, Copy)]
pub struct AllOperators;

impl Operators for AllOperators {
    fn registry() -> rten::OpRegistry {
        rten::OpRegistry::with_all_ops()
    }
}

/// The operators of recurrent networks over ids: a table look-up, LSTM layers, an output layer, and what shapes need.
#[derive(Debug, Clone, Copy)]
pub struct RecurrentOperators;

impl Operators for RecurrentOperators {
    fn registry() -> rten::OpRegistry {
        rten::op_registry!(
            Add, Cast, Concat, Flatten, Gather, Gemm, Identity, LSTM, MatMul, OneHot, Reshape, Shape, Slice, Split,
            Squeeze, Transpose, Unsqueeze
        )
    }
}

/// The interface for `ort::set_api`, with [every operator](AllOperators).
///
/// ```
/// use ort::session::Session;
///
/// assert!(ort::set_api(ort_rten::api()));
/// let environment = ort::init().build()?;
/// let model = [0x08, 0x08]; // says that its format is version 8, and no more
/// let error = Session::builder(&environment)?.commit_from_memory(&model).unwrap_err();
/// assert!(error.to_string().contains("it holds no graph"));
/// # Ok::<(), ort::Error>(())
/// ```
pub fn api() -> ort_sys::OrtApi {
    api_with_operators::<AllOperators>()
}

/// The interface for `ort::set_api`, with the operators of `O` alone.
pub fn api_with_operators<O: Operators>() -> ort_sys::OrtApi {
    let mut api = refusals::table();
    error::install(&mut api);
    memory::install(&mut api);
    options::install::<O>(&mut api);
    session::install(&mut api);
    tensor::install(&mut api);
    types::install(&mut api);
    build::install(&mut api);
    api
}
