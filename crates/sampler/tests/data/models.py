"""Writes the small models beside this script, and expected.json: what ONNX Runtime makes of them.

    python models.py        (needs numpy, onnx and onnxruntime)

The graphs keep the exporter's contract: ids (T, N), h and c (L, N, H) -> logits (T, N, V), h_next, c_next (L, N, H).
Weights are random, so the texts are nonsense; what matters is that every engine writes the same nonsense.
"""

import json
import pathlib

import numpy
import onnx
import onnxruntime
from onnx import TensorProto, helper, numpy_helper

FOLDER = pathlib.Path(__file__).parent


def graph(rng, vocabulary, hidden, layers, embedding, bias=None, logits_width=None):
    """The network as nodes and initializers. `embedding` 0 stands for one-hot input, an identity table."""
    width = logits_width or vocabulary
    # Wide enough that the next character depends visibly on those before it.
    weights = lambda *shape: rng.normal(0, 1.2, shape).astype(numpy.float32)
    table = weights(vocabulary, embedding) if embedding else numpy.eye(vocabulary, dtype=numpy.float32)
    tensors = {"table": table, "one": numpy.array([1], numpy.int64)}
    nodes = [helper.make_node("Gather", ["table", "ids"], ["x0"])]  # (T, N, I)
    h, c = [["h"], ["c"]] if layers == 1 else [[f"{s}{n}" for n in range(layers)] for s in "hc"]
    if layers > 1:
        tensors["ones"] = numpy.ones(layers, numpy.int64)
        nodes += [helper.make_node("Split", [s, "ones"], parts, axis=0) for s, parts in (("h", h), ("c", c))]
    for layer in range(layers):
        size = table.shape[1] if layer == 0 else hidden
        tensors[f"w{layer}"] = weights(1, 4 * hidden, size)
        tensors[f"r{layer}"] = weights(1, 4 * hidden, hidden)
        tensors[f"b{layer}"] = numpy.concatenate([weights(1, 4 * hidden), numpy.zeros((1, 4 * hidden), numpy.float32)], 1)
        last = layers == 1
        outputs = [f"y{layer}", "h_next" if last else f"hn{layer}", "c_next" if last else f"cn{layer}"]
        inputs = [f"x{layer}", f"w{layer}", f"r{layer}", f"b{layer}", "", h[layer], c[layer]]
        nodes.append(helper.make_node("LSTM", inputs, outputs, hidden_size=hidden))
        nodes.append(helper.make_node("Squeeze", [f"y{layer}", "one"], [f"x{layer + 1}"]))  # (T, N, H)
    if layers > 1:
        nodes += [
            helper.make_node("Concat", [f"{s}n{n}" for n in range(layers)], [f"{s}_next"], axis=0) for s in "hc"
        ]
    tensors["dense"] = weights(hidden, width)
    tensors["bias"] = weights(width) if bias is None else numpy.array(bias, numpy.float32)
    nodes.append(helper.make_node("MatMul", [f"x{layers}", "dense"], ["product"]))
    nodes.append(helper.make_node("Add", ["product", "bias"], ["logits"]))  # (T, N, V)
    return nodes, tensors


def write(name, card, rng, opset=17, state=None, extra=(), key="scrimshaw.card", **network):
    size = card["size"]
    vocabulary, hidden, layers = size["vocabulary"], size["hidden"], size["layers"]
    embedding = size["input"].get("size", 0)
    nodes, tensors = graph(rng, network.pop("vocabulary", vocabulary), hidden, layers, embedding, **network)
    real = lambda name, *shape: helper.make_tensor_value_info(name, TensorProto.FLOAT, shape)
    state = state or [layers, "batch", hidden]
    model = helper.make_model(
        helper.make_graph(
            nodes + list(extra),
            "scrimshaw",
            [helper.make_tensor_value_info("ids", TensorProto.INT64, ["sequence", "batch"]), real("h", *state), real("c", *state)],
            [real("logits", "sequence", "batch", network.get("logits_width") or vocabulary), real("h_next", *state), real("c_next", *state)],
            [numpy_helper.from_array(value, name) for name, value in tensors.items()],
        ),
        opset_imports=[helper.make_opsetid("", opset)],
        ir_version=8,
    )
    if key:
        helper.set_model_props(model, {key: json.dumps(card, ensure_ascii=False)})
    (FOLDER / name).write_bytes(model.SerializeToString())


