//! Sessions: the entries that open a model, describe it and run it.

use std::{
    ffi::{OsString, c_char, c_void},
    ptr,
};

use ort_sys::{
    OrtAllocator, OrtApi, OrtEnv, OrtModelMetadata, OrtRunOptions, OrtSession, OrtSessionOptions, OrtStatusPtr,
    OrtTypeInfo, OrtValue, os_char,
};

use crate::{
    error::{Error, Result},
    ffi,
    header::Metadata,
    memory,
    model::{Few, Model, Port},
    options::{RunOptions, SessionOptions},
    tensor::Tensor,
};

impl ffi::Handle<OrtSession> for Model {}
impl ffi::Handle<OrtModelMetadata> for Metadata {}

/// Puts the entries that handle sessions into the table.
pub(crate) fn install(api: &mut OrtApi) {
    api.CreateSession = create_from_file;
    api.CreateSessionFromArray = create_from_memory;
    api.SessionGetInputCount = input_count;
    api.SessionGetOutputCount = output_count;
    api.SessionGetOverridableInitializerCount = initializer_count;
    api.SessionGetInputName = input_name;
    api.SessionGetOutputName = output_name;
    api.SessionGetInputTypeInfo = input_type;
    api.SessionGetOutputTypeInfo = output_type;
    api.SessionGetModelMetadata = metadata;
    api.Run = run;
    api.ReleaseSession = release;

    api.ModelMetadataGetProducerName = producer;
    api.ModelMetadataGetGraphName = graph_name;
    api.ModelMetadataGetGraphDescription = graph_description;
    api.ModelMetadataGetDomain = domain;
    api.ModelMetadataGetDescription = description;
    api.ModelMetadataGetVersion = version;
    api.ModelMetadataLookupCustomMetadataMap = custom_value;
    api.ModelMetadataGetCustomMetadataMapKeys = custom_keys;
    api.ReleaseModelMetadata = release_metadata;
}

// SAFETY, for every block below: handles point to the Rust type that `ffi::Handle` says, were made by this table and are
// not released yet; sessions and metadata are never changed, so that any number of threads may be here; allocators are
// valid; strings are C strings; arrays have the length that is passed with them; out-parameters may be written. The
// module `ffi` says what a broken caller can do.

unsafe extern "system" fn create_from_file(
    env: *const OrtEnv,
    path: *const os_char,
    options: *const OrtSessionOptions,
    out: *mut *mut OrtSession,
) -> OrtStatusPtr {
    ffi::guard(|| {
        // SAFETY: see above.
        let (env, options, path) = unsafe { (ffi::borrow(env)?, options_or_default(options)?, file_path(path)?) };
        let model = Model::from_file(path.as_ref(), env, &options)?;
        // SAFETY: see above.
        unsafe { ffi::write(out, ffi::into_raw(model)) }
    })
}

unsafe extern "system" fn create_from_memory(
    env: *const OrtEnv,
    bytes: *const c_void,
    length: usize,
    options: *const OrtSessionOptions,
    out: *mut *mut OrtSession,
) -> OrtStatusPtr {
    ffi::guard(|| {
        // SAFETY: see above.
        let (env, options, bytes) =
            unsafe { (ffi::borrow(env)?, options_or_default(options)?, ffi::array(bytes.cast(), length)?) };
        let model = Model::from_bytes(bytes, env, &options)?;
        // SAFETY: see above.
        unsafe { ffi::write(out, ffi::into_raw(model)) }
    })
}

/// # Safety
///
/// As for every block of this file.
unsafe fn options_or_default(options: *const OrtSessionOptions) -> Result<SessionOptions> {
    if options.is_null() {
        return Ok(SessionOptions::default());
    }
    // SAFETY: the caller's promise.
    unsafe { ffi::borrow::<SessionOptions, _>(options) }.cloned()
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
        return Err(Error::invalid("the path of the model is null"));
    }
    // SAFETY: the caller's promise: there is a zero, and everything up to it may be read.
    let length = (0..).take_while(|&index| unsafe { path.add(index).read() } != 0).count();
    // SAFETY: as above.
    Ok(OsString::from_wide(unsafe { ffi::array(path, length) }?))
}

