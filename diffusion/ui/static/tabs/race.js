// The Race tab: the same x_T walked by several samplers, in lanes that advance by network calls.
import { Chart } from "../lib/chart.js";
import { bytesFrom } from "../lib/decode.js";
import { onChoice, onNextFrame, phrase, whenSeen } from "../lib/dom.js";
import { LiveTransport } from "../lib/film_transport.js";
import { fileName } from "../lib/files.js";
import { press } from "../lib/link.js";
import { time } from "../lib/numbers.js";
import { Grid } from "../lib/pictures.js";
import { Progress } from "../lib/progress.js";
import { RaceFilm, callAtShare, callTicks, decadesOf, shareOfCall } from "../lib/race_film.js";
import { RaceVerdicts } from "../lib/race_verdicts.js";
import { Save } from "../lib/save.js";
import { fromLink, keep, kept } from "../lib/session.js";
import { filmOf } from "../lib/sheet.js";
import { spoken } from "../lib/text.js";
import { View } from "../lib/view.js";

const PLANES = ["x_t", "x_0_hat"];
const GREY = 128;
const OPENING = "opening"; // the race that is run before anybody has asked for one

export function mount(context) {
  const view = new Race(context);
  return (message) => view.receive(message);
}

class Race extends View {
  film = null;
  seen = new Set(); // ids of the films that were on show
  plane = "x_0_hat"; // which is on show, or "both"

  constructor(context) {
    super(context);
    this.lanes = [...this.root.querySelectorAll("[data-lane]")].map((tile) => this.laneOf(tile));
    this.target = new Grid(this.canvas("reference"));
    this.redraw = onNextFrame(this.root, () => this.draw());
    this.progress = new Progress(this, "call");
    this.reference = new Progress(this, "reference");
    this.verdicts = new RaceVerdicts(this, () => this.keepFilm());
    this.curves = new Chart(this.chart("distance"), {
      lines: this.lanes.map(({ name }) => name),
      move: (share) => this.film && this.transport.userSet(callAtShare(share, this.film.info.num_calls)),
      ...this.axes(20, []),
    });
    const describe = (k) => this.describe(k);
    this.transport = new LiveTransport(this.root, { seconds: 4, describe, onChange: this.redraw });
    this.transport.linkFilm(() => this.linkedFilm, { start: this.controls.start, offers: true });
    this.listen();
    this.saving(context.props.code);
    this.open();
  }

  laneOf(tile) {
    const part = (role) => tile.querySelector(`[data-role="${role}"]`);
    const grids = Object.fromEntries(
      PLANES.map((name) => [name, new Grid(tile.querySelector(`canvas[data-plane="${name}"]`))]),
    );
    return { name: tile.dataset.lane, tile, part, grids };
  }

  // The opening one has no settings of its own.
  get linkedFilm() {
    return this.film?.info.caption === OPENING ? null : this.film;
  }

  listen() {
    onChoice(this.part("plane"), (plane) => {
      this.plane = plane;
      this.showPlanes();
      this.redraw();
    });
    this.showPlanes();
  }

  showPlanes() {
    for (const { grids } of this.lanes)
      for (const name of PLANES) grids[name].canvas.hidden = ![name, "both"].includes(this.plane);
  }

  saving(templates) {
    this.save = new Save(this, {
      name: () => this.film?.info.file ?? [],
      film: () => this.film?.calls && filmOf(this.asOneFilm(), ["lanes"], this.shownLanes.length),
      table: () => this.film && this.table(),
      code: () => this.film && this.code(templates),
    });
  }

  // ---- films --------------------------------------------------------------------------------------------

  // The race that was on show when the page was left; else, when the tab is seen, the opening one.
  async open() {
    const left = fromLink ? undefined : await kept(`${this.root.id} film`);
    if (left && !this.film) {
      if (left.record.info.progress) left.record.info.progress.ended ??= "stopped"; // with the page
      this.begin(RaceFilm.from(left.record));
      this.grow(0);
    }
    this.transport.remember();
    await whenSeen(this.part("stage"));
    if (!this.film && !this.transport.isToCome()) press(this.controls.opening, "race");
  }

