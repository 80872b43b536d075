// The transports of films that Python makes frame by frame.
import { phrase } from "./dom.js";
import { sortOf } from "./films.js";
import { leaveOut, link, linkFilm, press, viewOf } from "./link.js";
import { Progress } from "./progress.js";
import { fromLink, keep, kept } from "./session.js";
import { spoken } from "./text.js";
import { Transport } from "./transport.js";

const ANSWERS = ["verdicts", "judged"]; // of a film, in words: asked for again in another language

// While `live` it is held at the newest frame; a hand or a key on it ends that.
export class LiveTransport extends Transport {
  live = false;
  isToCome = () => false; // whether the film that is on show is not yet the one of the link

  constructor(root, options) {
    super(root, options);
    for (const kind of ["pointerdown", "keydown"])
      root.querySelector(".transport").addEventListener(kind, (event) => this.touched(event), true);
  }

  // Whoever saves what is on show does not move it.
  touched({ target }) {
    if (!target.closest(".save")) this.live = false;
  }

  userSet(value) {
    this.live = false;
    super.userSet(value);
  }

  toggle() {
    this.live = false;
    super.toggle();
  }

  // In its last place a film stands by itself, sooner or later.
  get placeInLink() {
    if (this.awaited !== undefined) return String(this.awaited);
    return this.value === this.last ? undefined : super.placeInLink;
  }

  // A link may be there before its film is.
  placeAt(value) {
    if (!(value >= 0)) return false;
    this.awaited = value;
    return true;
  }

  // As setRange. A place that is awaited is taken as soon as it is made, or the last one if it never will be.
  grown(last, value, most) {
    const { awaited } = this;
    const isThere = awaited <= last;
    const isPlaced = !this.isToCome() && (isThere || (awaited !== undefined && last === most));
    if (isPlaced) Object.assign(this, { live: false, awaited: undefined, isPlaced });
    if (isPlaced && !isThere) leaveOut("step", awaited);
    this.setRange(last, isPlaced ? awaited : value, most);
  }

  // A film that a link has in some place stands there.
  autoplay() {
    if (!this.isPlaced) super.autoplay();
  }

  // The page's address tells with which settings the film on show was made: who opens it has it made again.
  //   film: a function that gives it. start: the id of the button that makes one. offers: as `press` has it.
  linkFilm(film, { start, offers }) {
    const view = viewOf(this.root);
    if (!view) return;
    const made = () => film()?.info.link;
    linkFilm(view, made);
    if (!start) return;
    const write = () => {
      this.isToCome = () => !made();
      press(start, view, { offers });
    };
    link(`${view}.run`, { read: () => (made() || this.isToCome() ? "1" : undefined), write });
  }
}

// Whether two films are made with the same settings, and so show the same.
const isMadeLike = (film, other) =>
  Boolean(film.info.code && other) && JSON.stringify(film.info.code) === JSON.stringify(other.info.code);

// Of a film that comes in messages.
export class FilmTransport extends LiveTransport {
  film = null;
  seen = new Set(); // ids of the films that were on show

  // onFilm is called when another film begins.
  constructor(view, { onFilm, onChange }) {
    const describe = (k) => {
      if (!this.film) return "";
      const { num_steps: N, num_timesteps: T } = this.film.info;
      return phrase(view.text.valuetext_film, { k, N, t: Math.round(this.film.rows[k]?.t ?? 0), T });
    };
    super(view.root, { seconds: 4, describe, onChange });
    Object.assign(this, { view, onFilm, progress: new Progress(view) });
  }

  // Show the film that was on show when the page was left, where it stood. Whether there was one.
  async restore() {
    const { record: left, language } = (!fromLink && (await kept(`${this.root.id} film`))) || {};
    if (left?.info.progress) left.info.progress.ended ??= "stopped"; // with the page
    if (left && language !== document.documentElement.lang)
      for (const answer of ANSWERS) delete left.info[answer];
    if (left && !this.film) this.show(sortOf(left).from(left));
    this.remember();
    return this.film !== null;
  }

  keep() {
    const language = document.documentElement.lang;
    keep(`${this.root.id} film`, () => ({ record: this.film.record, language }));
  }

  show(film) {
    this.pause();
    film.info.again ??= isMadeLike(film, this.film);
    this.film = film;
    this.seen.add(film.id);
    this.onFilm(film);
    this.root.dataset.film = film.id;
    this.grow(0);
  }

  // The film has got some frames.
  grow(value) {
    const { info, last } = this.film;
    const [N, k] = [info.num_steps, Math.max(last, 0)];
    this.grown(k, value, N);
    const steps = phrase(k < N ? this.view.text.steps_so_far : this.view.text.steps_in_all, { k, N });
    const made = phrase(spoken(info.made), { steps });
    const caption = this.view.text[info.again ? "film_again" : info.caption] ?? "{made}";
    this.view.part("made").textContent = phrase(caption, { made });
    this.showProgress();
    this.keep();
  }

  // A film without a clock came with the page; one that has not ended was left.
  showProgress() {
    const { info, last, rows } = this.film;
    const [N, k] = [info.num_steps, Math.max(last, 0)];
    if (!info.progress) {
      this.progress.clear();
      return;
    }
    const { calls, predictions } = info.per_step;
    const made = { calls: calls * rows.length, predictions: predictions * rows.length };
    this.progress.show({ k, N, ...info.progress, ...made });
  }

  receive(message) {
    if (this.progress.takes(message)) return;
    if (message.film) this.receiveFrames(message);
    else if (this.film) this.showProgress(); // given up before it began
    else this.progress.clear();
  }

  receiveFrames(message) {
    if (message.film !== this.film?.id) {
      if (this.seen.has(message.film)) return; // it was given up for the one on show
      this.show(new (sortOf(message))(message));
      this.live = true;
    }
    this.film.add(message).info.progress = message.progress;
    this.grow(this.live ? this.film.last : this.value);
  }
}
