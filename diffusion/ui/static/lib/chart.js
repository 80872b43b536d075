// Charts in SVG, so that they follow the theme's colours by themselves; with a cursor that can be dragged.

const BOX = { width: 320, height: 150, left: 34, right: 10, top: 10, bottom: 22 };
const SVG = "http://www.w3.org/2000/svg";

export class Chart {
  constructor(svg, { lines, y, yTicks, xTicks, onDrag }) {
    this.y = y;
    svg.setAttribute("viewBox", `0 0 ${BOX.width} ${BOX.height}`);
    svg.replaceChildren();
    this.svg = svg;
    for (const [value, label] of yTicks) {
      const at = this.yAt(value);
      this.add("line", { x1: BOX.left, x2: BOX.width - BOX.right, y1: at, y2: at, class: "grid" });
      this.add("text", { x: BOX.left - 4, y: at + 3.5, "text-anchor": "end" }, label);
    }
    for (const [fraction, label] of xTicks) {
      const anchor = fraction < 1 ? "middle" : "end";
      this.add("text", { x: this.xAt(fraction), y: BOX.height - 6, "text-anchor": anchor }, label);
    }
    this.paths = Object.fromEntries(lines.map((name) => [name, this.add("path", { class: `line ${name}` })]));
    this.cursors = {};
    if (onDrag) this.listen(onDrag);
  }

  add(tag, attributes, text) {
    const node = document.createElementNS(SVG, tag);
    for (const [key, value] of Object.entries(attributes)) node.setAttribute(key, value);
    if (text !== undefined) node.textContent = text;
    this.svg.append(node);
    return node;
  }

  xAt(fraction) {
    return BOX.left + fraction * (BOX.width - BOX.left - BOX.right);
  }

  yAt(value) {
    const [low, high] = this.y;
    const inside = Math.min(Math.max((value - low) / (high - low), 0), 1);
    return BOX.height - BOX.bottom - inside * (BOX.height - BOX.top - BOX.bottom);
  }

  plot(name, values, step = 1) {
    const points = [];
    for (let i = 0; i < values.length; i += step)
      points.push(`${this.xAt(i / (values.length - 1)).toFixed(1)} ${this.yAt(values[i]).toFixed(1)}`);
    this.paths[name].setAttribute("d", "M" + points.join("L"));
  }

  clear(name) {
    this.paths[name].setAttribute("d", "");
  }

  cursor(name, fraction) {
    const line = (this.cursors[name] ??= this.add("line", {
      y1: BOX.top, y2: BOX.height - BOX.bottom, class: `cursor ${name}`,
    }));
    line.setAttribute("x1", this.xAt(fraction));
    line.setAttribute("x2", this.xAt(fraction));
  }

  listen(onDrag) {
    const move = (event) => {
      const box = this.svg.getBoundingClientRect();
      const x = ((event.clientX - box.left) / box.width) * BOX.width;
      onDrag(Math.min(Math.max((x - BOX.left) / (BOX.width - BOX.left - BOX.right), 0), 1));
    };
    this.svg.classList.add("draggable");
    this.svg.addEventListener("pointerdown", (event) => {
      this.svg.setPointerCapture(event.pointerId);
      move(event);
    });
    this.svg.addEventListener("pointermove", (event) => {
      if (this.svg.hasPointerCapture(event.pointerId)) move(event);
    });
  }
}