unsafe extern "system" fn input_count(session: *const OrtSession, out: *mut usize) -> OrtStatusPtr {
    // SAFETY: see above.
    ffi::guard(|| unsafe { ffi::write(out, ffi::borrow::<Model, _>(session)?.inputs.len()) })
}

unsafe extern "system" fn output_count(session: *const OrtSession, out: *mut usize) -> OrtStatusPtr {
    // SAFETY: see above.
    ffi::guard(|| unsafe { ffi::write(out, ffi::borrow::<Model, _>(session)?.outputs.len()) })
}

unsafe extern "system" fn initializer_count(_: *const OrtSession, out: *mut usize) -> OrtStatusPtr {
    // SAFETY: see above. rten computes with the weights at load, and none can be given at a run.
    ffi::guard(|| unsafe { ffi::write(out, 0) })
}

fn port(ports: &[Port], index: usize) -> Result<&Port> {
    ports.get(index).ok_or_else(|| Error::invalid(format_args!("number {index} of {} is asked for", ports.len())))
}

unsafe extern "system" fn input_name(
    session: *const OrtSession,
    index: usize,
    allocator: *mut OrtAllocator,
    out: *mut *mut c_char,
) -> OrtStatusPtr {
    ffi::guard(|| {
        // SAFETY: see above.
        let port = port(unsafe { &ffi::borrow::<Model, _>(session)?.inputs }, index)?;
        // SAFETY: see above.
        unsafe { ffi::write(out, memory::give(allocator, port.name.as_bytes_with_nul())?) }
    })
}

unsafe extern "system" fn output_name(
    session: *const OrtSession,
    index: usize,
    allocator: *mut OrtAllocator,
    out: *mut *mut c_char,
) -> OrtStatusPtr {
    ffi::guard(|| {
        // SAFETY: see above.
        let port = port(unsafe { &ffi::borrow::<Model, _>(session)?.outputs }, index)?;
        // SAFETY: see above.
        unsafe { ffi::write(out, memory::give(allocator, port.name.as_bytes_with_nul())?) }
    })
}

unsafe extern "system" fn input_type(
    session: *const OrtSession,
    index: usize,
    out: *mut *mut OrtTypeInfo,
) -> OrtStatusPtr {
    ffi::guard(|| {
        // SAFETY: see above.
        let port = port(unsafe { &ffi::borrow::<Model, _>(session)?.inputs }, index)?;
        // SAFETY: see above.
        unsafe { ffi::write(out, ffi::into_raw(port.info.clone())) }
    })
}

unsafe extern "system" fn output_type(
    session: *const OrtSession,
    index: usize,
    out: *mut *mut OrtTypeInfo,
) -> OrtStatusPtr {
    ffi::guard(|| {
        // SAFETY: see above.
        let port = port(unsafe { &ffi::borrow::<Model, _>(session)?.outputs }, index)?;
        // SAFETY: see above.
        unsafe { ffi::write(out, ffi::into_raw(port.info.clone())) }
    })
}

unsafe extern "system" fn run(
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
        // SAFETY: see above.
        let model = unsafe { ffi::borrow::<Model, _>(session) }?;
        // SAFETY: see above.
        if !options.is_null() && unsafe { ffi::borrow::<RunOptions, _>(options) }?.is_terminated() {
            return Err(Error::Terminated);
        }
        // SAFETY: see above.
        let (input_names, inputs, output_names, outputs) = unsafe {
            (
                ffi::array(input_names, input_count)?,
                ffi::array(inputs, input_count)?,
                ffi::array(output_names, output_count)?,
                ffi::array_mut(outputs, output_count)?,
            )
        };
        let inputs = input_names.iter().zip(inputs);
        // SAFETY: see above.
        let inputs = inputs.map(|(&name, &value)| unsafe { Ok((ffi::text(name)?, ffi::borrow::<Tensor, _>(value)?)) });
        let inputs = inputs.collect::<Result<Few<_>>>()?;
        let wanted = output_names.iter().enumerate();
        // SAFETY: see above.
        let wanted = wanted.map(|(position, &name)| model.find_output(unsafe { ffi::text(name) }?, position));
        let wanted = wanted.collect::<Result<Few<usize>>>()?;

        let results = model.run(&inputs, &wanted)?;
        // From here on no input is looked at: an output may be the very value that an input was.
        drop(inputs);
        for ((out, result), &index) in outputs.iter().zip(&results).zip(&wanted) {
            if !out.is_null() {
                // SAFETY: see above; only looked at here, and before any of them is written.
                model.outputs[index].check_room(unsafe { ffi::borrow::<Tensor, _>(*out) }?, result)?;
            }
        }
        for (out, result) in outputs.iter_mut().zip(results) {
            if out.is_null() {
                *out = ffi::into_raw(result);
            } else {
                // SAFETY: see above; the caller gave the value to be written and so is alone with it.
                unsafe { ffi::borrow_mut::<Tensor, _>(*out) }?.copy_from(&result);
            }
        }
        Ok(())
    })
}

