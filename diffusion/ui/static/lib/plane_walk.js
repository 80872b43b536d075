// Samplers of Python's samplers.py, over points in the plane; the update itself is walk.js's.
import { freshNoise } from "./noise.js";
import { halfLogSnr, levelAt } from "./schedules.js";
import { advance } from "./walk.js";

export const SAMPLERS = ["ddpm", "ddim", "dpm++2m"];

// To a whole number, halves to the even one, as Python rounds.
export function rounded(value) {
  const floor = Math.floor(value);
  if (value - floor !== 0.5) return Math.round(value);
  return floor % 2 ? floor + 1 : floor;
}

// Evenly spaced t from `last` to 0, in so many steps.
export function timesteps(last, numSteps) {
  return Array.from({ length: numSteps + 1 }, (_, i) => rounded(last * (1 - i / numSteps)));
}

// The numbers of the step t → s, as walk.js takes them; `before` is the t of the step before it, undefined if
// it is not to be extrapolated from.
export function updateOf(table, t, s, eta, before) {
  const [now, next] = [table[t], table[s]];
  const noise_weight = eta * Math.sqrt(((1 - next) / (1 - now)) * (1 - now / next));
  let extrapolation = 0;
  if (before !== undefined && s > 0) {
    const [first, second, third] = [before, t, s].map((each) => halfLogSnr(table[each]));
    extrapolation = (third - second) / (2 * (second - first));
  }
  return {
    t, s, alphas_cumprod_t: now, alphas_cumprod_s: next, noise_weight, extrapolation,
    x_0_weight: Math.sqrt(next), eps_weight: Math.sqrt(Math.max(1 - next - noise_weight ** 2, 0)),
  };
}

// z for points whose numbers, counted from 0, are `from` and those after it.
export function freshPoints(seed, t, number, from = 0) {
  const out = new Float32Array(2 * number);
  for (let i = 0; i < number; i++) out.set(freshNoise(seed, from + i, 2, t), 2 * i);
  return out;
}

// A walk from x_T: of each step {t, s, x_t, x_0_hat, eps_hat, x_s}.
//   noise: t → z, for a sampler that adds some. eta: of ddim.
export function walk(denoise, table, x_T, steps, { sampler, eta = 0, noise }) {
  const share = { ddpm: 1, ddim: eta, "dpm++2m": 0 }[sampler];
  const taken = [];
  let [x_t, before] = [x_T, undefined];
  for (let i = 0; i + 1 < steps.length; i++) {
    const [t, s] = [steps[i], steps[i + 1]];
    const row = updateOf(table, t, s, share, sampler === "dpm++2m" ? before?.t : undefined);
    const x_0_hat = denoise(x_t, levelAt(table, t));
    const z = row.noise_weight ? noise(t) : null;
    const made = advance({ x_t, x_0_hat, before: before?.x_0_hat ?? x_0_hat, z }, row, null);
    before = { t, s, x_t, x_0_hat, eps_hat: made.eps_hat, x_s: made.next.x_t };
    taken.push(before);
    x_t = before.x_s;
  }
  return taken;
}

// Where a walk stands at t: x of the last step that has been reached.
export function placeAt(taken, t) {
  const next = taken.findLast(({ s }) => s >= t);
  return next ? next.x_s : taken[0].x_t;
}

// A chain of single steps x_{t−1} → x_t from the data on, for every t: each place follows from the one before
// it alone, and from fresh noise.
export function chainOf(table, x_0, seed) {
  const places = [x_0];
  for (let t = 1; t < table.length; t++) {
    const { beta } = levelAt(table, t);
    const [keep, add] = [Math.sqrt(1 - beta), Math.sqrt(beta)];
    const z = freshNoise(seed, CHAIN, x_0.length, t);
    places.push(places[t - 1].map((value, i) => keep * value + add * z[i]));
  }
  return places;
}

const CHAIN = 0xffffffff; // the number of no walker, so that chain and walks draw other noise
