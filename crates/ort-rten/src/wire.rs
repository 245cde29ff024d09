//! The wire format of protobuf: fields of numbers and of bytes.

use crate::error::{Error, Result};

/// The value of a field, as the wire has it.
#[derive(Clone, Copy)]
pub(crate) enum Field<'a> {
    Number(u64),
    Bytes(&'a [u8]),
    Fixed,
}

/// The fields of a message, in the order of the file; ends after the first error.
pub(crate) struct Fields<'a> {
    rest: &'a [u8],
}

impl<'a> Fields<'a> {
    pub(crate) fn new(message: &'a [u8]) -> Self {
        Self { rest: message }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.rest.is_empty()
    }

    /// The next field: all of its bytes, its number, its value.
    pub(crate) fn whole_field(&mut self) -> Result<(&'a [u8], u64, Field<'a>)> {
        let before = self.rest;
        let (number, field) = self.field()?;
        Ok((&before[..before.len() - self.rest.len()], number, field))
    }

    fn field(&mut self) -> Result<(u64, Field<'a>)> {
        let tag = self.number()?;
        let field = match tag & 7 {
            0 => Field::Number(self.number()?),
            1 => self.take(8).map(|_| Field::Fixed)?,
            2 => {
                let length = self.number()?;
                Field::Bytes(self.take(length)?)
            }
            5 => self.take(4).map(|_| Field::Fixed)?,
            kind => return Err(Error::NotAModel(format!("a field in it has the unknown wire type {kind}"))),
        };
        match tag >> 3 {
            0 => Err(Error::NotAModel("a field in it has the number 0".into())),
            number => Ok((number, field)),
        }
    }

    /// A number of seven bits a byte, the lowest first, the last byte below 128.
    pub(crate) fn number(&mut self) -> Result<u64> {
        let mut number = 0;
        for (index, &byte) in self.rest.iter().enumerate().take(10) {
            number |= u64::from(byte & 0x7f) << (7 * index);
            if byte < 0x80 {
                self.rest = &self.rest[index + 1..];
                return Ok(number);
            }
        }
        Err(Error::NotAModel("a number in it does not end".into()))
    }

    fn take(&mut self, length: u64) -> Result<&'a [u8]> {
        let split = usize::try_from(length).ok().and_then(|length| self.rest.split_at_checked(length));
        let (taken, rest) = split.ok_or_else(|| {
            Error::NotAModel(format!("a part of it claims {length} bytes where {} are left", self.rest.len()))
        })?;
        self.rest = rest;
        Ok(taken)
    }
}

impl<'a> Iterator for Fields<'a> {
    type Item = Result<(u64, Field<'a>)>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.rest.is_empty() {
            return None;
        }
        let field = self.field();
        if field.is_err() {
            self.rest = &[];
        }
        Some(field)
    }
}
