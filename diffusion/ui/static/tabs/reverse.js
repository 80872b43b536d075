// The Reverse tab: a film of x_t, ε̂ and x̂_0, frame by frame as the server makes it, then the browser's own.
import { elementById, onNextFrame, phrase } from "../lib/dom.js";
import { fileName } from "../lib/files.js";
import { FilmTransport } from "../lib/film_transport.js";
import { Forms } from "../lib/forms.js";
import { Guidance } from "../lib/guidance.js";
import { decibels, fixed, milliseconds, scientific } from "../lib/numbers.js";
import { Pixel, placeOf, weightedSum } from "../lib/pixel.js";
import { Grid } from "../lib/pictures.js";
import { Save } from "../lib/save.js";
import { filmOf } from "../lib/sheet.js";
import { state, subscribe } from "../lib/state.js";
import { spoken } from "../lib/text.js";
import { Verdicts } from "../lib/verdicts.js";
import { View } from "../lib/view.js";
import { aimOf, noiseIn } from "../lib/walk.js";

const PLANES = ["x_t", "eps_hat", "x_0_hat"];
const SYMBOLS = { eps: "ε", v: "v", score: "s" }; // of what stands in the place of ε̂, each with a hat
const WIDE = 1.6; // width / height from which the small pictures stand below the large one

export function mount(context) {
  const view = new Reverse(context);
  return (message) => view.transport.receive(message);
}

class Reverse extends View {
  constructor(context) {
    super(context);
    this.grids = Object.fromEntries(PLANES.map((name) => [name, new Grid(this.canvas(name))]));
    this.pixel = new Pixel(this, PLANES, (place) => this.readPixel(place));
    const goTo = (k) => this.transport.userSet(k);
    this.guidance = new Guidance(this.root, { text: this.text, goTo });
    this.verdicts = new Verdicts(this, { keep: () => this.transport.keep(), goTo });
    this.putBelow(this.verdicts.place);
    const redraw = onNextFrame(this.root, () => this.draw());
    this.forms = new Forms(this.root, redraw);
    this.transport = new FilmTransport(this, { onFilm: (film) => this.prepare(film), onChange: redraw });
    this.transport.linkFilm(() => this.transport.film, { start: this.controls.start, offers: true });
    this.save = new Save(this, {
      name: () => this.transport.film?.info.file ?? [],
      film: () => this.transport.film && filmOf(this.transport.film, ["x_t"]),
      table: () => this.transport.film?.rows,
      code: () => this.code(context.props.code),
    });
    this.open();
    this.offerShipped();
  }

  // With the film of before a reload, or the one that came with the checkpoint.
  async open() {
    if (await this.transport.restore()) return;
    if (state.film) this.playShipped();
    else subscribe((changes) => changes.film && !this.transport.film && this.playShipped());
  }

  async offerShipped() {
    const opening = await elementById(this.controls.opening);
    opening.addEventListener("click", () => this.playShipped());
  }

  playShipped() {
    this.transport.show(state.film);
    this.transport.autoplay();
  }

  prepare(film) {
    for (const name of PLANES) {
      const [count, ...shape] = film.shape(name);
      this.grids[name].resize(count, shape);
    }
    const { aspect, channels } = this.grids.x_t;
    this.pixel.setChannels(channels);
    this.find(".stage").style.setProperty("--aspect", aspect);
    this.find(".stage").classList.toggle("wide", aspect > WIDE);
    this.part("credit").textContent = spoken(film.info.credit);
    const names = { with: this.text.with_class, without: this.text.without_class };
    this.guidance.prepare(film, { scale: film.info.guidance_scale, names });
    this.verdicts.prepare(film);
  }

  // Python that makes what is on show.
  code(template) {
    const { film, value: k } = this.transport;
    if (!film) return null;
    const file = fileName([...film.info.file, `step${k}`], "png");
    return phrase(template, { ...film.info.code, k, columns: this.grids.x_t.columns, file });
  }

