// Two really trained networks, one for each schedule: their films side by side, their quality over steps.
import { Chart } from "../lib/chart.js";
import { onChoice, onNextFrame, phrase } from "../lib/dom.js";
import { Grid } from "../lib/pictures.js";
import { Save } from "../lib/save.js";
import { NAMES } from "../lib/schedules.js";
import { together, filmOf } from "../lib/sheet.js";
import { Transport } from "../lib/transport.js";
import { View } from "../lib/view.js";
import { WalkedFilm } from "../lib/walked_film.js";

export function mount(context) {
  return (message) => new Trained(context, message);
}

class Trained extends View {
  constructor(context, { films, curves, lead, note }) {
    super(context);
    this.curves = curves; // for each schedule rows {sampler, num_steps, recognised, frechet}
    this.part("lead").textContent = lead;
    this.part("note").textContent = note;
    this.pairs = NAMES.map((name) => this.pair(name, WalkedFilm.whole(films[name])));
    const { rows, last } = this.pairs[0].film;
    const t = (k) => rows[k]?.t ?? 0;
    this.transport = new Transport(this.root, {
      seconds: 4,
      describe: (k) => phrase(this.text.valuetext_film, { k, N: last, t: t(k), T: t(0) }),
      onChange: onNextFrame(this.root, () => this.draw()),
    });
    this.transport.setRange(last, last);
    this.transport.remember();
    this.save = new Save(this, {
      name: () => ["trained", ...NAMES],
      film: () => together(this.pairs.map(({ film }) => filmOf(film, ["x_t"]))),
      table: () => NAMES.flatMap((schedule) => curves[schedule].map((row) => ({ schedule, ...row }))),
    });
    const measured = NAMES.every((name) => curves[name].length > 1);
    this.part("curves").hidden = !measured;
    if (measured) this.addCurves();
    onChoice(this.part("sampler"), (sampler) => this.drawCurves(sampler));
  }

  pair(name, film) {
    const grid = new Grid(this.canvas(name));
    const [count, ...shape] = film.shape("x_t");
    grid.resize(count, shape);
    return { grid, film };
  }

  draw() {
    for (const { grid, film } of this.pairs) grid.show(film.plane(this.transport.value, "x_t"));
  }

  addCurves() {
    const all = NAMES.flatMap((name) => this.curves[name]);
    const recognised = all.map((row) => 100 * row.recognised);
    const low = Math.max(0, 5 * Math.floor(Math.min(...recognised) / 5));
    const most = Math.ceil(2 * Math.max(...all.map((row) => row.frechet))) / 2;
    this.charts = [
      this.addCurve("recognised", [low, 100], (row) => 100 * row.recognised),
      this.addCurve("frechet", [0, most], (row) => row.frechet),
    ];
    this.drawCurves("dpm++2m");
  }

  addCurve(name, y, value) {
    const yTicks = [y[0], (y[0] + y[1]) / 2, y[1]].map((tick) => [tick, String(+tick.toFixed(2))]);
    return { chart: new Chart(this.chart(name), { lines: NAMES, y, yTicks, xTicks: [] }), value };
  }

  drawCurves(sampler) {
    const of = (schedule) => this.curves[schedule].filter((row) => row.sampler === sampler);
    const rows = of(NAMES[0]);
    const xTicks = rows.map((row, i) => [i / (rows.length - 1), String(row.num_steps)]);
    for (const { chart, value } of this.charts) {
      chart.setAxes({ ...chart.axes, xTicks });
      for (const schedule of NAMES) chart.plot(schedule, of(schedule).map(value));
    }
  }
}
