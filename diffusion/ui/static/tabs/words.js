// Words it knows: chips that are clicked together into the prompt, one of a kind.
import { button, elementById, node } from "../lib/dom.js";
import { View } from "../lib/view.js";
import * as english from "../lib/wording.js";
import * as korean from "../lib/wording_ko.js";

const TOGGLED = { en: english.toggled, ko: korean.toggled }; // by the page's language

export function mount(context) {
  const view = new Words(context);
  return (message) => view.receive(message);
}

class Words extends View {
  names = []; // of all kinds
  chips = []; // for each of them

  // Looked up each time: Gradio may put another in its place.
  async field() {
    return (await elementById(this.controls.prompt)).querySelector("textarea, input");
  }

  // {kinds: [{called, names: [{things, traits, verbs}]}]}, of the chosen model; or {typed}: the prompt is
  // another.
  receive({ kinds }) {
    if (kinds) this.lay(kinds);
    this.mark();
  }

  lay(kinds) {
    this.part("all").hidden = !kinds.length;
    this.names = kinds.flatMap(({ names }, kind) => names.map((name) => ({ ...name, kind })));
    this.chips = this.names.map((name) => this.chip(name));
    const groups = kinds.map(({ called }, kind) => {
      const group = node("div", "kind");
      group.setAttribute("role", "group");
      group.setAttribute("aria-label", called);
      group.append(node("b", "", called), ...this.chips.filter((_, i) => this.names[i].kind === kind));
      return group;
    });
    this.part("kinds").replaceChildren(...groups);
  }

  chip(name) {
    const chip = button("chip");
    chip.textContent = english.shown(name);
    chip.addEventListener("click", () => this.toggle(name));
    return chip;
  }

  // As if it had been typed: Gradio hears of it.
  async toggle(name) {
    const field = await this.field();
    field.value = TOGGLED[document.documentElement.lang](field.value, this.names, name);
    field.dispatchEvent(new Event("input", { bubbles: true }));
    this.part("hint").textContent = this.text.words_draw;
    this.mark();
  }

  async mark() {
    const found = english.namesIn((await this.field()).value, this.names).map(({ name }) => name);
    this.chips.forEach((chip, i) => chip.setAttribute("aria-pressed", found.includes(this.names[i])));
  }
}
