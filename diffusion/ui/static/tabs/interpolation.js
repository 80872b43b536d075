// Interpolation: a film whose frames are pictures between two ends; the browser scrubs it.
import { bytesFrom } from "../lib/decode.js";
import { button, node, onNextFrame, phrase } from "../lib/dom.js";
import { LiveTransport } from "../lib/film_transport.js";
import { FilmView } from "../lib/film_view.js";
import { fixed, percent } from "../lib/numbers.js";
import { Grid } from "../lib/pictures.js";
import { Save } from "../lib/save.js";
import { filmOf } from "../lib/sheet.js";
import { spoken } from "../lib/text.js";

const GREY = 128;

export function mount(context) {
  const view = new Interpolation(context);
  return (message) => view.receive(message);
}

class Interpolation extends FilmView {
  noises = []; // the noise of each frame in bytes
  reel = []; // for each frame {place, grid}

  constructor(context) {
    super(context);
    this.noise = new Grid(this.canvas("noise"));
    this.picture = new Grid(this.canvas("picture"));
    this.redraw = onNextFrame(this.root, () => this.draw());
    this.transport = new LiveTransport(this.root, {
      seconds: 3,
      describe: (k) => this.describe(k),
      onChange: this.redraw,
    });
    this.transport.linkFilm(() => this.film, { start: this.controls.start });
    this.save = new Save(this, {
      name: () => this.film?.info.file ?? [],
      film: () => this.film?.has(0) && filmOf(this.film, ["picture"]),
      table: () => this.film?.info.frames.map(({ noise, ...numbers }) => numbers),
    });
    this.restore();
  }

  async restore() {
    await super.restore();
    this.transport.remember();
  }

  describe(k) {
    if (!this.film) return "";
    const { frames } = this.film.info;
    return phrase(this.text.valuetext_journey, {
      k, K: frames.length - 1, percent: percent(frames[k]?.w ?? 0),
    });
  }

  show() {
    this.film.frames.forEach((_, k) => this.showInReel(k));
    this.part("idle").hidden = true;
    for (const role of ["start", "arrow", "picture", "formula"]) this.part(role).hidden = false;
    this.showProgress();
    if (this.film.last < 0) {
      this.showEmpty();
      return;
    }
    const { live, value } = this.transport;
    this.transport.grown(this.film.last, live ? this.film.last : value, this.all - 1);
    this.redraw();
    if (this.whole && this.root.dataset.done !== "true") this.finish();
  }

  get made() {
    return this.film.rows.filter(({ finished }) => finished).length;
  }

  get all() {
    return this.film.info.frames.length;
  }

  get whole() {
    return this.made === this.all;
  }

  begin(film, original) {
    this.transport.pause();
    this.transport.live = !film.has(0); // it comes frame by frame, and not from before
    super.begin(film, original);
    const { info } = film;
    this.noise.resizeForLatent(info.latent_shape);
    this.picture.resize(1, this.film.shape("picture"));
    this.noises = info.frames.map(({ noise }) => bytesFrom(noise));
    this.layReel();
    this.label(info);
  }

  label({ mode, prompts, notes, made }) {
    const changes = { prompts: mode !== "noises", noises: mode !== "prompts" };
    for (const [role, changing] of Object.entries(changes))
      for (const place of this.root.querySelectorAll(`[data-role="${role}"]`)) place.hidden = !changing;
    const named = (prompt) => (prompt ? `“${prompt}”` : this.text.no_text);
    this.fill({
      start: changes.noises ? this.text.journey_noise : this.text.journey_same_noise,
      from: changes.prompts ? named(prompts[0]) : this.text.journey_a,
      to: changes.prompts ? named(prompts[1]) : this.text.journey_b,
    });
    this.part("notes").textContent = spoken(notes).join(" ");
    this.part("made").textContent = spoken(made);
  }

  // ---- the reel -----------------------------------------------------------------------------------------

  // A place for every frame, empty until its picture comes.
  layReel() {
    this.reel = this.film.info.frames.map(({ w }, k) => {
      const place = button("", phrase(this.text.journey_frame, { k, percent: percent(w) }));
      place.disabled = true;
      const grid = new Grid(place.appendChild(node("canvas", "")));
      grid.resize(1, this.film.shape("picture"));
      place.addEventListener("click", () => this.transport.userSet(k));
      return { place, grid };
    });
    this.part("reel").replaceChildren(...this.reel.map(({ place }) => place));
  }

  showInReel(k) {
    const { place, grid } = this.reel[k];
    grid.show(this.film.plane(k, "picture"));
    place.disabled = false;
    place.classList.toggle("making", !this.film.rows[k].finished);
  }

  // ---- one frame ----------------------------------------------------------------------------------------

  showEmpty() {
    const [height, width, channels] = this.film.shape("picture");
    this.picture.show(new Uint8Array(height * width * channels).fill(GREY));
    this.noise.show(this.noises[0]);
  }

  draw() {
    const k = this.transport.value;
    if (!this.film?.has(k)) return;
    const { angle, frames } = this.film.info;
    const { w, weights, variance, straight_variance: straight } = frames[k];
    this.picture.show(this.film.plane(k, "picture"));
    this.noise.show(this.noises[k]);
    this.part("picture").classList.toggle("predicted", !this.film.rows[k].finished);
    this.reel.forEach(({ place }, i) => place.setAttribute("aria-pressed", i === k));
    this.part("mix").style.width = `${100 * w}%`;
    this.fill({
      w: fixed(w, 3),
      of_a: fixed(1 - w, 3),
      of_b: fixed(w, 3),
      slerp_a: fixed(weights[0], 3),
      slerp_b: fixed(weights[1], 3),
      angle: fixed((angle * 180) / Math.PI, 1),
      variance: fixed(variance, 2),
      straight: fixed(straight, 2),
    });
  }

  // Every picture is drawn: play them, unless a hand is on the transport.
  finish() {
    this.root.dataset.done = "true";
    if (!this.transport.live) return;
    this.transport.set(0);
    this.transport.autoplay();
  }
}
