//! Options of the environment, of sessions and of runs. Those that engines have no use for (memory arenas, logging, the
//! level of graph optimisation) are accepted and do nothing, since `ort` sets some of them for every session.

use std::{
    collections::BTreeMap,
    ffi::{CStr, CString, c_char, c_int, c_void},
    ptr,
    sync::atomic::{AtomicBool, Ordering},
};

use crate::{
    error::{Error, Result},
    ffi,
    refusals::Answer,
};
use ort_sys::{
    GraphOptimizationLevel, OrtApi, OrtEnv, OrtLoggingFunction, OrtLoggingLevel, OrtRunOptions, OrtSessionOptions,
    OrtStatusPtr, OrtThreadingOptions,
};

/// What sessions have in common: `OrtEnv`.
pub(crate) struct Environment {
    /// Threads for sessions that share them; 0 leaves the number to the engine.
    pub(crate) threads: usize,
}

/// `OrtThreadingOptions`.
#[derive(Default)]
struct ThreadingOptions {
    threads: usize,
}

/// How a model is to be opened: `OrtSessionOptions`.
#[derive(Debug, Clone)]
pub struct Options {
    /// Threads that one run may use; 0 leaves the number to the engine.
    pub threads: usize,
    /// Whether the graph may be optimised.
    pub optimize: bool,
    /// Whether the environment's number of threads counts, and not the session's.
    pub(crate) shares_threads: bool,
    entries: BTreeMap<CString, CString>,
}

impl Options {
    /// The same options with an entry, as `SessionBuilder::with_config_entry` sets it.
    #[must_use]
    pub fn with_entry(mut self, key: &CStr, value: &CStr) -> Self {
        self.entries.insert(key.to_owned(), value.to_owned());
        self
    }

    /// A value that the program set by `SessionBuilder::with_config_entry`.
    pub fn entry(&self, key: &CStr) -> Option<&CStr> {
        self.entries.get(key).map(CString::as_c_str)
    }
}

impl Default for Options {
    fn default() -> Self {
        Self { threads: 0, shares_threads: false, optimize: true, entries: BTreeMap::new() }
    }
}

/// `OrtRunOptions`.
#[derive(Default)]
pub(crate) struct RunOptions {
    tag: CString,
    terminate: AtomicBool,
}

impl RunOptions {
    pub(crate) fn is_terminated(&self) -> bool {
        self.terminate.load(Ordering::Relaxed)
    }
}

impl ffi::Handle<OrtEnv> for Environment {}
impl ffi::Handle<OrtThreadingOptions> for ThreadingOptions {}
impl ffi::Handle<OrtSessionOptions> for Options {}
impl ffi::Handle<OrtRunOptions> for RunOptions {}

/// Puts the entries that handle options into the table.
pub(crate) fn install(api: &mut OrtApi) {
    api.CreateEnv = create_env;
    api.CreateEnvWithCustomLogger = create_env_with_logger;
    api.CreateEnvWithGlobalThreadPools = create_env_with_threads;
    api.CreateEnvWithCustomLoggerAndGlobalThreadPools = create_env_with_logger_and_threads;
    api.UpdateEnvWithCustomLogLevel = Answer::acceptance();
    api.EnableTelemetryEvents = Answer::acceptance();
    api.DisableTelemetryEvents = Answer::acceptance();
    api.ReleaseEnv = release_env;

    api.CreateThreadingOptions = create_threading_options;
    api.SetGlobalIntraOpNumThreads = set_global_threads;
    api.SetGlobalInterOpNumThreads = Answer::acceptance();
    api.SetGlobalSpinControl = Answer::acceptance();
    api.ReleaseThreadingOptions = release_threading_options;

    api.CreateSessionOptions = create_session_options;
    api.CloneSessionOptions = clone_session_options;
    api.SetIntraOpNumThreads = set_threads;
    api.SetInterOpNumThreads = Answer::acceptance();
    api.DisablePerSessionThreads = share_threads;
    api.SetSessionExecutionMode = Answer::acceptance();
    api.SetSessionGraphOptimizationLevel = set_optimization;
    api.AddSessionConfigEntry = add_entry;
    api.HasSessionConfigEntry = has_entry;
    api.GetSessionConfigEntry = get_entry;
    api.EnableMemPattern = Answer::acceptance();
    api.DisableMemPattern = Answer::acceptance();
    api.EnableCpuMemArena = Answer::acceptance();
    api.DisableCpuMemArena = Answer::acceptance();
    api.SetSessionLogId = Answer::acceptance();
    api.SetSessionLogVerbosityLevel = Answer::acceptance();
    api.SetSessionLogSeverityLevel = Answer::acceptance();
    api.SetDeterministicCompute = Answer::acceptance();
    api.SessionOptionsSetEpSelectionPolicy = Answer::acceptance();
    api.ReleaseSessionOptions = release_session_options;

    api.CreateRunOptions = create_run_options;
    api.RunOptionsSetRunTag = set_run_tag;
    api.RunOptionsGetRunTag = get_run_tag;
    api.RunOptionsSetTerminate = set_terminate;
    api.RunOptionsUnsetTerminate = unset_terminate;
    api.ReleaseRunOptions = release_run_options;
}

