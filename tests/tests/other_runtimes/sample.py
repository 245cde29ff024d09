"""Text from a Scrimshaw model in Python: needs numpy and onnxruntime, and the model's file alone.

    python sample.py model.onnx --prompt "The ship" --length 200 --temperature 0.5 --seed 7
"""

import argparse
import codecs
import json
import unicodedata

import numpy
import onnxruntime


class Sampler:
    """One text and the model that continues it. V tokens, L layers, H cells a layer."""

    def __init__(self, path, stateful=False):
        self.session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
        # The model card, a JSON text in the file's metadata, says all that is not in the graph.
        self.card = json.loads(self.session.get_modelmeta().custom_metadata_map["scrimshaw.card"])
        vocabulary, context = self.card["vocabulary"], self.card["context"]
        # A token's id is its place: the symbols, then the boundary between documents, then what stands for the unknown.
        self.bytes = vocabulary["unit"] == "byte"
        self.symbols = list(vocabulary["bytes" if self.bytes else "characters"])
        self.boundary = len(self.symbols) if vocabulary.get("boundary") else None
        self.unknown = len(self.symbols) + bool(vocabulary.get("boundary")) if vocabulary.get("unknown") else None
        self.ids = {symbol: token for token, symbol in enumerate(self.symbols)}
        self.decoder = codecs.getincrementaldecoder("utf-8")("replace")
        # A model that was trained on windows reads the last so many tokens from a zero state; others carry their state.
        self.window = None if stateful or context["kind"] == "stateful" else context["length"]
        self.tokens = []
        self.state = self.zero_state()
        self.logits = None
        if self.boundary is not None:
            self.read([self.boundary])

    def zero_state(self):
        zeros = numpy.zeros((self.card["size"]["layers"], 1, self.card["size"]["hidden"]), numpy.float32)
        return {"h": zeros, "c": zeros}  # (L, 1, H)

    def read(self, tokens):
        """Reads on; `logits` (V) are then those of the next token."""
        if self.window:
            tokens = self.tokens = [*self.tokens, *tokens][-self.window :]
            self.state = self.zero_state()
        ids = numpy.array(tokens, numpy.int64)[:, None]  # (T, 1)
        logits, h, c = self.session.run(["logits", "h_next", "c_next"], {"ids": ids, **self.state})
        self.logits, self.state = logits[-1, 0], {"h": h, "c": c}

    def encode(self, text):
        """The tokens of a text, once it is normalised as the training text was."""
        steps = self.card.get("normalisation", {})
        if steps.get("newlines") == "lf":
            text = text.replace("\r\n", "\n").replace("\r", "\n")
        if steps.get("nfc"):
            text = unicodedata.normalize("NFC", text)
        if steps.get("lowercase"):
            text = "".join(character.lower() for character in text)
        if steps.get("ascii"):
            text = "".join(character for character in text if character.isascii())
        tokens = [self.ids.get(symbol, self.unknown) for symbol in (text.encode() if self.bytes else text)]
        if None in tokens:
            raise ValueError("the text has a character that the model does not know")
        return tokens

    def decode(self, token):
        """The text that a token completes: a model of bytes writes a character in up to four."""
        symbol = self.symbols[token]
        return self.decoder.decode(bytes([symbol])) if self.bytes else symbol

    def probabilities(self):
        """The model's own probabilities (V) of the next token."""
        return softmax(self.logits.astype(numpy.float64))

    def choose(self, temperature, rng):
        """A token: the likeliest at temperature 0, otherwise drawn."""
        logits = self.logits.astype(numpy.float64)
        if self.unknown is not None:
            logits[self.unknown] = -numpy.inf
        if temperature == 0:
            return int(logits.argmax())
        return int(rng.choice(len(logits), p=softmax(logits / temperature)))


def softmax(logits):
    exponentials = numpy.exp(logits - logits.max())
    return exponentials / exponentials.sum()


def main():
    parser = argparse.ArgumentParser(description="Continues a prompt with a Scrimshaw model.")
    parser.add_argument("model")
    parser.add_argument("--prompt", help="what to continue; without it, the excerpt in the model's card")
    parser.add_argument("--length", type=int, default=200, help="tokens to write")
    parser.add_argument("--temperature", type=float, default=0.5)
    parser.add_argument("--seed", type=int)
    parser.add_argument("--stateful", action="store_true", help="carry the state even if trained on windows")
    parser.add_argument("--json", action="store_true", help="an object a token, with the five largest probabilities")
    options = parser.parse_args()
    sampler, rng = Sampler(options.model, options.stateful), numpy.random.default_rng(options.seed)
    # A model of documents writes one from its beginning; any other needs something to continue.
    begin = "" if sampler.boundary is not None else sampler.card.get("seed_text", "")
    prompt = sampler.encode(begin if options.prompt is None else options.prompt)
    if prompt:
        sampler.read(prompt)
    for _ in range(options.length):
        token = sampler.choose(options.temperature, rng)
        if token == sampler.boundary:
            break
        if options.json:
            likeliest = sorted(map(float, sampler.probabilities()), reverse=True)[:5]
            print(json.dumps({"text": sampler.decode(token), "likeliest": likeliest}))
        else:
            print(sampler.decode(token), end="", flush=True)
        sampler.read([token])
    if not options.json:
        print(sampler.decoder.decode(b"", True))


if __name__ == "__main__":
    main()
