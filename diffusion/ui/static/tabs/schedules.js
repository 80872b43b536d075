// The Schedules tab: the same picture and noise under linear and cosine, at the same t or the same SNR.
import { Chart } from "../lib/chart.js";
import { button, fill, node, onChoice, onNextFrame, phrase } from "../lib/dom.js";
import { decibels, fixed, percent, scientific } from "../lib/numbers.js";
import { Picture, SIZE, thinned } from "../lib/pictures.js";
import { sharedPictureRow } from "../lib/picture_row.js";
import { Save } from "../lib/save.js";
import {
  NAMES, drowned, halfLogSnr, levelAt, rowsOf, scaledLinear, snr, timestepAt,
} from "../lib/schedules.js";
import { Question } from "../lib/server.js";
import { together } from "../lib/sheet.js";
import { state, subscribe } from "../lib/state.js";
import { Transport } from "../lib/transport.js";
import { View } from "../lib/view.js";

const THUMBS = 11;
const THUMB_SIZE = 64;
const MOST_DB = 40; // where the log-SNR curve is cut off
const MAX_POINTS = 250; // of a curve

export function mount(context) {
  new Schedules(context);
}

class Schedules extends View {
  tables = null; // {T, linear, cosine} for the chosen T
  equalSnr = false;
  leader = "linear";
  logarithmic = false; // the axis of β

  constructor(context) {
    super(context);
    this.pictures = Object.fromEntries(NAMES.map((name) => [name, new Picture(this.canvas(name))]));
    this.charts = {
      beta: this.addChart("beta", { y: [0, 1], yTicks: [] }),
      alpha_bar: this.addChart("alpha_bar", { y: [0, 1], yTicks: [[0, "0"], [0.5, "0.5"], [1, "1"]] }),
      log_snr: this.addChart("log_snr", {
        y: [-60, MOST_DB], yTicks: [[-60, "−60"], [-20, "−20"], [0, "0"], [40, "40"]],
      }),
    };
    this.redraw = onNextFrame(this.root, () => this.draw());
    this.redrawStrips = onNextFrame(this.root, () => this.drawStrips());
    this.transport = new Transport(this.root, {
      seconds: 9,
      describe: (t) => this.describe(t),
      onChange: this.redraw,
      shared: true,
    });
    this.save = new Save(this, {
      name: () => ["schedules", `T${this.tables.T}`],
      film: () => this.tables && state.x0 && state.noise && this.film(),
      table: () => this.tables && rowsOf(this.tables),
    });
    this.listen();
    subscribe((changes) => this.changed(changes));
    const { presets, tables } = state;
    this.changed({ presets, tables });
  }

  addChart(name, axes) {
    return new Chart(this.chart(name), {
      lines: [...NAMES, "scaled"],
      move: (share) => this.transport.goTo(share),
      xTicks: [[0, "0"], [0.5, "½ T"], [1, "T"]],
      xTitle: "t",
      ...axes,
    });
  }

  listen() {
    onChoice(this.part("lock"), (value) => {
      this.equalSnr = value === "snr";
      this.part("leader").hidden = !this.equalSnr;
      this.transport.set(this.transport.value);
    });
    onChoice(this.part("leader"), (value) => {
      this.leader = value;
      this.transport.set(this.transport.value);
    });
    onChoice(this.part("beta-axis"), (value) => {
      this.logarithmic = value === "log";
      this.drawBetas();
    });
    this.part("scaled").addEventListener("change", () => this.drawCurves());
    this.question = new Question(this.server.tables, this.part("length-problem"), this.text);
    this.part("length").addEventListener("input", () => this.changeLength(Number(this.part("length").value)));
  }

  changed({ presets, tables, x0, noise }) {
    if (presets) sharedPictureRow(this, presets);
    if (tables && !this.tables) this.setTables(tables);
    if (x0 || noise) {
      this.redraw();
      this.redrawStrips();
    }
  }

  async changeLength(length) {
    const tables = await this.question.answer({ num_timesteps: length }, () => this.showLength());
    if (tables) this.setTables(tables);
  }

  // The one that is in use.
  showLength() {
    this.part("length").value = this.tables.T;
    this.fill({ T: String(this.tables.T) });
  }

  setTables(tables) {
    this.tables = tables;
    this.showLength();
    this.drawCurves();
    this.drawStrips();
    this.transport.follow(tables.T);
  }

  // {linear: {t, alphaBar, held}, cosine: {…}} for the slider's t.
  bothAt(t) {
    const at = (name) => ({ t, alphaBar: this.tables[name][t], held: false });
    const both = { linear: at("linear"), cosine: at("cosine") };
    if (!this.equalSnr || t === 0) return both;
    const follower = this.leader === "linear" ? "cosine" : "linear";
    const { alphaBar } = both[this.leader];
    const partner = timestepAt(this.tables[follower], halfLogSnr(alphaBar));
    // Where it is not held, the partner is exactly as noisy: the same ᾱ.
    both[follower] = { ...partner, alphaBar: partner.held ? this.tables[follower][partner.t] : alphaBar };
    return both;
  }

  describe(t) {
    if (!this.tables) return "";
    const { linear, cosine } = this.bothAt(t);
    const signal = ({ alphaBar }) => percent(Math.sqrt(alphaBar));
    return phrase(this.text.valuetext_both, {
      t, T: this.tables.T, linear: signal(linear), cosine: signal(cosine),
    });
  }

