// What every tab uses: the shared picture and noise, decoding, drawing and numbers.
// Python computes pictures, noise and schedule tables; everything that follows a slider happens here.
window.Diffusion = (() => {
  "use strict";
  const SIZE = 256;
  const views = {};

  // ---- the shared state -------------------------------------------------------------------------
  const state = {
    x0: null, // Float32Array (SIZE · SIZE · 3) in [−1, 1]
    noise: null, // Float32Array, the jump's ε
    stepNoise: null, // Float32Array, the single step's ε in the Markov view
    seed: 0,
    progress: 0.4, // t / T, so that tabs with another T stay together
    tables: null, // {T, linear: ᾱ_0..ᾱ_T, cosine: …} at T = 1000
    film: null, // the one that came with the checkpoint: {id, info, frames, rows}
  };
  const listeners = new Set();
  function subscribe(listener) {
    listeners.add(listener);
  }
  function update(changes) {
    Object.assign(state, changes);
    for (const listener of listeners) listener(changes);
  }

  // ---- decoding -----------------------------------------------------------------------------------
  function bytesFrom(base64) {
    const text = atob(base64);
    const out = new Uint8Array(text.length);
    for (let i = 0; i < text.length; i++) out[i] = text.charCodeAt(i);
    return out;
  }

  const halfTable = (() => {
    // IEEE 754 half precision: 1 sign, 5 exponent and 10 fraction bits.
    const table = new Float32Array(65536);
    for (let h = 0; h < 65536; h++) {
      const exponent = (h >> 10) & 31;
      const fraction = h & 1023;
      const size = exponent ? 2 ** (exponent - 15) * (1 + fraction / 1024) : fraction * 2 ** -24;
      table[h] = h & 32768 ? -size : size;
    }
    return table;
  })();
  function halfFloats(base64) {
    const halves = new Uint16Array(bytesFrom(base64).buffer);
    const out = new Float32Array(halves.length);
    for (let i = 0; i < out.length; i++) out[i] = halfTable[halves[i]];
    return out;
  }

  let pictureRequest = 0;
  async function setPicture(dataUrl) {
    const request = ++pictureRequest;
    const image = new Image();
    image.src = dataUrl;
    await image.decode();
    if (request !== pictureRequest) return; // a newer picture was chosen meanwhile
    const canvas = new OffscreenCanvas(SIZE, SIZE);
    const context = canvas.getContext("2d", { willReadFrequently: true });
    context.drawImage(image, 0, 0);
    const rgba = context.getImageData(0, 0, SIZE, SIZE).data;
    const x0 = new Float32Array(SIZE * SIZE * 3);
    for (let i = 0, p = 0; i < x0.length; i += 3, p += 4)
      for (let c = 0; c < 3; c++) x0[i + c] = rgba[p + c] / 127.5 - 1;
    update({ x0, picture: dataUrl });
  }

  let noiseRequest = 0;
  async function setSeed(server, seed) {
    const request = ++noiseRequest;
    const [noise, stepNoise] = await server.noise({ seed });
    if (request !== noiseRequest) return;
    update({ seed, noise: halfFloats(noise), stepNoise: halfFloats(stepNoise) });
  }

  // ---- drawing ------------------------------------------------------------------------------------
  class Picture {
    // A canvas of size × size pixels that mixes a · x + b · y straight into its pixels.
    constructor(canvas, size = SIZE) {
      canvas.width = canvas.height = size;
      this.context = canvas.getContext("2d");
      this.image = this.context.createImageData(size, size);
      this.image.data.fill(255);
    }

    // grey = round(127.5 · (a·x + b·y + 1)), cut off at 0 and 255; the array does rounding and cutting.
    mix(x, a, y, b) {
      const out = this.image.data;
      const scaledA = 127.5 * a;
      const scaledB = 127.5 * b;
      for (let i = 0, p = 0; i < x.length; i += 3, p += 4) {
        out[p] = scaledA * x[i] + scaledB * y[i] + 127.5;
        out[p + 1] = scaledA * x[i + 1] + scaledB * y[i + 1] + 127.5;
        out[p + 2] = scaledA * x[i + 2] + scaledB * y[i + 2] + 127.5;
      }
      this.context.putImageData(this.image, 0, 0);
    }

    show(x, range = 1) {
      this.mix(x, 1 / range, x, 0);
    }
  }

  // As square as it gets without empty places, if that is not much wider than high.
  function columnsFor(count) {
    const square = Math.ceil(Math.sqrt(count));
    for (let columns = square; columns <= 2 * square - 1; columns++) if (count % columns === 0) return columns;
    return square;
  }
  class Grid {
    // B small pictures in one canvas, one pixel of theirs a pixel of its.
    constructor(canvas) {
      this.canvas = canvas;
      this.context = canvas.getContext("2d");
    }

    resize(count, [height, width, channels], columns = columnsFor(count)) {
      Object.assign(this, { count, height, width, channels, columns });
      this.canvas.width = columns * width;
      this.canvas.height = Math.ceil(count / columns) * height;
      this.image = this.context.createImageData(this.canvas.width, this.canvas.height);
    }

    show(frame, offset) {
      const out = this.image.data;
      let from = offset;
      for (let i = 0; i < this.count; i++) {
        const left = (i % this.columns) * this.width;
        const top = Math.floor(i / this.columns) * this.height;
        for (let y = 0; y < this.height; y++) {
          let to = ((top + y) * this.canvas.width + left) * 4;
          for (let x = 0; x < this.width; x++, to += 4, from += this.channels) {
            out[to] = frame[from];
            out[to + 1] = frame[from + (this.channels > 1 ? 1 : 0)];
            out[to + 2] = frame[from + (this.channels > 1 ? 2 : 0)];
            out[to + 3] = 255;
          }
        }
      }
      this.context.putImageData(this.image, 0, 0);
    }
  }

  // The shape of a film's plane.
  const shapeOf = (info, name) => info.planes.find((plane) => plane.name === name).shape;

  // Put the frames of a message into a film {frames: [bytes], rows}.
  function addFrames(film, frames) {
    for (const { k, pixels, row } of frames) {
      film.frames[k] = bytesFrom(pixels);
      if (row) film.rows[k] = row;
    }
    return film;
  }

  const HISTOGRAM_BINS = 80;
  const HISTOGRAM_RANGE = 3.2;
  function density(x, a, y, b) {
    // The density of a·x + b·y over [−3.2, 3.2], from every fourth value: red, green and blue in turn.
    const scale = HISTOGRAM_BINS / (2 * HISTOGRAM_RANGE);
    const counts = new Float32Array(HISTOGRAM_BINS + 2); // the first and the last take what lies outside
    for (let i = 0; i < x.length; i += 4) {
      const bin = ((a * x[i] + b * y[i] + HISTOGRAM_RANGE) * scale + 1) | 0;
      counts[bin < 1 ? 0 : bin > HISTOGRAM_BINS ? HISTOGRAM_BINS + 1 : bin]++;
    }
    return counts.subarray(1, -1).map((count) => (count * scale * 4) / x.length);
  }
  const normalDensity = Float32Array.from({ length: HISTOGRAM_BINS }, (_, i) => {
    const x = ((i + 0.5) / HISTOGRAM_BINS - 0.5) * 2 * HISTOGRAM_RANGE;
    return Math.exp(-x * x / 2) / Math.sqrt(2 * Math.PI);
  });

  // ---- numbers --------------------------------------------------------------------------------------
  const decibels = (snr) => (snr === Infinity ? "∞" : (10 * Math.log10(snr)).toFixed(1).replace("-", "−"));
  const fixed = (value, digits = 4) => value.toFixed(digits).replace("-", "−");
  // Write {key: text} into every [data-n=key] under root. The places are looked up once.
  const places = new WeakMap();
  function fill(root, values) {
    if (!places.has(root)) places.set(root, {});
    const known = places.get(root);
    for (const [key, value] of Object.entries(values))
      for (const node of (known[key] ??= [...root.querySelectorAll(`[data-n="${key}"]`)]))
        if (node.textContent !== value) node.textContent = value;
  }

  // Run `draw` at most once a frame, at the next one; while root's tab is hidden, when it is shown again.
  function onNextFrame(root, draw) {
    let asked = false;
    let stale = false;
    const ask = () => {
      if (asked) return;
      asked = true;
      requestAnimationFrame(() => {
        asked = false;
        stale = root.offsetParent === null;
        if (!stale) draw();
      });
    };
    new ResizeObserver(() => stale && ask()).observe(root);
    return ask;
  }

  // A text with a value in the place of each {name}.
  function phrase(text, values) {
    return Object.entries(values).reduce((filled, [name, value]) => filled.replaceAll(`{${name}}`, () => value), text);
  }

  // Call `listener` with the chosen value of a group of radio buttons, on each change.
  function onChoice(root, name, listener) {
    for (const input of root.querySelectorAll(`input[name="${name}"]`))
      input.addEventListener("change", () => listener(input.value));
  }

  // Buttons for the preset pictures, and one that opens the upload.
  function presetRow(root, presets, ownLabel) {
    for (const { name, picture } of presets) {
      const button = document.createElement("button");
      button.type = "button";
      button.className = "preset";
      button.title = name;
      button.setAttribute("aria-label", name);
      button.innerHTML = '<img alt="" width="52" height="52">';
      button.firstChild.src = picture;
      button.addEventListener("click", () => setPicture(picture));
      root.append(button);
    }
    const own = document.createElement("button");
    own.type = "button";
    own.className = "preset own";
    own.title = ownLabel;
    own.textContent = "+";
    own.setAttribute("aria-label", ownLabel);
    own.addEventListener("click", () => document.querySelector(".picture-input input[type=file]").click());
    const mark = () => {
      for (const button of root.children)
        button.setAttribute("aria-pressed", button.firstChild.src === state.picture);
    };
    mark();
    root.append(own);
    subscribe((changes) => changes.picture && mark());
  }

  return {
    SIZE, HISTOGRAM_RANGE, state, views, subscribe, update, bytesFrom, halfFloats, setPicture, setSeed, Picture, Grid,
    shapeOf, addFrames, density, normalDensity, decibels, fixed, fill, phrase, onNextFrame, onChoice, presetRow,
    reducedMotion: matchMedia("(prefers-reduced-motion: reduce)"),
  };
})();
