// Diffusion of points in the plane, x and y in turn: their x_t, how densely it lies, and the denoiser that is
// exact for a finite set. A denoiser here is a function (x_t, level) → x̂_0; level is what levelAt tells.

export const RANGE = 3.4; // what is shown of the plane, from −RANGE to RANGE in x and y
const FAR = 20; // points that weigh e^−FAR of the nearest one or less are left out
const TINY = 1e-200; // a sum of weights that may have lost some of them
const SHARP = 100; // an SNR from which on most places are far from all points

// x_t = √ᾱ_t x_0 + √(1 − ᾱ_t) ε.
export function noised(x_0, noise, { alpha, sigma }, out = new Float32Array(x_0.length)) {
  for (let i = 0; i < x_0.length; i++) out[i] = alpha * x_0[i] + sigma * noise[i];
  return out;
}

// The exact posterior mean E[x_0 | x_t] of points that are equally likely, as Python's ideal_denoiser: by
// Bayes' rule their mean, weighted with softmax(−‖x_t / √ᾱ_t − x_0‖² SNR / 2).
export function exactDenoiser(points) {
  const { x, y } = split(points);
  const squares = new Float64Array(x.length);
  return (x_t, { alpha, sigma }) => {
    const out = new Float32Array(x_t.length);
    const sharpness = (alpha / sigma) ** 2 / 2;
    for (let at = 0; at < x_t.length; at += 2) {
      const fromX = x_t[at] / alpha;
      const fromY = x_t[at + 1] / alpha;
      let nearest = Infinity;
      for (let i = 0; i < x.length; i++) {
        const dx = fromX - x[i];
        const dy = fromY - y[i];
        const square = dx * dx + dy * dy;
        squares[i] = square;
        if (square < nearest) nearest = square;
      }
      const within = nearest + FAR / sharpness;
      let sum = 0;
      let sumX = 0;
      let sumY = 0;
      for (let i = 0; i < x.length; i++) {
        if (squares[i] > within) continue;
        const weight = Math.exp(sharpness * (nearest - squares[i]));
        sum += weight;
        sumX += weight * x[i];
        sumY += weight * y[i];
      }
      out[at] = sumX / sum;
      out[at + 1] = sumY / sum;
    }
    return out;
  };
}

function split(points) {
  const take = (from) => Float64Array.from({ length: points.length / 2 }, (_, i) => points[2 * i + from]);
  return { x: take(0), y: take(1) };
}

// The same at all places of gridOf(side), where a weight is a product of two, one of x and one of y: it takes
// side times fewer exponentials. Where all weights are too small for that, at places far from all points and
// where there is little noise, the denoiser itself is asked.
export function exactField(points, side) {
  const { x, y } = split(points);
  const grid = gridOf(side);
  const line = Float64Array.from({ length: side }, (_, i) => grid[2 * i]);
  const number = x.length;
  const [byX, byY] = [0, 1].map(() => new Float64Array(side * number));
  const exact = exactDenoiser(points);
  const fill = (weights, values, { alpha, sigma }) => {
    const sharpness = (alpha / sigma) ** 2 / 2;
    for (let g = 0, at = 0; g < side; g++) {
      const from = line[g] / alpha;
      for (let i = 0; i < number; i++, at++) weights[at] = Math.exp(-sharpness * (from - values[i]) ** 2);
    }
  };
  return (level) => {
    if ((level.alpha / level.sigma) ** 2 > SHARP) return exact(grid, level);
    fill(byX, x, level);
    fill(byY, y, level);
    const out = new Float32Array(grid.length);
    for (let place = 0; place < side * side; place++) {
      const atX = (place % side) * number;
      const atY = Math.floor(place / side) * number;
      let sum = 0;
      let sumX = 0;
      let sumY = 0;
      for (let i = 0; i < number; i++) {
        const weight = byX[atX + i] * byY[atY + i];
        sum += weight;
        sumX += weight * x[i];
        sumY += weight * y[i];
      }
      const near = sum > TINY;
      const mean = near ? [sumX / sum, sumY / sum] : exact(grid.subarray(2 * place, 2 * place + 2), level);
      out.set(mean, 2 * place);
    }
    return out;
  };
}

// ---- one prediction in four forms ------------------------------------------------------------------------

// For each place: what an arrow from x_t shows of x̂_0; see Python's process.py.
export const FORMS = {
  score: (x_t, x_0, { alpha, sigma }) => -(x_t - alpha * x_0) / sigma ** 2,
  eps: (x_t, x_0, { alpha, sigma }) => (x_t - alpha * x_0) / sigma,
  x_0: (x_t, x_0) => x_0 - x_t,
  v: (x_t, x_0, { alpha, sigma }) => (alpha * (x_t - alpha * x_0)) / sigma - sigma * x_0,
};

