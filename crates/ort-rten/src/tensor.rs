//! Tensors: `OrtValue`. A tensor either borrows its elements from the caller or owns them.

use std::{
    ffi::{c_int, c_void},
    ptr::{self, NonNull},
};

use ort_sys::{
    ONNXTensorElementDataType as Type, ONNXType, OrtAllocator, OrtApi, OrtMemoryInfo, OrtStatusPtr,
    OrtTensorTypeAndShapeInfo, OrtTypeInfo, OrtValue,
};
use rten::Value;
use rten_tensor::{Layout, Tensor as RtenTensor};
use smallvec::SmallVec;

use crate::{
    element::Element,
    error::{Error, Result},
    ffi, memory,
    types::{self, TypeInfo, element_count},
};

/// Sizes of dimensions, without a heap allocation for the usual ones.
pub(crate) type Shape = SmallVec<[i64; 4]>;

/// A dense tensor in row-major order.
#[derive(Debug)]
pub(crate) struct Tensor {
    element: Element,
    shape: Shape,
    data: Data,
}

impl ffi::Handle<OrtValue> for Tensor {}

/// Where the elements are. Their number is always the product of the shape.
#[derive(Debug)]
enum Data {
    /// Memory of the caller, aligned for the element type.
    Borrowed(NonNull<u8>),
    Floats(Vec<f32>),
    Longs(Vec<i64>),
    Integers(Vec<i32>),
    /// Of bool and uint8.
    Bytes(Vec<u8>),
    SignedBytes(Vec<i8>),
}

impl Tensor {
    /// A tensor of zeros.
    fn zeros(element: Element, shape: &[i64]) -> Result<Self> {
        let count = element_count(shape)?;
        let data = match element {
            Element::Float32 => Data::Floats(zeros(count)?),
            Element::Int64 => Data::Longs(zeros(count)?),
            Element::Int32 => Data::Integers(zeros(count)?),
            Element::Bool | Element::Uint8 => Data::Bytes(zeros(count)?),
            Element::Int8 => Data::SignedBytes(zeros(count)?),
        };
        Ok(Self { element, shape: shape.into(), data })
    }

    /// Takes over an output of the engine, turning its 32-bit integers into the type that the model declares.
    pub(crate) fn from_rten(value: Value, declared: Type) -> Result<Self> {
        match value {
            Value::FloatTensor(tensor) => Ok(Self::take(tensor, Element::Float32, Data::Floats)),
            Value::Int32Tensor(tensor) => Ok(match declared {
                Type::ONNX_TENSOR_ELEMENT_DATA_TYPE_INT64 => Self::take(tensor, Element::Int64, |integers| {
                    Data::Longs(integers.into_iter().map(i64::from).collect())
                }),
                Type::ONNX_TENSOR_ELEMENT_DATA_TYPE_BOOL => Self::take(tensor, Element::Bool, |integers| {
                    Data::Bytes(integers.into_iter().map(|integer| u8::from(integer != 0)).collect())
                }),
                _ => Self::take(tensor, Element::Int32, Data::Integers),
            }),
            Value::UInt8Tensor(tensor) => Ok(Self::take(tensor, Element::Uint8, Data::Bytes)),
            Value::Int8Tensor(tensor) => Ok(Self::take(tensor, Element::Int8, Data::SignedBytes)),
            _ => Err(Error::UnsupportedElement("sequences".into())),
        }
    }

    /// A tensor of these numbers, of which there are as many as the sizes say.
    pub(crate) fn from_floats(shape: &[usize], numbers: Vec<f32>) -> Self {
        let shape = shape.iter().map(|&size| size as i64).collect();
        Self { element: Element::Float32, shape, data: Data::Floats(numbers) }
    }

    fn take<T: Clone>(tensor: RtenTensor<T>, element: Element, wrap: impl FnOnce(Vec<T>) -> Data) -> Self {
        let shape = tensor.shape().iter().map(|&size| size as i64).collect();
        // A tensor that is not in row-major order is copied, one that is gives its memory away.
        Self { element, shape, data: wrap(tensor.into_data()) }
    }

    pub(crate) fn element(&self) -> Element {
        self.element
    }

    pub(crate) fn shape(&self) -> &[i64] {
        &self.shape
    }

    fn count(&self) -> usize {
        // Every constructor has checked the sizes.
        self.shape.iter().map(|&size| size as usize).product()
    }

