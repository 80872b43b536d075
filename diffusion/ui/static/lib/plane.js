// Diffusion of points in the plane, x and y in turn: their x_t, and how densely it lies. A denoiser here is a
// function (x_t, level) → x̂_0; level is what levelAt tells.

export const RANGE = 3.4; // what is shown of the plane, from −RANGE to RANGE in x and y

// x_t = √ᾱ_t x_0 + √(1 − ᾱ_t) ε.
export function noised(x_0, noise, { alpha, sigma }, out = new Float32Array(x_0.length)) {
  for (let i = 0; i < x_0.length; i++) out[i] = alpha * x_0[i] + sigma * noise[i];
  return out;
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

// The bell curve of a standard deviation, at whole cells; its sum is 1.
function bell(deviation) {
  const half = Math.ceil(REACH * deviation);
  const at = (i) => Math.exp(-0.5 * ((i - half) / deviation) ** 2);
  const values = Float64Array.from({ length: 2 * half + 1 }, (_, i) => at(i));
  const sum = values.reduce((a, b) => a + b);
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
    this.counts = new Float64Array(this.wide ** 2);
    this.rows = new Float64Array(this.wide * side);
    this.values = new Float64Array(side * side);
  }

  measure(points, { alpha, sigma }) {
    this.count(points, alpha);
    const kernel = bell(Math.max(sigma / this.cell, 1));
    this.blurRows(kernel);
    this.blurColumns(kernel);
    return this.values;
  }

  // Each point as a weight on the four cells around it, and which rows and columns have any: `used`.
  count(points, alpha) {
    const { counts, wide, margin, cell } = this;
    counts.fill(0);
    const weight = 2 / points.length / cell ** 2;
    const used = { left: wide, right: 0, bottom: wide, top: 0 };
    const held = (place) => Math.min(Math.max(place, 0), wide - 1.001);
    const place = (value) => held((alpha * value + RANGE) / cell - 0.5 + margin);
    for (let i = 0; i < points.length; i += 2) {
      const x = place(points[i]);
      const y = place(points[i + 1]);
      const [column, row] = [Math.floor(x), Math.floor(y)];
      const [right, up] = [x - column, y - row];
      const at = row * wide + column;
      counts[at] += weight * (1 - right) * (1 - up);
      counts[at + 1] += weight * right * (1 - up);
      counts[at + wide] += weight * (1 - right) * up;
      counts[at + wide + 1] += weight * right * up;
      used.left = Math.min(used.left, column);
      used.right = Math.max(used.right, column + 1);
      used.bottom = Math.min(used.bottom, row);
      used.top = Math.max(used.top, row + 1);
    }
    this.used = used;
  }

  // Along x, of each row that has points.
  blurRows(kernel) {
    const { counts, rows, side, margin, wide, used } = this;
    for (let row = used.bottom; row <= used.top; row++)
      for (let column = 0; column < side; column++) {
        const { from, to, shift } = within(kernel, column + margin, used.left, used.right);
        let sum = 0;
        for (let i = from; i <= to; i++) sum += kernel[i + shift] * counts[row * wide + i];
        rows[row * side + column] = sum;
      }
  }

  // Along y: each row is a sum of those around it.
  blurColumns(kernel) {
    const { rows, values, side, margin, used } = this;
    values.fill(0);
    for (let row = 0; row < side; row++) {
      const { from, to, shift } = within(kernel, row + margin, used.bottom, used.top);
      for (let i = from; i <= to; i++) {
        const weight = kernel[i + shift];
        const [at, other] = [row * side, i * side];
        for (let column = 0; column < side; column++) values[at + column] += weight * rows[other + column];
      }
    }
  }

  // Of x and of y: what is seen from the two axes.
  marginals() {
    const { side, cell, values } = this;
    const [x, y] = [0, 1].map(() => new Float32Array(side));
    for (let row = 0, i = 0; row < side; row++)
      for (let column = 0; column < side; column++, i++) {
        x[column] += cell * values[i];
        y[row] += cell * values[i];
      }
    return { x, y };
  }
}

// Which places from first to last a kernel around `middle` covers; of place i its value is that at i + shift.
function within(kernel, middle, first, last) {
  const half = (kernel.length - 1) / 2;
  return { from: Math.max(first, middle - half), to: Math.min(last, middle + half), shift: half - middle };
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
