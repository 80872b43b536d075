// A pad to draw on, with a mouse, a pen, a finger or the keys. What is drawn is one of one's own pictures, so
// that all tabs have it and a reload keeps it: one in colours on white, one in white on black, as digits are.
import { button } from "./dom.js";
import { state, update } from "./state.js";

const SIZE = 256; // pixels, as all pictures of one's own
const MOST_UNDONE = 20; // strokes
const STEP = 8; // pixels that an arrow key moves the pen
const KEYS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };
export const COLOURS = {
  colour: {
    paper: "#ffffff", ink: "#2b2b2b", orange: "#e8954a", pink: "#e58fa6", blue: "#5b8fd0", brown: "#8a5a3b",
  },
  grey: { paper: "#000000", ink: "#ffffff" },
};

export class Pad {
  kind = "colour"; // of COLOURS
  before = []; // what it showed before each of the last strokes
  last = null; // where the pen is on the paper, {x, y}
  pen = { x: SIZE / 2, y: SIZE / 2, down: false }; // of the keys

  // choose: called with the own picture that was drawn, after each stroke.
  constructor(view, { row, choose }) {
    Object.assign(this, { view, row, choose, root: view.part("pad"), text: view.text });
    this.canvas = view.canvas("pad");
    this.canvas.width = this.canvas.height = SIZE;
    this.context = this.canvas.getContext("2d", { willReadFrequently: true });
    Object.assign(this.context, { lineCap: "round", lineJoin: "round" });
    this.addTile();
    this.listenToPointers();
    this.canvas.addEventListener("keydown", (event) => this.pressed(event));
    this.canvas.addEventListener("blur", () => this.liftPen());
    view.part("pad-undo").addEventListener("click", () => this.undo());
    view.part("pad-clear").addEventListener("click", () => this.clear());
    view.part("pad-close").addEventListener("click", () => this.open(false));
    this.blank();
  }

  // What opens it stands beside what adds a file, where it is in sight however long the row is.
  addTile() {
    this.tile = button("preset own", this.text.pad_open);
    Object.assign(this.tile, { title: this.text.pad_open, textContent: "✏️" });
    this.tile.setAttribute("aria-expanded", false);
    this.tile.addEventListener("click", () => this.open(this.root.hidden));
    this.row.part("add").before(this.tile);
  }

  open(isOpen) {
    this.root.hidden = !isOpen;
    this.tile.setAttribute("aria-expanded", isOpen);
    if (!isOpen) {
      this.tile.focus({ preventScroll: true });
      return;
    }
    this.show();
    this.canvas.focus({ preventScroll: true });
    this.root.scrollIntoView({ block: "nearest" });
  }

  // For networks with so many channels.
  setChannels(channels) {
    const kind = channels === 1 ? "grey" : "colour";
    this.root.classList.toggle("grey", kind === "grey");
    if (kind === this.kind) return;
    Object.assign(this, { kind, before: [] });
    this.view.find('.pad input[value="ink"]').checked = true;
    this.show();
  }

  get own() {
    return state.own.find(({ pad }) => pad === this.kind);
  }

  // The drawing as it was left, or blank paper.
  async show() {
    this.blank();
    if (!this.own) return;
    const image = Object.assign(new Image(), { src: this.own.crop });
    await image.decode();
    this.context.drawImage(image, 0, 0);
  }

  blank() {
    this.context.fillStyle = COLOURS[this.kind].paper;
    this.context.fillRect(0, 0, SIZE, SIZE);
  }

  // ---- strokes ------------------------------------------------------------------------------------------

  get colour() {
    const chosen = this.view.find(".pad input[type=radio]:checked").value;
    return COLOURS[this.kind][chosen] ?? COLOURS[this.kind].ink;
  }

  begin(at) {
    this.before = [...this.before, this.context.getImageData(0, 0, SIZE, SIZE)].slice(-MOST_UNDONE);
    this.last = at;
    this.lineTo(at);
  }

  lineTo(at) {
    const { context, last } = this;
    context.strokeStyle = this.colour;
    context.lineWidth = Number(this.view.part("brush").value);
    context.beginPath();
    context.moveTo(last.x, last.y);
    context.lineTo(at.x, at.y);
    context.stroke();
    this.last = at;
  }

  end() {
    if (!this.last) return;
    this.last = null;
    this.keep();
  }

  undo() {
    const before = this.before.pop();
    if (!before) return;
    this.context.putImageData(before, 0, 0);
    this.keep();
  }

  clear() {
    this.before.push(this.context.getImageData(0, 0, SIZE, SIZE));
    this.blank();
    this.keep();
  }

  // As a picture of one's own: the one of before is replaced.
  keep() {
    const address = this.canvas.toDataURL("image/png");
    const id = this.own?.id ?? 1 + Math.max(0, ...state.own.map((other) => other.id));
    const squares = { crop: address, letterbox: address, fit: "crop" };
    const own = { id, name: this.text.pad_drawing, ...squares, pad: this.kind };
    const others = state.own.filter((other) => other.id !== id);
    update({ own: [...others, own] });
    this.choose(own);
  }

  // ---- pointers -----------------------------------------------------------------------------------------

  placeOf({ clientX, clientY }) {
    const { left, top, width, height } = this.canvas.getBoundingClientRect();
    return { x: ((clientX - left) / width) * SIZE, y: ((clientY - top) / height) * SIZE };
  }

  listenToPointers() {
    const { canvas } = this;
    canvas.addEventListener("pointerdown", (event) => {
      if (event.button > 0 || this.last) return;
      event.preventDefault();
      canvas.focus({ preventScroll: true });
      canvas.setPointerCapture(event.pointerId);
      this.pointer = event.pointerId;
      this.liftPen();
      this.begin(this.placeOf(event));
    });
    canvas.addEventListener("pointermove", (event) => {
      if (!this.last || event.pointerId !== this.pointer) return;
      const between = event.getCoalescedEvents?.() ?? [];
      for (const each of between.length ? between : [event]) this.lineTo(this.placeOf(each));
    });
    for (const kind of ["pointerup", "pointercancel"])
      canvas.addEventListener(kind, (event) => event.pointerId === this.pointer && this.end());
  }

  // ---- keys ---------------------------------------------------------------------------------------------

  // Arrows move the pen, which Space puts on the paper and takes off it.
  pressed(event) {
    const { key } = event;
    if (event.ctrlKey || event.metaKey) {
      if (key !== "z") return;
      this.undo();
    } else if (key in KEYS) this.movePen(KEYS[key]);
    else if (key === " ") {
      if (this.pen.down) this.liftPen();
      else {
        this.pen.down = true;
        this.begin({ ...this.pen });
      }
    } else if (key === "Escape" && this.pen.down) this.liftPen();
    else return;
    event.preventDefault();
    this.showPen(true);
  }

  movePen([x, y]) {
    const within = (value) => Math.min(Math.max(value, 0), SIZE);
    Object.assign(this.pen, { x: within(this.pen.x + STEP * x), y: within(this.pen.y + STEP * y) });
    if (this.pen.down) this.lineTo({ x: this.pen.x, y: this.pen.y });
  }

  liftPen() {
    if (this.pen.down) this.end();
    this.pen.down = false;
    this.showPen(false);
  }

  showPen(isShown) {
    const pen = this.view.part("pen");
    pen.hidden = !isShown;
    pen.classList.toggle("down", this.pen.down);
    Object.assign(pen.style, { left: `${(100 * this.pen.x) / SIZE}%`, top: `${(100 * this.pen.y) / SIZE}%` });
  }
}
