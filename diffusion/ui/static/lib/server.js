// Asking Python. Gradio answers a call that fails, offline or with the server gone, with undefined, silently.

import { phrase, tell } from "./dom.js";

const FIRST_PAUSE = 1; // seconds until a failed call is made again; each pause is twice the one before
const LONGEST_PAUSE = 30;
const TELL_PAUSE = 1; // seconds between two looks at who is before

export class Question {
  newest = 0; // number of the last request

  // ask: a function of a view's `server`. place: an element with role="alert" near the hand, for the sentence
  // about what went wrong, which goes when there is an answer. text: the page's texts. waiting: a function of
  // `server` that tells how many are before, if the answer needs a network.
  constructor(ask, place, text, waiting = null) {
    Object.assign(this, { ask, place, text, waiting });
    this.asker = crypto.getRandomValues(new Uint32Array(4)).join("-");
  }

  // The answer to a request, which is made again until there is one. Undefined if a newer request was made
  // meanwhile, or if Python refused it. onProblem is called at each failure, and when it is refused: what the
  // page shows must then be what is in use.
  async answer(request, onProblem = () => {}) {
    const number = ++this.newest;
    for (let pause = FIRST_PAUSE; ; pause = Math.min(2 * pause, LONGEST_PAUSE)) {
      const { asker } = this;
      const reply = await this.meanwhile(number, attempt(this.ask({ ...request, asker, number })));
      if (number !== this.newest) return undefined;
      const problem = reply ? reply.problem : this.text.no_answer;
      this.say(problem ?? "");
      if (!problem) return reply;
      onProblem();
      if (reply) return undefined;
      await nextChance(pause);
      if (number !== this.newest) return undefined;
    }
  }

  // Each second until there is a reply, say what it waits for.
  meanwhile(number, reply) {
    if (!this.waiting) return reply;
    let open = true;
    const timer = setInterval(async () => {
      const place = await this.waiting({ asker: this.asker });
      if (!open || number !== this.newest || !place) return;
      if (place.before) this.say(phrase(this.text.before_you, place));
      else if (place.note) this.say(place.note);
    }, 1000 * TELL_PAUSE);
    return reply.finally(() => {
      open = false;
      clearInterval(timer);
    });
  }

  // The answer is not wanted any more.
  drop() {
    this.newest++;
    this.say("");
  }

  moveTo(place) {
    if (place !== this.place) this.say("");
    this.place = place;
  }

  // Others may use the place as well: only its own sentence is taken away.
  say(sentence) {
    if (!sentence && this.place.textContent !== this.said) return;
    this.said = sentence;
    tell(this.place, sentence);
  }
}

// What was asked for; undefined when the connection comes back first: a call from before may hang for ever.
function attempt(asked) {
  const over = new AbortController();
  const back = new Promise((resolve) => {
    addEventListener("online", () => resolve(), { signal: over.signal });
  });
  return Promise.race([asked, back]).finally(() => over.abort());
}

// Resolves after a pause, when the page is visible; at once when the connection is there again.
function nextChance(seconds) {
  return new Promise((resolve) => {
    const over = new AbortController();
    const { signal } = over;
    const go = () => {
      over.abort();
      clearTimeout(timer);
      resolve();
    };
    const goIfSeen = () => {
      if (document.hidden) document.addEventListener("visibilitychange", go, { signal });
      else go();
    };
    const timer = setTimeout(goIfSeen, 1000 * seconds);
    addEventListener("online", go, { signal });
  });
}
