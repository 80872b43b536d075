// A line of pictures above the tabs in which the shipped film plays: noise becoming images.
import { reducedMotion } from "../lib/dom.js";
import { sayInPagesLanguage } from "../lib/gradio_words.js";
import { Grid } from "../lib/pictures.js";
import { answerQuestions } from "../lib/questions.js";
import { remember } from "../lib/session.js";
import { firstPicture, update } from "../lib/state.js";
import { spoken, text } from "../lib/text.js";
import { View } from "../lib/view.js";
import { share } from "../lib/share.js";
import { WalkedFilm } from "../lib/walked_film.js";

const SECONDS = 5;
const PAUSE = 2.5; // at its end

answerQuestions();

export function mount(context) {
  document.title = text.title;
  share(context.element, context.props.space);
  if (document.documentElement.lang !== "en") sayInPagesLanguage(text);
  return async ({ film }) => {
    await firstPicture(); // which whoever comes waits for
    return new Hero(context, await (await fetch(film)).json());
  };
}

class Hero extends View {
  playing = false;
  seconds = 0; // of the film and its pause that have been played

  constructor(context, message) {
    super(context);
    this.film = WalkedFilm.whole(message);
    update({ film: this.film });
    const [count, ...shape] = this.film.shape("x_t");
    this.grid = new Grid(this.find("canvas"));
    this.grid.resize(count, shape, count);
    this.find("canvas").dataset.film = this.film.id;
    this.part("credit").textContent = spoken(this.film.info.credit);
    this.find(".opening").hidden = false;
    this.part("play").addEventListener("click", () => this.play(!this.playing));
    if (reducedMotion.matches) this.seconds = SECONDS;
    this.play(!reducedMotion.matches);
    remember("opening", { save: () => this.playing, restore: (playing) => this.play(playing) });
  }

  play(playing) {
    this.playing = playing;
    this.part("play").dataset.playing = playing;
    this.part("play").setAttribute("aria-pressed", playing);
    cancelAnimationFrame(this.frame);
    this.before = performance.now();
    this.tick(this.before);
  }

  tick(now) {
    const { film } = this;
    this.seconds = (this.seconds + Math.max(now - this.before, 0) / 1000) % (SECONDS + PAUSE);
    this.before = now;
    const k = Math.min(film.last, Math.floor((this.seconds / SECONDS) * film.last));
    if (k !== this.shown) this.grid.show(film.plane(k, "x_t"));
    this.shown = k;
    if (this.playing && this.root.isConnected) this.frame = requestAnimationFrame((next) => this.tick(next));
  }
}
