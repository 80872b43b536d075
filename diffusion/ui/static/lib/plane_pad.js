// A canvas to draw on, with a mouse, a pen, a finger, or keys: arrows move the pen, Space puts it down or up.

const CLOSE = 0.03; // of the plane: places of a stroke are not nearer to each other
const MOST = 4000; // places in all
const KEY_STEP = 0.1;
const KEYS = { ArrowRight: [1, 0], ArrowLeft: [-1, 0], ArrowUp: [0, 1], ArrowDown: [0, -1] };

export class Pad {
  strokes = []; // [[x, y], …] each
  open = false;
  pen = [0, 0]; // where the keys have it
  #current = null; // the stroke that is being drawn

  // placeOf: from an event to [x, y] of the plane. onStroke is called when there is more or less to see.
  constructor(canvas, { placeOf, limit, onStroke }) {
    Object.assign(this, { canvas, placeOf, limit, onStroke });
    canvas.addEventListener("pointerdown", (event) => this.open && this.begin(event));
    canvas.addEventListener("pointermove", (event) => this.#current && this.goOn(event));
    for (const end of ["pointerup", "pointercancel"]) canvas.addEventListener(end, () => this.end());
    canvas.addEventListener("keydown", (event) => this.open && this.press(event));
  }

  setOpen(open) {
    this.end();
    this.open = open;
    this.canvas.classList.toggle("drawn-on", open);
    if (open) this.canvas.tabIndex = 0;
    else this.canvas.removeAttribute("tabindex");
  }

  get places() {
    return this.strokes.reduce((sum, { length }) => sum + length, 0);
  }

  begin(event) {
    event.preventDefault();
    this.canvas.setPointerCapture(event.pointerId);
    this.canvas.focus({ preventScroll: true });
    this.put(this.placeOf(event));
  }

  goOn(event) {
    const events = event.getCoalescedEvents?.() ?? [];
    for (const each of events.length ? events : [event]) this.add(this.placeOf(each));
  }

  put(place) {
    this.#current = [this.within(place)];
    this.strokes.push(this.#current);
    this.onStroke();
  }

  add(place) {
    const [x, y] = this.within(place);
    const last = this.#current.at(-1);
    if (Math.hypot(x - last[0], y - last[1]) < CLOSE || this.places >= MOST) return;
    this.#current.push([x, y]);
    this.onStroke();
  }

  end() {
    if (!this.#current) return;
    this.#current = null;
    this.onStroke();
  }

  within(place) {
    return place.map((value) => Math.min(Math.max(value, -this.limit), this.limit));
  }

  press(event) {
    const step = KEYS[event.key];
    if (step) this.pen = this.within(this.pen.map((value, i) => value + KEY_STEP * step[i]));
    else if (event.key !== " ") return;
    event.preventDefault();
    event.stopPropagation();
    if (event.key !== " ") {
      if (this.#current) this.add(this.pen);
    } else if (this.#current) this.end();
    else this.put(this.pen);
    this.onStroke();
  }

  get isDown() {
    return this.#current !== null;
  }

  undo() {
    this.end();
    this.strokes.pop();
    this.onStroke();
  }

  clear() {
    this.end();
    this.strokes = [];
    this.onStroke();
  }
}
