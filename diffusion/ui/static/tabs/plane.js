// The Plane tab: points instead of pictures, so that all of diffusion is seen at once. It asks no server.
import { Chart } from "../lib/chart.js";
import { node, onChoice, onNextFrame, phrase, tell, whenSeen } from "../lib/dom.js";
import { fileName } from "../lib/files.js";
import { link } from "../lib/link.js";
import { decibels, fixed, percent, scientific } from "../lib/numbers.js";
import { PlaneCanvas } from "../lib/plane_canvas.js";
import { Learner } from "../lib/plane_learner.js";
import { Handle } from "../lib/plane_start.js";
import { STEPS } from "../lib/plane_training.js";
import { Save } from "../lib/save.js";
import { levelAt, snr } from "../lib/schedules.js";
import { keep, kept, remember } from "../lib/session.js";
import { Transport } from "../lib/transport.js";
import { View } from "../lib/view.js";
import { Drawing, drawTiles } from "./plane_drawing.js";
import { paint } from "./plane_paint.js";
import { said, startSaid } from "./plane_said.js";
import { Scene } from "./plane_scene.js";
import { listTries } from "./plane_tries.js";

const FILM = 256; // pixels of a saved film's pictures
const CHOICES = ["direction", "schedule", "shape", "denoiser", "arrows", "sampler", "points"];

export function mount(context) {
  const view = new Plane(context);
  return (message) => view.receive(message);
}

class Plane extends View {
  tables = null;

  constructor(context) {
    super(context);
    this.scene = new Scene();
    this.redraw = onNextFrame(this.root, () => this.draw());
    this.screen = new PlaneCanvas(this.canvas("plane"), { redraw: this.redraw });
    this.learner = new Learner({
      onChange: () => this.learned(),
      onFailure: () => tell(this.part("train-problem"), this.text.plane_no_training),
    });
    this.transport = new Transport(this.root, {
      seconds: 9,
      describe: (t) => this.describe(t),
      onChange: this.redraw,
      shared: true,
      backward: () => this.scene.direction === "reverse",
    });
    this.lossChart = new Chart(this.chart("loss"), {
      lines: ["loss"], y: [0, 0.6], yTicks: [[0, "0"], [0.2, "0.2"], [0.4, "0.4"], [0.6, "0.6"]],
      xTicks: [[0, "0"], [1, String(STEPS)]],
    });
    this.save = new Save(this, {
      name: () => ["plane", this.scene.shape, this.scene.direction, `seed${this.scene.seed}`],
      film: () => this.tables && this.film(),
      table: () => this.tables && this.scene.rows(),
      points: () => (this.scene.data.points.length ? this.points() : null),
      code: () => this.tables && this.code(context.props.code),
    });
    this.remembered = kept(this.keptAs).then((found) => found && this.learner.trained.set(found.key, found));
    this.drawing = new Drawing(this, (strokes) => this.changed({ strokes }));
    this.addHandle();
    this.listen();
    listTries(this);
    drawTiles(this);
    whenSeen(this.root).then(() => this.learner.worker); // it is there when the server is gone
  }

  listen() {
    const typed = (name, value) => (name === "points" ? Number(value) : value);
    for (const name of CHOICES)
      onChoice(this.part(name), (value) => this.changed({ [name]: typed(name, value) }));
    this.part("markov").addEventListener("change", ({ target }) => this.changed({ markov: target.checked }));
    const steps = this.part("steps");
    steps.addEventListener("input", () => this.changed({ steps: Number(steps.value) }));
    this.part("seed").addEventListener("change", ({ target }) => this.changeSeed(target.value));
    this.part("anew").addEventListener("click", () => this.changeSeed((this.scene.seed + 1) % 2 ** 32));
    this.part("train").addEventListener("click", () => this.train());
  }

  changeSeed(typed) {
    const seed = Number(typed);
    const valid = typed !== "" && Number.isInteger(seed) && seed >= 0 && seed < 2 ** 32;
    tell(this.part("seed-problem"), valid ? "" : this.text.seed_range);
    if (valid) this.changed({ seed });
    this.part("seed").value = this.scene.seed;
  }

