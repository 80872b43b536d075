// The tab Text to image: a film of several pictures, and of what the network reads, sees and expects of each.
import { AskedAndDrawn } from "../lib/asked.js";
import { node, onNextFrame, phrase } from "../lib/dom.js";
import { fileName } from "../lib/files.js";
import { FilmTransport } from "../lib/film_transport.js";
import { press } from "../lib/link.js";
import { decibels, milliseconds } from "../lib/numbers.js";
import { columnsFor } from "../lib/pictures.js";
import { Save } from "../lib/save.js";
import { remember } from "../lib/session.js";
import { filmOf } from "../lib/sheet.js";
import { spoken } from "../lib/text.js";
import { View } from "../lib/view.js";
import { Variant } from "./variant.js";

export function mount(context) {
  const view = new TextToImage(context);
  if (!context.props.value) view.open();
  return (message) => view.receive(message);
}

class TextToImage extends View {
  variants = [];
  looked = null; // the variant whose token was pointed at last
  looks = false; // whether it is shown what guidance combines

  constructor(context) {
    super(context);
    this.redraw = onNextFrame(this.root, () => this.draw());
    this.asked = new AskedAndDrawn(this, { onAnswer: () => this.hearAnswer() });
    this.part("outline").addEventListener("input", () => this.fadeOutline());
    this.transport = new FilmTransport(this, {
      onFilm: (film) => this.prepare(film),
      onChange: this.redraw,
    });
    this.transport.linkFilm(() => this.transport.film, {});
    this.save = new Save(this, {
      name: () => this.transport.film?.info.file ?? [],
      film: () => this.film(),
      table: () => this.transport.film?.rows,
      code: () => this.code(context.props.code),
    });
    remember(`${this.root.id} looks`, { save: () => this.looks, restore: (looks) => (this.looks = looks) });
  }

  // With the film of before a reload. Opened for the first time it draws the prompt that stands there.
  async open() {
    if (!(await this.transport.restore())) press(this.controls.draw, "text_to_image");
    else this.showNearest();
  }

  receive(message) {
    this.transport.receive(message);
    if (!message.nearest) return;
    this.transport.film.info.nearest = message.nearest; // with the film it outlives a reload
    this.showNearest();
  }

  prepare(film) {
    this.looked = null;
    const template = this.find("template");
    this.variants = film.info.variants.map((_, i) => new Variant(template, film, i, this.options));
    this.part("variants").replaceChildren(...this.variants.map((variant) => variant.root));
    this.part("rests").replaceChildren(...this.variants.map((variant) => variant.rest));
    this.root.classList.toggle("pair", this.variants.length > 1);
    this.part("sketched").hidden = !film.planes["0.sketch"];
    this.part("combining").hidden = this.variants.every((variant) => !variant.guided);
    this.part("memorised").hidden = true;
    for (const role of ["outlining", "outlined"]) this.part(role).hidden = !film.info.cats;
    this.asked.prepare(film);
    this.choose(film.info.main ?? 0);
    this.setOpen(this.looks);
  }

  // The pictures of all prompts, a row for each if there are two.
  film() {
    const { film } = this.transport;
    return film && filmOf(film, this.variants.map((_, i) => `${i}.decoded`), this.columns);
  }

  get columns() {
    const { num_images: count } = this.transport.film.info;
    return this.variants.length > 1 ? count : columnsFor(count);
  }

  // Python that makes what is on show.
  code(template) {
    const { film, value: k } = this.transport;
    if (!film) return null;
    const file = fileName([...film.info.file, `step${k}`], "png");
    return phrase(template, { ...film.info.code, k, columns: this.columns, file });
  }

  // What a variant has of the view.
  get options() {
    return {
      text: this.text,
      server: this.server,
      onLook: (variant) => {
        this.looked = variant;
        this.redraw();
      },
      onChoose: (i) => {
        this.choose(i);
        this.transport.keep();
      },
      onOpen: (open) => this.setOpen(open),
      onGuided: () => {
        this.transport.keep();
        this.redraw();
      },
      goTo: (k) => this.transport.userSet(k),
    };
  }

  // The picture with this number is looked at: of each variant, for they began with the same noise.
  choose(i) {
    this.transport.film.info.main = i; // with the film it outlives a reload
    for (const variant of this.variants) variant.choose(i);
    this.showNearest();
    this.redraw();
  }

  setOpen(open) {
    this.looks = open;
    for (const variant of this.variants) variant.open = open;
    this.redraw();
  }

  draw() {
    const { value: k, film } = this.transport;
    if (!film?.has(k)) return;
    for (const variant of this.variants) variant.draw(k);
    this.tellAttention(k);
    this.asked.draw();
    if (this.looks) for (const variant of this.variants) variant.showGuided();
    const row = film.rows[k];
    this.fill({
      t: String(row?.t ?? 0),
      k: String(k),
      N: String(film.info.num_steps),
      snr: row ? decibels(row.snr) : "∞",
      ms: row ? milliseconds(row.seconds) : "–",
    });
  }

  tellAttention(k) {
    const { rows } = this.transport.film;
    const row = rows[k] ?? rows[k - 1]; // the last frame shows the last step's attention
    const telling = [this.looked, ...this.variants].find((variant) => variant && variant.token !== null);
    this.part("attention").textContent =
      telling && row ? telling.describe(k, row.attention_max[telling.index]) : this.text.attention_idle;
    this.part("outlined").textContent = telling && row ? telling.describeOutline(k) : this.text.outline_idle;
    this.part("outline").disabled = !telling;
  }

  // Which cats they are is known.
  hearAnswer() {
    this.transport.keep();
    this.redraw();
  }

  fadeOutline() {
    const { value } = this.part("outline");
    this.root.style.setProperty("--outline", value / 100);
    this.part("outline").setAttribute("aria-valuetext", `${value} %`);
  }

  // The emoji nearest to the picture that is looked at, of each variant; of other models there are none.
  showNearest() {
    const { nearest = [], main } = this.transport.film.info;
    const known = nearest.map((pictures) => pictures[main]);
    this.part("memorised").hidden = !known.length;
    if (!known.length) return;
    this.part("distances").textContent = phrase(this.text.memorised_note, {
      number: known[0].number.toLocaleString("en"),
      median: known.map((found) => found.median_distance.toFixed(2)).join(" / "),
    });
    const lists = known.map(({ nearest }) => {
      const list = node("div", "neighbours");
      list.append(...nearest.map((neighbour) => this.neighbour(neighbour)));
      return list;
    });
    this.part("results").replaceChildren(...lists);
  }

  neighbour({ picture, name, distance, held_out }) {
    const figure = node("figure", "neighbour");
    figure.append(Object.assign(new Image(), { src: picture, alt: "" }));
    const caption = node("figcaption", "", spoken(name));
    caption.append(node("small", "", `${this.text.distance} ${distance.toFixed(2)}`));
    if (held_out) caption.append(node("small", "badge", this.text.held_out_badge));
    figure.append(caption);
    return figure;
  }
}
