// Text from a Scrimshaw model in Node:
//
//     npm install onnxruntime-web
//     node sample.mjs model.onnx --prompt "The ship" --length 200 --temperature 0.5

import { readFile } from "node:fs/promises";
import { parseArgs } from "node:util";
import { Sampler } from "./scrimshaw.mjs";

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    prompt: { type: "string" },
    length: { type: "string", default: "200" },
    temperature: { type: "string", default: "0.5" },
    stateful: { type: "boolean", default: false },
    json: { type: "boolean", default: false },
    runtime: { type: "string", default: "onnxruntime-web" },
  },
});
const ort = await import(values.runtime);
const sampler = await Sampler.open(ort, new Uint8Array(await readFile(positionals[0])), values);
const options = { prompt: values.prompt, length: Number(values.length), temperature: Number(values.temperature) };
// While a token is looked at, the model has not read it: its probabilities are those that the token was drawn from.
for await (const text of sampler.write(options)) {
  if (values.json) {
    const likeliest = sampler.probabilities().sort((one, other) => other - one).slice(0, 5);
    console.log(JSON.stringify({ text, likeliest }));
  } else {
    process.stdout.write(text);
  }
}
if (!values.json) console.log();
