"""Tests of the package as it is installed.

SCRIMSHAW_PROGRAM names the program `scrimshaw`, which has to write the same. tests/tests/python.rs runs these tests.
"""

import ast
import faulthandler
import importlib.metadata
import inspect
import json
import math
import os
import pathlib
import signal
import subprocess
import sys
import threading
import time

import pytest

import scrimshaw

DATA = pathlib.Path(__file__).parents[3] / "crates/sampler/tests/data"
MODELS = ["stateful", "window", "bytes", "names"]
# What ONNX Runtime makes of the models, by models.py beside it.
EXPECTED = json.loads((DATA / "expected.json").read_text(encoding="utf-8"))


@pytest.fixture(autouse=True)
def never_hangs():
    """A call that keeps Python's lock for ever ends the tests, with a traceback, and does not hang them."""
    faulthandler.dump_traceback_later(120, exit=True)
    yield
    faulthandler.cancel_dump_traceback_later()


@pytest.fixture
def model():
    return scrimshaw.Model(DATA / "stateful.onnx")


def written_by_the_program(name, *words):
    command = [os.environ["SCRIMSHAW_PROGRAM"], "--model", DATA / f"{name}.onnx", "--hide-prompt", *words]
    output = subprocess.run(command, check=True, stdout=subprocess.PIPE).stdout
    # The program ends its output with a line end.
    return output.decode("utf-8")[:-1]


@pytest.mark.parametrize("name", MODELS)
@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"temperature": 0, "length": 50},
        {"temperature": 1.5, "top_k": 3, "length": 100},
        {"top_p": 0.9, "min_p": 0.01, "repetition_penalty": 1.2, "words": True, "length": 30},
    ],
)
def test_a_seed_writes_what_the_program_writes(name, settings):
    words = ["--seed=7"]
    for key, value in settings.items():
        option = "--" + key.replace("_", "-")
        words.append(option if value is True else f"{option}={value}")
    text = scrimshaw.Model(DATA / f"{name}.onnx").generate(seed=7, **settings)
    # A document may end before its first character.
    assert text or name == "names"
    assert text == written_by_the_program(name, *words)


@pytest.mark.parametrize(
    "setting",
    [
        {"temperature": 1.1},
        {"top_k": 2},
        {"top_p": 0.3},
        {"min_p": 0.6},
        {"repetition_penalty": 3},
        {"length": 29},
        {"words": True},
        {"stop": "d"},
        {"prompt": "a"},
        {"seed": 8},
    ],
)
def test_each_setting_makes_the_difference_that_it_makes_in_the_program(model, setting):
    usual = {"length": 28, "temperature": 0.9, "seed": 7, "prompt": "the sea"}
    settings = {**usual, **setting}
    words = ["--" + key.replace("_", "-") + ("" if value is True else f"={value}") for key, value in settings.items()]
    expected = written_by_the_program("stateful", *words)
    for call in [model.generate, lambda **settings: "".join(model.stream(**settings))]:
        assert call(**settings) == expected
        assert call(**usual) != expected


def test_a_prompt_and_stops_mean_what_they_mean_in_the_program(model):
    text = model.generate("The Sea ", seed=3, stop="ym")
    assert text == written_by_the_program("stateful", "--prompt=The Sea ", "--seed=3", "--stop=ym")
    assert text.endswith("ym") and text.count("ym") == 1
    assert model.generate("The Sea ", seed=3, stop=["ym"]) == text


def test_the_most_likely_text_is_that_of_onnx_runtime(model):
    expected = EXPECTED["stateful"]
    greedy = expected["greedy"]
    assert model.generate(expected["prompt"], temperature=0, length=len(greedy)) == greedy


@pytest.mark.parametrize("name", MODELS)
def test_a_stream_is_the_text_in_pieces(name):
    model = scrimshaw.Model(DATA / f"{name}.onnx")
    stream = model.stream(length=60, seed=11)
    assert stream.seed == 11
    pieces = list(stream)
    assert all(pieces)
    assert "".join(pieces) == model.generate(length=60, seed=11)
    assert next(stream, None) is None


