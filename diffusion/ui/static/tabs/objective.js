// The objective: one picture, the noise added to it, the network's guess and the loss, at every noise level.
import { Chart } from "../lib/chart.js";
import { base64From, bytesFrom, halfFloats } from "../lib/decode.js";
import { node, onNextFrame, phrase } from "../lib/dom.js";
import { decades, decibels, fixed } from "../lib/numbers.js";
import { addressOf } from "../lib/own_pictures.js";
import { Grid, toBytes, withChannels } from "../lib/pictures.js";
import { PictureRow } from "../lib/picture_row.js";
import { Save } from "../lib/save.js";
import { snr } from "../lib/schedules.js";
import { Question } from "../lib/server.js";
import { pixelsOf, state, subscribe } from "../lib/state.js";
import { Transport } from "../lib/transport.js";
import { View, ofOneModel } from "../lib/view.js";

const NOISE_RANGE = 3;
const LOWEST_LOSS = -4; // where the curve is cut off, as a power of ten
const MOST_WEIGHT = 3; // the same of the weights, both ways
const BEND = 5; // γ of min-SNR

const PICTURES = ["x_t", "eps", "eps_hat", "difference"];

export function mount(context) {
  return ofOneModel(context, (message) => new Objective(context, message));
}

class Objective extends View {
  wanted = null; // the tile that was pressed last
  answer = null; // {tile, x0, noise, epsHat, loss}: what is shown
  seed = 0;

  // message: {model, image_shape, levels, alphas_cumprod, weights: {epsilon, …}, of each level as powers
  // of ten, examples: [{pixels, label, name}], typical, null if nobody knows, data, credit, note}
  constructor(context, message) {
    super(context);
    this.about = message;
    this.last = message.levels.length - 1;
    this.T = message.levels[this.last];
    this.grids = Object.fromEntries(PICTURES.map((name) => [name, this.grid(this.canvas(name))]));
    this.addChart();
    this.addWeights();
    this.transport = new Transport(this.root, {
      seconds: 6,
      describe: (k) => this.describe(k),
      onChange: onNextFrame(this.root, () => this.draw()),
    });
    this.addRow();
    this.part("other-noise").addEventListener("click", () => {
      this.seed += 1;
      this.choose(this.wanted, this.part("noise-problem"));
    });
    this.transport.setRange(this.last, Math.round(0.4 * this.last));
    this.transport.remember();
    this.save = new Save(this, {
      name: () => ["objective", this.answer?.tile.name, `seed${this.seed}`],
      film: () => this.answer && this.film(),
      table: () => this.answer && this.rows(),
    });
  }

  grid(canvas) {
    const grid = new Grid(canvas);
    grid.resize(1, this.about.image_shape);
    return grid;
  }

  addChart() {
    const { T } = this;
    this.losses = new Chart(this.chart("loss"), {
      lines: ["loss"],
      y: [LOWEST_LOSS, 0.5],
      yTicks: decades(LOWEST_LOSS),
      xTicks: [[0, "t = 0"], ...[0.25, 0.5, 0.75, 1].map((share) => [share, String(share * T)])],
      move: (share) => this.transport.goTo(share),
    });
  }

  // What each loss counts the same error with, against ‖ε − ε̂‖².
  addWeights() {
    const { weights, alphas_cumprod } = this.about;
    const names = Object.keys(weights);
    const ends = [-MOST_WEIGHT, MOST_WEIGHT];
    this.weights = new Chart(this.chart("weights"), {
      ...this.losses.axes,
      lines: names.map((name) => `w_${name}`),
      move: (share) => this.transport.goTo(share),
      y: ends,
      yTicks: [[-3, "0.001"], [-2, "0.01"], [-1, "0.1"], [0, "1"], [1, "10"], [2, "100"], [3, "1000"]],
    });
    for (const name of names)
      this.weights.plot(`w_${name}`, weights[name].map((w) => (Math.abs(w) > MOST_WEIGHT ? NaN : w)));
    const away = alphas_cumprod.map((alphaBar) => Math.abs(Math.log(snr(alphaBar) / BEND)));
    this.part("weights").dataset.bend = away.indexOf(Math.min(...away));
  }

  describe(k) {
    const loss = this.answer ? fixed(this.answer.loss[k]) : "–";
    return phrase(this.text.valuetext_level, { t: this.about.levels[k], T: this.T, loss });
  }

  // ---- pictures to choose from --------------------------------------------------------------------------

  addRow() {
    const tiles = this.about.examples.map(({ name, pixels, label }, i) => ({
      key: String(i), name, bytes: bytesFrom(pixels), label, credit: this.about.credit,
    }));
    this.row = new PictureRow(this, {
      tiles,
      others: () => this.sharedTile(),
      face: (tile) => this.faceOf(tile),
      choose: (tile) => this.choose(tile),
    });
    const { predict, waiting } = this.server;
    this.question = new Question(predict, this.row.part("problem"), this.text, waiting);
    subscribe(({ picture }) => {
      if (!picture || !this.root.isConnected) return;
      this.row.showOwn();
      if (!this.wanted && !this.about.examples.length) this.choose(this.row.tiles[0]);
    });
    this.row.rememberTile();
  }

