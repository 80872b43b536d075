// The training time machine: samples from the same noise, and the loss, at moments of a run.
import { Chart } from "../lib/chart.js";
import { node, onNextFrame, phrase } from "../lib/dom.js";
import { decades, fixed, short } from "../lib/numbers.js";
import { Grid } from "../lib/pictures.js";
import { Save } from "../lib/save.js";
import { Transport } from "../lib/transport.js";
import { View, ofOneModel } from "../lib/view.js";

const QUARTILES = [0, 1, 2, 3];

export function mount(context) {
  return ofOneModel(context, (message) => new Training(context, message));
}

class Training extends View {
  sprite = null; // when it is decoded

  // message: {model, lead, remark, made, rows: of the moments, count, shape: of the samples, sprite: their
  // picture's address, a row for each sample and a column for each moment}
  constructor(context, message) {
    super(context);
    const { rows, count, shape } = message;
    Object.assign(this, { rows, count, shape, last: rows.length - 1 });
    this.grid = this.gridOn(this.canvas("samples"));
    for (const name of ["lead", "remark", "made"]) this.part(name).textContent = message[name];
    this.addChart();
    this.redraw = onNextFrame(this.root, () => this.draw());
    this.transport = new Transport(this.root, {
      seconds: 6,
      describe: (k) => phrase(this.text.valuetext_moment, { seen: this.seen(k) }),
      onChange: this.redraw,
    });
    this.transport.setRange(this.last, this.last);
    this.transport.remember();
    this.save = new Save(this, {
      name: () => ["training"],
      film: () => this.sprite && this.film(),
      table: () => rows,
    });
    this.open(message.sprite);
  }

  gridOn(canvas) {
    const grid = new Grid(canvas);
    grid.resize(this.count, this.shape);
    return grid;
  }

  // To be saved.
  film() {
    const grid = this.gridOn(node("canvas"));
    const picture = (k) => {
      grid.showColumn(this.sprite, k);
      return grid.canvas;
    };
    return { last: this.last, cell: Math.max(grid.width, grid.height), picture };
  }

  async open(address) {
    const sprite = Object.assign(new Image(), { src: address });
    await sprite.decode();
    this.sprite = sprite;
    this.redraw();
  }

  addChart() {
    const { rows, last } = this;
    const losses = rows.flatMap((row) => [...row.loss, ...row.loss_of_average]);
    const lowest = Math.floor(Math.log10(Math.min(...losses)));
    this.losses = new Chart(this.chart("quartiles"), {
      lines: QUARTILES.flatMap((q) => [`last q${q}`, `q${q}`]),
      y: [lowest, 0.2],
      yTicks: decades(lowest),
      xTicks: [0, 0.25, 0.5, 0.75, 1].map((f) => [f, short(rows[Math.round(f * last)].images_seen)]),
      move: (share) => this.transport.goTo(share),
    });
    for (const q of QUARTILES) {
      this.losses.plot(`last q${q}`, rows.map((row) => Math.log10(row.loss[q])));
      this.losses.plot(`q${q}`, rows.map((row) => Math.log10(row.loss_of_average[q])));
    }
  }

  seen(k) {
    return this.rows[k].images_seen.toLocaleString("en");
  }

  draw() {
    const k = this.transport.value;
    if (this.sprite) this.grid.showColumn(this.sprite, k);
    this.losses.cursor("x_t", k / this.last);
    const losses = this.rows[k].loss_of_average.map((value) => fixed(value));
    const quarters = Object.fromEntries(losses.map((value, q) => [`q${q}`, value]));
    this.fill({ seen: this.seen(k), ...quarters, loss: losses.join(", ") });
  }
}
