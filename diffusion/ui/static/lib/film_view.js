// A view of pictures that come again and again as they clear up, and are kept until the page is loaded again.
import { Film } from "./film.js";
import { Progress } from "./progress.js";
import { fromLink, keep, kept } from "./session.js";
import { View } from "./view.js";

// What is needed of a view: `show()` shows what has come, `made` is how many pictures are finished of `all`.
export class FilmView extends View {
  film = null; // its rows tell whether each frame is finished
  seen = new Set(); // ids of the films that were on show

  constructor(context) {
    super(context);
    this.progress = new Progress(this, "picture");
  }

  // That of before the page was loaded again.
  async restore() {
    const left = fromLink ? undefined : await kept(`${this.root.id} film`);
    if (!left || this.film) return;
    if (left.record.info.progress) left.record.info.progress.ended ??= "stopped"; // with the page
    this.begin(Film.from(left.record), left.original);
    this.show();
  }

  // The picture that a film is about, or several: nothing if that is long gone.
  originalOf() {
    return [];
  }

  receive(message) {
    if (this.progress.takes(message)) return;
    if (message.film) this.receiveFrames(message);
    else this.showProgress(); // given up before it began
  }

  receiveFrames(message) {
    if (message.film !== this.film?.id) {
      if (this.seen.has(message.film)) return; // it was given up for the one on show
      const original = this.originalOf(message.info);
      if (!original) return;
      this.begin(new Film(message), original);
    }
    const { progress, calls } = message;
    Object.assign(this.film.add(message).info, { progress, calls });
    keep(`${this.root.id} film`, () => ({ record: this.film.record, original: this.original }));
    this.show();
  }

  begin(film, original) {
    Object.assign(this, { film, original });
    this.seen.add(film.id);
    this.root.dataset.film = film.id;
    this.root.dataset.done = "false";
  }

  showProgress() {
    const { progress, calls, per_step: per } = this.film?.info ?? {};
    if (!progress) {
      this.progress.clear();
      return;
    }
    const { made: k, all: N } = this;
    this.progress.show({ k, N, ...progress, calls, predictions: calls * per.predictions });
  }
}
