// The denoiser that is exact for points of the plane that are equally likely, as Python's ideal_denoiser. By
// Bayes' rule E[x_0 | x_t] is their mean, weighted with softmax(−‖x_t / √ᾱ_t − x_0‖² SNR / 2).
import { gridOf } from "./plane.js";

const FAR = 20; // points that weigh e^−FAR of the nearest one or less are left out
const NODES = 40; // in x, and in y
const SMOOTH = 28; // an SNR, for points from −1 to 1, up to which so many nodes tell a weight to 1e-7
const LOST = 1e-6; // a mean weight: of less than that, what the nodes do not tell is too large a part

// From x_t's own place in the order of x we look both ways, until points are too far away in x alone.
export function exactDenoiser(points) {
  const { x, y } = inOrder(points);
  return (x_t, { alpha, sigma }) => {
    const out = new Float32Array(x_t.length);
    const sharpness = (alpha / sigma) ** 2 / 2;
    for (let at = 0; at < x_t.length; at += 2) {
      const [fromX, fromY] = [x_t[at] / alpha, x_t[at + 1] / alpha];
      const middle = placeOf(fromX, x);
      let nearest = Infinity;
      for (const step of [1, -1])
        for (let i = step > 0 ? middle : middle - 1; i >= 0 && i < x.length; i += step) {
          const square = (fromX - x[i]) ** 2;
          if (square >= nearest) break;
          nearest = Math.min(nearest, square + (fromY - y[i]) ** 2);
        }
      const within = nearest + FAR / sharpness;
      let [sum, sumX, sumY] = [0, 0, 0];
      for (const step of [1, -1])
        for (let i = step > 0 ? middle : middle - 1; i >= 0 && i < x.length; i += step) {
          const inX = (fromX - x[i]) ** 2;
          if (inX > within) break;
          const square = inX + (fromY - y[i]) ** 2;
          if (square > within) continue;
          const weight = Math.exp(sharpness * (nearest - square));
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

function inOrder(points) {
  const order = Array.from({ length: points.length / 2 }, (_, i) => i);
  order.sort((i, j) => points[2 * i] - points[2 * j]);
  const take = (from) => Float64Array.from(order, (i) => points[2 * i + from]);
  return { x: take(0), y: take(1) };
}

// The first number of a sorted list that is not below a value.
function placeOf(value, sorted) {
  let [low, high] = [0, sorted.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    if (sorted[middle] < value) low = middle + 1;
    else high = middle;
  }
  return low;
}

// ---- the same at all places of a grid --------------------------------------------------------------------

// At all places of gridOf(side). With much noise a point's weight, as a function of where the point is, is as
// good as a polynomial: a sum over all points is one over a few Chebyshev nodes, each of which stands for its
// share of the points, whatever t is. What is lost counts where all weights are small: there we ask `exact`.
export function exactField(points, side) {
  const exact = exactDenoiser(points);
  const grid = gridOf(side);
  const [x, y] = [0, 1].map((from) => nodesOver(points.filter((_, i) => i % 2 === from)));
  const half = Math.max(x.half, y.half);
  let shares = null;
  return (level) => {
    if ((half * level.alpha) ** 2 > SMOOTH * level.sigma ** 2) return exact(grid, level);
    shares ??= sharesOf(points, x, y);
    const [byX, byY] = [x, y].map((nodes) => weightsOf(nodes, side, level));
    const sums = sumsOf(byY.weights, shares, byX.weights);
    const sumsX = sumsOf(byY.weights, shares, byX.weighted);
    const sumsY = sumsOf(byY.weighted, shares, byX.weights);
    const out = new Float32Array(grid.length);
    for (let place = 0; place < sums.length; place++) {
      const [at, sum] = [2 * place, sums[place]];
      if (sum < LOST * (points.length / 2)) out.set(exact(grid.subarray(at, at + 2), level), at);
      else {
        out[at] = sumsX[place] / sum;
        out[at + 1] = sumsY[place] / sum;
      }
    }
    return out;
  };
}

// Chebyshev's nodes between the least and the largest of these values.
function nodesOver(values) {
  const [low, high] = [Math.min(...values), Math.max(...values)];
  const half = (high - low) / 2;
  const at = Float64Array.from({ length: NODES }, (_, k) => low + half * (1 + Math.cos(angle(k))));
  return { at, low, high, half };
}

const angle = (k) => (Math.PI * (k + 0.5)) / NODES;

// How much of a polynomial's value here is that at each node, by Lagrange's formula in its barycentric form.
function sharesAt(value, { at }, out) {
  let sum = 0;
  for (let k = 0; k < NODES; k++) {
    const away = value - at[k] || Number.EPSILON; // on a node itself
    out[k] = ((k % 2 ? -1 : 1) * Math.sin(angle(k))) / away;
    sum += out[k];
  }
  for (let k = 0; k < NODES; k++) out[k] /= sum;
}

// Of all points together, (NODES, NODES), a row for each node in y.
function sharesOf(points, x, y) {
  const out = new Float64Array(NODES ** 2);
  const [inX, inY] = [0, 1].map(() => new Float64Array(NODES));
  for (let i = 0; i < points.length; i += 2) {
    sharesAt(points[i], x, inX);
    sharesAt(points[i + 1], y, inY);
    for (let l = 0, at = 0; l < NODES; l++)
      for (let k = 0; k < NODES; k++, at++) out[at] += inY[l] * inX[k];
  }
  return out;
}

// At each of the grid's `side` lines the nodes' weights (side, NODES), and weights times nodes. At a place
// beyond all points they are relative to the edge's: a factor that all weights have makes no difference.
function weightsOf({ at, low, high }, side, { alpha, sigma }) {
  const sharpness = (alpha / sigma) ** 2 / 2;
  const [weights, weighted] = [0, 1].map(() => new Float64Array(side * NODES));
  const line = gridOf(side);
  for (let g = 0, place = 0; g < side; g++) {
    const from = line[2 * g] / alpha;
    const beyond = from - Math.min(Math.max(from, low), high);
    for (let k = 0; k < NODES; k++, place++) {
      weights[place] = Math.exp(sharpness * (beyond ** 2 - (from - at[k]) ** 2));
      weighted[place] = weights[place] * at[k];
    }
  }
  return { weights, weighted };
}

// rows (side, NODES) · shares (NODES, NODES) · columnsᵀ (NODES, side)
function sumsOf(rows, shares, columns) {
  const side = rows.length / NODES;
  const out = new Float64Array(side ** 2);
  const along = new Float64Array(NODES);
  for (let r = 0; r < side; r++) {
    along.fill(0);
    for (let l = 0, at = 0; l < NODES; l++) {
      const weight = rows[r * NODES + l];
      for (let k = 0; k < NODES; k++, at++) along[k] += weight * shares[at];
    }
    for (let c = 0, at = 0; c < side; c++) {
      let sum = 0;
      for (let k = 0; k < NODES; k++, at++) sum += along[k] * columns[at];
      out[r * side + c] = sum;
    }
  }
  return out;
}
