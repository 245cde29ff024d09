//! Files that are read and files that are refused.

use proptest::prelude::{any, prop, proptest};

use crate::{Dimension, Error, Facts, LONGEST_NAME, MOST_ITEMS, Model, PortType};

const MODEL: &[u8] = include_bytes!("../../sampler/tests/data/stateful.onnx");

/// A field of bytes.
fn field(number: u64, bytes: &[u8]) -> Vec<u8> {
    let mut field = Vec::new();
    push_number(&mut field, number << 3 | 2);
    push_number(&mut field, bytes.len() as u64);
    field.extend(bytes);
    field
}

fn push_number(bytes: &mut Vec<u8>, mut number: u64) {
    while number >= 0x80 {
        bytes.push(number as u8 | 0x80);
        number >>= 7;
    }
    bytes.push(number as u8);
}

/// A file whose graph holds these fields.
fn file(graph: &[u8]) -> Vec<u8> {
    [field(7, graph), field(8, &[2 << 3, 17])].concat()
}

#[test]
fn a_model_is_read_whole() {
    let model = Model::read(MODEL).unwrap();
    assert_eq!((model.opset, model.facts), (17, Facts::default()));
    assert!(model.property("scrimshaw.card").unwrap().contains("\"seed_text\": \"the sea \""));
    let lstm = model.graph.nodes.iter().find(|node| node.operator == "LSTM").unwrap();
    assert_eq!((lstm.input(4), lstm.input(5), lstm.attribute("hidden_size").unwrap().integer), (None, Some("h0"), 8));
    let table = &model.graph.initializers[0];
    assert_eq!((table.name, &*table.shape, table.floats().unwrap().len()), ("table", &[21, 3][..], 63));
    assert_eq!(model.graph.initializers[1].integers().unwrap(), [1]);
    let PortType::Tensor { element: 1, shape: Some(shape) } = &model.graph.inputs[1].kind else { panic!() };
    assert_eq!(**shape, [Dimension::Fixed(2), Dimension::Named("batch"), Dimension::Fixed(8)]);
}

#[test]
fn numbers_may_be_packed_or_stand_one_by_one() {
    let data = field(9, &[0; 24]);
    for (sizes, is_packed) in [(vec![0x08, 2, 0x08, 3], false), (field(1, &[2, 3]), true)] {
        let bytes = file(&field(5, &[&sizes[..], &[2 << 3, 1], &field(8, b"w"), &data].concat()));
        let model = Model::read(&bytes).unwrap();
        assert_eq!(model.graph.initializers[0].shape, [2, 3]);
        assert_eq!(model.facts.packed_numbers, is_packed);
    }
}

#[test]
fn weights_among_the_inputs_are_no_inputs() {
    let model = Model::read(include_bytes!("../../ort-rten/tests/models/old.onnx")).unwrap();
    assert_eq!(model.graph.inputs.iter().map(|input| input.name).collect::<Vec<_>>(), ["x"]);
}

