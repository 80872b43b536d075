// Why latent?: bars of what one step costs on pixels and on latents, and what that makes of a picture's time.
import { node, phrase } from "../lib/dom.js";
import { digits, time } from "../lib/numbers.js";
import { Progress } from "../lib/progress.js";
import { remember } from "../lib/session.js";
import { View } from "../lib/view.js";

const SORTS = ["pixels", "latents"];
const UNITS = {
  operations: (value) => `${digits(value / 1e9)} GFLOP`,
  seconds: time,
  bytes: (value) => `${digits(value / 2 ** 20)} MiB`,
};

export function mount(context) {
  const view = new Latent(context);
  return (message) => view.receive(message);
}

class Latent extends View {
  shown = null; // the last message, with the last measurement of its model
  measured = {}; // these, by model

  constructor(context) {
    super(context);
    this.part("steps").addEventListener("input", () => this.shown && this.draw());
    this.progress = new Progress(this);
    const restore = (measured) => (this.measured = measured);
    remember(`${this.root.id} measured`, { save: () => this.measured, restore });
  }

  // {model, shapes, operations, measured?, busy?}: a measurement stays until there is a new one of its model.
  receive(message) {
    if (this.progress.takes(message)) return;
    if (message.busy) this.progress.prepare("");
    else this.progress.clear();
    if (!message.shapes) return; // given up before it began
    this.measured[message.model] = message.measured ?? this.measured[message.model];
    this.shown = { ...message, measured: this.measured[message.model] };
    this.draw();
  }

  draw() {
    const { shapes, operations, measured, busy } = this.shown;
    this.showCost("operations", operations);
    this.part("state").textContent = busy ? this.text.measuring : measured ? "" : this.text.cost_state;
    this.part("state").hidden = Boolean(measured) && !busy;
    this.part("arithmetic").hidden = this.part("how").hidden = !measured;
    if (measured) this.showMeasured();
    else for (const kind of ["seconds", "bytes"]) this.showCost(kind, null);
    for (const sort of SORTS)
      for (const name of this.root.querySelectorAll(`.${sort} .name`)) name.title = shapes[sort].join(" × ");
  }

  // values: {pixels, latents}, or null while not measured. `sign` stands before what is no plain measurement.
  showCost(kind, values, sign = "") {
    const card = this.find(`[data-cost="${kind}"]`);
    const most = values ? Math.max(values.pixels, values.latents) : 1;
    const bars = SORTS.map((sort) => {
      const mark = sort === "pixels" ? sign : "";
      return bar(sort, {
        label: this.text[`on_${sort}`],
        value: values ? mark + UNITS[kind](values[sort]) : "–",
        share: values ? values[sort] / most : 0,
        estimated: mark !== "",
      });
    });
    card.querySelector('[data-role="bars"]').replaceChildren(...bars);
    const ratio = values ? `${sign}${digits(values.pixels / values.latents)} ×` : "";
    card.querySelector('[data-role="ratio"]').textContent = ratio;
  }

  showMeasured() {
    const { measured, operations, shapes } = this.shown;
    const whole = measured.pixels.side === shapes.pixels[1];
    const scale = operations.pixels / measured.operations; // 1 if the whole picture was measured
    const seconds = { pixels: measured.pixels.seconds * scale, latents: measured.latents.seconds };
    this.showCost("seconds", seconds, whole ? "" : "≈ ");
    const bytes = { pixels: measured.pixels.bytes, latents: measured.latents.bytes };
    this.showCost("bytes", bytes, whole ? "" : "> ");
    this.part("how").textContent = this.howMeasured(whole, seconds);
    this.part("autoencoder").textContent = phrase(this.text.cost_autoencoder, {
      encode: time(measured.encode.seconds),
      decode: time(measured.decode.seconds),
      psnr: measured.psnr.toFixed(1),
    });
    this.showTotals(whole, seconds, measured.decode.seconds);
  }

  howMeasured(whole, seconds) {
    const { measured, operations, shapes } = this.shown;
    const { machine, rounds, pixels } = measured;
    const less = seconds.pixels / seconds.latents < operations.pixels / operations.latents;
    return [
      phrase(this.text.cost_how, { machine, rounds }),
      whole ? "" : phrase(this.text.cost_estimated, { side: pixels.side, whole: shapes.pixels[1] }),
      whole && less ? this.text.cost_less : "",
    ].join(" ");
  }

  showTotals(whole, seconds, decode) {
    const number = Number(this.part("steps").value);
    const [pixels, latents] = [number * seconds.pixels, number * seconds.latents + decode];
    this.fill({
      steps: String(number),
      equals: whole ? "=" : "≈",
      pixel_step: time(seconds.pixels),
      pixel_total: time(pixels),
      latent_step: time(seconds.latents),
      decode: time(decode),
      latent_total: time(latents),
      gain: phrase(this.text.cost_gain, { ratio: (whole ? "" : "≈ ") + digits(pixels / latents) }),
    });
  }
}

// One row of a cost: its name, a bar in units of the larger one, its value; dashed if it is an estimate.
function bar(sort, { label, value, share, estimated }) {
  const row = node("div", `bar ${sort}${estimated ? " estimated" : ""}`);
  const track = node("span", "track");
  track.append(node("i", ""));
  track.firstChild.style.width = `${100 * share}%`;
  row.append(node("span", "name", label), track, node("span", "number", value));
  return row;
}
