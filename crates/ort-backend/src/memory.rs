//! The only allocator, on the only device: the CPU's memory.

use std::{
    alloc::{Layout, alloc, dealloc},
    ffi::{CStr, CString, c_char, c_int, c_void},
    ptr,
};

use ort_sys::{
    ORT_API_VERSION, OrtAllocator, OrtAllocatorType, OrtApi, OrtDeviceMemoryType, OrtMemType, OrtMemoryInfo,
    OrtMemoryInfoDeviceType, OrtSession, OrtStatusPtr,
};

use crate::{
    error::{Error, Result},
    ffi,
};

/// Where and how a piece of memory lies.
#[derive(Debug, Clone, PartialEq)]
struct MemoryInfo {
    allocator: OrtAllocatorType,
    memory: OrtMemType,
}

impl ffi::Handle<OrtMemoryInfo> for MemoryInfo {}

const DEVICE: &CStr = c"Cpu";

/// The description that everything here has. It is given out by pointer and never freed, so that describing a tensor
/// allocates nothing.
static MEMORY: MemoryInfo =
    MemoryInfo { allocator: OrtAllocatorType::OrtDeviceAllocator, memory: OrtMemType::OrtMemTypeDefault };

static ALLOCATOR: OrtAllocator = OrtAllocator {
    version: ORT_API_VERSION,
    Alloc: Some(allocate),
    Free: Some(free),
    Info: Some(info),
    Reserve: Some(reserve),
};

/// The description of the memory of every tensor.
pub(crate) fn memory_info() -> *const OrtMemoryInfo {
    ptr::from_ref(&MEMORY).cast()
}

/// Copies a string to memory of the caller's allocator, which the caller frees.
///
/// # Safety
///
/// `allocator` is null or a valid allocator.
pub(crate) unsafe fn give_text(allocator: *mut OrtAllocator, text: &str) -> Result<*mut c_char> {
    // ONNX strings may hold a zero byte; a C string ends there.
    let text = CString::new(text).or_else(|_| CString::new(text.split('\0').next().unwrap_or_default()));
    let text = text.unwrap_or_default();
    // SAFETY: the caller's promise; the bytes have alignment 1.
    unsafe { give(allocator, text.as_bytes_with_nul()) }
}

/// Copies an array to memory of the caller's allocator, which the caller frees.
///
/// # Safety
///
/// `allocator` is null or a valid allocator.
pub(crate) unsafe fn give<T: Copy, U>(allocator: *mut OrtAllocator, items: &[T]) -> Result<*mut U> {
    // SAFETY: the caller's promise; `as_ref` checks for null.
    let functions = unsafe { allocator.as_ref() }.ok_or_else(|| Error::invalid("the allocator is null"))?;
    let allocate = functions.Alloc.ok_or_else(|| Error::invalid("the allocator has no `Alloc`"))?;
    // SAFETY: a valid allocator's own function, called with it.
    let memory = unsafe { allocate(allocator, size_of_val(items)) }.cast::<T>();
    if memory.is_null() || !memory.is_aligned() {
        return Err(Error::invalid(format_args!("the allocator has no {} bytes", size_of_val(items))));
    }
    // SAFETY: the block is new, aligned, and as long as what is copied into it.
    unsafe { ptr::copy_nonoverlapping(items.as_ptr(), memory, items.len()) };
    Ok(memory.cast())
}

/// Puts the entries that handle memory into the table.
pub(crate) fn install(api: &mut OrtApi) {
    api.GetAllocatorWithDefaultOptions = default_allocator;
    api.CreateAllocator = create_allocator;
    api.ReleaseAllocator = release_allocator;
    api.AllocatorAlloc = allocator_alloc;
    api.AllocatorFree = allocator_free;
    api.AllocatorGetInfo = allocator_get_info;
    api.CreateMemoryInfo = create_memory_info;
    api.CreateCpuMemoryInfo = create_cpu_memory_info;
    api.CompareMemoryInfo = compare_memory_info;
    api.MemoryInfoGetName = memory_info_get_name;
    api.MemoryInfoGetId = memory_info_get_id;
    api.MemoryInfoGetMemType = memory_info_get_memory_type;
    api.MemoryInfoGetType = memory_info_get_type;
    api.MemoryInfoGetDeviceType = memory_info_get_device_type;
    api.MemoryInfoGetDeviceMemType = memory_info_get_device_memory_type;
    api.ReleaseMemoryInfo = release_memory_info;
}

