// The walk of a sampler whose x̂_0 comes in the code of Python's films/coding.py: from a seed and the numbers
// of its steps the page makes x_t and ε̂ by itself. A walk is {seed, shape, sent, start}, of which shape is
// x_t's, sent the prediction that comes along under guidance, and start, if it begins with more than noise,
// the picture in it: {x_0, alphas_cumprod}. A state is {x_t, known}.
import { inflated } from "./inflate.js";
import { drawNoise, freshNoise } from "./noise.js";
import { channelsLast } from "./pictures.js";

const HEADER = 4; // bytes before what is deflated: a quantum
const MOST_BYTES = 3; // of a value

const sizeOf = (shape) => shape.reduce((a, b) => a * b);

// The state before the first step: x_T, and nothing known.
export function begin({ seed, shape, sent, start }) {
  const size = sizeOf(shape);
  const known = (sent ? ["x_0_hat", sent] : ["x_0_hat"]).map(() => new Float32Array(size));
  const noise = channelsLast(drawNoise(seed, size), shape);
  return { x_t: start ? ruinedBy(noise, start.x_0, start.alphas_cumprod) : noise, known };
}

// √ᾱ x_0 + √(1 − ᾱ) ε of one picture and several noises.
export function ruinedBy(noises, x_0, alphaBar) {
  const [alpha, sigma] = [Math.sqrt(alphaBar), Math.sqrt(1 - alphaBar)];
  return noises.map((eps, i) => alpha * x_0[i % x_0.length] + sigma * eps);
}

// The step of a row, whose code this is, from a state: {x_t, eps_hat, x_0_hat, before, difference, z, next}.
// `next` is the state after it, the others are arrays of numbers: `before` is the step before's x̂_0,
// `difference` what x̂_0 differs by from the prediction that is sent, z null if none is added.
export function step(state, row, code, walk) {
  const { x_t, known: [before] } = state;
  const known = decoded(state.known, code);
  const [x_0_hat, difference] = known;
  const z = row.noise_weight ? fresh(walk, row.t) : null;
  const numbers = { x_t, x_0_hat, before, difference, z };
  return { ...numbers, ...advance(numbers, row, known) };
}

// What is known after the next code.
function decoded(before, code) {
  const known = before.map((values) => Float32Array.from(values));
  const size = known[0].length;
  const number = size * known.length;
  const quantum = new DataView(code.buffer, code.byteOffset).getFloat32(0, true);
  const bytes = inflated(code.subarray(HEADER), MOST_BYTES * number);
  const third = bytes.length > 2 * number;
  known.forEach((values, which) => {
    for (let i = 0, from = which * size; i < size; i++, from++) {
      let coded = bytes[from] | (bytes[number + from] << 8);
      if (third) coded |= bytes[2 * number + from] << 16;
      values[i] += quantum * ((coded >> 1) ^ -(coded & 1));
    }
  });
  return known;
}

// D of an update, at one place: x̂_0, or x̂_0 continued from that of the step before.
export const aimOf = ({ extrapolation }, x_0_hat, before) => x_0_hat + extrapolation * (x_0_hat - before);

// The noise that there is in x_t if the picture is x_0.
export const noiseIn = ({ alphas_cumprod_t: alphaBar }, x_t, x_0) =>
  (x_t - Math.sqrt(alphaBar) * x_0) / Math.sqrt(1 - alphaBar);

// The update of Python's samplers.py.
export function advance({ x_t, x_0_hat, before, z }, row, known) {
  const { x_0_weight, eps_weight, noise_weight } = row;
  const eps_hat = new Float32Array(x_t.length);
  const x_s = new Float32Array(x_t.length);
  for (let i = 0; i < x_t.length; i++) {
    eps_hat[i] = noiseIn(row, x_t[i], x_0_hat[i]);
    const x_0 = aimOf(row, x_0_hat[i], before[i]);
    x_s[i] = x_0_weight * x_0 + eps_weight * noiseIn(row, x_t[i], x_0) + (z ? noise_weight * z[i] : 0);
  }
  return { eps_hat, next: { x_t: x_s, known } };
}

// The z that the step from t adds.
function fresh({ seed, shape }, t) {
  const out = new Float32Array(sizeOf(shape));
  const length = out.length / shape[0];
  for (let i = 0; i < shape[0]; i++) out.set(freshNoise(seed, i, length, t), i * length);
  return channelsLast(out, shape);
}
