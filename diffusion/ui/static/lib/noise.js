// Noise from a seed, as Python's diffusion/noise.py draws it, in half precision: x_T of torch.randn's own
// numbers, and the z of a sampler's step.

// ---- x_T: the Mersenne Twister (Matsumoto and Nishimura 1998), and Box and Muller as torch computes it ----

const STATE = 624; // words of 32 bits
const MIDDLE = 397;
const BLOCK = 16; // torch makes its normal numbers so many at a time
const { fround } = Math; // to single precision, in which torch computes
const TURN = fround(2 * Math.PI);

class MersenneTwister {
  // The state after a seed's lower 32 bits, as torch and NumPy fill it.
  constructor(seed) {
    this.state = new Uint32Array(STATE);
    this.state[0] = seed % 2 ** 32;
    for (let i = 1; i < STATE; i++) {
      const before = this.state[i - 1];
      this.state[i] = Math.imul(1812433253, before ^ (before >>> 30)) + i;
    }
    this.position = STATE;
  }

  renew() {
    const { state } = this;
    for (let i = 0; i < STATE; i++) {
      const mixed = (state[i] & 0x80000000) | (state[(i + 1) % STATE] & 0x7fffffff);
      state[i] = state[(i + MIDDLE) % STATE] ^ (mixed >>> 1) ^ (mixed & 1 ? 0x9908b0df : 0);
    }
    this.position = 0;
  }

  // 32 random bits, as a signed whole number.
  next() {
    if (this.position === STATE) this.renew();
    let word = this.state[this.position++];
    word ^= word >>> 11;
    word ^= (word << 7) & 0x9d2c5680;
    word ^= (word << 15) & 0xefc60000;
    return word ^ (word >>> 18);
  }
}

// What draw_noise of a generator with this seed gives: `length` values, those of a shorter one first. Torch's
// logarithm and cosine are fast ones: one value in 40,000 is the next one of half precision.
export function drawNoise(seed, length) {
  const twister = new MersenneTwister(seed);
  const uniform = new Float32Array(BLOCK);
  const out = new Float32Array(Math.ceil(length / BLOCK) * BLOCK);
  for (let start = 0; start < length; start += BLOCK) {
    for (let j = 0; j < BLOCK; j++) uniform[j] = (twister.next() & 0xffffff) * 2 ** -24;
    for (let j = 0; j < BLOCK / 2; j++) {
      const radius = fround(Math.sqrt(fround(-2 * fround(Math.log(1 - uniform[j])))));
      const angle = fround(TURN * uniform[j + BLOCK / 2]);
      out[start + j] = roundedToHalf(fround(radius * fround(Math.cos(angle))));
      out[start + j + BLOCK / 2] = roundedToHalf(fround(radius * fround(Math.sin(angle))));
    }
  }
  return out.subarray(0, length);
}

// ---- z: Philox4x32-10 (Salmon et al. 2011) ----------------------------------------------------------------

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
export function boxMuller(one, other) {
  const radius = Math.sqrt(-2 * Math.log((one + 0.5) * 2 ** -32));
  const angle = 2 * Math.PI * ((other + 0.5) * 2 ** -32);
  return [radius * Math.cos(angle), radius * Math.sin(angle)];
}

// By the eight bits of a number's exponent: a number beside which double precision has the spacing that half
// precision has beside that one.
const SHIFTS = Float64Array.from({ length: 256 }, (_, bits) => 1.5 * 2 ** (42 + Math.max(bits - 127, -14)));
const single = new Float32Array(1);
const bitsOfSingle = new Uint32Array(single.buffer);

// The nearest number of half precision to one of single precision below 65520; of two equally near ones the
// even one.
export function roundedToHalf(x) {
  single[0] = x;
  const shift = SHIFTS[(bitsOfSingle[0] >>> 23) & 255];
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