def test_without_a_seed_each_text_is_another_and_its_seed_repeats_it(model):
    streams = [model.stream(temperature=1) for _ in range(2)]
    texts = ["".join(stream) for stream in streams]
    assert texts[0] != texts[1]
    assert model.generate(temperature=1, seed=streams[0].seed) == texts[0]


def test_lengths(model):
    assert model.generate(length=0) == ""
    assert list(model.stream(length=0)) == []
    assert len(model.generate(length=1234, seed=0)) == 1234


def test_bytes_open_as_a_file_does(model):
    contents = (DATA / "stateful.onnx").read_bytes()
    text = model.generate(seed=1)
    for source in [contents, bytearray(contents), memoryview(contents), str(DATA / "stateful.onnx")]:
        assert scrimshaw.Model(source).generate(seed=1) == text


@pytest.mark.parametrize("threads", [1, 3])
def test_scores_are_those_of_onnx_runtime(threads):
    model = scrimshaw.Model(DATA / "stateful.onnx", threads=threads)
    expected = EXPECTED["stateful"]
    scores = model.score(expected["scored"])
    assert "".join(character for character, _ in scores) == expected["scored"]
    assert scores[0][1] is None
    assert [nats for _, nats in scores[1:]] == pytest.approx(expected["nats"], abs=1e-3)
    assert model.score("") == []


def test_a_long_text_is_scored_whole(model):
    text = model.generate(length=40_000, seed=5)
    scores = model.score(text)
    assert "".join(character for character, _ in scores) == text
    assert all(nats is not None and math.isfinite(nats) for _, nats in scores[1:])


def test_a_model_of_bytes_scores_characters():
    model = scrimshaw.Model(DATA / "bytes.onnx")
    scores = model.score("a\u00e9a")
    assert [character for character, _ in scores] == ["a", "\u00e9", "a"]
    assert scores[1][1] > 0


def test_a_boundary_precedes_the_first_character():
    model = scrimshaw.Model(DATA / "names.onnx")
    text = max((model.generate(seed=seed) for seed in range(20)), key=len)
    assert text
    assert all(nats is not None for _, nats in model.score(text))


def test_logits_are_an_array_or_a_list(model, monkeypatch):
    import numpy

    expected = EXPECTED["stateful"]
    logits = model.logits(expected["prompt"])
    assert isinstance(logits, numpy.ndarray) and logits.dtype == numpy.float32
    assert logits.tolist() == pytest.approx(expected["logits"], abs=1e-4)
    logits[0] = 0  # The array is the caller's own.
    monkeypatch.setitem(sys.modules, "numpy", None)
    logits = model.logits(expected["prompt"])
    assert isinstance(logits, list)
    assert logits == pytest.approx(expected["logits"], abs=1e-4)


def test_the_card_is_a_dictionary(model):
    program = [os.environ["SCRIMSHAW_PROGRAM"], "--model", DATA / "stateful.onnx", "info", "--json"]
    assert model.card == json.loads(subprocess.run(program, check=True, stdout=subprocess.PIPE).stdout)
    assert "LSTM" in repr(model)


