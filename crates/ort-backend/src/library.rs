//! ONNX Runtime's own library in place of an engine, so that a program can choose when it starts.

use std::path::Path;

/// The interface of the ONNX Runtime library at `path`, for `ort::set_api`.
///
/// `ort`'s feature `load-dynamic` does this too, but not in a program that has another backend as well. The library
/// stays loaded to the end of the process. The error says why it cannot be loaded.
pub fn library_api(path: &Path) -> Result<ort_sys::OrtApi, String> {
    // SAFETY: loading runs the initialisers of the library that the caller named, who must trust it; the worst case is
    // whatever that library does. It is never unloaded, so that the functions of its table stay where they are.
    let library = unsafe { libloading::Library::new(path) }.map_err(|error| format!("{}: {error}", path.display()))?;
    let library = Box::leak(Box::new(library));
    // SAFETY: this is the signature of that function in ONNX Runtime's header; a library that gives the name to another
    // function would be called wrongly.
    let base = unsafe { library.get::<unsafe extern "system" fn() -> *const ort_sys::OrtApiBase>(b"OrtGetApiBase") }
        .map_err(|_| format!("{} is not ONNX Runtime", path.display()))?;
    // SAFETY: the library gives a table that lives for ever, or null for a level that it does not have. A table of a
    // later level begins with this one.
    let api = unsafe { ((*base()).GetApi)(ort_sys::ORT_API_VERSION).as_ref() };
    api.cloned().ok_or_else(|| format!("{} is older than version 1.{}", path.display(), ort_sys::ORT_API_VERSION))
}
