// Numbers as text.

export const fixed = (value, digits = 4) => value.toFixed(digits).replace("-", "−");

export const decibels = (snr) => (snr === Infinity ? "∞" : fixed(10 * Math.log10(snr), 1));

// Small values with an exponent.
export const scientific = (value) => (value < 1e-3 ? value.toExponential(2).replace("-", "−") : fixed(value));

export const percent = (share, digits = 0) => (100 * share).toFixed(digits);

// The powers of ten from 1 down to 10^lowest, as ticks of a logarithmic axis.
export const decades = (lowest) =>
  Array.from({ length: 1 - lowest }, (_, k) => [-k, k ? (10 ** -k).toFixed(k) : "1"]);

// Three digits, or all before the point.
export const digits = (value) => (value >= 100 ? value.toFixed(0) : value.toPrecision(3));

export const time = (seconds) => (seconds >= 1 ? `${digits(seconds)} s` : `${digits(1000 * seconds)} ms`);

export const milliseconds = (seconds) => (1000 * seconds).toFixed(0);

// 8000 as 8 k, 1500000 as 1.5 M.
export function short(number) {
  if (number >= 1e6) return `${+(number / 1e6).toFixed(1)} M`;
  if (number >= 1e3) return `${+(number / 1e3).toFixed(number < 1e4 ? 1 : 0)} k`;
  return String(number);
}

// A chart's axis from 0 to a round number that is no less than `most`: {y, yTicks}.
export function scaleTo(most) {
  const full = [5, 10, 20, 50, 100, 150].find((each) => each >= most) ?? 255;
  const ticks = full === 255 ? [0, 64, 128, 192, 255] : [0, 1, 2, 3, 4, 5].map((i) => (full * i) / 5);
  return { y: [0, full], yTicks: ticks.map((value) => [value, String(value)]) };
}
