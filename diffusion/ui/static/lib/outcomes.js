// What is said of a cat that was judged, and shown of it, wherever that is.
import { node, phrase } from "./dom.js";
import { Grid } from "./pictures.js";

const SHARP = ["cat_new", "cat_known"]; // outcomes

// ---- in words ---------------------------------------------------------------------------------------------

// verdict: as Python tells it; none yet: undefined.
export function outcomeOf(verdict, text) {
  const unseen = verdict?.outcome === "cat_known" && verdict.hidden;
  return text[unseen ? "cat_known_unseen" : (verdict?.outcome ?? "cat_waiting")];
}

// What sets the nearest cat that was trained on apart.
export function differenceOf(verdict, text) {
  if (!verdict) return "";
  if (verdict.outcome === "cat_impossible") return text.cat_too_far;
  const certain = SHARP.includes(verdict.outcome) && !verdict.hidden; // all of its parts are
  if (!verdict.differs.length) return certain ? text.cat_itself : text.cat_alike;
  return phrase(text.cat_other, { differs: verdict.differs.join(", ") });
}

// ---- counted ----------------------------------------------------------------------------------------------

// What is kept of a verdict, to be counted: its outcome; "hidden": sharp, but without a mouth to see.
export const keptOf = ({ outcome, hidden }) => (hidden && SHARP.includes(outcome) ? "hidden" : outcome);

// Of outcomes that were kept: how many are sharp, how many of these show all, and how many of those are new.
export function countsOf(outcomes) {
  const number = (...wanted) => outcomes.filter((outcome) => wanted.includes(outcome)).length;
  return { sharp: number(...SHARP, "hidden"), told: number(...SHARP), fresh: number("cat_new") };
}

export function freshOf({ fresh, told }, text) {
  const percent = ((100 * fresh) / told).toFixed(0);
  return told ? phrase(text.tally_fresh, { fresh, told, percent }) : "–";
}

// ---- as pictures ------------------------------------------------------------------------------------------

// Picture i of the last frame of a film's plane.
export function drawnOf(film, plane, i) {
  const canvas = node("canvas");
  const [, ...shape] = film.shape(plane);
  const grid = new Grid(canvas);
  grid.resize(1, shape);
  const size = shape.reduce((a, b) => a * b);
  grid.show(film.plane(film.last, plane).subarray(i * size, (i + 1) * size));
  return canvas;
}

export function pictureOf(address, alt) {
  return address ? Object.assign(new Image(), { src: address, alt }) : node("canvas");
}

export function likeness(picture, caption) {
  const figure = node("figure");
  picture.ariaLabel = caption;
  figure.append(picture, node("figcaption", "", caption));
  return figure;
}
