// A GAN beside a diffusion network: their runs under one slider over the minutes of a CPU.
import { Chart } from "../lib/chart.js";
import { node, onChoice, onNextFrame, phrase, whenSeen } from "../lib/dom.js";
import { fixed, percent } from "../lib/numbers.js";
import { Grid } from "../lib/pictures.js";
import { Save } from "../lib/save.js";
import { together } from "../lib/sheet.js";
import { Transport } from "../lib/transport.js";
import { View } from "../lib/view.js";

const METHODS = ["gan", "diffusion"];
const COLUMNS = 10; // classes
const AHEAD = "400px"; // of what is on the screen the samples are fetched

export function mount(context) {
  return (message) => new Beside(context, message);
}

class Beside extends View {
  sprites = new Map(); // by run, when they are decoded

  // message: {lead, outcome, cost, note, minutes, image_shape, num_images, num_samples, real, runs: {method,
  // seed, moments, log, sprite: their samples' address, a row for each and a column for each moment}}
  constructor(context, message) {
    super(context);
    this.message = message;
    this.runs = message.runs;
    this.seed = this.runs[0].seed;
    this.last = this.runs[0].moments.length - 1;
    for (const name of ["lead", "outcome", "cost", "note"]) this.part(name).textContent = message[name];
    this.grids = METHODS.map((method) => this.gridOn(this.canvas(method)));
    this.redraw = onNextFrame(this.root, () => this.draw());
    this.addCharts();
    this.addTransport();
    onChoice(this.part("seed"), (seed) => this.choose(Number(seed)));
    whenSeen(this.root, AHEAD).then(() => {
      this.seen = true;
      this.fetchSamples();
    });
  }

  addTransport() {
    this.transport = new Transport(this.root, {
      seconds: 6,
      describe: (k) => phrase(this.text.valuetext_beside, { minutes: this.minutesAt(k) }),
      onChange: this.redraw,
    });
    this.transport.setRange(this.last, this.last);
    this.transport.remember();
    this.save = new Save(this, {
      name: () => ["gan", "diffusion", `seed-${this.seed}`],
      film: () => this.chosen.every((run) => this.sprites.has(run)) && this.film(),
      table: () => this.runs.flatMap(rowsOf),
    });
  }

  gridOn(canvas) {
    const grid = new Grid(canvas);
    grid.resize(this.message.num_images, this.message.image_shape, COLUMNS);
    return grid;
  }

  // To be saved.
  film() {
    const cell = this.message.image_shape[0];
    const films = this.chosen.map((run) => {
      const grid = this.gridOn(node("canvas"));
      const picture = (k) => {
        grid.showColumn(this.sprites.get(run), k);
        return grid.canvas;
      };
      return { last: this.last, cell, picture };
    });
    return together(films);
  }

  // The runs of the chosen seed, one of each method.
  get chosen() {
    return METHODS.map((method) => this.runs.find((run) => run.method === method && run.seed === this.seed));
  }

  choose(seed) {
    this.seed = seed;
    this.plotAll();
    if (this.seen) this.fetchSamples();
    this.redraw();
  }

  async fetchSamples() {
    for (const run of this.chosen.filter((each) => !this.sprites.has(each))) {
      const sprite = Object.assign(new Image(), { src: run.sprite });
      await sprite.decode();
      this.sprites.set(run, sprite);
      this.redraw();
    }
  }

  // ---- charts -------------------------------------------------------------------------------------------

  addCharts() {
    const { minutes, num_samples: samples } = this.message;
    const xTicks = [0, 0.5, 1].map((share) => [share, String(+(share * minutes).toFixed(1))]);
    const over = { xTicks, xTitle: this.text.beside_axis, move: (share) => this.goTo(share) };
    const gans = this.runs.filter(({ method }) => method === "gan");
    const losses = gans.flatMap(({ log }) => log.flatMap((row) => Object.values(row.losses)));
    const most = Math.ceil(Math.max(...losses));
    const digits = Array.from({ length: COLUMNS }, (_, digit) => [(digit + 0.5) / COLUMNS, String(digit)]);
    const asked = samples / COLUMNS; // of each
    const classes = { y: [0, 3 * asked], yTicks: ticks([0, asked, 2 * asked, 3 * asked]), xTicks: digits };
    this.charts = {
      recognised: this.addChart("recognised", { y: [0, 100], yTicks: ticks([0, 50, 100]), ...over }),
      frechet: this.addChart("frechet", { ...this.powersFor((row) => row.frechet), ...over }),
      loss_gan: this.addChart("loss_gan", { y: [0, most], yTicks: ticks([0, most / 2, most]), ...over }),
      loss_noise: this.addChart("loss_noise", { y: [-2, 0], yTicks: [-2, -1, 0].map(power), ...over }),
      classes: this.addChart("classes", classes),
    };
    this.plotAll();
  }

