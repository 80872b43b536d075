// A canvas that shows a square of the plane: a density, points, arrows, ways, in the page's colours.
import { RANGE } from "./plane.js";

const HEAT = { opacity: 0.62, power: 0.62 }; // how strong the densest place is, and how fast it fades
const MARGINAL = 0.11; // of the height: the highest curve at an edge
const HIGHEST = 0.55; // what such a curve reaches at most: N(0, 1) reaches 0.4
const HEAD = 0.32; // of an arrow

// What a CSS variable's colour is at the moment, as [r, g, b].
const pixel = new OffscreenCanvas(1, 1).getContext("2d", { willReadFrequently: true });
function rgbOf(colour) {
  pixel.fillStyle = colour;
  pixel.fillRect(0, 0, 1, 1);
  return pixel.getImageData(0, 0, 1, 1).data.slice(0, 3);
}

export class PlaneCanvas {
  // Of a fixed size in pixels, or else as large as it is laid out; when that changes, `redraw` is called.
  constructor(canvas, { size, redraw }) {
    Object.assign(this, { canvas, context: canvas.getContext("2d") });
    this.heatCanvas = new OffscreenCanvas(1, 1);
    if (size) {
      Object.assign(canvas, { width: size, height: size });
      Object.assign(this, { size, ratio: 1 });
      return;
    }
    this.size = 0;
    new ResizeObserver(() => this.fit() && redraw()).observe(canvas);
  }

  fit() {
    const [size, ratio] = [this.canvas.clientWidth, Math.min(devicePixelRatio || 1, 2)];
    if (!size || (size === this.size && ratio === this.ratio)) return false;
    Object.assign(this, { size, ratio });
    this.canvas.width = this.canvas.height = Math.round(size * ratio);
    return true;
  }

  // ---- places -------------------------------------------------------------------------------------------

  xAt(x) {
    return ((x + RANGE) / (2 * RANGE)) * this.size;
  }

  yAt(y) {
    return ((RANGE - y) / (2 * RANGE)) * this.size;
  }

  // The place of the plane at a place of the canvas.
  placeAt(x, y) {
    return [(x / this.size) * 2 * RANGE - RANGE, RANGE - (y / this.size) * 2 * RANGE];
  }

  // ---- drawing ------------------------------------------------------------------------------------------

  // The themes' colours are read once each.
  get colours() {
    const theme = document.body.classList.contains("dark") ? "dark" : "light";
    this.known ??= {};
    return (this.known[theme] ??= colourTable());
  }

  begin() {
    const { context, size, ratio } = this;
    context.setTransform(ratio, 0, 0, ratio, 0, 0);
    context.globalAlpha = 1;
    context.setLineDash([]);
    context.lineCap = context.lineJoin = "round";
    context.fillStyle = this.colours.card.text;
    context.fillRect(0, 0, size, size);
    context.lineWidth = 1;
    context.strokeStyle = this.colours.line.text;
    context.beginPath();
    for (let at = -3; at <= 3; at++) {
      context.moveTo(this.xAt(at), 0);
      context.lineTo(this.xAt(at), size);
      context.moveTo(0, this.yAt(at));
      context.lineTo(size, this.yAt(at));
    }
    context.globalAlpha = 0.55;
    context.stroke();
    context.globalAlpha = 1;
  }

  // A density by cell, rows upwards.
  heat(values, side, colour = "xt") {
    const { heatCanvas } = this;
    if (heatCanvas.width !== side) Object.assign(heatCanvas, { width: side, height: side });
    const context = heatCanvas.getContext("2d");
    const image = context.createImageData(side, side);
    const [r, g, b] = this.colours[colour].rgb;
    let most = 1e-9;
    for (const value of values) if (value > most) most = value;
    for (let i = 0; i < values.length; i++) {
      const at = 4 * ((side - 1 - Math.floor(i / side)) * side + (i % side));
      image.data[at] = r;
      image.data[at + 1] = g;
      image.data[at + 2] = b;
      image.data[at + 3] = 255 * HEAT.opacity * (values[i] / most) ** HEAT.power;
    }
    context.putImageData(image, 0, 0);
    this.context.imageSmoothingQuality = "high";
    this.context.drawImage(heatCanvas, 0, 0, this.size, this.size);
  }