  // The Forward tab's picture, if that is none of one's own.
  sharedTile() {
    const { picture: address, own } = state;
    if (!address || own.some((each) => addressOf(each) === address)) return [];
    const [height, width] = this.about.image_shape;
    const credit = state.presets?.find(({ picture }) => picture === address)?.credit;
    return [{ key: "shared", name: phrase(this.text.own_example, { width, height }), address, credit }];
  }

  faceOf(tile) {
    const canvas = node("canvas", "");
    const grid = this.grid(canvas);
    this.bytesOf(tile).then((bytes) => grid.show(bytes));
    return canvas;
  }

  // As the network sees it.
  async bytesOf({ bytes, address }) {
    if (bytes) return bytes;
    const image = Object.assign(new Image(), { src: address });
    await image.decode();
    const [height, width, channels] = this.about.image_shape;
    return withChannels(pixelsOf(image, width, height), channels);
  }

  // `place` is for the sentence about what went wrong: near the hand.
  async choose(tile, place = this.row.part("problem")) {
    if (!tile) return; // there are no examples, and no picture yet
    this.wanted = tile;
    this.row.mark(tile);
    this.question.moveTo(place);
    const bytes = await this.bytesOf(tile);
    const { model } = this.about;
    const request = { model, pixels: base64From(bytes), label: tile.label ?? null, seed: this.seed };
    const reply = await this.question.answer(request, () => this.row.mark(this.answer?.tile));
    if (!reply) return;
    this.row.mark(tile);
    const { data, note } = this.about;
    this.part("note").textContent = tile.address ? phrase(this.text.own_note, { data }) : note;
    this.answer = {
      tile,
      x0: Float32Array.from(bytes, (value) => value / 127.5 - 1),
      noise: halfFloats(reply.noise),
      epsHat: halfFloats(reply.eps_hat), // of all noise levels
      loss: reply.loss,
    };
    this.losses.plot("loss", reply.loss.map(Math.log10));
    this.transport.set(this.transport.value);
  }

  // ---- one noise level ----------------------------------------------------------------------------------

  draw() {
    if (!this.wanted) this.choose(this.row.tiles[0]);
    if (!this.answer) return;
    const k = this.transport.value;
    const { levels, alphas_cumprod: alphaBars, typical } = this.about;
    for (const [name, bytes] of Object.entries(this.picturesAt(k))) this.grids[name].show(bytes);
    for (const chart of [this.losses, this.weights]) chart.cursor("x_t", k / this.last);
    const quarter = Math.min(3, Math.floor(((levels[k] - 1) / this.T) * 4));
    this.fill({
      t: String(levels[k]),
      snr: decibels(snr(alphaBars[k])),
      loss: fixed(this.answer.loss[k], 5),
      typical: typical ? fixed(typical[quarter]) : "–",
      quarter: `${this.endOf(quarter - 1) + 1} … ${this.endOf(quarter)}`,
    });
  }

  endOf(quarter) {
    return Math.ceil(((quarter + 1) * this.T) / 4);
  }

  // The bytes of PICTURES at a noise level, by their names.
  picturesAt(k, { x0, noise, epsHat: all } = this.answer) {
    const alphaBar = this.about.alphas_cumprod[k];
    const epsHat = all.subarray(k * x0.length, (k + 1) * x0.length);
    const [alpha, sigma] = [Math.sqrt(alphaBar), Math.sqrt(1 - alphaBar)];
    return {
      x_t: toBytes(x0.map((x, i) => alpha * x + sigma * noise[i])),
      eps: toBytes(noise, NOISE_RANGE),
      eps_hat: toBytes(epsHat, NOISE_RANGE),
      difference: toBytes(noise.map((eps, i) => eps - epsHat[i]), NOISE_RANGE),
    };
  }

  // ---- to be saved --------------------------------------------------------------------------------------

  film() {
    const { answer, last } = this;
    const grid = new Grid(node("canvas"));
    grid.resize(PICTURES.length, this.about.image_shape, PICTURES.length);
    const bytes = new Uint8Array(PICTURES.length * answer.x0.length);
    const picture = (k) => {
      Object.values(this.picturesAt(k, answer)).forEach((each, i) => bytes.set(each, i * each.length));
      grid.show(bytes);
      return grid.canvas;
    };
    return { last, cell: Math.max(grid.width, grid.height), picture };
  }

  rows() {
    const { levels, alphas_cumprod: alphaBars } = this.about;
    return levels.map((t, k) => ({ t, alphas_cumprod: alphaBars[k], loss: this.answer.loss[k] }));
  }
}
