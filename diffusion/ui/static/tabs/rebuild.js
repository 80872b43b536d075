// The tab Your picture: it is ruined up to some t in the browser, at once; a network walks back from there.
import { Chart } from "../lib/chart.js";
import { base64From } from "../lib/decode.js";
import { onNextFrame, phrase, whenSeen } from "../lib/dom.js";
import { fileName } from "../lib/files.js";
import { FilmTransport } from "../lib/film_transport.js";
import { link, press } from "../lib/link.js";
import { fixed, scaleTo } from "../lib/numbers.js";
import { Pad } from "../lib/pad.js";
import { Grid, distanceBetween, toBytes } from "../lib/pictures.js";
import { PictureRow } from "../lib/picture_row.js";
import { Save } from "../lib/save.js";
import { Question } from "../lib/server.js";
import { filmOf } from "../lib/sheet.js";
import {
  NUM_NOISES, bytesOf, faceOf, firstSent, listen, pictureOf, setModel, setPicture, setStart, subject,
  tilesOf,
} from "../lib/subject.js";
import { spoken } from "../lib/text.js";
import { View } from "../lib/view.js";
import { ruinedBy } from "../lib/walk.js";

const GREY = 128; // where nothing is expected yet
const LINES = ["q0", "q1", "q2", "q3"]; // a noise each

export function mount(context) {
  const view = new Rebuild(context);
  return (message) => view.receive(message);
}

class Rebuild extends View {
  ruining = true; // x_t is the picture as it was ruined last, and not a step of the film
  asked = 0; // the number of the picture that was asked about last

  constructor(context) {
    super(context);
    const names = ["x_t", "x_0", "x_0_hat"];
    this.grids = Object.fromEntries(names.map((name) => [name, new Grid(this.canvas(name))]));
    this.redraw = onNextFrame(this.root, () => this.draw());
    this.addChart();
    this.transport = new FilmTransport(this, {
      onFilm: (film) => this.prepare(film),
      onChange: (k) => this.moved(k),
    });
    this.part("start").addEventListener("input", () => this.ruin());
    listen((changes) => this.changed(changes));
    this.save = new Save(this, {
      name: () => this.transport.film?.info.file ?? [],
      film: () => this.transport.film && filmOf(this.transport.film, ["x_t"]),
      table: () => this.transport.film && this.rows(),
      code: () => this.code(context.props.code),
    });
  }

  addChart() {
    this.distances = new Chart(this.chart("distance"), {
      lines: LINES,
      ...scaleTo(0),
      xTicks: [[0, "t"], [1, this.text.data_at]],
      move: (share) => this.transport.goTo(share),
    });
  }

  // From Python: what a model is, then films.
  receive(message) {
    if (message.model) this.open(message);
    else {
      const { start } = message.info?.walk ?? {};
      if (start) start.x_0 = pictureOf(start.picture);
      if (!start || start.x_0) this.transport.receive(message);
    }
  }

  // ---- the model and its pictures -----------------------------------------------------------------------

  open(about) {
    if (about.model === subject.about?.model) return;
    const first = !subject.about;
    const { image_shape: shape, alphas_cumprod: table } = about;
    setModel(about);
    const last = table.length - 1;
    const share = first ? null : this.part("start").value / this.part("start").max;
    this.part("start").max = last;
    if (share !== null) this.part("start").value = Math.max(1, Math.round(share * last));
    setStart(Number(this.part("start").value));
    const tiles = tilesOf(about);
    if (first) this.addRow(tiles);
    else this.chooseAgain(tiles);
    this.pad.setChannels(shape[2]);
  }

  addRow(tiles) {
    const choose = (tile) => this.choose(tile);
    this.row = new PictureRow(this, { tiles, face: faceOf, choose });
    this.pad = new Pad(this, { row: this.row, choose: (own) => this.row.wish(this.row.ownTile(own)) });
    const { judge, waiting } = this.server;
    this.question = new Question(judge, this.row.part("problem"), this.text, waiting);
    let linked;
    link("rebuild.tile", {
      read: () => (subject.tile?.own ? undefined : subject.tile?.key),
      write: (key) => {
        linked = this.row.tiles.find((tile) => tile.key === key);
        return Boolean(linked);
      },
      first: tiles[0].key,
    });
    if (linked) choose(linked);
    this.row.rememberTile();
    if (!this.wanted) choose(tiles[0]);
    this.openFilm();
  }

  // The tile in the same place of another model's.
  chooseAgain(tiles) {
    const { chosen } = this.row;
    this.row.setFixed(tiles);
    this.row.showOwn();
    this.choose(this.row.tiles.find(({ key }) => key === chosen?.key) ?? tiles[0]);
  }

  async choose(tile) {
    this.row.mark(tile);
    this.wanted = tile;
    const bytes = await bytesOf(tile);
    if (tile === this.wanted) setPicture(tile, bytes);
  }

  changed({ bytes, noises, start }) {
    if (!bytes && !noises && !start) return;
    this.ruining = !this.isOfFilm();
    if (this.ruining) this.transport.live = false;
    this.redraw();
  }

