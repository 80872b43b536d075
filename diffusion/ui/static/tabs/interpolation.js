// Interpolation: a film whose frames are pictures between two ends; the browser scrubs it.
Diffusion.views.interpolation = (element, props, watch) => {
  "use strict";
  const D = Diffusion;
  const text = props.strings;
  const root = element.querySelector(".lab");
  const part = (role) => root.querySelector(`[data-role="${role}"]`);
  const noise = new D.Grid(root.querySelector('[data-c="ip-noise"]'));
  const picture = new D.Grid(root.querySelector('[data-c="ip-picture"]'));
  let film = null; // {id, info, frames: [Uint8Array], rows: [{finished}]}
  let reel = []; // for each frame {button, grid}
  let live = false; // following the newest frame of a film that is still being made

  const percent = (w) => String(Math.round(100 * w));
  const named = (prompt) => (prompt ? `“${prompt}”` : text.no_text);

  function draw() {
    const k = transport.value;
    const frame = film?.frames[k];
    if (!frame) return;
    const { w, weights, variance, straight_variance: straight } = film.info.frames[k];
    picture.show(frame, 0);
    noise.show(film.noises[k], 0);
    part("picture").classList.toggle("predicted", !film.rows[k].finished);
    reel.forEach(({ button }, i) => button.setAttribute("aria-pressed", i === k));
    part("mix").style.width = `${100 * w}%`;
    D.fill(root, {
      w: D.fixed(w, 3),
      of_a: D.fixed(1 - w, 3),
      of_b: D.fixed(w, 3),
      slerp_a: D.fixed(weights[0], 3),
      slerp_b: D.fixed(weights[1], 3),
      angle: D.fixed((film.info.angle * 180) / Math.PI, 1),
      variance: D.fixed(variance, 2),
      straight: D.fixed(straight, 2),
    });
  }
  const redraw = D.onNextFrame(root, draw);

  const transport = new D.Transport(root, {
    stage: root.querySelector(".stage"),
    seconds: 3,
    describe: (k) => {
      if (!film) return "";
      return D.phrase(text.valuetext_journey, {
        k, K: film.info.frames.length - 1, percent: percent(film.info.frames[k]?.w ?? 0),
      });
    },
    onChange: redraw,
  });
  // A hand on the transport or the reel ends the following of the newest frame.
  for (const kind of ["pointerdown", "keydown"])
    for (const hand of [root.querySelector(".transport"), part("reel")])
      hand.addEventListener(kind, () => (live = false), true);

  // A place for every frame, empty until its picture comes.
  function layReel() {
    reel = film.info.frames.map(({ w }, k) => {
      const button = document.createElement("button");
      button.type = "button";
      button.disabled = true;
      button.setAttribute("aria-label", D.phrase(text.journey_frame, { k, percent: percent(w) }));
      const canvas = button.appendChild(document.createElement("canvas"));
      const grid = new D.Grid(canvas);
      grid.resize(1, D.shapeOf(film.info, "picture"));
      button.addEventListener("click", () => transport.userSet(k));
      return { button, grid };
    });
    part("reel").replaceChildren(...reel.map(({ button }) => button));
  }

  function show(message) {
    const { info } = message;
    transport.pause();
    film = { id: message.film, info, frames: [], rows: [] };
    const [channels, height, width] = info.latent_shape;
    noise.resize(channels, [height, width, 1], Math.ceil(channels / 2));
    picture.resize(1, D.shapeOf(info, "picture"));
    film.noises = info.frames.map((frame) => D.bytesFrom(frame.noise));
    layReel();
    const changes = { prompts: info.mode !== "noises", noises: info.mode !== "prompts" };
    for (const [role, changing] of Object.entries(changes))
      for (const node of root.querySelectorAll(`[data-role="${role}"]`)) node.hidden = !changing;
    D.fill(root, {
      start: changes.noises ? text.journey_noise : text.journey_same_noise,
      from: changes.prompts ? named(info.prompts[0]) : text.journey_a,
      to: changes.prompts ? named(info.prompts[1]) : text.journey_b,
    });
    part("notes").textContent = info.notes.join(" ");
    part("made").textContent = info.made;
    root.dataset.film = film.id;
    root.dataset.done = "false";
  }

  // A message from Python: {film, info, frames: [{k, pixels, row}]}: the same frames come again as they clear up.
  function receive() {
    const message = props.value;
    if (!message) return;
    if (message.film !== film?.id) {
      show(message);
      live = true;
    }
    D.addFrames(film, message.frames);
    for (const { k, row } of message.frames) {
      reel[k].grid.show(film.frames[k], 0);
      reel[k].button.disabled = false;
      reel[k].button.classList.toggle("making", !row.finished);
    }
    const arrived = film.frames.length;
    const whole = arrived === film.info.frames.length && film.rows.every((row) => row.finished);
    part("idle").hidden = true;
    for (const role of ["start", "arrow", "picture", "formula"]) part(role).hidden = false;
    if (!arrived) {
      picture.show(new Uint8Array(picture.width * picture.height * picture.channels).fill(128), 0);
      noise.show(film.noises[0], 0);
      return;
    }
    transport.setRange(arrived - 1, live ? message.frames.at(-1).k : transport.value);
    redraw();
    if (!whole || root.dataset.done === "true") return;
    root.dataset.done = "true";
    if (live) {
      transport.set(0);
      transport.autoplay();
    }
  }
  watch("value", receive);
  receive();
};