  keepFilm() {
    keep(`${this.root.id} film`, () => ({ record: this.film.record }));
  }

  receive(message) {
    if (this.progress.takes(message)) return;
    if (message.film) this.receiveFrames(message);
    else if (message.reference) this.reference.show({ ...message.reference, ...message.progress });
    else this.showProgress(); // given up before it began
  }

  receiveFrames(message) {
    const isNew = message.film !== this.film?.id;
    if (isNew && this.seen.has(message.film)) return; // it was given up for the one on show
    if (isNew) {
      this.begin(new RaceFilm(message));
      this.transport.live = true;
    }
    this.film.add(message);
    const { calls, info } = this.film;
    const isWhole = calls === info.num_calls;
    const ranBefore = info.caption === OPENING && isWhole && (isNew || !info.progress); // for others
    if (!ranBefore) info.progress = message.progress;
    this.grow(this.transport.live ? calls : this.transport.value);
    if (!isNew || !ranBefore) return;
    this.transport.live = false;
    this.transport.autoplay();
  }

  begin(film) {
    this.transport.pause();
    this.film = film;
    this.seen.add(film.id);
    const { walk, reference, lanes } = film.info;
    const [count, ...shape] = walk.shape;
    for (const lane of this.lanes) {
      for (const plane of PLANES) lane.grids[plane].resize(count, shape);
      lane.tile.classList.toggle("off", !lanes[lane.name]);
      if (!lanes[lane.name]) this.blank(lane, walk.shape);
    }
    this.target.resize(count, shape);
    this.target.show(bytesFrom(reference));
    this.part("stage").style.setProperty("--aspect", this.target.aspect);
    this.part("stage").classList.toggle("several", count > 1);
    this.part("stage").classList.toggle("with-student", Boolean(lanes.student));
    this.part("own-error").textContent = spoken(film.info.own_error);
    for (const { name } of this.lanes) this.curves.clear(name);
    this.verdicts.prepare(film);
    this.root.dataset.film = film.id;
  }

  // A lane that does not run.
  blank({ part, grids }, shape) {
    const nothing = new Uint8Array(shape.reduce((a, b) => a * b)).fill(GREY);
    const said = phrase(this.text.race_off, { lane: part("name").textContent });
    for (const plane of PLANES) {
      grids[plane].show(nothing);
      grids[plane].canvas.setAttribute("aria-label", said);
    }
    for (const role of ["calls", "seconds", "distance"]) part(role).textContent = "–";
  }

  get shownLanes() {
    return this.lanes.filter(({ name }) => this.film.info.lanes[name]);
  }

  grow(value) {
    const { info, calls } = this.film;
    this.plot();
    this.transport.grown(calls, value, info.num_calls);
    const caption = this.text[info.caption === OPENING ? "race_opening" : "race_on_show"];
    this.part("made").textContent = phrase(caption, { made: spoken(info.made) });
    this.showProgress();
    this.keepFilm();
  }

  showProgress() {
    const { info, calls } = this.film ?? {};
    if (!info?.progress) {
      this.progress.clear();
      return;
    }
    const made = this.shownLanes.reduce((sum, { name }) => sum + this.film.callsOf(name, calls), 0);
    const predictions = made * info.per_step.predictions * info.walk.shape[0];
    this.progress.show({ k: calls, N: info.num_calls, ...info.progress, calls, predictions });
  }

  // ---- the curves ---------------------------------------------------------------------------------------

  axes(N, distances) {
    const [low, high] = decadesOf(distances);
    const yTicks = [];
    for (let power = low; power <= high; power++) yTicks.push([power, String(10 ** power)]);
    return { y: [low, high], yTicks, xTicks: callTicks(N), xTitle: "" };
  }

