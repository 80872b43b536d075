// The Plane tab's distributions as tiles, and one of one's own: drawn on the stage, or come with a link.
import { link } from "../lib/link.js";
import { PlaneCanvas } from "../lib/plane_canvas.js";
import { Pad } from "../lib/plane_pad.js";
import { OWN_THICKNESS, SHAPES, draw, strokesAsText, strokesFromText } from "../lib/plane_shapes.js";
import { remember } from "../lib/session.js";

const TILE = 96; // pixels
const WIDE = 5.2; // what it shows of the plane
const LIMIT = 3; // how far from the middle one can draw, as a link has it
const FAINT = { width: 2, opacity: 0.4, dash: [2, 6] }; // what could be drawn
const PEN = { width: 12, round: true, edge: "card" };

export class Drawing {
  placeOf = null; // from an event to a place of the plane; the view has it

  constructor(view, onChange) {
    Object.assign(this, { view, onChange });
    const placeOf = (event) => this.placeOf(event);
    const canvas = view.canvas("plane");
    this.pad = new Pad(canvas, { placeOf, limit: LIMIT, onStroke: () => this.drawn() });
    view.part("pad-open").addEventListener("click", () => this.setOpen(!this.isOpen));
    view.part("pad-undo").addEventListener("click", () => this.pad.undo());
    view.part("pad-clear").addEventListener("click", () => {
      this.pad.clear();
      this.setOpen(true);
    });
    this.offer();
    const take = (text) => {
      const strokes = strokesFromText(text);
      if (!strokes) return false;
      this.pad.strokes = strokes;
      this.drawn();
      return true;
    };
    link("plane.drawing", { read: () => strokesAsText(this.strokes), write: take, first: "" });
    const save = () => strokesAsText(this.strokes);
    remember(`${view.root.id} drawing`, { save, restore: (text) => text && take(text) });
  }

  get strokes() {
    return this.pad.strokes;
  }

  get isOpen() {
    return this.pad.open;
  }

  // A drawing of nothing is begun at once.
  chosen(own) {
    this.setOpen(own && !this.strokes.length);
  }

  setOpen(open) {
    this.pad.setOpen(open);
    this.view.root.classList.toggle("drawing", open);
    const { text } = this.view;
    const press = this.view.part("pad-open");
    press.textContent = open ? text.plane_pad_done : text.plane_pad;
    press.setAttribute("aria-pressed", open);
    if (!open) this.settle();
    this.view.redraw();
  }

  // While it is being drawn nothing is made of it.
  drawn() {
    this.offer();
    if (this.isOpen) this.view.redraw();
    else this.settle();
  }

  offer() {
    for (const role of ["pad-undo", "pad-clear"]) this.view.part(role).disabled = !this.strokes.length;
  }

  settle() {
    const now = [...this.strokes];
    if (JSON.stringify(now) === JSON.stringify(this.settled ?? [])) return;
    this.settled = now.map((stroke) => [...stroke]);
    drawTile(this.view, "own", { strokes: this.settled, thickness: OWN_THICKNESS });
    this.onChange(this.settled);
  }

  paint(on) {
    on.begin();
    for (const stroke of this.strokes) {
      const sets = stroke.length > 1 ? stroke : [stroke[0], stroke[0]];
      on.ways(sets, [0], "x0", { width: 5 });
    }
    if (!this.strokes.length)
      for (const stroke of SHAPES.cat.strokes) on.ways(stroke, [0], "soft", FAINT);
    const isKeyed = on.canvas.matches(":focus-visible");
    if (isKeyed) on.dots(this.pad.pen, this.pad.isDown ? "x0" : "ink", PEN);
  }
}

// Of each shape some of its points.
export function drawTiles(view) {
  for (const [name, shape] of Object.entries(SHAPES)) drawTile(view, name, shape);
}

function drawTile(view, name, shape) {
  const tile = view.part("shape").querySelector(`[value="${name}"]`).nextElementSibling;
  const on = new PlaneCanvas(tile, { size: TILE });
  if (!shape.strokes.length) {
    on.context.clearRect(0, 0, TILE, TILE);
    return;
  }
  const { points } = draw(shape, 0);
  const context = tile.getContext("2d");
  context.clearRect(0, 0, TILE, TILE);
  context.fillStyle = "#0d9488"; // seen in both themes
  for (let i = 0; i < points.length; i += 2) {
    const [x, y] = [points[i], -points[i + 1]].map((value) => TILE / 2 + (value * TILE) / WIDE);
    context.fillRect(x - 1, y - 1, 2.2, 2.2);
  }
}
