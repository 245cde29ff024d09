//! What the library says of itself.

use std::{
    ffi::{c_char, c_int},
    ptr,
};

use ort_sys::{OrtApi, OrtStatusPtr};

use crate::{engine::Engine, ffi};

/// Puts the entries that describe the library into the table.
pub(crate) fn install<E: Engine>(api: &mut OrtApi) {
    api.GetBuildInfoString = build_info::<E>;
    api.GetAvailableProviders = providers;
    api.ReleaseAvailableProviders = release_providers;
}

unsafe extern "system" fn build_info<E: Engine>() -> *const c_char {
    E::NAME.as_ptr()
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
