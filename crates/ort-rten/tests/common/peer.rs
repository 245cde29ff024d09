//! ONNX Runtime's own library, to hold this crate against.

/// The interface of the library that `ORT_DYLIB_PATH` names.
#[cfg(feature = "onnxruntime")]
pub fn api() -> Result<ort_sys::OrtApi, Box<dyn std::error::Error + Send + Sync>> {
    let path = std::env::var_os("ORT_DYLIB_PATH").ok_or("ORT_DYLIB_PATH must name libonnxruntime")?;
    // SAFETY: loading runs the initialisers of the library that the user named, who must trust it. It is never unloaded,
    // so that the functions of its table stay where they are.
    let library = Box::leak(Box::new(unsafe { libloading::Library::new(path) }?));
    // SAFETY: this is the signature of that function in ONNX Runtime's header.
    let api_base =
        unsafe { library.get::<unsafe extern "system" fn() -> *const ort_sys::OrtApiBase>(b"OrtGetApiBase") }?;
    // SAFETY: the library gives a table that lives for ever, or null for a level that it does not have. Of a later
    // version of it, this one is a prefix.
    unsafe {
        let api = ((*api_base()).GetApi)(ort_sys::ORT_API_VERSION);
        api.as_ref().cloned().ok_or_else(|| "the library is older than this interface".into())
    }
}

/// Says how to get it.
#[cfg(not(feature = "onnxruntime"))]
pub fn api() -> Result<ort_sys::OrtApi, Box<dyn std::error::Error + Send + Sync>> {
    Err("build with `--features onnxruntime` to run ONNX Runtime's library".into())
}
