// Uses the npm package as a program would: node check.mjs MODEL. Prints the text that a seed gives, for the test to compare,
// after it has held everything else against what it has to be.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { Model } from "scrimshaw";

const bytes = readFileSync(process.argv[2]);
const model = new Model(bytes);
const text = (steps) => [...steps].map((step) => step.text).join("");

// What is wrong is said by an error that names it.
const refused = (part, action) => assert.throws(action, (error) => error instanceof Error && error.message.includes(part));
refused("ONNX", () => new Model(new TextEncoder().encode("This is no model.")));
refused("ONNX", () => new Model(new Uint8Array()));
const damaged = Uint8Array.from(bytes);
damaged[damaged.length >> 1] ^= 1;
refused("damaged", () => new Model(damaged));
refused("damaged", () => new Model(bytes.subarray(0, bytes.length - 100)));
for (const [part, options] of [
  ["U+6F22", { prompt: "\u6f22" }],
  ["temperature of -1", { temperature: -1 }],
  ["temperature of NaN", { temperature: NaN }],
  ["temperature of -2", { temperature: [0.5, -2] }],
  ["`temperature`", { temperature: "warm" }],
  ["`temperature`", { temperature: [] }],
  ["top-k of 0", { topK: 0 }],
  ["`topK`", { topK: 1.5 }],
  ["top-p of 2", { topP: 2 }],
  ["min-p of -0.5", { minP: -0.5 }],
  ["penalty of 0", { repetitionPenalty: 0 }],
  ["`length`", { length: -1 }],
  ["`seed`", { seed: -1 }],
  ["`seed`", { seed: 2n ** 64n }],
  ["`stop`", { stop: "a" }],
  ["leaves no text", { stop: [""] }],
  ["does not write", { stop: ["\u6f22"] }],
  ["`words`", { words: 1 }],
  ["`likeliest`", { likeliest: -1 }],
  ["no option `heat`", { heat: 1 }],
  ["object", "seed"],
]) {
  refused(part, () => model.generate(options));
}
refused("U+6F22", () => model.score("\u6f22"));
refused("U+6F22", () => model.logits("\u6f22"));

// What is left out has the documented value, and a drawn seed gives the text again.
const drawn = model.generate({ length: 30 });
const first = text(drawn);
assert.equal(first.length, 30);
assert.equal(text(model.generate({ length: 30, seed: drawn.seed })), first);
assert.equal(text(model.generate({ length: 30, seed: Number(drawn.seed), temperature: 0.5, topK: undefined })), first);
assert.equal([...model.generate()].length, 400);
assert.deepEqual(model.generate({ length: 0 }).next(), { done: true, value: undefined });

// Steps tell what they are of.
const steps = [...model.generate({ seed: 3, length: 50, likeliest: 3 })];
assert.equal(steps.length, 50);
assert.equal(steps.at(-1).end, "length");
assert.ok(steps.slice(0, -1).every((step) => !("end" in step)));
for (const { text, nats, likeliest } of steps) {
  assert.equal(likeliest.length, 3);
  const found = likeliest.find((candidate) => candidate.text === text);
  assert.ok(!found || Math.abs(Math.exp(-nats) - found.probability) < 1e-5, JSON.stringify({ text, nats, likeliest }));
  assert.ok(likeliest[0].probability >= likeliest[1].probability);
}
assert.ok(text(model.generate({ seed: 3, stop: ["e"] })).endsWith("e"));

// Texts that are written by turns do not disturb each other.
const pair = [model.generate({ seed: 1, length: 80 }), model.generate({ seed: 2, length: 80 })];
const turns = ["", ""];
for (let step = 0; step < 80; step += 1) {
  pair.forEach((generator, which) => (turns[which] += generator.next().value.text));
}
assert.deepEqual(turns, [1, 2].map((seed) => text(model.generate({ seed, length: 80 }))));

// Scores are those of the steps that wrote the text.
const prompt = "The ";
const written = [...model.generate({ prompt, seed: 5, length: 40 })];
const scores = model.score(prompt + text(written));
assert.equal(scores.map((score) => score.text).join(""), prompt + text(written));
written.forEach((step, place) => assert.ok(Math.abs(scores[prompt.length + place].nats - step.nats) < 1e-3));
assert.ok(scores[0].nats === null || scores[0].nats >= 0);
const logits = model.logits(prompt);
assert.ok(logits instanceof Float32Array && logits.length >= 10 && logits.every(Number.isFinite));
assert.equal(model.card.size.vocabulary, logits.length);

// What was freed is gone, and says so.
const freed = model.generate();
freed.free();
assert.throws(() => freed.next(), Error);
const other = new Model(bytes);
const orphan = other.generate({ seed: 1, length: 80 });
other.free();
assert.throws(() => other.generate(), Error);
assert.equal(text(orphan), turns[0]);

process.stdout.write(text(model.generate({ prompt, seed: 7, length: 3000, temperature: 0.8, topP: 0.95 })));