/// Before each block lies its size, in as many bytes as the alignment, which suits vector instructions.
const HEADER: usize = 64;

fn layout(size: usize) -> Option<Layout> {
    Layout::from_size_align(size.checked_add(HEADER)?, HEADER).ok()
}

unsafe extern "system" fn allocate(_: *mut OrtAllocator, size: usize) -> *mut c_void {
    let Some(layout) = layout(size) else { return ptr::null_mut() };
    // SAFETY: the layout is never of size 0. The size fits before the block, whose alignment is that of the header.
    unsafe {
        let start = alloc(layout);
        if start.is_null() {
            return ptr::null_mut();
        }
        start.cast::<[u8; size_of::<usize>()]>().write(size.to_ne_bytes());
        start.add(HEADER).cast()
    }
}

unsafe extern "system" fn free(_: *mut OrtAllocator, block: *mut c_void) {
    if block.is_null() {
        return;
    }
    // SAFETY: blocks come from `allocate`, which wrote the size before them, and are freed once. (A caller that frees
    // anything else with this allocator corrupts the heap, as with `free` in C.)
    unsafe {
        let start = block.cast::<u8>().sub(HEADER);
        let size = usize::from_ne_bytes(start.cast::<[u8; size_of::<usize>()]>().read());
        if let Some(layout) = layout(size) {
            dealloc(start, layout);
        }
    }
}

unsafe extern "system" fn info(_: *const OrtAllocator) -> *const OrtMemoryInfo {
    memory_info()
}

unsafe extern "system" fn reserve(_: *const OrtAllocator, size: usize) -> *mut c_void {
    // SAFETY: `allocate` does not look at the allocator.
    unsafe { allocate(ptr::null_mut(), size) }
}

// The interface's contract: handles are null, `MEMORY`, or a `MemoryInfo` from `give_info` that the caller has not
// released; allocators are valid; out-parameters may be written. The module `ffi` says what a broken caller can do.

unsafe extern "system" fn default_allocator(out: *mut *mut OrtAllocator) -> OrtStatusPtr {
    // SAFETY: by the interface's contract. Nothing writes to the allocator: the interface has no way to.
    ffi::guard(|| unsafe { ffi::write(out, ptr::from_ref(&ALLOCATOR).cast_mut()) })
}

unsafe extern "system" fn create_allocator(
    _: *const OrtSession,
    _: *const OrtMemoryInfo,
    out: *mut *mut OrtAllocator,
) -> OrtStatusPtr {
    // SAFETY: by the interface's contract. Every description that can be made is of plain memory, which the one allocator serves.
    unsafe { default_allocator(out) }
}

unsafe extern "system" fn release_allocator(_: *mut OrtAllocator) {}

unsafe extern "system" fn allocator_alloc(
    allocator: *mut OrtAllocator,
    size: usize,
    out: *mut *mut c_void,
) -> OrtStatusPtr {
    ffi::guard(|| {
        // SAFETY: by the interface's contract.
        let block = unsafe { allocate(allocator, size) };
        if block.is_null() {
            return Err(Error::invalid(format_args!("cannot allocate {size} bytes")));
        }
        // SAFETY: by the interface's contract.
        unsafe { ffi::write(out, block) }
    })
}

unsafe extern "system" fn allocator_free(allocator: *mut OrtAllocator, block: *mut c_void) -> OrtStatusPtr {
    // SAFETY: by the interface's contract.
    unsafe { free(allocator, block) };
    OrtStatusPtr::default()
}

unsafe extern "system" fn allocator_get_info(_: *const OrtAllocator, out: *mut *const OrtMemoryInfo) -> OrtStatusPtr {
    // SAFETY: by the interface's contract.
    ffi::guard(|| unsafe { ffi::write(out, memory_info()) })
}

