//! The two calls of `ort` that take long elsewhere: to open a session and to run it.
//!
//! On WebAssembly `ort` has them as futures alone, because the engine that it expects there is written in JavaScript. The
//! engine behind this crate answers at once.

use ort::{
    session::{HasSelectedOutputs, RunOptions, Session, SessionInputValue, SessionOutputs, builder::SessionBuilder},
    value::DynValue,
};

/// Opens a session over a model in memory.
pub(crate) fn open(builder: &mut SessionBuilder, model: &[u8]) -> ort::Result<Session> {
    #[cfg(target_arch = "wasm32")]
    return now(builder.commit_from_memory(model));
    #[cfg(not(target_arch = "wasm32"))]
    builder.commit_from_memory(model)
}

/// Runs a session, and returns the outputs of these names.
pub(crate) fn run(
    session: &mut Session,
    inputs: [SessionInputValue<'_>; 3],
    options: Option<&RunOptions<HasSelectedOutputs>>,
    names: [&str; 3],
) -> ort::Result<[Option<DynValue>; 3]> {
    let take = |mut outputs: SessionOutputs<'_>| names.map(|name| outputs.remove(name));
    #[cfg(target_arch = "wasm32")]
    return match options {
        Some(options) => now(session.run_async(inputs, options)).map(take),
        None => now(session.run_async(inputs, &RunOptions::new()?)).map(take),
    };
    #[cfg(not(target_arch = "wasm32"))]
    match options {
        Some(options) => session.run_with_options(inputs, options),
        None => session.run(inputs),
    }
    .map(take)
}

/// What a future gives that is ready.
#[cfg(target_arch = "wasm32")]
fn now<T>(future: impl Future<Output = T>) -> T {
    use std::task::{Context, Poll, Waker};

    match std::pin::pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(result) => result,
        Poll::Pending => unreachable!("engines in Rust answer at once"),
    }
}
