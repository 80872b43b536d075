// Between the codes of two pictures: what an arc between them holds, beside a cross-fade of the pixels.
import { onNextFrame, phrase } from "../lib/dom.js";
import { Film } from "../lib/film.js";
import { LiveTransport } from "../lib/film_transport.js";
import { link } from "../lib/link.js";
import { fixed, percent } from "../lib/numbers.js";
import { Grid, toBytes } from "../lib/pictures.js";
import { PictureRow } from "../lib/picture_row.js";
import { Progress } from "../lib/progress.js";
import { Save } from "../lib/save.js";
import { fromLink, keep, kept } from "../lib/session.js";
import { filmOf } from "../lib/sheet.js";
import { bytesOf, faceOf, listen, pictureOf, setOther, subject, tilesOf } from "../lib/subject.js";
import { spoken } from "../lib/text.js";
import { View } from "../lib/view.js";

const PICTURES = ["code", "picture", "fade"];
const GREY = 128;
const FIRST = 1; // the tile that is chosen at first: another than the first

export function mount(context) {
  const view = new BetweenCodes(context);
  return (message) => view.receive(message);
}

class BetweenCodes extends View {
  film = null; // its rows tell w, and whether the pictures are finished
  ends = []; // x_0 of both pictures of the film

  constructor(context) {
    super(context);
    this.grids = Object.fromEntries(PICTURES.map((name) => [name, new Grid(this.canvas(name))]));
    this.redraw = onNextFrame(this.root, () => this.draw());
    this.progress = new Progress(this, "picture");
    this.transport = new LiveTransport(this.root, {
      seconds: 3,
      describe: (k) => this.describe(k),
      onChange: this.redraw,
    });
    this.save = new Save(this, {
      name: () => this.film?.info.file ?? [],
      film: () => this.film?.has(0) && filmOf(this.film, ["picture"]),
      table: () => this.film?.rows,
    });
    listen((changes) => this.changed(changes));
    this.changed(subject);
    this.restore();
  }

  async restore() {
    const left = fromLink ? undefined : await kept(`${this.root.id} film`);
    if (left && !this.film) {
      if (left.record.info.progress) left.record.info.progress.ended ??= "stopped";
      this.begin(Film.from(left.record), left.ends);
      this.show();
    }
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

  receive(message) {
    if (this.progress.takes(message)) return;
    if (!message.film) {
      this.showProgress(); // given up before it began
      return;
    }
    if (message.film !== this.film?.id) {
      const ends = message.info.pictures.map(pictureOf);
      if (!ends.every(Boolean)) return;
      this.begin(new Film(message), ends);
      this.transport.live = true;
    }
    Object.assign(this.film.add(message).info, { progress: message.progress, calls: message.calls });
    keep(`${this.root.id} film`, () => ({ record: this.film.record, ends: this.ends }));
    this.show();
  }

  begin(film, ends) {
    this.transport.pause();
    Object.assign(this, { film, ends });
    for (const grid of Object.values(this.grids)) grid.resize(1, film.info.image_shape);
    this.part("made").textContent = spoken(film.info.made);
    this.root.dataset.film = film.id;
    this.root.dataset.done = "false";
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

  showProgress() {
    const { progress, calls, count, per_step: per } = this.film?.info ?? {};
    if (!progress) {
      this.progress.clear();
      return;
    }
    const k = this.finished ? count : 0;
    this.progress.show({ k, N: count, ...progress, calls, predictions: calls * per.predictions });
  }

  describe(k) {
    if (!this.film) return "";
    const K = this.film.info.count - 1;
    return phrase(this.text.valuetext_journey, { k, K, percent: percent(k / K) });
  }

  // ---- one place ----------------------------------------------------------------------------------------

  draw() {
    const k = this.transport.value;
    if (!this.film?.has(k)) {
      this.drawIdle();
      return;
    }
    const { w, weights, angle, variance, finished } = this.film.rows[k];
    const [a, b] = this.ends;
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

  // Before anything is asked: the two pictures between which it will be.
  drawIdle() {
    if (!subject.bytes || !subject.other.bytes) return;
    this.grids.picture.show(subject.bytes);
    this.grids.code.show(new Uint8Array(subject.bytes.length).fill(GREY));
    this.grids.fade.show(subject.other.bytes);
  }
}
