// The training time machine: samples from the same noise, and the loss, at log-spaced moments of a run.
Diffusion.views.training = (element, props) => {
  "use strict";
  const D = Diffusion;
  const root = element.querySelector(".lab");
  const find = (selector) => root.querySelector(selector);
  const { made, lead } = props.value.info;
  const [count, ...shape] = D.shapeOf(props.value.info, "samples");
  const { frames, rows: moments } = D.addFrames({ frames: [], rows: [] }, props.value.frames);
  const last = moments.length - 1;
  const QUARTILES = [0, 1, 2, 3];
  find('[data-role="lead"]').textContent = lead;
  find('[data-role="made"]').textContent = made;
  const grid = new D.Grid(find('[data-c="samples"]'));
  grid.resize(count, shape);

  const short = (n) => (n >= 1e6 ? `${+(n / 1e6).toFixed(1)} M` : n >= 1e3 ? `${+(n / 1e3).toFixed(n < 1e4 ? 1 : 0)} k` : String(n));
  const ticks = [0, 0.25, 0.5, 0.75, 1].map((f) => [f, short(moments[Math.round(f * last)].images_seen)]);
  const chart = new D.Chart(find('[data-chart="quartiles"]'), {
    lines: QUARTILES.flatMap((q) => [`last q${q}`, `q${q}`]),
    y: [-3, 0.2],
    yTicks: [[0, "1"], [-1, "0.1"], [-2, "0.01"], [-3, "0.001"]],
    xTicks: ticks,
    onDrag: (fraction) => transport.userSet(Math.round(fraction * last)),
  });
  for (const q of QUARTILES) {
    chart.plot(`last q${q}`, moments.map((row) => Math.log10(row.loss[q])));
    chart.plot(`q${q}`, moments.map((row) => Math.log10(row.loss_of_average[q])));
  }

  const seen = (k) => moments[k].images_seen.toLocaleString("en");
  const redraw = D.onNextFrame(root, () => {
    const k = transport.value;
    grid.show(frames[k], 0);
    chart.cursor("x_t", k / last);
    const losses = moments[k].loss_of_average.map((value, q) => [`q${q}`, D.fixed(value)]);
    D.fill(root, { seen: seen(k), ...Object.fromEntries(losses) });
  });
  const transport = new D.Transport(root, {
    stage: find(".stage"),
    seconds: 6,
    describe: (k) => D.phrase(props.strings.valuetext_moment, { seen: seen(k) }),
    onChange: redraw,
  });
  transport.setRange(last, last);
};
