//! What C passes by pointers, checked as far as it can be.

use std::{
    ffi::{CStr, c_char},
    slice,
};

use crate::failure::{Failure, Result, Status};

/// Bytes that C has.
///
/// # Safety
/// If `bytes` is not null, `length` bytes can be read there for as long as `'a`.
pub(crate) unsafe fn bytes<'a>(name: &str, bytes: *const u8, length: usize) -> Result<&'a [u8]> {
    if bytes.is_null() {
        return Err(Failure::null(name));
    }
    if isize::try_from(length).is_err() {
        let message = format!("`{name}` has {length} bytes, more than there can be");
        return Err(Failure::new(Status::BadArgument, message));
    }
    // SAFETY: it is not null, bytes have no alignment, and the caller vouches for the rest.
    Ok(unsafe { slice::from_raw_parts(bytes, length) })
}

/// Text that C has, of a stated length.
///
/// # Safety
/// If `text` is not null, `length` bytes can be read there for as long as `'a`.
pub(crate) unsafe fn text<'a>(name: &str, text: *const c_char, length: usize) -> Result<&'a str> {
    // SAFETY: the caller vouches for what `bytes` asks.
    utf8(name, unsafe { bytes(name, text.cast(), length) }?)
}

/// Text that C has, up to a zero byte.
///
/// # Safety
/// If `text` is not null, it is a C string for as long as `'a`.
pub(crate) unsafe fn string<'a>(name: &str, text: *const c_char) -> Result<&'a str> {
    if text.is_null() {
        return Err(Failure::null(name));
    }
    // SAFETY: it is not null, and the caller vouches for the rest.
    utf8(name, unsafe { CStr::from_ptr(text) }.to_bytes())
}

fn utf8<'a>(name: &str, bytes: &'a [u8]) -> Result<&'a str> {
    str::from_utf8(bytes).map_err(|error| {
        let message = format!("`{name}` is not UTF-8 at byte {}", error.valid_up_to());
        Failure::new(Status::BadText, message)
    })
}
