// What becomes of a wish that needs a network: who comes before, how far it is, how long it took.
import { phrase } from "./dom.js";

export class Progress {
  // unit: what is counted, "step" or "picture".
  constructor(view, unit = "step") {
    Object.assign(this, { text: view.text, unit });
    const place = view.part("progress");
    [this.bar, this.words] = [place.querySelector("progress"), place.querySelector("span")];
  }

  // Show what a message tells of waiting, if it does.
  takes({ waiting, note, progress }) {
    if (waiting) this.wait(waiting);
    else if (note && !progress.ended) this.prepare(note);
    else return false;
    return true;
  }

  // {before, own}: how many come first, and how many of these are this visitor's.
  wait({ before, own }) {
    this.prepare(phrase(this.text[own ? "before_you_own" : "before_you"], { before, own }));
  }

  // A sentence about what takes nobody knows how long.
  prepare(sentence) {
    this.bar.removeAttribute("value");
    this.say(sentence);
  }

  clear() {
    this.bar.value = 0;
    this.say("");
  }

  // Of N are k made, in so many seconds, by calls of the network, with so many predictions in all.
  show({ k, N, seconds, ended, calls, predictions }) {
    this.bar.max = N;
    this.bar.value = k;
    const values = { k, N, seconds: seconds.toFixed(1) };
    if (!ended) {
      this.say(phrase(this.text[`making_${this.unit}`], values), "off"); // the bar is read out instead
      return;
    }
    const counted = phrase(this.text[predictions > calls ? "calls_guided" : "calls"], { calls, predictions });
    this.say(phrase(this.text[`${ended}_${this.unit}`], { ...values, calls: counted }));
  }

  say(sentence, live = "polite") {
    this.words.setAttribute("aria-live", live);
    if (this.words.textContent !== sentence) this.words.textContent = sentence;
  }
}
