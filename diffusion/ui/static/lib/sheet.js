// A film as one picture, its frames one below the other, for Python's parts/animation.py to make a file of.
import { base64Of } from "./decode.js";
import { node } from "./dom.js";
import { pngOf } from "./files.js";
import { Grid, columnsFor } from "./pictures.js";

const MOST_FRAMES = 60; // spread over a longer film
const MOST_PIXELS = 2 ** 22; // of a sheet
const CELL = 256; // pixels of a single picture, about, when it is enlarged
const LONGEST_SIDE = 512; // of a frame that is enlarged
const PATIENCE = 30; // milliseconds until the page has its turn again

// What Python is asked for. A film here is {last, cell, picture}: the number of its last frame, the longer
// side of a single picture, and what draws frame k on a canvas, or promises to; on the same one for all.
export async function sheetOf({ last, cell, picture }) {
  const { width, height } = await picture(0);
  const count = Math.min(last + 1, MOST_FRAMES, Math.max(Math.floor(MOST_PIXELS / (width * height)), 1));
  const sheet = Object.assign(node("canvas"), { width, height: count * height });
  const context = sheet.getContext("2d");
  let turn = performance.now();
  for (let i = 0; i < count; i++) {
    const k = Math.round((last * (i + 1 - (count > 1))) / Math.max(count - 1, 1));
    context.drawImage(await picture(k), 0, i * height);
    if (performance.now() - turn < PATIENCE) continue;
    await new Promise((resolve) => setTimeout(resolve));
    turn = performance.now();
  }
  const scale = Math.min(Math.round(CELL / cell), Math.floor(LONGEST_SIDE / Math.max(width, height)));
  return { count, scale: Math.max(scale, 1), file: await base64Of(await pngOf(sheet)) };
}

// Some planes of a Film, each of one picture (height, width, channels) or several, as such a film of all.
export function filmOf(film, names, columns) {
  const shape = film.shape(names[0]).slice(-3);
  const size = shape.reduce((a, b) => a * b);
  const [first] = film.shape(names[0]).slice(0, -3);
  const each = first ?? 1;
  const grid = new Grid(node("canvas"));
  grid.resize(names.length * each, shape, columns ?? columnsFor(names.length * each));
  const bytes = new Uint8Array(names.length * each * size);
  const picture = (k) => {
    names.forEach((name, i) => bytes.set(film.plane(k, name), i * each * size));
    grid.show(bytes);
    return grid.canvas;
  };
  return { last: film.last, cell: Math.max(shape[0], shape[1]), picture };
}

// Films of as many frames as one, their pictures beside each other; wide ones one below the other.
export function together(films) {
  const canvas = node("canvas");
  const picture = (k) => {
    const pictures = films.map((film) => film.picture(k));
    const [{ width, height }] = pictures;
    const [right, down] = width > height ? [0, height] : [width, 0];
    const others = pictures.length - 1;
    Object.assign(canvas, { width: width + others * right, height: height + others * down });
    const context = canvas.getContext("2d");
    pictures.forEach((each, i) => context.drawImage(each, i * right, i * down));
    return canvas;
  };
  return { ...films[0], picture };
}
