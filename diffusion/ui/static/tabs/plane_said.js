// What the Plane tab says of what it shows.
import { phrase } from "../lib/dom.js";
import { fixed } from "../lib/numbers.js";
import { STEPS } from "../lib/plane_training.js";
import { drowned, snr } from "../lib/schedules.js";

const CLEAR = 20; // an SNR from which on xₜ tells which of the points are near

// The sentence below the slider.
export function said({ scene, text, drawing, learner }, level) {
  if (drawing.isOpen) return phrase(text.plane_said_pad, { points: scene.points });
  if (!scene.data.points.length) return text.plane_said_empty;
  const values = {
    points: scene.data.points.length / 2, keep: fixed(level.alpha, 3), sigma: fixed(level.sigma, 3),
    gain: level.sigma ? fixed(1 / level.sigma, 1) : "–",
  };
  if (scene.direction === "forward") return phrase(forwardSaid(scene, text, level, values), values);
  if (scene.denoiser === "network" && !scene.weights) return text.plane_said_untrained;
  if (scene.steps === 1) return text.plane_said_one_step;
  if (level.t === 0) return endsSaid({ scene, text, learner });
  if (snr(level.alphaBar) < 0.05) return text.plane_said_all;
  return phrase(snr(level.alphaBar) < CLEAR ? text.plane_said_part : text.plane_said_near, values);
}

function forwardSaid(scene, text, level, values) {
  if (level.t === 0) return text.plane_said_data;
  if (scene.markov) {
    const measured = fixed(scene.chainVariance(level), 3);
    const variance = fixed(1 - level.alphaBar, 3);
    Object.assign(values, { measured, variance, count: scene.chain[0].length / 2 });
    return text.plane_said_chain;
  }
  return drowned(level.alphaBar) ? text.plane_said_noise : text.plane_said_cloud;
}

function endsSaid({ scene, text, learner }) {
  const step = scene.denoiser === "network" ? learner.get(scene.key).step : STEPS;
  if (step < STEPS) return phrase(text.plane_said_learning, { step, steps: STEPS });
  const key = scene.denoiser === "exact" ? "plane_said_ends" : "plane_said_ends_network";
  return phrase(text[key], scene.memory);
}

// Where the start that is taken by a hand leads.
export function startSaid({ scene, text }) {
  const { ownWalks } = scene.tables && scene.data.points.length ? scene : { ownWalks: null };
  if (!ownWalks) return "";
  const place = ([x, y]) => `(${fixed(x, 2)}, ${fixed(y, 2)})`;
  const end = (sampler) => place(ownWalks[sampler].at(-1).x_s);
  const ends = { ddpm: end("ddpm"), ddim: end("ddim"), dpm: end("dpm++2m") };
  return phrase(text.plane_start, { start: place(scene.place), ...ends });
}
