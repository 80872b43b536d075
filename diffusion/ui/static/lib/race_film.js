// A race as it comes: a film whose frame is what one network call has brought to each lane, its codes one
// after the other. The page makes every lane's pictures of them, as of a film that comes as x̂_0.
import { Film } from "./film.js";
import { toBytes } from "./pictures.js";
import { begin, step } from "./walk.js";

export class RaceFilm extends Film {
  lanes = new Map(); // by name

  // Calls that are made, and all that it will have.
  get calls() {
    const gap = this.rows.findIndex((row) => row === undefined);
    return gap < 0 ? this.rows.length : gap;
  }

  // Lane `name` after so many calls: {x_t, x_0_hat} in bytes. Of x̂_0 there is none before the first one.
  after(calls, name) {
    if (!this.lanes.has(name)) this.lanes.set(name, new LaneFilm(this, name));
    return this.lanes.get(name).after(this.callsOf(name, calls));
  }

  // How many of so many calls were this lane's.
  callsOf(name, calls) {
    return Math.min(calls, this.info.lanes[name].num_steps);
  }

  // The numbers of a lane's step; undefined of one that it has not made.
  rowOf(name, k) {
    return this.rows[k]?.lanes[name];
  }

  // The bytes of a lane's step.
  codeOf(name, k) {
    let start = 0;
    for (const [each, { bytes }] of Object.entries(this.rows[k].lanes)) {
      if (each === name) return this.frames[k].subarray(start, start + bytes);
      start += bytes;
    }
    return undefined;
  }

  // The seconds of a lane's first calls, together.
  secondsOf(name, calls) {
    let sum = 0;
    for (let k = 0; k < this.callsOf(name, calls); k++) sum += this.rowOf(name, k).seconds;
    return sum;
  }
}

class LaneFilm {
  constructor(race, name) {
    Object.assign(this, { race, name });
    this.state = begin(race.info.walk);
    const nothing = new Uint8Array(this.state.x_t.length).fill(128);
    this.made = [{ x_t: toBytes(this.state.x_t), x_0_hat: nothing }];
  }

  after(calls) {
    while (this.made.length <= calls) this.make(this.made.length - 1);
    return this.made[calls];
  }

  make(k) {
    const { race, name } = this;
    const made = step(this.state, race.rowOf(name, k), race.codeOf(name, k), race.info.walk);
    this.state = made.next;
    this.made.push({ x_t: toBytes(made.next.x_t), x_0_hat: toBytes(made.x_0_hat) });
  }
}

// ---- axes that are logarithmic ---------------------------------------------------------------------------

// Where call c of N stands on the axis of calls, as a share of the way; and which call stands at a share.
export const shareOfCall = (c, N) => (N > 1 ? Math.log(Math.max(c, 1)) / Math.log(N) : 1);
export const callAtShare = (share, N) => Math.round(N ** Math.min(Math.max(share, 0), 1));

// Ticks of that axis: 1, 2, 5, 10, … below N, and N; none too near at the next one.
export function callTicks(N) {
  const all = [1, 2, 5, 10, 20, 50, 100, 200, 500, 1000].filter((c) => c < N && c * 1.4 <= N);
  return [...all, N].map((c) => [shareOfCall(c, N), String(c)]);
}

// The highest and lowest power of ten of an axis that has all these distances, at most three apart.
export function decadesOf(distances) {
  const logs = distances.filter((each) => each > 0).map(Math.log10);
  const high = Math.max(0, Math.ceil(Math.max(-1, ...logs)));
  return [Math.max(Math.floor(Math.min(high - 1, ...logs)), high - 3), high];
}
