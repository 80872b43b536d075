// The Forward tab: x_t = √ᾱ_t x_0 + √(1 − ᾱ_t) ε for every t, as pictures, numbers and a histogram.
import { Chart } from "../lib/chart.js";
import { node, onChoice, onNextFrame, phrase, tell } from "../lib/dom.js";
import { fileName } from "../lib/files.js";
import { decibels, fixed, percent, scientific } from "../lib/numbers.js";
import { Pixel, placeOf, weightedSum } from "../lib/pixel.js";
import { Picture, SIZE } from "../lib/pictures.js";
import { sharedPictureRow } from "../lib/picture_row.js";
import { link } from "../lib/link.js";
import { Save } from "../lib/save.js";
import { levelAt, rowsOf, snr } from "../lib/schedules.js";
import { recall } from "../lib/session.js";
import { setPicture, setSeed, state, subscribe, update } from "../lib/state.js";
import { RANGE, density, moments, normalDensity } from "../lib/statistics.js";
import { Transport } from "../lib/transport.js";
import { View } from "../lib/view.js";

const NOISE_RANGE = 3;

export function mount(context) {
  const view = new Forward(context);
  return (message) => view.receive(message);
}

class Forward extends View {
  schedule = "linear";
  markov = false; // single steps instead of jumps
  atStart = true; // t = 0, where the Markov view has no step to show
  before = new Float32Array(0); // x_{t−1}, in the Markov view

  constructor(context) {
    super(context);
    this.pictures = Object.fromEntries(
      ["x_0", "eps", "x_t"].map((name) => [name, new Picture(this.canvas(name))]),
    );
    this.addCharts();
    this.pixel = new Pixel(this, Object.keys(this.pictures), (place) => this.readPixel(place));
    this.redraw = onNextFrame(this.root, () => this.draw());
    this.transport = new Transport(this.root, {
      seconds: 9,
      describe: (t) => this.describe(t),
      onChange: (t) => this.moved(t),
      shared: true,
    });
    this.save = new Save(this, {
      name: () => ["forward", this.schedule, `seed${state.seed}`, this.markov && "steps"],
      film: () => state.x0 && this.film(),
      table: () => state.tables && rowsOf(state.tables),
      code: () => this.code(context.props.code),
    });
    this.listen();
    subscribe((changes) => this.changed(changes));
  }

  addCharts() {
    this.histogram = new Chart(this.chart("histogram"), {
      lines: ["normal", "jump", "x_t"],
      y: [0, 1.2],
      yTicks: [[0, "0"], [0.4, "0.4"], [0.8, "0.8"], [1.2, "1.2"]],
      xTicks: [-3, -2, -1, 0, 1, 2, 3].map((x) => [0.5 + x / (2 * RANGE), fixed(x, 0)]),
    });
    this.histogram.plot("normal", normalDensity);
    this.curve = new Chart(this.chart("curve"), {
      lines: ["signal", "noise"],
      y: [0, 1],
      yTicks: [[0, "0"], [0.5, "0.5"], [1, "1"]],
      xTicks: [[0, this.text.data_at], [0.5, "500"], [1, "1000"]],
      xTitle: "t",
      move: (share) => this.transport.goTo(share),
    });
  }

  listen() {
    onChoice(this.part("schedule"), (value) => {
      this.schedule = value;
      this.drawCurves();
      this.transport.set(this.transport.value);
    });
    this.part("markov").addEventListener("change", (event) => {
      this.markov = event.target.checked;
      this.root.classList.toggle("markov", this.markov);
      this.drawSources();
      this.redraw();
    });
    this.part("seed").addEventListener("change", () => this.changeSeed(this.part("seed").value));
  }

  changeSeed(typed) {
    const seed = Number(typed);
    const valid = typed !== "" && Number.isInteger(seed) && seed >= 0 && seed < 2 ** 32;
    tell(this.part("seed-problem"), valid ? "" : this.text.seed_range);
    if (valid) setSeed(seed);
    else this.part("seed").value = state.seed; // the one whose noise is on show
  }

  changed({ x0, noise, tables }) {
    if (noise) this.part("seed").value = state.seed;
    if (x0 || noise) this.drawSources();
    if (x0 || noise || tables) this.redraw();
  }

  // From Python: all that the first paint needs.
  receive({ tables, presets, picture, seed }) {
    sharedPictureRow(this, presets);
    const first = !state.tables;
    if (first) update({ tables, presets });
    this.transport.follow(state.tables.T);
    this.drawCurves();
    if (!first) {
      this.changed(state); // another Forward tab has brought a picture and noise
      return;
    }
    setSeed(seed);
    let shown = recall("picture") ?? picture;
    const numberOf = (address) => presets.findIndex((each) => each.picture === address) + 1;
    link("picture", {
      read: () => String(numberOf(state.picture) || numberOf(picture)), // never one of somebody's own
      write: (number) => {
        shown = presets[Number(number) - 1]?.picture ?? picture;
        return String(numberOf(shown)) === number;
      },
      first: String(numberOf(picture)),
    });
    setPicture(shown);
  }

  get table() {
    return state.tables[this.schedule];
  }

  // Whether a single step is on show.
  get stepping() {
    return this.markov && this.transport.value > 0;
  }

  describe(t) {
    if (!state.tables) return "";
    return phrase(this.text.valuetext, {
      t,
      T: this.transport.last,
      percent: percent(Math.sqrt(this.table[t])),
      schedule: this.text[this.schedule],
    });
  }

