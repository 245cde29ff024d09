//! All that this crate does with raw pointers: handles, out-parameters, strings, arrays, and the guard that
//! keeps panics from unwinding into the caller's code.
//!
//! All safety here rests on the contract of ONNX Runtime's C interface, which `ort` keeps: a pointer that is passed in is
//! null or valid for the call, a handle came from this table and is released once, and no other thread changes what a
//! call reads. Null is checked everywhere; what a broken caller could do beyond that is undefined, as in C.

use std::{
    any::Any,
    ffi::{CStr, CString, c_char},
    panic::{AssertUnwindSafe, catch_unwind},
    slice,
};

use ort_sys::{OrtErrorCode, OrtStatus, OrtStatusPtr};

use crate::error::{Error, Result};

/// Says that handles of the opaque type `Opaque` point to a boxed `Self`. `ort` sends handles to other threads and uses
/// them on several, so what is behind them must allow that: the compiler checks it here, for every handle.
pub(crate) trait Handle<Opaque>: Sized + Send + Sync {}

/// Moves a value to the heap and gives out its handle.
pub(crate) fn into_raw<T: Handle<Opaque>, Opaque>(value: T) -> *mut Opaque {
    Box::into_raw(Box::new(value)).cast()
}

/// Borrows what is behind a handle.
///
/// # Safety
///
/// The handle is null, or came from [`into_raw`] for the same `T` and outlives the reference.
pub(crate) unsafe fn borrow<'a, T: Handle<Opaque>, Opaque>(handle: *const Opaque) -> Result<&'a T> {
    // SAFETY: just what this function asks for; `as_ref` checks for null.
    unsafe { handle.cast::<T>().as_ref() }.ok_or_else(|| null(std::any::type_name::<Opaque>()))
}

/// Borrows what is behind a handle, to change it.
///
/// # Safety
///
/// As [`borrow`], and nothing else borrows through this handle while the reference lives.
pub(crate) unsafe fn borrow_mut<'a, T: Handle<Opaque>, Opaque>(handle: *mut Opaque) -> Result<&'a mut T> {
    // SAFETY: just what this function asks for; `as_mut` checks for null.
    unsafe { handle.cast::<T>().as_mut() }.ok_or_else(|| null(std::any::type_name::<Opaque>()))
}

/// Takes a handle back and frees what is behind it; null does nothing.
///
/// # Safety
///
/// As [`borrow`], and the handle is not used again.
pub(crate) unsafe fn release<T: Handle<Opaque>, Opaque>(handle: *mut Opaque) {
    if !handle.is_null() {
        // SAFETY: `into_raw` made the box, and the caller gives the handle up.
        let value = unsafe { Box::from_raw(handle.cast::<T>()) };
        // There is no status to answer with. A panic in a destructor is reported by the panic hook and goes no further.
        let _ = catch_unwind(AssertUnwindSafe(|| drop(value)));
    }
}

/// Writes an out-parameter.
///
/// # Safety
///
/// `out` is null or may be written.
pub(crate) unsafe fn write<T>(out: *mut T, value: T) -> Result<()> {
    if out.is_null() {
        return Err(null("the place for the result"));
    }
    // SAFETY: not null, and the caller says it may be written. `write` does not read what was there.
    unsafe { out.write(value) };
    Ok(())
}

/// Reads a C string.
///
/// # Safety
///
/// `text` is null or a null-terminated string that outlives the reference.
pub(crate) unsafe fn text<'a>(text: *const c_char) -> Result<&'a CStr> {
    if text.is_null() {
        return Err(null("a string"));
    }
    // SAFETY: not null, and the caller says that it ends in a zero.
    Ok(unsafe { CStr::from_ptr(text) })
}

/// Reads a C string that must be UTF-8.
///
/// # Safety
///
/// As [`text`].
pub(crate) unsafe fn utf8<'a>(pointer: *const c_char) -> Result<&'a str> {
    // SAFETY: the caller's promise, passed on.
    unsafe { text(pointer) }?.to_str().map_err(|_| Error::invalid("a string is not UTF-8"))
}

/// Reads an array.
///
/// # Safety
///
/// `pointer` leads to `length` elements that outlive the slice and do not change, or is null.
pub(crate) unsafe fn array<'a, T>(pointer: *const T, length: usize) -> Result<&'a [T]> {
    if length == 0 {
        return Ok(&[]); // the pointer may be null then, or anything
    }
    if pointer.is_null() || !pointer.is_aligned() {
        return Err(null("an array"));
    }
    // SAFETY: not null, aligned, and the caller vouches for the length.
    Ok(unsafe { slice::from_raw_parts(pointer, length) })
}

/// Reads an array that is to be written.
///
/// # Safety
///
/// As [`array`], and nothing else touches the elements while the slice lives.
pub(crate) unsafe fn array_mut<'a, T>(pointer: *mut T, length: usize) -> Result<&'a mut [T]> {
    if length == 0 {
        return Ok(&mut []);
    }
    if pointer.is_null() || !pointer.is_aligned() {
        return Err(null("an array"));
    }
    // SAFETY: not null, aligned, and the caller vouches for the length and for being alone.
    Ok(unsafe { slice::from_raw_parts_mut(pointer, length) })
}

/// An error's code and message: `OrtStatus`.
pub(crate) struct Status {
    pub(crate) code: OrtErrorCode,
    pub(crate) message: CString,
}

impl Handle<OrtStatus> for Status {}

/// Moves an error to the heap, where the caller owns it until it calls `ReleaseStatus`.
#[cold]
pub(crate) fn status(error: &Error) -> OrtStatusPtr {
    status_of(error.code(), &error.to_string())
}

pub(crate) fn status_of(code: OrtErrorCode, message: &str) -> OrtStatusPtr {
    // A zero would end the C string early: text from a damaged file may hold one.
    let message = CString::new(message.replace('\0', "\u{fffd}")).unwrap_or_default();
    OrtStatusPtr(into_raw(Status { code, message }))
}

/// Runs the body of an entry and turns its outcome, a panic among them, into a status.
pub(crate) fn guard(body: impl FnOnce() -> Result<()>) -> OrtStatusPtr {
    // Unwind safety: what a body changes is either the out-parameters, which a caller must not read after an error, or
    // options, whose fields are each changed in one step.
    match catch_unwind(AssertUnwindSafe(body)) {
        Ok(Ok(())) => OrtStatusPtr::default(),
        Ok(Err(error)) => status(&error),
        Err(payload) => status(&Error::Panic(panic_message(&*payload))),
    }
}

fn panic_message(payload: &(dyn Any + Send)) -> String {
    let text = payload.downcast_ref::<&str>().copied();
    text.or_else(|| payload.downcast_ref::<String>().map(String::as_str)).unwrap_or("a panic without a message").into()
}

#[cold]
fn null(what: &str) -> Error {
    Error::invalid(format_args!("the pointer to {what} is null"))
}
