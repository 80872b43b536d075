// The noise that a sampler's step adds, value by value what Python's diffusion/noise.py draws: normal numbers
// from Philox4x32-10 (Salmon et al. 2011), rounded to half precision.

const MULTIPLIERS = [0xd2511f53, 0xcd9e8d57];
const KEY_STEPS = [0x9e3779b9, 0xbb67ae85];
const ROUNDS = 10;

// The upper 32 of the 64 bits of a product of two whole numbers below 2 ** 32.
function upperProduct(a, b) {
  const [aLow, aHigh, bLow, bHigh] = [a & 0xffff, a >>> 16, b & 0xffff, b >>> 16];
  const middle = aHigh * bLow + ((aLow * bLow) >>> 16);
  return aHigh * bHigh + (middle >>> 16) + ((aLow * bHigh + (middle & 0xffff)) >>> 16);
}

// 4 × 32 random bits from a counter of four such words and a key of two.
export function philox([a, b, c, d], [first, second]) {
  for (let round = 0; round < ROUNDS; round++) {
    const x = upperProduct(MULTIPLIERS[1], c) ^ b ^ first;
    const y = upperProduct(MULTIPLIERS[0], a) ^ d ^ second;
    [b, d] = [Math.imul(MULTIPLIERS[1], c) >>> 0, Math.imul(MULTIPLIERS[0], a) >>> 0];
    [a, c] = [x >>> 0, y >>> 0];
    [first, second] = [(first + KEY_STEPS[0]) >>> 0, (second + KEY_STEPS[1]) >>> 0];
  }
  return [a, b, c, d];
}

// Two words of 32 random bits as two normal numbers (Box and Muller 1958).
function boxMuller(one, other) {
  const radius = Math.sqrt(-2 * Math.log((one + 0.5) * 2 ** -32));
  const angle = 2 * Math.PI * ((other + 0.5) * 2 ** -32);
  return [radius * Math.cos(angle), radius * Math.sin(angle)];
}

// The nearest number of half precision to a number below 65520; of two equally near ones the even one.
export function roundedToHalf(x) {
  const spacing = 2 ** (Math.max(Math.floor(Math.log2(Math.abs(x))), -14) - 10);
  const shift = 1.5 * 2 ** 52 * spacing; // beside it double precision has this spacing too
  return x + shift - shift;
}

// z of the step from t for one of a seed's pictures, counted from 0: `length` values.
export function freshNoise(seed, picture, length, t) {
  const key = [seed >>> 0, Math.floor(seed / 2 ** 32)];
  const out = new Float32Array(length);
  for (let i = 0; i < length; i += 4) {
    const words = philox([i / 4, t, picture, 0], key);
    const values = [...boxMuller(words[0], words[1]), ...boxMuller(words[2], words[3])];
    out.set(values.slice(0, length - i), i); // float32 first, as in Python
  }
  return out.map(roundedToHalf);
}
