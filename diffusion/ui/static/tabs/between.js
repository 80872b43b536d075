// Between the codes of two pictures: what an arc between them holds, beside a cross-fade of the pixels.
import { onNextFrame, phrase } from "../lib/dom.js";
import { LiveTransport } from "../lib/film_transport.js";
import { FilmView } from "../lib/film_view.js";
import { fileName } from "../lib/files.js";
import { link } from "../lib/link.js";
import { fixed, percent } from "../lib/numbers.js";
import { Grid, toBytes } from "../lib/pictures.js";
import { PictureRow } from "../lib/picture_row.js";
import { Save } from "../lib/save.js";
import { filmOf } from "../lib/sheet.js";
import { bytesOf, faceOf, listen, pictureOf, setOther, subject, tilesOf } from "../lib/subject.js";
import { spoken } from "../lib/text.js";

const PICTURES = ["code", "picture", "fade"];
const GREY = 128;
const FIRST = 1; // the tile that is chosen at first: another than the first

export function mount(context) {
  const view = new BetweenCodes(context);
  return (message) => view.receive(message);
}

class BetweenCodes extends FilmView {
  constructor(context) {
    super(context);
    this.grids = Object.fromEntries(PICTURES.map((name) => [name, new Grid(this.canvas(name))]));
    this.redraw = onNextFrame(this.root, () => this.draw());
    this.transport = new LiveTransport(this.root, {
      seconds: 3,
      describe: (k) => this.describe(k),
      onChange: this.redraw,
    });
    this.save = new Save(this, {
      name: () => this.film?.info.file ?? [],
      film: () => this.film?.has(0) && filmOf(this.film, ["picture"]),
      table: () => this.film?.rows,
      code: () => this.film && this.finished && this.code(context.props.code),
    });
    listen((changes) => this.changed(changes));
    this.changed(subject);
    this.restore();
  }

  async restore() {
    await super.restore();
    this.transport.remember();
  }

  // ---- the second picture -------------------------------------------------------------------------------

  changed({ about, bytes, other }) {
    if (about && about.model !== this.model) this.open(about);
    if (bytes || other) this.redraw();
  }

  open(about) {
    const first = !this.model;
    this.model = about.model;
    const tiles = tilesOf(about);
    for (const grid of Object.values(this.grids)) grid.resize(1, about.image_shape);
    if (!first) {
      const { chosen } = this.row;
      this.row.setFixed(tiles);
      this.row.showOwn();
      this.choose(this.row.tiles.find(({ key }) => key === chosen?.key) ?? tiles[FIRST]);
      return;
    }
    this.row = new PictureRow(this, { tiles, face: faceOf, choose: (tile) => this.choose(tile) });
    let linked;
    link("rebuild.other", {
      read: () => (this.row.chosen?.own ? undefined : this.row.chosen?.key),
      write: (key) => Boolean((linked = this.row.tiles.find((tile) => tile.key === key))),
      first: tiles[FIRST].key,
    });
    if (linked) this.choose(linked);
    this.row.rememberTile();
    if (!this.row.chosen) this.choose(tiles[FIRST]);
  }

  async choose(tile) {
    this.row.mark(tile);
    const bytes = await bytesOf(tile);
    if (tile === this.row.chosen) setOther(tile, bytes);
  }

  // ---- the film -----------------------------------------------------------------------------------------

  originalOf({ pictures }) {
    const ends = pictures.map(pictureOf);
    return ends.every(Boolean) && ends;
  }

  begin(film, ends) {
    this.transport.pause();
    this.transport.live = !film.has(0); // it comes frame by frame, and not from before
    super.begin(film, ends);
    for (const grid of Object.values(this.grids)) grid.resize(1, film.info.image_shape);
    this.part("made").textContent = spoken(film.info.made);
  }

  get finished() {
    return this.film.last > 0 && this.film.rows.at(-1).finished;
  }

  show() {
    const { count } = this.film.info;
    const { live, value } = this.transport;
    const middle = Math.floor(count / 2);
    this.transport.grown(this.film.last, live ? Math.min(middle, this.film.last) : value, count - 1);
    this.redraw();
    this.showProgress();
    if (!this.finished || this.root.dataset.done === "true") return;
    this.root.dataset.done = "true";
    if (!live) return;
    this.transport.set(0);
    this.transport.autoplay();
  }

  get made() {
    return this.finished ? this.all : 0;
  }

  get all() {
    return this.film.info.count;
  }

  describe(k) {
    if (!this.film) return "";
    const K = this.film.info.count - 1;
    return phrase(this.text.valuetext_journey, { k, K, percent: percent(k / K) });
  }

  // Python that makes what is on show: the cross-fade's ends are the two pictures.
  code(template) {
    const { info } = this.film;
    const { value: k, last } = this.transport;
    const file = (name, at) => fileName([...info.file, name, at], "png");
    const values = { first: file("fade", 0), second: file("fade", last), file: file("picture", k), k };
    return phrase(template, { ...info.code, ...values });
  }

  // ---- one place ----------------------------------------------------------------------------------------

  draw() {
    const k = this.transport.value;
    const isIdle = !this.film?.has(k);
    this.root.classList.toggle("not-made", isIdle);
    if (isIdle) {
      this.drawIdle();
      return;
    }
    const { w, weights, angle, variance, finished } = this.film.rows[k];
    const [a, b] = this.original; // x_0 of both
    for (const name of ["code", "picture"]) this.grids[name].show(this.film.plane(k, name));
    this.grids.fade.show(toBytes(a.map((value, i) => (1 - w) * value + w * b[i])));
    this.canvas("picture").parentElement.classList.toggle("predicted", !finished);
    this.fill({
      w: fixed(w, 2),
      of_a: fixed(weights?.[0] ?? 1, 3),
      of_b: fixed(weights?.[1] ?? 0, 3),
      angle: angle === undefined ? "–" : `${fixed((angle * 180) / Math.PI, 1)}°`,
      variance: fixed(variance, 2),
    });
  }

  // Before anything is asked: of the cross-fade its beginning.
  drawIdle() {
    if (!subject.bytes || !subject.other.bytes) return;
    const grey = new Uint8Array(subject.bytes.length).fill(GREY);
    for (const name of ["code", "picture"]) this.grids[name].show(grey);
    this.grids.fade.show(subject.bytes);
  }
}
