// A film of a sampler that comes as x̂_0 alone, in the code of Python's films/coding.py: from its seed and the
// numbers of its rows the page makes x_t and ε̂ by itself. A frame is made when it is wanted first, and kept.
import { Film } from "./film.js";
import { inflated } from "./inflate.js";
import { drawNoise, freshNoise } from "./noise.js";
import { channelsLast, toBytes } from "./pictures.js";

const KINDS = ["x_t", "eps_hat", "x_0_hat", "v_hat"];
const PREDICTIONS = ["with", "without"];
const EPS_RANGE = 3; // ε is shown with [−3, 3] as black to white
const HEADER = 4; // bytes before what is deflated: a quantum
const MOST_BYTES = 3; // of a value

export class WalkedFilm extends Film {
  made = []; // of each frame its planes' bytes, by name
  known = []; // x̂_0 of the last frame made; under guidance also its difference to the prediction that is sent
  x_t = null; // at the next frame

  constructor(message) {
    super(message);
    const { shape, sent } = this.info.walk;
    const names = sent ? [...KINDS, ...PREDICTIONS] : KINDS;
    this.planes = Object.fromEntries(names.map((name) => [name, { shape }]));
    this.size = shape.reduce((a, b) => a * b);
  }

  get record() {
    const { made, known, x_t } = this;
    return { ...super.record, made, known, x_t };
  }

  // The last frame that can be made: each needs all before it.
  get last() {
    const gap = this.frames.findIndex((frame) => frame === undefined);
    return (gap < 0 ? this.frames.length : gap) - 1;
  }

  has(k) {
    return k <= this.last;
  }

  plane(k, name) {
    while (this.made.length <= k) this.make(this.made.length);
    return this.made[k][name];
  }

  make(k) {
    if (!this.x_t) this.begin();
    const row = this.rows[k];
    if (!row) {
      const result = toBytes(this.x_t);
      this.made[k] = { x_t: result, x_0_hat: result };
      return;
    }
    const x_t = toBytes(this.x_t);
    const before = Float32Array.from(this.known[0]);
    const predictions = this.decode(this.frames[k]);
    const z = row.noise_weight ? this.fresh(row.t) : null;
    const eps_hat = this.advance(row, before, z);
    const v_hat = this.velocity(row, eps_hat);
    const noises = { eps_hat: toBytes(eps_hat, EPS_RANGE), v_hat: toBytes(v_hat, EPS_RANGE) };
    this.made[k] = { x_t, ...noises, ...predictions };
  }

  begin() {
    const { seed, shape, sent } = this.info.walk;
    this.x_t = channelsLast(drawNoise(seed, this.size), shape);
    this.known = (sent ? ["x_0_hat", sent] : ["x_0_hat"]).map(() => new Float32Array(this.size));
  }

  // The next code: x̂_0, and under guidance its two predictions, as bytes.
  decode(code) {
    const { known, size } = this;
    const quantum = new DataView(code.buffer, code.byteOffset).getFloat32(0, true);
    const number = size * known.length;
    const bytes = inflated(code.subarray(HEADER), MOST_BYTES * number);
    const third = bytes.length > 2 * number;
    known.forEach((values, which) => {
      for (let i = 0, from = which * size; i < size; i++, from++) {
        let coded = bytes[from] | (bytes[number + from] << 8);
        if (third) coded |= bytes[2 * number + from] << 16;
        values[i] += quantum * ((coded >> 1) ^ -(coded & 1));
      }
    });
    return { x_0_hat: toBytes(known[0]), ...this.combined() };
  }

  // x̂_0 = w · with + (1 − w) · without: of x̂_0 and its difference to the one that was sent, both.
  combined() {
    const { sent } = this.info.walk;
    if (!sent) return {};
    const scale = this.info.guidance_scale;
    const [x_0_hat, difference] = this.known;
    const other = PREDICTIONS.find((name) => name !== sent);
    const share = sent === "with" ? scale : 1 - scale;
    const gain = share / (1 - share);
    return {
      [sent]: toBytes(x_0_hat.map((x, i) => x - difference[i])),
      [other]: toBytes(x_0_hat.map((x, i) => x + gain * difference[i])),
    };
  }

  // The update of Python's samplers.py: x_s takes the place of x_t. Returns ε̂.
  advance(row, before, z) {
    const { x_t, known: [x_0_hat] } = this;
    const [alpha, sigma] = [Math.sqrt(row.alphas_cumprod_t), Math.sqrt(1 - row.alphas_cumprod_t)];
    const { x_0_weight, eps_weight, noise_weight, extrapolation } = row;
    const eps_hat = new Float32Array(x_t.length);
    for (let i = 0; i < x_t.length; i++) {
      eps_hat[i] = (x_t[i] - alpha * x_0_hat[i]) / sigma;
      const x_0 = x_0_hat[i] + extrapolation * (x_0_hat[i] - before[i]);
      const eps = (x_t[i] - alpha * x_0) / sigma;
      x_t[i] = x_0_weight * x_0 + eps_weight * eps + (z ? noise_weight * z[i] : 0);
    }
    return eps_hat;
  }

  // v̂ = √ᾱ_t ε̂ − √(1 − ᾱ_t) x̂_0, which these networks output.
  velocity({ alphas_cumprod_t }, eps_hat) {
    const [alpha, sigma] = [Math.sqrt(alphas_cumprod_t), Math.sqrt(1 - alphas_cumprod_t)];
    return eps_hat.map((eps, i) => alpha * eps - sigma * this.known[0][i]);
  }

  // The z that the step from t adds.
  fresh(t) {
    const { seed, shape } = this.info.walk;
    const out = new Float32Array(this.size);
    const length = this.size / shape[0];
    for (let i = 0; i < shape[0]; i++) out.set(freshNoise(seed, i, length, t), i * length);
    return channelsLast(out, shape);
  }
}
