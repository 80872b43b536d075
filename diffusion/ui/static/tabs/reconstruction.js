// What is lost?: one picture through the autoencoder and back.
import { bytesFrom, contentOf } from "../lib/decode.js";
import { phrase, whenSeen } from "../lib/dom.js";
import { PictureRow } from "../lib/picture_row.js";
import { Grid, differenceOf } from "../lib/pictures.js";
import { Question } from "../lib/server.js";
import { View } from "../lib/view.js";

const GAIN = 4; // of the difference

export function mount(context) {
  const view = new Reconstruction(context);
  return (message) => view.receive(message);
}

class Reconstruction extends View {
  shown = null; // the tile that is on show
  model = null; // the name of the one whose autoencoder it goes through
  wished = null; // the same, while its examples are not there yet

  constructor(context) {
    super(context);
    const names = ["original", "latent", "reconstruction", "difference"];
    this.grids = Object.fromEntries(names.map((name) => [name, new Grid(this.canvas(name))]));
    this.row = new PictureRow(this, { tiles: [], choose: (tile) => this.choose(tile) });
    const { reconstruct, examples, waiting } = this.server;
    const place = this.row.part("problem");
    this.question = new Question(reconstruct, place, this.text, waiting);
    this.opening = new Question(examples, place, this.text, waiting);
  }

  // message: {model, examples: [{name, picture}], shown: what `reconstruct` answers about the first}; or the
  // model alone, whose examples are asked for when somebody looks.
  async receive(message) {
    if (message.examples) this.open(message);
    else if (message.model !== (this.wished ?? this.model)) {
      this.wished = message.model;
      await whenSeen(this.root, "400%"); // the tab is open: what stands below is there when it is scrolled to
      if (this.wished !== message.model) return;
      this.question.drop();
      const answer = await this.opening.answer({ model: message.model });
      if (answer) this.open(answer);
    }
  }

  open({ model, examples, shown }) {
    const first = this.model === null;
    Object.assign(this, { model, wished: null });
    const tiles = examples.map(({ name, picture }) => ({ key: name, name, address: picture }));
    this.row.setFixed(tiles);
    const { own } = this.shown ?? {};
    if (own) this.choose(this.row.tiles.find(({ key }) => key === this.shown.key));
    else {
      this.mark(tiles[0]);
      this.showReply(shown);
    }
    if (first) this.row.rememberTile();
    else this.row.look();
  }

  mark(tile) {
    this.shown = tile;
    this.row.mark(tile);
  }

  async choose(tile) {
    this.row.mark(tile);
    const wanted = tile.own ? { file: contentOf(tile.address) } : { name: tile.name };
    const back = () => this.row.mark(this.shown);
    const reply = await this.question.answer({ model: this.model, ...wanted }, back);
    if (!reply) return;
    this.mark(tile);
    this.showReply(reply);
  }

  showReply(message) {
    this.show(message);
    const { image_shape: imageShape, latent_shape: latentShape, psnr, typical_psnr: typical } = message;
    this.fill({
      pixels: this.numbersOf(imageShape),
      channels: phrase(this.text.latent_channels, { count: latentShape[0] }),
      latents: this.numbersOf(latentShape),
      psnr: phrase(this.text.psnr_value, { psnr: psnr.toFixed(1) }),
      error: phrase(this.text.error_value, { error: (255 * 10 ** (-psnr / 20)).toFixed(1) }),
    });
    this.part("amplified").textContent = phrase(this.text.difference_amplified, { gain: GAIN });
    this.part("verdict").textContent = phrase(this.verdict(message), {
      psnr: psnr.toFixed(1),
      typical: typical.toFixed(1),
    });
  }

  show({ image_shape: imageShape, latent_shape: latentShape, ...message }) {
    const [original, latent, reconstruction] = ["original", "latent", "reconstruction"].map(
      (name) => bytesFrom(message[name]),
    );
    const difference = differenceOf(reconstruction, original, GAIN);
    for (const [name, bytes] of Object.entries({ original, reconstruction, difference })) {
      this.grids[name].resize(1, imageShape);
      this.grids[name].show(bytes);
    }
    this.grids.latent.resizeForLatent(latentShape);
    this.grids.latent.show(latent);
  }

  numbersOf(shape) {
    const count = shape.reduce((a, b) => a * b).toLocaleString("en");
    return phrase(this.text.numbers_of, { shape: shape.join(" × "), count });
  }

  verdict({ is_own: isOwn, psnr, typical_psnr: typical }) {
    if (isOwn) return this.text.own_come_back;
    return psnr < typical ? this.text.others_come_back : this.text.others_come_back_well;
  }
}
