// The Schedules tab: the same picture and noise under linear and cosine, at the same t or the same SNR.
Diffusion.views.schedules = (element, props, watch, server) => {
  "use strict";
  const D = Diffusion;
  const { state } = D;
  const root = element.querySelector(".lab");
  const find = (selector) => root.querySelector(selector);
  const NAMES = ["linear", "cosine"];
  const THUMBS = 11;
  const THUMB_SIZE = 64;
  const pictures = Object.fromEntries(NAMES.map((name) => [name, new D.Picture(find(`[data-c="${name}"]`))]));
  let tables = null; // {T, linear, cosine} for the chosen T
  let equalSnr = false;
  let leader = "linear";

  // ---- the two timesteps ---------------------------------------------------------------------------
  const halfLogSnr = (a) => 0.5 * Math.log(a / (1 - a));

  // The fractional t in 1..T of `table` at this half-log-SNR, held at the ends (as timestep_at in Python).
  function timestepAt(table, wanted) {
    const last = table.length - 1;
    if (wanted >= halfLogSnr(table[1])) return { t: 1, held: wanted > halfLogSnr(table[1]) };
    if (wanted <= halfLogSnr(table[last])) return { t: last, held: wanted < halfLogSnr(table[last]) };
    let low = 1;
    let high = last;
    while (high - low > 1) {
      const middle = (low + high) >> 1;
      if (halfLogSnr(table[middle]) >= wanted) low = middle;
      else high = middle;
    }
    const [above, below] = [halfLogSnr(table[low]), halfLogSnr(table[high])];
    return { t: low + (above - wanted) / (above - below), held: false };
  }

  // {linear: {t, a, held}, cosine: {…}} for the slider's t.
  function bothAt(t) {
    const both = Object.fromEntries(NAMES.map((name) => [name, { t, a: tables[name][t], held: false }]));
    if (!equalSnr || t === 0) return both;
    const follower = leader === "linear" ? "cosine" : "linear";
    const partner = timestepAt(tables[follower], halfLogSnr(tables[leader][t]));
    // Where it is not held, the partner is exactly as noisy: the same ᾱ.
    both[follower] = { ...partner, a: partner.held ? tables[follower][partner.t] : tables[leader][t] };
    return both;
  }

  // ---- drawing --------------------------------------------------------------------------------------
  const chartOptions = (y, yTicks) => ({
    lines: NAMES, y, yTicks,
    xTicks: [[0, "0"], [0.5, "½ T"], [1, "T"]],
    onDrag: (fraction) => transport.userSet(Math.round(fraction * transport.last)),
  });
  const charts = {
    beta: new D.Chart(find('[data-chart="beta"]'), chartOptions([-4, 0], [[-4, "10⁻⁴"], [-2, "0.01"], [0, "1"]])),
    alpha_bar: new D.Chart(find('[data-chart="alpha_bar"]'), chartOptions([0, 1], [[0, "0"], [0.5, "0.5"], [1, "1"]])),
    log_snr: new D.Chart(find('[data-chart="log_snr"]'), chartOptions([-60, 40], [[-60, "−60"], [-20, "−20"], [0, "0"], [40, "40"]])),
  };

  function drawCurves() {
    const step = Math.max(1, Math.floor(tables.T / 250));
    for (const name of NAMES) {
      const a = tables[name];
      const betas = a.slice(1).map((value, i) => Math.log10(1 - value / a[i]));
      charts.beta.plot(name, betas, step);
      charts.alpha_bar.plot(name, a, step);
      charts.log_snr.plot(name, a.map((v) => (v === 1 ? 40 : 10 * Math.log10(v / (1 - v)))), step);
    }
    const share = (a) => `${Math.round((100 * a.filter((v) => v / (1 - v) < 0.01).length) / tables.T)} %`;
    D.fill(root, { T: String(tables.T), linear_share: share(tables.linear), cosine_share: share(tables.cosine) });
  }

  function draw() {
    if (!tables || !state.x0 || !state.noise) return;
    const both = bothAt(transport.value);
    for (const name of NAMES) {
      const { t, a } = both[name];
      pictures[name].mix(state.x0, Math.sqrt(a), state.noise, Math.sqrt(1 - a));
      for (const chart of Object.values(charts)) chart.cursor(name, t / tables.T);
      D.fill(find(`[data-panel="${name}"]`), {
        t: Number.isInteger(t) ? String(t) : t.toFixed(1),
        alpha: D.fixed(Math.sqrt(a)),
        sigma: D.fixed(Math.sqrt(1 - a)),
        snr: D.decibels(a / (1 - a)),
      });
    }
    const held = NAMES.find((name) => both[name].held);
    const message = !equalSnr ? "" : held
      ? D.phrase(props.strings.held, { schedule: props.strings[held] })
      : props.strings.equal_note;
    const line = find('[data-role="held"]');
    if (line.textContent !== message) line.textContent = message;
  }
  const redraw = D.onNextFrame(root, draw);

  // Small pictures over t: every fourth pixel of x_t, since averaging would hide the noise.
  function drawStrips() {
    if (!tables || !state.x0 || !state.noise) return;
    const pick = (source) => {
      const stride = D.SIZE / THUMB_SIZE;
      const out = new Float32Array(THUMB_SIZE * THUMB_SIZE * 3);
      for (let y = 0, i = 0; y < THUMB_SIZE; y++)
        for (let x = 0; x < THUMB_SIZE; x++)
          for (let c = 0; c < 3; c++, i++) out[i] = source[(y * stride * D.SIZE + x * stride) * 3 + c];
      return out;
    };
    const [x0, noise] = [pick(state.x0), pick(state.noise)];
    for (const name of NAMES) {
      const strip = find(`[data-strip="${name}"]`);
      for (let i = 0; i < THUMBS; i++) {
        const t = Math.round((i / (THUMBS - 1)) * tables.T);
        const button = strip.children[i] ?? strip.appendChild(thumbnail());
        button.onclick = () => transport.userSet(t);
        button.setAttribute("aria-label", `${props.strings[name]} t = ${t}`);
        button.lastChild.textContent = t;
        const a = tables[name][t];
        button.picture.mix(x0, Math.sqrt(a), noise, Math.sqrt(1 - a));
      }
    }
  }
  function thumbnail() {
    const button = document.createElement("button");
    button.type = "button";
    button.innerHTML = "<canvas></canvas><span></span>";
    button.picture = new D.Picture(button.firstChild, THUMB_SIZE);
    return button;
  }

  // ---- controls ---------------------------------------------------------------------------------------
  const transport = new D.Transport(root, {
    stage: find(".stage"),
    seconds: 9,
    describe: (t) => {
      if (!tables) return "";
      const percent = (a) => (100 * Math.sqrt(a)).toFixed(0);
      const both = bothAt(t);
      return D.phrase(props.strings.valuetext_both, {
        t, T: tables.T, linear: percent(both.linear.a), cosine: percent(both.cosine.a),
      });
    },
    onChange: redraw,
    shared: true,
  });
  D.onChoice(root, "lock", (value) => {
    equalSnr = value === "snr";
    find('[data-role="leader"]').hidden = !equalSnr;
    transport.set(transport.value);
  });
  D.onChoice(root, "leader", (value) => {
    leader = value;
    transport.set(transport.value);
  });

  let lengthRequest = 0;
  const length = find('[data-role="length"]');
  length.addEventListener("input", async () => {
    const request = ++lengthRequest;
    D.fill(root, { T: length.value });
    const answer = await server.tables({ num_timesteps: Number(length.value) });
    if (request === lengthRequest) setTables(answer);
  });
  function setTables(next) {
    tables = next;
    drawCurves();
    drawStrips();
    transport.follow(tables.T);
  }

  const redrawStrips = D.onNextFrame(root, drawStrips);
  D.subscribe((changes) => {
    if (changes.tables && !tables) setTables(changes.tables);
    if (changes.presets) D.presetRow(find(".presets"), changes.presets, props.strings.your_picture);
    if (changes.x0 || changes.noise) {
      redraw();
      redrawStrips();
    }
  });
  if (state.presets) D.presetRow(find(".presets"), state.presets, props.strings.your_picture);
  if (state.tables) setTables(state.tables);
};