  moved(t) {
    if (this.markov && (t === 0) !== this.atStart) this.drawSources();
    this.atStart = t === 0;
    this.redraw();
  }

  draw() {
    if (!state.x0 || !state.noise || !state.tables) return;
    const level = levelAt(this.table, this.transport.value);
    if (this.stepping) this.drawStep(level);
    else this.drawJump(level);
    this.curve.cursor("x_t", level.t / this.transport.last);
    this.fill({
      t: String(level.t),
      previous_t: String(Math.max(level.t - 1, 0)),
      alpha: fixed(level.alpha),
      sigma: fixed(level.sigma),
      alpha_bar: scientific(level.alphaBar),
      beta: level.beta.toFixed(5),
      keep: fixed(Math.sqrt(1 - level.beta), 5),
      add: fixed(Math.sqrt(level.beta), 5),
      snr: decibels(snr(level.alphaBar)),
      percent: percent(level.alpha, 1),
      variance: fixed(1 - level.alphaBar),
    });
    this.pixel.refresh();
  }

  // x_t is what the digits that are shown of the others add up to.
  readPixel({ x, y }) {
    if (!state.x0 || !state.noise || !state.tables) return null;
    const from = (y * SIZE + x) * 3;
    const column = (values) => Array.from(values.subarray(from, from + 3), (value) => fixed(value));
    const level = levelAt(this.table, this.transport.value);
    const noise = column(this.stepping ? state.stepNoise : state.noise);
    const picture = column(this.stepping ? this.before : state.x0);
    const [keep, add] = this.markov
      ? [Math.sqrt(1 - level.beta), Math.sqrt(level.beta)].map((weight) => fixed(weight, 5))
      : [fixed(level.alpha), fixed(level.sigma)];
    const x_t = weightedSum([keep, picture], [add, noise]);
    const name = this.markov ? "x_previous" : "x_0";
    const where = `${this.text.pixel_own} ${placeOf(this.text, { x, y })}`;
    return { where, columns: { x_t, [name]: picture, eps: noise } };
  }

  drawJump({ alpha, sigma }) {
    showJump(this.pictures.x_t, { alpha, sigma }, state);
    this.histogram.plot("x_t", density(state.x0, alpha, state.noise, sigma));
    this.histogram.clear("jump");
    this.fill({ measured_mean: fixed(0), measured_variance: fixed(0) }); // at t = 0 nothing has been added
  }

  drawStep(level) {
    const [keep, add] = [Math.sqrt(1 - level.beta), Math.sqrt(level.beta)];
    const [alpha, sigma] = [Math.sqrt(level.previous), Math.sqrt(1 - level.previous)];
    const { x0, noise, stepNoise } = state;
    if (this.before.length !== x0.length) this.before = new Float32Array(x0.length);
    showStep(this.pictures.x_t, level, state, this.before);
    this.pictures.x_0.show(this.before);
    this.histogram.plot("x_t", density(this.before, keep, stepNoise, add));
    this.histogram.plot("jump", density(x0, level.alpha, noise, level.sigma));
    // What the step adds to √ᾱ_t x_0: its mean should be 0, its variance 1 − ᾱ_t.
    const { mean, variance } = moments(x0, keep * alpha - level.alpha, noise, keep * sigma, stepNoise, add);
    this.fill({ measured_mean: fixed(mean), measured_variance: fixed(variance) });
  }

  // To be saved: the way to T, as jumps or as steps.
  film() {
    const { table, markov, transport } = this;
    const source = { ...state };
    const drawn = new Picture(node("canvas"));
    const before = new Float32Array(source.x0.length);
    const picture = (t) => {
      if (markov && t) showStep(drawn, levelAt(table, t), source, before);
      else showJump(drawn, levelAt(table, t), source);
      return drawn.context.canvas;
    };
    return { last: transport.last, cell: SIZE, picture };
  }

  // Python that makes what is on show.
  code(templates) {
    if (!state.x0 || !state.tables) return null;
    const { schedule, transport: { value: t } } = this;
    const file = (name) => fileName(["forward", schedule, `seed${state.seed}`, name, t], "png");
    const values = { picture: file("x_0"), file: file("x_t"), t, schedule, seed: state.seed };
    return phrase(templates[this.stepping ? "step" : "jump"], values);
  }

  drawSources() {
    if (!state.x0 || !state.noise) return;
    if (!this.stepping) this.pictures.x_0.show(state.x0);
    const [shows, said] = this.stepping ? ["x_previous", "one_step_before"] : ["x_0", "canvas_x_0"];
    this.canvas("x_0").dataset.shows = shows;
    this.canvas("x_0").setAttribute("aria-label", this.text[said]);
    this.pictures.eps.show(this.stepping ? state.stepNoise : state.noise, NOISE_RANGE);
  }

  drawCurves() {
    if (!state.tables) return;
    this.curve.plot("signal", this.table.map(Math.sqrt), 4);
    this.curve.plot("noise", this.table.map((alphaBar) => Math.sqrt(1 - alphaBar)), 4);
  }
}

function showJump(picture, { alpha, sigma }, { x0, noise }) {
  picture.mix(x0, alpha, noise, sigma);
}

// x_{t−1} goes into `before`.
function showStep(picture, { previous, beta }, { x0, noise, stepNoise }, before) {
  const [alpha, sigma] = [Math.sqrt(previous), Math.sqrt(1 - previous)];
  for (let i = 0; i < x0.length; i++) before[i] = alpha * x0[i] + sigma * noise[i];
  picture.mix(before, Math.sqrt(1 - beta), stepNoise, Math.sqrt(beta));
}
