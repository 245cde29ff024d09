//! Errors as Python's exceptions.

use std::path::Path;

use pyo3::{
    create_exception,
    exceptions::{PyIsADirectoryError, PyMemoryError, PyOSError, PyValueError},
    prelude::*,
};

create_exception!(
    scrimshaw,
    Error,
    PyValueError,
    "A model, a text or a setting that cannot be used. The message says what is wrong and what to do."
);

/// The exception for an error of the sampler.
pub fn exception(py: Python<'_>, error: &sampler::Error) -> PyErr {
    let message = error.to_string();
    match error {
        sampler::Error::Read { path, source } => match source.raw_os_error() {
            Some(number) => system_error(py, number, source, path),
            None => PyOSError::new_err(message),
        },
        sampler::Error::Folder(_) => PyIsADirectoryError::new_err(message),
        sampler::Error::Memory(_) => PyMemoryError::new_err(message),
        _ => Error::new_err(message),
    }
}

/// The same for a model that was read from a file: the message begins with the file.
pub fn exception_of_file(py: Python<'_>, error: &sampler::Error, path: &Path) -> PyErr {
    let exception = exception(py, error);
    if exception.is_instance_of::<Error>(py) {
        return Error::new_err(format!("{}: {error}", path.display()));
    }
    exception
}

/// `OSError` or the class below it that belongs to the system's number, such as `FileNotFoundError`.
fn system_error(py: Python<'_>, number: i32, source: &std::io::Error, path: &Path) -> PyErr {
    let message = source.to_string();
    let message = message.strip_suffix(&format!(" (os error {number})")).unwrap_or(&message);
    // Python chooses the class when `OSError` is called.
    match py.get_type::<PyOSError>().call1((number, message, path.as_os_str())) {
        Ok(exception) => PyErr::from_value(exception),
        Err(error) => error,
    }
}
