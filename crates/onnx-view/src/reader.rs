//! What one reading of a file keeps count of.

use crate::{Error, Facts, MOST_ITEMS, Result};

/// Bytes of memory for the parts of a file, for each of its bytes: twice what a graph without weights takes.
const ROOM_PER_BYTE: usize = 8;
/// Bytes of memory for the parts of any file.
const LEAST_ROOM: usize = 1 << 20;

/// Facts about the file so far, and how much memory its parts may still take: a part of two bytes can take a hundred.
pub(crate) struct Reader {
    pub(crate) facts: Facts,
    room: usize,
}

impl Reader {
    /// For a file of this many bytes.
    pub(crate) fn new(length: usize) -> Self {
        Self { facts: Facts::default(), room: length.saturating_mul(ROOM_PER_BYTE).saturating_add(LEAST_ROOM) }
    }

    /// Appends an item to a list, if it has room.
    pub(crate) fn push<T>(&mut self, list: &mut Vec<T>, item: T) -> Result<()> {
        if list.len() == MOST_ITEMS {
            return Err(Error::TooMany { most: MOST_ITEMS });
        }
        self.room = self.room.checked_sub(size_of::<T>()).ok_or(Error::TooManyForSize)?;
        list.push(item);
        Ok(())
    }
}
