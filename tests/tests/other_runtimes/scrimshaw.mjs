// Text from a Scrimshaw model in JavaScript: in a browser or in Node, with onnxruntime-web or onnxruntime-node.

/** One text and the model that continues it. V tokens, L layers, H cells a layer. */
export class Sampler {
  /** Opens the bytes of a model's file with `ort`, the module of an ONNX Runtime. */
  static async open(ort, bytes, { stateful = false } = {}) {
    const card = readCard(bytes);
    const session = await ort.InferenceSession.create(bytes, { executionProviders: ["cpu"] });
    const sampler = new Sampler(ort, session, card, stateful);
    if (sampler.boundary !== undefined) await sampler.read([sampler.boundary]);
    return sampler;
  }

  constructor(ort, session, card, stateful) {
    const { vocabulary, context } = card;
    Object.assign(this, { ort, session, card });
    // A token's id is its place: the symbols, then the boundary between documents, then what stands for the unknown.
    this.bytes = vocabulary.unit === "byte";
    this.symbols = this.bytes ? vocabulary.bytes : [...vocabulary.characters];
    this.ids = new Map(this.symbols.map((symbol, token) => [symbol, token]));
    let count = this.symbols.length;
    this.boundary = vocabulary.boundary ? count++ : undefined;
    this.unknown = vocabulary.unknown ? count++ : undefined;
    this.decoder = new TextDecoder("utf-8", { ignoreBOM: true });
    // A model that was trained on windows reads the last so many tokens from a zero state; others carry their state.
    this.window = stateful || context.kind === "stateful" ? undefined : context.length;
    this.tokens = [];
    this.state = this.zeroState();
  }

  zeroState() {
    const { layers, hidden } = this.card.size;
    const zeros = () => new this.ort.Tensor("float32", new Float32Array(layers * hidden), [layers, 1, hidden]);
    return { h: zeros(), c: zeros() }; // (L, 1, H)
  }

  /** Reads on; `logits` (V) are then those of the next token. */
  async read(tokens) {
    if (this.window) {
      tokens = this.tokens = [...this.tokens, ...tokens].slice(-this.window);
      this.state = this.zeroState();
    }
    const ids = new this.ort.Tensor("int64", BigInt64Array.from(tokens, BigInt), [tokens.length, 1]); // (T, 1)
    const { logits, h_next: h, c_next: c } = await this.session.run({ ids, ...this.state });
    this.logits = logits.data.slice(-this.card.size.vocabulary);
    this.state = { h, c };
  }

  /** The tokens of a text, once it is normalised as the training text was. */
  encode(text) {
    const steps = this.card.normalisation ?? {};
    if (steps.newlines === "lf") text = text.replace(/\r\n?/g, "\n");
    if (steps.nfc) text = text.normalize("NFC");
    if (steps.lowercase) text = Array.from(text, (character) => character.toLowerCase()).join("");
    if (steps.ascii) text = text.replace(/[^\0-\x7f]/gu, "");
    const tokens = Array.from(this.bytes ? new TextEncoder().encode(text) : text, (symbol) => this.ids.get(symbol) ?? this.unknown);
    if (tokens.includes(undefined)) throw new Error("the text has a character that the model does not know");
    return tokens;
  }

  /** The text that a token completes: a model of bytes writes a character in up to four. */
  decode(token) {
    const symbol = this.symbols[token];
    return this.bytes ? this.decoder.decode(Uint8Array.of(symbol), { stream: true }) : symbol;
  }

  /** The model's own probabilities (V) of the next token. */
  probabilities() {
    return softmax(this.logits);
  }

  /** A token: the likeliest at temperature 0, otherwise drawn; `random` gives numbers from 0 up to 1. */
  choose(temperature, random = Math.random) {
    const logits = Array.from(this.logits);
    if (this.unknown !== undefined) logits[this.unknown] = -Infinity;
    if (temperature === 0) return logits.indexOf(Math.max(...logits));
    let rest = random();
    const probabilities = softmax(logits.map((logit) => logit / temperature));
    const drawn = probabilities.findIndex((probability) => (rest -= probability) < 0);
    // The probabilities may add up to a little less than 1.
    return drawn < 0 ? probabilities.indexOf(Math.max(...probabilities)) : drawn;
  }

  /** Continues a prompt: yields a text for every token, until a document ends or `length` tokens are written. */
  async *write({ prompt, length = 200, temperature = 0.5, random = Math.random } = {}) {
    // A model of documents writes one from its beginning; any other needs something to continue.
    const begin = this.encode(prompt ?? (this.boundary === undefined ? this.card.seed_text : ""));
    if (begin.length > 0) await this.read(begin);
    for (let written = 0; written < length; written++) {
      const token = this.choose(temperature, random);
      if (token === this.boundary) return;
      yield this.decode(token);
      await this.read([token]);
    }
  }
}

/** The model card: a JSON text in the file's metadata, which onnxruntime's JavaScript interface does not show. */
export function readCard(bytes) {
  for (const [field, property] of fields(bytes)) {
    if (field !== 14) continue; // ModelProto.metadata_props
    const entry = Object.fromEntries([...fields(property)].map(([field, text]) => [field, new TextDecoder().decode(text)]));
    if (entry[1] === "scrimshaw.card") return JSON.parse(entry[2]);
  }
  throw new Error("the file has no model card in its metadata: it is not a Scrimshaw model");
}

/** The fields of a protocol-buffers message: their numbers and, of those that have a length, their bytes. */
function* fields(bytes) {
  let at = 0;
  const number = () => {
    let value = 0;
    for (let scale = 1; ; scale *= 128) {
      const byte = bytes[at++];
      value += (byte & 127) * scale;
      if (!(byte & 128)) return value;
    }
  };
  while (at < bytes.length) {
    const tag = number();
    const kind = tag % 8; // 0 a number, 1 eight bytes, 2 a length and so many bytes, 5 four bytes
    const length = kind === 0 ? (number(), 0) : kind === 2 ? number() : kind === 1 ? 8 : 4;
    yield [Math.floor(tag / 8), bytes.subarray(at, at + length)];
    at += length;
  }
}

function softmax(logits) {
  const largest = Math.max(...logits);
  const exponentials = Array.from(logits, (logit) => Math.exp(logit - largest));
  const sum = exponentials.reduce((sum, exponential) => sum + exponential, 0);
  return exponentials.map((exponential) => exponential / sum);
}