  plot() {
    const N = this.film.info.num_calls;
    const curves = this.shownLanes.map(({ name }) => [name, this.distancesOf(name)]);
    this.curves.setAxes(this.axes(N, curves.flatMap(([, distances]) => distances)));
    for (const [name, distances] of curves) {
      const places = distances.map((_, i) => shareOfCall(i + 1, N));
      this.curves.plot(name, distances.map(Math.log10), 1, places);
    }
  }

  distancesOf(name) {
    const count = this.film.callsOf(name, this.film.calls);
    return Array.from({ length: count }, (_, k) => this.film.rowOf(name, k).distance);
  }

  // ---- one moment ---------------------------------------------------------------------------------------

  draw() {
    if (!this.film) return;
    const k = Math.min(this.transport.value, this.film.calls);
    for (const lane of this.shownLanes) this.drawLane(lane, k);
    this.curves.cursor("call", shareOfCall(k, this.film.info.num_calls));
    this.verdicts.draw(k);
  }

  drawLane({ name, part, grids }, k) {
    const { film } = this;
    const pictures = film.after(k, name);
    for (const plane of PLANES) if (!grids[plane].canvas.hidden) grids[plane].show(pictures[plane]);
    const [calls, N] = [film.callsOf(name, k), film.info.lanes[name].num_steps];
    const row = calls ? film.rowOf(name, calls - 1) : null;
    part("calls").textContent = `${calls}/${N}`;
    part("distance").textContent = row ? row.distance.toFixed(3) : "–";
    part("seconds").textContent = row ? time(film.secondsOf(name, k)) : "–";
    const said = calls === N ? this.text.race_canvas_arrived : this.text.race_canvas;
    const values = { lane: part("name").textContent, calls, N };
    for (const plane of PLANES) {
      const what = this.text[plane === "x_t" ? "film_x_t" : "film_x_0"];
      grids[plane].canvas.setAttribute("aria-label", phrase(said, { ...values, what }));
    }
  }

  describe(k) {
    if (!this.film) return "";
    const near = this.shownLanes.filter(({ name }) => this.film.callsOf(name, k));
    const parts = near.map(({ name, part }) => {
      const { distance } = this.film.rowOf(name, this.film.callsOf(name, Math.min(k, this.film.calls)) - 1);
      return `${part("name").textContent} ${distance.toFixed(3)}`;
    });
    return [phrase(this.text.race_value, { k, N: this.film.info.num_calls }), ...parts].join(", ");
  }

  // ---- saved --------------------------------------------------------------------------------------------

  get savedPlane() {
    return this.plane === "x_t" ? "x_t" : "x_0_hat";
  }

  // Python that makes what is on show.
  code(templates) {
    const { film: { info, calls }, savedPlane: plane } = this;
    const k = Math.min(this.transport.value, calls);
    const file = fileName([...info.file, plane, k], "png");
    return phrase(templates[plane], { ...info.code, k, file });
  }

  // All lanes side by side, of what is on show.
  asOneFilm() {
    const { film, shownLanes: lanes } = this;
    const [count, ...shape] = film.info.walk.shape;
    const { savedPlane: plane } = this;
    const size = shape.reduce((a, b) => a * b);
    const at = (k) => {
      const bytes = new Uint8Array(count * lanes.length * size); // a row for each picture
      lanes.forEach(({ name }, lane) => {
        const pictures = film.after(k, name)[plane];
        for (let i = 0; i < count; i++)
          bytes.set(pictures.subarray(i * size, (i + 1) * size), (i * lanes.length + lane) * size);
      });
      return bytes;
    };
    return { last: film.calls, shape: () => [count * lanes.length, ...shape], plane: at };
  }

  table() {
    const rows = [];
    for (let k = 0; k < this.film.calls; k++)
      for (const [lane, { bytes, ...numbers }] of Object.entries(this.film.rows[k].lanes))
        rows.push({ lane, call: k + 1, ...numbers });
    return rows;
  }
}