  draw() {
    const { value: k, film } = this.transport;
    if (!film?.has(k)) return;
    this.guidance.draw(k);
    this.verdicts.draw(k);
    const row = film.rows[k];
    const predicted = row || k === 0 ? k : k - 1; // at t = 0 nothing is left to predict
    for (const name of ["x_t", "x_0_hat"]) this.grids[name].show(film.plane(k, name));
    this.grids.eps_hat.show(this.forms.prediction(film, predicted));
    this.part("update").hidden = !row;
    this.part("finished").hidden = Boolean(row);
    this.fill({ k: String(k), N: String(film.info.num_steps) });
    const { view } = this.forms;
    const whose = this.text[`film_${view}`];
    this.fill({
      predicted: SYMBOLS[view],
      whose: row ? whose : phrase(this.text.last_eps, film.rows[predicted] ?? {}),
    });
    this.canvas("eps_hat").setAttribute("aria-label", whose);
    const shown = view === "score" ? view : `${view}_hat`;
    this.canvas("eps_hat").dataset.shows = this.find("figure.eps [data-symbol]").dataset.symbol = shown;
    if (row) this.showStep(row);
    else this.fill({ t: "0", alpha_bar: "1", alpha_t: "1", sigma_t: "0", snr: "∞", ms: "–" });
    this.part("pixel-step").classList.toggle("unseen", !row);
    this.part("pixel-update").classList.toggle("unseen", !row);
    this.pixel.refresh();
  }

  showStep(row) {
    this.forms.draw(row);
    for (const role of ["fresh", "pixel-fresh"]) this.part(role).hidden = row.noise_weight === 0;
    this.part("extrapolated").hidden = row.extrapolation === 0;
    this.part("plain").hidden = row.extrapolation !== 0;
    this.fill({
      t: String(row.t),
      s: String(row.s),
      alpha_bar: scientific(row.alphas_cumprod_t),
      snr: decibels(row.snr),
      ms: milliseconds(row.seconds),
      w_x_0: fixed(row.x_0_weight),
      w_eps: fixed(row.eps_weight),
      w_noise: fixed(row.noise_weight),
      alpha_t: fixed(Math.sqrt(row.alphas_cumprod_t)),
      sigma_t: fixed(Math.sqrt(1 - row.alphas_cumprod_t)),
      extrapolation: fixed(row.extrapolation, 3),
      fraction: row.extrapolation === 0 ? "ε̂" : this.text.pixel_fraction,
    });
  }

  // x_s is what the digits that are shown of the others add up to.
  readPixel({ x, y }) {
    const { value: k, film } = this.transport ?? {};
    const { width, height, columns, count, channels } = this.grids.x_t;
    const image = Math.floor(y / height) * columns + Math.floor(x / width);
    if (!film?.has(k) || image >= count) return null;
    const inside = { x: x % width, y: y % height };
    const where = `${phrase(this.text.pixel_image, { n: image + 1 })} ${placeOf(this.text, inside)}`;
    const from = ((image * height + inside.y) * width + inside.x) * channels;
    const numbers = film.numbers(k);
    const all = Array.from({ length: channels }, (_, c) => from + c);
    return { where, columns: this.columnsOf(film.rows[k], numbers, all) };
  }

  // Of the numbers at these places.
  columnsOf(row, { x_t, x_0_hat, eps_hat, before, z }, places) {
    const column = (value) => places.map((i) => fixed(value(i)));
    if (!row) return { x_t: column((i) => x_t[i]) };
    const aim = (i) => aimOf(row, x_0_hat[i], before[i]);
    const D = column(aim);
    const fraction = column((i) => noiseIn(row, x_t[i], aim(i)));
    const terms = [[fixed(row.x_0_weight), D], [fixed(row.eps_weight), fraction]];
    const fresh = z && column((i) => z[i]);
    if (z) terms.push([fixed(row.noise_weight), fresh]);
    return {
      x_t: column((i) => x_t[i]), x_0_hat: column((i) => x_0_hat[i]), eps_hat: column((i) => eps_hat[i]),
      D, fraction, ...(z && { z: fresh }), x_s: weightedSum(...terms),
    };
  }
}
