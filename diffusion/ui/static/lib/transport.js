// The transport: slider, play, one step, editable number; the same place and the same keys in every tab.
import { reducedMotion } from "./dom.js";
import { link, viewOf } from "./link.js";
import { remember } from "./session.js";
import { state, subscribe, update } from "./state.js";

const PAGE = 50;
const STEPS = { ArrowRight: 1, ArrowLeft: -1, PageUp: PAGE, PageDown: -PAGE };

export class Transport {
  // A shared transport moves the others, in other tabs, and with them: state.progress is t / T.
  // As long as `backward` says so, it plays from the end to the beginning.
  constructor(root, { seconds, describe, onChange, shared = false, backward = () => false }) {
    Object.assign(this, { root, seconds, describe, onChange, shared, backward, value: 0, last: 0 });
    const part = (role) => root.querySelector(`.transport [data-role="${role}"]`);
    this.slider = part("t");
    this.number = part("number");
    this.button = part("play");
    part("back").addEventListener("click", () => this.userSet(this.value - 1));
    part("forward").addEventListener("click", () => this.userSet(this.value + 1));
    this.button.addEventListener("click", () => this.toggle());
    this.listenToSlider();
    this.listenToNumber();
    this.listenToKeys(root.querySelector(".stage"));
    if (shared) this.listenToOthers();
  }

  listenToSlider() {
    this.slider.addEventListener("input", () => this.userSet(Number(this.slider.value)));
    this.slider.addEventListener("keydown", (event) => {
      if (!event.key.startsWith("Page")) return;
      event.preventDefault();
      this.userSet(this.value + STEPS[event.key]);
    });
  }

  listenToNumber() {
    this.number.addEventListener("change", () => {
      const wanted = Math.round(Number(this.number.value));
      this.userSet(this.number.value === "" || Number.isNaN(wanted) ? this.value : wanted);
      this.number.value = this.value;
    });
  }

  listenToKeys(stage) {
    stage.addEventListener("keydown", (event) => {
      if (event.target !== stage || event.shiftKey) return;
      if (event.key === " ") this.toggle();
      else if (event.key in STEPS) this.userSet(this.value + STEPS[event.key]);
      else if (event.key === "Home") this.userSet(0);
      else if (event.key === "End") this.userSet(this.last);
      else return;
      event.preventDefault();
    });
  }

  listenToOthers() {
    subscribe(({ progress }) => {
      if (progress !== undefined && Math.round(progress * this.last) !== this.value) this.follow();
    });
  }

  // Move to where the other tabs are, without answering them.
  follow(last = this.last) {
    this.following = true;
    this.pause();
    this.setRange(last, Math.round(state.progress * last));
    this.following = false;
  }

  // From 0 to `last`. If there will be `most`, the slider is as long, and what is not made yet is not there.
  setRange(last, value = this.value, most = last) {
    this.last = last;
    this.slider.max = this.number.max = most;
    this.slider.dataset.made = last;
    this.slider.classList.toggle("partly", last < most);
    this.slider.style.setProperty("--made", last / Math.max(most, 1));
    this.set(value);
  }

  // To where it stood when the page was left, or where a link has it; from now on that is remembered.
  remember() {
    const view = viewOf(this.root);
    const write = (typed) => this.placeAt(Number(typed));
    if (view) link(`${view}.step`, { read: () => this.placeInLink, write, first: this.placeInLink });
    remember(`${this.root.id} t`, { save: () => this.value, restore: (value) => this.set(value) });
  }

  get placeInLink() {
    return this.playing ? undefined : String(this.value);
  }

  // Whether there is such a place.
  placeAt(value) {
    if (value >= 0) this.set(Math.round(value));
    return this.value === value;
  }

  userSet(value) {
    this.pause();
    this.set(value);
  }

  set(value) {
    this.value = Math.min(Math.max(value, 0), this.last);
    this.slider.value = this.value;
    this.slider.style.setProperty("--at", this.value / Math.max(this.slider.max, 1));
    if (document.activeElement !== this.number) this.number.value = this.value;
    this.onChange(this.value);
    if (this.shared && !this.following && this.last) update({ progress: this.value / this.last });
    this.slider.setAttribute("aria-valuetext", this.describe(this.value));
  }

  // For charts: to the step at this share of the way.
  goTo(fraction) {
    this.userSet(Math.round(fraction * this.last));
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
    const back = this.backward();
    const place = (gone) => (back ? this.last - gone : gone); // a film in the making gets longer meanwhile
    if (place(this.value) >= this.last) this.set(place(0));
    const start = performance.now() - (place(this.value) / this.last) * this.seconds * 1000;
    const tick = (now) => {
      const gone = Math.floor(((now - start) / (this.seconds * 1000)) * this.last);
      if (gone >= this.last || !this.slider.isConnected) {
        this.pause();
        this.set(place(this.last));
        return;
      }
      if (gone > place(this.value)) this.set(place(gone));
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
    if (!reducedMotion.matches) this.play();
  }
}