    fn pointer(&self) -> *mut u8 {
        match &self.data {
            Data::Borrowed(pointer) => pointer.as_ptr(),
            Data::Floats(items) => items.as_ptr().cast_mut().cast(),
            Data::Longs(items) => items.as_ptr().cast_mut().cast(),
            Data::Integers(items) => items.as_ptr().cast_mut().cast(),
            Data::Bytes(items) => items.as_ptr().cast_mut().cast(),
            Data::SignedBytes(items) => items.as_ptr().cast_mut().cast(),
        }
    }

    fn pointer_mut(&mut self) -> *mut u8 {
        match &mut self.data {
            Data::Borrowed(pointer) => pointer.as_ptr(),
            Data::Floats(items) => items.as_mut_ptr().cast(),
            Data::Longs(items) => items.as_mut_ptr().cast(),
            Data::Integers(items) => items.as_mut_ptr().cast(),
            Data::Bytes(items) => items.as_mut_ptr().cast(),
            Data::SignedBytes(items) => items.as_mut_ptr().cast(),
        }
    }

    /// The elements, if they are of this type.
    pub(crate) fn elements<T: Native>(&self) -> Option<&[T]> {
        if !T::IS.contains(&self.element) {
            return None;
        }
        // SAFETY: there are `count` elements of the type that was just checked, aligned (by `Vec`, or by the check where
        // they were borrowed) and initialised. Those that are borrowed live and do not change for as long as the tensor
        // is used: `ort` ties the lifetimes together, and a caller in C that breaks the rule reads freed memory.
        unsafe { ffi::array(self.pointer().cast::<T>(), self.count()) }.ok()
    }

    /// Copies the elements of a tensor of the same type and shape into this one.
    pub(crate) fn copy_from(&mut self, other: &Self) {
        debug_assert_eq!((self.element, &self.shape), (other.element, &other.shape));
        let bytes = self.count() * self.element.size();
        // SAFETY: both have as many bytes, and they do not overlap: the other was just made and is only known here.
        unsafe { ptr::copy_nonoverlapping(other.pointer(), self.pointer_mut(), bytes) }
    }
}

/// A Rust type that holds elements of a tensor. (Bool is read as bytes.)
pub(crate) trait Native: Copy {
    const IS: &'static [Element];
}

impl Native for f32 {
    const IS: &'static [Element] = &[Element::Float32];
}
impl Native for i64 {
    const IS: &'static [Element] = &[Element::Int64];
}
impl Native for i32 {
    const IS: &'static [Element] = &[Element::Int32];
}
impl Native for u8 {
    const IS: &'static [Element] = &[Element::Bool, Element::Uint8];
}
impl Native for i8 {
    const IS: &'static [Element] = &[Element::Int8];
}

/// As `vec![0; count]`, but an absurd count is an error and not the end of the process.
fn zeros<T: Clone + Default>(count: usize) -> Result<Vec<T>> {
    let mut items = Vec::new();
    items.try_reserve_exact(count).map_err(|_| Error::invalid(format_args!("no memory for {count} elements")))?;
    items.resize(count, T::default());
    Ok(items)
}

/// Puts the entries that handle tensors into the table.
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

// SAFETY, for every block below: handles of values point to a `Tensor` that the caller has not released and that no other
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
        // SAFETY: see above.
        let shape = unsafe { ffi::array(shape, rank) }?;
        let tensor = Tensor::zeros(Element::from_sys(element)?, shape)?;
        // SAFETY: see above.
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
        // SAFETY: see above.
        let shape = unsafe { ffi::array(shape, rank) }?;
        let element = Element::from_sys(element)?;
        let needed = element_count(shape)?.checked_mul(element.size());
        if needed.is_none_or(|needed| needed > bytes) {
            let what = format_args!("{bytes} bytes are too few for a tensor of {element} and shape {shape:?}");
            return Err(Error::invalid(what));
        }
        // The place of no elements need not be anywhere.
        let data = if needed == Some(0) { ptr::without_provenance_mut(element.size()) } else { data.cast::<u8>() };
        let data = NonNull::new(data).filter(|data| data.addr().get().is_multiple_of(element.size()));
        let data = data.ok_or_else(|| Error::invalid(format_args!("the elements are not aligned for {element}")))?;
        let tensor = Tensor { element, shape: shape.into(), data: Data::Borrowed(data) };
        // SAFETY: see above.
        unsafe { ffi::write(out, ffi::into_raw(tensor)) }
    })
}

unsafe extern "system" fn is_tensor(_: *const OrtValue, out: *mut c_int) -> OrtStatusPtr {
    // SAFETY: see above.
    ffi::guard(|| unsafe { ffi::write(out, 1) })
}

