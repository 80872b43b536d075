// How many steps each lane of a race has: typed, or set for all by a preset.
import { link } from "../lib/link.js";
import { remember } from "../lib/session.js";
import { text } from "../lib/text.js";

let laidOut = null; // the lanes of the page

// Another model is chosen: what is equal quality for it is something else.
export const forModel = (name) => laidOut?.forModel(name);

export function mount({ element, props }) {
  laidOut = new Lanes(element.querySelector(".lanes"), props);
  return () => laidOut.choose(laidOut.chosen); // Gradio, still building its page, may put back its first
}

class Lanes {
  constructor(root, props) {
    Object.assign(this, { root, props });
    this.fields = [...root.querySelectorAll("input[type=number]")];
    this.student = root.querySelector("input[data-role=student]");
    this.buttons = [...root.querySelectorAll("[data-preset]")];
    this.known = JSON.parse(root.dataset.presets); // steps by kind of model, and the kinds of models by name
    this.listen();
    this.offer(this.known.first);
    this.first = this.chosen = props.value = this.possible(props.value);
    remember(root.dataset.key, { save: () => this.chosen, restore: (steps) => this.choose(steps) });
    link(root.dataset.link, {
      read: () => String(this.chosen),
      write: (asked) => this.take(asked),
      first: String(this.first),
    });
    this.show();
  }

  listen() {
    for (const each of this.buttons)
      each.addEventListener("click", () => {
        this.choose(this.presets[each.dataset.preset]);
        this.root.dispatchEvent(new Event("input", { bubbles: true })); // as if they were typed
      });
    for (const field of this.fields) {
      field.addEventListener("input", () => field.value !== "" && this.choose(this.typed));
      field.addEventListener("change", () => this.choose(this.typed)); // after one was emptied
    }
  }

  get typed() {
    return this.fields.map((field, i) => (field.value === "" ? this.chosen[i] : Number(field.value)));
  }

  choose(steps) {
    this.chosen = this.props.value = steps;
    this.show();
  }

  show() {
    this.fields.forEach((field, i) => {
      const steps = this.chosen[i];
      if (field.value === "" || Number(field.value) !== steps) field.value = steps;
      field.closest("label").classList.toggle("off", steps === 0);
    });
    for (const each of this.buttons) each.setAttribute("aria-pressed", this.isPreset(each.dataset.preset));
    const name = Object.keys(this.presets).find((each) => this.isPreset(each)) ?? "own";
    this.root.querySelector("[data-role=why]").textContent = text[`race_why_${name}`];
  }

  isPreset(name) {
    return String(this.presets[name]) === String(this.chosen);
  }

  forModel(name) {
    const preset = Object.keys(this.presets).find((each) => this.isPreset(each));
    this.offer(name);
    this.choose(preset ? this.presets[preset] : this.possible(this.chosen));
  }

  // What there is for a model: presets for its kind, and a student or none.
  offer(name) {
    const { of, models, taught } = this.known;
    this.student.disabled = !taught.includes(name);
    const said = this.student.disabled ? "no_student" : "student_what";
    this.root.querySelector("[data-role=student-what]").textContent = text[`race_${said}`];
    const presets = Object.entries(of[models[name] ?? "others"]);
    this.presets = Object.fromEntries(presets.map(([each, steps]) => [each, this.possible(steps)]));
  }

  // The same without a student that there is none of.
  possible(steps) {
    return this.student.disabled ? steps.map((n, i) => (this.fields[i] === this.student ? 0 : n)) : steps;
  }

  // Steps that a link names, with commas; whether there can be so many.
  take(asked) {
    const wished = asked.split(",").map((each) => (each.trim() === "" ? NaN : Math.round(Number(each))));
    const most = this.fields.map((field) => Number(field.max));
    const steps = this.first.map((steps, i) => (wished[i] >= 0 ? Math.min(wished[i], most[i]) : steps));
    this.choose(this.possible(steps));
    return String(this.chosen).startsWith(asked); // the last lanes may be left out
  }
}
