//! Opening and closing models, and what they are.

use std::{
    ffi::{CStr, c_char},
    path::Path,
    ptr,
};

use sampler::Engine;

use crate::{
    failure::{Failure, Result, Status, guard},
    handle::{self, Model},
    pointer,
};

/// Opens an exported model, an ONNX file. Sets `*model` to it, or to null if that fails. `path` ends in a zero byte.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn scrimshaw_open(path: *const c_char, model: *mut *mut Model) -> Status {
    guard(|| {
        // SAFETY: the header asks for a place for a pointer, or null.
        unsafe { open(model, || sampler::Model::open(self::path(path)?, &Engine::default()).map_err(Failure::from)) }
    })
}

/// Opens a model whose file the caller has read into memory. Sets `*model` to it, or to null if that fails. The bytes may
/// be freed afterwards.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn scrimshaw_open_memory(bytes: *const u8, length: usize, model: *mut *mut Model) -> Status {
    guard(|| {
        // SAFETY: the header asks for a place for a pointer, or null; and for so many bytes, or null.
        unsafe {
            open(model, || {
                let bytes = pointer::bytes("bytes", bytes, length)?;
                Ok(sampler::Model::from_bytes(bytes, &Engine::default())?)
            })
        }
    })
}

/// Closes a model and frees its memory, as soon as no other thread uses it. Null is allowed and does nothing.
#[unsafe(no_mangle)]
pub extern "C" fn scrimshaw_close(model: *mut Model) -> Status {
    guard(|| if model.is_null() { Ok(()) } else { handle::remove(model) })
}

/// The model's card as JSON: its characters, its sizes, what it was trained on. The text ends in a zero byte and is valid
/// until the model is closed. Null if the model is not open.
#[unsafe(no_mangle)]
pub extern "C" fn scrimshaw_card_json(model: *const Model) -> *const c_char {
    let mut card = ptr::null();
    guard(|| {
        // The text lives as long as the model is in the table.
        card = handle::get(model)?.json.as_ptr();
        Ok(())
    });
    card
}

/// The version of this library, such as "0.1.0".
#[unsafe(no_mangle)]
pub extern "C" fn scrimshaw_version() -> *const c_char {
    const VERSION: &CStr = match CStr::from_bytes_with_nul(concat!(env!("CARGO_PKG_VERSION"), "\0").as_bytes()) {
        Ok(version) => version,
        Err(_) => panic!("a version has no zero byte"),
    };
    VERSION.as_ptr()
}

/// Opens a model and hands it to C.
///
/// # Safety
/// If `target` is not null, a pointer can be written there.
unsafe fn open(target: *mut *mut Model, open: impl FnOnce() -> Result<sampler::Model>) -> Result<()> {
    if target.is_null() {
        return Err(Failure::null("model"));
    }
    // SAFETY: it is not null, and the caller vouches for the rest.
    unsafe { target.write(ptr::null_mut()) };
    let handle = handle::add(open()?)?;
    // SAFETY: as above.
    unsafe { target.write(handle) };
    Ok(())
}

/// A path: any bytes on Unix, UTF-8 elsewhere.
///
/// # Safety
/// If `path` is not null, it is a C string for as long as `'a`.
unsafe fn path<'a>(path: *const c_char) -> Result<&'a Path> {
    #[cfg(unix)]
    {
        use std::{ffi::OsStr, os::unix::ffi::OsStrExt as _};

        if path.is_null() {
            return Err(Failure::null("path"));
        }
        // SAFETY: it is not null, and the caller vouches for the rest.
        Ok(OsStr::from_bytes(unsafe { CStr::from_ptr(path) }.to_bytes()).as_ref())
    }
    #[cfg(not(unix))]
    {
        // SAFETY: the caller vouches for what `string` asks.
        unsafe { pointer::string("path", path) }.map(Path::new)
    }
}
