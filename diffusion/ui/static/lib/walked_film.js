// A film of a sampler that comes as x̂_0 alone, of which the page makes the rest. A frame is made when it is
// wanted first, and kept as bytes; its numbers are made again when they are wanted.
import { Film } from "./film.js";
import { toBytes } from "./pictures.js";
import { begin, step } from "./walk.js";

const KINDS = ["x_t", "eps_hat", "x_0_hat", "v_hat"];
const PREDICTIONS = ["with", "without"];
const EPS_RANGE = 3; // ε is shown with [−3, 3] as black to white
const RESTS = 32; // frames from one state that is kept to the next one

export class WalkedFilm extends Film {
  made = []; // of each frame its planes' bytes, by name
  state = null; // of the walk, before the next frame
  rests = []; // states before some frames, by their number
  read = null; // the numbers of the frame that was read last, with its number k

  constructor(message) {
    super(message);
    const { shape, sent } = this.info.walk;
    const names = sent ? [...KINDS, ...PREDICTIONS] : KINDS;
    this.planes = Object.fromEntries(names.map((name) => [name, { shape }]));
  }

  get record() {
    const { made, state } = this;
    return { ...super.record, made, state };
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
    const numbers = this.stepFrom(this.state ?? begin(this.info.walk), k);
    const { next, x_t, eps_hat, x_0_hat, difference } = numbers;
    this.state = next;
    const bytes = toBytes(x_t);
    this.made[k] = { x_t: bytes, x_0_hat: bytes };
    if (!next) return;
    const v_hat = velocity(this.rows[k], numbers);
    const noises = { eps_hat: toBytes(eps_hat, EPS_RANGE), v_hat: toBytes(v_hat, EPS_RANGE) };
    Object.assign(this.made[k], noises, { x_0_hat: toBytes(x_0_hat) });
    if (difference) Object.assign(this.made[k], this.combined(x_0_hat, difference));
  }

  // The numbers of frame k, as the walk's step has them; of the result x_t alone.
  numbers(k) {
    if (this.read?.k === k) return this.read;
    let at = k;
    while (at > 0 && !this.rests[at] && this.read?.k !== at - 1) at--;
    const after = at > 0 && this.read?.k === at - 1 ? this.read.next : undefined;
    let state = after ?? this.rests[at] ?? begin(this.info.walk);
    for (; at < k; at++) state = this.stepFrom(state, at).next;
    this.read = { k, ...this.stepFrom(state, k) };
    return this.read;
  }

  // The numbers of frame k from the state before it; the result has no step.
  stepFrom(state, k) {
    if (k % RESTS === 0) this.rests[k] = state;
    const row = this.rows[k];
    return row ? step(state, row, this.frames[k], this.info.walk) : { x_t: state.x_t };
  }

  // x̂_0 = w · with + (1 − w) · without: of x̂_0 and its difference to the one that was sent, both.
  combined(x_0_hat, difference) {
    const { sent } = this.info.walk;
    const scale = this.info.guidance_scale;
    const other = PREDICTIONS.find((name) => name !== sent);
    const share = sent === "with" ? scale : 1 - scale;
    const gain = share / (1 - share);
    return {
      [sent]: toBytes(x_0_hat.map((x, i) => x - difference[i])),
      [other]: toBytes(x_0_hat.map((x, i) => x + gain * difference[i])),
    };
  }
}

// v̂ = √ᾱ_t ε̂ − √(1 − ᾱ_t) x̂_0, which these networks output.
function velocity({ alphas_cumprod_t }, { eps_hat, x_0_hat }) {
  const [alpha, sigma] = [Math.sqrt(alphas_cumprod_t), Math.sqrt(1 - alphas_cumprod_t)];
  return eps_hat.map((eps, i) => alpha * eps - sigma * x_0_hat[i]);
}
