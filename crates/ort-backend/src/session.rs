//! Sessions: the entries that open a model, describe it and run it.

use std::ffi::c_char;

use ort_sys::{
    OrtAllocator, OrtApi, OrtEnv, OrtRunOptions, OrtSession, OrtSessionOptions, OrtStatusPtr, OrtTypeInfo, OrtValue,
};
use smallvec::{SmallVec, smallvec};

use crate::{
    engine::{Engine, Model, ModelSource, Output, Outputs},
    error::{Error, Result},
    ffi, memory,
    options::{Environment, Options, RunOptions},
    port::Port,
    tensor::{Tensor, View},
};

#[cfg_attr(target_arch = "wasm32", path = "session/futures.rs")]
#[cfg_attr(not(target_arch = "wasm32"), path = "session/entries.rs")]
mod entries;

/// A model that callers can run: `OrtSession`.
pub(crate) struct Session<M> {
    pub(crate) model: M,
}

impl<M: Model> ffi::Handle<OrtSession> for Session<M> {}

/// Room for what a run needs per input and output, on the stack for models with few of them.
type Few<T> = SmallVec<[T; 8]>;

/// Puts the entries that handle sessions into the table.
pub(crate) fn install<E: Engine>(api: &mut OrtApi) {
    entries::install::<E>(api);
    api.SessionGetInputCount = input_count::<E::Model>;
    api.SessionGetOutputCount = output_count::<E::Model>;
    api.SessionGetOverridableInitializerCount = initializer_count;
    api.SessionGetInputName = input_name::<E::Model>;
    api.SessionGetOutputName = output_name::<E::Model>;
    api.SessionGetInputTypeInfo = input_type::<E::Model>;
    api.SessionGetOutputTypeInfo = output_type::<E::Model>;
    api.ReleaseSession = release::<E::Model>;
}

impl<M: Model> Session<M> {
    /// The views of named inputs, in the model's order.
    fn views<'v>(&self, given: impl Iterator<Item = Result<(&'v [u8], &'v Tensor)>>) -> Result<Few<View<'v>>> {
        let ports = self.model.inputs();
        let mut tensors: Few<Option<&Tensor>> = smallvec![None; ports.len()];
        for (position, given) in given.enumerate() {
            let (name, tensor) = given?;
            let index = Port::find(ports, "input", name, position)?;
            ports[index].check("input", tensor)?;
            tensors[index] = Some(tensor);
        }
        let view = |(port, tensor): (&Port, Option<&'v Tensor>)| {
            tensor.map(Tensor::view).ok_or_else(|| Error::MissingInput(port.name()))
        };
        ports.iter().zip(tensors).map(view).collect()
    }
}

// The interface's contract: handles point to the Rust type that `ffi::Handle` says, were made by this table and are
// not released yet; sessions and metadata are never changed, so that any number of threads may be here; allocators are
// valid; strings are C strings; arrays have the length that is passed with them; out-parameters may be written. The
// module `ffi` says what a broken caller can do.

/// # Safety
///
/// By the interface's contract.
unsafe fn resolved_options(env: *const OrtEnv, options: *const OrtSessionOptions) -> Result<Options> {
    // SAFETY: the caller's promise.
    let env = unsafe { ffi::borrow::<Environment, _>(env) }?;
    let mut options = if options.is_null() {
        Options::default()
    } else {
        // SAFETY: the caller's promise.
        unsafe { ffi::borrow::<Options, _>(options) }?.clone()
    };
    if options.shares_threads {
        options.threads = env.threads;
    }
    Ok(options)
}

unsafe extern "system" fn initializer_count(_: *const OrtSession, out: *mut usize) -> OrtStatusPtr {
    // SAFETY: by the interface's contract. No engine lets weights be given at a run.
    ffi::guard(|| unsafe { ffi::write(out, 0) })
}

fn port(ports: &[Port], index: usize) -> Result<&Port> {
    ports.get(index).ok_or_else(|| Error::invalid(format_args!("number {index} of {} is asked for", ports.len())))
}

