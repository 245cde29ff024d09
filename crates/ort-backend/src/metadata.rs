//! What a model's file says of itself: the entries that tell it.

use std::{ffi::c_char, ptr};

use ort_sys::{OrtAllocator, OrtApi, OrtModelMetadata, OrtSession, OrtStatusPtr};

use crate::{
    description::Metadata,
    engine::{Engine, Model},
    error::Result,
    ffi, memory,
    session::Session,
};

impl ffi::Handle<OrtModelMetadata> for Metadata {}

/// Puts the entries that handle metadata into the table.
pub(crate) fn install<E: Engine>(api: &mut OrtApi) {
    api.SessionGetModelMetadata = metadata::<E::Model>;
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

// The interface's contract: as in the module `session`.

unsafe extern "system" fn metadata<M: Model>(
    session: *const OrtSession,
    out: *mut *mut OrtModelMetadata,
) -> OrtStatusPtr {
    // SAFETY: by the interface's contract.
    ffi::guard(|| unsafe {
        ffi::write(out, ffi::into_raw(ffi::borrow::<Session<M>, _>(session)?.model.metadata().clone()))
    })
}

macro_rules! metadata_texts {
    ($($entry:ident)*) => {$(
        unsafe extern "system" fn $entry(
            metadata: *const OrtModelMetadata,
            allocator: *mut OrtAllocator,
            out: *mut *mut c_char,
        ) -> OrtStatusPtr {
            ffi::guard(|| {
                // SAFETY: by the interface's contract.
                let metadata = unsafe { ffi::borrow::<Metadata, _>(metadata) }?;
                // SAFETY: by the interface's contract.
                unsafe { ffi::write(out, memory::give_text(allocator, &metadata.$entry)?) }
            })
        }
    )*};
}

metadata_texts! { producer graph_name graph_description domain description }

unsafe extern "system" fn version(metadata: *const OrtModelMetadata, out: *mut i64) -> OrtStatusPtr {
    // SAFETY: by the interface's contract.
    ffi::guard(|| unsafe { ffi::write(out, ffi::borrow::<Metadata, _>(metadata)?.version) })
}

unsafe extern "system" fn custom_value(
    metadata: *const OrtModelMetadata,
    allocator: *mut OrtAllocator,
    key: *const c_char,
    out: *mut *mut c_char,
) -> OrtStatusPtr {
    ffi::guard(|| {
        // SAFETY: by the interface's contract.
        let (metadata, key) = unsafe { (ffi::borrow::<Metadata, _>(metadata)?, ffi::utf8(key)?) };
        let value = match metadata.custom.iter().find(|(known, _)| known == key) {
            // SAFETY: by the interface's contract.
            Some((_, value)) => unsafe { memory::give_text(allocator, value) }?,
            None => ptr::null_mut(),
        };
        // SAFETY: by the interface's contract.
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
        // SAFETY: by the interface's contract.
        let custom = unsafe { &ffi::borrow::<Metadata, _>(metadata)?.custom };
        if custom.is_empty() {
            // SAFETY: by the interface's contract.
            return unsafe { ffi::write(keys, ptr::null_mut()).and_then(|()| ffi::write(count, 0)) };
        }
        // SAFETY: by the interface's contract. (A failing allocator may leave some of the names behind; it is out of memory then.)
        let names = custom.iter().map(|(key, _)| unsafe { memory::give_text(allocator, key) });
        let names = names.collect::<Result<Vec<*mut c_char>>>()?;
        // SAFETY: by the interface's contract.
        unsafe {
            ffi::write(keys, memory::give(allocator, &names)?)?;
            ffi::write(count, names.len() as i64)
        }
    })
}

unsafe extern "system" fn release_metadata(metadata: *mut OrtModelMetadata) {
    // SAFETY: by the interface's contract.
    unsafe { ffi::release::<Metadata, _>(metadata) }
}