  // The tables whose curves are drawn: on request Stable Diffusion's too, of no points otherwise.
  get curves() {
    const { T, linear, cosine } = this.tables;
    return { linear, cosine, scaled: this.part("scaled").checked ? scaledLinear(T) : [] };
  }

  drawCurves() {
    const { T } = this.tables;
    const step = Math.max(1, Math.floor(T / MAX_POINTS));
    const inDecibels = (alphaBar) => (alphaBar === 1 ? MOST_DB : 10 * Math.log10(snr(alphaBar)));
    for (const [name, table] of Object.entries(this.curves)) {
      this.charts.alpha_bar.plot(name, table, step);
      this.charts.log_snr.plot(name, table.map(inDecibels), step);
    }
    for (const name of NAMES) {
      const table = this.tables[name];
      const start = table.findIndex(drowned);
      for (const chart of Object.values(this.charts)) chart.band(name, start < 0 ? null : start / T);
      this.fill({ [`${name}_share`]: `${percent(table.filter(drowned).length / T)} %` });
    }
    this.part("scaled-key").hidden = !this.part("scaled").checked;
    this.drawBetas();
  }

  // On a linear axis, which the cosine schedule leaves at the top, or on a logarithmic one.
  drawBetas() {
    const betas = (table) => table.map((_, t) => (t ? levelAt(table, t).beta : NaN));
    const [linear, cosine, scaled] = Object.values(this.curves).map(betas);
    const chart = this.charts.beta;
    if (this.logarithmic) {
      const yTicks = [[-4, "10⁻⁴"], [-3, "10⁻³"], [-2, "0.01"], [-1, "0.1"], [0, "1"]];
      chart.setAxes({ ...chart.axes, y: [-4, 0], yTicks });
      this.fill({ beta_axis: this.text.beta_log });
      for (const [name, values] of Object.entries({ linear, cosine, scaled }))
        chart.plot(name, values.map(Math.log10));
      return;
    }
    const top = Math.min(1, 1.25 * linear.at(-1));
    const yTicks = [0, 0.4, 0.8].map((share) => [share * top, String(+(share * top).toPrecision(2))]);
    chart.setAxes({ ...chart.axes, y: [0, top], yTicks });
    this.fill({ beta_axis: phrase(this.text.beta_linear, { most: cosine.at(-1).toFixed(3) }) });
    chart.plot("linear", linear);
    chart.plot("scaled", scaled);
    chart.plot("cosine", cosine.map((beta) => (beta > top ? NaN : beta)));
  }

  // To be saved: both pictures, at all that the slider has.
  film() {
    const { x0, noise } = state;
    const films = NAMES.map((name) => {
      const drawn = new Picture(node("canvas"));
      const picture = (t) => {
        const { alphaBar } = this.bothAt(t)[name];
        drawn.mix(x0, Math.sqrt(alphaBar), noise, Math.sqrt(1 - alphaBar));
        return drawn.context.canvas;
      };
      return { last: this.tables.T, cell: SIZE, picture };
    });
    return together(films);
  }

  draw() {
    if (!this.tables || !state.x0 || !state.noise) return;
    const both = this.bothAt(this.transport.value);
    for (const name of NAMES) {
      const { t, alphaBar } = both[name];
      const [alpha, sigma] = [Math.sqrt(alphaBar), Math.sqrt(1 - alphaBar)];
      this.pictures[name].mix(state.x0, alpha, state.noise, sigma);
      for (const chart of Object.values(this.charts)) chart.cursor(name, t / this.tables.T);
      fill(this.find(`[data-panel="${name}"]`), {
        t: Number.isInteger(t) ? String(t) : t.toFixed(1),
        alpha_bar: scientific(alphaBar),
        beta: levelAt(this.tables[name], Math.round(t)).beta.toFixed(5),
        alpha: fixed(alpha),
        sigma: fixed(sigma),
        snr: decibels(snr(alphaBar)),
      });
    }
    this.tell(this.noteFor(both));
  }

  noteFor(both) {
    if (!this.equalSnr) return "";
    const held = NAMES.find((name) => both[name].held);
    return held ? phrase(this.text.held, { schedule: this.text[held] }) : this.text.equal_note;
  }

  tell(note) {
    if (this.part("held").textContent !== note) this.part("held").textContent = note;
  }

  // Small pictures over t, unaveraged: averaging would hide the noise.
  drawStrips() {
    if (!this.tables || !state.x0 || !state.noise) return;
    const [x0, noise] = [thinned(state.x0, THUMB_SIZE), thinned(state.noise, THUMB_SIZE)];
    for (const name of NAMES) {
      const strip = this.find(`[data-strip="${name}"]`);
      for (let i = 0; i < THUMBS; i++) {
        const t = Math.round((i / (THUMBS - 1)) * this.tables.T);
        const thumbnail = strip.children[i] ?? strip.appendChild(newThumbnail());
        thumbnail.onclick = () => this.transport.userSet(t);
        thumbnail.setAttribute("aria-label", `${this.text[name]} t = ${t}`);
        thumbnail.lastChild.textContent = t;
        const alphaBar = this.tables[name][t];
        thumbnail.classList.toggle("drowned", drowned(alphaBar));
        thumbnail.picture.mix(x0, Math.sqrt(alphaBar), noise, Math.sqrt(1 - alphaBar));
      }
    }
  }
}

function newThumbnail() {
  const thumbnail = button("");
  const canvas = node("canvas", "");
  thumbnail.append(canvas, node("span", ""));
  thumbnail.picture = new Picture(canvas, THUMB_SIZE);
  return thumbnail;
}