/// # Safety
///
/// `out` may be written.
unsafe fn give_info(info: MemoryInfo, out: *mut *mut OrtMemoryInfo) -> Result<()> {
    let handle = if info == MEMORY { memory_info().cast_mut() } else { ffi::into_raw(info) };
    // SAFETY: the caller's promise.
    unsafe { ffi::write(out, handle) }
}

unsafe extern "system" fn create_memory_info(
    name: *const c_char,
    allocator: OrtAllocatorType,
    _device: c_int,
    memory: OrtMemType,
    out: *mut *mut OrtMemoryInfo,
) -> OrtStatusPtr {
    ffi::guard(|| {
        // SAFETY: by the interface's contract; the name is a C string.
        let name = unsafe { ffi::text(name) }?;
        if name != DEVICE {
            let what = format_args!("there is no device {name:?}: this backend computes on the CPU");
            return Err(Error::invalid(what));
        }
        // SAFETY: by the interface's contract.
        unsafe { give_info(MemoryInfo { allocator, memory }, out) }
    })
}

unsafe extern "system" fn create_cpu_memory_info(
    allocator: OrtAllocatorType,
    memory: OrtMemType,
    out: *mut *mut OrtMemoryInfo,
) -> OrtStatusPtr {
    // SAFETY: by the interface's contract.
    ffi::guard(|| unsafe { give_info(MemoryInfo { allocator, memory }, out) })
}

unsafe extern "system" fn compare_memory_info(
    left: *const OrtMemoryInfo,
    right: *const OrtMemoryInfo,
    out: *mut c_int,
) -> OrtStatusPtr {
    ffi::guard(|| {
        // SAFETY: by the interface's contract.
        unsafe {
            let equal = ffi::borrow::<MemoryInfo, _>(left)? == ffi::borrow::<MemoryInfo, _>(right)?;
            ffi::write(out, if equal { 0 } else { -1 })
        }
    })
}

unsafe extern "system" fn memory_info_get_name(_: *const OrtMemoryInfo, out: *mut *const c_char) -> OrtStatusPtr {
    // SAFETY: by the interface's contract.
    ffi::guard(|| unsafe { ffi::write(out, DEVICE.as_ptr()) })
}

unsafe extern "system" fn memory_info_get_id(_: *const OrtMemoryInfo, out: *mut c_int) -> OrtStatusPtr {
    // SAFETY: by the interface's contract.
    ffi::guard(|| unsafe { ffi::write(out, 0) })
}

unsafe extern "system" fn memory_info_get_memory_type(
    info: *const OrtMemoryInfo,
    out: *mut OrtMemType,
) -> OrtStatusPtr {
    // SAFETY: by the interface's contract.
    ffi::guard(|| unsafe { ffi::write(out, ffi::borrow::<MemoryInfo, _>(info)?.memory) })
}

unsafe extern "system" fn memory_info_get_type(info: *const OrtMemoryInfo, out: *mut OrtAllocatorType) -> OrtStatusPtr {
    // SAFETY: by the interface's contract.
    ffi::guard(|| unsafe { ffi::write(out, ffi::borrow::<MemoryInfo, _>(info)?.allocator) })
}

unsafe extern "system" fn memory_info_get_device_type(_: *const OrtMemoryInfo, out: *mut OrtMemoryInfoDeviceType) {
    // SAFETY: by the interface's contract. There is no status to say that `out` was null.
    let _ = unsafe { ffi::write(out, OrtMemoryInfoDeviceType::OrtMemoryInfoDeviceType_CPU) };
}

unsafe extern "system" fn memory_info_get_device_memory_type(_: *const OrtMemoryInfo) -> OrtDeviceMemoryType {
    OrtDeviceMemoryType::OrtDeviceMemoryType_DEFAULT
}

unsafe extern "system" fn release_memory_info(info: *mut OrtMemoryInfo) {
    if !ptr::eq(info, memory_info()) {
        // SAFETY: by the interface's contract; the one that must not be freed was just left out.
        unsafe { ffi::release::<MemoryInfo, _>(info) }
    }
}