  // Points as small squares, which are quick, or as circles.
  dots(points, colour, { width = 2, opacity = 1, round = false, edge } = {}) {
    const { context } = this;
    context.fillStyle = this.colours[colour].text;
    context.globalAlpha = opacity;
    if (round) context.beginPath();
    for (let i = 0; i < points.length; i += 2) {
      const [x, y] = [this.xAt(points[i]), this.yAt(points[i + 1])];
      if (!round) context.fillRect(x - width / 2, y - width / 2, width, width);
      else {
        context.moveTo(x + width / 2, y);
        context.arc(x, y, width / 2, 0, 2 * Math.PI);
      }
    }
    if (round) context.fill();
    if (edge) this.stroke(edge, { width: 1.5 });
    context.globalAlpha = 1;
  }

  stroke(colour, { width = 1.5, opacity = 1, dash = [] } = {}) {
    const { context } = this;
    const strokeStyle = this.colours[colour].text;
    Object.assign(context, { strokeStyle, lineWidth: width, globalAlpha: opacity });
    context.setLineDash(dash);
    context.stroke();
    context.setLineDash([]);
    context.globalAlpha = 1;
  }

  // Arrows at places; one of length `full` or more is `most` long on the plane, shorter ones in proportion.
  arrows(places, vectors, colour, { full, most }) {
    const { context } = this;
    const scale = this.size / (2 * RANGE);
    context.beginPath();
    for (let i = 0; i < places.length; i += 2) {
      const length = Math.hypot(vectors[i], vectors[i + 1]);
      const shown = (most * Math.min(length / full, 1)) / (length || 1);
      const [x, y] = [this.xAt(places[i]), this.yAt(places[i + 1])];
      const [dx, dy] = [shown * scale * vectors[i], -shown * scale * vectors[i + 1]];
      const [toX, toY] = [x + dx, y + dy];
      context.moveTo(x, y);
      context.lineTo(toX, toY);
      context.moveTo(toX - HEAD * (dx - 0.6 * dy), toY - HEAD * (dy + 0.6 * dx));
      context.lineTo(toX, toY);
      context.lineTo(toX - HEAD * (dx + 0.6 * dy), toY - HEAD * (dy - 0.6 * dx));
    }
    this.stroke(colour, { width: 1.3, opacity: 0.75 });
  }

  // A line from each place to another.
  lines(from, to, colour, style) {
    const { context } = this;
    context.beginPath();
    for (let i = 0; i < from.length; i += 2) {
      context.moveTo(this.xAt(from[i]), this.yAt(from[i + 1]));
      context.lineTo(this.xAt(to[i]), this.yAt(to[i + 1]));
    }
    this.stroke(colour, style);
  }

  // The ways of points: of each number in `which` its place in each of these sets, one after the other.
  ways(sets, which, colour, style) {
    const { context } = this;
    context.beginPath();
    for (const i of which) {
      context.moveTo(this.xAt(sets[0][2 * i]), this.yAt(sets[0][2 * i + 1]));
      for (const set of sets) context.lineTo(this.xAt(set[2 * i]), this.yAt(set[2 * i + 1]));
    }
    this.stroke(colour, style);
  }

  // What is seen of a density from below and from the left, at these edges, and beside it N(0, 1).
  marginals({ x, y }) {
    const normal = x.map((_, i) => bell(RANGE * ((2 * (i + 0.5)) / x.length - 1)));
    for (const [curve, colour, style] of [
      [{ x: normal, y: normal }, "eps", { width: 1.5, dash: [3, 3] }],
      [{ x, y }, "xt", { width: 2 }],
    ]) {
      this.edge(curve.x, (along, high) => [along, this.size - high], colour, style);
      this.edge(curve.y, (along, high) => [high, this.size - along], colour, style);
    }
  }

  edge(values, place, colour, style) {
    const { context, size } = this;
    context.beginPath();
    values.forEach((value, i) => {
      const high = (Math.min(value / HIGHEST, 1) * MARGINAL + 0.004) * size;
      context.lineTo(...place(((i + 0.5) / values.length) * size, high));
    });
    this.stroke(colour, style);
  }
}

const bell = (x) => Math.exp(-0.5 * x * x) / Math.sqrt(2 * Math.PI);

function colourTable() {
  const style = getComputedStyle(document.body);
  const entries = ["x0", "eps", "xt", "ink", "soft", "line", "card"].map((name) => {
    const text = style.getPropertyValue(`--${name}`).trim();
    return [name, { text, rgb: rgbOf(text) }];
  });
  return Object.fromEntries(entries);
}
