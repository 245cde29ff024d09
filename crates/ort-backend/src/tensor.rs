//! Tensors, which either borrow their elements from the caller or own them, and views of them.

use std::ptr::{self, NonNull};

use smallvec::SmallVec;

use crate::{
    element::Element,
    error::{Error, Result},
    ffi,
    types::element_count,
};

/// A dense tensor in row-major order.
#[derive(Debug)]
pub struct Tensor {
    /// The shape as Rust has it, and as the interface has it.
    sizes: SmallVec<[usize; 4]>,
    shape: SmallVec<[i64; 4]>,
    data: Data,
}

// SAFETY: a tensor is its elements. Those that it owns may go to any thread, and so may those that it borrows: nothing in
// this crate writes them without `&mut` or the caller's word to be alone (`GetTensorMutableData`, and outputs given to
// `Run`). The worst case is a caller that writes elsewhere what it lent out, which the interface forbids.
unsafe impl Send for Tensor {}
// SAFETY: by the interface's contract; a shared tensor is only read.
unsafe impl Sync for Tensor {}

/// The elements. Their number is always the product of the shape.
#[derive(Debug)]
enum Data {
    /// Memory of the caller, aligned for the element type.
    Borrowed(Element, NonNull<u8>),
    Float32(Vec<f32>),
    Int64(Vec<i64>),
    Int32(Vec<i32>),
    Bool(Vec<u8>),
    Uint8(Vec<u8>),
    Int8(Vec<i8>),
}