// The interface's contract: handles point to the Rust type that `ffi::Handle` says, were made here and are not
// released yet; options are changed by one thread at a time; strings are C strings; out-parameters may be written. The
// module `ffi` says what a broken caller can do.

/// # Safety
///
/// By the interface's contract.
unsafe fn give_env(threads: *const OrtThreadingOptions, out: *mut *mut OrtEnv) -> Result<()> {
    // SAFETY: by the interface's contract.
    let threads = if threads.is_null() { 0 } else { unsafe { ffi::borrow::<ThreadingOptions, _>(threads) }?.threads };
    // SAFETY: by the interface's contract.
    unsafe { ffi::write(out, ffi::into_raw(Environment { threads })) }
}

unsafe extern "system" fn create_env(_: OrtLoggingLevel, _: *const c_char, out: *mut *mut OrtEnv) -> OrtStatusPtr {
    // SAFETY: by the interface's contract.
    ffi::guard(|| unsafe { give_env(ptr::null(), out) })
}

unsafe extern "system" fn create_env_with_logger(
    _: OrtLoggingFunction,
    _: *mut c_void,
    _: OrtLoggingLevel,
    _: *const c_char,
    out: *mut *mut OrtEnv,
) -> OrtStatusPtr {
    // SAFETY: by the interface's contract.
    ffi::guard(|| unsafe { give_env(ptr::null(), out) })
}

unsafe extern "system" fn create_env_with_threads(
    _: OrtLoggingLevel,
    _: *const c_char,
    threads: *const OrtThreadingOptions,
    out: *mut *mut OrtEnv,
) -> OrtStatusPtr {
    // SAFETY: by the interface's contract.
    ffi::guard(|| unsafe { give_env(threads, out) })
}

unsafe extern "system" fn create_env_with_logger_and_threads(
    _: OrtLoggingFunction,
    _: *mut c_void,
    _: OrtLoggingLevel,
    _: *const c_char,
    threads: *const OrtThreadingOptions,
    out: *mut *mut OrtEnv,
) -> OrtStatusPtr {
    // SAFETY: by the interface's contract.
    ffi::guard(|| unsafe { give_env(threads, out) })
}

unsafe extern "system" fn release_env(env: *mut OrtEnv) {
    // SAFETY: by the interface's contract. Sessions copied what they need.
    unsafe { ffi::release::<Environment, _>(env) }
}

unsafe extern "system" fn create_threading_options(out: *mut *mut OrtThreadingOptions) -> OrtStatusPtr {
    // SAFETY: by the interface's contract.
    ffi::guard(|| unsafe { ffi::write(out, ffi::into_raw(ThreadingOptions::default())) })
}

unsafe extern "system" fn set_global_threads(options: *mut OrtThreadingOptions, threads: c_int) -> OrtStatusPtr {
    ffi::guard(|| {
        // SAFETY: by the interface's contract.
        unsafe { ffi::borrow_mut::<ThreadingOptions, _>(options) }?.threads = thread_count(threads)?;
        Ok(())
    })
}

unsafe extern "system" fn release_threading_options(options: *mut OrtThreadingOptions) {
    // SAFETY: by the interface's contract.
    unsafe { ffi::release::<ThreadingOptions, _>(options) }
}

unsafe extern "system" fn create_session_options(out: *mut *mut OrtSessionOptions) -> OrtStatusPtr {
    // SAFETY: by the interface's contract.
    ffi::guard(|| unsafe { ffi::write(out, ffi::into_raw(Options::default())) })
}

unsafe extern "system" fn clone_session_options(
    options: *const OrtSessionOptions,
    out: *mut *mut OrtSessionOptions,
) -> OrtStatusPtr {
    // SAFETY: by the interface's contract.
    ffi::guard(|| unsafe { ffi::write(out, ffi::into_raw(ffi::borrow::<Options, _>(options)?.clone())) })
}

unsafe extern "system" fn set_threads(options: *mut OrtSessionOptions, threads: c_int) -> OrtStatusPtr {
    ffi::guard(|| {
        // SAFETY: by the interface's contract.
        unsafe { ffi::borrow_mut::<Options, _>(options) }?.threads = thread_count(threads)?;
        Ok(())
    })
}

unsafe extern "system" fn share_threads(options: *mut OrtSessionOptions) -> OrtStatusPtr {
    ffi::guard(|| {
        // SAFETY: by the interface's contract.
        unsafe { ffi::borrow_mut::<Options, _>(options) }?.shares_threads = true;
        Ok(())
    })
}

unsafe extern "system" fn set_optimization(
    options: *mut OrtSessionOptions,
    level: GraphOptimizationLevel,
) -> OrtStatusPtr {
    ffi::guard(|| {
        // SAFETY: by the interface's contract.
        let options = unsafe { ffi::borrow_mut::<Options, _>(options) }?;
        options.optimize = level != GraphOptimizationLevel::ORT_DISABLE_ALL;
        Ok(())
    })
}

