//! Statuses: how an error crosses the C interface, as a code and a message.

use std::ffi::{CStr, c_char};

use ort_sys::{OrtApi, OrtErrorCode, OrtStatus, OrtStatusPtr};

use crate::ffi::{self, Status};

/// Puts the entries that handle statuses into the table.
pub(crate) fn install(api: &mut OrtApi) {
    api.CreateStatus = create_status;
    api.GetErrorCode = get_error_code;
    api.GetErrorMessage = get_error_message;
    api.ReleaseStatus = release_status;
}

unsafe extern "system" fn create_status(code: OrtErrorCode, message: *const c_char) -> OrtStatusPtr {
    let message = if message.is_null() {
        String::new()
    } else {
        // SAFETY: a non-null `msg` is a null-terminated string, says the interface; at worst (a caller in C that breaks
        // this) the read runs past the buffer.
        unsafe { CStr::from_ptr(message) }.to_string_lossy().into_owned()
    };
    ffi::status_of(code, &message)
}

unsafe extern "system" fn get_error_code(pointer: *const OrtStatus) -> OrtErrorCode {
    // SAFETY: statuses are made by `ffi::status_of` alone, and the caller has not released this one.
    unsafe { ffi::borrow::<Status, _>(pointer) }.map_or(OrtErrorCode::ORT_OK, |status| status.code)
}

unsafe extern "system" fn get_error_message(pointer: *const OrtStatus) -> *const c_char {
    // SAFETY: by the interface's contract; the text lives as long as the status, which is how long the interface lets it be read.
    unsafe { ffi::borrow::<Status, _>(pointer) }.map_or(c"".as_ptr(), |status| status.message.as_ptr())
}

unsafe extern "system" fn release_status(pointer: *mut OrtStatus) {
    // SAFETY: by the interface's contract, and a status is released once.
    unsafe { ffi::release::<Status, _>(pointer) }
}
