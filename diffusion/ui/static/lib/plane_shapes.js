// Distributions in the plane. A shape is {strokes, thickness}: a point of its distribution lies anywhere on
// the strokes, as likely on one piece as on another as long, and then off them by a little normal noise. A
// stroke is [[x, y], …], with y upwards; one of a single place is a spot.
import { boxMuller, philox } from "./noise.js";

export const NUMBER = 2000; // points of a set
const SPOT = 8; // thicknesses: as long a stroke a spot counts as
const DATA = 1; // the last word of Philox's counter, which is 0 for the z of steps

// ---- the shapes ------------------------------------------------------------------------------------------

const steps = (count) => Array.from({ length: count + 1 }, (_, i) => i / count);
const onCircle = (x, y, radius, turn) => [
  x + radius * Math.cos(2 * Math.PI * turn), y + radius * Math.sin(2 * Math.PI * turn),
];
const arc = (x, y, radius, from, to, count = 40) =>
  steps(count).map((share) => onCircle(x, y, radius, from + share * (to - from)));
const mirrored = (stroke) => stroke.map(([x, y]) => [-x, y]);

const spiral = steps(160).map((share) => onCircle(0, 0, 0.12 + 0.88 * share, 0.25 + 2.25 * share));
const eye = arc(0.4, 0.12, 0.12, 0, 1, 24);
const ear = [onCircle(0, 0, 1, 0.105), [0.86, 1.28], onCircle(0, 0, 1, 0.185)];
const head = [
  ...mirrored(ear), ...arc(0, 0, 1, 0.315, 0.185, 10), ...[...ear].reverse(), ...arc(0, 0, 1, 0.105, -0.605),
];
const smile = arc(0.15, -0.36, 0.15, 0.5, 0.93, 16);
const whiskers = [[[0.5, -0.3], [1.35, -0.16]], [[0.5, -0.42], [1.33, -0.52]]];

export const SHAPES = {
  moons: { strokes: [arc(-0.5, -0.25, 1, 0, 0.5), arc(0.5, 0.25, 1, 0.5, 1)], thickness: 0.07 },
  spiral: { strokes: [spiral], thickness: 0.025 },
  gaussians: { strokes: steps(7).map((share) => [onCircle(0, 0, 1, (share * 7) / 8)]), thickness: 0.08 },
  cat: {
    strokes: [
      head, eye, mirrored(eye), smile, mirrored(smile), ...whiskers, ...whiskers.map(mirrored),
    ],
    thickness: 0.015,
  },
  han: {
    strokes: [
      [[-0.6, 0.98], [-0.12, 0.98]], [[-0.86, 0.7], [0.14, 0.7]], arc(-0.36, 0.3, 0.27, 0, 1),
      [[0.5, 1.02], [0.5, -0.18]], [[0.5, 0.46], [0.88, 0.46]],
      [[-0.56, -0.32], [-0.56, -0.92], [0.74, -0.92]],
    ],
    thickness: 0.02,
  },
};

// ---- drawing from them -----------------------------------------------------------------------------------

// All pieces of straight line, with the length at which each ends.
function piecesOf({ strokes, thickness }) {
  const pieces = [];
  let end = 0;
  for (const stroke of strokes) {
    const ends = stroke.length > 1 ? stroke.slice(1) : stroke;
    ends.forEach((to, i) => {
      const from = stroke[i];
      const length = Math.hypot(to[0] - from[0], to[1] - from[1]) || SPOT * thickness;
      pieces.push({ from, to, length, end: (end += length) });
    });
  }
  return pieces;
}

// Point i of a set, a function of the seed, the set and i alone.
function pointOf(pieces, thickness, seed, set, i) {
  const words = philox([i, set, 0, DATA], [seed >>> 0, Math.floor(seed / 2 ** 32)]);
  const [across, along] = boxMuller(words[2], words[3]);
  const place = (words[0] / 2 ** 32) * pieces.at(-1).end;
  let low = 0;
  for (let high = pieces.length - 1; low < high; ) {
    const middle = (low + high) >> 1;
    if (pieces[middle].end > place) high = middle;
    else low = middle + 1;
  }
  const { from, to, end, length } = pieces[low];
  const share = 1 - (end - place) / length;
  return [0, 1].map((c) => from[c] + share * (to[c] - from[c]) + thickness * [across, along][c]);
}

