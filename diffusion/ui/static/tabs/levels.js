// The same picture rebuilt from several t, with four noises each: what survives, and what is invented.
import { Chart } from "../lib/chart.js";
import { Columns, meanOf } from "../lib/columns.js";
import { node, phrase } from "../lib/dom.js";
import { fixed, scaleTo } from "../lib/numbers.js";
import { NUM_NOISES } from "../lib/subject.js";
import { spoken } from "../lib/text.js";

const LINES = ["q0", "q1", "q2", "q3"]; // a noise each

export function mount(context) {
  const view = new Levels(context);
  return (message) => view.receive(message);
}

class Levels extends Columns {
  constructor(context) {
    super(context, NUM_NOISES);
    this.curves = new Chart(this.chart("off"), {
      lines: LINES, ...scaleTo(0), xTicks: [[0, "t = 0"], [1, "T"]],
    });
  }

  begin(film, original) {
    super.begin(film, original);
    const { columns, num_timesteps: T } = film.info;
    const xTicks = [[0, "t = 0"], ...columns.map((t) => [t / T, String(t)])];
    this.curves.setAxes({ ...this.curves.axes, xTicks });
  }

  firstColumn() {
    const column = node("figure", "x_0");
    const { canvas, grid } = this.picture(this.text.rebuild_x_0, "pictures", "x_0");
    column.append(node("figcaption", "", this.text.rebuild_x_0), canvas);
    grid.show(this.original);
    return column;
  }

  columnFor(k) {
    const t = this.film.info.columns[k];
    const column = node("figure", "x_0 predicted");
    const label = (i) => phrase(this.text.levels_picture, { t, n: i + 1 });
    const pictures = LINES.map((_, i) => this.picture(label(i), "pictures"));
    const words = node("p", "off", "–");
    column.append(node("figcaption", "", phrase(this.text.levels_from, { t })));
    column.append(...pictures.map(({ canvas }) => canvas), words);
    const show = (film) => {
      const bytes = film.plane(k, "pictures");
      const size = bytes.length / NUM_NOISES;
      pictures.forEach(({ grid }, i) => grid.show(bytes.subarray(i * size, (i + 1) * size)));
      words.textContent = phrase(this.text.levels_off, { off: fixed(meanOf(film.rows[k].off), 1) });
    };
    return { column, show };
  }

  // On an axis from 0 to T, on which the levels are evenly spaced.
  showAll() {
    const { rows, info } = this.film;
    const scale = scaleTo(Math.max(...rows.flatMap(({ off }) => off)));
    if (scale.y[1] !== this.curves.axes.y[1]) this.curves.setAxes({ ...this.curves.axes, ...scale });
    LINES.forEach((name, i) => {
      const values = info.columns.map((_, k) => (rows[k]?.finished ? rows[k].off[i] : NaN));
      this.curves.plot(name, [0, ...values]);
    });
    this.part("made").textContent = phrase(spoken(info.made), {
      t: info.columns.join(", "), steps: phrase(this.text.steps_in_all, { N: info.num_steps }),
    });
    this.say();
  }

  say() {
    const { finished, columns } = this;
    const [first, last] = [finished[0], finished.at(-1)];
    const whole = finished.length === columns.length;
    this.part("said").textContent = whole ? phrase(this.text.levels_said, {
      from: first.t, to: last.t, near: fixed(meanOf(first.off), 1), far: fixed(meanOf(last.off), 1),
    }) : "";
  }
}