def test_threads_may_use_one_model(model):
    expected = [model.generate(length=3000, seed=seed) for seed in range(4)]
    texts = [None] * 4

    def write(seed):
        texts[seed] = model.generate(length=3000, seed=seed)

    threads = [threading.Thread(target=write, args=[seed]) for seed in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert texts == expected


def test_other_threads_run_meanwhile(model):
    progress = []
    ended = threading.Event()

    def write():
        try:
            # Far more than is ever written: the text ends by Ctrl-C alone.
            model.generate(length=10**12)
        except KeyboardInterrupt:
            progress.append("interrupted")
        ended.set()

    def interrupt():
        time.sleep(0.2)
        progress.append("ran")
        signal.raise_signal(signal.SIGINT) if os.name == "nt" else os.kill(os.getpid(), signal.SIGINT)

    thread = threading.Thread(target=interrupt)
    thread.start()
    write()
    thread.join()
    assert ended.is_set()
    assert progress == ["ran", "interrupted"]


@pytest.mark.parametrize("name", ["generate", "stream", "next", "score", "logits", "open a file", "open bytes"])
def test_each_call_lets_other_threads_run(model, name):
    stream = model.stream("the sea", length=10**9)
    contents = (DATA / "stateful.onnx").read_bytes()
    call = {
        "generate": lambda: model.generate("the sea", length=10),
        "stream": lambda: model.stream("the sea"),
        "next": lambda: next(stream),
        "score": lambda: model.score("the sea"),
        "logits": lambda: model.logits("the sea"),
        "open a file": lambda: scrimshaw.Model(DATA / "stateful.onnx"),
        "open bytes": lambda: scrimshaw.Model(contents),
    }[name]
    # The first call imports numpy, which lets other threads run.
    call()
    go = threading.Event()
    ran = []

    def run():
        go.wait()
        ran.append(True)

    interval = sys.getswitchinterval()
    try:
        # From here on, a thread that does not give way keeps the others waiting.
        sys.setswitchinterval(10_000)
        thread = threading.Thread(target=run)
        thread.start()
        go.set()
        for _ in range(10_000):
            call()
            if ran:
                break
        assert ran
    finally:
        sys.setswitchinterval(interval)
        thread.join()


def test_what_is_not_a_model_is_refused(tmp_path):
    with pytest.raises(FileNotFoundError) as caught:
        scrimshaw.Model(tmp_path / "none.onnx")
    assert caught.value.filename == str(tmp_path / "none.onnx")
    with pytest.raises(IsADirectoryError, match="name the ONNX file in it"):
        scrimshaw.Model(tmp_path)
    text = tmp_path / "text.onnx"
    text.write_text("once upon a time")
    with pytest.raises(scrimshaw.Error, match="text.onnx: "):
        scrimshaw.Model(text)
    for contents in [b"", b"once upon a time"]:
        with pytest.raises(scrimshaw.Error):
            scrimshaw.Model(contents)
    with pytest.raises(scrimshaw.Error, match="no model card"):
        scrimshaw.Model(DATA / "no-card.onnx")
    for thing in [7, None, ["model.onnx"]]:
        with pytest.raises(TypeError, match="path or the bytes"):
            scrimshaw.Model(thing)


def test_a_damaged_model_is_refused():
    contents = (DATA / "stateful.onnx").read_bytes()
    for length in range(0, len(contents), 97):
        with pytest.raises(scrimshaw.Error):
            scrimshaw.Model(contents[:length])
    for name in ["lying-logits", "lying-state", "newer-card", "other-card", "unknown-operator"]:
        with pytest.raises(scrimshaw.Error):
            scrimshaw.Model(DATA / f"{name}.onnx")


def test_unknown_characters_are_named(model):
    for call in [model.generate, model.stream, model.score, model.logits]:
        with pytest.raises(scrimshaw.Error, match="'@' .*position 3"):
            call("the@sea")
    with pytest.raises(scrimshaw.Error, match="would never stop the text.*'@'"):
        model.generate(stop="@")


def test_nothing_to_continue_is_refused(model):
    for call in [model.generate, model.logits]:
        with pytest.raises(scrimshaw.Error, match="nothing to continue"):
            call("")


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"length": -1}, "length=-1 is out of range"),
        ({"length": 2**70}, "length=1180591620717411303424 is out of range"),
        ({"temperature": -1}, "temperature of -1"),
        ({"temperature": math.nan}, "temperature of NaN"),
        ({"temperature": math.inf}, "temperature of inf"),
        ({"top_k": 0}, "top-k of 0"),
        ({"top_k": -2}, "top_k=-2 is out of range"),
        ({"top_p": 0}, "top-p of 0"),
        ({"top_p": 1.5}, "top-p of 1.5"),
        ({"min_p": -0.1}, "min-p of -0.1"),
        ({"min_p": 2}, "min-p of 2"),
        ({"repetition_penalty": 0}, "repetition penalty of 0"),
        ({"seed": -1}, "seed=-1 is out of range"),
        ({"seed": 2**64}, "seed=18446744073709551616 is out of range"),
        ({"stop": ""}, "leaves no text to stop at"),
        ({"stop": ["a", ""]}, "leaves no text to stop at"),
    ],
)
def test_settings_out_of_range_are_refused(model, settings, message):
    for call in [model.generate, model.stream]:
        with pytest.raises(scrimshaw.Error, match=message) as caught:
            call(**settings)
        assert isinstance(caught.value, ValueError)


