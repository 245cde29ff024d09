// The page's script: the switch between light and dark, and the passage that the reader colours.
// It loads nothing. Text of the passage reaches the page through textContent alone.
"use strict";

(() => {
  const PAGE = 800; // characters shown at a time
  const PARTS_OF_A_BIT = 16;
  const MOST_BITS = 8; // a surprise that gets the full colour

  const find = (id) => document.getElementById(id);

  find("theme").addEventListener("click", () => {
    const root = document.documentElement;
    const isDark = root.dataset.theme ? root.dataset.theme === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
    root.dataset.theme = isDark ? "light" : "dark";
    document.dispatchEvent(new Event("themechange"));
  });

  const data = find("data");
  if (data) show(JSON.parse(data.textContent));

  // Base64 of raw deflate to bytes.
  async function inflate(packed) {
    const bytes = Uint8Array.from(atob(packed), (letter) => letter.charCodeAt(0));
    const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("deflate-raw"));
    return new Uint8Array(await new Response(stream).arrayBuffer());
  }

  // The same, as numbers of 16 bits, low byte first.
  async function words(packed) {
    const bytes = await inflate(packed);
    return Uint16Array.from({ length: bytes.length / 2 }, (_, at) => bytes[2 * at] | (bytes[2 * at + 1] << 8));
  }

  // The states of a cell, from -1 to 1: "=" before levels, "+" before differences between neighbours.
  async function unpack(packed, steps) {
    const bytes = await inflate(packed.slice(1));
    const isDifferent = packed[0] === "+";
    const levels = 2 * steps + 1;
    const states = new Float32Array(bytes.length);
    let level = steps;
    for (let at = 0; at < bytes.length; at++) {
      level = isDifferent ? (level + bytes[at]) % levels : bytes[at];
      states[at] = (level - steps) / steps;
    }
    return states;
  }

  async function show({ symbols, breaks, tokens, surprise, guesses, guessed, probabilities, cells, features }) {
    [tokens, surprise, guessed, probabilities] = await Promise.all([
      words(tokens), inflate(surprise), words(guessed), inflate(probabilities),
    ]);
    const viewer = find("viewer"), passage = find("passage"), readout = find("readout");
    const layer = find("layer"), cell = find("cell"), page = find("page"), strip = find("strip");
    const isBreak = new Set(breaks);
    let states = new Float32Array(0); // of the cell that is picked
    let holds = new Uint8Array(0); // of the feature that the cell was picked for: where it holds
    let nodes = []; // one for each character that is shown
    let current = 0; // the character that is read out
    let asked = 0; // counts picks, so that only the last one is drawn

    page.max = Math.max(0, Math.ceil(tokens.length / PAGE) - 1);
    const start = () => page.valueAsNumber * PAGE;
    const colour = () => document.querySelector('input[name="colour"]:checked').value;

    // A character's strength, from -1 to 1, by what the reader colours by.
    function strength(at, by) {
      switch (by) {
        case "cell": return at < states.length ? states[at] : 0;
        case "surprise": return Math.min(1, surprise[at] / PARTS_OF_A_BIT / MOST_BITS);
        default: return 0;
      }
    }

    function paint() {
      paintStrip(); // first: it asks for sizes, which are known until the text changes
      const from = start(), by = colour();
      nodes.forEach((node, at) => {
        const value = strength(from + at, by);
        node.firstChild.className = (value < 0 ? "cold" : "hot") + (holds[from + at] ? " holds" : "");
        node.firstChild.style.setProperty("--a", Math.round(100 * Math.abs(value)));
      });
    }

    // The whole passage in one line, with the part that is shown marked.
    function paintStrip() {
      const width = (strip.width = Math.max(1, strip.clientWidth)), height = strip.height;
      const brush = strip.getContext("2d"), style = getComputedStyle(strip), by = colour();
      const ink = (name) => getComputedStyle(document.querySelector(`.ink-${name}`)).borderBottomColor;
      const cold = ink("cold"), hot = ink("hot");
      brush.clearRect(0, 0, width, height);
      for (let across = 0; across < width; across++) {
        const from = Math.floor((across * tokens.length) / width);
        const to = Math.max(from + 1, Math.floor(((across + 1) * tokens.length) / width));
        let sum = 0;
        for (let at = from; at < to; at++) sum += strength(at, by);
        const mean = sum / (to - from);
        brush.globalAlpha = Math.abs(mean);
        brush.fillStyle = mean < 0 ? cold : hot;
        brush.fillRect(across, 6, 1, height - 12);
      }
      brush.globalAlpha = 1;
      brush.fillStyle = style.color;
      const left = (start() / tokens.length) * width, size = Math.max(3, (nodes.length / tokens.length) * width);
      brush.fillRect(left, 0, size, 3);
      brush.fillRect(left, height - 3, size, 3);
    }

    function element(name, text, className) {
      const made = document.createElement(name);
      made.textContent = text;
      if (className) made.className = className;
      return made;
    }

    // A character with the guesses for the next one beneath it.
    function column(at) {
      const node = document.createElement("span");
      node.dataset.at = at;
      node.append(element("b", symbols[tokens[at]]));
      for (let rank = 0; rank < guesses; rank++) {
        const token = guessed[at * guesses + rank];
        const guess = element("i", symbols[token], token === tokens[at + 1] ? "next" : "");
        guess.setAttribute("aria-hidden", "true");
        guess.style.setProperty("--a", Math.round(probabilities[at * guesses + rank] / 2.55));
        node.append(guess);
      }
      return node;
    }

    function turn() {
      const from = start(), to = Math.min(tokens.length, from + PAGE);
      const lines = document.createDocumentFragment();
      nodes = [];
      for (let at = from; at < to; at++) {
        const node = column(at);
        nodes.push(node);
        lines.append(node);
        if (isBreak.has(tokens[at])) lines.append(document.createElement("br"));
      }
      passage.replaceChildren(lines);
      current = Math.min(Math.max(current, from), Math.max(from, to - 1));
      page.setAttribute("aria-valuetext", `characters ${from + 1} to ${to} of ${tokens.length}`);
      find("back").disabled = page.value === page.min;
      find("forth").disabled = page.value === page.max;
      paint();
    }

    // A character where a space has to be seen.
    const label = (token) => (symbols[token] === " " ? "\u2423" : symbols[token]);

    // What is known of a character, in words.
    function read(at) {
      const before = nodes[current - start()];
      if (before) before.classList.remove("current");
      current = at;
      const node = nodes[at - start()];
      if (!node) return;
      node.classList.add("current");
      const parts = [element("strong", label(tokens[at]))];
      const state = at < states.length ? `state ${states[at] < 0 ? "\u2212" : "+"}${Math.abs(states[at]).toFixed(2)}` : "no state";
      parts.push(` ${state} \u00b7 ${(surprise[at] / PARTS_OF_A_BIT).toFixed(1)} bits of surprise \u00b7 next:`);
      for (let rank = 0; rank < guesses; rank++) {
        const share = Math.round(probabilities[at * guesses + rank] / 2.55);
        parts.push(" ", element("strong", label(guessed[at * guesses + rank])), `\u00a0${share}\u00a0%`);
      }
      readout.replaceChildren(...parts);
    }

    // Picks a cell and colours the text; `clicked` is when the reader asked for it.
    async function pick(layerNumber, cellNumber, clicked, feature) {
      const ask = ++asked;
      const packed = cells.layers[layerNumber]?.[cellNumber];
      if (!packed) return;
      const unpacked = await unpack(packed, cells.steps);
      const marked = features[feature] ? await inflate(features[feature]) : new Uint8Array(0);
      if (ask !== asked) return;
      [states, holds] = [unpacked, marked];
      find("holds").hidden = !features[feature];
      find("holds").lastChild.textContent = feature ?? "";
      layer.value = layerNumber;
      cell.max = cells.layers[layerNumber].length - 1;
      if (cell.valueAsNumber !== cellNumber) cell.value = cellNumber;
      for (const button of document.querySelectorAll("button[data-cell]")) {
        const isIt = Number(button.dataset.layer) === layerNumber && Number(button.dataset.cell) === cellNumber;
        button.setAttribute("aria-pressed", isIt);
      }
      paint();
      read(current);
      viewer.dataset.layer = layerNumber;
      viewer.dataset.cell = cellNumber;
      if (clicked !== undefined) viewer.dataset.milliseconds = (performance.now() - clicked).toFixed(1);
    }

    const chosen = (event) => pick(Number(layer.value), Math.min(cell.valueAsNumber || 0, cells.layers[layer.value].length - 1), event.timeStamp);
    layer.addEventListener("change", chosen);
    cell.addEventListener("input", chosen);
    for (const button of document.querySelectorAll("button[data-cell]")) {
      button.addEventListener("click", (event) => {
        document.querySelector('input[name="colour"][value="cell"]').checked = true;
        pick(Number(button.dataset.layer), Number(button.dataset.cell), event.timeStamp, button.dataset.feature);
      });
    }
    for (const input of document.querySelectorAll('input[name="colour"]')) input.addEventListener("change", paint);
    const showGuesses = () => passage.classList.toggle("plain", !find("guesses").checked);
    find("guesses").addEventListener("change", showGuesses);
    page.addEventListener("input", turn);
    const leaf = (pages) => { page.value = page.valueAsNumber + pages; turn(); read(current); };
    find("back").addEventListener("click", () => leaf(-1));
    find("forth").addEventListener("click", () => leaf(1));
    strip.addEventListener("click", (event) => {
      page.value = Math.floor(((event.offsetX / strip.clientWidth) * tokens.length) / PAGE);
      turn();
      read(current);
    });

    const under = (event) => event.target.closest("[data-at]");
    const hear = (event) => { const node = under(event); if (node) read(Number(node.dataset.at)); };
    passage.addEventListener("pointerover", hear);
    passage.addEventListener("click", hear);
    passage.addEventListener("keydown", (event) => {
      const moves = { ArrowLeft: -1, ArrowRight: 1, ArrowUp: -10, ArrowDown: 10, Home: -tokens.length, End: tokens.length };
      if (!(event.key in moves)) return;
      event.preventDefault();
      const to = Math.min(tokens.length - 1, Math.max(0, current + moves[event.key]));
      if (Math.floor(to / PAGE) !== page.valueAsNumber) { page.value = Math.floor(to / PAGE); turn(); }
      read(to);
      nodes[to - start()].scrollIntoView({ block: "nearest" });
    });
    document.addEventListener("themechange", paintStrip);
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", paintStrip);
    addEventListener("resize", paintStrip);

    find("guesses").checked = matchMedia("(min-width: 700px)").matches;
    showGuesses();
    turn();
    await pick(Number(viewer.dataset.layer), Number(viewer.dataset.cell), undefined, viewer.dataset.feature);
    viewer.dataset.ready = "";
  }
})();
