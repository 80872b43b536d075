// A picture to its own noise and back, in several numbers of steps.
import { Chart } from "../lib/chart.js";
import { Columns } from "../lib/columns.js";
import { node, phrase } from "../lib/dom.js";
import { fixed, scaleTo } from "../lib/numbers.js";
import { toBytes } from "../lib/pictures.js";
import { subject } from "../lib/subject.js";
import { spoken } from "../lib/text.js";

const NOISE_RANGE = 3;

export function mount(context) {
  const view = new Codes(context);
  return (message) => view.receive(message);
}

class Codes extends Columns {
  constructor(context) {
    super(context, 1);
    this.curve = new Chart(this.chart("error"), { lines: ["loss"], ...scaleTo(0), xTicks: [] });
  }

  // The axis has the logarithm of the number of steps.
  begin(film, original) {
    super.begin(film, original);
    const { columns } = film.info;
    const [low, high] = [columns[0], columns.at(-1)].map(Math.log);
    this.places = columns.map((number) => (Math.log(number) - low) / (high - low || 1));
    const xTicks = columns.map((number, k) => [this.places[k], String(number)]);
    this.curve.setAxes({ ...this.curve.axes, xTicks });
  }

  // What is to be compared with: the picture, and noise that was drawn.
  firstColumn() {
    const column = node("figure", "x_0");
    const noise = this.picture(this.text.codes_normal, "code", "eps");
    const picture = this.picture(this.text.rebuild_x_0, "back", "x_0");
    const size = this.original.length;
    noise.canvas.classList.add("eps");
    noise.grid.show(toBytes(subject.noises?.subarray(0, size) ?? new Float32Array(size), NOISE_RANGE));
    picture.grid.show(this.original);
    const words = phrase(this.text.codes_numbers, { mean: "0", variance: "1", neighbours: "0" });
    column.append(node("figcaption", "", this.text.codes_normal), noise.canvas);
    column.append(node("p", "off", words), picture.canvas, node("p", "off", this.text.rebuild_x_0));
    return column;
  }

  columnFor(k) {
    const N = this.film.info.columns[k];
    const column = node("figure", "x_0 predicted");
    const code = this.picture(phrase(this.text.codes_code, { N }), "code");
    const back = this.picture(phrase(this.text.codes_back, { N }), "back");
    code.canvas.classList.add("eps");
    const [numbers, off] = [node("p", "off", "–"), node("p", "off", "–")];
    column.append(node("figcaption", "", phrase(this.text.codes_steps, { N })));
    column.append(code.canvas, numbers, back.canvas, off);
    const show = (film) => {
      code.grid.show(film.plane(k, "code"));
      back.grid.show(film.plane(k, "back"));
      const { mean, variance, neighbours, off: [error], finished } = film.rows[k];
      numbers.textContent = phrase(this.text.codes_numbers, {
        mean: fixed(mean, 2), variance: fixed(variance, 2), neighbours: fixed(neighbours, 2),
      });
      off.textContent = finished ? phrase(this.text.levels_off, { off: fixed(error, 1) }) : "…";
    };
    return { column, show };
  }

  showAll() {
    const { rows, info } = this.film;
    this.part("made").textContent = spoken(info.made);
    const errors = info.columns.map((_, k) => (rows[k]?.finished ? rows[k].off[0] : NaN));
    const known = errors.filter((error) => !Number.isNaN(error));
    if (known.length) this.plot(errors, Math.max(...known));
    const [first, last] = [known[0], known.at(-1)];
    const whole = known.length === errors.length;
    this.part("said").textContent = whole ? phrase(this.text.codes_said, {
      few: info.columns[0], many: info.columns.at(-1), most: fixed(first, 1), least: fixed(last, 1),
    }) : "";
  }

  // As a line between the numbers of steps, straight in their logarithm.
  plot(errors, most) {
    const scale = scaleTo(most);
    if (scale.y[1] !== this.curve.axes.y[1]) this.curve.setAxes({ ...this.curve.axes, ...scale });
    const points = 200;
    const values = Array.from({ length: points + 1 }, (_, i) => this.at(i / points, errors));
    this.curve.plot("loss", values);
  }

  at(share, errors) {
    const k = Math.max(this.places.findLastIndex((place) => place <= share + 1e-9), 0);
    if (k === errors.length - 1) return errors[k];
    const inside = (share - this.places[k]) / (this.places[k + 1] - this.places[k]);
    return inside < 1e-9 ? errors[k] : (1 - inside) * errors[k] + inside * errors[k + 1];
  }
}