function drawn(shape, seed, set) {
  const pieces = piecesOf(shape);
  const out = new Float32Array(2 * NUMBER);
  for (let i = 0; i < NUMBER; i++) out.set(pointOf(pieces, shape.thickness, seed, set, i), 2 * i);
  return out;
}

// The middle of points, and what they are to be multiplied with to have variance 1 on average over x and y.
export function scaleOf(points) {
  const number = points.length / 2;
  const middle = [0, 0];
  for (let i = 0; i < points.length; i++) middle[i % 2] += points[i] / number;
  let square = 0;
  for (let i = 0; i < points.length; i++) square += (points[i] - middle[i % 2]) ** 2;
  return { middle, gain: 1 / Math.sqrt(square / points.length || 1) };
}

// Two sets of NUMBER points of a shape's distribution, x and y in turn, both shifted and scaled alike, so
// that the first has mean 0 and variance 1: the data, and others that nobody trains on.
export function draw(shape, seed) {
  const [points, others] = [0, 1].map((set) => drawn(shape, seed, set));
  const { middle, gain } = scaleOf(points);
  for (const each of [points, others])
    for (let i = 0; i < each.length; i++) each[i] = gain * (each[i] - middle[i % 2]);
  return { points, others, middle, gain };
}

// ---- one's own, as text ----------------------------------------------------------------------------------

const DIGITS = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz-_";
const EDGE = 3; // what the text reaches, from −EDGE to EDGE
const MOST_PLACES = 400; // of a text
export const OWN_THICKNESS = 0.03;

const digit = (value) => Math.round(((value / EDGE + 1) / 2) * (DIGITS.length ** 2 - 1));

const inDigits = (value) => {
  const number = Math.min(Math.max(digit(value), 0), DIGITS.length ** 2 - 1);
  return DIGITS[Math.floor(number / DIGITS.length)] + DIGITS[number % DIGITS.length];
};

// The stroke with fewer places, none further from it than `most` (Ramer 1972, Douglas and Peucker 1973).
export function simplified(stroke, most) {
  if (stroke.length < 3) return stroke;
  const [first, last] = [stroke[0], stroke.at(-1)];
  const [dx, dy] = [last[0] - first[0], last[1] - first[1]];
  const length = Math.hypot(dx, dy);
  const away = ([x, y]) =>
    length
      ? Math.abs(dx * (y - first[1]) - dy * (x - first[0])) / length
      : Math.hypot(x - first[0], y - first[1]);
  let furthest = 0;
  for (let i = 1; i < stroke.length - 1; i++) if (away(stroke[i]) > away(stroke[furthest])) furthest = i;
  if (!furthest || away(stroke[furthest]) <= most) return [first, last];
  const before = simplified(stroke.slice(0, furthest + 1), most);
  return [...before, ...simplified(stroke.slice(furthest), most).slice(1)];
}

// Strokes as text, four characters a place, strokes apart by a dot; of many places only those that count.
export function strokesAsText(strokes) {
  let few = strokes;
  for (let most = 0.01; few.flat().length > MOST_PLACES && most < 2 * EDGE; most *= 1.5)
    few = strokes.map((stroke) => simplified(stroke, most));
  return few.slice(0, MOST_PLACES).map((stroke) => stroke.flat().map(inDigits).join("")).join(".");
}

// The strokes of such a text; null if it is none.
export function strokesFromText(typed) {
  if (!/^([\w-]{4})+(\.([\w-]{4})+)*$/.test(typed) || typed.length > 5 * MOST_PLACES) return null;
  const most = DIGITS.length ** 2 - 1;
  const valueOf = (two) =>
    EDGE * ((2 * (DIGITS.indexOf(two[0]) * DIGITS.length + DIGITS.indexOf(two[1]))) / most - 1);
  const placesOf = (stroke) => stroke.match(/.{4}/g).map((place) => place.match(/../g).map(valueOf));
  return typed.split(".").map(placesOf);
}
