//! Open models and the handles that C holds.
//!
//! A handle is a number in a table, never an address: nothing is read through it. So a handle that was closed, or made up,
//! is found out for certain, and closing a model in one thread while another uses it is no error: the memory is freed
//! when the last call has returned.

use std::{
    collections::BTreeMap,
    ffi::CString,
    ptr,
    sync::{
        Arc, Mutex, PoisonError, RwLock,
        atomic::{AtomicUsize, Ordering},
    },
};

use model_card::ModelCard;
use sampler::Network;

use crate::failure::{Failure, Result, Status};

/// An open model.
#[derive(Debug)]
pub enum Model {}

/// What a handle stands for.
#[derive(Debug)]
pub(crate) struct Open {
    card: ModelCard,
    /// What the networks of calls are made of; it runs no text itself.
    network: Mutex<Network>,
    /// The card as JSON.
    pub json: CString,
}

// A panic while the lock is held leaves the table whole: each change is one step.
static OPEN: RwLock<BTreeMap<usize, Arc<Open>>> = RwLock::new(BTreeMap::new());

/// Handles are this far apart. A pointer into memory that C hands over by mistake is unlikely to be one.
const STRIDE: usize = 16;

/// Puts a model into the table.
pub(crate) fn add(model: sampler::Model) -> Result<*mut Model> {
    static NEXT: AtomicUsize = AtomicUsize::new(1);
    let json = CString::new(model.card.to_json())
        .map_err(|_| Failure::new(Status::Internal, "a defect of the library: JSON with a zero byte"))?;
    let sampler::Model { card, network } = model;
    let open = Arc::new(Open { card, network: Mutex::new(network), json });
    let number = NEXT.fetch_add(1, Ordering::Relaxed).wrapping_mul(STRIDE);
    OPEN.write().unwrap_or_else(PoisonError::into_inner).insert(number, open);
    Ok(ptr::without_provenance_mut(number))
}

/// The model of a handle.
pub(crate) fn get(handle: *const Model) -> Result<Arc<Open>> {
    if handle.is_null() {
        return Err(Failure::null("model"));
    }
    let open = OPEN.read().unwrap_or_else(PoisonError::into_inner).get(&handle.addr()).cloned();
    open.ok_or_else(not_open)
}

/// Takes a model out of the table.
pub(crate) fn remove(handle: *const Model) -> Result<()> {
    let open = OPEN.write().unwrap_or_else(PoisonError::into_inner).remove(&handle.addr());
    // Dropped here, after the lock: that can take a while.
    open.map(drop).ok_or_else(not_open)
}

fn not_open() -> Failure {
    Failure::new(Status::NotOpen, "this model is not open: it was closed, or the pointer came from elsewhere")
}

impl Open {
    /// The model with a state of its own, for one call. It shares the weights.
    pub fn for_one_call(&self) -> Result<sampler::Model> {
        let network = self.network.lock().unwrap_or_else(PoisonError::into_inner).another()?;
        Ok(sampler::Model { card: self.card.clone(), network })
    }
}
