//! What the tests share: numbers that look random, and ONNX files written by hand.

#![allow(dead_code, reason = "each test binary uses a part of it")]

use std::sync::Arc;

use lstm_engine::{Error, Input, Numbers, Plan, Session, onnx_view::Model};

/// Numbers between -1 and 1 that look random.
pub struct Random(pub u64);

impl Random {
    pub fn next(&mut self) -> f32 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 40) as f32 / (1 << 23) as f32 - 1.0
    }

    pub fn take(&mut self, count: usize, scale: f32) -> Vec<f32> {
        (0..count).map(|_| self.next() * scale).collect()
    }
}

fn push_number(bytes: &mut Vec<u8>, mut number: u64) {
    while number >= 0x80 {
        bytes.push(number as u8 | 0x80);
        number >>= 7;
    }
    bytes.push(number as u8);
}

/// A field of bytes.
pub fn field(number: u64, bytes: impl AsRef<[u8]>) -> Vec<u8> {
    let bytes = bytes.as_ref();
    let mut field = Vec::new();
    push_number(&mut field, number << 3 | 2);
    push_number(&mut field, bytes.len() as u64);
    field.extend(bytes);
    field
}

/// A field of a number.
pub fn number(number: u64, value: u64) -> Vec<u8> {
    let mut field = Vec::new();
    push_number(&mut field, number << 3);
    push_number(&mut field, value);
    field
}

/// A constant of a graph.
pub fn constant(name: &str, shape: &[usize], floats: &[f32]) -> Vec<u8> {
    let raw: Vec<u8> = floats.iter().flat_map(|float| float.to_le_bytes()).collect();
    let shape: Vec<u8> = shape.iter().flat_map(|&size| number(1, size as u64)).collect();
    field(5, [shape, number(2, 1), field(8, name), field(9, raw)].concat())
}

/// A constant of 64-bit integers.
pub fn integers(name: &str, integers: &[i64]) -> Vec<u8> {
    let raw: Vec<u8> = integers.iter().flat_map(|integer| integer.to_le_bytes()).collect();
    field(5, [number(1, integers.len() as u64), number(2, 7), field(8, name), field(9, raw)].concat())
}

/// A node of a graph; names are separated by spaces, and "-" is one that is left out.
pub fn node(operator: &str, inputs: &str, outputs: &str, attributes: &[Vec<u8>]) -> Vec<u8> {
    let names = |number: u64, names: &str| -> Vec<u8> {
        names.split(' ').flat_map(|name| field(number, name.trim_matches('-'))).collect()
    };
    let attributes: Vec<u8> = attributes.iter().flat_map(|attribute| field(5, attribute)).collect();
    field(1, [names(1, inputs), names(2, outputs), field(4, operator), attributes].concat())
}

/// An attribute that is an integer. Field 20 is its type, which rten wants to know.
pub fn integer(name: &str, value: u64) -> Vec<u8> {
    [field(1, name), number(3, value), number(20, 2)].concat()
}

/// A file of a graph whose inputs are `ids` (integers) and the others (floats).
pub fn file(inputs: &str, outputs: &str, graph: &[Vec<u8>]) -> Vec<u8> {
    let port = |number_: u64, name: &str| {
        let element = if name == "ids" { 7 } else { 1 };
        field(number_, [field(1, name), field(2, field(1, number(1, element)))].concat())
    };
    let ports =
        |number: u64, names: &str| -> Vec<u8> { names.split(' ').flat_map(|name| port(number, name)).collect() };
    let graph = [graph.concat(), ports(11, inputs), ports(12, outputs)].concat();
    [number(1, 8), field(7, graph), field(8, number(2, 17))].concat()
}

pub fn compile(file: &[u8]) -> Result<Arc<Plan>, Error> {
    Plan::compile(&Model::read(file).unwrap()).map(Arc::new)
}

/// A character model: ids (T, N), h and c (L, N, H) → logits (T, N, V), `h_next` and `c_next` (L, N, H).
pub struct Character {
    pub layers: usize,
    pub hidden: usize,
    pub vocabulary: usize,
    pub bytes: Vec<u8>,
}

/// How the first layer's input is written down.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Table {
    /// Rows of an identity: one-hot vectors.
    Identity,
    /// Rows of the product with the input weights, whose place an identity takes.
    Product,
    /// An embedding of this width.
    Embedding(usize),
}

