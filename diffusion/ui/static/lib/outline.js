// Where a part is to be seen in pictures, as an outline over them; and how much more it is looked at there.
import { bytesFrom } from "./decode.js";

// A square picture's mask, 1 where the part is: of what Python sends, a bit for each pixel; null of nothing.
function maskFrom(base64) {
  if (!base64) return null;
  const packed = bytesFrom(base64);
  return Uint8Array.from({ length: 8 * packed.length }, (_, i) => (packed[i >> 3] >> (7 - (i & 7))) & 1);
}

// The edges of a mask as the path of an SVG, whose unit is a pixel.
function outlineOf(mask) {
  const side = Math.sqrt(mask.length);
  const at = (x, y) => (x < 0 || y < 0 || x === side || y === side ? 0 : mask[y * side + x]);
  let path = "";
  for (let y = 0; y <= side; y++)
    for (let x = 0; x <= side; x++) {
      if (at(x, y) !== at(x, y - 1)) path += `M${x} ${y}h1`;
      if (at(x, y) !== at(x - 1, y)) path += `M${x} ${y}v1`;
    }
  return path;
}

// Mean attention inside a mask ÷ outside it. attention: of square cells, coarser than the mask's pixels.
export function insideToOutside(attention, mask) {
  const [cells, side] = [Math.sqrt(attention.length), Math.sqrt(mask.length)];
  const sums = [0, 0];
  const numbers = [0, 0];
  mask.forEach((inside, i) => {
    const [x, y] = [i % side, Math.floor(i / side)].map((place) => Math.floor((place * cells) / side));
    sums[inside] += attention[y * cells + x];
    numbers[inside]++;
  });
  return (sums[1] / numbers[1]) / (sums[0] / numbers[0]);
}

// An outline over a picture of `side` pixels: light and dark, so that it is seen on every colour.
export class Outline {
  mask = null; // what is outlined

  constructor(side) {
    const add = (parent, tag, attributes) => {
      const made = document.createElementNS("http://www.w3.org/2000/svg", tag);
      for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
      parent?.append(made);
      return made;
    };
    const viewBox = `0 0 ${side} ${side}`;
    this.svg = add(null, "svg", { class: "outline", viewBox, "aria-hidden": "true" });
    this.paths = ["dark", "light"].map((name) => add(this.svg, "path", { class: name }));
  }

  // What is seen of a part, as Python sends it; nothing: "".
  show(seen = "") {
    if (seen === this.seen) return;
    this.seen = seen;
    this.mask = maskFrom(seen);
    for (const path of this.paths) path.setAttribute("d", this.mask ? outlineOf(this.mask) : "");
  }
}
