// Two really trained networks, one for each schedule: their films side by side, their quality over steps.
Diffusion.views.trained = (element, props) => {
  "use strict";
  const D = Diffusion;
  const root = element.querySelector(".lab");
  const find = (selector) => root.querySelector(selector);
  const { films: messages, curves, lead, note } = props.value;
  const NAMES = ["linear", "cosine"];
  find('[data-role="lead"]').textContent = lead;
  find('[data-role="note"]').textContent = note;

  // ---- the films ---------------------------------------------------------------------------------------
  const films = NAMES.map((name) => {
    const grid = new D.Grid(find(`[data-c="${name}"]`));
    const [count, ...shape] = D.shapeOf(messages[name].info, "samples");
    grid.resize(count, shape);
    return { grid, ...D.addFrames({ frames: [], rows: [] }, messages[name].frames) };
  });
  const last = films[0].frames.length - 1;
  const t = (k) => films[0].rows[k]?.t ?? 0;
  const redraw = D.onNextFrame(root, () => {
    for (const { grid, frames } of films) grid.show(frames[transport.value], 0);
  });
  const transport = new D.Transport(root, {
    stage: find(".stage"),
    seconds: 4,
    describe: (k) => D.phrase(props.strings.valuetext_film, { k, N: last, t: t(k), T: t(0) }),
    onChange: redraw,
  });
  transport.setRange(last, last);

  // ---- the curves --------------------------------------------------------------------------------------
  const of = (name, sampler) => curves[name].filter((row) => row.sampler === sampler);
  function drawCurves(sampler) {
    const numbers = of(NAMES[0], sampler).map((row) => row.num_steps);
    const xTicks = numbers.map((n, i) => [i / (numbers.length - 1), String(n)]);
    const all = NAMES.flatMap((name) => curves[name]);
    const recognised = all.map((row) => 100 * row.recognised);
    const low = Math.max(0, 5 * Math.floor(Math.min(...recognised) / 5));
    const most = Math.ceil(2 * Math.max(...all.map((row) => row.frechet))) / 2;
    const charts = {
      recognised: { y: [low, 100], value: (row) => 100 * row.recognised },
      frechet: { y: [0, most], value: (row) => row.frechet },
    };
    for (const [key, { y, value }] of Object.entries(charts)) {
      const middle = (y[0] + y[1]) / 2;
      const yTicks = [y[0], middle, y[1]].map((v) => [v, String(+v.toFixed(2))]);
      const chart = new D.Chart(find(`[data-chart="${key}"]`), { lines: NAMES, y, yTicks, xTicks });
      for (const name of NAMES) chart.plot(name, of(name, sampler).map(value));
    }
  }
  const measured = NAMES.every((name) => curves[name].length > 1);
  find('[data-role="curves"]').hidden = !measured;
  if (measured) drawCurves("dpm++2m");
  D.onChoice(root, "trained-sampler", drawCurves);
};
