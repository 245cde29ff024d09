//! ONNX Runtime's own library, to hold this crate against.

/// The interface of the library that `ORT_DYLIB_PATH` names.
#[cfg(feature = "onnxruntime")]
pub fn api() -> Result<ort_sys::OrtApi, Box<dyn std::error::Error + Send + Sync>> {
    let path = std::env::var_os("ORT_DYLIB_PATH").ok_or("ORT_DYLIB_PATH must name libonnxruntime")?;
    Ok(ort_rten::library_api(path.as_ref())?)
}

/// Says how to get it.
#[cfg(not(feature = "onnxruntime"))]
pub fn api() -> Result<ort_sys::OrtApi, Box<dyn std::error::Error + Send + Sync>> {
    Err("build with `--features onnxruntime` to run ONNX Runtime's library".into())
}
