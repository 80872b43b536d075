// What the views of the tab Your picture share: the model, the picture that is ruined, and the noises that
// ruin it. What changes is told to who listens.
import { bytesFrom } from "./decode.js";
import { node } from "./dom.js";
import { drawNoise } from "./noise.js";
import { Grid, channelsLast, withChannels } from "./pictures.js";
import { pixelsOf } from "./state.js";

const MOST_KEPT = 30; // pictures, for films that are still to come
export const NUM_NOISES = 4; // as parts/rebuilding.py has it

export const subject = {
  about: null, // of the model, as tabs/rebuild.py tells it
  tile: null, // the picture's, see picture_row.js
  bytes: null, // Uint8ClampedArray (height · width · channels)
  x0: null, // the same in [−1, 1]
  number: 0, // of the picture
  seed: 0,
  noises: null, // Float32Array (NUM_NOISES · height · width · channels)
  start: 1, // t up to which it is ruined
  other: {}, // a second picture, {tile, bytes, x0, number}
};

const { promise: firstSent, resolve: sent } = Promise.withResolvers();
export { firstSent, sent }; // a promise that a picture stands where events of Gradio's find it; that it does

const listeners = new Set();
const kept = new Map(); // x0 by number

export function listen(listener) {
  listeners.add(listener);
}

function tell(changes) {
  Object.assign(subject, changes);
  for (const listener of listeners) listener(changes);
}

export function setModel(about) {
  tell({ about, tile: null, bytes: null, x0: null, other: {}, noises: noisesFor(about, subject.seed) });
}

export function setPicture(tile, bytes) {
  tell(numbered(tile, bytes));
}

export function setOther(tile, bytes) {
  tell({ other: numbered(tile, bytes) });
}

let count = 0;
function numbered(tile, bytes) {
  const [number, x0] = [++count, signed(bytes)];
  kept.set(number, x0);
  if (kept.size > MOST_KEPT) kept.delete(kept.keys().next().value);
  return { tile, bytes, x0, number };
}

// The bytes of a tile's picture as the network sees it: {bytes} or {address}.
export async function bytesOf({ bytes, address }) {
  if (bytes) return bytes;
  const image = Object.assign(new Image(), { src: address });
  await image.decode();
  const [height, width, channels] = subject.about.image_shape;
  return withChannels(pixelsOf(image, width, height), channels);
}

// What a tile shows: the same.
export function faceOf(tile) {
  const canvas = node("canvas", "");
  const grid = new Grid(canvas);
  grid.resize(1, subject.about.image_shape);
  bytesOf(tile).then((bytes) => grid.show(bytes));
  return canvas;
}

// The model's own pictures, as tiles.
export function tilesOf({ examples, count: own, credit }) {
  return examples.map(({ name, pixels, note }, i) => ({
    key: String(i), name, bytes: bytesFrom(pixels), note, credit: i < own ? credit : "",
  }));
}

// From a Gradio control, which may hold what is no seed: then the noises stay.
export function setSeed(seed) {
  if (!Number.isInteger(seed) || seed < 0 || seed >= 2 ** 32) return;
  tell({ seed, noises: subject.about && noisesFor(subject.about, seed) });
}

export const setStart = (start) => tell({ start });

// x_0 of a picture that was sent; undefined if that is long ago.
export const pictureOf = (number) => kept.get(number);

const signed = (bytes) => Float32Array.from(bytes, (value) => value / 127.5 - 1);

function noisesFor({ image_shape: size }, seed) {
  const shape = [NUM_NOISES, ...size];
  return channelsLast(drawNoise(seed, shape.reduce((a, b) => a * b)), shape);
}
