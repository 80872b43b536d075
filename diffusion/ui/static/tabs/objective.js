// The objective: one picture, the noise added to it, the network's guess and the loss, at every noise level.
Diffusion.views.objective = (element, props, watch, server) => {
  "use strict";
  const D = Diffusion;
  const root = element.querySelector(".lab");
  const find = (selector) => root.querySelector(selector);
  const { image_shape: shape, levels, alphas_cumprod: alphaBars, examples, typical, data } = props.value;
  const [height, width, channels] = shape;
  const size = height * width * channels;
  const last = levels.length - 1;
  const T = levels[last];
  const NOISE_RANGE = 3;
  const grids = Object.fromEntries(["x_t", "eps", "eps_hat", "difference"].map((name) => {
    const grid = new D.Grid(find(`[data-c="${name}"]`));
    grid.resize(1, shape);
    return [name, grid];
  }));
  let chosen = null; // {pixels: base64, label}
  let answer = null; // {x0, noise, epsHat, loss}
  let seed = 0;

  // ---- the chart, on a log scale ---------------------------------------------------------------------
  const chart = new D.Chart(find('[data-chart="loss"]'), {
    lines: ["loss"],
    y: [-4, 0.5],
    yTicks: [[0, "1"], [-1, "0.1"], [-2, "0.01"], [-3, "0.001"]],
    xTicks: [[0, "t = 0"], [0.25, String(T / 4)], [0.5, String(T / 2)], [0.75, String((3 * T) / 4)], [1, String(T)]],
    onDrag: (fraction) => transport.userSet(Math.round(fraction * last)),
  });

  // ---- one noise level -------------------------------------------------------------------------------
  const pixels = (values, range) => Uint8ClampedArray.from(values, (v) => 127.5 * (v / range + 1));
  function draw() {
    if (!chosen) choose(examples[0]);
    if (!answer) return;
    const k = transport.value;
    const t = levels[k];
    const [alpha, sigma] = [Math.sqrt(alphaBars[k]), Math.sqrt(1 - alphaBars[k])];
    const epsHat = answer.epsHat.subarray(k * size, (k + 1) * size);
    grids.x_t.show(pixels(answer.x0.map((x, i) => alpha * x + sigma * answer.noise[i]), 1), 0);
    grids.eps.show(pixels(answer.noise, NOISE_RANGE), 0);
    grids.eps_hat.show(pixels(epsHat, NOISE_RANGE), 0);
    grids.difference.show(pixels(answer.noise.map((e, i) => e - epsHat[i]), NOISE_RANGE), 0);
    chart.cursor("x_t", k / last);
    D.fill(root, {
      t: `${t}`,
      snr: D.decibels(alphaBars[k] / (1 - alphaBars[k])),
      loss: D.fixed(answer.loss[k], 5),
      typical: D.fixed(typical[Math.min(3, Math.floor(((t - 1) / T) * 4))], 4),
    });
  }
  const redraw = D.onNextFrame(root, draw);
  const transport = new D.Transport(root, {
    stage: find(".stage"),
    seconds: 6,
    describe: (k) => D.phrase(props.strings.valuetext_level, {
      t: levels[k], T, loss: answer ? D.fixed(answer.loss[k], 4) : "–",
    }),
    onChange: redraw,
  });

  // ---- the picture -----------------------------------------------------------------------------------
  const decode = (base64) => Uint8Array.from(atob(base64), (c) => c.charCodeAt(0));
  let request = 0;
  async function choose(picture) {
    chosen = picture;
    for (const button of find(".presets").children) button.setAttribute("aria-pressed", button.picture === picture);
    const mine = ++request;
    const { pixels, label } = picture;
    const reply = await server.predict({ pixels, label, seed });
    if (mine !== request) return; // another picture was chosen meanwhile
    find('[data-role="note"]').textContent = reply.problem ?? picture.note ?? "";
    if (reply.problem) return;
    answer = {
      x0: Float32Array.from(decode(pixels), (v) => v / 127.5 - 1),
      noise: D.halfFloats(reply.noise),
      epsHat: D.halfFloats(reply.eps_hat),
      loss: reply.loss,
    };
    chart.plot("loss", answer.loss.map(Math.log10));
    transport.set(transport.value);
  }

  function button(name, picture) {
    const node = document.createElement("button");
    node.type = "button";
    node.className = "preset";
    node.title = name;
    node.setAttribute("aria-label", name);
    node.picture = picture;
    node.append(document.createElement("canvas"));
    node.addEventListener("click", () => choose(node.picture));
    find(".presets").append(node);
    return node;
  }
  function paint(node) {
    const grid = new D.Grid(node.firstChild);
    grid.resize(1, shape);
    grid.show(decode(node.picture.pixels), 0);
  }
  for (const example of examples) paint(button(example.name, example));

  // The Forward tab's picture, as the network would have to see it.
  const own = button(D.phrase(props.strings.own_example, { width, height }), null);
  own.classList.add("mine");
  async function takeOwn() {
    const image = new Image();
    image.src = D.state.picture;
    await image.decode();
    const canvas = new OffscreenCanvas(width, height);
    const context = canvas.getContext("2d");
    context.imageSmoothingQuality = "high";
    context.drawImage(image, 0, 0, width, height);
    const rgba = context.getImageData(0, 0, width, height).data;
    let text = "";
    for (let p = 0; p < rgba.length; p += 4) {
      const grey = Math.round(0.299 * rgba[p] + 0.587 * rgba[p + 1] + 0.114 * rgba[p + 2]);
      const values = channels === 1 ? [grey] : rgba.subarray(p, p + 3);
      text += String.fromCharCode(...values);
    }
    const wasChosen = chosen && chosen === own.picture;
    own.picture = { pixels: btoa(text), label: null, note: D.phrase(props.strings.own_note, { data }) };
    paint(own);
    if (wasChosen) choose(own.picture);
  }
  if (D.state.picture) takeOwn();
  D.subscribe((changes) => changes.picture && takeOwn());

  find('[data-role="other-noise"]').addEventListener("click", () => {
    seed += 1;
    choose(chosen);
  });
  transport.setRange(last, Math.round(0.4 * last));
};