#[test]
fn what_is_not_onnx_is_refused_by_name() {
    let huge: &[u8] = &[0x3a, 0xff, 0xff, 0xff, 0xff, 0x07]; // a graph of 2 GB
    let tensor = |bytes: &[u8]| file(&field(5, bytes));
    let with = |dimensions: &[u8], data: usize| {
        tensor(&[&field(1, dimensions)[..], &[2 << 3, 1], &field(9, &vec![0; data])].concat())
    };
    let packed_floats = file(&field(1, &field(5, &field(7, &[1, 2, 3]))));
    // 2^61 + 1 times 2^61 + 63, which is 63 in 64 bits: numbers of which there might be enough.
    let wraps = b"\x81\x80\x80\x80\x80\x80\x80\x80\x20\xbf\x80\x80\x80\x80\x80\x80\x80\x20";
    let cases: [(&[u8], &str); 19] = [
        (b"", "it is empty"),
        (b"\x08\x08", "no graph"),
        (b"Once upon a time", "not an ONNX file"),
        (b"\x02\x00", "no number"),
        (b"\x80\x80\x80\x80\x80\x80\x80\x80\x80\x80\x80", "does not end"),
        (huge, "announces 2147483647 bytes where 0 are left"),
        (b"\x3a\x00", "no operator set"),
        (b"\x3a\x00\x42\x02\x10\x63", "operator set 99"),
        (b"\x3a\x00\x42\x02\x10\x06", "operator set 6"),
        (b"\x3a\x03\x2a\x01\x08", "announces 1 bytes where 0 are left"),
        (&tensor(b"\x08\x80\x80\x80\x80\x08"), "claims more numbers"),
        (&tensor(&field(1, wraps)), "claims more numbers"),
        (&file(&field(1, &field(5, &field(5, &field(1, wraps))))), "claims more numbers"),
        // The engine may multiply the other dimensions before it comes to the zero.
        (&tensor(&field(1, &[wraps, &b"\0"[..]].concat())), "claims more numbers"),
        (&with(&[2, 3], 23), "claims more numbers"),
        (&with(&[2, 3], 28), "more data than its dimensions say"),
        (&tensor(b"\x08\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01"), "negative"),
        (&packed_floats, "a float in it does not end"),
        (&file(&field(2, b"\xff")), "not UTF-8"),
    ];
    for (bytes, part) in cases {
        let message = Model::read(bytes).unwrap_err().to_string();
        assert!(message.contains(part), "{message:?} should say {part:?}");
    }
    assert!(Model::read(&with(&[2, 3], 24)).is_ok() && Model::read(&with(&[0, 3], 0)).is_ok());
}

#[test]
fn graphs_within_graphs_do_not_exhaust_the_stack() {
    // A node (1) with an attribute (5) with a graph (6), and so on; written from the inside out, and so backwards.
    let mut reversed: Vec<u8> = Vec::new();
    for _ in 0..100_000 {
        for number in [6, 5, 1] {
            let mut head = vec![number << 3 | 2];
            push_number(&mut head, reversed.len() as u64);
            reversed.extend(head.iter().rev());
        }
    }
    reversed.reverse();
    assert_eq!(Model::read(&file(&reversed)).unwrap_err(), Error::TooDeep);
}

#[test]
fn lists_names_and_dimensions_have_an_end() {
    let inputs = |count: usize| file(&field(1, &field(1, b"x").repeat(count)));
    let nodes = |count: usize| file(&field(1, b"").repeat(count));
    let dimensions =
        |count: usize| field(5, &[&b"\x08\x01".repeat(count)[..], &[2 << 3, 1], &field(9, &[0; 4])].concat());
    let name = |length: usize| field(1, &field(3, &vec![b'n'; length]));
    let cases = [
        (inputs(MOST_ITEMS), None),
        (inputs(MOST_ITEMS + 1), Some("a list of more than 65536 items")),
        (nodes(1000), None),
        // A node of two bytes takes a hundred and more to keep.
        (nodes(60_000), Some("far more parts than a graph of its size")),
        (file(&dimensions(64)), None),
        (file(&dimensions(65)), Some("a list of more than 64 items")),
        (file(&name(LONGEST_NAME)), None),
        (file(&name(LONGEST_NAME + 1)), Some("a name of 4097 bytes")),
    ];
    for (file, refusal) in cases {
        let message = Model::read(&file).err().map(|error| error.to_string());
        assert_eq!(message.is_some(), refusal.is_some(), "{message:?} should say {refusal:?}");
        assert!(message.unwrap_or_default().contains(refusal.unwrap_or_default()), "{refusal:?}");
    }
}

#[test]
fn no_two_constants_inputs_or_outputs_share_a_name() {
    let tensor = [&[2 << 3, 1][..], &field(8, b"w"), &field(9, &[0; 4])].concat();
    for (number, item, kind) in
        [(5, tensor, "constants"), (11, field(1, b"w"), "inputs"), (12, field(1, b"w"), "outputs")]
    {
        let one = field(number, &item);
        assert!(Model::read(&file(&one)).is_ok());
        let message = Model::read(&file(&one.repeat(2))).unwrap_err().to_string();
        assert!(message.contains(&format!("several {kind} named \"w\"")), "{message}");
    }
}

