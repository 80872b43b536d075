// A canvas that shows a square of the plane: a density, points, arrows, ways, in the page's colours.
import { RANGE } from "./plane.js";

const HEAT = { opacity: 0.62, power: 0.62 }; // how strong the densest place is, and how fast it fades
const SHADES = 256; // of a density
const MARGINAL = 0.11; // of the height: the highest curve at an edge
const HIGHEST = 0.55; // what such a curve reaches at most: N(0, 1) reaches 0.4
const HEAD = 0.32; // of an arrow

const contextOf = (options) => new OffscreenCanvas(1, 1).getContext("2d", options);

// A colour as pixels, from transparent to what the densest place has.
const pixel = contextOf({ willReadFrequently: true });
function shadesOf(colour) {
  pixel.fillStyle = colour;
  pixel.fillRect(0, 0, 1, 1);
  const [opaque] = new Uint32Array(pixel.getImageData(0, 0, 1, 1).data.buffer);
  const shades = new Uint32Array(SHADES).fill(opaque);
  const bytes = new Uint8Array(shades.buffer);
  for (let i = 0; i < SHADES; i++) bytes[4 * i + 3] = 255 * HEAT.opacity * (i / (SHADES - 1)) ** HEAT.power;
  return shades;
}

export class PlaneCanvas {
  // Of a fixed size in pixels, or else as large as it is laid out; when that changes, `redraw` is called.
  constructor(canvas, { size, redraw }) {
    Object.assign(this, { canvas, context: canvas.getContext("2d"), layers: {}, themes: {} });
    this.heatContext = contextOf();
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

  begin() {
    const theme = document.body.classList.contains("dark") ? "dark" : "light";
    this.colours = this.themes[theme] ??= colourTable(); // read once each
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

  // What stays while t moves is drawn on a canvas of its own, and again only when `from`, a list of what it
  // follows from, has something else in it.
  still(name, from, draw) {
    const follows = [...from, this.colours, this.size, this.ratio];
    const { context } = this;
    const layer = (this.layers[name] ??= { context: contextOf(), follows: [] });
    if (follows.some((each, i) => each !== layer.follows[i])) {
      layer.follows = follows;
      Object.assign(layer.context.canvas, { width: this.canvas.width, height: this.canvas.height });
      layer.context.setTransform(context.getTransform());
      layer.context.lineCap = layer.context.lineJoin = "round";
      this.context = layer.context;
      draw();
      this.context = context;
    }
    context.drawImage(layer.context.canvas, 0, 0, this.size, this.size);
  }

  // A density by cell, rows upwards.
  heat(values, side, colour = "xt") {
    const shades = this.colours[colour].shades;
    const { image, pixels } = this.heatImageOf(side);
    const most = values.reduce((a, b) => Math.max(a, b), 1e-9);
    for (let row = 0, i = 0; row < side; row++)
      for (let at = (side - 1 - row) * side, end = at + side; at < end; at++, i++)
        pixels[at] = shades[Math.round(((SHADES - 1) * values[i]) / most)];
    this.heatContext.putImageData(image, 0, 0);
    this.context.drawImage(this.heatContext.canvas, 0, 0, this.size, this.size);
  }

  heatImageOf(side) {
    if (this.heatImage?.image.width === side) return this.heatImage;
    Object.assign(this.heatContext.canvas, { width: side, height: side });
    const image = this.heatContext.createImageData(side, side);
    return (this.heatImage = { image, pixels: new Uint32Array(image.data.buffer) });
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
      const length = Math.sqrt(vectors[i] ** 2 + vectors[i + 1] ** 2); // hypot is slow
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
    this.normal ??= x.map((_, i) => bell(RANGE * ((2 * (i + 0.5)) / x.length - 1)));
    const { normal } = this;
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
    return [name, { text, shades: shadesOf(text) }];
  });
  return Object.fromEntries(entries);
}
