//! The wire format of protobuf: a message is a list of numbered fields.

use crate::{Error, LONGEST_NAME, Result};

/// The value of a field.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Field<'a> {
    /// A varint.
    Number(u64),
    /// A string, bytes, a message, or packed numbers.
    Bytes(&'a [u8]),
    /// Four or eight bytes of a fixed size.
    Fixed(&'a [u8]),
}

/// The fields of a message, in the order of the file. Iteration ends after the first error.
#[derive(Debug, Clone)]
pub struct Fields<'a> {
    rest: &'a [u8],
}

impl<'a> Fields<'a> {
    /// The fields of a message.
    pub fn new(message: &'a [u8]) -> Self {
        Self { rest: message }
    }

    /// What has not been read yet.
    pub fn rest(&self) -> &'a [u8] {
        self.rest
    }

    fn field(&mut self) -> Result<(u64, Field<'a>)> {
        let tag = self.number()?;
        let field = match tag & 7 {
            0 => Field::Number(self.number()?),
            1 => Field::Fixed(self.take(8)?),
            2 => {
                let length = self.number()?;
                Field::Bytes(self.take(length)?)
            }
            5 => Field::Fixed(self.take(4)?),
            _ => return Err(Error::Malformed("its fields are of no known kind")),
        };
        if tag >> 3 == 0 { Err(Error::Malformed("a field has no number")) } else { Ok((tag >> 3, field)) }
    }

    /// A varint: seven bits a byte, the lowest first; the last byte is below 128. Packed numbers are a row of these.
    pub fn number(&mut self) -> Result<u64> {
        let mut number = 0;
        for place in 0..10 {
            let (&byte, rest) = self.rest.split_first().ok_or(Error::CutShort { announced: 1, left: 0 })?;
            self.rest = rest;
            number |= u64::from(byte & 0x7f) << (7 * place);
            if byte < 0x80 {
                return Ok(number);
            }
        }
        Err(Error::Malformed("a number in it does not end"))
    }

    fn take(&mut self, length: u64) -> Result<&'a [u8]> {
        let split = usize::try_from(length).ok().and_then(|length| self.rest.split_at_checked(length));
        let (taken, rest) = split.ok_or(Error::CutShort { announced: length, left: self.rest.len() })?;
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

/// A name, which must be UTF-8 and not endless: messages and tables hold names.
pub(crate) fn name(bytes: &[u8]) -> Result<&str> {
    if bytes.len() > LONGEST_NAME { Err(Error::LongName { length: bytes.len() }) } else { text(bytes) }
}

/// A string, which must be UTF-8.
pub(crate) fn text(bytes: &[u8]) -> Result<&str> {
    std::str::from_utf8(bytes).map_err(|_| Error::Malformed("a text in it is not UTF-8"))
}

/// Hands over the integers of one repeated field: one number, or many packed.
pub(crate) fn each_integer(field: Field<'_>, mut take: impl FnMut(i64) -> Result<()>) -> Result<()> {
    match field {
        Field::Number(number) => take(number as i64)?,
        Field::Bytes(packed) => {
            let mut numbers = Fields::new(packed);
            while !numbers.rest.is_empty() {
                take(numbers.number()? as i64)?;
            }
        }
        Field::Fixed(_) => return Err(Error::Malformed("an integer in it has a fixed size")),
    }
    Ok(())
}