unsafe extern "system" fn has_value(_: *const OrtValue, out: *mut c_int) -> OrtStatusPtr {
    // SAFETY: see above.
    ffi::guard(|| unsafe { ffi::write(out, 1) })
}

unsafe extern "system" fn get_value_type(_: *const OrtValue, out: *mut ONNXType) -> OrtStatusPtr {
    // SAFETY: see above.
    ffi::guard(|| unsafe { ffi::write(out, ONNXType::ONNX_TYPE_TENSOR) })
}

unsafe extern "system" fn get_type_info(value: *const OrtValue, out: *mut *mut OrtTypeInfo) -> OrtStatusPtr {
    // SAFETY: see above.
    ffi::guard(|| unsafe { ffi::write(out, types::of_value(ffi::borrow::<Tensor, _>(value)?.element)) })
}

unsafe extern "system" fn get_type_and_shape(
    value: *const OrtValue,
    out: *mut *mut OrtTensorTypeAndShapeInfo,
) -> OrtStatusPtr {
    ffi::guard(|| {
        // SAFETY: see above.
        let tensor = unsafe { ffi::borrow::<Tensor, _>(value) }?;
        // SAFETY: see above.
        unsafe { ffi::write(out, ffi::into_raw(TypeInfo::of_tensor(tensor.element, &tensor.shape))) }
    })
}

unsafe extern "system" fn get_type_and_shape_reference(
    value: *const OrtValue,
    element: *mut Type,
    shape: *mut *const i64,
    rank: *mut usize,
) -> OrtStatusPtr {
    ffi::guard(|| {
        // SAFETY: see above. The shape lives as long as the value, which is how long the interface lets it be read.
        unsafe {
            let tensor = ffi::borrow::<Tensor, _>(value)?;
            ffi::write(element, tensor.element.sys())?;
            ffi::write(shape, tensor.shape.as_ptr())?;
            ffi::write(rank, tensor.shape.len())
        }
    })
}

unsafe extern "system" fn get_mutable_data(value: *mut OrtValue, out: *mut *mut c_void) -> OrtStatusPtr {
    // SAFETY: see above. `ort` calls this to read as well, so that several threads may be here with the same value: the
    // pointer is taken from a shared reference, and whoever writes through it must be alone, as the interface says.
    ffi::guard(|| unsafe { ffi::write(out, ffi::borrow::<Tensor, _>(value)?.pointer().cast()) })
}

unsafe extern "system" fn get_data(value: *const OrtValue, out: *mut *const c_void) -> OrtStatusPtr {
    // SAFETY: see above.
    ffi::guard(|| unsafe { ffi::write(out, ffi::borrow::<Tensor, _>(value)?.pointer().cast_const().cast()) })
}

unsafe extern "system" fn get_size_in_bytes(value: *const OrtValue, out: *mut usize) -> OrtStatusPtr {
    ffi::guard(|| {
        // SAFETY: see above.
        let tensor = unsafe { ffi::borrow::<Tensor, _>(value) }?;
        // SAFETY: see above.
        unsafe { ffi::write(out, tensor.count() * tensor.element.size()) }
    })
}

unsafe extern "system" fn get_memory_info(_: *const OrtValue, out: *mut *const OrtMemoryInfo) -> OrtStatusPtr {
    // SAFETY: see above.
    ffi::guard(|| unsafe { ffi::write(out, memory::memory_info()) })
}

unsafe extern "system" fn tensor_at(
    value: *mut OrtValue,
    location: *const i64,
    rank: usize,
    out: *mut *mut c_void,
) -> OrtStatusPtr {
    ffi::guard(|| {
        // SAFETY: see above.
        let (tensor, location) = unsafe { (ffi::borrow::<Tensor, _>(value)?, ffi::array(location, rank)?) };
        let inside = location.iter().zip(&tensor.shape).all(|(index, size)| (0..*size).contains(index));
        if location.len() != tensor.shape.len() || !inside {
            let what = format_args!("{location:?} is no place in a tensor of shape {:?}", tensor.shape);
            return Err(Error::invalid(what));
        }
        let offset = location.iter().zip(&tensor.shape).fold(0, |offset, (&index, &size)| offset * size + index);
        // `wrapping_add`, because the place was checked just above and not in a way that the compiler sees.
        let place = tensor.pointer().wrapping_add(offset as usize * tensor.element.size());
        // SAFETY: see above.
        unsafe { ffi::write(out, place.cast()) }
    })
}

unsafe extern "system" fn release(value: *mut OrtValue) {
    // SAFETY: see above.
    unsafe { ffi::release::<Tensor, _>(value) }
}
