//! What went wrong: a status that is returned, and a message for the thread. No panic crosses the border to C.

use std::{
    any::Any,
    cell::RefCell,
    ffi::{CString, c_char},
    panic::{AssertUnwindSafe, catch_unwind},
};

use sampler::Error;

/// What a function answers. The values stay the same in later versions; new ones may be added.
#[repr(C)]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Status {
    /// It worked.
    Ok = 0,
    /// A pointer is null that must not be, or a setting is out of range.
    BadArgument = 1,
    /// The model is not open: it was closed, or never opened.
    NotOpen = 2,
    /// A text is not UTF-8, has a character that the model does not know, or is empty where there is nothing to continue.
    BadText = 3,
    /// The file or the bytes are not a model, are damaged, or need a newer version of this library.
    BadModel = 4,
    /// The file cannot be read.
    CannotRead = 5,
    /// There is no memory for the model or the text.
    OutOfMemory = 6,
    /// A defect of this library. The model can still be used.
    Internal = 7,
}

/// A status with its message.
#[derive(Debug)]
pub(crate) struct Failure {
    pub status: Status,
    pub message: String,
}

impl Failure {
    pub fn new(status: Status, message: impl Into<String>) -> Self {
        Self { status, message: message.into() }
    }

    /// A pointer that must not be null is.
    pub fn null(name: &str) -> Self {
        Self::new(Status::BadArgument, format!("`{name}` is null"))
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        let status = match &error {
            Error::Options(_) | Error::NothingAllowed | Error::NotAscii => Status::BadArgument,
            Error::Text(_)
            | Error::NothingFed
            | Error::EmptyStop(_)
            | Error::UnwrittenStop { .. }
            | Error::KnownTooLong => Status::BadText,
            Error::Read { .. } | Error::Folder(_) => Status::CannotRead,
            Error::Memory(_) | Error::Thread(_) => Status::OutOfMemory,
            _ => Status::BadModel,
        };
        Self { status, message: error.to_string() }
    }
}

pub(crate) type Result<T> = std::result::Result<T, Failure>;

thread_local! {
    static LAST: RefCell<CString> = RefCell::default();
}

/// Runs the body of a function that C calls. A failure is kept for the thread; a panic becomes one.
pub(crate) fn guard(body: impl FnOnce() -> Result<()>) -> Status {
    let Failure { status, message } = match catch_unwind(AssertUnwindSafe(body)) {
        Ok(Ok(())) => return Status::Ok,
        Ok(Err(failure)) => failure,
        Err(panic) => Failure::new(Status::Internal, format!("a defect of the library: {}", describe(panic))),
    };
    // A text may have zero bytes, which would end the message.
    let message = CString::new(message.replace('\0', "\u{fffd}")).unwrap_or_default();
    // Fails in a thread that is ending and has dropped the message already: there is nobody to read it.
    let _ = LAST.try_with(|last| last.replace(message));
    status
}

fn describe(panic: Box<dyn Any + Send>) -> String {
    let text = panic.downcast_ref::<&str>().map(ToString::to_string);
    let message = text.or_else(|| panic.downcast_ref::<String>().cloned()).unwrap_or_default();
    // What was thrown may panic when it is dropped.
    let _ = catch_unwind(AssertUnwindSafe(|| drop(panic)));
    message
}

/// The message of the last call in this thread that failed, in English; empty if none has. It is valid until the next
/// call in this thread that fails, or until the thread ends.
#[unsafe(no_mangle)]
pub extern "C" fn scrimshaw_last_error() -> *const c_char {
    LAST.try_with(|last| last.borrow().as_ptr()).unwrap_or(c"".as_ptr())
}

#[cfg(test)]
mod tests {
    use std::ffi::CStr;

    use super::*;

    fn last_error() -> String {
        // SAFETY: the message is a C string, and no other call comes between.
        unsafe { CStr::from_ptr(scrimshaw_last_error()) }.to_str().unwrap().into()
    }

    #[test]
    fn a_panic_becomes_a_status() {
        assert_eq!(last_error(), "");
        assert_eq!(guard(|| panic!("ahoy")), Status::Internal);
        assert_eq!(last_error(), "a defect of the library: ahoy");
        assert_eq!(guard(|| Err(Failure::new(Status::BadText, "a\0b"))), Status::BadText);
        assert_eq!(last_error(), "a\u{fffd}b");
        assert_eq!(guard(|| Ok(())), Status::Ok);
        assert_eq!(last_error(), "a\u{fffd}b", "a success leaves the message");
    }

    #[test]
    fn messages_are_of_their_thread() {
        guard(|| Err(Failure::null("here")));
        std::thread::spawn(|| assert_eq!(last_error(), "")).join().unwrap();
        assert_eq!(last_error(), "`here` is null");
    }
}
