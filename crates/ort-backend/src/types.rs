//! The type of a tensor: `OrtTypeInfo` and `OrtTensorTypeAndShapeInfo`, which are one here, since models take and give
//! only tensors.

use std::{
    ffi::{CString, c_char},
    ptr,
};

use ort_sys::{
    ONNXTensorElementDataType as Type, ONNXType, OrtApi, OrtMapTypeInfo, OrtOptionalTypeInfo, OrtSequenceTypeInfo,
    OrtStatusPtr, OrtTensorTypeAndShapeInfo, OrtTypeInfo,
};

use crate::{
    element::Element,
    error::{Error, Result},
    ffi,
};

/// An element type, and sizes and names of dimensions.
#[derive(Debug, Clone)]
pub(crate) struct TypeInfo {
    element: Type,
    /// Whether the shape is known, be it with dimensions that may vary.
    has_shape: bool,
    /// −1 for a dimension that may vary.
    dimensions: Vec<i64>,
    /// One a dimension, empty where it has no name. (None at all for a tensor's own type.)
    symbols: Vec<CString>,
}

impl ffi::Handle<OrtTypeInfo> for TypeInfo {}
impl ffi::Handle<OrtTensorTypeAndShapeInfo> for TypeInfo {}

impl TypeInfo {
    /// The type that a model declares, with the sizes and names of its dimensions if it does.
    pub(crate) fn declared(element: Type, shape: Option<(Vec<i64>, Vec<CString>)>) -> Self {
        let Some((dimensions, symbols)) = shape else { return Self::unshaped(element) };
        Self { element, has_shape: true, dimensions, symbols }
    }

    /// The type of a value of which the model says nothing.
    pub(crate) const fn undeclared() -> Self {
        Self::unshaped(Type::ONNX_TENSOR_ELEMENT_DATA_TYPE_UNDEFINED)
    }

    /// The type of an existing tensor.
    pub(crate) fn of_tensor(element: Element, shape: &[i64]) -> Self {
        Self { element: element.sys(), has_shape: true, dimensions: shape.to_vec(), symbols: Vec::new() }
    }

    const fn unshaped(element: Type) -> Self {
        Self { element, has_shape: false, dimensions: Vec::new(), symbols: Vec::new() }
    }

    pub(crate) fn element(&self) -> Type {
        self.element
    }

    /// Whether a tensor of this shape may be given where this type is declared.
    pub(crate) fn admits(&self, shape: &[i64]) -> bool {
        let fits = |(&found, &declared): (&i64, &i64)| declared < 0 || declared == found;
        !self.has_shape || (shape.len() == self.dimensions.len() && shape.iter().zip(&self.dimensions).all(fits))
    }

    /// The shape as a message shows it: `[sequence, batch, 65]`.
    pub(crate) fn describe_shape(&self) -> String {
        let names = self.dimensions.iter().zip(&self.symbols).map(|(&size, symbol)| match symbol.to_bytes() {
            _ if size >= 0 => size.to_string(),
            [] => "?".into(),
            _ => symbol.to_string_lossy().into_owned(),
        });
        format!("[{}]", names.collect::<Vec<_>>().join(", "))
    }
}

/// The types of values, which tell no shape (`GetTensorTypeAndShape` does).
///
/// `ort` asks for the type of every output and forgets to release it, so that a boxed one would leak at every run; these
/// live for ever and releasing them does nothing.
static OF_VALUES: [TypeInfo; Element::ALL.len()] = {
    let mut infos = [const { TypeInfo::undeclared() }; Element::ALL.len()];
    let mut index = 0;
    while index < infos.len() {
        infos[index].element = Element::ALL[index].sys();
        index += 1;
    }
    infos
};

/// The type of a tensor with elements of this type.
pub(crate) fn of_value(element: Element) -> *mut OrtTypeInfo {
    let info = OF_VALUES.iter().find(|info| info.element == element.sys());
    // Nothing writes through it: no entry that changes a type takes an `OrtTypeInfo`.
    info.map_or(ptr::null_mut(), |info| ptr::from_ref(info).cast_mut().cast())
}

