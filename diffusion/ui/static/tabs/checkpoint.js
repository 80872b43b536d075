// Another checkpoint, while it is fetched and read: how far that is, and what it is.
import { phrase } from "../lib/dom.js";
import { leaveOut } from "../lib/link.js";
import { choose, giveUp } from "../lib/opened.js";
import { Progress } from "../lib/progress.js";
import { spoken } from "../lib/text.js";
import { View } from "../lib/view.js";

const MEGABYTE = 1e6;
const seen = new Set(); // what was opened: a view that is laid out again gets its last message again

export function mount(context) {
  const view = new Checkpoint(context);
  return (message) => view.receive(message);
}

class Checkpoint extends View {
  constructor(context) {
    super(context);
    this.progress = new Progress(this);
  }

  receive(message) {
    if (this.progress.takes(message)) return;
    const { fetched, opened, progress } = message;
    this.part("said").textContent = opened ? spoken(opened.said) : "";
    if (progress.ended || opened) this.progress.clear();
    else this.tell(fetched);
    if (opened && !seen.has(opened.id)) {
      seen.add(opened.id);
      choose(opened.name);
    } else if (progress.ended && !opened) {
      const name = giveUp();
      if (name) leaveOut("reverse.model", name);
    }
  }

  // Without a total it is looked at, and with all of it there its weights are read.
  tell({ done, total }) {
    const { bar, text } = this.progress;
    if (!total || done === total) {
      this.progress.prepare(text[total ? "opening_reads" : "opening_looks"]);
      return;
    }
    [bar.max, bar.value] = [total, done];
    const megabytes = (bytes) => (bytes / MEGABYTE).toFixed(1);
    const sentence = phrase(text.opening_fetched, { done: megabytes(done), total: megabytes(total) });
    this.progress.say(sentence, "off"); // the bar is read out instead
  }
}
