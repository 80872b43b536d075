// A comparison: pictures that Python makes column by column, each as it clears up, with numbers below.
import { node } from "./dom.js";
import { Film } from "./film.js";
import { Grid, toBytes } from "./pictures.js";
import { Progress } from "./progress.js";
import { fromLink, keep, kept } from "./session.js";
import { pictureOf } from "./subject.js";
import { View } from "./view.js";

// What is needed of a view: `columnFor(k)` gives {column, show(film)} of a frame, an element and what puts
// the frame's pictures and numbers there; `firstColumn()` what stands before them; `showAll()` the rest.
export class Columns extends View {
  film = null; // a frame is a column: its rows tell whether it is finished
  columns = [];

  // perColumn: pictures that are finished with a column.
  constructor(context, perColumn) {
    super(context);
    this.perColumn = perColumn;
    this.progress = new Progress(this, "picture");
    this.restore();
  }

  async restore() {
    const left = fromLink ? undefined : await kept(`${this.root.id} columns`);
    if (!left || this.film) return;
    if (left.record.info.progress) left.record.info.progress.ended ??= "stopped";
    this.begin(Film.from(left.record), left.original);
    this.show();
  }

  receive(message) {
    if (this.progress.takes(message)) return;
    if (!message.film) {
      this.showProgress(); // given up before it began
      return;
    }
    if (message.film !== this.film?.id) {
      const x0 = pictureOf(message.info.picture);
      if (!x0) return;
      this.begin(new Film(message), toBytes(x0));
    }
    Object.assign(this.film.add(message).info, { progress: message.progress, calls: message.calls });
    this.show();
    keep(`${this.root.id} columns`, () => ({ record: this.film.record, original: this.original }));
  }

  // original: the bytes of the picture that all of it is about.
  begin(film, original) {
    Object.assign(this, { film, original });
    this.columns = film.info.columns.map((_, k) => this.columnFor(k));
    const elements = this.columns.map(({ column }) => column);
    this.part("grid").replaceChildren(this.firstColumn(), ...elements);
    this.root.dataset.film = film.id;
    this.root.classList.add("shown");
  }

  // A picture with a grid of its own, one of one, or in one of a plane's shape.
  picture(label, plane) {
    const canvas = node("canvas");
    canvas.setAttribute("role", "img");
    canvas.setAttribute("aria-label", label);
    const grid = new Grid(canvas);
    grid.resize(1, this.film.shape(plane).slice(1));
    return { canvas, grid };
  }

  show() {
    this.film.rows.forEach(({ finished }, k) => {
      this.columns[k].show(this.film, k);
      this.columns[k].column.classList.toggle("predicted", !finished);
    });
    this.root.dataset.done = this.finished.length === this.columns.length;
    this.showAll();
    this.showProgress();
  }

  // The rows of the columns that are finished.
  get finished() {
    return this.film.rows.filter(({ finished }) => finished);
  }

  showProgress() {
    const { progress, calls, per_step: per } = this.film?.info ?? {};
    if (!progress) {
      this.progress.clear();
      return;
    }
    const [N, k] = [this.columns.length, this.finished.length].map((count) => count * this.perColumn);
    this.progress.show({ k, N, ...progress, calls, predictions: calls * per.predictions });
  }
}

export const meanOf = (values) => values.reduce((a, b) => a + b) / values.length;