  // From Python: ᾱ of every schedule.
  receive({ tables }) {
    this.tables = tables;
    this.changed({ tables });
    this.transport.follow(tables.T);
  }

  changed(changes) {
    tell(this.part("seed-problem"), "");
    this.scene.set(changes);
    const { direction, denoiser, arrows, sampler, shape } = this.scene;
    this.root.classList.toggle("backward", direction === "reverse");
    this.showOne("forms", "form", arrows);
    this.showOne("ways", "way", sampler);
    this.part("pad").hidden = shape !== "own";
    this.part("learning").hidden = denoiser !== "network";
    if ("shape" in changes) this.drawing.chosen(shape === "own");
    if (this.tables && denoiser === "network") this.remembered.then(() => this.trainFirst());
    this.learned();
    this.transport.slider.setAttribute("aria-valuetext", this.describe(this.transport.value));
  }

  showOne(role, name, value) {
    for (const each of this.part(role).children) each.hidden = each.dataset[name] !== value;
  }

  // ---- the start that is taken by a hand ----------------------------------------------------------------

  addHandle() {
    const element = this.part("handle");
    const placeOf = (event) => {
      const { left, top } = this.screen.canvas.getBoundingClientRect();
      const border = this.screen.canvas.clientLeft;
      return this.screen.placeAt(event.clientX - left - border, event.clientY - top - border);
    };
    const settled = () => (this.part("start-told").textContent = startSaid(this));
    this.handle = new Handle(element, {
      placeOf, settled, place: () => this.scene.place, move: (place) => this.changed({ start: place }),
    });
    this.drawing.placeOf = placeOf;
    this.screen.canvas.addEventListener("click", (event) => {
      if (this.drawing.isOpen || this.scene.direction !== "reverse") return;
      this.changed({ start: placeOf(event) });
      settled();
    });
    const read = () => this.scene.start?.map((value) => value.toFixed(2)).join(",") ?? "";
    const write = (typed) => {
      const place = typed.split(",").map(Number);
      if (place.length !== 2 || place.some(Number.isNaN) || !typed.trim()) return false;
      this.changed({ start: place });
      return read() === typed;
    };
    link("plane.start", { read, write, first: "" });
    const key = `${this.root.id} start`;
    remember(key, { save: () => this.scene.start, restore: (start) => this.changed({ start }) });
  }

  // ---- the network --------------------------------------------------------------------------------------

  get keptAs() {
    return `${this.root.id} network`;
  }

  // Unless there is a network for these points.
  trainFirst() {
    const { key, denoiser } = this.scene;
    if (denoiser === "network" && !this.learner.get(key)) this.train();
    else this.learned();
  }

  // Begin, or end, or begin anew.
  train() {
    tell(this.part("train-problem"), "");
    const { key, data, table, seed } = this.scene;
    if (this.learner.key === key) this.learner.stop();
    else if (data.points.length) this.learner.start(key, { points: data.points, table, seed });
  }

  learned() {
    if (!this.tables) return;
    const { key, denoiser } = this.scene;
    const mine = this.learner.get(key);
    this.scene.set({ weights: mine?.weights ?? null });
    if (mine?.weights) keep(this.keptAs, () => ({ key, ...mine }));
    const isShown = denoiser === "network" && mine;
    this.part("loss").hidden = !isShown;
    if (isShown) this.drawLearning(mine);
    this.redraw();
  }

  drawLearning({ step, losses }) {
    const goesOn = this.learner.key === this.scene.key && step < STEPS;
    const loss = losses.length ? losses.at(-1)[1] : null;
    this.fill({
      learned: phrase(this.text.plane_learned, { step, steps: STEPS, loss: loss ? fixed(loss, 3) : "–" }),
    });
    this.find(".learning progress").value = step / STEPS;
    this.part("train").textContent = goesOn ? this.text.stop : this.text.plane_train;
    const values = new Array(61).fill(NaN);
    for (const [at, value] of losses) values[Math.round((60 * at) / STEPS)] = value;
    this.lossChart.plot("loss", values.filter((value, i) => !Number.isNaN(value) || i > (60 * step) / STEPS));
  }