def card(symbols, hidden, layers=1, context=None, seed_text="", embedding=3, unit="char", **more):
    vocabulary = {"unit": unit, "characters" if unit == "char" else "bytes": symbols}
    vocabulary |= {name: True for name in ("boundary", "unknown") if more.pop(name, False)}
    count = len(symbols) + len(vocabulary) - 2
    provenance = {
        "dataset": "nonsense", "tokens": 1000, "recipe": "none", "seed": 7, "epochs": 1,
        "losses": {"train": 1.5, "validation": 1.75}, "program": "models.py", "licence": "CC0-1.0",
    }
    return {
        "format_version": 1,
        "vocabulary": vocabulary,
        "normalisation": more,
        "size": {
            "vocabulary": count, "hidden": hidden, "layers": layers,
            "input": {"kind": "embedding", "size": embedding} if embedding else {"kind": "one-hot"},
        },
        "context": context or {"kind": "stateful"},
        "seed_text": seed_text,
        "provenance": provenance,
    }


def session(name):
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    return onnxruntime.InferenceSession((FOLDER / name).read_bytes(), options, providers=["CPUExecutionProvider"])


def logits(name, card, ids):
    """Logits (T, V) of a sequence from a zero state."""
    zero = numpy.zeros((card["size"]["layers"], 1, card["size"]["hidden"]), numpy.float32)
    ids = numpy.array(ids, numpy.int64)[:, None]
    return session(name).run(["logits"], {"ids": ids, "h": zero, "c": zero})[0][:, 0]


def greedy(name, card, ids, count, window=None):
    """The likeliest continuation, each character from a zero state over all (or the last `window`) before it."""
    ids = list(ids)
    for _ in range(count):
        ids.append(int(logits(name, card, ids[-window:] if window else ids)[-1].argmax()))
    return ids[-count:]


def nats(name, card, ids, window=None):
    """Surprise at every token but the first."""
    surprise = []
    for place in range(1, len(ids)):
        row = logits(name, card, ids[max(0, place - window) if window else 0 : place])[-1].astype(numpy.float64)
        surprise.append(float(numpy.log(numpy.exp(row - row.max()).sum()) - (row[ids[place]] - row.max())))
    return surprise


rng = numpy.random.default_rng(10)
letters = "\n ,.abcdehilmnorstuwy"
stateful = card(letters, 8, layers=2, seed_text="the sea ", lowercase=True)
write("stateful.onnx", stateful, rng)
window = card("abcdefgh", 6, context={"kind": "window", "length": 5}, seed_text="abcde", embedding=0)
write("window.onnx", window, rng)
names = card("abeilmnor", 6, boundary=True, unknown=True)
write("names.onnx", names, rng, bias=[0.0] * 9 + [1.5, 9.0])
whale = sorted(set("aé\u2014\U0001F40B \n".encode()))
write("bytes.onnx", card(whale, 6, unit="byte", seed_text="aé"), rng)

# Files that must be refused.
tiny = card("ab", 2, embedding=1)
write("no-card.onnx", tiny, rng, key=None)
write("other-card.onnx", tiny | {"size": tiny["size"] | {"vocabulary": 3}}, rng, vocabulary=2, logits_width=2)
write("lying-logits.onnx", tiny, rng, logits_width=5)
write("lying-state.onnx", tiny, rng, state=[1, "batch", 4])
write("newer-card.onnx", tiny | {"format_version": 99}, rng)
write("unknown-opset.onnx", tiny, rng, opset=9999)
write("unknown-operator.onnx", tiny, rng, extra=[helper.make_node("Carve", ["logits"], ["whale"])])

encode = lambda card, text: [card["vocabulary"]["characters"].index(character) for character in text]
decode = lambda card, ids: "".join(card["vocabulary"]["characters"][i] for i in ids)
prompt = encode(stateful, "the sea ")
scored = "the sea was calm.\nthe men, too, saw the land.\n"
expected = {
    "stateful": {
        "prompt": "the sea ",
        "logits": [round(float(x), 6) for x in logits("stateful.onnx", stateful, prompt)[-1]],
        "greedy": decode(stateful, greedy("stateful.onnx", stateful, prompt, 40)),
        "scored": scored,
        "nats": [round(x, 6) for x in nats("stateful.onnx", stateful, encode(stateful, scored))],
    },
    "window": {
        "prompt": "abcdefg",
        "greedy": decode(window, greedy("window.onnx", window, encode(window, "abcdefg"), 40, window=5)),
        "greedy_stateful": decode(window, greedy("window.onnx", window, encode(window, "abcdefg"), 40)),
        "short_prompt": "b",
        "greedy_short": decode(window, greedy("window.onnx", window, encode(window, "b"), 40, window=5)),
        "scored": "abcdefghhgfedcbaabcd",
        "nats": [round(x, 6) for x in nats("window.onnx", window, encode(window, "abcdefghhgfedcbaabcd"), window=5)],
    },
}
(FOLDER / "expected.json").write_text(json.dumps(expected, indent=1) + "\n")