macro_rules! port_entries {
    ($($ports:ident, $count:ident, $name:ident, $info:ident;)*) => {$(
        unsafe extern "system" fn $count<M: Model>(session: *const OrtSession, out: *mut usize) -> OrtStatusPtr {
            // SAFETY: by the interface's contract.
            ffi::guard(|| unsafe { ffi::write(out, ffi::borrow::<Session<M>, _>(session)?.model.$ports().len()) })
        }

        unsafe extern "system" fn $name<M: Model>(
            session: *const OrtSession,
            index: usize,
            allocator: *mut OrtAllocator,
            out: *mut *mut c_char,
        ) -> OrtStatusPtr {
            ffi::guard(|| {
                // SAFETY: by the interface's contract.
                let port = port(unsafe { ffi::borrow::<Session<M>, _>(session)?.model.$ports() }, index)?;
                // SAFETY: by the interface's contract.
                unsafe { ffi::write(out, memory::give(allocator, port.name.as_bytes_with_nul())?) }
            })
        }

        unsafe extern "system" fn $info<M: Model>(
            session: *const OrtSession,
            index: usize,
            out: *mut *mut OrtTypeInfo,
        ) -> OrtStatusPtr {
            ffi::guard(|| {
                // SAFETY: by the interface's contract.
                let port = port(unsafe { ffi::borrow::<Session<M>, _>(session)?.model.$ports() }, index)?;
                // SAFETY: by the interface's contract.
                unsafe { ffi::write(out, ffi::into_raw(port.info.clone())) }
            })
        }
    )*};
}

port_entries! {
    inputs, input_count, input_name, input_type;
    outputs, output_count, output_name, output_type;
}

/// Opens a model and writes its handle.
///
/// # Safety
///
/// By the interface's contract.
unsafe fn create<E: Engine>(
    env: *const OrtEnv,
    source: ModelSource<'_>,
    options: *const OrtSessionOptions,
    out: *mut *mut OrtSession,
) -> Result<()> {
    // SAFETY: the caller's promise.
    let options = unsafe { resolved_options(env, options) }?;
    let model = E::open(source, &options)?;
    // SAFETY: the caller's promise.
    unsafe { ffi::write(out, ffi::into_raw(Session { model })) }
}

/// Runs a model on named inputs and writes the named outputs.
///
/// # Safety
///
/// By the interface's contract.
unsafe fn run<'v, M: Model>(
    session: *mut OrtSession,
    options: *const OrtRunOptions,
    given: impl Iterator<Item = Result<(&'v [u8], &'v Tensor)>>,
    wanted: impl Iterator<Item = Result<&'v [u8]>>,
    outputs: &mut [*mut OrtValue],
) -> Result<()> {
    // SAFETY: the caller's promise.
    let session = unsafe { ffi::borrow::<Session<M>, _>(session) }?;
    // SAFETY: the caller's promise.
    if !options.is_null() && unsafe { ffi::borrow::<RunOptions, _>(options) }?.is_terminated() {
        return Err(Error::Terminated);
    }
    let views = session.views(given)?;
    let ports = session.model.outputs();
    let wanted = wanted.enumerate().map(|(position, name)| Port::find(ports, "output", name?, position));
    let wanted = wanted.collect::<Result<Few<usize>>>()?;

    let mut results = session.model.run(&views, &wanted)?;
    // From here on no input is looked at: an output may be the very value that an input was.
    drop(views);
    // Tensors that are made here are given away once all outputs are known to be good: a caller that gets an error
    // releases none.
    let mut made: Few<Option<Tensor>> = Few::new();
    for (position, (out, &index)) in outputs.iter_mut().zip(&wanted).enumerate() {
        let result = results.take(position)?;
        if out.is_null() {
            made.push(Some(match result {
                Output::Owned(tensor) => tensor,
                Output::Borrowed(view) => Tensor::copy_of(view)?,
            }));
            continue;
        }
        made.push(None);
        let view = match &result {
            Output::Owned(tensor) => tensor.view(),
            Output::Borrowed(view) => *view,
        };
        // SAFETY: the caller's promise: it gave the value to be written and so is alone with it.
        let target = unsafe { ffi::borrow_mut::<Tensor, _>(*out) }?;
        check_output(&ports[index], target, view)?;
        target.copy_from(view);
    }
    for (out, made) in outputs.iter_mut().zip(made) {
        if let Some(tensor) = made {
            *out = ffi::into_raw(tensor);
        }
    }
    Ok(())
}

/// Refuses a tensor of the caller that cannot take a result.
fn check_output(port: &Port, target: &Tensor, result: View<'_>) -> Result<()> {
    let (kind, name) = ("output", || port.name());
    if target.element() != result.element() {
        let (expected, found) = (result.element().to_string(), target.element().to_string());
        return Err(Error::WrongType { kind, name: name(), expected, found });
    }
    if target.sizes() != result.shape {
        let (expected, found) = (format!("{:?}", result.shape), target.shape().to_vec());
        return Err(Error::WrongShape { kind, name: name(), expected, found });
    }
    Ok(())
}

unsafe extern "system" fn release<M: Model>(session: *mut OrtSession) {
    // SAFETY: by the interface's contract. Outputs own their elements, so they may outlive the session.
    unsafe { ffi::release::<Session<M>, _>(session) }
}
