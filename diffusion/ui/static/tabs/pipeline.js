// A pipeline of the Hub: a film of its latents and of what they look like, decoded.
Diffusion.views.pipeline = (element, props, watch) => {
  "use strict";
  const D = Diffusion;
  const text = props.strings;
  const SMALL = 256; // pixels
  const root = element.querySelector(".lab");
  const find = (selector) => root.querySelector(selector);
  const latents = new D.Grid(find('[data-c="latents"]'));
  const canvas = find('[data-c="picture"]');
  let wanted = null; // the frame whose picture is being decoded

  // A frame is its latents, then a JPEG; that takes a moment, in which another may have been asked for.
  async function drawPicture(frame) {
    wanted = frame;
    const start = D.shapeOf(transport.film.info, "latents").reduce((a, b) => a * b);
    const bitmap = await createImageBitmap(new Blob([frame.subarray(start)], { type: "image/jpeg" }));
    if (wanted === frame) canvas.getContext("2d").drawImage(bitmap, 0, 0);
    bitmap.close();
  }

  function draw() {
    const { value: k, film } = transport;
    const frame = film?.frames[k];
    if (!frame) return;
    const row = film.rows[k] ?? film.rows[k - 1]; // what came out has no numbers of its own
    const N = film.info.num_steps;
    latents.show(frame, 0);
    drawPicture(frame);
    const kind = k === N ? "pipeline_result" : row.predicted ? "decoded" : "pipeline_undenoised";
    find('[data-role="symbol"]').innerHTML = { pipeline_result: "<i>x</i><sub>0</sub>", decoded: '<i class="hat">x</i><sub>0</sub>' }[kind] ?? "";
    find('[data-role="what"]').textContent = text[kind];
    canvas.setAttribute("aria-label", text[kind]);
    canvas.parentElement.classList.toggle("predicted", k !== N);
    find('[data-role="withheld"]').hidden = !row.withheld;
    D.fill(root, {
      t: k === N ? "0" : String(Math.round(row.t)),
      k: String(k),
      N: String(N),
      ms: k === N ? "–" : (1000 * row.seconds).toFixed(0),
    });
  }
  const redraw = D.onNextFrame(root, draw);

  const transport = new D.FilmTransport(root, {
    strings: text,
    onFilm({ info }) {
      const [channels, height, width] = D.shapeOf(info, "latents");
      latents.resize(channels, [height, width, 1]);
      [canvas.height, canvas.width] = info.image_shape;
      canvas.style.imageRendering = canvas.width < SMALL ? "" : "auto"; // only the small are magnified
      find('[data-role="channels"]').textContent = D.phrase(text.latent_channels, { count: channels });
      find('[data-c="latents"]').setAttribute("aria-label", find('[data-role="channels"]').textContent);
    },
    onChange: redraw,
  });
  watch("value", () => transport.receive(props.value));
};
