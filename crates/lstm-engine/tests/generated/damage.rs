//! Damage to ONNX files that knows their structure: fields are changed, removed, doubled or exchanged, and the lengths of
//! the messages around them are kept right. Bytes alone would seldom pass the first check.

use arbitrary::{Result, Unstructured};
use lstm_engine::onnx_view::wire::{self, Fields};

use super::wire::Message;

/// Numbers at the edges of what readers compute with.
const NUMBERS: [u64; 16] =
    [0, 1, 2, 3, 7, 28, 64, 255, 1 << 16, 1 << 31, (1 << 31) - 1, 1 << 32, 1 << 61, 1 << 63, u64::MAX, u64::MAX - 1];

/// Floats that arithmetic may stumble over.
const FLOATS: [f32; 8] = [f32::NAN, f32::INFINITY, -1e30, 1e30, 1e-45, -0.0, 1e10, 3.4e38];

/// A field of a message.
#[derive(Debug, Clone)]
pub struct Field {
    number: u64,
    value: Value,
}

#[derive(Debug, Clone)]
enum Value {
    Number(u64),
    Fixed(Vec<u8>),
    Bytes(Vec<u8>),
    Message(Vec<Field>),
}

/// Messages of ONNX whose fields are messages.
#[derive(Debug, Clone, Copy)]
enum Kind {
    Model,
    Graph,
    Node,
    Attribute,
    Port,
    Type,
    TensorType,
    Shape,
    /// Its fields are no messages.
    Leaf,
}

impl Kind {
    /// What the message in a field is; none if the field is no message.
    fn of_field(self, number: u64) -> Option<Self> {
        match (self, number) {
            (Self::Model, 7) | (Self::Attribute, 6 | 11) => Some(Self::Graph),
            // Operator sets and metadata, initializers, the tensors of attributes, dimensions.
            (Self::Model, 8 | 14) | (Self::Graph, 5) | (Self::Attribute, 5 | 10) | (Self::Shape, 1) => Some(Self::Leaf),
            (Self::Graph, 1) => Some(Self::Node),
            (Self::Graph, 11..=13) => Some(Self::Port),
            (Self::Node, 5) => Some(Self::Attribute),
            (Self::Port, 2) => Some(Self::Type),
            (Self::Type, 1) => Some(Self::TensorType),
            (Self::TensorType, 2) => Some(Self::Shape),
            _ => None,
        }
    }
}

/// The fields of a file; none if it is no protobuf at all.
pub fn read(file: &[u8]) -> Option<Vec<Field>> {
    read_message(file, Kind::Model, 0)
}

fn read_message(bytes: &[u8], kind: Kind, depth: usize) -> Option<Vec<Field>> {
    if depth > 100 {
        return None;
    }
    let mut fields = Vec::new();
    for field in Fields::new(bytes) {
        let (number, value) = field.ok()?;
        let value = match value {
            wire::Field::Number(number) => Value::Number(number),
            wire::Field::Fixed(bytes) => Value::Fixed(bytes.to_vec()),
            wire::Field::Bytes(bytes) => {
                let message = kind.of_field(number).and_then(|kind| read_message(bytes, kind, depth + 1));
                message.map_or_else(|| Value::Bytes(bytes.to_vec()), Value::Message)
            }
        };
        fields.push(Field { number, value });
    }
    Some(fields)
}

/// The file of these fields.
pub fn write(fields: &[Field]) -> Vec<u8> {
    let mut message = Message::default();
    write_fields(fields, &mut message);
    message.0
}

fn write_fields(fields: &[Field], message: &mut Message) {
    for Field { number, value } in fields {
        match value {
            Value::Number(value) => message.number(*number, *value),
            Value::Fixed(bytes) => message.fixed(*number, bytes),
            Value::Bytes(bytes) => message.bytes(*number, bytes),
            Value::Message(fields) => message.message(*number, |message| write_fields(fields, message)),
        }
    }
}

/// Damages one to four fields.
pub fn damage(fields: &mut Vec<Field>, choices: &mut Unstructured<'_>) -> Result<()> {
    for _ in 0..choices.int_in_range(1..=4_u8)? {
        let count = count(fields);
        if count == 0 {
            return Ok(());
        }
        let mut target = choices.int_in_range(0..=count - 1)?;
        let donor = pick(fields, choices.int_in_range(0..=count - 1)?).cloned();
        damage_one(fields, &mut target, donor.as_ref(), choices)?;
    }
    Ok(())
}

