"""Writes the ONNX models that the tests and the example of `ort-rten` run.

    python crates/ort-rten/tests/models.py                      # the fixtures, into tests/models
    python crates/ort-rten/tests/models.py character FOLDER     # larger ones, for examples/character.rs

Needs the packages `onnx` and `numpy`. The weights come from a seeded generator, so a second run writes the same bytes.
"""

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
        table = constant("embedding", np.eye(vocabulary, dtype=np.float32))  # (V, V)
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
        inputs = constant(f"weight_ih_{layer}", uniform(1, 4 * hidden, width))
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
    if form == "gemm":
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


def main(arguments):
    if arguments[:1] == ["character"]:
        folder = pathlib.Path(arguments[1])
        folder.mkdir(parents=True, exist_ok=True)
        for layers, hidden in [(1, 128), (2, 512), (3, 512)]:
            for form in ["squeeze", "gemm", "onehot"]:
                name = f"{layers}x{hidden}-{form}.onnx"
                save(character_model(layers, hidden, 65, form=form), folder / name)
        return


if __name__ == "__main__":
    main(sys.argv[1:])
