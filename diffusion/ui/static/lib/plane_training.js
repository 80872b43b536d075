// Training of the small network: Adam, a learning rate that falls to 0, an average of the weights. Which
// points, which t and which noise a step gets follows from the seed and its number alone.
import { drawNoise, freshNoise, philox } from "./noise.js";
import { PARAMETERS, initial, lossOf } from "./plane_net.js";
import { levelAt } from "./schedules.js";

export const BATCH = 256;
export const STEPS = 2000;
const RATE = 4e-3;
const WARM_UP = 50; // steps in which the rate rises
const [BETA_1, BETA_2, SMALL] = [0.9, 0.99, 1e-8];
const KEPT = 0.995; // of the average, at each step
const BATCHES = 2; // the last word of Philox's counter

export class Training {
  step = 0;

  // points: x and y in turn. table: ᾱ_0 … ᾱ_T.
  constructor(points, table, seed) {
    Object.assign(this, { points, table, seed });
    this.weights = initial(drawNoise(seed, PARAMETERS));
    this.average = Float32Array.from(this.weights);
    this.first = new Float32Array(PARAMETERS); // Adam's averages of the gradient,
    this.second = new Float32Array(PARAMETERS); // and of its square
  }

  get done() {
    return this.step >= STEPS;
  }

  // The next batch: random points; of each of BATCH equal parts of 1..T a random t, as in Python's losses.py.
  batch() {
    const { points, table, seed, step } = this;
    const last = table.length - 1;
    const x_0 = new Float32Array(2 * BATCH);
    const levels = [];
    for (let b = 0; b < BATCH; b++) {
      const [point, part] = philox([b, step, 0, BATCHES], [seed >>> 0, Math.floor(seed / 2 ** 32)]);
      const which = Math.floor((point / 2 ** 32) * (points.length / 2));
      x_0.set(points.subarray(2 * which, 2 * which + 2), 2 * b);
      levels.push(levelAt(table, 1 + Math.floor((last * (b + part / 2 ** 32)) / BATCH)));
    }
    return { x_0, levels, noise: freshNoise(seed, step, 2 * BATCH, 0) };
  }

  // One step; returns its loss.
  advance() {
    const { loss, gradient } = lossOf(this.weights, this.batch());
    this.step++;
    const rate = rateAt(this.step);
    const [one, two] = [1 - BETA_1 ** this.step, 1 - BETA_2 ** this.step];
    const kept = Math.min(KEPT, this.step / (this.step + 10));
    const { weights, average, first, second } = this;
    for (let i = 0; i < PARAMETERS; i++) {
      first[i] = BETA_1 * first[i] + (1 - BETA_1) * gradient[i];
      second[i] = BETA_2 * second[i] + (1 - BETA_2) * gradient[i] ** 2;
      weights[i] -= (rate * first[i]) / one / (Math.sqrt(second[i] / two) + SMALL);
      average[i] += (1 - kept) * (weights[i] - average[i]);
    }
    return loss;
  }
}

// It rises, and falls to 0 like half a cosine.
const rateAt = (step) =>
  RATE * Math.min(step / WARM_UP, 1) * 0.5 * (1 + Math.cos((Math.PI * Math.min(step, STEPS)) / STEPS));
