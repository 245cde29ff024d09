//! The entries that open and run a model, as `ort` has them on WebAssembly: Rust functions that return futures, because
//! `ort` expects an engine in JavaScript behind them. An engine in Rust has its answer at once, and the futures are ready.

use std::{future::ready, path::Path, pin::Pin};

use ort_sys::{OrtApi, OrtEnv, OrtRunOptions, OrtSession, OrtSessionOptions, OrtStatusPtr, OrtValue};

use crate::{
    engine::{Engine, Model, ModelSource},
    ffi,
    tensor::Tensor,
};

/// What the entries return.
type Answer = Pin<Box<dyn Future<Output = OrtStatusPtr>>>;

/// Puts the entries into the table.
pub(super) fn install<E: Engine>(api: &mut OrtApi) {
    api.CreateSession = create_from_file::<E>;
    api.CreateSessionFromArray = create_from_memory::<E>;
    api.RunAsync = run::<E::Model>;
}

unsafe fn create_from_file<E: Engine>(
    env: *const OrtEnv,
    path: &str,
    options: *const OrtSessionOptions,
    out: *mut *mut OrtSession,
) -> Answer {
    // SAFETY: by the interface's contract.
    let create = || unsafe { super::create::<E>(env, ModelSource::File(Path::new(path)), options, out) };
    Box::pin(ready(ffi::guard(create)))
}

unsafe fn create_from_memory<E: Engine>(
    env: *const OrtEnv,
    bytes: &[u8],
    options: *const OrtSessionOptions,
    out: *mut *mut OrtSession,
) -> Answer {
    // SAFETY: by the interface's contract.
    let create = || unsafe { super::create::<E>(env, ModelSource::Memory(bytes), options, out) };
    Box::pin(ready(ffi::guard(create)))
}

unsafe fn run<M: Model>(
    session: *mut OrtSession,
    options: *const OrtRunOptions,
    input_names: &[&str],
    inputs: &[*const OrtValue],
    output_names: &[&str],
    outputs: &mut [*mut OrtValue],
) -> Answer {
    let given = input_names.iter().zip(inputs).map(|(name, &value)| {
        // SAFETY: by the interface's contract.
        Ok((name.as_bytes(), unsafe { ffi::borrow::<Tensor, _>(value) }?))
    });
    let wanted = output_names.iter().map(|name| Ok(name.as_bytes()));
    // SAFETY: by the interface's contract.
    let run = || unsafe { super::run::<M>(session, options, given, wanted, outputs) };
    Box::pin(ready(ffi::guard(run)))
}
