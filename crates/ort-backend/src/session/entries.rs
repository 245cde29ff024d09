//! The entries that open and run a model, as C has them.

use std::{
    ffi::{OsString, c_char, c_void},
    path::Path,
};

use ort_sys::{OrtApi, OrtEnv, OrtRunOptions, OrtSession, OrtSessionOptions, OrtStatusPtr, OrtValue, os_char};

use crate::{
    engine::{Engine, Model, ModelSource},
    error::Result,
    ffi,
    tensor::Tensor,
};

/// Puts the entries into the table.
pub(super) fn install<E: Engine>(api: &mut OrtApi) {
    api.CreateSession = create_from_file::<E>;
    api.CreateSessionFromArray = create_from_memory::<E>;
    api.Run = run::<E::Model>;
}

unsafe extern "system" fn create_from_file<E: Engine>(
    env: *const OrtEnv,
    path: *const os_char,
    options: *const OrtSessionOptions,
    out: *mut *mut OrtSession,
) -> OrtStatusPtr {
    ffi::guard(|| {
        // SAFETY: by the interface's contract.
        let path = unsafe { file_path(path) }?;
        // SAFETY: by the interface's contract.
        unsafe { super::create::<E>(env, ModelSource::File(Path::new(&path)), options, out) }
    })
}

unsafe extern "system" fn create_from_memory<E: Engine>(
    env: *const OrtEnv,
    bytes: *const c_void,
    length: usize,
    options: *const OrtSessionOptions,
    out: *mut *mut OrtSession,
) -> OrtStatusPtr {
    ffi::guard(|| {
        // SAFETY: by the interface's contract.
        unsafe { super::create::<E>(env, ModelSource::Memory(ffi::array(bytes.cast(), length)?), options, out) }
    })
}

/// # Safety
///
/// `path` is null or ends in a zero.
#[cfg(not(windows))]
unsafe fn file_path(path: *const os_char) -> Result<OsString> {
    // SAFETY: the caller's promise. Elsewhere than on Windows, a path is a C string in the system's own encoding.
    let bytes = unsafe { ffi::text(path) }?.to_bytes().to_vec();
    // SAFETY: on Unix any bytes are a valid `OsString`.
    Ok(unsafe { OsString::from_encoded_bytes_unchecked(bytes) })
}

/// # Safety
///
/// `path` is null or ends in a zero.
#[cfg(windows)]
unsafe fn file_path(path: *const os_char) -> Result<OsString> {
    use std::os::windows::ffi::OsStringExt;

    if path.is_null() {
        return Err(crate::error::Error::invalid("the path of the model is null"));
    }
    // SAFETY: the caller's promise: there is a zero, and everything up to it may be read.
    let length = (0..).take_while(|&index| unsafe { path.add(index).read() } != 0).count();
    // SAFETY: by the interface's contract.
    Ok(OsString::from_wide(unsafe { ffi::array(path, length) }?))
}

unsafe extern "system" fn run<M: Model>(
    session: *mut OrtSession,
    options: *const OrtRunOptions,
    input_names: *const *const c_char,
    inputs: *const *const OrtValue,
    input_count: usize,
    output_names: *const *const c_char,
    output_count: usize,
    outputs: *mut *mut OrtValue,
) -> OrtStatusPtr {
    ffi::guard(|| {
        // SAFETY: by the interface's contract.
        let (input_names, inputs, output_names, outputs) = unsafe {
            (
                ffi::array(input_names, input_count)?,
                ffi::array(inputs, input_count)?,
                ffi::array(output_names, output_count)?,
                ffi::array_mut(outputs, output_count)?,
            )
        };
        let given = input_names.iter().zip(inputs).map(|(&name, &value)| {
            // SAFETY: by the interface's contract.
            unsafe { Ok((ffi::text(name)?.to_bytes(), ffi::borrow::<Tensor, _>(value)?)) }
        });
        // SAFETY: by the interface's contract.
        let wanted = output_names.iter().map(|&name| Ok(unsafe { ffi::text(name) }?.to_bytes()));
        // SAFETY: by the interface's contract.
        unsafe { super::run::<M>(session, options, given, wanted, outputs) }
    })
}
