// The objective: one picture, the noise added to it, the network's guess and the loss, at every noise level.
import { Chart } from "../lib/chart.js";
import { base64From, bytesFrom, halfFloats } from "../lib/decode.js";
import { node, onNextFrame, phrase } from "../lib/dom.js";
import { decibels, fixed } from "../lib/numbers.js";
import { Grid, toBytes, withChannels } from "../lib/pictures.js";
import { presetButton } from "../lib/presets.js";
import { snr } from "../lib/schedules.js";
import { Question } from "../lib/server.js";
import { pixelsOf, state, subscribe } from "../lib/state.js";
import { Transport } from "../lib/transport.js";
import { View } from "../lib/view.js";

const NOISE_RANGE = 3;

export function mount(context) {
  return (message) => new Objective(context, message);
}

class Objective extends View {
  chosen = null; // {bytes, label, note}
  answer = null; // {picture, x0, noise, epsHat, loss}: what is shown
  seed = 0;

  // message: {image_shape, levels, alphas_cumprod, examples: [{pixels, label, name}], typical, data}
  constructor(context, message) {
    super(context);
    this.about = message;
    this.last = message.levels.length - 1;
    this.T = message.levels[this.last];
    this.grids = Object.fromEntries(
      ["x_t", "eps", "eps_hat", "difference"].map((name) => [name, this.grid(this.canvas(name))]),
    );
    this.addChart();
    this.question = new Question(this.server.predict, this.part("problem"), this.text);
    this.transport = new Transport(this.root, {
      seconds: 6,
      describe: (k) => this.describe(k),
      onChange: onNextFrame(this.root, () => this.draw()),
    });
    this.addExamples();
    this.part("other-noise").addEventListener("click", () => {
      this.seed += 1;
      this.choose(this.chosen);
    });
    this.transport.setRange(this.last, Math.round(0.4 * this.last));
  }

  grid(canvas) {
    const grid = new Grid(canvas);
    grid.resize(1, this.about.image_shape);
    return grid;
  }

  addChart() {
    const { T } = this;
    this.losses = new Chart(this.chart("loss"), {
      lines: ["loss"],
      y: [-4, 0.5],
      yTicks: [[0, "1"], [-1, "0.1"], [-2, "0.01"], [-3, "0.001"]],
      xTicks: [[0, "t = 0"], ...[0.25, 0.5, 0.75, 1].map((share) => [share, String(share * T)])],
      onDrag: (fraction) => this.transport.goTo(fraction),
    });
  }

  describe(k) {
    const loss = this.answer ? fixed(this.answer.loss[k]) : "–";
    return phrase(this.text.valuetext_level, { t: this.about.levels[k], T: this.T, loss });
  }

  // ---- pictures to choose from --------------------------------------------------------------------------

  addExamples() {
    for (const { name, pixels, label } of this.about.examples)
      this.addExample(name, { bytes: bytesFrom(pixels), label });
    const [height, width] = this.about.image_shape;
    this.own = this.addExample(phrase(this.text.own_example, { width, height }), null);
    this.own.classList.add("mine");
    if (state.picture) this.takeOwn();
    subscribe((changes) => changes.picture && this.takeOwn());
  }

  addExample(name, picture) {
    const example = presetButton(name, () => this.choose(example.picture));
    example.append(node("canvas", ""));
    if (picture) this.paint(example, picture);
    this.find(".presets").append(example);
    return example;
  }

  paint(example, picture) {
    example.picture = picture;
    this.grid(example.firstChild).show(picture.bytes);
  }

  // The Forward tab's picture, as the network would have to see it.
  async takeOwn() {
    const image = Object.assign(new Image(), { src: state.picture });
    await image.decode();
    const [height, width, channels] = this.about.image_shape;
    const wasChosen = this.chosen && this.chosen === this.own.picture;
    this.paint(this.own, {
      bytes: withChannels(pixelsOf(image, width, height), channels),
      label: null,
      note: phrase(this.text.own_note, { data: this.about.data }),
    });
    if (wasChosen) this.choose(this.own.picture);
  }

  async choose(picture) {
    this.chosen = picture;
    this.mark(picture);
    const { bytes, label, note } = picture;
    const request = { pixels: base64From(bytes), label, seed: this.seed };
    const reply = await this.question.answer(request, () => this.mark(this.answer?.picture));
    if (!reply) return;
    this.mark(picture);
    this.part("note").textContent = note ?? "";
    this.answer = {
      picture,
      x0: Float32Array.from(bytes, (value) => value / 127.5 - 1),
      noise: halfFloats(reply.noise),
      epsHat: halfFloats(reply.eps_hat), // of all noise levels
      loss: reply.loss,
    };
    this.losses.plot("loss", reply.loss.map(Math.log10));
    this.transport.set(this.transport.value);
  }

  mark(picture) {
    for (const example of this.find(".presets").children)
      example.setAttribute("aria-pressed", example.picture === picture);
  }

  // ---- one noise level ----------------------------------------------------------------------------------

  draw() {
    if (!this.chosen) this.choose(this.find(".presets").firstChild.picture);
    if (!this.answer) return;
    const k = this.transport.value;
    const { levels, alphas_cumprod: alphaBars, typical } = this.about;
    this.drawPictures(k, alphaBars[k]);
    this.losses.cursor("x_t", k / this.last);
    const quarter = Math.min(3, Math.floor(((levels[k] - 1) / this.T) * 4));
    this.fill({
      t: String(levels[k]),
      snr: decibels(snr(alphaBars[k])),
      loss: fixed(this.answer.loss[k], 5),
      typical: fixed(typical[quarter]),
    });
  }

  drawPictures(k, alphaBar) {
    const { x0, noise, epsHat: all } = this.answer;
    const epsHat = all.subarray(k * x0.length, (k + 1) * x0.length);
    const [alpha, sigma] = [Math.sqrt(alphaBar), Math.sqrt(1 - alphaBar)];
    this.grids.x_t.show(toBytes(x0.map((x, i) => alpha * x + sigma * noise[i])));
    this.grids.eps.show(toBytes(noise, NOISE_RANGE));
    this.grids.eps_hat.show(toBytes(epsHat, NOISE_RANGE));
    this.grids.difference.show(toBytes(noise.map((eps, i) => eps - epsHat[i]), NOISE_RANGE));
  }
}