  // ---- drawing ------------------------------------------------------------------------------------------

  describe(t) {
    if (!this.tables) return "";
    const { table, schedule } = this.scene;
    const level = percent(Math.sqrt(table[t]));
    const values = { t, T: this.transport.last, percent: level, schedule: this.text[schedule] };
    return phrase(this.text.valuetext, values);
  }

  draw() {
    if (!this.tables || !this.screen.size) return;
    const { scene, screen } = this;
    const t = this.transport.value;
    const level = levelAt(scene.table, t);
    if (this.drawing.isOpen) this.drawing.paint(screen);
    else paint(screen, scene, t);
    this.placeHandle();
    this.fill({
      t: String(t), steps: String(scene.steps), ...this.memory(),
      alpha_bar: scientific(level.alphaBar), sigma: fixed(level.sigma), snr: decibels(snr(level.alphaBar)),
    });
    const told = said(this, level);
    write(this.part("told"), told);
    const shape = this.text[`plane_${scene.shape}`];
    const about = phrase(this.text.plane_canvas_now, { shape, t, told });
    this.screen.canvas.setAttribute("aria-label", about);
  }

  // How near paths end to points that were trained on.
  memory() {
    const { memory } = this.scene;
    if (!memory) return { ends: "–", new: "–", copies: "–" };
    const copies = phrase(this.text.plane_copied, { count: memory.copies, all: memory.all });
    return { ends: fixed(memory.ends, 3), new: fixed(memory.others, 3), copies };
  }

  placeHandle() {
    const { handle: { element }, scene } = this;
    element.hidden = scene.direction !== "reverse" || this.drawing.isOpen || !scene.data.points.length;
    const [x, y] = scene.place;
    element.style.left = `${(100 * this.screen.xAt(x)) / this.screen.size}%`;
    element.style.top = `${(100 * this.screen.yAt(y)) / this.screen.size}%`;
    const label = phrase(this.text.plane_handle, { x: fixed(x, 2), y: fixed(y, 2) });
    element.setAttribute("aria-label", label);
    if (!element.matches(":focus")) write(this.part("start-told"), startSaid(this));
  }

  points() {
    const { shape, seed, points: number, data: { points } } = this.scene;
    const row = (_, i) => ({ x_0: points[2 * i], y_0: points[2 * i + 1] });
    const rows = Array.from({ length: points.length / 2 }, row);
    return { words: ["plane", shape, `${number}points`, `seed${seed}`], rows };
  }

  // Python that makes what is on show; a network is in this page alone.
  code(templates) {
    const { scene, transport: { value: t } } = this;
    const { direction, denoiser, markov, schedule, seed, steps, sampler, start } = scene;
    const isBack = direction === "reverse";
    if (!scene.data.points.length || (isBack && denoiser !== "exact")) return null;
    const [x, y] = start ?? [];
    const way = isBack ? "walk" : markov ? "chain" : "jump";
    const values = {
      schedule, seed, t, steps, sampler, points: fileName(this.points().words, "csv"),
      start: start ? phrase(templates.start, { x, y }) : "",
      file: fileName(["plane", scene.shape, way, `seed${seed}`, t], "png"),
    };
    return phrase(templates[way], values);
  }

  // To be saved: the way that Play takes.
  film() {
    const on = new PlaneCanvas(node("canvas"), { size: FILM });
    const { last } = this.transport;
    const picture = (k) => {
      paint(on, this.scene, this.scene.direction === "reverse" ? last - k : k);
      return on.canvas;
    };
    return { last, cell: FILM, picture };
  }
}

// What is written anew is read aloud and laid out anew, the same text too.
function write(place, text) {
  if (place.textContent !== text) place.textContent = text;
}