/// Puts the entries that handle types into the table.
pub(crate) fn install(api: &mut OrtApi) {
    api.GetOnnxTypeFromTypeInfo = get_onnx_type;
    api.CastTypeInfoToTensorInfo = cast_to_tensor_info;
    api.CastTypeInfoToMapTypeInfo = cast_to_map_info;
    api.CastTypeInfoToSequenceTypeInfo = cast_to_sequence_info;
    api.CastTypeInfoToOptionalTypeInfo = cast_to_optional_info;
    api.GetTensorElementType = get_element_type;
    api.GetDimensionsCount = get_dimensions_count;
    api.GetDimensions = get_dimensions;
    api.GetSymbolicDimensions = get_symbolic_dimensions;
    api.GetTensorShapeElementCount = get_element_count;
    api.CreateTensorTypeAndShapeInfo = create_tensor_info;
    api.SetTensorElementType = set_element_type;
    api.SetDimensions = set_dimensions;
    api.SetSymbolicDimensions = set_symbolic_dimensions;
    api.ReleaseTypeInfo = release_type_info;
    api.ReleaseTensorTypeAndShapeInfo = release_tensor_info;
}

// The interface's contract: handles of both kinds point to a `TypeInfo` (from `SessionGet…TypeInfo`,
// `GetTensorTypeAndShape`, `create_tensor_info`, or `OF_VALUES`) that the caller has not released, out-parameters may be
// written, and arrays have the length that is passed with them. The module `ffi` says what a broken caller can do.

unsafe extern "system" fn get_onnx_type(info: *const OrtTypeInfo, out: *mut ONNXType) -> OrtStatusPtr {
    // SAFETY: by the interface's contract.
    ffi::guard(|| unsafe {
        ffi::borrow::<TypeInfo, _>(info)?;
        ffi::write(out, ONNXType::ONNX_TYPE_TENSOR)
    })
}

unsafe extern "system" fn cast_to_tensor_info(
    info: *const OrtTypeInfo,
    out: *mut *const OrtTensorTypeAndShapeInfo,
) -> OrtStatusPtr {
    ffi::guard(|| {
        // SAFETY: by the interface's contract. Both handles point to the same Rust type.
        unsafe { ffi::write(out, info.cast()) }
    })
}

unsafe extern "system" fn cast_to_map_info(_: *const OrtTypeInfo, out: *mut *const OrtMapTypeInfo) -> OrtStatusPtr {
    // SAFETY: by the interface's contract. Null says "not a map", and so below.
    ffi::guard(|| unsafe { ffi::write(out, ptr::null()) })
}

unsafe extern "system" fn cast_to_sequence_info(
    _: *const OrtTypeInfo,
    out: *mut *const OrtSequenceTypeInfo,
) -> OrtStatusPtr {
    // SAFETY: by the interface's contract.
    ffi::guard(|| unsafe { ffi::write(out, ptr::null()) })
}

unsafe extern "system" fn cast_to_optional_info(
    _: *const OrtTypeInfo,
    out: *mut *const OrtOptionalTypeInfo,
) -> OrtStatusPtr {
    // SAFETY: by the interface's contract.
    ffi::guard(|| unsafe { ffi::write(out, ptr::null()) })
}

unsafe extern "system" fn get_element_type(info: *const OrtTensorTypeAndShapeInfo, out: *mut Type) -> OrtStatusPtr {
    // SAFETY: by the interface's contract.
    ffi::guard(|| unsafe { ffi::write(out, ffi::borrow::<TypeInfo, _>(info)?.element) })
}

unsafe extern "system" fn get_dimensions_count(
    info: *const OrtTensorTypeAndShapeInfo,
    out: *mut usize,
) -> OrtStatusPtr {
    // SAFETY: by the interface's contract.
    ffi::guard(|| unsafe { ffi::write(out, ffi::borrow::<TypeInfo, _>(info)?.dimensions.len()) })
}

unsafe extern "system" fn get_dimensions(
    info: *const OrtTensorTypeAndShapeInfo,
    sizes: *mut i64,
    length: usize,
) -> OrtStatusPtr {
    ffi::guard(|| {
        // SAFETY: by the interface's contract.
        let (info, sizes) = unsafe { (ffi::borrow::<TypeInfo, _>(info)?, ffi::array_mut(sizes, length)?) };
        sizes.iter_mut().zip(&info.dimensions).for_each(|(out, &size)| *out = size);
        Ok(())
    })
}

