//! Every field of a file that the view gives, out of messages that are written by hand.

use onnx_view::wire::{Field, Fields};
use onnx_view::{DEEPEST, Dimension, Error, Model, PortType, Tensor};

/// A varint.
fn varint(mut number: u64) -> Vec<u8> {
    let mut bytes = Vec::new();
    while number >= 0x80 {
        bytes.push(number as u8 | 0x80);
        number >>= 7;
    }
    bytes.push(number as u8);
    bytes
}

/// A field with a number.
fn number(field: u64, value: u64) -> Vec<u8> {
    [varint(field << 3), varint(value)].concat()
}

/// A field with bytes.
fn bytes(field: u64, bytes: &[u8]) -> Vec<u8> {
    [varint(field << 3 | 2), varint(bytes.len() as u64), bytes.to_vec()].concat()
}

/// A file whose graph has these fields.
fn file(graph: &[u8]) -> Vec<u8> {
    [bytes(7, graph), bytes(8, &number(2, 17))].concat()
}

/// Hands over the only constant of a file, or the refusal.
fn with_tensor<T>(message: &[u8], look: impl FnOnce(Result<&Tensor, &Error>) -> T) -> T {
    let file = file(&bytes(5, message));
    match Model::read(&file) {
        Ok(model) => look(Ok(&model.graph.initializers[0])),
        Err(error) => look(Err(&error)),
    }
}

/// A tensor's dimensions and element type.
fn tensor(sizes: &[u64], element: u64) -> Vec<u8> {
    let sizes = sizes.iter().flat_map(|&size| number(1, size));
    sizes.chain(number(2, element)).chain(bytes(8, b"t")).collect()
}

#[test]
fn varints_of_every_length_are_read() {
    let cases: [(&[u8], u64); 6] = [
        (&[0], 0),
        (&[1], 1),
        (&[0x7f], 127),
        (&[0x80, 1], 128),
        (&[0xac, 2], 300),
        (&[0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1], u64::MAX),
    ];
    for (encoded, value) in cases {
        assert_eq!(Fields::new(encoded).number(), Ok(value), "{encoded:x?}");
        assert_eq!(Fields::new(&[&[8], encoded].concat()).next(), Some(Ok((1, Field::Number(value)))), "{encoded:x?}");
    }
}

#[test]
fn fields_of_every_kind_are_read_and_the_rest_is_left() {
    let message = [&[1 << 3 | 1][..], &[7; 8], &[2 << 3 | 5], &[9; 4], &[3 << 3 | 2, 2, 5, 6], &[4 << 3, 1]].concat();
    let mut fields = Fields::new(&message);
    let expected = [
        ((1, Field::Fixed(&[7; 8])), 11),
        ((2, Field::Fixed(&[9; 4])), 6),
        ((3, Field::Bytes(&[5, 6])), 2),
        ((4, Field::Number(1)), 0),
    ];
    assert_eq!(fields.rest(), message);
    for (field, left) in expected {
        assert_eq!(fields.next(), Some(Ok(field)));
        assert_eq!(fields.rest(), &message[message.len() - left..]);
    }
    assert_eq!(fields.next(), None);
    for kind in [3, 4, 6, 7] {
        let refusal = Fields::new(&[1 << 3 | kind, 0]).next().unwrap().unwrap_err().to_string();
        assert!(refusal.contains("no known kind"), "{refusal}");
    }
}

#[test]
fn the_file_says_who_wrote_it_and_what_it_is() {
    let graph = [bytes(2, b"network"), bytes(10, b"predicts letters")].concat();
    let head = [bytes(2, b"a program"), bytes(4, b"org.example"), number(5, 3), bytes(6, b"a model")].concat();
    let file = [head, file(&graph)].concat();
    let model = Model::read(&file).unwrap();
    assert_eq!((model.producer, model.domain, model.version), ("a program", "org.example", 3));
    assert_eq!((model.description, model.opset), ("a model", 17));
    assert_eq!((model.graph.name, model.graph.description), ("network", "predicts letters"));
    assert!(!model.graph.has_sparse_initializers);
}

#[test]
fn the_last_value_of_a_key_counts() {
    let entry = |key: &[u8], value: &[u8]| bytes(14, &[bytes(1, key), bytes(2, value)].concat());
    let file = [file(b""), entry(b"a", b"1"), entry(b"b", b"2"), entry(b"a", b"3")].concat();
    let model = Model::read(&file).unwrap();
    assert_eq!(["a", "b", "c"].map(|key| model.property(key)), [Some("3"), Some("2"), None]);
}

