// Statistics of mixtures a · x + b · y, from every fourth value: red, green and blue in turn.

const STRIDE = 4;
const BINS = 80;
export const RANGE = 3.2; // densities are of [−RANGE, RANGE]

export function density(x, a, y, b) {
  const scale = BINS / (2 * RANGE);
  const counts = new Float32Array(BINS + 2); // the first and the last take what lies outside
  for (let i = 0; i < x.length; i += STRIDE) {
    const bin = ((a * x[i] + b * y[i] + RANGE) * scale + 1) | 0;
    counts[bin < 1 ? 0 : bin > BINS ? BINS + 1 : bin]++;
  }
  return counts.subarray(1, -1).map((count) => (count * scale * STRIDE) / x.length);
}

// The standard normal density at the middle of each bin.
export const normalDensity = Float32Array.from({ length: BINS }, (_, i) => {
  const x = ((i + 0.5) / BINS - 0.5) * 2 * RANGE;
  return Math.exp((-x * x) / 2) / Math.sqrt(2 * Math.PI);
});

// Mean and variance of a · x + b · y + c · z.
export function moments(x, a, y, b, z, c) {
  let sum = 0;
  let squares = 0;
  let seen = 0;
  for (let i = 0; i < x.length; i += STRIDE, seen++) {
    const value = a * x[i] + b * y[i] + c * z[i];
    sum += value;
    squares += value * value;
  }
  return { mean: sum / seen, variance: squares / seen - (sum / seen) ** 2 };
}