  // A logarithmic axis for all looks and what is real.
  powersFor(value) {
    const rows = [this.message.real, ...this.runs.flatMap(({ moments }) => moments)];
    const powers = rows.map((row) => Math.log10(value(row)));
    const lowest = Math.floor(Math.min(...powers));
    const number = Math.ceil(Math.max(...powers)) - lowest;
    const yTicks = Array.from({ length: number }, (_, i) => power(lowest + i));
    return { y: [lowest, Math.max(...powers) + 0.1], yTicks };
  }

  addChart(name, axes) {
    return new Chart(this.chart(name), { lines: [], ...axes });
  }

  goTo(share) {
    const places = placesOf(this.chosen[0].moments);
    const distances = places.map((place) => Math.abs(place - share));
    this.transport.userSet(distances.indexOf(Math.min(...distances)));
  }

  // The others thin, the chosen ones over them.
  plotAll() {
    const runs = [...this.runs].sort((a, b) => (a.seed === this.seed) - (b.seed === this.seed));
    this.plotLooks(this.charts.recognised, runs, (row) => 100 * row.recognised);
    this.plotLooks(this.charts.frechet, runs, (row) => Math.log10(row.frechet));
    this.plotLosses(this.charts.loss_gan, runs, { discriminator: "gan", generator: "generator" });
    this.plotLosses(this.charts.loss_noise, runs, { noise: "diffusion" }, Math.log10);
    this.charts.classes.setLines(["real", ...METHODS]);
    this.charts.classes.plot("real", [0, 1].map(() => this.message.num_samples / COLUMNS));
  }

  nameOf(name, { seed }) {
    return seed === this.seed ? `${name} chosen` : `${name} other s${seed}`;
  }

  plotLooks(chart, runs, value) {
    chart.setLines(["real", ...runs.map((run) => this.nameOf(run.method, run))]);
    chart.plot("real", [0, 1].map(() => value(this.message.real)));
    for (const run of runs) {
      chart.plot(this.nameOf(run.method, run), run.moments.map(value), 1, placesOf(run.moments));
    }
  }

  plotLosses(chart, runs, names, scale = (value) => value) {
    const lines = runs.flatMap((run) =>
      Object.keys(names).filter((loss) => loss in run.log[0].losses).map((loss) => [run, loss]),
    );
    chart.setLines(lines.map(([run, loss]) => this.nameOf(names[loss], run)));
    for (const [run, loss] of lines) {
      const values = run.log.map(({ losses }) => scale(losses[loss]));
      chart.plot(this.nameOf(names[loss], run), values, 1, placesOf(run.log));
    }
  }

  // ---- at a moment --------------------------------------------------------------------------------------

  minutesAt(k) {
    return (placesOf(this.chosen[0].moments)[k] * this.message.minutes).toFixed(2);
  }

  draw() {
    const k = this.transport.value;
    this.chosen.forEach((run, i) => {
      if (this.sprites.has(run)) this.grids[i].showColumn(this.sprites.get(run), k);
      this.charts.classes.plot(run.method, ...outlineOf(run.moments[k].counts));
      this.fill(figuresOf(run.method, run.moments[k]));
    });
    this.fill(figuresOf("real", this.message.real));
    const place = placesOf(this.chosen[0].moments)[k];
    const { classes, ...overTime } = this.charts;
    for (const chart of Object.values(overTime)) chart.cursor("x_t", place);
  }
}

const ticks = (values) => values.map((value) => [value, String(+value.toFixed(1))]);
const power = (exponent) => [exponent, String(10 ** exponent)];

// Where rows stand on the way to the last one, by their seconds.
const placesOf = (rows) => rows.map((row) => row.cpu_seconds / rows.at(-1).cpu_seconds);

// Counts as the outline of bars that touch each other: values and places.
const outlineOf = (counts) => [
  counts.flatMap((count) => [count, count]),
  1,
  counts.flatMap((_, i) => [i / counts.length, (i + 1) / counts.length]),
];

const figuresOf = (name, row) => ({
  ...(row.cpu_seconds !== undefined && {
    [`${name}_minutes`]: fixed(row.cpu_seconds / 60, 2),
    [`${name}_seen`]: row.images_seen.toLocaleString("en"),
  }),
  [`${name}_recognised`]: `${percent(row.recognised, 1)} %`,
  [`${name}_frechet`]: fixed(row.frechet, row.frechet < 10 ? 2 : 0),
  [`${name}_nearest`]: fixed(row.nearest, 3),
});

// A run's looks as rows of a table.
const rowsOf = ({ method, seed, moments }) =>
  moments.map(({ counts, ...row }) => ({
    method, seed, ...row, ...Object.fromEntries(counts.map((count, digit) => [`as_${digit}`, count])),
  }));
