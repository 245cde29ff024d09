//! Files that were made to cost more than their size: one kind for each list, length and count in a file.

#![allow(dead_code, reason = "the tests and the example each use a part of it")]

/// A kind of hostile file: its name, and a file of about so many bytes.
pub type Kind = (&'static str, fn(usize) -> Vec<u8>);

/// All kinds. Some of the files are refused, and some are models that write text.
pub const KINDS: &[Kind] = &[
    ("unknown fields", |size| model(&[], &repeat(&number(100, 0), size), &Card::default())),
    ("nodes without anything", |size| with_graph(&repeat(&field(1, b""), size))),
    ("nodes", |size| with_graph(&numbered(size, |index| node("Identity", &index, &[&format!("{index}i")])))),
    ("inputs of a node", |size| {
        with_graph(&field(1, &[repeat(&field(1, b"logits"), size), field(4, b"Concat")].concat()))
    }),
    ("outputs of a node", |size| with_graph(&split(size / 8))),
    ("attributes", |size| {
        with_graph(&field(
            1,
            &[&numbered(size, |name| field(5, &field(1, name.as_bytes())))[..], &field(4, b"LSTM")].concat(),
        ))
    }),
    ("numbers of an attribute", |size| {
        with_graph(&field(1, &field(5, &[field(1, b"axes"), field(8, &vec![0; size])].concat())))
    }),
    ("constants", |size| with_graph(&numbered(size, |name| tensor(&name, &[1], &[0.0])))),
    ("constants of one name", |size| with_graph(&repeat(&tensor("same", &[1], &[0.0]), size))),
    ("inputs of the graph", |size| with_graph(&numbered(size, |name| port(11, &name, 1)))),
    ("outputs of the graph", |size| with_graph(&numbered(size, |name| port(12, &name, 1)))),
    ("dimensions of a tensor", |size| with_graph(&field(5, &[field(1, &vec![1; size]), number(2, 1)].concat()))),
    ("dimensions of a port", |size| {
        let shape = repeat(&field(1, &number(1, 1)), size);
        with_graph(&field(11, &[field(1, b"x"), field(2, &field(1, &field(2, &shape)))].concat()))
    }),
    ("huge dimensions", |size| {
        let huge = field(1, b"\x81\x80\x80\x80\x80\x80\x80\x80\x20\xbf\x80\x80\x80\x80\x80\x80\x80\x20");
        with_graph(&repeat(&field(5, &[huge, number(2, 1), field(8, b"w")].concat()), size))
    }),
    ("graphs within graphs", |size| with_graph(&nested(size / 12, &[]))),
    ("many graphs 60 deep", |size| with_graph(&repeat(&nested(60, &field(1, b"")), size))),
    ("a long name", |size| with_graph(&field(1, &field(3, &vec![b'n'; size])))),
    ("a long operator", |size| with_graph(&field(1, &[field(4, &vec![b'o'; size]), field(2, b"o")].concat()))),
    ("a long description", |size| with_graph(&field(10, &vec![b'd'; size]))),
    ("metadata", |size| {
        model(
            &[],
            &numbered(size, |key| field(14, &[field(1, key.as_bytes()), field(2, b"")].concat())),
            &Card::default(),
        )
    }),
    ("a long entry of metadata", |size| {
        model(&[], &field(14, &[field(1, b"key"), field(2, &vec![b'v'; size])].concat()), &Card::default())
    }),
    ("a long list in the card", |size| {
        with_card(&Card {
            input: format!(r#"{{"kind":"one-hot","x":[{}0]}}"#, "0,".repeat(size / 2)),
            ..Card::default()
        })
    }),
    ("lists within lists in the card", |size| {
        with_card(&Card { input: format!(r#"{{"x":{}"#, "[".repeat(size)), ..Card::default() })
    }),
    ("a long number in the card", |size| with_card(&Card { tokens: "1".repeat(size), ..Card::default() })),
    ("a long word in the card", |size| {
        with_card(&Card { input: format!(r#"{{"kind":"{}"}}"#, "x".repeat(size)), ..Card::default() })
    }),
    ("a long seed text", |size| with_card(&Card { seed_text: "ab".repeat(size / 2), ..Card::default() })),
    ("a long window", |size| {
        with_card(&Card { context: format!(r#"{{"kind":"window","length":{size}}}"#), ..Card::default() })
    }),
    ("a vocabulary of one character", |size| with_card(&Card { characters: "a".repeat(size), ..Card::default() })),
    ("a large vocabulary", |size| large_vocabulary((size / 16).clamp(2, 1_000_000))),
    ("2^60 layers in the card", |size| {
        with_card(&Card { layers: 1 << 60, seed_text: "a".repeat(size.min(1000)), ..Card::default() })
    }),
    ("large weights", |size| layers(size, 1)),
    ("large weights of which one is NaN", |size| {
        let units = side(size / 16);
        let mut weights = vec![0.5; 4 * units * units];
        weights[4 * units * units - 1] = f32::NAN;
        with_graph(&tower(&weights, units, 1))
    }),
    ("3 layers that share weights", |size| layers(size, 3)),
    ("1000 layers that share weights", |size| layers(size, 1000)),
    ("a wide product", |size| {
        let wide = tensor("wide", &[1, size / 4], &vec![0.5; size / 4]);
        with_graph(&[wide, node("MatMul", "x1 wide", &["unused"])].concat())
    }),
    ("a narrow product", |size| {
        let narrow = tensor("narrow", &[size / 4, 1], &vec![0.5; size / 4]);
        with_graph(&[narrow, node("MatMul", "x1 narrow", &["unused"])].concat())
    }),
    ("wide products of joined values", |size| {
        let wide = tensor("wide", &[1, size / 4], &vec![0.5; size / 4]);
        let joined = node("Concat", &["x1"; 1000].join(" "), &["joined"]);
        with_graph(&[wide, joined, node("MatMul", "joined wide", &["unused"])].concat())
    }),
    ("a value joined with itself 60 times", |size| {
        let joins = (0..60).map(|index| node("Concat", &format!("j{index} j{index}"), &[&format!("j{}", index + 1)]));
        let first = node("Identity", "x1", &["j0"]);
        with_graph(&[first, joins.collect::<Vec<_>>().concat(), field(10, &vec![b'd'; size])].concat())
    }),
    ("a table of numbers under a wide layer", |size| {
        let (rows, units) = (size / 8, side(size / 32));
        let table = tensor("numbers", &[rows, 1], &vec![0.5; rows]);
        let weights = [
            tensor("thin", &[1, 4 * units, 1], &vec![0.5; 4 * units]),
            tensor("square", &[1, 4 * units, units], &vec![0.0; 4 * units * units]),
        ];
        let nodes = [node("Gather", "numbers ids", &["row"]), node("LSTM", "row thin square", &["unused"])];
        with_graph(&[&table[..], &weights.concat(), &nodes.concat()].concat())
    }),
    ("axes upon axes", |size| {
        let axes = integers("axes", &(0..64).collect::<Vec<i64>>());
        let nodes = (0..size.min(100_000) / 32)
            .map(|index| node("Unsqueeze", &format!("u{index} axes"), &[&format!("u{}", index + 1)]));
        let first = node("Identity", "x1", &["u0"]);
        with_graph(&[axes, first, nodes.collect::<Vec<_>>().concat()].concat())
    }),
];

/// A product with weights of shape [0, 21], which once divided by zero.
pub fn empty_weights() -> Vec<u8> {
    with_graph(&[tensor("none", &[0, 21], &[]), node("MatMul", "x1 none", &["unused"])].concat())
}

/// A split into so many outputs, each of which was once looked for among all others.
pub fn split(outputs: usize) -> Vec<u8> {
    let names: Vec<u8> = (0..outputs).flat_map(|index| field(2, index.to_string().as_bytes())).collect();
    field(1, &[field(1, b"logits"), names, field(4, b"Split")].concat())
}

/// The card of a model, in parts that can be replaced.
pub struct Card {
    pub characters: String,
    pub vocabulary: usize,
    pub layers: u64,
    /// JSON.
    pub input: String,
    /// JSON.
    pub context: String,
    pub seed_text: String,
    /// JSON.
    pub tokens: String,
}

impl Default for Card {
    fn default() -> Self {
        Self {
            characters: "ab".into(),
            vocabulary: 2,
            layers: 1,
            input: r#"{"kind":"one-hot"}"#.into(),
            context: r#"{"kind":"stateful"}"#.into(),
            seed_text: "ab".into(),
            tokens: "2".into(),
        }
    }
}

impl Card {
    fn json(&self) -> String {
        let Self { characters, vocabulary, layers, input, context, seed_text, tokens } = self;
        format!(
            r#"{{"format_version":1,"vocabulary":{{"unit":"char","characters":"{characters}"}},"size":{{"vocabulary":{vocabulary},"hidden":1,"layers":{layers},"input":{input}}},"context":{context},"seed_text":"{seed_text}","provenance":{{"dataset":"none","tokens":{tokens},"recipe":"none","seed":1,"epochs":1,"program":"none"}}}}"#
        )
    }
}

/// A model of one unit with this in its graph too.
pub fn with_graph(graph: &[u8]) -> Vec<u8> {
    model(graph, &[], &Card::default())
}

fn with_card(card: &Card) -> Vec<u8> {
    model(&[], &[], card)
}

/// A model of one unit that writes a and b, with more in its graph and in its file.
fn model(graph: &[u8], file: &[u8], card: &Card) -> Vec<u8> {
    network(2, &[1.0, 0.0, 0.0, 1.0], graph, file, card)
}

fn large_vocabulary(count: usize) -> Vec<u8> {
    let characters =
        (0x20..).filter_map(char::from_u32).filter(|character| !matches!(character, '"' | '\\' | '\u{7f}'));
    let characters: String = characters.take(count).collect();
    let seed_text = "abc".into();
    let input = r#"{"kind":"embedding","size":1}"#.into();
    let card = Card {
        vocabulary: count,
        seed_text: if count > 80 { seed_text } else { " ".into() },
        characters,
        input,
        ..Card::default()
    };
    network(count, &vec![0.5; count], &[], &[], &card)
}

/// A network of one unit over a table of as many rows as there are tokens.
fn network(tokens: usize, table: &[f32], graph: &[u8], file: &[u8], card: &Card) -> Vec<u8> {
    let width = table.len() / tokens;
    let parts = [
        tensor("table", &[tokens, width], table),
        tensor("w", &[1, 4, width], &vec![0.5; 4 * width]),
        tensor("r", &[1, 4, 1], &[0.5; 4]),
        tensor("dense", &[1, tokens], &vec![0.5; tokens]),
        tensor("bias", &[tokens], &vec![0.5; tokens]),
        integers("one", &[1]),
        node("Gather", "table ids", &["x0"]),
        node("LSTM", "x0 w r   h c", &["y", "h_next", "c_next"]),
        node("Squeeze", "y one", &["x1"]),
        node("MatMul", "x1 dense", &["product"]),
        node("Add", "product bias", &["logits"]),
        port(11, "ids", 7),
        port(11, "h", 1),
        port(11, "c", 1),
        port(12, "logits", 1),
        port(12, "h_next", 1),
        port(12, "c_next", 1),
        graph.to_vec(),
    ];
    let card = field(14, &[field(1, b"scrimshaw.card"), field(2, card.json().as_bytes())].concat());
    [&number(1, 8)[..], &field(7, &parts.concat()), &field(8, &number(2, 14)), &card, file].concat()
}

/// The side of a square of so many numbers.
fn side(numbers: usize) -> usize {
    numbers.isqrt().max(1)
}

/// Layers that share the recurrent weights, which take most of the file.
fn layers(size: usize, count: usize) -> Vec<u8> {
    let units = side(size / 16);
    with_graph(&tower(&vec![0.5; 4 * units * units], units, count))
}

fn tower(weights: &[f32], units: usize, count: usize) -> Vec<u8> {
    let weights =
        [tensor("thin", &[1, 4 * units, 1], &vec![0.5; 4 * units]), tensor("square", &[1, 4 * units, units], weights)];
    let nodes = (0..count).map(|index| node("LSTM", "x1 thin square", &[&format!("unused{index}")]));
    [weights.concat(), nodes.collect::<Vec<_>>().concat()].concat()
}

/// A node with an attribute with a graph with a node, and so on; written from the inside out, and so backwards.
fn nested(depth: usize, innermost: &[u8]) -> Vec<u8> {
    let mut reversed: Vec<u8> = innermost.iter().rev().copied().collect();
    for _ in 0..depth {
        for number in [6, 5, 1] {
            let mut head = vec![number << 3 | 2];
            push(&mut head, reversed.len() as u64);
            reversed.extend(head.iter().rev());
        }
    }
    reversed.reverse();
    reversed
}

fn repeat(part: &[u8], size: usize) -> Vec<u8> {
    let count = size / part.len();
    part.repeat(count)
}

/// Parts with names of their own, about so many bytes together.
fn numbered(size: usize, part: impl Fn(String) -> Vec<u8>) -> Vec<u8> {
    let mut parts = Vec::with_capacity(size);
    for index in 0_usize.. {
        if parts.len() >= size {
            break;
        }
        parts.extend(part(format!("n{index}")));
    }
    parts
}

fn push(bytes: &mut Vec<u8>, mut number: u64) {
    while number >= 0x80 {
        bytes.push(number as u8 | 0x80);
        number >>= 7;
    }
    bytes.push(number as u8);
}

/// A field of bytes.
pub fn field(number: u64, bytes: &[u8]) -> Vec<u8> {
    let mut field = Vec::with_capacity(bytes.len() + 12);
    push(&mut field, number << 3 | 2);
    push(&mut field, bytes.len() as u64);
    field.extend(bytes);
    field
}

/// A field of a number.
fn number(number: u64, value: u64) -> Vec<u8> {
    let mut field = Vec::new();
    push(&mut field, number << 3);
    push(&mut field, value);
    field
}

fn tensor(name: &str, shape: &[usize], floats: &[f32]) -> Vec<u8> {
    let shape: Vec<u8> = shape.iter().flat_map(|&size| number(1, size as u64)).collect();
    let raw: Vec<u8> = floats.iter().flat_map(|float| float.to_le_bytes()).collect();
    field(5, &[shape, number(2, 1), field(8, name.as_bytes()), field(9, &raw)].concat())
}

fn integers(name: &str, integers: &[i64]) -> Vec<u8> {
    let raw: Vec<u8> = integers.iter().flat_map(|integer| integer.to_le_bytes()).collect();
    field(5, &[number(1, integers.len() as u64), number(2, 7), field(8, name.as_bytes()), field(9, &raw)].concat())
}

/// A node; inputs are separated by spaces, and empty where one is left out.
fn node(operator: &str, inputs: &str, outputs: &[&str]) -> Vec<u8> {
    let inputs: Vec<u8> = inputs.split(' ').flat_map(|name| field(1, name.as_bytes())).collect();
    let outputs: Vec<u8> = outputs.iter().flat_map(|name| field(2, name.as_bytes())).collect();
    field(1, &[inputs, outputs, field(4, operator.as_bytes())].concat())
}

/// An input (11) or an output (12) of floats (1) or ids (7), of any shape.
fn port(number_: u64, name: &str, element: u64) -> Vec<u8> {
    field(number_, &[field(1, name.as_bytes()), field(2, &field(1, &number(1, element)))].concat())
}