export function inForm(name, x_t, x_0_hat, level) {
  return x_t.map((value, i) => FORMS[name](value, x_0_hat[i], level));
}

// A square grid of `side` × `side` places.
export function gridOf(side) {
  const at = (i) => RANGE * ((2 * (i + 0.5)) / side - 1);
  return Float32Array.from({ length: 2 * side * side }, (_, i) =>
    i % 2 ? at(Math.floor(i / 2 / side)) : at((i >> 1) % side),
  );
}

// ---- density ---------------------------------------------------------------------------------------------

const REACH = 3.5; // standard deviations to which a bell is drawn

// The bell curve of a standard deviation, at whole cells from its middle on; its whole sum is 1.
function bell(deviation) {
  const half = Math.max(1, Math.ceil(REACH * deviation));
  const values = Float32Array.from({ length: half + 1 }, (_, i) => Math.exp(-0.5 * (i / deviation) ** 2));
  const sum = 2 * values.reduce((a, b) => a + b) - values[0];
  return values.map((value) => value / sum);
}

// How densely x_t lies, by cell of a grid of side × side over the plane, rows upwards; its integral is 1 but
// for what lies outside. Each point becomes a bell of √(1 − ᾱ_t), which is the exact density of x_t; none is
// narrower than a cell.
export class Density {
  constructor(side) {
    this.side = side;
    this.cell = (2 * RANGE) / side;
    this.margin = Math.ceil(side / 4); // cells beyond the edge, from where bells reach in
    this.wide = side + 2 * this.margin;
    this.counts = new Float32Array(this.wide ** 2);
    this.rows = new Float32Array(this.wide * side);
    this.values = new Float32Array(side * side);
  }

  measure(points, { alpha, sigma }) {
    this.count(points, alpha);
    const kernel = bell(Math.max(sigma / this.cell, 1));
    const { side, wide, margin, counts, rows, values } = this;
    // Along x of every row, then along y.
    spread(counts, rows, kernel, { lines: wide, from: margin, to: margin + side, wide, step: 1, line: wide });
    spread(rows, values, kernel, { lines: side, from: margin, to: margin + side, wide, step: side, line: 1 });
    return values;
  }

  // Each point as a weight on the four cells around it.
  count(points, alpha) {
    const { counts, wide, margin, cell } = this;
    counts.fill(0);
    const weight = 2 / points.length / cell ** 2;
    const within = (place) => Math.min(Math.max(place, 0), wide - 1.001);
    const place = (value) => within((alpha * value + RANGE) / cell - 0.5 + margin);
    for (let i = 0; i < points.length; i += 2) {
      const [x, y] = [place(points[i]), place(points[i + 1])];
      const at = Math.floor(y) * wide + Math.floor(x);
      const [right, up] = [x - Math.floor(x), y - Math.floor(y)];
      counts[at] += weight * (1 - right) * (1 - up);
      counts[at + 1] += weight * right * (1 - up);
      counts[at + wide] += weight * (1 - right) * up;
      counts[at + wide + 1] += weight * right * up;
    }
  }

  // Of x, or of y: what is seen from the axis.
  marginal(axis) {
    const { side, cell, values } = this;
    const out = new Float32Array(side);
    const place = (i) => (axis === "x" ? i % side : Math.floor(i / side));
    for (let i = 0; i < values.length; i++) out[place(i)] += cell * values[i];
    return out;
  }
}

// A blur with half a kernel of `lines` lines in `source`, of which the places from..to go to `target`.
function spread(source, target, kernel, { lines, from, to, wide, step, line }) {
  const kept = to - from;
  for (let l = 0; l < lines; l++) {
    const start = l * line;
    for (let i = from; i < to; i++) {
      let sum = kernel[0] * source[start + i * step];
      const below = Math.min(kernel.length - 1, i);
      const above = Math.min(kernel.length - 1, wide - 1 - i);
      for (let k = 1; k <= below; k++) sum += kernel[k] * source[start + (i - k) * step];
      for (let k = 1; k <= above; k++) sum += kernel[k] * source[start + (i + k) * step];
      target[step === 1 ? l * kept + i - from : (i - from) * kept + l] = sum;
    }
  }
}

// ---- near and far ----------------------------------------------------------------------------------------

// How far each place is from the nearest of the points.
export function distancesTo(points, places) {
  return Float32Array.from({ length: places.length / 2 }, (_, i) => {
    let nearest = Infinity;
    for (let j = 0; j < points.length; j += 2) {
      const [dx, dy] = [places[2 * i] - points[j], places[2 * i + 1] - points[j + 1]];
      nearest = Math.min(nearest, dx * dx + dy * dy);
    }
    return Math.sqrt(nearest);
  });
}

export function median(values) {
  const sorted = Float64Array.from(values).sort();
  const half = sorted.length >> 1;
  return sorted.length % 2 ? sorted[half] : (sorted[half - 1] + sorted[half]) / 2;
}
