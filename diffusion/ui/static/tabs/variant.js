// A picture in the making on the tab Text to image: its tokens, what the network sees and expects.
import { button, node, phrase } from "../lib/dom.js";
import { percent } from "../lib/numbers.js";
import { Guidance } from "../lib/guidance.js";
import { Grid } from "../lib/pictures.js";

const SHADE = 0.82; // over a place that does not look at the token at all
const PICTURES = ["decoded", "sketch"];

export class Variant {
  pinned = null; // the number of a token
  hovered = null; // the same

  // `text` are the page's texts; onLook is called when another token is looked at, goTo with a step to go to.
  constructor(template, film, index, { text, onLook, goTo }) {
    Object.assign(this, { film, index, text, onLook, about: film.info.variants[index] });
    [this.root, this.rest] = template.content.cloneNode(true).children;
    this.guided = this.about.guidance_scale !== 1;
    const [channels, height, width] = this.shape("latent");
    this.heat = Object.assign(this.canvas("heat"), { width, height });
    this.guidance = new Guidance(this.rest, { text, goTo });
    this.addGrids();
    this.label(channels);
    this.listTokens();
  }

  find(selector) {
    return this.root.querySelector(selector) ?? this.rest.querySelector(selector);
  }

  part(role) {
    return this.find(`[data-role="${role}"]`);
  }

  canvas(name) {
    return this.find(`canvas[data-c="${name}"]`);
  }

  shape(plane) {
    return this.film.shape(`${this.index}.${plane}`);
  }

  addGrids() {
    const grid = (name) => new Grid(this.canvas(name));
    this.grids = Object.fromEntries([...PICTURES, "latent"].map((name) => [name, grid(name)]));
    for (const name of PICTURES) this.grids[name].resize(1, this.shape("decoded"));
    const alone = this.film.info.variants.length === 1; // two beside each other have their channels in a row
    this.grids.latent.resizeForLatent(this.shape("latent"), alone ? undefined : this.shape("latent")[0]);
  }

  label(channels) {
    const { guidance_scale: scale, negative, notes } = this.about;
    const names = {
      with: this.text.with_prompt,
      without: this.text[negative ? "with_negative" : "without_prompt"],
    };
    this.guidance.prepare(this.film, { prefix: `${this.index}.`, scale, names });
    this.part("channels").textContent = phrase(this.text.latent_channels, { count: channels });
    this.canvas("latent").setAttribute("aria-label", this.part("channels").textContent);
    this.part("off").hidden = this.guided;
    this.part("notes").textContent = notes.join(" ");
    this.part("notes").hidden = !notes.length;
  }

  // ---- tokens -------------------------------------------------------------------------------------------

  // A chip for each token; those of one word stand together, and what no caption has is marked.
  listTokens() {
    const list = this.root.querySelector(".tokens");
    let word = null;
    this.chips = this.about.tokens.map((token, i) => {
      if (word?.dataset.word !== String(token.word)) {
        word = node("span", "word");
        word.dataset.word = token.word;
        list.append(word);
      }
      const chip = this.chip(token, i);
      word.append(chip);
      if (!token.known || !token.seen) word.classList.add("never");
      return chip;
    });
    for (const never of list.querySelectorAll(".never")) {
      never.title = this.text.never_seen_title;
      never.append(node("small", "", this.text.never_seen));
    }
  }

  chip(token, i) {
    const chip = button("chip");
    chip.textContent = token.text;
    chip.setAttribute("aria-pressed", "false");
    chip.classList.toggle("unknown", !token.known);
    const enter = ({ pointerType }) => pointerType === "mouse" && this.look({ hovered: i });
    chip.addEventListener("pointerenter", enter);
    chip.addEventListener("pointerleave", () => this.look({ hovered: null }));
    const toggle = () => this.look({ pinned: this.pinned === i ? null : i, hovered: null });
    chip.addEventListener("click", toggle);
    return chip;
  }

  look(change) {
    Object.assign(this, change);
    this.chips.forEach((chip, i) => chip.setAttribute("aria-pressed", i === this.pinned));
    this.onLook(this);
  }

  get token() {
    return this.hovered ?? this.pinned;
  }

  // ---- one frame ----------------------------------------------------------------------------------------

  draw(k) {
    const plane = (name) => this.film.plane(k, `${this.index}.${name}`);
    for (const name of ["latent", "decoded", "sketch"]) this.grids[name].show(plane(name));
    this.guidance.draw(k);
    this.drawHeat(k);
  }

  // The attention to the token that is looked at.
  attention(k) {
    const all = this.film.plane(k, `${this.index}.attention`);
    const cells = all.length / this.about.tokens.length;
    return all.subarray(this.token * cells, (this.token + 1) * cells);
  }

  // A shade over the picture that attention lifts.
  drawHeat(k) {
    this.heat.hidden = this.token === null;
    if (this.heat.hidden) return;
    const context = this.heat.getContext("2d");
    const image = context.createImageData(this.heat.width, this.heat.height);
    const attention = this.attention(k);
    const most = Math.max(...attention, 1);
    attention.forEach((share, i) => (image.data[4 * i + 3] = SHADE * 255 * (1 - share / most)));
    context.putImageData(image, 0, 0);
  }

  // In words, what share of all attention the token gets; 255 stands for `most`.
  describe(k, most) {
    const attention = this.attention(k);
    return phrase(this.text.attention_note, {
      token: this.about.tokens[this.token].text,
      mean: percent((most / 255) * (attention.reduce((a, b) => a + b, 0) / attention.length), 1),
      most: percent((most / 255) * Math.max(...attention), 1),
    });
  }
}
