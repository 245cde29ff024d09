//! What this build is and what it computes with.

use std::{
    ffi::{c_char, c_int},
    ptr,
};

use ort_sys::{OrtApi, OrtStatusPtr};

use crate::ffi;

/// Puts the entries that describe the library into the table.
pub(crate) fn install(api: &mut OrtApi) {
    api.GetBuildInfoString = build_info;
    api.GetAvailableProviders = providers;
    api.ReleaseAvailableProviders = release_providers;
}

unsafe extern "system" fn build_info() -> *const c_char {
    const INFO: &str = concat!("ort-rten ", env!("CARGO_PKG_VERSION"), " over rten 0.27\0");
    INFO.as_ptr().cast()
}

/// A C array of C strings, which a `static` must be told is safe to share.
struct Providers([*const c_char; 1]);

// SAFETY: the pointer leads to constant bytes.
unsafe impl Sync for Providers {}

static PROVIDERS: Providers = Providers([c"CPUExecutionProvider".as_ptr()]);

unsafe extern "system" fn providers(out: *mut *mut *mut c_char, count: *mut c_int) -> OrtStatusPtr {
    ffi::guard(|| {
        // SAFETY: the interface says that out-parameters may be written, and that what they are set to is only read.
        unsafe {
            ffi::write(out, ptr::from_ref(&PROVIDERS.0).cast_mut().cast())?;
            ffi::write(count, 1)
        }
    })
}

unsafe extern "system" fn release_providers(_: *mut *mut c_char, _: c_int) -> OrtStatusPtr {
    OrtStatusPtr::default()
}