  // Whether the film on show begins with just what is set now.
  isOfFilm() {
    const { film } = this.transport;
    if (!film || !subject.bytes) return false;
    const { seed, shape, start } = film.info.walk;
    const { bytes, about: { image_shape: size } } = subject;
    const same = seed === subject.seed && start.t === subject.start && shape[3] === size[2];
    const { original } = this;
    return same && bytes.length === original.length && distanceBetween(bytes, original) === 0;
  }

  // By a hand on the transport, or as the film grows.
  moved(k) {
    if (k !== this.place) this.ruining = false;
    this.place = k;
    this.redraw();
  }

  ruin() {
    setStart(Number(this.part("start").value));
  }

  // Whether the network knows such pictures: asked when somebody sees it.
  async ask() {
    this.asked = subject.number;
    const { about: { model }, bytes, tile } = subject;
    this.part("likeness").textContent = tile.note ?? "";
    const reply = await this.question.answer({ model, pixels: base64From(bytes) });
    if (!reply) return;
    this.part("likeness").dataset.likeness = reply.likeness ?? "";
    this.part("likeness").textContent = [tile.note, reply.said].filter(Boolean).join(" ");
  }

  // ---- the film -----------------------------------------------------------------------------------------

  // That of before a reload, or one of the first picture: then there is something to see at once.
  async openFilm() {
    if (await this.transport.restore()) return;
    await Promise.all([firstSent, whenSeen(this.root)]);
    press(this.controls.start, "rebuild", { offers: true });
  }

  prepare(film) {
    this.part("credit").textContent = spoken(film.info.credit);
    this.off = []; // of each frame how far each x̂_0 is from x_0, in grey levels
    this.place = undefined;
    const { start } = film.info.walk;
    this.original = toBytes(start.x_0);
    this.root.dataset.start = start.t;
    const xTicks = [[0, `t = ${start.t}`], [1, this.text.data_at]];
    this.distances.setAxes({ ...this.distances.axes, xTicks });
  }

  // How far the four pictures of a frame are from the one that was ruined.
  offAt(k) {
    const { film } = this.transport;
    const [bytes, size] = [film.plane(k, "x_0_hat"), this.original.length];
    const each = (i) => bytes.subarray(i * size, (i + 1) * size);
    this.off[k] ??= LINES.map((_, i) => distanceBetween(each(i), this.original));
    return this.off[k];
  }

  rows() {
    const { film } = this.transport;
    return Array.from({ length: film.last + 1 }, (_, k) => ({ t: film.rows[k]?.t ?? 0, off: this.offAt(k) }));
  }

  // Python that makes what is on show; what was ruined last, and not rebuilt, is of no film.
  code(template) {
    const { film, value: k } = this.transport;
    if (!film || this.ruining) return null;
    const file = (name) => fileName([...film.info.file, name, k], "png");
    const values = { picture: file("x_0"), file: file("x_t"), k, columns: this.grids.x_t.columns };
    return phrase(template, { ...film.info.code, ...values });
  }

  // ---- what it shows ------------------------------------------------------------------------------------

  draw() {
    if (!subject.bytes || !subject.noises) return;
    if (this.asked !== subject.number) this.ask();
    const { film, value: k } = this.transport;
    const isOfFilm = !this.ruining && film?.has(k);
    this.root.classList.toggle("not-made", !isOfFilm);
    if (isOfFilm) this.drawFrame(film, k);
    else this.drawRuined();
  }

  drawRuined() {
    const { about, bytes, x0, noises, start } = subject;
    this.fit(about.image_shape);
    this.grids.x_0.show(bytes);
    this.grids.x_t.show(toBytes(ruinedBy(noises, x0, about.alphas_cumprod[start])));
    this.grids.x_0_hat.show(new Uint8Array(noises.length).fill(GREY));
    this.fill({ start: String(start), t: String(start), state: this.text.rebuild_ruined, distances: "" });
  }

  // Pictures of this shape: the film's may be another model's than that which is chosen.
  fit(shape) {
    if (String(shape) === this.fitted) return;
    this.fitted = String(shape);
    const countOf = (name) => (name === "x_0" ? 1 : NUM_NOISES);
    for (const [name, grid] of Object.entries(this.grids)) grid.resize(countOf(name), shape);
  }

  drawFrame(film, k) {
    this.fit(film.shape("x_t").slice(1));
    this.grids.x_0.show(this.original);
    for (const name of ["x_t", "x_0_hat"]) this.grids[name].show(film.plane(k, name));
    const t = film.rows[k]?.t ?? 0;
    const off = this.offAt(k).map((value) => fixed(value, 1));
    this.fill({
      start: String(subject.start),
      t: String(t),
      state: this.text[t ? "rebuild_on_the_way" : "rebuild_rebuilt"],
      distances: phrase(this.text.rebuild_off, { off: off.join(", ") }),
    });
    this.drawDistances(film, k);
  }

  drawDistances(film, k) {
    const N = film.info.num_steps;
    for (let j = 0; j <= film.last; j++) this.offAt(j);
    const scale = scaleTo(Math.max(...this.off.flat()));
    if (scale.y[1] !== this.distances.axes.y[1]) this.distances.setAxes({ ...this.distances.axes, ...scale });
    LINES.forEach((name, i) =>
      this.distances.plot(name, Array.from({ length: N + 1 }, (_, j) => this.off[j]?.[i] ?? NaN)),
    );
    this.distances.cursor("x_t", k / Math.max(N, 1));
  }
}
