#![doc = include_str!("../README.md")]

mod model;
mod operators;
mod pool;
mod unpack;

use std::{ffi::CStr, marker::PhantomData};

use ort_backend::{Engine, ModelSource, Options, Result, ort_sys};

pub use model::RtenModel;
pub use operators::{AllOperators, Operators, RecurrentOperators};
pub use ort_backend;
pub use pool::within_pool;
pub use rten;

/// rten as an engine behind `ort`, with the operators of `O`.
#[derive(Debug, Clone, Copy)]
pub struct Rten<O: Operators>(PhantomData<O>);

impl<O: Operators> Engine for Rten<O> {
    const NAME: &'static CStr = c"ort-rten over rten 0.27";
    type Model = RtenModel;

    fn open(source: ModelSource<'_>, options: &Options) -> Result<RtenModel> {
        RtenModel::open(source, options, O::registry())
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
    ort_backend::api::<Rten<O>>()
}
