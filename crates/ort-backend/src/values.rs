//! Values, which are all tensors: the entries that make, describe and read them.

use std::{
    ffi::{c_int, c_void},
    ptr::{self, NonNull},
};

use ort_sys::{
    ONNXTensorElementDataType as Type, ONNXType, OrtAllocator, OrtApi, OrtMemoryInfo, OrtStatusPtr,
    OrtTensorTypeAndShapeInfo, OrtTypeInfo, OrtValue,
};

use crate::{
    element::Element,
    error::Error,
    ffi, memory,
    tensor::Tensor,
    types::{self, TypeInfo, element_count},
};

impl ffi::Handle<OrtValue> for Tensor {}

/// Puts the entries that handle values into the table.
pub(crate) fn install(api: &mut OrtApi) {
    api.CreateTensorAsOrtValue = create_owned;
    api.CreateTensorWithDataAsOrtValue = create_borrowed;
    api.IsTensor = is_tensor;
    api.HasValue = has_value;
    api.GetValueType = get_value_type;
    api.GetTypeInfo = get_type_info;
    api.GetTensorTypeAndShape = get_type_and_shape;
    api.GetTensorElementTypeAndShapeDataReference = get_type_and_shape_reference;
    api.GetTensorMutableData = get_mutable_data;
    api.GetTensorData = get_data;
    api.GetTensorSizeInBytes = get_size_in_bytes;
    api.GetTensorMemoryInfo = get_memory_info;
    api.TensorAt = tensor_at;
    api.ReleaseValue = release;
}

// The interface's contract: handles of values point to a `Tensor` that the caller has not released and that no other
// thread changes, out-parameters may be written, and arrays have the length that is passed with them. The module `ffi`
// says what a broken caller can do.

unsafe extern "system" fn create_owned(
    _: *mut OrtAllocator,
    shape: *const i64,
    rank: usize,
    element: Type,
    out: *mut *mut OrtValue,
) -> OrtStatusPtr {
    ffi::guard(|| {
        // SAFETY: by the interface's contract.
        let shape = unsafe { ffi::array(shape, rank) }?;
        let tensor = Tensor::zeros(Element::from_sys(element)?, shape)?;
        // SAFETY: by the interface's contract.
        unsafe { ffi::write(out, ffi::into_raw(tensor)) }
    })
}

unsafe extern "system" fn create_borrowed(
    _: *const OrtMemoryInfo,
    data: *mut c_void,
    bytes: usize,
    shape: *const i64,
    rank: usize,
    element: Type,
    out: *mut *mut OrtValue,
) -> OrtStatusPtr {
    ffi::guard(|| {
        // SAFETY: by the interface's contract.
        let shape = unsafe { ffi::array(shape, rank) }?;
        let element = Element::from_sys(element)?;
        let needed = element_count(shape)?.checked_mul(element.size());
        if needed.is_none_or(|needed| needed > bytes) {
            let what = format_args!("{bytes} bytes are too few for a tensor of {element} and shape {shape:?}");
            return Err(Error::invalid(what));
        }
        // A tensor without elements may be at any address.
        let data = if needed == Some(0) { ptr::without_provenance_mut(element.size()) } else { data.cast::<u8>() };
        let data = NonNull::new(data).filter(|data| data.addr().get().is_multiple_of(element.size()));
        let data = data.ok_or_else(|| Error::invalid(format_args!("the elements are not aligned for {element}")))?;
        // SAFETY: room and alignment were checked above; the interface's contract is that the elements live on.
        let tensor = unsafe { Tensor::borrowed(element, shape, data) };
        // SAFETY: by the interface's contract.
        unsafe { ffi::write(out, ffi::into_raw(tensor)) }
    })
}

unsafe extern "system" fn is_tensor(_: *const OrtValue, out: *mut c_int) -> OrtStatusPtr {
    // SAFETY: by the interface's contract.
    ffi::guard(|| unsafe { ffi::write(out, 1) })
}

unsafe extern "system" fn has_value(_: *const OrtValue, out: *mut c_int) -> OrtStatusPtr {
    // SAFETY: by the interface's contract.
    ffi::guard(|| unsafe { ffi::write(out, 1) })
}

unsafe extern "system" fn get_value_type(_: *const OrtValue, out: *mut ONNXType) -> OrtStatusPtr {
    // SAFETY: by the interface's contract.
    ffi::guard(|| unsafe { ffi::write(out, ONNXType::ONNX_TYPE_TENSOR) })
}