unsafe extern "system" fn add_entry(
    options: *mut OrtSessionOptions,
    key: *const c_char,
    value: *const c_char,
) -> OrtStatusPtr {
    ffi::guard(|| {
        // SAFETY: by the interface's contract.
        let (options, key, value) =
            unsafe { (ffi::borrow_mut::<Options, _>(options)?, ffi::text(key)?, ffi::text(value)?) };
        options.entries.insert(key.to_owned(), value.to_owned());
        Ok(())
    })
}

unsafe extern "system" fn has_entry(
    options: *const OrtSessionOptions,
    key: *const c_char,
    out: *mut c_int,
) -> OrtStatusPtr {
    ffi::guard(|| {
        // SAFETY: by the interface's contract.
        let (options, key) = unsafe { (ffi::borrow::<Options, _>(options)?, ffi::text(key)?) };
        // SAFETY: by the interface's contract.
        unsafe { ffi::write(out, options.entries.contains_key(key).into()) }
    })
}

unsafe extern "system" fn get_entry(
    options: *const OrtSessionOptions,
    key: *const c_char,
    value: *mut c_char,
    size: *mut usize,
) -> OrtStatusPtr {
    ffi::guard(|| {
        // SAFETY: by the interface's contract; `size` may be read as well.
        let (options, key, room) =
            unsafe { (ffi::borrow::<Options, _>(options)?, ffi::text(key)?, ffi::array(size, 1)?[0]) };
        let entry = options
            .entries
            .get(key)
            .ok_or_else(|| Error::invalid(format_args!("the options have no entry {key:?}")))?;
        let entry = entry.as_bytes_with_nul();
        // SAFETY: by the interface's contract.
        unsafe { ffi::write(size, entry.len()) }?;
        if value.is_null() {
            return Ok(()); // the caller asks for the size alone
        }
        if room < entry.len() {
            return Err(Error::invalid(format_args!("the entry takes {} bytes, not {room}", entry.len())));
        }
        // SAFETY: `value` has room for `room` bytes, which are enough.
        unsafe { ffi::array_mut(value.cast(), entry.len()) }?.copy_from_slice(entry);
        Ok(())
    })
}

unsafe extern "system" fn release_session_options(options: *mut OrtSessionOptions) {
    // SAFETY: by the interface's contract.
    unsafe { ffi::release::<Options, _>(options) }
}

unsafe extern "system" fn create_run_options(out: *mut *mut OrtRunOptions) -> OrtStatusPtr {
    // SAFETY: by the interface's contract.
    ffi::guard(|| unsafe { ffi::write(out, ffi::into_raw(RunOptions::default())) })
}

unsafe extern "system" fn set_run_tag(options: *mut OrtRunOptions, tag: *const c_char) -> OrtStatusPtr {
    ffi::guard(|| {
        // SAFETY: by the interface's contract.
        let (options, tag) = unsafe { (ffi::borrow_mut::<RunOptions, _>(options)?, ffi::text(tag)?) };
        tag.clone_into(&mut options.tag);
        Ok(())
    })
}

unsafe extern "system" fn get_run_tag(options: *const OrtRunOptions, out: *mut *const c_char) -> OrtStatusPtr {
    // SAFETY: by the interface's contract. The tag lives until it is set anew.
    ffi::guard(|| unsafe { ffi::write(out, ffi::borrow::<RunOptions, _>(options)?.tag.as_ptr()) })
}

unsafe extern "system" fn set_terminate(options: *mut OrtRunOptions) -> OrtStatusPtr {
    ffi::guard(|| {
        // SAFETY: by the interface's contract, but for one thing: another thread may be running with these options, which is the point of
        // it. A shared reference and an atomic flag allow that.
        unsafe { ffi::borrow::<RunOptions, _>(options) }?.terminate.store(true, Ordering::Relaxed);
        Ok(())
    })
}

unsafe extern "system" fn unset_terminate(options: *mut OrtRunOptions) -> OrtStatusPtr {
    ffi::guard(|| {
        // SAFETY: as in `set_terminate`.
        unsafe { ffi::borrow::<RunOptions, _>(options) }?.terminate.store(false, Ordering::Relaxed);
        Ok(())
    })
}

unsafe extern "system" fn release_run_options(options: *mut OrtRunOptions) {
    // SAFETY: by the interface's contract.
    unsafe { ffi::release::<RunOptions, _>(options) }
}

/// More threads than any machine has; the operating system would refuse them one by one.
const MOST_THREADS: usize = 1024;

fn thread_count(threads: c_int) -> Result<usize> {
    let count = usize::try_from(threads).ok().filter(|&count| count <= MOST_THREADS);
    count.ok_or_else(|| Error::invalid(format_args!("{threads} is not a number of threads (0 to {MOST_THREADS})")))
}
