// What guidance combines: the two predictions of a step, and their difference; over all steps its size.
import { Chart } from "./chart.js";
import { phrase } from "./dom.js";
import { Grid, differenceOf, distanceBetween } from "./pictures.js";

const PICTURES = ["with", "without", "difference"];

export class Guidance {
  // root has the markup of guidance.html. text: the page's texts. goTo is called with the step that is chosen
  // on the curve.
  constructor(root, { text, goTo }) {
    Object.assign(this, { root, text, goTo, shown: false });
    this.place = root.querySelector('[data-role="guided"]');
    this.grids = Object.fromEntries(PICTURES.map((name) => [name, new Grid(this.canvas(name))]));
    this.chart = new Chart(this.place.querySelector("svg"), {
      lines: ["apart"],
      move: (share) => this.goTo(Math.round(share * this.last)),
      ...this.axes(1, 1),
    });
    const toPeak = this.place.querySelector('[data-role="peak"]');
    toPeak.addEventListener("click", () => this.goTo(this.peak));
  }

  canvas(name) {
    return this.place.querySelector(`canvas[data-c="${name}"]`);
  }

  axes(most, last) {
    const yTicks = [[0, "0"], [most, most.toFixed(0)]];
    return { y: [0, most], yTicks, xTicks: [[0, "0"], [1, String(last)]], xTitle: this.text.step };
  }

  write(role, content) {
    for (const place of this.place.querySelectorAll(`[data-role="${role}"]`)) place.textContent = content;
  }

  // film: of which the planes with and without are shown, if it has them. scale: of the guidance. names: what
  // the two predictions are called.
  prepare(film, { scale, names }) {
    Object.assign(this, { film, apart: [], measured: 0 });
    this.shown = film.planes.with !== undefined;
    this.place.hidden = !this.shown;
    if (!this.shown) return;
    const shape = film.shape("with");
    const [count, ...size] = shape.length > 3 ? shape : [1, ...shape];
    for (const name of PICTURES) this.grids[name].resize(count, size);
    for (const name of ["with", "without"]) {
      this.write(name, names[name]);
      this.canvas(name).setAttribute("aria-label", names[name]);
    }
    this.write("scale", scale);
    this.last = Math.max(1, film.info.num_steps - 1); // of the steps
  }

  hide() {
    this.shown = false;
    this.place.hidden = true;
  }

  plane(k, name) {
    return this.film.plane(k, name);
  }

  // How far the predictions of each step are apart, and where most; when steps have come, not at each frame.
  measure() {
    const { rows } = this.film;
    if (this.measured === rows.length) return;
    this.measured = rows.length;
    rows.forEach((_, k) => {
      this.apart[k] ??= distanceBetween(this.plane(k, "with"), this.plane(k, "without"));
    });
    this.peak = this.apart.indexOf(Math.max(...this.apart));
    this.drawCurve(Math.max(1, this.apart[this.peak]));
  }

  // Frame k; of the result, which nothing was predicted for, the last step.
  draw(k) {
    if (!this.shown) return;
    this.measure();
    const step = Math.min(k, this.film.rows.length - 1);
    const [one, other] = ["with", "without"].map((name) => this.plane(step, name));
    this.grids.with.show(one);
    this.grids.without.show(other);
    this.grids.difference.show(differenceOf(one, other));
    this.chart.cursor("apart", step / this.last);
    const said = step < k ? this.text.apart_last : this.text.apart_here;
    this.write("apart", phrase(said, { k: step, rms: this.apart[step].toFixed(1) }));
    this.write("peak", phrase(this.text.apart_most, { peak: this.peak }));
  }

  drawCurve(most) {
    this.chart.setAxes(this.axes(most, this.last));
    this.chart.plot("apart", Array.from({ length: this.last + 1 }, (_, k) => this.apart[k] ?? NaN));
  }
}