unsafe extern "system" fn get_type_info(value: *const OrtValue, out: *mut *mut OrtTypeInfo) -> OrtStatusPtr {
    // SAFETY: by the interface's contract.
    ffi::guard(|| unsafe { ffi::write(out, types::of_value(ffi::borrow::<Tensor, _>(value)?.element())) })
}

unsafe extern "system" fn get_type_and_shape(
    value: *const OrtValue,
    out: *mut *mut OrtTensorTypeAndShapeInfo,
) -> OrtStatusPtr {
    ffi::guard(|| {
        // SAFETY: by the interface's contract.
        let tensor = unsafe { ffi::borrow::<Tensor, _>(value) }?;
        // SAFETY: by the interface's contract.
        unsafe { ffi::write(out, ffi::into_raw(TypeInfo::of_tensor(tensor.element(), tensor.shape()))) }
    })
}

unsafe extern "system" fn get_type_and_shape_reference(
    value: *const OrtValue,
    element: *mut Type,
    shape: *mut *const i64,
    rank: *mut usize,
) -> OrtStatusPtr {
    ffi::guard(|| {
        // SAFETY: by the interface's contract. The shape lives as long as the value, which is how long the interface lets it be read.
        unsafe {
            let tensor = ffi::borrow::<Tensor, _>(value)?;
            ffi::write(element, tensor.element().sys())?;
            ffi::write(shape, tensor.shape().as_ptr())?;
            ffi::write(rank, tensor.shape().len())
        }
    })
}

unsafe extern "system" fn get_mutable_data(value: *mut OrtValue, out: *mut *mut c_void) -> OrtStatusPtr {
    // SAFETY: by the interface's contract. `ort` calls this to read as well, so that several threads may be here with the same value: the
    // pointer is taken from a shared reference, and whoever writes through it must be alone, as the interface says.
    ffi::guard(|| unsafe { ffi::write(out, ffi::borrow::<Tensor, _>(value)?.pointer().cast()) })
}

unsafe extern "system" fn get_data(value: *const OrtValue, out: *mut *const c_void) -> OrtStatusPtr {
    // SAFETY: by the interface's contract.
    ffi::guard(|| unsafe { ffi::write(out, ffi::borrow::<Tensor, _>(value)?.pointer().cast_const().cast()) })
}

unsafe extern "system" fn get_size_in_bytes(value: *const OrtValue, out: *mut usize) -> OrtStatusPtr {
    ffi::guard(|| {
        // SAFETY: by the interface's contract.
        let tensor = unsafe { ffi::borrow::<Tensor, _>(value) }?;
        // SAFETY: by the interface's contract.
        unsafe { ffi::write(out, tensor.count() * tensor.element().size()) }
    })
}

unsafe extern "system" fn get_memory_info(_: *const OrtValue, out: *mut *const OrtMemoryInfo) -> OrtStatusPtr {
    // SAFETY: by the interface's contract.
    ffi::guard(|| unsafe { ffi::write(out, memory::memory_info()) })
}

unsafe extern "system" fn tensor_at(
    value: *mut OrtValue,
    location: *const i64,
    rank: usize,
    out: *mut *mut c_void,
) -> OrtStatusPtr {
    ffi::guard(|| {
        // SAFETY: by the interface's contract.
        let (tensor, location) = unsafe { (ffi::borrow::<Tensor, _>(value)?, ffi::array(location, rank)?) };
        let inside = location.iter().zip(tensor.shape()).all(|(index, size)| (0..*size).contains(index));
        if location.len() != tensor.shape().len() || !inside {
            let what = format_args!("{location:?} is no place in a tensor of shape {:?}", tensor.shape());
            return Err(Error::invalid(what));
        }
        let offset = location.iter().zip(tensor.shape()).fold(0, |offset, (&index, &size)| offset * size + index);
        // `wrapping_add`, because the place was checked just above and not in a way that the compiler sees.
        let place = tensor.pointer().wrapping_add(offset as usize * tensor.element().size());
        // SAFETY: by the interface's contract.
        unsafe { ffi::write(out, place.cast()) }
    })
}

unsafe extern "system" fn release(value: *mut OrtValue) {
    // SAFETY: by the interface's contract.
    unsafe { ffi::release::<Tensor, _>(value) }
}
