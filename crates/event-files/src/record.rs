//! The framing of `TFRecord`: the length as a little-endian u64, its masked checksum, the bytes, their masked checksum.
//!
//! The checksum is CRC32C, rotated and shifted by a constant, because a plain one of data that has checksums in it is
//! weak (`tensorflow/core/lib/hash/crc32c.h`).

use std::io::{self, Read};

use crc::{CRC_32_ISCSI, Crc};

/// CRC32C, as iSCSI has it.
const CHECKSUM: Crc<u32> = Crc::<u32>::new(&CRC_32_ISCSI);

/// What the mask adds.
const MASK: u32 = 0xa282_ead8;

/// Bytes before the data of a record: its length, and the length's checksum.
const HEADER: usize = 12;

/// Bytes of a checksum.
const CHECKSUM_BYTES: usize = 4;

/// A record with these bytes.
pub fn encode(bytes: &[u8]) -> Vec<u8> {
    let length = (bytes.len() as u64).to_le_bytes();
    let mut record = Vec::with_capacity(HEADER + bytes.len() + CHECKSUM_BYTES);
    record.extend(length);
    record.extend(masked(&length).to_le_bytes());
    record.extend(bytes);
    record.extend(masked(bytes).to_le_bytes());
    record
}

/// The bytes of the next record, and the length of the whole record; `None` at the end, and where a record is cut off or
/// damaged. `left` is how many bytes there are at most: nothing longer is allocated.
pub fn decode(source: &mut impl Read, left: u64) -> io::Result<Option<(Vec<u8>, u64)>> {
    let mut header = [0; HEADER];
    if left < (HEADER + CHECKSUM_BYTES) as u64 || !fill(source, &mut header)? {
        return Ok(None);
    }
    let (length, checksum) = header.split_at(8);
    if checksum != masked(length).to_le_bytes() {
        return Ok(None);
    }
    let length = length.iter().rev().fold(0_u64, |number, byte| number << 8 | u64::from(*byte));
    if length > left - (HEADER + CHECKSUM_BYTES) as u64 {
        return Ok(None);
    }
    let mut bytes = vec![0; length as usize + CHECKSUM_BYTES];
    if !fill(source, &mut bytes)? {
        return Ok(None);
    }
    let checksum = bytes.split_off(length as usize);
    let is_whole = checksum == masked(&bytes).to_le_bytes();
    Ok(is_whole.then_some((bytes, length + (HEADER + CHECKSUM_BYTES) as u64)))
}

/// Whether there were enough bytes to fill a buffer.
fn fill(source: &mut impl Read, buffer: &mut [u8]) -> io::Result<bool> {
    match source.read_exact(buffer) {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Ok(false),
        Err(error) => Err(error),
    }
}

fn masked(bytes: &[u8]) -> u32 {
    CHECKSUM.checksum(bytes).rotate_right(15).wrapping_add(MASK)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all(mut bytes: &[u8]) -> Vec<Vec<u8>> {
        let mut records = vec![];
        loop {
            let left = bytes.len() as u64;
            let Some((record, _)) = decode(&mut bytes, left).unwrap() else { return records };
            records.push(record);
        }
    }

    #[test]
    fn a_record_has_the_bytes_that_tensorflow_writes() {
        // with tf.io.TFRecordWriter("a") as writer: writer.write(b"the sea")   # TensorFlow 2.21; xxd a
        // The checksum of nine digits is the check value of CRC32C (RFC 3720, appendix B.4, and the catalogue of CRCs).
        assert_eq!(CHECKSUM.checksum(b"123456789"), 0xe306_9283);
        let framing = [0x07, 0, 0, 0, 0, 0, 0, 0, 0xbb, 0xd7, 0x9f, 0x11];
        let expected = [&framing[..], b"the sea", &[0x1f, 0xea, 0xe8, 0xca]].concat();
        assert_eq!(encode(b"the sea"), expected);
    }

    #[test]
    fn what_is_cut_off_or_damaged_ends_the_records() {
        let file = [encode(b"one"), encode(b""), encode(&[7; 300])].concat();
        let whole = [b"one".to_vec(), vec![], vec![7; 300]];
        assert_eq!(all(&file), whole);
        for cut in 0..file.len() {
            let found = all(&file[..cut]);
            let expected = [19, 35, 351].iter().filter(|end| **end <= cut).count();
            assert_eq!(found, whole[..expected], "cut to {cut} bytes");
        }
        for place in 0..file.len() {
            let mut damaged = file.clone();
            damaged[place] ^= 1;
            let expected = [19, 35, 351].iter().filter(|end| **end <= place).count();
            assert_eq!(all(&damaged), whole[..expected], "a wrong bit in byte {place}");
        }
    }
}
