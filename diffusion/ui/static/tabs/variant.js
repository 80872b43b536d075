// Pictures of one prompt in the making: its tokens, what the network sees and expects; one is looked at.
import { bytesFrom } from "../lib/decode.js";
import { button, node, phrase } from "../lib/dom.js";
import { fixed, percent } from "../lib/numbers.js";
import { Guidance } from "../lib/guidance.js";
import { Outline, insideToOutside } from "../lib/outline.js";
import { Grid } from "../lib/pictures.js";
import { Question } from "../lib/server.js";

const SHADE = 0.82; // over a place that does not look at the token at all
const COLUMNS = 4; // of a latent's channels, at most, where two stand beside each other

export class Variant {
  main = 0; // the number of the picture that is looked at
  pinned = null; // the number of a token
  hovered = null; // the same
  asked = null; // the number of the picture of which was asked what guidance combined

  // `text` are the page's texts, `server` asks Python. onLook is called when another token is looked at,
  // onChoose with the number of another picture, onOpen when it is wished to see what guidance combines,
  // onGuided when that has come, goTo with a step to go to.
  constructor(template, film, index, { text, server, ...listeners }) {
    Object.assign(this, { film, index, text, ...listeners, about: film.info.variants[index] });
    [this.root, this.rest] = template.content.cloneNode(true).children;
    this.guided = this.about.guidance_scale !== 1;
    this.guidance = new Guidance(this.rest, { text, goTo: this.goTo });
    this.question = new Question(
      server.guided_pictures, this.part("looking-problem"), text, server.waiting,
    );
    this.part("look").addEventListener("toggle", () => this.onOpen(this.open));
    this.layPictures();
    this.layRest();
    this.label();
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
    return this.film.planes[`${this.index}.${plane}`]?.shape;
  }

  // Of frame k; of a plane that each picture has, that of picture i.
  plane(k, name, i) {
    const all = this.film.plane(k, `${this.index}.${name}`);
    const size = all.length / this.film.info.num_images;
    return i === undefined ? all : all.subarray(i * size, (i + 1) * size);
  }

  // A button for each picture, all of the same size, since none counts more; a single one needs none.
  layPictures() {
    const [count, ...shape] = this.shape("decoded");
    const [, , height, width] = this.shape("latent");
    this.heat = Object.assign(node("canvas"), { width, height, ariaHidden: "true" });
    this.heat.dataset.c = "heat";
    this.outline = new Outline(shape[0]);
    this.pictures = Array.from({ length: count }, (_, i) => {
      const place = count > 1 ? button("picture") : node("div", "picture");
      const canvas = Object.assign(node("canvas"), { role: "img" });
      canvas.dataset.c = "decoded";
      canvas.ariaLabel = count > 1 ? phrase(this.text.prompt_image, { n: i + 1 }) : this.text.decoded;
      place.append(canvas);
      place.addEventListener("click", () => count > 1 && this.onChoose(i));
      const grid = new Grid(canvas);
      grid.resize(1, shape);
      return { place, grid };
    });
    const layers = this.find(".layers");
    layers.append(...this.pictures.map(({ place }) => place));
    layers.classList.toggle("several", count > 1);
  }

  layRest() {
    const [, ...latent] = this.shape("latent");
    this.latent = new Grid(this.canvas("latent"));
    const alone = this.film.info.variants.length === 1;
    this.latent.resizeForLatent(latent, alone ? undefined : Math.min(latent[0], COLUMNS));
    const sketch = this.shape("sketch");
    this.find(".sketch").hidden = !sketch;
    this.find(".given").classList.toggle("alone", !sketch);
    this.sketch = sketch && new Grid(this.canvas("sketch"));
    this.sketch?.resize(1, sketch);
  }

  label() {
    const { notes } = this.about;
    const [, channels] = this.shape("latent");
    this.part("channels").textContent = phrase(this.text.latent_channels, { count: channels });
    this.canvas("latent").setAttribute("aria-label", this.part("channels").textContent);
    this.part("off").hidden = this.guided;
    this.part("look").hidden = !this.guided;
    this.part("notes").textContent = notes.join(" ");
    this.part("notes").hidden = !notes.length;
  }

