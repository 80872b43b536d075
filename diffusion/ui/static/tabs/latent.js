// Why latent?: bars of what one step costs on pixels and on latents, and the way of one picture through them.
(() => {
  "use strict";
  const D = Diffusion;
  const { phrase } = D;
  const digits = (value) => (value >= 100 ? value.toFixed(0) : value.toPrecision(3));
  const time = (seconds) => (seconds >= 1 ? `${digits(seconds)} s` : `${digits(1000 * seconds)} ms`);
  const times = (shape) => shape.join(" × ");
  const count = (shape) => shape.reduce((a, b) => a * b).toLocaleString("en");

  const UNITS = {
    operations: (value) => `${digits(value / 1e9)} GFLOP`,
    seconds: time,
    bytes: (value) => `${digits(value / 2 ** 20)} MiB`,
  };

  D.views.latent = (element, props, watch) => {
    const text = props.strings;
    const root = element.querySelector(".lab");
    const part = (role, from = root) => from.querySelector(`[data-role="${role}"]`);
    const steps = part("steps");
    let shown = null; // the last message

    // One row of a cost: its name, a bar in units of the larger one, its value; dashed if it is an estimate.
    function bar(sort, value, share, label, estimated) {
      const row = document.createElement("div");
      row.className = `bar ${sort}${estimated ? " estimated" : ""}`;
      const [name, track, number] = ["name", "track", "number"].map((className) => {
        const span = document.createElement("span");
        span.className = className;
        row.append(span);
        return span;
      });
      name.textContent = label;
      const fill = document.createElement("i");
      fill.style.width = `${100 * share}%`;
      track.append(fill);
      number.textContent = value;
      return row;
    }

    // values: {pixels, latents}, or null while not measured. `sign` stands before what is no plain measurement.
    function show(kind, values, sign = "") {
      const card = root.querySelector(`[data-cost="${kind}"]`);
      const most = values ? Math.max(values.pixels, values.latents) : 1;
      const rows = ["pixels", "latents"].map((sort) => {
        const mark = sort === "pixels" ? sign : "";
        const number = values ? mark + UNITS[kind](values[sort]) : "–";
        return bar(sort, number, values ? values[sort] / most : 0, text[`on_${sort}`], mark !== "");
      });
      part("bars", card).replaceChildren(...rows);
      part("ratio", card).textContent = values ? `${sign}${digits(values.pixels / values.latents)} ×` : "";
    }

    function showMeasured({ measured, operations, shapes }) {
      const whole = measured.pixels.side === shapes.pixels[1];
      const scale = operations.pixels / measured.operations; // 1 if the whole picture was measured
      const seconds = { pixels: measured.pixels.seconds * scale, latents: measured.latents.seconds };
      const about = whole ? "" : "≈ ";
      show("seconds", seconds, about);
      show("bytes", { pixels: measured.pixels.bytes, latents: measured.latents.bytes }, whole ? "" : "> ");
      const side = measured.pixels.side;
      part("how").textContent = [
        phrase(text.cost_how, { machine: measured.machine, rounds: measured.rounds }),
        whole ? "" : phrase(text.cost_estimated, { side, whole: shapes.pixels[1] }),
        whole && seconds.pixels / seconds.latents < operations.pixels / operations.latents ? text.cost_less : "",
      ].join(" ");
      part("autoencoder").textContent = phrase(text.cost_autoencoder, {
        encode: time(measured.encode.seconds),
        decode: time(measured.decode.seconds),
        psnr: measured.psnr.toFixed(1),
      });
      const number = Number(steps.value);
      const totals = [number * seconds.pixels, number * seconds.latents + measured.decode.seconds];
      D.fill(root, {
        steps: String(number),
        equals: whole ? "=" : "≈",
        pixel_step: time(seconds.pixels),
        pixel_total: time(totals[0]),
        latent_step: time(seconds.latents),
        decode: time(measured.decode.seconds),
        latent_total: time(totals[1]),
        gain: phrase(text.cost_gain, { ratio: about + digits(totals[0] / totals[1]) }),
      });
    }

    function draw() {
      if (!shown) return;
      const { shapes, operations, measured, busy } = shown;
      show("operations", operations);
      part("state").textContent = busy ? text.measuring : measured ? "" : text.cost_state;
      part("state").hidden = Boolean(measured);
      part("arithmetic").hidden = part("how").hidden = !measured;
      if (measured) showMeasured(shown);
      else for (const kind of ["seconds", "bytes"]) show(kind, null);
      for (const sort of ["pixels", "latents"])
        for (const name of root.querySelectorAll(`.bar.${sort} .name`)) name.title = times(shapes[sort]);
    }

    function receive() {
      const message = props.value;
      if (!message) return;
      const keep = message.busy && shown?.measured ? { measured: shown.measured } : {}; // until there is a new one
      shown = { ...message, ...keep };
      draw();
      if (message.busy) {
        part("state").textContent = text.measuring;
        part("state").hidden = false;
      }
    }
    steps.addEventListener("input", draw);
    watch("value", receive);
    receive();
  };

  D.views.reconstruction = (element, props, watch) => {
    const GAIN = 4;
    const text = props.strings;
    const root = element.querySelector(".lab");
    const grids = {};
    for (const kind of ["original", "latent", "reconstruction", "difference"])
      grids[kind] = new D.Grid(root.querySelector(`[data-c="lr-${kind}"]`));

    function verdict({ is_emoji: isEmoji, psnr, emoji_psnr: typical }) {
      if (isEmoji) return text.emoji_come_back;
      return psnr < typical ? text.others_come_back : text.others_come_back_well;
    }

    function receive() {
      const message = props.value;
      if (!message) return;
      const { image_shape: shape, latent_shape: [channels, height, width], psnr } = message;
      const original = D.bytesFrom(message.original);
      const back = D.bytesFrom(message.reconstruction);
      const difference = new Uint8ClampedArray(original.length);
      for (let i = 0; i < difference.length; i++) difference[i] = 128 + GAIN * (back[i] - original[i]);
      for (const kind of ["original", "reconstruction", "difference"]) grids[kind].resize(1, shape);
      grids.latent.resize(channels, [height, width, 1], Math.ceil(channels / 2));
      grids.original.show(original, 0);
      grids.latent.show(D.bytesFrom(message.latent), 0);
      grids.reconstruction.show(back, 0);
      grids.difference.show(difference, 0);
      const numbers = (size) => phrase(text.numbers_of, { shape: times(size), count: count(size) });
      D.fill(root, {
        pixels: numbers(shape),
        channels: phrase(text.latent_channels, { count: channels }),
        latents: numbers(message.latent_shape),
        psnr: phrase(text.psnr_value, { psnr: psnr.toFixed(1) }),
        error: phrase(text.error_value, { error: (255 * 10 ** (-psnr / 20)).toFixed(1) }),
      });
      root.querySelector('[data-role="amplified"]').textContent = phrase(text.difference_amplified, { gain: GAIN });
      root.querySelector('[data-role="verdict"]').textContent = phrase(verdict(message), {
        psnr: psnr.toFixed(1),
        emoji: message.emoji_psnr.toFixed(1),
      });
    }
    watch("value", receive);
    receive();
  };
})();
