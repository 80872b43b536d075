// Draws what the Plane tab shows at a t.
import { Density, RANGE, gridOf, inForm } from "../lib/plane.js";
import { SAMPLERS, placeAt } from "../lib/plane_walk.js";
import { levelAt } from "../lib/schedules.js";
import { SIDE } from "./plane_scene.js";

export const CELLS = 64; // of the density, in a row
const TRAILS = 3; // chains of which the whole way is drawn
const LINED = 2; // of x̂_0 every other place of the grid has a line
const ARROW = { most: (1.7 * RANGE) / SIDE }; // the longest
// Of each form its colour, and the length from which on arrows are as long as the longest.
const FORMS = { score: ["soft", 6], eps: ["eps", 2.5], v: ["soft", 2.5] };
export const COLOURS = { ddpm: "eps", ddim: "xt", "dpm++2m": "x0" };
const THIN = { ddpm: [1.1, 0.6], ddim: [1.8, 0.8], "dpm++2m": [1.8, 0.8] }; // width and opacity if not chosen
const DASHES = { ddpm: [], ddim: [], "dpm++2m": [7, 4] };

const density = new Density(CELLS);
const grid = gridOf(SIDE);

export function paint(on, scene, t) {
  on.begin();
  const { points } = scene.data;
  if (!points.length) return;
  const level = levelAt(scene.table, t);
  on.heat(density.measure(points, level), CELLS);
  if (scene.direction === "forward") paintForward(on, scene, level);
  else paintReverse(on, scene, level);
  on.marginals(density.marginals());
}

// Few points are drawn larger.
const widthFor = (points, most) => (points.length > 1000 ? most : 2 * most);

function paintForward(on, scene, level) {
  const cloud = scene.cloud(level);
  if (!scene.markov) {
    on.dots(cloud, "xt", { width: widthFor(cloud, 2.2), opacity: 0.75 });
    return;
  }
  const { chain } = scene;
  on.dots(cloud, "xt", { width: 2, opacity: 0.2 });
  const taken = chain.slice(0, level.t + 1);
  on.ways(taken, numbers(Math.min(TRAILS, chain[0].length / 2)), "ink", { width: 1.1, opacity: 0.75 });
  on.dots(chain[level.t], "eps", { width: 3.4, opacity: 0.9 });
  on.dots(chain[level.t].subarray(0, 2 * TRAILS), "ink", { width: 9, round: true, edge: "card" });
  on.dots(chain[0].subarray(0, 2 * TRAILS), "x0", { width: 9, round: true, edge: "card" });
}

function paintReverse(on, scene, level) {
  const { points } = scene.data;
  const opacity = points.length > 1000 ? 0.42 : 1;
  on.still("data", [points], () => on.dots(points, "x0", { width: widthFor(points, 1.6), opacity }));
  if (!scene.predictor) return;
  paintArrows(on, scene, levelAt(scene.table, Math.max(level.t, 1))); // at t = 0 there is no noise to predict
  const { walks, ownWalks, sampler } = scene;
  on.still("paths", [walks, ownWalks, sampler], () => {
    paintPaths(on, walks, sampler);
    paintOwnPaths(on, ownWalks, sampler);
  });
  on.dots(placeAt(walks, level.t), COLOURS[sampler], { width: 7, round: true, edge: "card" });
  for (const each of inOrder(sampler))
    on.dots(placeAt(ownWalks[each], level.t), COLOURS[each], { width: 12, round: true, edge: "card" });
}

function paintArrows(on, scene, level) {
  if (scene.arrows === "none") return;
  const x_0_hat = scene.predictor.field(level);
  if (scene.arrows === "x_0") {
    const chosen = (_, i) => (i >> 1) % LINED === 0 && Math.floor((i >> 1) / SIDE) % LINED === 0;
    const [from, to] = [grid.filter(chosen), x_0_hat.filter(chosen)];
    on.lines(from, to, "x0", { width: 1, opacity: 0.45 });
    on.dots(from, "soft", { width: 2.5 });
    on.dots(to, "x0", { width: 5, round: true });
    return;
  }
  const [colour, full] = FORMS[scene.arrows];
  on.arrows(grid, inForm(scene.arrows, grid, x_0_hat, level), colour, { full, ...ARROW });
}

function paintPaths(on, walks, sampler) {
  const sets = setsOf(walks);
  on.ways(sets, numbers(sets[0].length / 2), COLOURS[sampler], { width: 1, opacity: 0.38 });
}

const numbers = (count) => Array.from({ length: count }, (_, i) => i);

const setsOf = (taken) => [taken[0].x_t, ...taken.map(({ x_s }) => x_s)];

// The chosen sampler is the last, above all others.
const inOrder = (chosen) => [...SAMPLERS.filter((sampler) => sampler !== chosen), chosen];

// The path of the start that is taken by a hand, by all samplers.
function paintOwnPaths(on, ownWalks, chosen) {
  for (const sampler of inOrder(chosen)) {
    const sets = setsOf(ownWalks[sampler]);
    const [width, opacity] = sampler === chosen ? [3.2, 1] : THIN[sampler];
    on.ways(sets, [0], "card", { width: width + 2, opacity: 0.7 });
    on.ways(sets, [0], COLOURS[sampler], { width, opacity, dash: DASHES[sampler] });
  }
}
