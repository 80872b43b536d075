// What the tabs share: the picture, its noise, t, and the film that came with the checkpoint.
import { link } from "./link.js";
import { drawNoise } from "./noise.js";
import { SIZE, signedPixels } from "./pictures.js";
import { note, remember } from "./session.js";

const PATIENCE = 5000; // milliseconds
const THOUSAND = 1000; // a link tells t as it is when T is that

export const state = {
  picture: null, // its address
  presets: null, // [{name, picture, credit}]
  own: [], // pictures of one's own, see own_pictures.js
  x0: null, // Float32Array (SIZE · SIZE · 3) in [−1, 1]
  noise: null, // Float32Array, the jump's ε
  stepNoise: null, // Float32Array, the single step's ε in the Markov view
  seed: 0,
  progress: 0.4, // t / T, so that tabs with another T stay together
  tables: null, // {T, linear: ᾱ_0..ᾱ_T, cosine: …} at T = 1000
  film: null, // the one that came with the checkpoint, a Film
};

link("t", {
  read: () => String(Math.round(THOUSAND * state.progress)),
  write: (typed) => {
    const wanted = Number(typed) / THOUSAND;
    if (wanted >= 0) state.progress = Math.min(wanted, 1);
    return wanted >= 0 && wanted <= 1;
  },
  first: String(THOUSAND * state.progress),
});

remember("progress", { save: () => state.progress, restore: (progress) => (state.progress = progress) });

const listeners = new Set();

// Call `listener` with the changes of every update.
export function subscribe(listener) {
  listeners.add(listener);
}

export function update(changes) {
  Object.assign(state, changes);
  for (const listener of listeners) listener(changes);
}

// Resolves when a picture is there; in the end also if there is none.
export function firstPicture() {
  return new Promise((resolve) => {
    if (state.x0) resolve();
    subscribe(({ x0 }) => x0 && resolve());
    setTimeout(resolve, PATIENCE);
  });
}

// Scripts that the first picture does not need, as page_head.py has them.
firstPicture().then(() => {
  for (const link of document.querySelectorAll("link[rel=later]")) link.rel = "modulepreload";
});

let pictureRequest = 0;
export async function setPicture(address) {
  const request = ++pictureRequest;
  const image = new Image();
  image.src = address;
  await image.decode();
  if (request !== pictureRequest) return; // a newer picture was chosen meanwhile
  update({ x0: signedPixels(pixelsOf(image, SIZE, SIZE)), picture: address });
  note("picture", address);
}

// The RGBA bytes of an image, drawn at this size.
export function pixelsOf(image, width, height) {
  const context = new OffscreenCanvas(width, height).getContext("2d", { willReadFrequently: true });
  context.imageSmoothingQuality = "high";
  context.drawImage(image, 0, 0, width, height);
  return context.getImageData(0, 0, width, height).data;
}

// Another seed, and with it the noise that Python's noised_picture.py has for it.
export function setSeed(seed) {
  const size = SIZE * SIZE * 3;
  const both = drawNoise(seed, 2 * size);
  update({ seed, noise: both.subarray(0, size), stepNoise: both.subarray(size) });
}
