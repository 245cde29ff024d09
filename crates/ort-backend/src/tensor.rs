//! Tensors, which either borrow their elements from the caller or own them, and views of them.

use std::{
    mem::ManuallyDrop,
    ptr::{self, NonNull},
};

use smallvec::SmallVec;

use crate::{
    element::Element,
    error::{Error, Result},
    ffi,
    types::element_count,
};

/// A dense tensor in row-major order.
///
/// There are as many elements as the product of the shape. They are reached through one pointer, which may be written
/// through: it comes from the caller, or from a vector that was taken apart.
#[derive(Debug)]
pub struct Tensor {
    /// The shape as Rust has it, and as the interface has it.
    sizes: SmallVec<[usize; 4]>,
    shape: SmallVec<[i64; 4]>,
    element: Element,
    /// The first element, aligned.
    data: NonNull<u8>,
    /// The capacity of the vector that the elements are in; none if they are the caller's.
    capacity: Option<usize>,
}

// SAFETY: a tensor is its elements. Those that it owns may go to any thread, and so may those that it borrows: nothing in
// this crate writes them without `&mut` or the caller's word to be alone (`GetTensorMutableData`, and outputs given to
// `Run`). The worst case is a caller that writes elsewhere what it lent out, which the interface forbids.
unsafe impl Send for Tensor {}
// SAFETY: by the interface's contract; a shared tensor is only read.
unsafe impl Sync for Tensor {}

impl Drop for Tensor {
    fn drop(&mut self) {
        let Some(capacity) = self.capacity else { return };
        let (data, count) = (self.data, self.count());
        // SAFETY: `Tensor::owned` took apart a vector of just this type, length and capacity, the element type and the shape
        // have not changed since (a `bool` is a byte here), and a tensor is dropped once.
        unsafe {
            match self.element {
                Element::Float32 => drop(Vec::from_raw_parts(data.cast::<f32>().as_ptr(), count, capacity)),
                Element::Int64 => drop(Vec::from_raw_parts(data.cast::<i64>().as_ptr(), count, capacity)),
                Element::Int32 => drop(Vec::from_raw_parts(data.cast::<i32>().as_ptr(), count, capacity)),
                Element::Bool | Element::Uint8 => drop(Vec::from_raw_parts(data.as_ptr(), count, capacity)),
                Element::Int8 => drop(Vec::from_raw_parts(data.cast::<i8>().as_ptr(), count, capacity)),
            }
        }
    }
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

/// A Rust type that holds elements of a tensor. It is a number without a destructor, and no other crate can add one.
pub trait Native: sealed::Sealed + Copy {
    /// The element type that it holds.
    const ELEMENT: Element;
}

mod sealed {
    pub trait Sealed {}
}

macro_rules! natives {
    ($($native:ty, $element:ident;)*) => {$(
        impl sealed::Sealed for $native {}
        impl Native for $native {
            const ELEMENT: Element = Element::$element;
        }
    )*};
}

natives! { f32, Float32; i64, Int64; i32, Int32; u8, Uint8; i8, Int8; }

impl Tensor {
    /// A tensor of these elements. Fails if there are not as many as the shape says.
    pub fn from_vec<T: Native>(shape: &[usize], elements: Vec<T>) -> Result<Self> {
        check_count(shape, elements.len())?;
        Ok(Self::owned(shape.into(), elements))
    }

    /// A tensor of bools, each a byte.
    pub fn from_bools(shape: &[usize], elements: impl Iterator<Item = bool>) -> Result<Self> {
        Ok(Self::from_vec(shape, elements.map(u8::from).collect())?.into_bools())
    }

    /// A tensor of the same elements.
    pub(crate) fn copy_of(view: View<'_>) -> Result<Self> {
        let View { shape, elements } = view;
        match elements {
            Elements::Float32(elements) => Self::from_vec(shape, copy(elements)?),
            Elements::Int64(elements) => Self::from_vec(shape, copy(elements)?),
            Elements::Int32(elements) => Self::from_vec(shape, copy(elements)?),
            Elements::Bool(elements) => Ok(Self::from_vec(shape, copy(elements)?)?.into_bools()),
            Elements::Uint8(elements) => Self::from_vec(shape, copy(elements)?),
            Elements::Int8(elements) => Self::from_vec(shape, copy(elements)?),
        }
    }

    /// A tensor of zeros.
    pub(crate) fn zeros(element: Element, shape: &[i64]) -> Result<Self> {
        let count = element_count(shape)?;
        let sizes = sizes(shape);
        Ok(match element {
            Element::Float32 => Self::owned(sizes, zeros::<f32>(count)?),
            Element::Int64 => Self::owned(sizes, zeros::<i64>(count)?),
            Element::Int32 => Self::owned(sizes, zeros::<i32>(count)?),
            Element::Bool => Self::owned(sizes, zeros::<u8>(count)?).into_bools(),
            Element::Uint8 => Self::owned(sizes, zeros::<u8>(count)?),
            Element::Int8 => Self::owned(sizes, zeros::<i8>(count)?),
        })
    }

