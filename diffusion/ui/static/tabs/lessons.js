// The course: seven cards, each with a question to guess at and something to do, which the card sees done.
import { button, node } from "../lib/dom.js";
import { TASKS } from "../lib/lesson_tasks.js";
import { View } from "../lib/view.js";

const NAME = "diffusion course"; // in the browser's memory, which outlives the page
const LOOK = 300; // milliseconds between looks at whether something was done
const NEW = { open: false, lesson: 0, done: TASKS.map(() => 0), guesses: TASKS.map(() => null) };

export function mount(context) {
  return ({ lessons }) => new Lessons(context, lessons);
}

class Lessons extends View {
  constructor(context, lessons) {
    super(context);
    Object.assign(this, { lessons, progress: remembered() });
    this.opener = document.querySelector(".hero [data-role=course]");
    this.opener.addEventListener("click", () => this.change({ open: !this.progress.open }));
    this.part("fold").addEventListener("click", () => this.change({ open: false }));
    this.part("afresh").addEventListener("click", () => this.change({ ...structuredClone(NEW), open: true }));
    this.part("next").addEventListener("click", () => this.choose(this.progress.lesson + 1));
    this.numbers = lessons.map(({ title }, i) => this.number(title, i));
    this.show();
    this.look();
    setInterval(() => this.look(), LOOK);
  }

  number(title, i) {
    const made = button("plain", `${i + 1}: ${title}`);
    made.addEventListener("click", () => this.choose(i));
    const item = node("li");
    item.append(made);
    this.part("numbers").append(item);
    return made;
  }

  choose(lesson) {
    this.change({ lesson, open: true });
    this.part("title").focus();
  }

  change(changes) {
    Object.assign(this.progress, changes);
    try {
      localStorage.setItem(NAME, JSON.stringify(this.progress));
    } catch {
      // Forbidden, or full.
    }
    this.show();
    this.look();
  }

  // Tasks are done in their order: a slider that stands at its end has not been walked there.
  look() {
    const { open, lesson, done } = this.progress;
    if (!open) return;
    const task = TASKS[lesson][done[lesson]];
    if (task !== this.turn) {
      Object.assign(this, { turn: task, since: performance.now() });
      task?.begin?.();
    }
    if (!task?.place() || !task.isDone(this.since)) return;
    this.change({ done: done.map((count, i) => count + (i === lesson)) });
  }

  isWhole(i) {
    return this.progress.done[i] === TASKS[i].length;
  }

  show() {
    const { open, lesson } = this.progress;
    this.root.hidden = !open;
    this.opener.setAttribute("aria-expanded", open);
    this.numbers.forEach((each, i) => {
      each.textContent = this.isWhole(i) ? "✓" : i + 1;
      if (i === lesson) each.setAttribute("aria-current", "step");
      else each.removeAttribute("aria-current");
    });
    this.showCard(this.lessons[lesson], lesson);
  }

  showCard({ title, analogy, formula, question, options, right, tasks, seen }, lesson) {
    const texts = { title: `${lesson + 1}. ${title}`, analogy, formula, question };
    for (const [role, text] of Object.entries(texts)) write(this.part(role), text);
    const guess = this.progress.guesses[lesson];
    const whole = this.isWhole(lesson) && guess !== null;
    this.part("options").replaceChildren(
      ...options.map((option, i) => this.option(option, i, whole && { guess, right })),
    );
    this.part("tasks").replaceChildren(...tasks.map((task, i) => this.task(task, i)));
    write(this.part("seen"), whole ? seen : this.text.course_seen);
    this.part("next").hidden = !this.isWhole(lesson) || lesson === this.lessons.length - 1;
  }

  // One can guess until it is told; then the right one is marked, and a wrong guess.
  option(text, i, told) {
    const { lesson, guesses } = this.progress;
    const mark = !told ? "" : i === told.right ? " ✓" : i === told.guess ? " ✗" : "";
    const made = Object.assign(button("plain"), { textContent: text + mark, disabled: Boolean(told) });
    made.setAttribute("aria-pressed", guesses[lesson] === i);
    made.addEventListener("click", () =>
      this.change({ guesses: guesses.map((old, k) => (k === lesson ? i : old)) }),
    );
    return made;
  }

  task(text, i) {
    const { lesson, done } = this.progress;
    const item = node("li", i < done[lesson] ? "done" : i === done[lesson] ? "now" : "");
    item.append(node("span", "", text));
    if (i < done[lesson]) {
      const tick = Object.assign(node("b", "", "✓"), { role: "img", ariaLabel: this.text.course_done });
      item.append(" ", tick);
    } else if (i === done[lesson]) {
      const place = Object.assign(button("plain"), { textContent: this.text.course_where });
      place.addEventListener("click", () => this.pointAt(TASKS[lesson][i]));
      item.append(" ", place);
    }
    return item;
  }

  // Open the tab on which it is, and ring the place for a moment.
  async pointAt({ tab, place }) {
    for (const key of tab) {
      const tabs = [...document.querySelectorAll('[role="tab"]')].filter((each) => each.checkVisibility());
      tabs.find((each) => each.textContent.trim() === this.text[key])?.click();
      await new Promise((resolve) => setTimeout(resolve, LOOK));
    }
    const found = place();
    found?.scrollIntoView({ block: "nearest" });
    found?.classList.add("pointed");
    setTimeout(() => found?.classList.remove("pointed"), 3000); // milliseconds
  }
}

// A text, in which an underscore puts the next letter below.
function write(place, words) {
  const parts = words.split(/_(.)/).map((part, i) => (i % 2 ? node("sub", "", part) : part));
  place.replaceChildren(...parts);
}

function remembered() {
  try {
    const left = JSON.parse(localStorage.getItem(NAME));
    if (left?.done?.length === TASKS.length) return { ...structuredClone(NEW), ...left };
  } catch {
    // Forbidden, or not ours.
  }
  return structuredClone(NEW);
}
