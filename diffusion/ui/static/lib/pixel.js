// A pixel that is inspected: a mouse over one of the stage's pictures chooses it, a tap or the keys keep it.
// It is marked above all of these pictures, and its numbers stand as columns in a formula, a row for each
// colour.
import { node, phrase } from "./dom.js";
import { fixed } from "./numbers.js";

const SMALLEST = 9; // pixels of the screen: the mark's side
const STEPS = { ArrowRight: [1, 0], ArrowLeft: [-1, 0], ArrowDown: [0, 1], ArrowUp: [0, -1] };
const COLOURS = ["red", "green", "blue"];
const SUM_DIGITS = 3; // one less than what is summed has
const NONE = "–";

const numberIn = (shown) => Number(shown.replace("−", "-"));

// The sum of columns with their weights, [weight, column] each as texts: what these digits add up to.
export function weightedSum(...terms) {
  return terms[0][1].map((_, row) => {
    const sum = terms.reduce((all, [weight, column]) => all + numberIn(weight) * numberIn(column[row]), 0);
    return fixed(Number(sum.toFixed(SUM_DIGITS)) + 0, SUM_DIGITS); // no −0
  });
}

export class Pixel {
  kept = null; // {x, y} in the canvases' pixels
  seen = null; // the one whose numbers are shown
  told = {}; // what was told of it, by key

  // read({x, y}) gives {where, columns: {name: texts}}, or null where no picture is.
  constructor(view, names, read) {
    Object.assign(this, { view, read });
    this.stage = view.find(".stage");
    this.canvases = names.map((name) => view.canvas(name));
    this.marks = this.canvases.map((canvas) => {
      const mark = Object.assign(node("i", "mark"), { hidden: true, ariaHidden: "true" });
      mark.append(node("span"));
      canvas.after(mark);
      this.listenTo(canvas);
      return mark;
    });
    this.places = [...view.root.querySelectorAll("[data-column]")];
    this.button = view.part("inspect");
    this.button.addEventListener("click", () => this.toggle());
    this.listenToKeys();
    new ResizeObserver(() => this.mark()).observe(this.stage);
    this.setChannels(COLOURS.length);
  }

  listenTo(canvas) {
    const at = ({ offsetX, offsetY }) => this.inside({
      x: Math.floor((offsetX / canvas.clientWidth) * canvas.width),
      y: Math.floor((offsetY / canvas.clientHeight) * canvas.height),
    });
    const byMouse = (listener) => (event) => event.pointerType === "mouse" && listener(event);
    canvas.addEventListener("pointermove", byMouse((event) => this.show(at(event))));
    canvas.addEventListener("pointerleave", byMouse(() => this.show(this.kept)));
    canvas.addEventListener("click", (event) => this.keep(at(event)));
  }

  listenToKeys() {
    this.view.root.addEventListener("keydown", ({ key }) => key === "Escape" && this.keep(null));
    this.stage.addEventListener("keydown", (event) => {
      if (event.target !== this.stage || event.ctrlKey || event.metaKey || event.altKey) return;
      const step = event.shiftKey && STEPS[event.key];
      if (event.code === "KeyI") this.toggle(); // on a keyboard of any language
      else if (step && this.kept) this.keep({ x: this.kept.x + step[0], y: this.kept.y + step[1] });
      else return;
      event.preventDefault();
    });
  }

  inside({ x, y }) {
    const [{ width, height }] = this.canvases;
    return { x: Math.max(0, Math.min(x, width - 1)), y: Math.max(0, Math.min(y, height - 1)) };
  }

  // Begin in the middle, with the keys that move it, or end.
  toggle() {
    const [{ width, height }] = this.canvases;
    this.keep(this.kept ? null : { x: width >> 1, y: height >> 1 });
    if (this.kept) this.stage.focus();
  }

  keep(place) {
    const inside = place && this.inside(place);
    if (inside && !this.read(inside)) return;
    this.kept = inside;
    this.button.setAttribute("aria-pressed", Boolean(inside));
    this.show(inside);
  }

  // So many rows, one of which has no name.
  setChannels(channels) {
    this.channels = channels;
    this.view.part("pixel").style.setProperty("--rows", channels);
    this.keep(null);
  }

  show(place) {
    this.seen = place;
    this.refresh();
  }

  // The numbers may be others now.
  refresh() {
    const { text } = this.view;
    this.found = this.seen && this.read(this.seen);
    this.view.part("pixel-where").textContent = this.found ? this.found.where : text.pixel_hint;
    const names = this.channels > 1 ? COLOURS.map((colour) => text[`pixel_${colour}`]) : [""];
    const columns = { ...this.found?.columns, names };
    for (const place of this.places) this.write(place, columns[place.dataset.column]);
    this.tell(this.found?.columns ?? {});
    this.mark();
  }

  // What symbols say of themselves.
  tell(columns) {
    for (const key of Object.keys(this.told)) this.told[key] = "";
    for (const [name, texts] of Object.entries(columns))
      this.told[`pixel_${name}`] = texts.length > 1 ? `(${texts.join(", ")})` : texts[0];
    this.view.fill(this.told);
  }

  write(place, texts) {
    while (place.childElementCount > this.channels) place.lastChild.remove();
    while (place.childElementCount < this.channels) place.append(node("span"));
    [...place.children].forEach((row, i) => {
      row.className = this.channels > 1 ? COLOURS[i] : "";
      const shown = texts?.[i] ?? NONE;
      if (row.textContent !== shown) row.textContent = shown;
    });
  }

  mark() {
    this.marks.forEach((mark, i) => {
      mark.hidden = !this.found;
      if (!this.found) return;
      const values = this.found.columns[this.canvases[i].dataset.shows];
      mark.classList.toggle("told", Boolean(values));
      mark.classList.toggle("at-end", this.seen.x > this.canvases[i].width / 2);
      mark.firstChild.textContent = (values ?? []).join("\n");
      const { offsetLeft, offsetTop, clientLeft, clientTop, clientWidth, width } = this.canvases[i];
      const scale = clientWidth / width;
      const side = Math.max(scale, SMALLEST);
      const at = (start, steps) => `${start + (steps + 0.5) * scale - side / 2}px`;
      Object.assign(mark.style, {
        left: at(offsetLeft + clientLeft, this.seen.x), top: at(offsetTop + clientTop, this.seen.y),
        width: `${side}px`, height: `${side}px`,
      });
    });
  }
}

// Where it is, in words.
export const placeOf = (text, { x, y }) => phrase(text.pixel_place, { x: x + 1, y: y + 1 });
