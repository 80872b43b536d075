// The same picture rebuilt from several t, with four noises each: what survives, and what is invented.
import { Chart } from "../lib/chart.js";
import { node, phrase } from "../lib/dom.js";
import { Film } from "../lib/film.js";
import { fixed, scaleTo } from "../lib/numbers.js";
import { Grid, toBytes } from "../lib/pictures.js";
import { Progress } from "../lib/progress.js";
import { fromLink, keep, kept } from "../lib/session.js";
import { NUM_NOISES, pictureOf } from "../lib/subject.js";
import { spoken } from "../lib/text.js";
import { View } from "../lib/view.js";

const LINES = ["q0", "q1", "q2", "q3"]; // a noise each

export function mount(context) {
  const view = new Levels(context);
  return (message) => view.receive(message);
}

class Levels extends View {
  film = null; // a frame is a level: its rows have t, whether it is finished, and how far off it is
  cells = []; // for each level {column, grids, off}

  constructor(context) {
    super(context);
    this.progress = new Progress(this, "picture");
    this.curves = new Chart(this.chart("off"), {
      lines: LINES,
      ...scaleTo(0),
      xTicks: [[0, "t = 0"], [1, "T"]],
    });
    this.restore();
  }

  async restore() {
    const left = fromLink ? undefined : await kept(`${this.root.id} levels`);
    if (!left || this.film) return;
    if (left.record.info.progress) left.record.info.progress.ended ??= "stopped";
    this.begin(Film.from(left.record), left.original);
    this.show();
  }

  receive(message) {
    if (this.progress.takes(message)) return;
    if (!message.film) {
      this.showProgress(message.progress); // given up before it began
      return;
    }
    if (message.film !== this.film?.id) {
      const x0 = pictureOf(message.info.picture);
      if (!x0) return;
      this.begin(new Film(message), toBytes(x0));
    }
    Object.assign(this.film.add(message).info, { progress: message.progress, calls: message.calls });
    this.show();
    keep(`${this.root.id} levels`, () => ({ record: this.film.record, original: this.original }));
  }

  begin(film, original) {
    Object.assign(this, { film, original });
    this.cells = film.info.levels.map((t) => this.column(t));
    const truth = node("figure", "truth x_0");
    const canvas = truth.appendChild(this.picture(this.text.rebuild_x_0));
    this.gridOf(canvas).show(original);
    truth.prepend(node("figcaption", "", this.text.levels_truth));
    this.part("grid").replaceChildren(truth, ...this.cells.map(({ column }) => column));
    const { levels, num_timesteps: T } = film.info;
    const ticks = levels.map((t) => [t / T, String(t)]);
    this.curves.setAxes({ ...this.curves.axes, xTicks: [[0, "t = 0"], ...ticks] });
    this.root.dataset.film = film.id;
    this.root.classList.add("shown");
  }

  picture(label) {
    const canvas = node("canvas");
    canvas.setAttribute("role", "img");
    canvas.setAttribute("aria-label", label);
    return canvas;
  }

  gridOf(canvas) {
    const grid = new Grid(canvas);
    grid.resize(1, this.film.shape("pictures").slice(1));
    return grid;
  }

  column(t) {
    const column = node("figure", "predicted x_0");
    column.append(node("figcaption", "", phrase(this.text.levels_from, { t })));
    const label = (i) => phrase(this.text.levels_picture, { t, n: i + 1 });
    const canvases = LINES.map((_, i) => column.appendChild(this.picture(label(i))));
    const off = column.appendChild(node("p", "off", "–"));
    const grids = canvases.map((canvas) => this.gridOf(canvas));
    return { column, grids, off };
  }

  show() {
    const { film, cells } = this;
    film.rows.forEach(({ off, finished }, k) => {
      const bytes = film.plane(k, "pictures");
      const size = bytes.length / NUM_NOISES;
      cells[k].grids.forEach((grid, i) => grid.show(bytes.subarray(i * size, (i + 1) * size)));
      cells[k].column.classList.toggle("predicted", !finished);
      cells[k].off.textContent = phrase(this.text.levels_off, { off: fixed(meanOf(off), 1) });
    });
    this.plot();
    this.part("made").textContent = phrase(spoken(film.info.made), {
      t: film.info.levels.join(", "), steps: phrase(this.text.steps_in_all, { N: film.info.num_steps }),
    });
    this.showProgress(film.info.progress);
  }

  // On an axis from 0 to T, on which the levels are evenly spaced.
  plot() {
    const { rows, info } = this.film;
    const scale = scaleTo(Math.max(...rows.flatMap(({ off }) => off)));
    if (scale.y[1] !== this.curves.axes.y[1]) this.curves.setAxes({ ...this.curves.axes, ...scale });
    LINES.forEach((name, i) => {
      const values = info.levels.map((_, k) => (rows[k]?.finished ? rows[k].off[i] : NaN));
      this.curves.plot(name, [0, ...values]);
    });
    const last = rows.filter(({ finished }) => finished);
    const [first, final] = [last[0], last.at(-1)];
    this.part("said").textContent = last.length < info.levels.length ? "" : phrase(this.text.levels_said, {
      from: first.t, to: final.t, near: fixed(meanOf(first.off), 1), far: fixed(meanOf(final.off), 1),
    });
  }

  showProgress(progress) {
    const { film } = this;
    if (!film || !progress) {
      this.progress.clear();
      return;
    }
    const N = film.info.levels.length * NUM_NOISES;
    const k = film.rows.filter((row) => row.finished).length * NUM_NOISES;
    const predictions = film.info.calls;
    this.progress.show({ k, N, ...progress, calls: film.info.calls, predictions });
  }
}

const meanOf = (values) => values.reduce((a, b) => a + b) / values.length;
