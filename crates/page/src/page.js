// The page's script: unpacks the engine and the model, and lets the reader write with them.
// It loads nothing. What the model writes reaches the page through textContent alone.
"use strict";

(() => {
  const SLICE = 8; // milliseconds of writing before the browser may draw and hear keys
  const GUESSES = 5; // characters that are shown as the likeliest
  const MOST_BITS = 8; // a surprise that gets the full colour
  const SHADES = 8;
  const KEPT = ["prompt", "temperature", "top-p", "length", "count", "seed", "stop-text"]; // what the link carries

  const find = (id) => document.getElementById(id);
  const [body, form, prompt, status, texts, readout, link] =
    [document.body, ...["form", "prompt", "status", "texts", "readout", "link"].map(find)];
  const standard = Object.fromEntries(KEPT.map((id) => [id, find(id).value]));

  let model; // of the engine
  let job = 0; // counts what was started, so that only the last one goes on
  let steps = []; // what was written, in the order of the page
  let nodes = []; // the element of each step
  let expected; // what would follow the last step
  let current = -1; // the step that is read out; -1 is the end of the text

  find("theme").addEventListener("click", () => {
    const root = document.documentElement;
    const isDark = root.dataset.theme ? root.dataset.theme === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
    root.dataset.theme = isDark ? "light" : "dark";
  });

  // Base64 of raw deflate to bytes.
  async function unpack(id) {
    const packed = atob(find(id).textContent);
    const bytes = new Uint8Array(packed.length);
    for (let at = 0; at < bytes.length; at++) bytes[at] = packed.charCodeAt(at);
    const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("deflate-raw"));
    return new Uint8Array(await new Response(stream).arrayBuffer());
  }

  // Lets the browser draw and handle input. A timer would wait four milliseconds for nothing.
  const channel = new MessageChannel();
  const pause = () => new Promise((resolve) => {
    channel.port1.onmessage = resolve;
    channel.port2.postMessage(null);
  });

  function element(name, text, className) {
    const made = document.createElement(name);
    made.textContent = text;
    if (className) made.className = className;
    return made;
  }

  function say(message, isFailure) {
    status.textContent = message;
    status.classList.toggle("failed", Boolean(isFailure));
  }

  function enter(state) {
    body.dataset.state = state;
    texts.setAttribute("aria-busy", state === "writing");
    find("stop").disabled = state !== "writing";
  }

  // "\n" in the field is a line end, as on the command line.
  function unescaped(text) {
    const meant = { n: "\n", t: "\t", "\\": "\\" };
    return text.replace(/\\([nt\\])/g, (_, letter) => meant[letter]);
  }

  // A character where it has to be seen.
  function label(text) {
    const shown = { " ": "\u2423", "\n": "\u23ce", "\t": "\u21e5", "": "\u2205" };
    return shown[text] ?? text.replace(/[\p{Cc}\p{Cf}]/gu, (hidden) => `U+${hidden.codePointAt(0).toString(16)}`);
  }

  function settings() {
    const wrong = KEPT.map(find).find((input) => !input.checkValidity());
    if (wrong) {
      wrong.focus();
      throw new Error(`${wrong.labels[0].textContent}: ${wrong.validationMessage}`);
    }
    const number = (id) => find(id).valueAsNumber;
    const stop = unescaped(find("stop-text").value);
    const given = find("seed").value;
    return {
      prompt: prompt.value === "" ? undefined : prompt.value,
      temperature: number("temperature"),
      topP: number("top-p") < 1 ? number("top-p") : undefined,
      length: number("length"),
      count: number("count"),
      seed: given === "" ? BigInt(crypto.getRandomValues(new Uint32Array(1))[0]) : BigInt(given),
      stop: stop === "" ? [] : [stop],
    };
  }

  // A fragment with the settings that differ from the standard ones.
  function fragment(seed) {
    const kept = new URLSearchParams();
    for (const id of KEPT) {
      const value = id === "seed" && seed !== undefined ? String(seed) : find(id).value;
      if (value !== standard[id]) kept.set(id, value);
    }
    return "#" + kept;
  }

  function restore() {
    const kept = new URLSearchParams(location.hash.slice(1));
    for (const id of KEPT) find(id).value = kept.get(id) ?? standard[id];
    link.href = fragment();
  }

  // An article of lines. Returns a function that adds steps to it.
  function article(begins) {
    const made = element("article", "");
    let line = made.appendChild(element("div", ""));
    const turn = (text) => { if (text.endsWith("\n")) line = made.appendChild(element("div", "")); };
    for (const part of begins.split(/(?<=\n)/)) {
      line.append(element("span", part, "prompt"));
      turn(part);
    }
    texts.append(made);
    return (added) => {
      for (const step of added) {
        const bits = step.nats === null || step.nats === undefined ? 0 : step.nats / Math.LN2;
        const node = element("span", step.text, `s${Math.round(SHADES * Math.min(1, bits / MOST_BITS))}`);
        node.dataset.at = steps.length;
        steps.push(step);
        nodes.push(node);
        line.append(node);
        turn(step.text);
      }
    };
  }

  // Writes one text. Returns how many characters it got.
  async function writeOne(options, mine) {
    const { count: _, length, ...others } = options;
    // One character more than is shown: it knows what would follow the text.
    const generator = model.generate({ ...others, length: length + 1, likeliest: GUESSES });
    const { vocabulary, seed_text: excerpt } = model.card;
    // Without a prompt, a model of documents begins a new one.
    const add = article(options.prompt ?? (vocabulary.boundary ? "" : excerpt));
    let written = 0, ahead;
    try {
      for (let isDone = false; !isDone; ) {
        const until = performance.now() + SLICE, made = [];
        while (!isDone && performance.now() < until) {
          const { done, value } = generator.next();
          if (!done && ahead === undefined) { ahead = value; continue; }
          if (ahead === undefined) { isDone = true; break; }
          made.push(ahead);
          written += [...ahead.text].length;
          ahead = value;
          isDone = done || written >= length;
        }
        if (mine !== job) break;
        add(made);
        if (written > 0) body.dataset.first ??= performance.now().toFixed(1);
        if (!isDone) await pause();
        if (mine !== job) break;
      }
    } finally {
      generator.free();
    }
    if (job === mine || body.dataset.state === "stopped") expected = ahead?.likeliest;
    return written;
  }

  async function write() {
    const mine = ++job;
    let options;
    [steps, nodes, expected, current] = [[], [], undefined, -1];
    texts.replaceChildren();
    readout.replaceChildren();
    try {
      options = settings();
      link.href = fragment(options.seed);
      enter("writing");
      say("Writing\u2026");
      const start = performance.now();
      let characters = 0;
      for (let text = 0; text < options.count && mine === job; text++) {
        characters += await writeOne({ ...options, seed: BigInt.asUintN(64, options.seed + BigInt(text)) }, mine);
      }
      if (mine !== job && body.dataset.state !== "stopped") return; // another one writes
      const seconds = (performance.now() - start) / 1000;
      body.dataset.rate = Math.round(characters / seconds);
      const many = characters === 1 ? "1 character" : `${characters.toLocaleString("en")} characters`;
      const how = body.dataset.state === "stopped" ? "Stopped after" : "Wrote";
      say(`${how} ${many} in ${seconds.toFixed(2)} s \u00b7 seed ${options.seed}`);
      read(-1);
      enter("done");
    } catch (error) {
      if (mine !== job) return;
      say(error.message ?? String(error), true);
      enter("failed");
    }
  }

  function stop() {
    if (body.dataset.state !== "writing") return;
    enter("stopped");
    job++;
  }

  // What the model expected where a step is: the step's own surprise, and the likeliest characters in its place.
  function read(at) {
    nodes[current]?.classList.remove("current");
    current = at;
    const step = steps[at];
    const guesses = step ? step.likeliest : expected;
    if (!guesses) return readout.replaceChildren();
    const about = element("span", "", "about");
    if (step) {
      nodes[at].classList.add("current");
      const bits = (step.nats ?? 0) / Math.LN2;
      about.append(element("strong", label(step.text)), ` ${bits.toFixed(1)} bits of surprise \u00b7 expected`);
    } else {
      about.append("What could follow");
    }
    const chips = guesses.map(({ text, probability }) => {
      const chip = element("span", "", step && text === step.text ? "chip taken" : "chip");
      chip.style.setProperty("--share", `${(100 * probability).toFixed(1)}%`);
      chip.append(element("strong", label(text)), `\u2002${probability < 0.005 ? "<1" : Math.round(100 * probability)}\u202f% `);
      return chip;
    });
    readout.replaceChildren(about, ...chips);
  }

  form.addEventListener("submit", (event) => { event.preventDefault(); if (model) write(); });
  form.addEventListener("input", () => { link.href = fragment(); });
  prompt.addEventListener("keydown", (event) => {
    if (event.key !== "Enter" || event.shiftKey || event.isComposing) return;
    event.preventDefault();
    form.requestSubmit();
  });
  addEventListener("keydown", (event) => { if (event.key === "Escape") stop(); });
  find("stop").addEventListener("click", () => { stop(); find("write").focus(); });
  const colour = () => {
    texts.classList.toggle("coloured", find("surprise").checked);
    find("scale").hidden = !find("surprise").checked;
  };
  find("surprise").addEventListener("change", colour);

  link.addEventListener("click", (event) => {
    event.preventDefault();
    history.replaceState(null, "", link.getAttribute("href"));
    const isCopied = navigator.clipboard?.writeText(location.href) ?? Promise.reject();
    isCopied.then(() => say("The link is copied."), () => say("The link is in the address bar."));
  });
  addEventListener("hashchange", () => { restore(); if (model) write(); });

  const isIdle = () => body.dataset.state !== "writing";
  texts.addEventListener("pointerover", (event) => {
    const node = event.target.closest("[data-at]");
    if (node && isIdle()) { readout.setAttribute("aria-live", "off"); read(Number(node.dataset.at)); }
  });
  texts.addEventListener("pointerleave", () => { if (isIdle()) read(-1); });
  texts.addEventListener("keydown", (event) => {
    const moves = { ArrowLeft: -1, ArrowRight: 1, Home: -Infinity, End: Infinity };
    if (!(event.key in moves) || !isIdle() || event.altKey || event.ctrlKey || event.metaKey) return;
    event.preventDefault();
    const from = current < 0 ? nodes.length : current;
    const to = Math.max(0, from + moves[event.key]);
    readout.setAttribute("aria-live", "polite");
    read(to >= nodes.length ? -1 : to);
    nodes[current]?.scrollIntoView({ block: "nearest" });
  });

  async function begin() {
    try {
      const [wasm, bytes] = await Promise.all([unpack("engine"), unpack("model")]);
      await wasm_bindgen({ module_or_path: wasm });
      model = new wasm_bindgen.Model(bytes);
      for (const id of ["engine", "model"]) find(id).remove();
      find("write").disabled = false;
      await write();
    } catch (error) {
      say(`This browser cannot run the model: ${error.message ?? error}. Use a current Firefox, Chromium or Safari.`, true);
      enter("failed");
    }
  }

  restore();
  colour();
  begin();
})();
