// What the Plane tab shows, as numbers: points, noise, denoiser, walks; each made when it is asked for, and
// kept until something that it follows from changes.
import { drawNoise, freshNoise } from "../lib/noise.js";
import { RANGE, distancesTo, gridOf, median, noised } from "../lib/plane.js";
import { exactDenoiser, exactField } from "../lib/plane_field.js";
import { networkDenoiser } from "../lib/plane_net.js";
import { OWN_THICKNESS, SHAPES, draw } from "../lib/plane_shapes.js";
import { SAMPLERS, chainOf, freshPoints, timesteps, walk } from "../lib/plane_walk.js";

export const SIDE = 17; // arrows in a row
const COPY = 0.1; // of how near new points are to training points: what is nearer is a copy
const WALKERS = 24; // beside the one whose start is taken by a hand, which is number 0
const CHAINED = 250; // points that take single steps
const MEASURED = 400; // new points, to compare with
const CLOUD = 0xfffffffe; // the number of no walker, so that cloud and walks draw other noise

// What is to be made anew when one of these changes.
const FOLLOWS = {
  data: ["shape", "seed", "points", "strokes"],
  noise: ["seed"],
  starts: ["seed"],
  denoiser_: ["data", "denoiser", "weights"],
  walks: ["denoiser_", "schedule", "tables", "sampler", "steps", "seed"],
  own: ["denoiser_", "schedule", "tables", "steps", "seed", "start"],
  chain: ["data", "schedule", "tables", "seed"],
  memory_: ["walks", "own"],
  others: ["data"],
};

export class Scene {
  shape = "moons";
  direction = "reverse";
  schedule = "linear";
  denoiser = "exact";
  arrows = "score";
  sampler = "ddim";
  steps = 50;
  points = 2000;
  seed = 0;
  markov = false;
  strokes = []; // of one's own drawing
  start = null; // [x, y] of walker 0; null: as it was drawn
  weights = null; // of the trained network
  tables = null;
  #made = new Map();

  set(changes) {
    const gone = new Set(Object.keys(changes).filter((name) => changes[name] !== this[name]));
    Object.assign(this, changes);
    if (this.start) this.start = this.start.map(asInLinks);
    for (const [name, needs] of Object.entries(FOLLOWS))
      if (needs.some((each) => gone.has(each))) {
        gone.add(name);
        this.#made.delete(name);
      }
  }

  #once(name, make) {
    if (!this.#made.has(name)) this.#made.set(name, make());
    return this.#made.get(name);
  }

  get table() {
    return this.tables[this.schedule];
  }

  // What networks are trained for.
  get key() {
    const strokes = this.shape === "own" ? JSON.stringify(this.strokes) : "";
    return `${this.shape} ${this.seed} ${this.points} ${strokes}`;
  }

  // The training points, and as many new ones as there are at most.
  get data() {
    return this.#once("data", () => {
      const own = this.shape === "own";
      if (own && !this.strokes.length) return { points: new Float32Array(0), others: new Float32Array(0) };
      const mine = { strokes: this.strokes, thickness: OWN_THICKNESS };
      const made = draw(own ? mine : SHAPES[this.shape], this.seed);
      return { points: made.points.slice(0, 2 * this.points), others: made.others };
    });
  }

  // ---- forward ------------------------------------------------------------------------------------------

  cloud(level) {
    const { points } = this.data;
    const noise = this.#once("noise", () => freshNoise(this.seed, CLOUD, 4000, 0));
    return noised(points, noise, level);
  }

  // For each t the places of points that take single steps.
  get chain() {
    return this.#once("chain", () => chainOf(this.table, this.data.points.slice(0, 2 * CHAINED), this.seed));
  }

  // The variance of what has been added to √ᾱ x_0 so far.
  chainVariance({ t, alpha }) {
    const [first, now] = [this.chain[0], this.chain[t]];
    return now.reduce((sum, value, i) => sum + (value - alpha * first[i]) ** 2, 0) / now.length;
  }

  // ---- reverse ------------------------------------------------------------------------------------------

  // The denoiser and the same on a grid; null while there is none.
  get predictor() {
    return this.#once("denoiser_", () => {
      const { points } = this.data;
      if (!points.length) return null;
      if (this.denoiser === "exact") return { at: exactDenoiser(points), field: exactField(points, SIDE) };
      if (!this.weights) return null;
      const [at, grid] = [networkDenoiser(this.weights), gridOf(SIDE)];
      return { at, field: (level) => at(grid, level) };
    });
  }

  get startsDrawn() {
    return this.#once("starts", () => drawNoise(this.seed, 2 * (WALKERS + 1)));
  }

  get place() {
    return this.start ?? [...this.startsDrawn.subarray(0, 2)];
  }

  #walk(x_T, sampler, from) {
    const noise = (t) => freshPoints(this.seed, t, x_T.length / 2, from);
    const steps = timesteps(this.tables.T, this.steps);
    return walk(this.predictor.at, this.table, x_T, steps, { sampler, noise });
  }

  // The others' walk by the chosen sampler; null while there is no denoiser.
  get walks() {
    const walked = () => this.#walk(this.startsDrawn.subarray(2), this.sampler, 1);
    return this.#once("walks", () => this.predictor && walked());
  }

  // By sampler the walk from the start that is taken by a hand.
  get ownWalks() {
    return this.#once("own", () => {
      if (!this.predictor) return null;
      const x_T = Float32Array.from(this.place);
      return Object.fromEntries(SAMPLERS.map((sampler) => [sampler, this.#walk(x_T, sampler, 0)]));
    });
  }

  // How near the ends lie to training points, and how near new points do.
  get memory() {
    if (!this.tables || !this.predictor) return null;
    const { points, others } = this.data;
    const nearest = this.#once("others", () => median(distancesTo(points, others.subarray(0, MEASURED))));
    return this.#once("memory_", () => {
      const ends = [this.walks, this.ownWalks[this.sampler]].map((taken) => taken.at(-1).x_s);
      const distances = ends.flatMap((places) => [...distancesTo(points, places)]);
      const copies = distances.filter((distance) => distance < COPY * nearest).length;
      return { ends: median(distances), others: nearest, copies, all: distances.length };
    });
  }

  // All steps of all walkers, as rows.
  rows() {
    if (this.direction === "forward" || !this.predictor) {
      const { points } = this.data;
      const row = (_, i) => ({ x_0: points[2 * i], y_0: points[2 * i + 1] });
      return Array.from({ length: points.length / 2 }, row);
    }
    const both = [this.ownWalks[this.sampler], this.walks];
    return both.flatMap((taken, which) => taken.flatMap((step) => rowsOfStep(step, which)));
  }
}

// A coordinate within the picture, to the digits that a link has.
const asInLinks = (value) => Math.round(100 * Math.min(Math.max(value, -RANGE), RANGE)) / 100;

function rowsOfStep({ t, s, x_t, x_0_hat, x_s }, from) {
  return Array.from({ length: x_t.length / 2 }, (_, i) => {
    const [x, y] = [2 * i, 2 * i + 1];
    const [at, hat, next] = [x_t, x_0_hat, x_s].map((values) => [values[x], values[y]]);
    return {
      walker: from + i, t, s, x_t: at[0], y_t: at[1],
      x_0_hat: hat[0], y_0_hat: hat[1], x_s: next[0], y_s: next[1],
    };
  });
}
