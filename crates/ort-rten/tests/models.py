"""Writes the ONNX models that the tests of `ort-rten`, `ort-backend` and `lstm-engine` run.

    python crates/ort-rten/tests/models.py                      # the fixtures, into tests/models
    python crates/ort-rten/tests/models.py character FOLDER [FORM…]  # larger ones, to time

Needs the packages `onnx` and `numpy`, and `onnxruntime` for the results that the fixtures are held against. The weights come from a seeded generator, so a second run writes the same bytes.
"""

import json
import pathlib
import sys

import numpy as np
from onnx import TensorProto, helper, numpy_helper, save

OPSET = 17
IR_VERSION = 8
FLOAT, INT64, INT32 = TensorProto.FLOAT, TensorProto.INT64, TensorProto.INT32


def character_model(layers, hidden, vocabulary, seed=1, form="squeeze", card='{"format":1}'):
    """A character LSTM: ids (T, N), h and c (L, N, H) -> logits (T, N, V), h_next and c_next (L, N, H).

    `form` picks one of several spellings of the same function:
      squeeze     Gather of an identity table, LSTM, Squeeze, MatMul, Add
      gemm        the output layer as Reshape, Gemm, Reshape
      onehot      OneHot in place of the identity table
      padded      the identity table and the first layer's weights with zero columns up to a multiple of 16
      transposed  the same, and the output layer as a product from the left
    """
    generator = np.random.default_rng(seed)
    bound = hidden**-0.5
    initializers, nodes = [], []

    def constant(name, array):
        initializers.append(numpy_helper.from_array(array, name))
        return name

    def uniform(*shape):
        return generator.uniform(-bound, bound, shape).astype(np.float32)

    def node(operator, inputs, outputs, **attributes):
        nodes.append(helper.make_node(operator, inputs, outputs, **attributes))
        return outputs[0]

    if form == "onehot":
        depth = constant("depth", np.array(vocabulary, np.int64))
        values = constant("off_on", np.array([0, 1], np.float32))
        below = node("OneHot", ["ids", depth, values], ["one_hot"], axis=-1)  # (T, N, V)
    else:
        columns = -(-vocabulary // 16) * 16 if form in ("padded", "transposed") else vocabulary
        table = constant("embedding", np.eye(vocabulary, columns, dtype=np.float32))  # (V, columns)
        below = node("Gather", [table, "ids"], ["embedded"], axis=0)  # (T, N, V)

    axis_one = constant("axis_one", np.array([1], np.int64))
    if layers > 1:
        hidden_parts = [f"h_{layer}" for layer in range(layers)]
        cell_parts = [f"c_{layer}" for layer in range(layers)]
        ones = constant("ones", np.ones(layers, np.int64))
        node("Split", ["h", ones], hidden_parts, axis=0)  # L times (1, N, H)
        node("Split", ["c", ones], cell_parts, axis=0)
    else:
        hidden_parts, cell_parts = ["h"], ["c"]

    next_hidden, next_cell = [], []
    width = vocabulary
    for layer in range(layers):
        inputs = uniform(1, 4 * hidden, width)
        if layer == 0 and form != "onehot":
            inputs = np.pad(inputs, ((0, 0), (0, 0), (0, columns - width)))
        inputs = constant(f"weight_ih_{layer}", inputs)
        recurrent = constant(f"weight_hh_{layer}", uniform(1, 4 * hidden, hidden))
        bias = np.zeros((1, 8 * hidden), np.float32)
        bias[:, : 4 * hidden] = uniform(1, 4 * hidden)
        bias = constant(f"bias_{layer}", bias)
        last = layers == 1
        next_hidden.append("h_next" if last else f"h_next_{layer}")
        next_cell.append("c_next" if last else f"c_next_{layer}")
        sequence = node(
            "LSTM",
            [below, inputs, recurrent, bias, "", hidden_parts[layer], cell_parts[layer]],
            [f"sequence_{layer}", next_hidden[-1], next_cell[-1]],  # (T, 1, N, H), (1, N, H), (1, N, H)
            hidden_size=hidden,
        )
        below = node("Squeeze", [sequence, axis_one], [f"output_{layer}"])  # (T, N, H)
        width = hidden
    if layers > 1:
        node("Concat", next_hidden, ["h_next"], axis=0)
        node("Concat", next_cell, ["c_next"], axis=0)

    weight = uniform(hidden, vocabulary)
    bias = constant("head_bias", uniform(vocabulary))
    if form == "transposed":
        # (1, V, H) x (T, H, N) -> (T, V, N): the weights in rows, as a product with one column wants them.
        columns_first = node("Transpose", [below], ["columns"], perm=[0, 2, 1])
        head = constant("head_weight", np.ascontiguousarray(weight.T))
        product = node("MatMul", [head, columns_first], ["product"])
        turned = node("Transpose", [product], ["turned"], perm=[0, 2, 1])
        node("Add", [turned, bias], ["logits"])
    elif form == "gemm":
        flat = constant("flat", np.array([-1, hidden], np.int64))
        rows = node("Reshape", [below, flat], ["rows"])
        weight = constant("head_weight", np.ascontiguousarray(weight.T))
        scores = node("Gemm", [rows, weight, bias], ["scores"], transB=1)
        shape = node("Shape", ["ids"], ["ids_shape"])
        width_of = constant("vocabulary", np.array([vocabulary], np.int64))
        full = node("Concat", [shape, width_of], ["logits_shape"], axis=0)
        node("Reshape", [scores, full], ["logits"])
    else:
        weight = constant("head_weight", weight)
        product = node("MatMul", [below, weight], ["product"])
        node("Add", [product, bias], ["logits"])  # (T, N, V)

    state = [layers, "batch", hidden]
    graph = helper.make_graph(
        nodes,
        "character",
        [
            helper.make_tensor_value_info("ids", INT64, ["sequence", "batch"]),
            helper.make_tensor_value_info("h", FLOAT, state),
            helper.make_tensor_value_info("c", FLOAT, state),
        ],
        [
            helper.make_tensor_value_info("logits", FLOAT, ["sequence", "batch", vocabulary]),
            helper.make_tensor_value_info("h_next", FLOAT, state),
            helper.make_tensor_value_info("c_next", FLOAT, state),
        ],
        initializers,
        doc_string="one character at a time",
    )
    return model(graph, {"scrimshaw.card": card})


def model(graph, metadata=None):
    """Wraps `graph` with every field of the header filled in."""
    proto = helper.make_model(
        graph,
        producer_name="models.py",
        producer_version="1.2",
        domain="example.test",
        model_version=7,
        doc_string="a fixture",
        opset_imports=[helper.make_opsetid("", OPSET)],
        ir_version=IR_VERSION,
    )
    if metadata:
        helper.set_model_props(proto, metadata)
    return proto


def types_model():
    """One output per element type, each by an operator that keeps the type."""
    value = helper.make_tensor_value_info
    graph = helper.make_graph(
        [
            helper.make_node("Add", ["long", "long"], ["long_twice"]),
            helper.make_node("Add", ["integer", "integer"], ["integer_twice"]),
            helper.make_node("Not", ["flag"], ["flag_not"]),
            helper.make_node("Add", ["real", "real"], ["real_twice"]),
            helper.make_node("Identity", ["byte"], ["byte_same"]),
            helper.make_node("Identity", ["signed"], ["signed_same"]),
            helper.make_node("Transpose", ["real"], ["real_turned"], perm=[1, 0]),
        ],
        "types",
        [
            value("long", INT64, ["n"]),
            value("integer", INT32, [2, "n"]),
            value("flag", TensorProto.BOOL, ["n"]),
            value("real", FLOAT, ["rows", "columns"]),
            value("byte", TensorProto.UINT8, []),
            value("signed", TensorProto.INT8, ["n"]),
        ],
        [
            value("long_twice", INT64, ["n"]),
            value("integer_twice", INT32, [2, "n"]),
            value("flag_not", TensorProto.BOOL, ["n"]),
            value("real_twice", FLOAT, ["rows", "columns"]),
            value("byte_same", TensorProto.UINT8, []),
            value("signed_same", TensorProto.INT8, ["n"]),
            value("real_turned", FLOAT, ["columns", "rows"]),
        ],
    )
    return model(graph)


def old_model():
    """As files of IR version 3 are: the weights are among the inputs, and there is no metadata."""
    weight = numpy_helper.from_array(np.array([2.0], np.float32), "weight")
    graph = helper.make_graph(
        [helper.make_node("Mul", ["x", "weight"], ["y"])],
        "old",
        [helper.make_tensor_value_info("x", FLOAT, [None]), helper.make_tensor_value_info("weight", FLOAT, [1])],
        [helper.make_tensor_value_info("y", FLOAT, [None])],
        [weight],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 8)], ir_version=3)


