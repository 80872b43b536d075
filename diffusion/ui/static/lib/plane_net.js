// A small network that learns to denoise points in the plane: fully connected, told x_t and the noise level,
// it outputs v. Its loss is that of Python's losses.py, ‖ε − ε̂‖², which for a v output is ᾱ_t ‖v − v̂‖².

export const HIDDEN = [64, 64, 64];
const FREQUENCIES = [0.25, 0.5, 1, 2]; // of λ = log(√ᾱ / √(1 − ᾱ))
const INPUTS = 4 + 2 * FREQUENCIES.length;
export const SIZES = [INPUTS, ...HIDDEN, 2];

// Of each layer the weights (inputs, outputs), then the biases.
const shapesOf = (sizes) => sizes.slice(1).flatMap((outputs, i) => [sizes[i] * outputs, outputs]);

// All parameters in one array, and views of it: [weights, biases] of each layer.
export function layersOf(parameters) {
  let at = 0;
  const views = shapesOf(SIZES).map((size) => parameters.subarray(at, (at += size)));
  return SIZES.slice(1).map((_, i) => [views[2 * i], views[2 * i + 1]]);
}

export const PARAMETERS = shapesOf(SIZES).reduce((a, b) => a + b);

// From standard normal numbers, as many as there are parameters: variance 1 / inputs; biases are 0.
export function initial(normal) {
  const parameters = Float32Array.from(normal);
  layersOf(parameters).forEach(([weights, biases], i) => {
    for (let j = 0; j < weights.length; j++) weights[j] /= Math.sqrt(SIZES[i]);
    biases.fill(0);
  });
  return parameters;
}

// What the network is told of a batch (B, INPUTS): x_t, √ᾱ, √(1 − ᾱ), waves of λ. Levels: one each, or one.
function told(x_t, levels) {
  const number = x_t.length / 2;
  const out = new Float32Array(number * INPUTS);
  for (let b = 0, at = 0; b < number; b++) {
    const { alpha, sigma } = levels.length ? levels[b] : levels;
    const lambda = Math.log(alpha / sigma);
    out[at++] = x_t[2 * b];
    out[at++] = x_t[2 * b + 1];
    out[at++] = alpha;
    out[at++] = sigma;
    for (const frequency of FREQUENCIES) {
      out[at++] = Math.sin(frequency * lambda);
      out[at++] = Math.cos(frequency * lambda);
    }
  }
  return out;
}

// Adds a (R, K) · b (K, C) to out (R, C). Value (r, k) of a is at r · row + k · step; four k at a time, since
// that spares three of four looks at `out`.
function addProduct(out, a, b, { row, step, K }) {
  const C = (b.length / K) | 0;
  const R = (out.length / C) | 0;
  for (let r = 0; r < R; r++) {
    const to = r * C;
    let k = 0;
    for (; k + 3 < K; k += 4) {
      const at = r * row + k * step;
      const a0 = a[at];
      const a1 = a[at + step];
      const a2 = a[at + 2 * step];
      const a3 = a[at + 3 * step];
      const b0 = k * C;
      const b1 = b0 + C;
      const b2 = b1 + C;
      const b3 = b2 + C;
      for (let c = 0; c < C; c++)
        out[to + c] += a0 * b[b0 + c] + a1 * b[b1 + c] + a2 * b[b2 + c] + a3 * b[b3 + c];
    }
    for (; k < K; k++) {
      const value = a[r * row + k * step];
      for (let c = 0; c < C; c++) out[to + c] += value * b[k * C + c];
    }
  }
}

function transposed(matrix, columns) {
  const rows = matrix.length / columns;
  const out = new Float32Array(matrix.length);
  for (let r = 0, from = 0; r < rows; r++)
    for (let c = 0; c < columns; c++, from++) out[c * rows + r] = matrix[from];
  return out;
}

// inputs (B, I) · weights (I, O) + biases.
function affine(inputs, weights, biases) {
  const O = biases.length;
  const I = weights.length / O;
  const out = new Float32Array((inputs.length / I) * O);
  for (let at = 0; at < out.length; at += O) out.set(biases, at);
  addProduct(out, inputs, weights, { row: I, step: 1, K: I });
  return out;
}

// SiLU, x · sigmoid(x), and its derivative.
function activated(sums) {
  const values = new Float32Array(sums.length);
  const slopes = new Float32Array(sums.length);
  for (let i = 0; i < sums.length; i++) {
    const share = 1 / (1 + Math.exp(-sums[i]));
    values[i] = sums[i] * share;
    slopes[i] = share * (1 + sums[i] * (1 - share));
  }
  return { values, slopes };
}

// v̂ of a batch, with what the way back needs: of each layer its inputs, and the slopes of what made them.
function forward(layers, batch) {
  const seen = [];
  let inputs = batch;
  let slopes = null;
  layers.forEach(([weights, biases], l) => {
    seen.push({ inputs, slopes });
    const sums = affine(inputs, weights, biases);
    if (l === layers.length - 1) inputs = sums;
    else ({ values: inputs, slopes } = activated(sums));
  });
  return { v_hat: inputs, seen };
}

// The way back: from the loss's derivative by the outputs to that by the parameters, added to `gradients`.
function backward(layers, seen, gradients, derivative) {
  let back = derivative; // by the sums of a layer, (B, O)
  for (let l = layers.length - 1; l >= 0; l--) {
    const [weights] = layers[l];
    const [byWeights, byBiases] = gradients[l];
    const { inputs, slopes } = seen[l];
    const O = byBiases.length;
    const I = weights.length / O;
    for (let i = 0; i < back.length; i++) byBiases[i % O] += back[i];
    addProduct(byWeights, inputs, back, { row: 1, step: I, K: back.length / O });
    if (!slopes) return;
    const byInputs = new Float32Array(inputs.length);
    addProduct(byInputs, back, transposed(weights, O), { row: O, step: 1, K: O });
    for (let i = 0; i < byInputs.length; i++) byInputs[i] *= slopes[i];
    back = byInputs;
  }
}

// The mean of ‖ε − ε̂‖² / 2 over a batch, and its derivatives by the parameters.
export function lossOf(parameters, { x_0, noise, levels }) {
  const x_t = x_0.map((value, i) => levels[i >> 1].alpha * value + levels[i >> 1].sigma * noise[i]);
  const layers = layersOf(parameters);
  const { v_hat, seen } = forward(layers, told(x_t, levels));
  const derivative = new Float32Array(v_hat.length);
  let loss = 0;
  for (let i = 0; i < v_hat.length; i++) {
    const { alpha, sigma } = levels[i >> 1];
    const error = v_hat[i] - (alpha * noise[i] - sigma * x_0[i]);
    loss += (alpha ** 2 * error ** 2) / v_hat.length;
    derivative[i] = (2 * alpha ** 2 * error) / v_hat.length;
  }
  const gradient = new Float32Array(parameters.length);
  backward(layers, seen, layersOf(gradient), derivative);
  return { loss, gradient };
}

// The network as a denoiser: x̂_0 = √ᾱ x_t − √(1 − ᾱ) v̂.
export function networkDenoiser(parameters) {
  const layers = layersOf(parameters);
  return (x_t, level) => {
    const { v_hat } = forward(layers, told(x_t, level));
    return x_t.map((value, i) => level.alpha * value - level.sigma * v_hat[i]);
  };
}