  choose(i) {
    this.main = i;
    this.pictures.forEach(({ place }, j) => place.setAttribute("aria-pressed", i === j));
    this.pictures[i].place.append(this.heat, this.outline.svg);
  }

  // ---- what guidance combines, of the picture that is looked at -------------------------------------------

  get open() {
    return this.part("look").open;
  }

  set open(open) {
    this.part("look").open = open;
  }

  // It is asked for when somebody looks and the film has ended; what has come stays with the film.
  async showGuided() {
    const { info } = this.film;
    if (!this.guided || this.asked === this.main) return;
    const known = ((info.guided ??= {})[this.index] ??= {});
    const picture = this.main;
    this.guidance.hide();
    this.part("looking").textContent = known[picture] ? "" : this.text.guidance_later;
    if (!known[picture]) {
      if (!info.progress?.ended) return;
      this.asked = picture;
      this.part("looking").textContent = this.text.guidance_coming;
      const request = { film: info.kept, variant: this.index, picture };
      const forget = () => (this.part("looking").textContent = "");
      const reply = await this.question.answer(request, forget);
      if (!reply) return;
      known[picture] = reply;
      this.part("looking").textContent = "";
    }
    this.asked = picture;
    this.prepareGuidance(known[picture]);
    this.onGuided();
  }

  // answer: {with, without}: the pictures of all steps in base64.
  prepareGuidance(answer) {
    if (!answer.with) return;
    const [, ...shape] = this.shape("decoded");
    const { guidance_scale: scale, negative } = this.about;
    const names = {
      with: this.text.with_prompt,
      without: this.text[negative ? "with_negative" : "without_prompt"],
    };
    this.guidance.prepare(new Predictions(this.film, answer, shape), { scale, names });
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
      never.style.setProperty("--pieces", never.childElementCount);
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
    this.pictures.forEach(({ grid }, i) => grid.show(this.plane(k, "decoded", i)));
    this.latent.show(this.plane(k, "latent", this.main));
    this.sketch?.show(this.plane(k, "sketch"));
    this.guidance.draw(k);
    this.drawHeat(k);
  }

  // The attention to the token that is looked at.
  attention(k) {
    const all = this.plane(k, "attention", this.main);
    const cells = all.length / this.about.tokens.length;
    return all.subarray(this.token * cells, (this.token + 1) * cells);
  }

  // The number of the part that the token which is looked at names; undefined if it names none.
  get named() {
    return this.about.asked?.tokens[this.token] ?? undefined;
  }

  // What is known of it in the picture that is looked at, when that was judged.
  get drawnPart() {
    return this.film.info.judged?.[this.index][this.main].asked[this.named];
  }

  // A shade over the picture that attention lifts.
  drawHeat(k) {
    this.heat.hidden = this.token === null;
    this.outline.show(this.drawnPart?.seen);
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
      mean: percent((most / 255) * (attention.reduce((a, b) => a + b, 0) / attention.length), 3),
      most: percent((most / 255) * Math.max(...attention), 3),
    });
  }

  // In words, how much more the token is looked at inside the outline.
  describeOutline(k) {
    const { about, text, named, drawnPart } = this;
    const token = about.tokens[this.token].text;
    if (named === undefined) return phrase(text.outline_none, { token });
    if (!drawnPart) return text.outline_later;
    const { kind } = about.asked.parts[named];
    if (!drawnPart.seen) return phrase(text.outline_unseen, { kind: text[`part_${kind}`] });
    const ratio = fixed(insideToOutside(this.attention(k), this.outline.mask), 1);
    const { parts } = this.film.info.judged[this.index][this.main];
    const drawn = parts[this.film.info.cats.kinds.indexOf(kind)];
    return phrase(text.outline_ratio, { kind: text[`part_${kind}`], drawn, token, ratio });
  }
}

// What guidance combined at each step of one picture, as a film of it.
class Predictions {
  planes = { with: {}, without: {} };

  constructor({ info, rows }, answer, shape) {
    Object.assign(this, { info, rows, size: shape.reduce((a, b) => a * b), shape: () => shape });
    this.bytes = Object.fromEntries(Object.keys(this.planes).map((name) => [name, bytesFrom(answer[name])]));
  }

  plane(k, name) {
    return this.bytes[name].subarray(k * this.size, (k + 1) * this.size);
  }
}