def small(operator, inputs, outputs, opset=OPSET, domain="", **attributes):
    """A graph of one node."""
    graph = helper.make_graph([helper.make_node(operator, [i.name for i in inputs], [o.name for o in outputs],
                                                domain=domain, **attributes)], operator, inputs, outputs)
    opsets = [helper.make_opsetid("", opset)] + ([helper.make_opsetid(domain, 1)] if domain else [])
    return helper.make_model(graph, opset_imports=opsets, ir_version=IR_VERSION)


def expected(proto, feeds):
    """What ONNX Runtime gives for these inputs: for every output its shape and its elements."""
    import onnxruntime

    session = onnxruntime.InferenceSession(proto.SerializeToString(), providers=["CPUExecutionProvider"])
    results = session.run(None, feeds)
    names = [output.name for output in session.get_outputs()]
    return {name: [list(result.shape), result.flatten().tolist()] for name, result in zip(names, results)}


def main(arguments):
    if arguments[:1] == ["character"]:
        folder = pathlib.Path(arguments[1])
        folder.mkdir(parents=True, exist_ok=True)
        for layers, hidden in [(1, 128), (2, 512), (3, 512)]:
            for form in arguments[2:] or ["squeeze"]:
                name = f"{layers}x{hidden}-{form}.onnx" if form != "squeeze" else f"{layers}x{hidden}.onnx"
                save(character_model(layers, hidden, 65, form=form), folder / name)
        return

    folder = pathlib.Path(__file__).parent / "models"
    folder.mkdir(exist_ok=True)
    float_info = lambda name: helper.make_tensor_value_info(name, FLOAT, ["n"])
    sequence_info = helper.make_tensor_sequence_value_info("sequence", FLOAT, None)
    long_info = helper.make_tensor_value_info("length", INT64, [])
    character = character_model(2, 8, 11, card='{"format":1,"note":"Arr, \u2620"}')
    models = {
        "character": character,
        "types": types_model(),
        "old": old_model(),
        "unknown_operator": small("Frobnicate", [float_info("x")], [float_info("y")], domain="example.test"),
        "unknown_opset": small("Relu", [float_info("x")], [float_info("y")], opset=999),
        "sequence": small("SequenceLength", [sequence_info], [long_info]),
    }
    for name, proto in models.items():
        save(proto, folder / f"{name}.onnx")

    ids = np.array([[1, 10], [0, 3], [7, 7]], np.int64)  # (T 3, N 2)
    hidden = (np.arange(2 * 2 * 8, dtype=np.float32).reshape(2, 2, 8) - 16) / 40
    results = expected(character, {"ids": ids, "h": hidden, "c": -hidden})
    (folder / "character.json").write_text(json.dumps(results, indent=1) + "\n")


if __name__ == "__main__":
    main(sys.argv[1:])
