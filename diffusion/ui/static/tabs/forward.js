// The Forward tab: x_t = √ᾱ_t x_0 + √(1 − ᾱ_t) ε for every t, as pictures, numbers and a histogram.
Diffusion.views.forward = (element, props, watch, server) => {
  "use strict";
  const D = Diffusion;
  const { state } = D;
  const root = element.querySelector(".lab");
  const find = (selector) => root.querySelector(selector);
  const pictures = Object.fromEntries(
    ["x_0", "eps", "x_t"].map((name) => [name, new D.Picture(find(`[data-c="${name}"]`))]),
  );
  let schedule = "linear";
  let markov = false;
  let atStart = true; // t = 0, where the Markov view has no step to show

  const histogram = new D.Chart(find('[data-chart="histogram"]'), {
    lines: ["normal", "jump", "x_t"],
    y: [0, 1.2],
    yTicks: [[0, "0"], [0.4, "0.4"], [0.8, "0.8"], [1.2, "1.2"]],
    xTicks: [-3, -2, -1, 0, 1, 2, 3].map((v) => [0.5 + v / (2 * D.HISTOGRAM_RANGE), String(v).replace("-", "−")]),
  });
  histogram.plot("normal", D.normalDensity);
  const curve = new D.Chart(find('[data-chart="curve"]'), {
    lines: ["signal", "noise"],
    y: [0, 1],
    yTicks: [[0, "0"], [0.5, "0.5"], [1, "1"]],
    xTicks: [[0, "0"], [0.5, "500"], [1, "1000"]],
    onDrag: (fraction) => transport.userSet(Math.round(fraction * transport.last)),
  });

  const table = () => state.tables[schedule];

  function numbers(t) {
    const a = table()[t];
    const previous = table()[Math.max(t - 1, 0)];
    const beta = 1 - a / previous;
    const snr = a / (1 - a);
    return { t, a, previous, beta, snr, alpha: Math.sqrt(a), sigma: Math.sqrt(1 - a) };
  }

  // The residual x_t − √ᾱ_t x_0 of the single step: its mean should be 0, its variance 1 − ᾱ_t.
  function residual(a, b, c) {
    let sum = 0;
    let squares = 0;
    let seen = 0;
    for (let i = 0; i < state.x0.length; i += 4, seen++) {
      const value = a * state.x0[i] + b * state.noise[i] + c * state.stepNoise[i];
      sum += value;
      squares += value * value;
    }
    return { mean: sum / seen, variance: squares / seen - (sum / seen) ** 2 };
  }

  let previousPicture = new Float32Array(0); // x_{t−1}, in the Markov view
  function draw() {
    if (!state.x0 || !state.noise || !state.tables) return;
    const n = numbers(transport.value);
    if (markov && n.t > 0) drawStep(n);
    else drawJump(n);
    curve.cursor("x_t", n.t / transport.last);
    D.fill(root, {
      t: String(n.t),
      previous_t: String(Math.max(n.t - 1, 0)),
      alpha: D.fixed(n.alpha),
      sigma: D.fixed(n.sigma),
      alpha_bar: n.a < 1e-3 ? n.a.toExponential(2).replace("-", "−") : D.fixed(n.a),
      beta: n.beta.toFixed(5),
      keep: D.fixed(Math.sqrt(1 - n.beta), 5),
      add: D.fixed(Math.sqrt(n.beta), 5),
      snr: D.decibels(n.snr),
      percent: (100 * n.alpha).toFixed(1),
      variance: D.fixed(1 - n.a),
    });
  }

  function drawJump(n) {
    pictures.x_t.mix(state.x0, n.alpha, state.noise, n.sigma);
    histogram.plot("x_t", D.density(state.x0, n.alpha, state.noise, n.sigma));
    histogram.paths.jump.setAttribute("d", "");
  }

  function drawStep(n) {
    const [keep, add] = [Math.sqrt(1 - n.beta), Math.sqrt(n.beta)];
    const [alpha, sigma] = [Math.sqrt(n.previous), Math.sqrt(1 - n.previous)];
    const { x0, noise, stepNoise } = state;
    if (previousPicture.length !== x0.length) previousPicture = new Float32Array(x0.length);
    for (let i = 0; i < x0.length; i++) previousPicture[i] = alpha * x0[i] + sigma * noise[i];
    pictures.x_0.show(previousPicture);
    pictures.x_t.mix(previousPicture, keep, stepNoise, add);
    histogram.plot("x_t", D.density(previousPicture, keep, stepNoise, add));
    histogram.plot("jump", D.density(x0, n.alpha, noise, n.sigma));
    const { mean, variance } = residual(keep * alpha - n.alpha, keep * sigma, add);
    D.fill(root, { measured_mean: D.fixed(mean), measured_variance: D.fixed(variance) });
  }

  function drawSources() {
    if (!state.x0 || !state.noise) return;
    const step = markov && transport.value > 0;
    if (!step) pictures.x_0.show(state.x0);
    pictures.eps.show(step ? state.stepNoise : state.noise, 3);
  }

  function drawCurves() {
    if (!state.tables) return;
    curve.plot("signal", table().map(Math.sqrt), 4);
    curve.plot("noise", table().map((a) => Math.sqrt(1 - a)), 4);
  }

  const redraw = D.onNextFrame(root, draw);
  const transport = new D.Transport(root, {
    stage: find(".stage"),
    seconds: 9,
    describe: (t) => {
      if (!state.tables) return "";
      const percent = (100 * Math.sqrt(table()[t])).toFixed(0);
      return D.phrase(props.strings.valuetext, {
        t, T: transport.last, percent, schedule: props.strings[schedule],
      });
    },
    onChange: (t) => {
      if (markov && (t === 0) !== atStart) drawSources();
      atStart = t === 0;
      redraw();
    },
    shared: true,
  });

  D.onChoice(root, "forward-schedule", (value) => {
    schedule = value;
    drawCurves();
    transport.set(transport.value);
  });
  find('[data-role="markov"]').addEventListener("change", (event) => {
    markov = event.target.checked;
    root.classList.toggle("markov", markov);
    drawSources();
    redraw();
  });
  const seed = find('[data-role="seed"]');
  const seedError = find('[data-role="seed-error"]');
  seed.addEventListener("change", () => {
    const value = Number(seed.value);
    const valid = seed.value !== "" && Number.isInteger(value) && value >= 0 && value < 2 ** 32;
    seedError.hidden = valid;
    if (valid) D.setSeed(server, value);
  });

  D.subscribe((changes) => {
    if (changes.x0 || changes.noise) drawSources();
    if (changes.x0 || changes.noise || changes.tables) redraw();
  });

  function receive() {
    const value = props.value;
    if (!value) return;
    if (value.tables && !state.tables) {
      D.update({ tables: value.tables });
      transport.follow(value.tables.T);
      drawCurves();
    }
    if (value.presets && !root.dataset.filled) {
      root.dataset.filled = true;
      D.presetRow(find(".presets"), value.presets, props.strings.your_picture);
      D.update({ presets: value.presets });
    }
    if (value.noise) D.update({ seed: value.seed, noise: D.halfFloats(value.noise), stepNoise: D.halfFloats(value.stepNoise) });
    if (value.picture) D.setPicture(value.picture);
  }
  watch("value", receive);
  receive();
};