unsafe extern "system" fn release(session: *mut OrtSession) {
    // SAFETY: see above. Outputs own their elements, so they may outlive the session.
    unsafe { ffi::release::<Model, _>(session) }
}

unsafe extern "system" fn metadata(session: *const OrtSession, out: *mut *mut OrtModelMetadata) -> OrtStatusPtr {
    // SAFETY: see above.
    ffi::guard(|| unsafe { ffi::write(out, ffi::into_raw(ffi::borrow::<Model, _>(session)?.metadata.clone())) })
}

macro_rules! metadata_texts {
    ($($entry:ident)*) => {$(
        unsafe extern "system" fn $entry(
            metadata: *const OrtModelMetadata,
            allocator: *mut OrtAllocator,
            out: *mut *mut c_char,
        ) -> OrtStatusPtr {
            ffi::guard(|| {
                // SAFETY: see above.
                let metadata = unsafe { ffi::borrow::<Metadata, _>(metadata) }?;
                // SAFETY: see above.
                unsafe { ffi::write(out, memory::give_text(allocator, &metadata.$entry)?) }
            })
        }
    )*};
}

metadata_texts! { producer graph_name graph_description domain description }

unsafe extern "system" fn version(metadata: *const OrtModelMetadata, out: *mut i64) -> OrtStatusPtr {
    // SAFETY: see above.
    ffi::guard(|| unsafe { ffi::write(out, ffi::borrow::<Metadata, _>(metadata)?.version) })
}

unsafe extern "system" fn custom_value(
    metadata: *const OrtModelMetadata,
    allocator: *mut OrtAllocator,
    key: *const c_char,
    out: *mut *mut c_char,
) -> OrtStatusPtr {
    ffi::guard(|| {
        // SAFETY: see above.
        let (metadata, key) = unsafe { (ffi::borrow::<Metadata, _>(metadata)?, ffi::utf8(key)?) };
        let value = match metadata.custom.iter().find(|(known, _)| known == key) {
            // SAFETY: see above.
            Some((_, value)) => unsafe { memory::give_text(allocator, value) }?,
            None => ptr::null_mut(),
        };
        // SAFETY: see above.
        unsafe { ffi::write(out, value) }
    })
}

unsafe extern "system" fn custom_keys(
    metadata: *const OrtModelMetadata,
    allocator: *mut OrtAllocator,
    keys: *mut *mut *mut c_char,
    count: *mut i64,
) -> OrtStatusPtr {
    ffi::guard(|| {
        // SAFETY: see above.
        let custom = unsafe { &ffi::borrow::<Metadata, _>(metadata)?.custom };
        if custom.is_empty() {
            // SAFETY: see above.
            return unsafe { ffi::write(keys, ptr::null_mut()).and_then(|()| ffi::write(count, 0)) };
        }
        // SAFETY: see above. (A failing allocator may leave some of the names behind; it is out of memory then.)
        let names = custom.iter().map(|(key, _)| unsafe { memory::give_text(allocator, key) });
        let names = names.collect::<Result<Vec<*mut c_char>>>()?;
        // SAFETY: see above.
        unsafe {
            ffi::write(keys, memory::give(allocator, &names)?)?;
            ffi::write(count, names.len() as i64)
        }
    })
}

unsafe extern "system" fn release_metadata(metadata: *mut OrtModelMetadata) {
    // SAFETY: see above.
    unsafe { ffi::release::<Metadata, _>(metadata) }
}