/// The elements of a tensor, by type.
#[derive(Debug, Clone, Copy)]
#[expect(missing_docs, reason = "the variants are those of `Element`")]
pub enum Elements<'a> {
    Float32(&'a [f32]),
    Int64(&'a [i64]),
    Int32(&'a [i32]),
    Bool(&'a [u8]),
    Uint8(&'a [u8]),
    Int8(&'a [i8]),
}

/// A tensor to look at.
#[derive(Debug, Clone, Copy)]
pub struct View<'a> {
    /// Its dimensions.
    pub shape: &'a [usize],
    /// Its elements in row-major order, as many as the product of the dimensions.
    pub elements: Elements<'a>,
}

impl View<'_> {
    /// The type of its elements.
    pub fn element(&self) -> Element {
        match self.elements {
            Elements::Float32(_) => Element::Float32,
            Elements::Int64(_) => Element::Int64,
            Elements::Int32(_) => Element::Int32,
            Elements::Bool(_) => Element::Bool,
            Elements::Uint8(_) => Element::Uint8,
            Elements::Int8(_) => Element::Int8,
        }
    }
}

/// A Rust type that holds elements of a tensor.
pub trait Native: Sized {
    #[doc(hidden)]
    #[expect(private_interfaces, reason = "the trait is sealed by it")]
    fn wrap(elements: Vec<Self>) -> Data;
}

macro_rules! natives {
    ($($native:ty, $variant:ident;)*) => {$(
        impl Native for $native {
            #[expect(private_interfaces, reason = "the trait is sealed by it")]
            fn wrap(elements: Vec<Self>) -> Data {
                Data::$variant(elements)
            }
        }
    )*};
}

natives! { f32, Float32; i64, Int64; i32, Int32; u8, Uint8; i8, Int8; }

impl Tensor {
    /// A tensor of these elements. Fails if there are not as many as the shape says.
    pub fn from_vec<T: Native>(shape: &[usize], elements: Vec<T>) -> Result<Self> {
        let (found, expected) = (elements.len(), shape.iter().product::<usize>());
        if found != expected {
            return Err(Error::Run(format!("the engine gave {found} elements for the shape {shape:?}").into()));
        }
        Ok(Self::new(shape, T::wrap(elements)))
    }

    /// A tensor of bools, each a byte.
    pub fn from_bools(shape: &[usize], elements: impl Iterator<Item = bool>) -> Result<Self> {
        let mut tensor = Self::from_vec(shape, elements.map(u8::from).collect())?;
        if let Data::Uint8(bytes) = tensor.data {
            tensor.data = Data::Bool(bytes);
        }
        Ok(tensor)
    }

    /// A tensor of the same elements.
    pub(crate) fn copy_of(view: View<'_>) -> Result<Self> {
        let data = match view.elements {
            Elements::Float32(elements) => Data::Float32(elements.to_vec()),
            Elements::Int64(elements) => Data::Int64(elements.to_vec()),
            Elements::Int32(elements) => Data::Int32(elements.to_vec()),
            Elements::Bool(elements) => Data::Bool(elements.to_vec()),
            Elements::Uint8(elements) => Data::Uint8(elements.to_vec()),
            Elements::Int8(elements) => Data::Int8(elements.to_vec()),
        };
        check_count(view)?;
        Ok(Self::new(view.shape, data))
    }

    /// A tensor of zeros.
    pub(crate) fn zeros(element: Element, shape: &[i64]) -> Result<Self> {
        let count = element_count(shape)?;
        let data = match element {
            Element::Float32 => Data::Float32(zeros(count)?),
            Element::Int64 => Data::Int64(zeros(count)?),
            Element::Int32 => Data::Int32(zeros(count)?),
            Element::Bool => Data::Bool(zeros(count)?),
            Element::Uint8 => Data::Uint8(zeros(count)?),
            Element::Int8 => Data::Int8(zeros(count)?),
        };
        Ok(Self::of_shape(shape, data))
    }

    fn new(sizes: &[usize], data: Data) -> Self {
        Self { sizes: sizes.into(), shape: sizes.iter().map(|&size| size as i64).collect(), data }
    }

    /// A tensor whose elements are the caller's.
    ///
    /// # Safety
    ///
    /// `data` is aligned for the elements, and as many as the shape says live there, unchanged, as long as the tensor.
    pub(crate) unsafe fn borrowed(element: Element, shape: &[i64], data: NonNull<u8>) -> Self {
        Self::of_shape(shape, Data::Borrowed(element, data))
    }

    /// Of a shape that was checked.
    fn of_shape(shape: &[i64], data: Data) -> Self {
        Self { sizes: shape.iter().map(|&size| size as usize).collect(), shape: shape.into(), data }
    }

    /// The type of the elements.
    pub fn element(&self) -> Element {
        match self.data {
            Data::Borrowed(element, _) => element,
            Data::Float32(_) => Element::Float32,
            Data::Int64(_) => Element::Int64,
            Data::Int32(_) => Element::Int32,
            Data::Bool(_) => Element::Bool,
            Data::Uint8(_) => Element::Uint8,
            Data::Int8(_) => Element::Int8,
        }
    }

    /// The dimensions.
    pub fn sizes(&self) -> &[usize] {
        &self.sizes
    }

    pub(crate) fn shape(&self) -> &[i64] {
        &self.shape
    }

    pub(crate) fn count(&self) -> usize {
        self.sizes.iter().product()
    }

    pub(crate) fn pointer(&self) -> *mut u8 {
        match &self.data {
            Data::Borrowed(_, pointer) => pointer.as_ptr(),
            Data::Float32(items) => items.as_ptr().cast_mut().cast(),
            Data::Int64(items) => items.as_ptr().cast_mut().cast(),
            Data::Int32(items) => items.as_ptr().cast_mut().cast(),
            Data::Bool(items) | Data::Uint8(items) => items.as_ptr().cast_mut(),
            Data::Int8(items) => items.as_ptr().cast_mut().cast(),
        }
    }

    fn pointer_mut(&mut self) -> *mut u8 {
        match &mut self.data {
            Data::Borrowed(_, pointer) => pointer.as_ptr(),
            Data::Float32(items) => items.as_mut_ptr().cast(),
            Data::Int64(items) => items.as_mut_ptr().cast(),
            Data::Int32(items) => items.as_mut_ptr().cast(),
            Data::Bool(items) | Data::Uint8(items) => items.as_mut_ptr(),
            Data::Int8(items) => items.as_mut_ptr().cast(),
        }
    }

    /// A view of it.
    pub fn view(&self) -> View<'_> {
        let elements = match self.element() {
            Element::Float32 => Elements::Float32(self.elements()),
            Element::Int64 => Elements::Int64(self.elements()),
            Element::Int32 => Elements::Int32(self.elements()),
            Element::Bool => Elements::Bool(self.elements()),
            Element::Uint8 => Elements::Uint8(self.elements()),
            Element::Int8 => Elements::Int8(self.elements()),
        };
        View { shape: &self.sizes, elements }
    }

    /// The elements as they lie in memory; `T` is of the size of an element, and any bytes make one.
    fn elements<T: Native>(&self) -> &[T] {
        // SAFETY: there are `count` elements, aligned (by `Vec`, or by the check where they were borrowed) and initialised,
        // and `view` asks for each by its own type. Those that are borrowed live and do not change for as long as the
        // tensor is used: `ort` ties the lifetimes together, and a caller in C that breaks the rule reads freed memory.
        unsafe { ffi::array(self.pointer().cast::<T>(), self.count()) }.unwrap_or_default()
    }

    /// Copies the elements of a view of the same type and shape into this tensor.
    pub(crate) fn copy_from(&mut self, view: View<'_>) {
        assert!(
            self.element() == view.element() && *self.sizes == *view.shape,
            "the caller has checked type and shape"
        );
        let (from, count) = match view.elements {
            Elements::Float32(items) => (items.as_ptr().cast::<u8>(), items.len()),
            Elements::Int64(items) => (items.as_ptr().cast(), items.len()),
            Elements::Int32(items) => (items.as_ptr().cast(), items.len()),
            Elements::Bool(items) | Elements::Uint8(items) => (items.as_ptr(), items.len()),
            Elements::Int8(items) => (items.as_ptr().cast(), items.len()),
        };
        let bytes = count.min(self.count()) * self.element().size();
        // SAFETY: both have as many bytes. They do not overlap: the view is of what an engine has just computed, and this
        // tensor is the caller's, which the engine does not know.
        unsafe { ptr::copy_nonoverlapping(from, self.pointer_mut(), bytes) }
    }
}

/// Refuses a view of an engine that has not as many elements as its shape says.
fn check_count(view: View<'_>) -> Result<()> {
    let found = match view.elements {
        Elements::Float32(items) => items.len(),
        Elements::Int64(items) => items.len(),
        Elements::Int32(items) => items.len(),
        Elements::Bool(items) | Elements::Uint8(items) => items.len(),
        Elements::Int8(items) => items.len(),
    };
    if found == view.shape.iter().product() {
        return Ok(());
    }
    Err(Error::Run(format!("the engine gave {found} elements for the shape {:?}", view.shape).into()))
}

/// As `vec![0; count]`, but an absurd count is an error and not the end of the process.
fn zeros<T: Clone + Default>(count: usize) -> Result<Vec<T>> {
    let mut items = Vec::new();
    items.try_reserve_exact(count).map_err(|_| Error::invalid(format_args!("no memory for {count} elements")))?;
    items.resize(count, T::default());
    Ok(items)
}