unsafe extern "system" fn get_symbolic_dimensions(
    info: *const OrtTensorTypeAndShapeInfo,
    names: *mut *const c_char,
    length: usize,
) -> OrtStatusPtr {
    ffi::guard(|| {
        // SAFETY: by the interface's contract. The names live as long as the handle.
        let (info, names) = unsafe { (ffi::borrow::<TypeInfo, _>(info)?, ffi::array_mut(names, length)?) };
        for (index, out) in names.iter_mut().enumerate() {
            *out = info.symbols.get(index).map_or(c"".as_ptr(), |symbol| symbol.as_ptr());
        }
        Ok(())
    })
}

unsafe extern "system" fn get_element_count(info: *const OrtTensorTypeAndShapeInfo, out: *mut usize) -> OrtStatusPtr {
    ffi::guard(|| {
        // SAFETY: by the interface's contract.
        unsafe { ffi::write(out, element_count(&ffi::borrow::<TypeInfo, _>(info)?.dimensions)?) }
    })
}

unsafe extern "system" fn create_tensor_info(out: *mut *mut OrtTensorTypeAndShapeInfo) -> OrtStatusPtr {
    let info = TypeInfo::undeclared();
    // SAFETY: by the interface's contract.
    ffi::guard(|| unsafe { ffi::write(out, ffi::into_raw(info)) })
}

unsafe extern "system" fn set_element_type(info: *mut OrtTensorTypeAndShapeInfo, element: Type) -> OrtStatusPtr {
    ffi::guard(|| {
        // SAFETY: by the interface's contract; `create_tensor_info` made the only handles that callers may change.
        unsafe { ffi::borrow_mut::<TypeInfo, _>(info) }?.element = element;
        Ok(())
    })
}

unsafe extern "system" fn set_dimensions(
    info: *mut OrtTensorTypeAndShapeInfo,
    sizes: *const i64,
    length: usize,
) -> OrtStatusPtr {
    ffi::guard(|| {
        // SAFETY: by the interface's contract.
        let (info, sizes) = unsafe { (ffi::borrow_mut::<TypeInfo, _>(info)?, ffi::array(sizes, length)?) };
        info.dimensions = sizes.to_vec();
        info.has_shape = true;
        Ok(())
    })
}

unsafe extern "system" fn set_symbolic_dimensions(
    info: *mut OrtTensorTypeAndShapeInfo,
    names: *mut *const c_char,
    length: usize,
) -> OrtStatusPtr {
    ffi::guard(|| {
        // SAFETY: by the interface's contract.
        let (info, names) = unsafe { (ffi::borrow_mut::<TypeInfo, _>(info)?, ffi::array(names, length)?) };
        // SAFETY: the names are C strings, or null.
        info.symbols = names.iter().map(|&name| Ok(unsafe { ffi::text(name) }?.to_owned())).collect::<Result<_>>()?;
        Ok(())
    })
}

unsafe extern "system" fn release_type_info(info: *mut OrtTypeInfo) {
    if !OF_VALUES.iter().any(|kept| ptr::eq(kept, info.cast())) {
        // SAFETY: by the interface's contract; the ones that must not be freed were just left out.
        unsafe { ffi::release::<TypeInfo, _>(info) }
    }
}

unsafe extern "system" fn release_tensor_info(info: *mut OrtTensorTypeAndShapeInfo) {
    // A caller gets these from `CastTypeInfoToTensorInfo` too, but does not own those.
    // SAFETY: by the interface's contract.
    unsafe { ffi::release::<TypeInfo, _>(info) }
}

/// How many elements a shape has; a negative size or a count beyond the address space is refused.
pub(crate) fn element_count(shape: &[i64]) -> Result<usize> {
    let count = shape.iter().try_fold(1_usize, |count, &size| count.checked_mul(usize::try_from(size).ok()?));
    count
        .filter(|&count| isize::try_from(count).is_ok())
        .ok_or_else(|| Error::invalid(format_args!("{shape:?} is not a shape")))
}