#[test]
fn operators_of_others_have_versions_of_their_own() {
    let other = bytes(8, &[bytes(1, b"com.example"), number(2, 99)].concat());
    for own in [bytes(8, &number(2, 17)), bytes(8, &[bytes(1, b"ai.onnx"), number(2, 17)].concat())] {
        for versions in [[&own[..], &other], [&other, &own]] {
            let file = [bytes(7, b""), versions.concat()].concat();
            assert_eq!(Model::read(&file).unwrap().opset, 17);
        }
    }
    let message = Model::read(&[bytes(7, b""), other].concat()).unwrap_err().to_string();
    assert!(message.contains("names no operator set"), "{message}");
}

#[test]
fn a_node_has_names_and_attributes() {
    let attributes = [
        bytes(5, &[bytes(1, b"hidden_size"), number(3, 8)].concat()),
        bytes(5, &[bytes(1, b"direction"), bytes(4, b"forward")].concat()),
        bytes(5, &[bytes(1, b"activations"), bytes(9, b"Tanh"), bytes(9, b"Relu")].concat()),
        bytes(5, &[bytes(1, b"axes"), number(8, 1), number(8, u64::MAX)].concat()),
        bytes(5, &[bytes(1, b"value"), bytes(5, &[tensor(&[1], 1), bytes(9, &[0; 4])].concat())].concat()),
    ];
    let names = [bytes(1, b"x"), bytes(1, b""), bytes(2, b""), bytes(2, b"y"), bytes(3, b"node"), bytes(4, b"LSTM")];
    let file = file(&bytes(1, &[names.concat(), attributes.concat()].concat()));
    let model = Model::read(&file).unwrap();
    let node = &model.graph.nodes[0];
    assert_eq!((node.name, node.operator, node.is_standard()), ("node", "LSTM", true));
    assert_eq!([0, 1, 2].map(|index| node.input(index)), [Some("x"), None, None]);
    assert_eq!([0, 1, 2].map(|index| node.output(index)), [None, Some("y"), None]);
    let attribute = |name| node.attribute(name).unwrap();
    assert_eq!((attribute("hidden_size").integer, attribute("direction").text), (8, &b"forward"[..]));
    assert_eq!(
        (&*attribute("axes").integers, &*attribute("activations").texts),
        (&[1, -1][..], &[&b"Tanh"[..], b"Relu"][..])
    );
    assert_eq!(attribute("value").tensor.as_ref().unwrap().shape, [1]);
    assert!(attribute("direction").tensor.is_none() && node.attribute("dir").is_none());
    assert!(!model.facts.packed_numbers);
}

#[test]
fn operators_of_other_domains_are_not_standard() {
    for (domain, is_standard) in [("", true), ("ai.onnx", true), ("ai.onnx.ml", false), ("com.example", false)] {
        let file = file(&bytes(1, &[bytes(4, b"Gemm"), bytes(7, domain.as_bytes())].concat()));
        assert_eq!(Model::read(&file).unwrap().graph.nodes[0].is_standard(), is_standard, "{domain:?}");
    }
}

#[test]
fn packed_numbers_are_noticed_wherever_they_are() {
    let attribute = |field: Vec<u8>| file(&bytes(1, &bytes(5, &field)));
    let constant = |sizes: Vec<u8>| file(&bytes(5, &[sizes, number(2, 1), bytes(9, &[0; 8])].concat()));
    let cases = [
        (attribute(bytes(8, &[1, 2])), true),
        (attribute([number(8, 1), bytes(8, &[2])].concat()), true),
        (attribute([bytes(8, &[2]), number(8, 1)].concat()), true),
        (attribute(bytes(7, &[0; 8])), true),
        (attribute([number(8, 1), number(8, 2)].concat()), false),
        (constant([bytes(1, &[2]), number(1, 1)].concat()), true),
        (constant(number(1, 2)), false),
    ];
    for (file, is_packed) in cases {
        assert_eq!(Model::read(&file).unwrap().facts.packed_numbers, is_packed, "{file:?}");
    }
}