def test_threads_out_of_range_are_refused():
    for threads in [0, -1, 1025]:
        with pytest.raises(scrimshaw.Error, match=f"threads={threads}"):
            scrimshaw.Model(DATA / "stateful.onnx", threads=threads)


def test_settings_of_another_type_are_refused(model):
    for settings in [{"length": "9"}, {"length": 1.5}, {"temperature": "warm"}, {"stop": 7}, {"seed": 1.5}, {"tempo": 1}]:
        with pytest.raises(TypeError):
            model.generate(**settings)


def declared():
    """The stub's functions by class and name."""
    stub = pathlib.Path(scrimshaw.__file__).with_name("__init__.pyi").read_text(encoding="utf-8")
    classes = {node.name: node.body for node in ast.parse(stub).body if isinstance(node, ast.ClassDef)}
    return {
        name: {node.name: node for node in body if isinstance(node, ast.FunctionDef)} for name, body in classes.items()
    }


def test_the_stub_declares_what_there_is():
    classes = declared()
    assert sorted(classes) + ["__version__"] == sorted(scrimshaw.__all__)
    for name, functions in classes.items():
        found = getattr(scrimshaw, name)
        public = {member for member in vars(found) if not member.startswith("_")}
        assert public == {function for function in functions if not function.startswith("_")}
        assert found.__doc__
        for function, node in functions.items():
            assert hasattr(found, function)
            if function.startswith("__") or node.decorator_list:
                continue
            assert getattr(found, function).__doc__
            assert parameters(node) == described(inspect.signature(getattr(found, function))), function
        for node in functions.values():
            arguments = [*node.args.args[1:], *node.args.kwonlyargs]
            assert node.returns and all(argument.annotation for argument in arguments), ast.unparse(node)
    generate, stream = classes["Model"]["generate"], classes["Model"]["stream"]
    assert ast.unparse(generate.args) == ast.unparse(stream.args)
    assert parameters(classes["Model"]["__new__"])[1:] == described(inspect.signature(scrimshaw.Model))


@pytest.mark.parametrize(
    ("setting", "kind", "values"),
    [
        ("prompt", "str | None", ["the sea", None]),
        ("length", "int", [3]),
        ("temperature", "float", [0.5, 1]),
        ("top_k", "int | None", [3, None]),
        ("top_p", "float | None", [0.5, 1, None]),
        ("min_p", "float | None", [0.5, 1, None]),
        ("repetition_penalty", "float | None", [1.5, 1, None]),
        ("seed", "int | None", [3, None]),
        ("stop", "str | Sequence[str]", ["e", ["e", "a"], ("e",)]),
        ("words", "bool", [True, False]),
    ],
)
def test_settings_have_the_types_of_the_stub(model, setting, kind, values):
    arguments = declared()["Model"]["generate"].args
    annotations = {node.arg: node.annotation for node in [*arguments.args, *arguments.kwonlyargs]}
    assert ast.unparse(annotations[setting]) == kind
    for value in values:
        assert isinstance(model.generate(**{"length": 5, setting: value}), str)


def test_the_package_says_that_it_is_typed_and_its_version():
    assert pathlib.Path(scrimshaw.__file__).with_name("py.typed").exists()
    assert scrimshaw.__version__ == importlib.metadata.version("scrimshaw")


def parameters(node):
    """Name, kind and default of each parameter in the stub."""
    positional = node.args.args
    defaults = [None] * (len(positional) - len(node.args.defaults)) + node.args.defaults
    named = [(argument.arg, False, value) for argument, value in zip(positional, defaults)]
    named += [(argument.arg, True, value) for argument, value in zip(node.args.kwonlyargs, node.args.kw_defaults)]
    return [(name, only, "none" if value is None else ast.literal_eval(value)) for name, only, value in named]


def described(signature):
    """The same of a function of the module."""
    return [
        (
            parameter.name,
            parameter.kind is parameter.KEYWORD_ONLY,
            "none" if parameter.default is parameter.empty else parameter.default,
        )
        for parameter in signature.parameters.values()
    ]
