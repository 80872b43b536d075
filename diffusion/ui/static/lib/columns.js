// A comparison: pictures that Python makes column by column, each as it clears up, with numbers below.
import { node, phrase } from "./dom.js";
import { fileName } from "./files.js";
import { FilmView } from "./film_view.js";
import { Grid, toBytes } from "./pictures.js";
import { Save } from "./save.js";
import { pictureOf } from "./subject.js";

// What is needed of a view: `columnFor(k)` gives {column, show(film)} of a frame, an element and what puts
// the frame's pictures and numbers there; `firstColumn()` what stands before them; `showAll()` the rest.
export class Columns extends FilmView { // a frame is a column
  columns = [];

  // perColumn: pictures that are finished with a column.
  constructor(context, perColumn) {
    super(context);
    this.perColumn = perColumn;
    this.save = new Save(this, {
      name: () => this.film?.info.file ?? [],
      table: () => this.film?.rows,
      code: () => this.film && this.code(context.props.code),
    });
    this.restore();
  }

  originalOf({ picture }) {
    const x0 = pictureOf(picture);
    return x0 && toBytes(x0);
  }

  // original: the bytes of the picture that all of it is about.
  begin(film, original) {
    super.begin(film, original);
    this.columns = film.info.columns.map((_, k) => this.columnFor(k));
    const elements = this.columns.map(({ column }) => column);
    this.part("grid").replaceChildren(this.firstColumn(), ...elements);
    this.root.classList.add("shown");
  }

  // A picture with a grid of its own, one of one, or in one of a plane's shape; saved, it is called `name`.
  picture(label, plane, name = plane) {
    const canvas = node("canvas");
    canvas.dataset.c = name;
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

  // Python that makes what is on show.
  code(template) {
    const { info } = this.film;
    const picture = fileName([...info.file, "x_0"], "png");
    return phrase(template, { ...info.code, picture, file: fileName(info.file, "png") });
  }

  // The rows of the columns that are finished.
  get finished() {
    return this.film.rows.filter(({ finished }) => finished);
  }

  get made() {
    return this.finished.length * this.perColumn;
  }

  get all() {
    return this.columns.length * this.perColumn;
  }
}

export const meanOf = (values) => values.reduce((a, b) => a + b) / values.length;