#[test]
fn what_is_not_kept_is_checked_all_the_same() {
    let bad_tensor = [tensor(&[1000], 1), bytes(9, &[0; 4])].concat();
    let attribute = |field: u64, message: &[u8]| bytes(1, &bytes(5, &bytes(field, message)));
    let not_utf8 = b"\xff";
    let cases = [
        ("a value's type", bytes(13, &bytes(1, not_utf8)), "not UTF-8"),
        ("a tensor of an attribute", attribute(5, &bad_tensor), "claims more numbers"),
        ("tensors of an attribute", attribute(10, &bad_tensor), "claims more numbers"),
        ("a graph of an attribute", attribute(6, &bytes(2, not_utf8)), "not UTF-8"),
        ("graphs of an attribute", attribute(11, &bytes(2, not_utf8)), "not UTF-8"),
        ("where external data are", bytes(5, &bytes(13, &[1 << 3 | 2, 9])), "announces 9 bytes"),
        ("an integer of a fixed size", attribute_integer(), "an integer in it has a fixed size"),
    ];
    for (what, graph, message) in cases {
        let refusal = Model::read(&file(&graph)).expect_err(what).to_string();
        assert!(refusal.contains(message), "{what}: {refusal}");
    }
    let sparse = file(&bytes(15, b""));
    assert!(Model::read(&sparse).unwrap().graph.has_sparse_initializers);
}

/// A graph with an attribute whose integer (8) takes four bytes.
fn attribute_integer() -> Vec<u8> {
    bytes(1, &bytes(5, &[8 << 3 | 5, 0, 0, 0, 0]))
}

#[test]
fn graphs_may_lie_as_deep_as_is_said_and_no_deeper() {
    let nested = |depth: usize| {
        let graph = (0..depth).fold(Vec::new(), |inner, _| bytes(1, &bytes(5, &bytes(6, &inner))));
        file(&graph)
    };
    assert!(Model::read(&nested(DEEPEST)).is_ok());
    assert_eq!(Model::read(&nested(DEEPEST + 1)).unwrap_err(), Error::TooDeep);
}

#[test]
fn ports_have_names_and_types() {
    let tensor_type = |fields: &[u8]| bytes(2, &bytes(1, fields));
    let dimension = |fields: &[u8]| bytes(1, fields);
    let shape = [
        dimension(&number(1, 3)),
        dimension(&bytes(2, b"batch")),
        dimension(&bytes(2, b"")),
        dimension(&number(1, u64::MAX)),
        dimension(b""),
    ];
    let port = [bytes(1, b"ids"), tensor_type(&[number(1, 7), bytes(2, &shape.concat())].concat())].concat();
    let file = file(&[bytes(11, &port), bytes(12, &bytes(1, b"logits"))].concat());
    let model = Model::read(&file).unwrap();
    let (input, output) = (&model.graph.inputs[0], &model.graph.outputs[0]);
    let unknown = Dimension::Unknown;
    let shape = vec![Dimension::Fixed(3), Dimension::Named("batch"), unknown, unknown, unknown];
    assert_eq!((input.name, &input.kind), ("ids", &PortType::Tensor { element: 7, shape: Some(shape) }));
    assert_eq!((output.name, &output.kind), ("logits", &PortType::Tensor { element: 0, shape: None }));
}

#[test]
fn types_that_are_no_tensors_are_told_apart() {
    for kind in [4, 5, 8, 9] {
        let file = file(&bytes(11, &bytes(2, &bytes(kind, b""))));
        assert_eq!(Model::read(&file).unwrap().graph.inputs[0].kind, PortType::Other, "{kind}");
    }
}

#[test]
fn a_port_has_at_most_64_dimensions() {
    let port = |count| file(&bytes(11, &bytes(2, &bytes(1, &bytes(2, &bytes(1, &number(1, 2)).repeat(count))))));
    assert!(Model::read(&port(64)).is_ok());
    assert_eq!(Model::read(&port(65)).unwrap_err(), Error::TooMany { most: 64 });
}

