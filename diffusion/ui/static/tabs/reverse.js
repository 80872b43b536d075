// The Reverse tab: a film of x_t, ε̂ and x̂_0, frame by frame as the server makes it, then the browser's own.
Diffusion.views.reverse = (element, props, watch) => {
  "use strict";
  const D = Diffusion;
  const root = element.querySelector(".lab");
  const find = (selector) => root.querySelector(selector);
  const KINDS = ["x_t", "eps_hat", "x_0_hat"];

  const grids = KINDS.map((kind) => new D.Grid(find(`[data-c="${kind}"]`)));

  function draw() {
    const { value: k, film } = transport;
    const frame = film?.frames[k];
    if (!frame) return;
    grids.forEach((grid, i) => grid.show(frame, (i * frame.length) / 3));
    const row = film.rows[k];
    find('[data-role="update"]').hidden = !row;
    find('[data-role="finished"]').hidden = Boolean(row);
    const N = film.info.num_steps;
    if (!row) {
      D.fill(root, { t: "0", k: String(k), N: String(N), snr: "∞", ms: "–" });
      return;
    }
    find('[data-role="fresh"]').hidden = row.noise_weight === 0;
    find('[data-role="extrapolated"]').hidden = row.extrapolation === 0;
    find('[data-role="plain"]').hidden = row.extrapolation !== 0;
    D.fill(root, {
      t: String(row.t),
      s: String(row.s),
      k: String(k),
      N: String(N),
      snr: D.decibels(row.snr),
      ms: (1000 * row.seconds).toFixed(0),
      w_x_0: D.fixed(row.x_0_weight),
      w_eps: D.fixed(row.eps_weight),
      w_noise: D.fixed(row.noise_weight),
      alpha_t: D.fixed(Math.sqrt(row.alphas_cumprod_t)),
      sigma_t: D.fixed(Math.sqrt(1 - row.alphas_cumprod_t)),
      extrapolation: D.fixed(row.extrapolation, 3),
    });
  }
  const redraw = D.onNextFrame(root, draw);

  const transport = new D.FilmTransport(root, {
    strings: props.strings,
    onFilm({ info }) {
      const [count, ...shape] = D.shapeOf(info, "x_t");
      for (const grid of grids) grid.resize(count, shape);
    },
    onChange: redraw,
  });
  watch("value", () => transport.receive(props.value));
  if (D.state.film) {
    transport.show(D.state.film);
    transport.autoplay();
  }
};

// A line of pictures above the tabs in which the shipped film plays: noise becoming images.
Diffusion.views.hero = (element, props) => {
  "use strict";
  const D = Diffusion;
  const SECONDS = 5;
  const PAUSE = 2.5;
  const canvas = element.querySelector("canvas");
  const message = props.value;
  if (!message) return;
  const film = D.addFrames({ id: message.film, info: message.info, frames: [], rows: [] }, message.frames);
  D.update({ film });
  canvas.dataset.film = film.id;
  const row = new D.Grid(canvas);
  const [count, ...shape] = D.shapeOf(film.info, "x_t");
  row.resize(count, shape, count);
  const last = film.frames.length - 1;
  let shown;
  const show = (k) => {
    if (k !== shown) row.show(film.frames[k], 0);
    shown = k;
  };
  const start = performance.now();
  const tick = (now) => {
    const seconds = (Math.max(now - start, 0) / 1000) % (SECONDS + PAUSE);
    show(D.reducedMotion.matches ? last : Math.min(last, Math.floor((seconds / SECONDS) * last)));
    if (canvas.isConnected && !D.reducedMotion.matches) requestAnimationFrame(tick);
  };
  tick(start);
};
