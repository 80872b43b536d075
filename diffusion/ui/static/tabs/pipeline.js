// A pipeline of the Hub: a film of its latents and of what they look like, decoded.
import { node, onNextFrame, phrase } from "../lib/dom.js";
import { FilmTransport } from "../lib/film_transport.js";
import { milliseconds } from "../lib/numbers.js";
import { Grid, columnsFor } from "../lib/pictures.js";
import { Save } from "../lib/save.js";
import { View } from "../lib/view.js";

const SMALL = 256; // pixels; only smaller pictures are magnified without smoothing
const SYMBOLS = { pipeline_result: "<i>x</i><sub>0</sub>", decoded: '<i class="hat">x</i><sub>0</sub>' };

export function mount(context) {
  const view = new Pipeline(context);
  return (message) => view.transport.receive(message);
}

class Pipeline extends View {
  wanted = null; // the JPEG that is being decoded

  constructor(context) {
    super(context);
    this.latents = new Grid(this.canvas("latents"));
    this.picture = this.canvas("picture");
    this.transport = new FilmTransport(this, {
      onFilm: (film) => this.prepare(film),
      onChange: onNextFrame(this.root, () => this.draw()),
    });
    this.transport.linkFilm(() => this.transport.film, {});
    this.save = new Save(this, {
      name: () => this.transport.film?.info.file ?? [],
      film: () => this.film(),
      table: () => this.transport.film?.rows,
    });
    this.transport.restore();
  }

  prepare(film) {
    const [channels] = film.shape("latents");
    this.latents.resizeForLatent(film.shape("latents"), columnsFor(channels));
    [this.picture.height, this.picture.width] = film.info.image_shape;
    this.picture.style.imageRendering = this.picture.width < SMALL ? "" : "auto";
    const label = phrase(this.text.latent_channels, { count: channels });
    this.part("channels").textContent = label;
    this.canvas("latents").setAttribute("aria-label", label);
  }

  draw() {
    const { value: k, film } = this.transport;
    if (!film?.has(k)) return;
    this.latents.show(film.plane(k, "latents"));
    this.drawPicture(film.plane(k, "jpeg"));
    const row = film.rows[k] ?? film.rows[k - 1]; // what came out has no numbers of its own
    const N = film.info.num_steps;
    this.label(k === N ? "pipeline_result" : row.predicted ? "decoded" : "pipeline_undenoised");
    this.part("withheld").hidden = !row.withheld;
    this.fill({
      t: k === N ? "0" : String(Math.round(row.t)),
      k: String(k),
      N: String(N),
      ms: k === N ? "–" : milliseconds(row.seconds),
    });
  }

  // To be saved: the decoded pictures.
  film() {
    const { film } = this.transport;
    if (!film) return null;
    const [height, width] = film.info.image_shape;
    const canvas = Object.assign(node("canvas"), { width, height });
    const picture = async (k) => {
      await drawJpeg(film.plane(k, "jpeg"), canvas);
      return canvas;
    };
    return { last: film.last, cell: Math.max(height, width), picture };
  }

  // Decoding takes a moment, in which another picture may have been asked for.
  async drawPicture(jpeg) {
    this.wanted = jpeg;
    await drawJpeg(jpeg, this.picture, () => this.wanted === jpeg);
  }

  label(kind) {
    this.part("symbol").innerHTML = SYMBOLS[kind] ?? "";
    this.part("what").textContent = this.text[kind];
    this.picture.setAttribute("aria-label", this.text[kind]);
    this.picture.parentElement.classList.toggle("predicted", kind !== "pipeline_result");
  }
}

// On a canvas, if it is wanted still when it is decoded.
async function drawJpeg(jpeg, canvas, wanted = () => true) {
  const bitmap = await createImageBitmap(new Blob([jpeg], { type: "image/jpeg" }));
  if (wanted()) canvas.getContext("2d").drawImage(bitmap, 0, 0);
  bitmap.close();
}
