// The transport: slider, play, one step, editable number; the same place and the same keys in every tab.
Diffusion.Transport = (() => {
  "use strict";
  const PAGE = 50;
  return class Transport {
    // A shared transport moves the others, in other tabs, and with them: state.progress is t / T.
    constructor(root, { stage, seconds, describe, onChange, shared = false }) {
      Object.assign(this, { seconds, describe, onChange, shared, value: 0, last: 0 });
      const part = (name) => root.querySelector(`[data-role="${name}"]`);
      this.slider = part("t");
      this.number = part("number");
      this.button = part("play");
      this.slider.addEventListener("input", () => this.userSet(Number(this.slider.value)));
      this.number.addEventListener("change", () => {
        const wanted = Math.round(Number(this.number.value));
        this.userSet(this.number.value === "" || Number.isNaN(wanted) ? this.value : wanted);
        this.number.value = this.value;
      });
      part("back").addEventListener("click", () => this.userSet(this.value - 1));
      part("forward").addEventListener("click", () => this.userSet(this.value + 1));
      this.button.addEventListener("click", () => this.toggle());
      this.slider.addEventListener("keydown", (event) => {
        const page = { PageUp: PAGE, PageDown: -PAGE }[event.key];
        if (!page) return;
        event.preventDefault();
        this.userSet(this.value + page);
      });
      stage.addEventListener("keydown", (event) => {
        if (event.target !== stage) return;
        const step = { ArrowRight: 1, ArrowLeft: -1, PageUp: PAGE, PageDown: -PAGE }[event.key];
        if (event.key === " ") this.toggle();
        else if (step) this.userSet(this.value + step);
        else if (event.key === "Home") this.userSet(0);
        else if (event.key === "End") this.userSet(this.last);
        else return;
        event.preventDefault();
      });
      if (!shared) return;
      Diffusion.subscribe(({ progress }) => {
        if (progress !== undefined && Math.round(progress * this.last) !== this.value) this.follow();
      });
    }

    // Move to where the other tabs are, without answering them.
    follow(last = this.last) {
      this.following = true;
      this.pause();
      this.setRange(last, Math.round(Diffusion.state.progress * last));
      this.following = false;
    }

    setRange(last, value = this.value) {
      this.last = last;
      this.slider.max = this.number.max = last;
      this.set(value);
    }

    userSet(value) {
      this.pause();
      this.set(value);
    }

    set(value) {
      this.value = Math.min(Math.max(value, 0), this.last);
      this.slider.value = this.value;
      if (document.activeElement !== this.number) this.number.value = this.value;
      this.onChange(this.value);
      if (this.shared && !this.following && this.last)
        Diffusion.update({ progress: this.value / this.last });
      this.slider.setAttribute("aria-valuetext", this.describe(this.value));
    }

    get playing() {
      return this.frame !== undefined;
    }

    toggle() {
      if (this.playing) this.pause();
      else this.play();
    }

    play() {
      if (!this.slider.isConnected || this.last === 0) return;
      if (this.value >= this.last) this.set(0);
      const start = performance.now() - (this.value / this.last) * this.seconds * 1000;
      const tick = (now) => {
        const value = Math.floor(((now - start) / (this.seconds * 1000)) * this.last);
        if (value >= this.last || !this.slider.isConnected) {
          this.pause();
          this.set(this.last);
          return;
        }
        if (value > this.value) this.set(value);
        this.frame = requestAnimationFrame(tick);
      };
      this.frame = requestAnimationFrame(tick);
      this.showPlaying();
    }

    pause() {
      cancelAnimationFrame(this.frame);
      this.frame = undefined;
      this.showPlaying();
    }

    showPlaying() {
      this.button.dataset.playing = this.playing;
      this.button.setAttribute("aria-pressed", this.playing);
    }

    autoplay() {
      if (!Diffusion.reducedMotion.matches) this.play();
    }
  };
})();

// The transport of a film that Python makes frame by frame: it follows the newest one until a hand is on it.
// film: {id, info, frames: [Uint8Array], rows}. onFilm is called when another film begins.
Diffusion.FilmTransport = class extends Diffusion.Transport {
  constructor(root, { strings, onFilm, onChange }) {
    const describe = (k) => {
      if (!this.film) return "";
      const { num_steps: N, num_timesteps: T } = this.film.info;
      return Diffusion.phrase(strings.valuetext_film, { k, N, t: Math.round(this.film.rows[k]?.t ?? 0), T });
    };
    super(root, { stage: root.querySelector(".stage"), seconds: 4, describe, onChange });
    Object.assign(this, { root, onFilm, film: null, live: false });
    for (const kind of ["pointerdown", "keydown"])
      root.querySelector(".transport").addEventListener(kind, () => (this.live = false), true);
  }

  show(film) {
    this.pause();
    this.film = film;
    this.root.querySelector('[data-role="made"]').textContent = film.info.made;
    this.onFilm(film);
    this.root.dataset.film = film.id;
    if (film.frames.length) this.setRange(film.frames.length - 1, 0);
  }

  // A message from Python: {film, info, frames: [{k, pixels, row?}]}, none, one or more frames of a film.
  receive(message) {
    if (!message) return;
    if (message.film !== this.film?.id) {
      this.show({ id: message.film, info: message.info, frames: [], rows: [] });
      this.live = true;
    }
    Diffusion.addFrames(this.film, message.frames);
    const last = this.film.frames.length - 1;
    if (last >= 0) this.setRange(last, this.live ? last : this.value);
  }
};
