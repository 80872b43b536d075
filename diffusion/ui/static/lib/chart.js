// Charts in SVG, so that they follow the theme's colours by themselves; with a cursor that can be dragged.
// They are drawn in the pixels of the place that they have, and anew when that changes.
import { offerFile } from "./chart_file.js";
import { onDrag } from "./drag.js";

const MARGIN = { left: 40, right: 12, top: 12, bottom: 24 };
const CHARACTER = 7.5; // pixels of a label, at most on average; Hangul is twice as wide
const lengthOf = (label) => label.length + (label.match(/\p{Script=Hangul}/gu)?.length ?? 0);
const FIRST_SIZE = { width: 320, height: 150 }; // until there is a place
const SVG = "http://www.w3.org/2000/svg";

export class Chart {
  lines = {}; // by name: {values, step, places}
  bands = {}; // by name: the share of the way where it starts, to the end; null where there is none
  cursors = {}; // by name: where it stands, a share of the way

  // Of `names` the lines; later ones are drawn over earlier ones. `move` is called with the share of the way
  // to which a hand has dragged. Axes: see setAxes.
  constructor(svg, { lines: names, move, ...axes }) {
    Object.assign(this, { svg, names, size: FIRST_SIZE });
    if (move) onDrag(svg, (x) => move(this.shareAt(x)));
    this.setAxes(axes);
    offerFile(svg);
    new ResizeObserver(() => this.fit()).observe(svg);
  }

  // y: [lowest, highest]. Ticks: [value, label], on x as shares of the way. Titles: what the axes show.
  setAxes(axes) {
    this.axes = axes;
    this.draw();
  }

  fit() {
    const { width, height } = this.svg.getBoundingClientRect();
    if (!width || (width === this.size.width && height === this.size.height)) return;
    this.size = { width, height };
    this.draw();
  }

  // ---- what it shows ------------------------------------------------------------------------------------

  // Other lines, of which none is plotted yet.
  setLines(names) {
    Object.assign(this, { names, lines: {} });
    this.draw();
  }

  // A value that is NaN interrupts the line; of a single point it is a dot. Values stand evenly spread, or at
  // these shares of the way.
  plot(name, values, step = 1, places = null) {
    this.lines[name] = { values, step, places };
    this.drawLine(name);
  }

  clear(name) {
    this.plot(name, []);
  }

  band(name, start) {
    this.bands[name] = start;
    this.draw();
  }

  cursor(name, share) {
    this.cursors[name] = share;
    this.drawCursor(name);
  }

  // ---- places -------------------------------------------------------------------------------------------

  get left() {
    const longest = Math.max(...this.axes.yTicks.map(([, label]) => lengthOf(label)));
    return Math.max(MARGIN.left, CHARACTER * longest + 6);
  }

  get right() {
    return this.size.width - MARGIN.right;
  }

  get bottom() {
    return this.size.height - MARGIN.bottom;
  }

  xAt(share) {
    return this.left + share * (this.right - this.left);
  }

  shareAt(x) {
    return Math.min(Math.max((x - this.left) / (this.right - this.left), 0), 1);
  }

  yAt(value) {
    const [low, high] = this.axes.y;
    const inside = Math.min(Math.max((value - low) / (high - low), 0), 1);
    return this.bottom - inside * (this.bottom - MARGIN.top);
  }

  // ---- drawing ------------------------------------------------------------------------------------------

  add(tag, attributes, text) {
    const node = document.createElementNS(SVG, tag);
    for (const [key, value] of Object.entries(attributes)) node.setAttribute(key, value);
    if (text !== undefined) node.textContent = text;
    this.svg.append(node);
    return node;
  }

  draw() {
    const { width, height } = this.size;
    this.svg.setAttribute("viewBox", `0 0 ${width} ${height}`);
    this.svg.replaceChildren();
    for (const [name, start] of Object.entries(this.bands)) if (start !== null) this.drawBand(name, start);
    this.drawAxes();
    this.paths = {};
    for (const name of this.names) this.paths[name] = this.add("path", { class: `line ${name}` });
    for (const name of Object.keys(this.lines)) this.drawLine(name);
    this.marks = {};
    for (const name of Object.keys(this.cursors)) this.drawCursor(name);
  }

  drawAxes() {
    const { yTicks, xTicks, xTitle } = this.axes;
    for (const [value, label] of yTicks) {
      const y = this.yAt(value);
      this.add("line", { x1: this.left, x2: this.right, y1: y, y2: y, class: "grid" });
      this.add("text", { x: this.left - 5, y: y + 4, "text-anchor": "end" }, label);
    }
    const y = this.size.height - 7;
    for (const [share, label] of xTicks) {
      const anchor = share < 1 ? "middle" : "end";
      this.add("text", { x: this.xAt(share), y, "text-anchor": anchor }, label);
    }
    if (xTitle) this.add("text", { x: this.xAt(0.75), y, "text-anchor": "middle" }, xTitle);
  }

  drawBand(name, start) {
    const { top } = MARGIN;
    const [x, height] = [this.xAt(start), this.bottom - top];
    this.add("rect", { x, y: top, width: Math.max(this.right - x, 0), height, class: `band ${name}` });
    this.add("line", { x1: x, x2: x, y1: top, y2: this.bottom, class: `band ${name}` });
  }

  drawLine(name) {
    const { values, step, places } = this.lines[name];
    const shareOf = (i) => (places ? places[i] : i / (values.length - 1));
    let path = "";
    let pen = "M";
    for (let i = 0; i < values.length; i += step) {
      if (Number.isNaN(values[i])) pen = "M";
      else {
        path += `${pen}${this.xAt(shareOf(i)).toFixed(1)} ${this.yAt(values[i]).toFixed(1)}`;
        pen = "L";
      }
    }
    const isDot = path !== "" && !path.includes("L");
    this.paths[name].classList.toggle("dot", isDot);
    this.paths[name].setAttribute("d", isDot ? `${path}h0` : path);
  }

  drawCursor(name) {
    const mark = (this.marks[name] ??= this.add("line", {
      y1: MARGIN.top, y2: this.bottom, class: `cursor ${name}`,
    }));
    const x = this.xAt(this.cursors[name]);
    mark.setAttribute("x1", x);
    mark.setAttribute("x2", x);
  }
}
