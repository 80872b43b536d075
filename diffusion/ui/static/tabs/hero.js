// A line of pictures above the tabs in which the shipped film plays: noise becoming images.
import { reducedMotion } from "../lib/dom.js";
import { Film } from "../lib/film.js";
import { Grid } from "../lib/pictures.js";
import { update } from "../lib/state.js";

const SECONDS = 5;
const PAUSE = 2.5;

export function mount({ element }) {
  return (message) => {
    const film = Film.whole(message);
    update({ film });
    play(film, element.querySelector("canvas"));
  };
}

function play(film, canvas) {
  canvas.dataset.film = film.id;
  const row = new Grid(canvas);
  const [count, ...shape] = film.shape("x_t");
  row.resize(count, shape, count);
  let shown;
  const show = (k) => {
    if (k !== shown) row.show(film.plane(k, "x_t"));
    shown = k;
  };
  const start = performance.now();
  const tick = (now) => {
    const seconds = (Math.max(now - start, 0) / 1000) % (SECONDS + PAUSE);
    const k = reducedMotion.matches ? film.last : Math.floor((seconds / SECONDS) * film.last);
    show(Math.min(film.last, k));
    if (canvas.isConnected && !reducedMotion.matches) requestAnimationFrame(tick);
  };
  tick(start);
}
