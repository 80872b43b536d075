// The transports of films that Python makes frame by frame.
import { phrase } from "./dom.js";
import { Film } from "./film.js";
import { keep, kept } from "./session.js";
import { Transport } from "./transport.js";

// While `live` it is held at the newest frame; a hand or a key on it ends that.
export class LiveTransport extends Transport {
  live = false;

  constructor(root, options) {
    super(root, options);
    for (const kind of ["pointerdown", "keydown"])
      root.querySelector(".transport").addEventListener(kind, () => (this.live = false), true);
  }

  userSet(value) {
    this.live = false;
    super.userSet(value);
  }

  toggle() {
    this.live = false;
    super.toggle();
  }
}

// Of a film that comes in messages.
export class FilmTransport extends LiveTransport {
  // onFilm is called when another film begins.
  constructor(root, { text, onFilm, onChange }) {
    const describe = (k) => {
      if (!this.film) return "";
      const { num_steps: N, num_timesteps: T } = this.film.info;
      return phrase(text.valuetext_film, { k, N, t: Math.round(this.film.rows[k]?.t ?? 0), T });
    };
    super(root, { seconds: 4, describe, onChange });
    Object.assign(this, { onFilm, film: null });
  }

  // Show the film that was on show when the page was left, where it stood. Whether there was one.
  async restore() {
    const left = await kept(`${this.root.id} film`);
    if (left && !this.film) this.show(Film.from(left));
    this.remember();
    return this.film !== null;
  }

  show(film) {
    this.pause();
    this.film = film;
    this.root.querySelector('[data-role="made"]').textContent = film.info.made;
    this.onFilm(film);
    this.root.dataset.film = film.id;
    this.keep();
    if (film.last >= 0) this.setRange(film.last, 0);
  }

  keep() {
    keep(`${this.root.id} film`, () => this.film.record);
  }

  receive(message) {
    if (message.film !== this.film?.id) {
      this.show(new Film(message));
      this.live = true;
    }
    const { last } = this.film.add(message);
    this.keep();
    if (last >= 0) this.setRange(last, this.live ? last : this.value);
  }
}
