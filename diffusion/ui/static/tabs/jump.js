// Why not jump at once? x̂_0 of pure noise, what a student says of it, where walks arrive, and their mean.
import { bytesFrom } from "../lib/decode.js";
import { phrase } from "../lib/dom.js";
import { Grid, distanceBetween } from "../lib/pictures.js";
import { Progress } from "../lib/progress.js";
import { spoken } from "../lib/text.js";
import { View } from "../lib/view.js";
import { WalkedFilm } from "../lib/walked_film.js";

const GREY = 127.5; // grey levels to one of x in [−1, 1]

export function mount(context) {
  const view = new Jump(context);
  return (message) => view.receive(message);
}

class Jump extends View {
  film = null;

  constructor(context) {
    super(context);
    this.progress = new Progress(this);
    const names = ["jumps", "student", "walks", "mean"];
    this.grids = Object.fromEntries(names.map((name) => [name, new Grid(this.canvas(name))]));
  }

  receive(message) {
    if (this.progress.takes(message)) return;
    if (!message.film) {
      this.progress.clear(); // given up before it began
      return;
    }
    if (message.film !== this.film?.id) this.begin(new WalkedFilm(message));
    this.film.add(message).info.progress = message.progress;
    this.show();
  }

  begin(film) {
    this.film = film;
    const [count, ...shape] = film.shape("x_0_hat");
    const columns = this.root.clientWidth < 500 ? count / 2 : count;
    this.grids.jumps.resize(count, shape, columns);
    this.grids.walks.resize(count, shape, columns);
    this.grids.student.resize(count, shape, columns);
    this.part("student").hidden = !film.info.student;
    if (film.info.student) this.grids.student.show(bytesFrom(film.info.student));
    this.grids.mean.resize(1, shape);
    this.part("jumps").hidden = false;
    this.part("fact").textContent = "";
    this.part("made").textContent = spoken(film.info.made);
  }

  show() {
    const { film } = this;
    if (film.last < 0) return;
    const [count] = film.shape("x_0_hat");
    const { num_steps: N, per_step: per, progress } = film.info;
    const [jumps, walks] = [0, film.last].map((k) => film.plane(k, "x_0_hat"));
    const mean = meanOf(walks, count);
    for (const [name, bytes] of Object.entries({ jumps, walks, mean })) this.grids[name].show(bytes);
    this.fill({ walked: phrase(this.text.jump_walked, { k: film.last, N }) });
    const counted = { calls: film.rows.length, predictions: film.rows.length * per.predictions };
    this.progress.show({ k: film.last, N, ...progress, ...counted });
    if (film.last === N) this.tell(jumps, walks, mean, count);
  }

  // How far one is from another, and all from the mean, as root mean squares of x in [−1, 1].
  tell(jumps, walks, mean, count) {
    const values = {
      among_jumps: spreadOf(jumps, count),
      among_walks: spreadOf(walks, count),
      to_mean: distanceBetween(meanOf(jumps, count), mean),
    };
    const written = Object.entries(values).map(([name, grey]) => [name, (grey / GREY).toFixed(2)]);
    this.part("fact").textContent = phrase(this.text.jump_fact, { count, ...Object.fromEntries(written) });
  }
}

// The mean of pictures in bytes that stand one after the other.
export function meanOf(bytes, count) {
  const size = bytes.length / count;
  const sums = new Float32Array(size);
  for (let i = 0; i < bytes.length; i++) sums[i % size] += bytes[i] / count;
  return Uint8ClampedArray.from(sums);
}

// How far such pictures are from their mean: the root of the mean square.
export function spreadOf(bytes, count) {
  const mean = meanOf(bytes, count);
  const size = mean.length;
  let sum = 0;
  for (let i = 0; i < bytes.length; i++) sum += (bytes[i] - mean[i % size]) ** 2;
  return Math.sqrt(sum / bytes.length);
}
