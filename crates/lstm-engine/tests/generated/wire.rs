//! Writing protobuf: fields appended to one buffer, messages within messages included.

/// A message being written.
#[derive(Debug, Default)]
pub struct Message(pub Vec<u8>);

impl Message {
    fn varint(&mut self, mut number: u64) {
        while number >= 0x80 {
            self.0.push(number as u8 | 0x80);
            number >>= 7;
        }
        self.0.push(number as u8);
    }

    /// A field of a number.
    pub fn number(&mut self, field: u64, value: u64) {
        self.varint(field << 3);
        self.varint(value);
    }

    /// A field of four or eight bytes.
    pub fn fixed(&mut self, field: u64, bytes: &[u8]) {
        self.varint(field << 3 | if bytes.len() == 8 { 1 } else { 5 });
        self.0.extend_from_slice(bytes);
    }

    /// A field of bytes or of text.
    pub fn bytes(&mut self, field: u64, bytes: impl AsRef<[u8]>) {
        let bytes = bytes.as_ref();
        self.varint(field << 3 | 2);
        self.varint(bytes.len() as u64);
        self.0.extend_from_slice(bytes);
    }

    /// A field of a message, or of packed numbers, which `write` writes.
    pub fn message(&mut self, field: u64, write: impl FnOnce(&mut Self)) {
        self.varint(field << 3 | 2);
        let start = self.0.len();
        write(self);
        let end = self.0.len();
        // The length stands in front: it is written behind, and turned to the front.
        self.varint((end - start) as u64);
        let digits = self.0.len() - end;
        self.0[start..].rotate_right(digits);
    }

    /// Numbers in one field.
    pub fn packed(&mut self, field: u64, numbers: impl IntoIterator<Item = u64>) {
        self.message(field, |message| numbers.into_iter().for_each(|number| message.varint(number)));
    }
}
