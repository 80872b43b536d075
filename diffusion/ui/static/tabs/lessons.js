// The course: seven cards, each with a question to guess at and something to do, which the card sees done.
import { button, node, writeText } from "../lib/dom.js";
import { TASKS } from "../lib/lesson_tasks.js";
import { link, onBack } from "../lib/link.js";
import { openTabs, pointAt } from "../lib/places.js";
import { View } from "../lib/view.js";

const NAME = "diffusion course"; // in the browser's memory, which outlives the page
const LOOK = 300; // milliseconds between looks at whether something was done
const LOOKS = 100; // for something that a tab brings
const NEW = {
  open: false, folded: false, lesson: 0, done: TASKS.map(() => 0), guesses: TASKS.map(() => null),
};

export function mount(context) {
  return ({ lessons }) => new Lessons(context, lessons);
}

class Lessons extends View {
  constructor(context, lessons) {
    super(context);
    Object.assign(this, { lessons, progress: remembered() });
    this.opener = document.querySelector(".hero [data-role=course]");
    this.opener.addEventListener("click", () => this.change({ open: !this.progress.open, folded: false }));
    this.part("close").addEventListener("click", () => this.close());
    this.part("fold").addEventListener("click", () => {
      this.change({ folded: !this.progress.folded });
      this.showNext();
    });
    this.part("afresh").addEventListener("click", () => this.startOver());
    this.part("next").addEventListener("click", () => this.choose(this.progress.lesson + 1));
    this.numbers = lessons.map(({ title }, i) => this.number(title, i));
    new ResizeObserver(() => this.makeRoom()).observe(this.root);
    link("lesson", {
      read: () => (this.progress.open ? String(this.progress.lesson + 1) : undefined),
      write: (number) => this.opens(number),
    });
    onBack((number) => this.opens(number) || this.change({ open: false }));
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

  // All that was done is forgotten: it takes two presses.
  startOver() {
    const afresh = this.part("afresh");
    const isSure = afresh.textContent === this.text.course_afresh_sure;
    afresh.textContent = this.text[isSure ? "course_afresh" : "course_afresh_sure"];
    if (isSure) this.change({ ...structuredClone(NEW), open: true });
    const forget = () => (afresh.textContent = this.text.course_afresh);
    afresh.addEventListener("blur", forget, { once: true });
  }

  // Whether there is a lesson with this number, which is then on show.
  opens(number) {
    const isThere = Number(number) - 1 in this.lessons;
    if (isThere) this.change({ lesson: Number(number) - 1, open: true });
    return isThere;
  }

  choose(lesson) {
    this.change({ lesson, open: true });
    for (const scrolled of [this.part("card"), this.root]) scrolled.scrollTop = 0;
    this.part("title").focus();
  }

  close() {
    this.change({ open: false });
    this.opener.focus(); // this button is hidden now
  }

  // Where the card is a sheet over the page's end, the page goes on by its height, and scrolls what is to be
  // seen to above it.
  makeRoom() {
    const isSheet = getComputedStyle(this.root).position === "fixed";
    const height = isSheet ? `${Math.ceil(this.root.getBoundingClientRect().height)}px` : "0px";
    document.documentElement.style.setProperty("--sheet", height);
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
    this.showNext();
  }

  // What is to be done next, or what was seen, comes into the card's sight; the page stays where it is.
  showNext() {
    const last = ["next", "seen"].map((role) => this.part(role)).find(({ hidden }) => !hidden);
    const next = this.find(".tasks .now") ?? last;
    for (const scrolled of [this.part("card"), this.root]) {
      const below = next.getBoundingClientRect().bottom - scrolled.getBoundingClientRect().bottom;
      if (below > 0) scrolled.scrollTop += below;
    }
  }

  isWhole(i) {
    return this.progress.done[i] === TASKS[i].length;
  }

  show() {
    const { open, folded, lesson } = this.progress;
    this.root.hidden = !open;
    this.root.classList.toggle("folded", folded);
    this.root.classList.toggle("whole", this.isWhole(lesson));
    this.opener.setAttribute("aria-expanded", open);
    this.part("fold").textContent = this.text[folded ? "course_unfold" : "course_fold"];
    this.part("fold").setAttribute("aria-expanded", !folded);
    this.part("end").hidden = !this.lessons.every((_, i) => this.isWhole(i));
    this.numbers.forEach((each, i) => {
      each.textContent = this.isWhole(i) ? `${i + 1} ✓` : i + 1;
      if (i === lesson) each.setAttribute("aria-current", "step");
      else each.removeAttribute("aria-current");
    });
    this.showCard(this.lessons[lesson], lesson);
  }

  showCard({ title, analogy, formula, question, options, right, tasks, seen }, lesson) {
    const texts = { title: `${lesson + 1}. ${title}`, analogy, formula, question };
    for (const [role, text] of Object.entries(texts)) writeText(this.part(role), text);
    const guess = this.progress.guesses[lesson];
    const whole = this.isWhole(lesson) && guess !== null;
    this.part("options").replaceChildren(
      ...options.map((option, i) => this.option(option, i, whole && { guess, right })),
    );
    this.part("tasks").replaceChildren(...tasks.map((task, i) => this.task(task, i)));
    const toDo = guess === null ? this.text.course_seen : this.text.course_tasks;
    const before = this.isWhole(lesson) ? this.text.course_guess : toDo;
    writeText(this.part("seen"), whole ? seen : before);
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
    await openTabs(tab);
    pointAt(await settled(place));
  }
}

const pause = () => new Promise((resolve) => setTimeout(resolve, LOOK));

// What is at a place, as soon as it has come and stays where it is: tabs fill when they are first opened.
async function settled(place) {
  let before;
  for (let looks = 0; looks < LOOKS; looks++) {
    const found = place();
    const height = found && found.getBoundingClientRect().top + scrollY;
    if (found && height === before) return found;
    before = height;
    await pause();
  }
  return place();
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
