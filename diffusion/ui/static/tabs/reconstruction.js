// What is lost?: one picture through the autoencoder and back.
import { bytesFrom, contentOf } from "../lib/decode.js";
import { phrase } from "../lib/dom.js";
import { PictureRow } from "../lib/picture_row.js";
import { Grid, differenceOf } from "../lib/pictures.js";
import { Question } from "../lib/server.js";
import { View } from "../lib/view.js";

const GAIN = 4; // of the difference

export function mount(context) {
  return (message) => new Reconstruction(context, message);
}

class Reconstruction extends View {
  // message: {examples: [{name, picture}], shown: what `reconstruct` answers about the first}
  constructor(context, { examples, shown }) {
    super(context);
    const names = ["original", "latent", "reconstruction", "difference"];
    this.grids = Object.fromEntries(names.map((name) => [name, new Grid(this.canvas(name))]));
    const tiles = examples.map(({ name, picture }) => ({ key: name, name, address: picture }));
    this.row = new PictureRow(this, { tiles, choose: (tile) => this.choose(tile) });
    this.shown = tiles[0];
    this.row.mark(this.shown);
    const { reconstruct, waiting } = this.server;
    this.question = new Question(reconstruct, this.row.part("problem"), this.text, waiting);
    this.receive(shown);
    this.row.rememberTile();
  }

  async choose(tile) {
    this.row.mark(tile);
    const wanted = tile.own ? { file: contentOf(tile.address) } : { name: tile.name };
    const reply = await this.question.answer(wanted, () => this.row.mark(this.shown));
    if (!reply) return;
    this.shown = tile;
    this.row.mark(tile);
    this.receive(reply);
  }

  receive(message) {
    this.show(message);
    const { image_shape: imageShape, latent_shape: latentShape, psnr, emoji_psnr: typical } = message;
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
      emoji: typical.toFixed(1),
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

  verdict({ is_emoji: isEmoji, psnr, emoji_psnr: typical }) {
    if (isEmoji) return this.text.emoji_come_back;
    return psnr < typical ? this.text.others_come_back : this.text.others_come_back_well;
  }
}
