// Noise schedules. A table holds ᾱ_0 = 1, ᾱ_1, …, ᾱ_T.

export const NAMES = ["linear", "cosine"];

export const snr = (alphaBar) => alphaBar / (1 - alphaBar);

// Whether there is next to nothing left of the picture.
export const drowned = (alphaBar) => snr(alphaBar) < 0.01;

export const halfLogSnr = (alphaBar) => 0.5 * Math.log(snr(alphaBar));

// What a table says at a whole t.
export function levelAt(table, t) {
  const alphaBar = table[t];
  const previous = table[Math.max(t - 1, 0)];
  const [alpha, sigma] = [Math.sqrt(alphaBar), Math.sqrt(1 - alphaBar)];
  return { t, alphaBar, previous, beta: 1 - alphaBar / previous, alpha, sigma };
}

// All that tables {T, linear, cosine} say, a row for each t = 0..T; nothing is β_0, nor is an SNR infinite.
export function rowsOf(tables) {
  const numbers = (name, t) => {
    const { alphaBar, beta, alpha, sigma } = levelAt(tables[name], t);
    return {
      [`${name}_beta`]: t ? beta : null,
      [`${name}_alphas_cumprod`]: alphaBar,
      [`${name}_sqrt_alphas_cumprod`]: alpha,
      [`${name}_sqrt_one_minus_alphas_cumprod`]: sigma,
      [`${name}_snr`]: snr(alphaBar),
    };
  };
  const row = (t) => Object.assign({ t }, ...NAMES.map((name) => numbers(name, t)));
  return Array.from({ length: tables.T + 1 }, (_, t) => row(t));
}

// The fractional t in 1..T of a table at this half-log-SNR, held at the ends (as timestep_at in Python).
export function timestepAt(table, wanted) {
  const last = table.length - 1;
  if (wanted >= halfLogSnr(table[1])) return { t: 1, held: wanted > halfLogSnr(table[1]) };
  if (wanted <= halfLogSnr(table[last])) return { t: last, held: wanted < halfLogSnr(table[last]) };
  let low = 1;
  let high = last;
  while (high - low > 1) {
    const middle = (low + high) >> 1;
    if (halfLogSnr(table[middle]) >= wanted) low = middle;
    else high = middle;
  }
  const [above, below] = [halfLogSnr(table[low]), halfLogSnr(table[high])];
  return { t: low + (above - wanted) / (above - below), held: false };
}

// The table of Stable Diffusion's "scaled linear": √β grows linearly. As with linear, other lengths than 1000
// scale β by 1000 / T.
export function scaledLinear(T) {
  const [start, end] = [Math.sqrt(0.00085), Math.sqrt(0.012)];
  const table = [1];
  for (let t = 1; t <= T; t++) {
    const beta = (start + ((t - 1) / (T - 1)) * (end - start)) ** 2;
    table.push(table[t - 1] * (1 - Math.min((beta * 1000) / T, 0.999)));
  }
  return table;
}
