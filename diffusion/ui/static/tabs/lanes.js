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
    Object.assign(this, { root, props, first: props.value, chosen: props.value });
    this.fields = [...root.querySelectorAll("input[type=number]")];
    this.buttons = [...root.querySelectorAll("[data-preset]")];
    this.known = JSON.parse(root.dataset.presets); // steps by kind of model, and the kinds of models by name
    this.presets = this.known.of[this.known.first];
    this.listen();
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
      each.addEventListener("click", () => this.choose(this.presets[each.dataset.preset]));
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
    const wasQuality = this.isPreset("quality");
    this.presets = this.known.of[this.known.models[name] ?? "others"];
    if (wasQuality) this.choose(this.presets.quality);
    else this.show();
  }

  // Steps that a link names, with commas; whether there can be so many.
  take(asked) {
    const wished = asked.split(",").map((each) => (each.trim() === "" ? NaN : Math.round(Number(each))));
    const most = Number(this.root.dataset.most);
    this.choose(this.first.map((steps, i) => (wished[i] >= 0 ? Math.min(wished[i], most) : steps)));
    return String(this.chosen) === asked;
  }
}