#[test]
fn integers_are_decoded_from_fields_of_their_own() {
    // 5, then 6 and -1 packed.
    let numbers = [&b"\x38\x05"[..], &field(7, b"\x06\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01")].concat();
    let bytes = file(&field(5, &[&[1 << 3, 3, 2 << 3, 7], &numbers[..]].concat()));
    let model = Model::read(&bytes).unwrap();
    assert_eq!(model.graph.initializers[0].integers().unwrap(), [5, 6, -1]);
    assert_eq!(model.graph.initializers[0].bytes(), None);
}

#[test]
fn a_long_name_is_shortened_in_messages() {
    let tensor = |length| field(5, &[&field(1, b"\x09")[..], &[2 << 3, 1], &field(8, &vec![b'n'; length])].concat());
    let message = Model::read(&file(&tensor(4000))).unwrap_err().to_string();
    assert!(message.contains("nnn\u{2026}") && message.len() < 300, "{message}");
}

#[test]
fn a_model_cut_anywhere_is_refused_or_has_lost_its_card() {
    for length in 0..MODEL.len() {
        if let Ok(model) = Model::read(&MODEL[..length]) {
            assert_eq!(model.property("scrimshaw.card"), None, "cut to {length} bytes");
        }
    }
}

proptest! {
    #[test]
    fn any_bytes_are_read_or_refused(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let _ = Model::read(&bytes);
    }

    #[test]
    fn any_changed_byte_is_read_or_refused(place in 0..MODEL.len(), byte in any::<u8>()) {
        let mut model = MODEL.to_vec();
        model[place] = byte;
        let _ = Model::read(&model);
    }
}

#[test]
fn fields_that_no_engine_needs_are_read_or_checked_too() {
    let other_opset = field(8, &[&field(1, b"com.example")[..], &[2 << 3, 99]].concat());
    let head = [&[5 << 3, 3][..], &field(6, b"what it is for"), &other_opset].concat();
    let entry = [field(1, b"location"), field(2, b"weights.bin")].concat();
    let external = [&field(1, &[2])[..], &[2 << 3, 1, 14 << 3, 1], &field(8, b"w"), &field(13, &entry)].concat();
    let bytes = [&head[..], &file(&[field(10, b"a graph"), field(5, &external)].concat())].concat();
    let model = Model::read(&bytes).unwrap();
    assert_eq!((model.version, model.description, model.opset), (3, "what it is for", 17));
    assert_eq!(model.graph.description, "a graph");
    assert!(model.facts.external_data && model.graph.initializers[0].is_external());
    assert_eq!(model.graph.initializers[0].floats(), None);

    // A sequence; a port of more dimensions than any tensor has; an entry about external data, a list of tensors and a
    // list of graphs that are cut short.
    let port = |kind: &[u8]| file(&field(11, &[field(1, b"x"), field(2, kind)].concat()));
    let sequence = port(&field(4, b""));
    assert_eq!(Model::read(&sequence).unwrap().graph.inputs[0].kind, PortType::Other);
    let dimensions = field(1, b"").repeat(65);
    let attribute = |number: u64| file(&field(1, &field(5, &field(number, b"\x08"))));
    for (bytes, part) in [
        (port(&field(1, &field(2, &dimensions))), "64"),
        (file(&field(5, &field(13, b"\x08"))), "announces 1 bytes where 0 are left"),
        (attribute(10), "announces 1 bytes where 0 are left"),
        (attribute(11), "announces 1 bytes where 0 are left"),
    ] {
        let message = Model::read(&bytes).unwrap_err().to_string();
        assert!(message.contains(part), "{message:?} should say {part:?}");
    }
    assert!(Error::TooDeep.to_string().contains("64 deep"));
}