#[test]
fn every_element_type_takes_its_bytes() {
    // Bytes of an element, and the numbers of its types in TensorProto.DataType of onnx.proto.
    let cases = [
        (4, [1, 6, 12].as_slice()),
        (1, &[2, 3, 9, 17, 18, 19, 20]),
        (2, &[4, 5, 10, 16]),
        (8, &[7, 11, 13, 14]),
        (16, &[15]),
    ];
    let whole = cases.into_iter().flat_map(|(size, elements)| elements.iter().map(move |&element| (element, 5 * size)));
    // Four bits each; the last byte is half full.
    for (element, length) in whole.chain([21, 22, 23].map(|element| (element, 3))) {
        let refusal = |length: usize| {
            let message = [tensor(&[5], element), bytes(9, &vec![0; length])].concat();
            with_tensor(&message, |tensor| tensor.err().cloned())
        };
        assert_eq!(refusal(length), None, "{element}");
        assert_eq!(refusal(length - 1), Some(Error::Oversized { tensor: "t".into() }), "{element}");
        assert_eq!(refusal(2 * length), Some(Error::ExtraData { tensor: "t".into() }), "{element}");
    }
}

#[test]
fn integers_that_stand_one_by_one_are_counted() {
    let refusal = |count: usize| {
        let message = [tensor(&[3], 7), number(7, 5).repeat(count)].concat();
        with_tensor(&message, |tensor| tensor.err().cloned())
    };
    assert_eq!(refusal(3), None);
    assert_eq!(refusal(2), Some(Error::Oversized { tensor: "t".into() }));
    assert_eq!(refusal(4), Some(Error::ExtraData { tensor: "t".into() }));
}

#[test]
fn numbers_are_decoded_where_they_are_stored_whole() {
    let floats = [1.5_f32.to_le_bytes(), (-2.0_f32).to_le_bytes()];
    let (eight, sixteen) = (floats.concat(), [7_i64.to_le_bytes(), (-1_i64).to_le_bytes()].concat());
    let in_parts = [bytes(4, &eight[..4]), bytes(4, &eight[4..])].concat();
    let segment = [bytes(3, b""), bytes(9, &eight)].concat();
    let one_by_one = [number(7, 7), number(7, u64::MAX)].concat();
    let texts = [bytes(6, b"a"), bytes(6, b"b")].concat();
    // What a tensor of two elements of a type stores, and what comes back as floats, integers and bytes.
    let (both, integers) = (Some(&floats[..]), Some(vec![7, -1]));
    let cases = [
        ("raw floats", 1, bytes(9, &eight), both, None, Some(&eight)),
        ("packed floats", 1, bytes(4, &eight), both, None, Some(&eight)),
        ("floats in two parts", 1, in_parts, None, None, None),
        ("a segment of a tensor", 1, segment, None, None, None),
        ("raw integers", 7, bytes(9, &sixteen), None, integers.clone(), Some(&sixteen)),
        ("integers", 7, one_by_one, None, integers, None),
        ("integers of 32 bits", 6, bytes(9, &eight), None, None, Some(&eight)),
        ("texts", 8, texts, None, None, None),
    ];
    for (what, element, data, floats, integers, stored) in cases {
        with_tensor(&[tensor(&[2], element), data].concat(), |tensor| {
            let tensor = tensor.expect(what);
            assert_eq!((tensor.floats(), tensor.integers()), (floats, integers), "{what}");
            assert_eq!((tensor.bytes(), tensor.is_external()), (stored.map(Vec::as_slice), false), "{what}");
        });
    }
    // Without any data, no float is there.
    with_tensor(&tensor(&[0], 1), |tensor| assert_eq!(tensor.unwrap().floats(), Some(&[][..])));
}

#[test]
fn a_tensor_in_another_file_is_said_to_be_there() {
    let external = bytes(5, &[tensor(&[1000, 1000], 1), bytes(13, &bytes(1, b"location")), number(14, 1)].concat());
    let here = bytes(5, &[number(1, 1), number(2, 1), bytes(9, &[0; 4]), number(14, 0)].concat());
    let cases = [
        (external.clone(), &[true][..]),
        (here.clone(), &[false]),
        ([&external[..], &here].concat(), &[true, false]),
        ([here, external].concat(), &[false, true]),
    ];
    for (constants, expected) in cases {
        let file = file(&constants);
        let model = Model::read(&file).unwrap();
        let found: Vec<bool> = model.graph.initializers.iter().map(Tensor::is_external).collect();
        assert_eq!((&*found, model.facts.external_data), (expected, expected.contains(&true)));
        for tensor in model.graph.initializers.iter().filter(|tensor| tensor.is_external()) {
            assert_eq!((tensor.floats(), tensor.bytes(), &*tensor.shape), (None, None, &[1000, 1000][..]));
        }
    }
}