/// Flips, cuts or repeats bytes of a file.
pub fn damage_bytes(file: &mut Vec<u8>, choices: &mut Unstructured<'_>) -> Result<()> {
    for _ in 0..choices.int_in_range(1..=8_u8)? {
        if file.is_empty() {
            return Ok(());
        }
        let place = choices.int_in_range(0..=file.len() - 1)?;
        match choices.int_in_range(0..=7_u8)? {
            0 => file.truncate(place),
            1 => drop(file.remove(place)),
            2 => file.insert(place, choices.arbitrary()?),
            3 => file[place] ^= 1 << choices.int_in_range(0..=7_u8)?,
            _ => file[place] = choices.arbitrary()?,
        }
    }
    Ok(())
}

/// Fields in a message and in all messages within.
fn count(fields: &[Field]) -> usize {
    let within = |field: &Field| if let Value::Message(fields) = &field.value { count(fields) } else { 0 };
    fields.iter().map(|field| 1 + within(field)).sum()
}

fn pick(fields: &[Field], mut target: usize) -> Option<&Field> {
    for field in fields {
        if target == 0 {
            return Some(field);
        }
        target -= 1;
        if let Value::Message(fields) = &field.value {
            let within = count(fields);
            if target < within {
                return pick(fields, target);
            }
            target -= within;
        }
    }
    None
}

/// Damages the field whose place in the file is `target`; counts it down to zero.
fn damage_one(
    fields: &mut Vec<Field>,
    target: &mut usize,
    donor: Option<&Field>,
    choices: &mut Unstructured<'_>,
) -> Result<bool> {
    for index in 0..fields.len() {
        if *target > 0 {
            *target -= 1;
            if let Value::Message(within) = &mut fields[index].value
                && damage_one(within, target, donor, choices)?
            {
                return Ok(true);
            }
            continue;
        }
        match choices.int_in_range(0..=9_u8)? {
            0 => drop(fields.remove(index)),
            1 => {
                let copy = fields[index].clone();
                fields.insert(index, copy);
            }
            2 => {
                let other = choices.int_in_range(0..=fields.len() - 1)?;
                fields.swap(index, other);
            }
            3 => fields[index].number = choices.int_in_range(1..=20)?,
            4 => {
                if let Some(donor) = donor {
                    fields[index].value = donor.value.clone();
                }
            }
            5 => {
                if let Some(donor) = donor {
                    fields.insert(index, donor.clone());
                }
            }
            _ => damage_value(&mut fields[index].value, choices)?,
        }
        return Ok(true);
    }
    Ok(false)
}

fn damage_value(value: &mut Value, choices: &mut Unstructured<'_>) -> Result<()> {
    match value {
        Value::Number(number) => match choices.int_in_range(0..=3_u8)? {
            0 => *number = number.wrapping_add(1),
            1 => *number = number.wrapping_sub(1),
            2 => *number = choices.int_in_range(0..=9)?,
            _ => *number = *choices.choose(&NUMBERS)?,
        },
        // Its length says which kind of field it is.
        Value::Fixed(bytes) => {
            let place = choices.int_in_range(0..=bytes.len() - 1)?;
            bytes[place] = choices.arbitrary()?;
        }
        Value::Bytes(bytes) => {
            let len = bytes.len();
            match choices.int_in_range(0..=5_u8)? {
                0 => bytes.clear(),
                1 => bytes.push(choices.arbitrary()?),
                2 => bytes.truncate(len / 2),
                3 if len >= 4 => {
                    let place = choices.int_in_range(0..=len / 4 - 1)? * 4;
                    bytes[place..place + 4].copy_from_slice(&choices.choose(&FLOATS)?.to_le_bytes());
                }
                _ if len > 0 => {
                    let place = choices.int_in_range(0..=len - 1)?;
                    bytes[place] = choices.arbitrary()?;
                }
                _ => {}
            }
        }
        Value::Message(fields) => match choices.int_in_range(0..=2_u8)? {
            0 => fields.clear(),
            1 => fields.reverse(),
            _ => {
                let len = fields.len();
                fields.truncate(len / 2);
            }
        },
    }
    Ok(())
}