    /// Takes a vector apart that has as many elements as the shape says.
    fn owned<T: Native>(sizes: SmallVec<[usize; 4]>, elements: Vec<T>) -> Self {
        let mut elements = ManuallyDrop::new(elements);
        // A vector's pointer is never null, even if nothing is behind it.
        let data = NonNull::new(elements.as_mut_ptr()).unwrap_or(NonNull::dangling()).cast();
        let shape = sizes.iter().map(|&size| size as i64).collect();
        Self { sizes, shape, element: T::ELEMENT, data, capacity: Some(elements.capacity()) }
    }

    /// The same bytes as bools.
    fn into_bools(mut self) -> Self {
        assert_eq!(self.element, Element::Uint8, "a bool is a byte");
        self.element = Element::Bool;
        self
    }

    /// A tensor whose elements are the caller's.
    ///
    /// # Safety
    ///
    /// `data` is aligned for the elements, and as many as the shape says live there, unchanged, as long as the tensor.
    pub(crate) unsafe fn borrowed(element: Element, shape: &[i64], data: NonNull<u8>) -> Self {
        Self { sizes: sizes(shape), shape: shape.into(), element, data, capacity: None }
    }

    /// The type of the elements.
    pub fn element(&self) -> Element {
        self.element
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

    /// The first element. Whoever writes through it must be alone with the tensor.
    pub(crate) fn pointer(&self) -> *mut u8 {
        self.data.as_ptr()
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
        unsafe { ptr::copy_nonoverlapping(from, self.pointer(), bytes) }
    }
}

/// Refuses an engine's elements that are not as many as their shape says.
fn check_count(shape: &[usize], found: usize) -> Result<()> {
    if shape.iter().try_fold(1_usize, |count, &size| count.checked_mul(size)) == Some(found) {
        return Ok(());
    }
    Err(Error::Run(format!("the engine gave {found} elements for the shape {shape:?}").into()))
}

/// The sizes of a shape that was checked.
fn sizes(shape: &[i64]) -> SmallVec<[usize; 4]> {
    shape.iter().map(|&size| size as usize).collect()
}

/// As `vec![0; count]`, but if there is no memory, that is an error and not the end of the process.
fn zeros<T: Clone + Default>(count: usize) -> Result<Vec<T>> {
    let mut items = reserved(count)?;
    items.resize(count, T::default());
    Ok(items)
}

/// As `to_vec`, with the same difference.
fn copy<T: Copy>(items: &[T]) -> Result<Vec<T>> {
    let mut copy = reserved(items.len())?;
    copy.extend_from_slice(items);
    Ok(copy)
}

fn reserved<T>(count: usize) -> Result<Vec<T>> {
    let mut items = Vec::new();
    let no_memory = |_| Error::Memory { bytes: count.saturating_mul(size_of::<T>()) };
    items.try_reserve_exact(count).map_err(no_memory)?;
    Ok(items)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tensor_that_there_is_no_memory_for_is_an_error() {
        for element in Element::ALL {
            let error = Tensor::zeros(element, &[1 << 30, 1 << 29]).unwrap_err();
            assert!(matches!(error, Error::Memory { bytes } if bytes >= 1 << 59), "{error}");
        }
    }

    #[test]
    fn elements_are_written_through_the_pointer_and_freed_as_they_were_made() {
        for element in Element::ALL {
            let tensor = Tensor::zeros(element, &[3, 2]).unwrap();
            // SAFETY: the tensor has six elements of at least a byte, and nobody else has it.
            unsafe { tensor.pointer().write_bytes(1, 6 * element.size()) };
            let copy = Tensor::copy_of(tensor.view()).unwrap();
            assert_eq!((copy.element(), copy.sizes()), (element, &[3, 2][..]));
            let bytes = match copy.view().elements {
                Elements::Float32(floats) => floats.iter().flat_map(|float| float.to_ne_bytes()).collect(),
                Elements::Int64(integers) => integers.iter().flat_map(|integer| integer.to_ne_bytes()).collect(),
                Elements::Int32(integers) => integers.iter().flat_map(|integer| integer.to_ne_bytes()).collect(),
                Elements::Bool(bytes) | Elements::Uint8(bytes) => bytes.to_vec(),
                Elements::Int8(bytes) => bytes.iter().map(|byte| *byte as u8).collect::<Vec<u8>>(),
            };
            assert_eq!(bytes, vec![1; 6 * element.size()]);
        }
        assert!(Tensor::from_vec(&[2, 2], vec![1.0_f32; 3]).is_err());
        assert_eq!(Tensor::from_vec(&[0], Vec::<i64>::new()).unwrap().count(), 0);
    }
}