fn identity(size: usize) -> Vec<f32> {
    (0..size * size).map(|place| if place % (size + 1) == 0 { 1.0 } else { 0.0 }).collect()
}

impl Character {
    pub fn new(layers: usize, hidden: usize, vocabulary: usize, table: Table) -> Self {
        let mut random = Random((layers * 1000 + hidden * 31 + vocabulary) as u64);
        let scale = 1.5 * (hidden as f32).powf(-0.5);
        let gates = 4 * hidden;
        let (table, width, first) = match table {
            Table::Identity => (identity(vocabulary), vocabulary, random.take(gates * vocabulary, scale)),
            Table::Product => (random.take(vocabulary * gates, scale), gates, identity(gates)),
            Table::Embedding(width) => (random.take(vocabulary * width, 1.0), width, random.take(gates * width, scale)),
        };
        let mut graph = vec![
            constant("table", &[vocabulary, width], &table),
            node("Gather", "table ids", "x0", &[integer("axis", 0)]),
        ];
        let parts = |state: &str| (0..layers).map(|layer| format!("{state}{layer}")).collect::<Vec<_>>().join(" ");
        graph.push(integers("ones", &vec![1; layers]));
        graph.push(integers("one", &[1]));
        graph.push(node("Split", "h ones", &parts("h"), &[integer("axis", 0)]));
        graph.push(node("Split", "c ones", &parts("c"), &[integer("axis", 0)]));
        for layer in 0..layers {
            let width = if layer == 0 { width } else { hidden };
            let weights = if layer == 0 { first.clone() } else { random.take(gates * width, scale) };
            graph.push(constant(&format!("w{layer}"), &[1, gates, width], &weights));
            graph.push(constant(&format!("r{layer}"), &[1, gates, hidden], &random.take(gates * hidden, scale)));
            graph.push(constant(&format!("b{layer}"), &[1, 2 * gates], &random.take(2 * gates, 1.0)));
            graph.push(node(
                "LSTM",
                &format!("x{layer} w{layer} r{layer} b{layer} - h{layer} c{layer}"),
                &format!("y{layer} hn{layer} cn{layer}"),
                &[integer("hidden_size", hidden as u64)],
            ));
            graph.push(node("Squeeze", &format!("y{layer} one"), &format!("x{}", layer + 1), &[]));
        }
        graph.push(node("Concat", &parts("hn"), "h_next", &[integer("axis", 0)]));
        graph.push(node("Concat", &parts("cn"), "c_next", &[integer("axis", 0)]));
        graph.push(constant("dense", &[hidden, vocabulary], &random.take(hidden * vocabulary, scale)));
        graph.push(constant("bias", &[vocabulary], &random.take(vocabulary, 1.0)));
        graph.push(node("MatMul", &format!("x{layers} dense"), "product", &[]));
        graph.push(node("Add", "product bias", "logits", &[]));
        Self { layers, hidden, vocabulary, bytes: file("ids h c", "logits h_next c_next", &graph) }
    }

    pub fn plan(&self) -> Arc<Plan> {
        compile(&self.bytes).unwrap()
    }

    /// Ids (T, N) and a state of two parts (L, N, H).
    pub fn inputs(&self, time: usize, batch: usize) -> (Vec<i64>, [Vec<f32>; 2]) {
        let ids = (0..time * batch).map(|place| (place * 7 % self.vocabulary) as i64).collect();
        let mut random = Random(99);
        (ids, [1.0, 2.0].map(|scale| random.take(self.layers * batch * self.hidden, scale)))
    }

    /// Runs a session and gives logits, hidden and cell state.
    pub fn run(
        &self,
        session: &mut Session,
        [time, batch]: [usize; 2],
        ids: &[i64],
        state: &[Vec<f32>; 2],
    ) -> [Vec<f32>; 3] {
        let shape = [self.layers, batch, self.hidden];
        let [h, c] = state.each_ref().map(|state| Input { shape: &shape, numbers: Numbers::Floats(state) });
        session.run(&[Input { shape: &[time, batch], numbers: Numbers::Longs(ids) }, h, c]).unwrap();
        [0, 1, 2].map(|output| session.output(output).1.to_vec())
    }
}
