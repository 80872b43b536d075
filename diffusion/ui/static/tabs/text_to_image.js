// The tab Text to image: a film of what the network reads, sees, looks at and expects, then the browser's own.
Diffusion.views.text_to_image = (element, props, watch) => {
  "use strict";
  const D = Diffusion;
  const text = props.strings;
  const root = element.querySelector(".lab");
  const find = (selector) => root.querySelector(selector);
  const SHADE = 0.82; // over a place that does not look at the token at all
  let columns = []; // one Column for each variant

  const phrase = (key, values) => D.phrase(text[key], values);
  const node = (tag, className, content = "") =>
    Object.assign(document.createElement(tag), { className, textContent: content });
  const percent = (share) => (100 * share).toFixed(1);

  // ---- one picture in the making --------------------------------------------------------------------------
  class Column {
    constructor(variant, info, index) {
      Object.assign(this, { variant, index, pinned: null, hovered: null });
      this.root = find("template").content.cloneNode(true).firstElementChild;
      const [channels, height, width] = D.shapeOf(info, `${index}.latent`);
      const shape = D.shapeOf(info, `${index}.decoded`);
      this.latentSize = channels * height * width;
      this.cells = height * width;
      this.pictureSize = shape.reduce((a, b) => a * b);
      this.kinds = variant.guidance_scale === 1 ? ["decoded", "sketch"] : ["decoded", "with", "without", "sketch"];
      this.size = this.latentSize + this.kinds.length * this.pictureSize + variant.tokens.length * this.cells;
      this.grids = {};
      for (const kind of ["decoded", "with", "without", "difference", "sketch", "latent"])
        this.grids[kind] = new D.Grid(this.canvas(kind));
      this.grids.latent.resize(channels, [height, width, 1], info.variants.length > 1 ? channels : Math.ceil(channels / 2));
      for (const kind of ["decoded", "with", "without", "difference", "sketch"])
        this.grids[kind].resize(1, shape);
      this.heat = this.canvas("heat");
      Object.assign(this.heat, { width, height });
      this.label(channels);
      this.listTokens();
    }

    part(role) {
      return this.root.querySelector(`[data-role="${role}"]`);
    }

    canvas(kind) {
      return this.root.querySelector(`[data-c="${kind}"]`);
    }

    label(channels) {
      const { guidance_scale: scale, negative, notes } = this.variant;
      const without = text[negative ? "with_negative" : "without_prompt"];
      for (const place of this.root.querySelectorAll('[data-role="without"]')) place.textContent = without;
      this.canvas("without").setAttribute("aria-label", without);
      this.part("channels").textContent = phrase("latent_channels", { count: channels });
      this.canvas("latent").setAttribute("aria-label", this.part("channels").textContent);
      this.part("scale").textContent = scale;
      this.part("guided").hidden = !this.guided;
      this.part("off").hidden = this.guided;
      this.part("notes").textContent = notes.join(" ");
      this.part("notes").hidden = !notes.length;
    }

    // A chip for each token; those of one word stand together, and what no caption has is marked.
    listTokens() {
      const list = this.root.querySelector(".tokens");
      let word = null;
      this.chips = this.variant.tokens.map((token, i) => {
        if (word?.dataset.word !== String(token.word)) {
          word = node("span", "word");
          word.dataset.word = token.word;
          list.append(word);
        }
        const chip = node("button", "chip", token.text);
        chip.type = "button";
        chip.setAttribute("aria-pressed", "false");
        chip.classList.toggle("unknown", !token.known);
        word.append(chip);
        word.classList.toggle("never", word.classList.contains("never") || !token.known || !token.seen);
        chip.addEventListener("pointerenter", (event) => event.pointerType === "mouse" && this.look({ hovered: i }));
        chip.addEventListener("pointerleave", () => this.look({ hovered: null }));
        chip.addEventListener("click", () => this.look({ pinned: this.pinned === i ? null : i, hovered: null }));
        return chip;
      });
      for (const never of list.querySelectorAll(".never")) {
        never.title = text.never_seen_title;
        never.append(node("small", "", text.never_seen));
      }
    }

    look(change) {
      Object.assign(this, change);
      this.chips.forEach((chip, i) => chip.setAttribute("aria-pressed", i === this.pinned));
      looked = this;
      redraw();
    }

    get token() {
      return this.hovered ?? this.pinned;
    }

    get guided() {
      return this.kinds.includes("with");
    }

    // Where in the frame the picture of a kind starts.
    start(kind) {
      return this.offset + this.latentSize + this.kinds.indexOf(kind) * this.pictureSize;
    }

    draw(frame, offset) {
      this.frame = frame;
      this.offset = offset;
      this.grids.latent.show(frame, offset);
      for (const kind of this.kinds) this.grids[kind].show(frame, this.start(kind));
      if (this.guided) {
        const [withPrompt, without] = [this.start("with"), this.start("without")];
        const difference = new Uint8ClampedArray(this.pictureSize);
        for (let i = 0; i < difference.length; i++) difference[i] = 128 + frame[withPrompt + i] - frame[without + i];
        this.grids.difference.show(difference, 0);
      }
      this.drawHeat();
    }

    // The attention to a token, as a shade over the picture that it lifts.
    get attention() {
      const start = this.offset + this.size - (this.variant.tokens.length - this.token) * this.cells;
      return this.frame.subarray(start, start + this.cells);
    }

    drawHeat() {
      this.heat.hidden = this.token === null;
      if (this.heat.hidden) return;
      const context = this.heat.getContext("2d");
      const image = context.createImageData(this.heat.width, this.heat.height);
      const most = Math.max(...this.attention, 1);
      this.attention.forEach((share, i) => (image.data[4 * i + 3] = SHADE * 255 * (1 - share / most)));
      context.putImageData(image, 0, 0);
    }

    describe(row) {
      const scale = row.attention_max[this.index] / 255;
      const values = this.attention;
      return phrase("attention_note", {
        token: this.variant.tokens[this.token].text,
        mean: percent((scale * values.reduce((a, b) => a + b, 0)) / values.length),
        most: percent(scale * Math.max(...values)),
      });
    }
  }
  let looked = null; // the column whose token was pointed at last

  // ---- one frame ------------------------------------------------------------------------------------------
  function draw() {
    const { value: k, film } = transport;
    const frame = film?.frames[k];
    if (!frame) return;
    let offset = 0;
    for (const column of columns) {
      column.draw(frame, offset);
      offset += column.size;
    }
    const row = film.rows[k] ?? film.rows[k - 1]; // the last frame shows the last step's attention
    const telling = looked?.token != null ? looked : columns.find((column) => column.token !== null);
    find('[data-role="attention"]').textContent = telling && row ? telling.describe(row) : text.attention_idle;
    const at = film.rows[k];
    D.fill(root, {
      t: String(at?.t ?? 0),
      k: String(k),
      N: String(film.info.num_steps),
      snr: at ? D.decibels(at.snr) : "∞",
      ms: at ? (1000 * at.seconds).toFixed(0) : "–",
    });
  }
  const redraw = D.onNextFrame(root, draw);

  // ---- what was known before --------------------------------------------------------------------------------
  function neighbour({ picture, name, distance, held_out }) {
    const figure = node("figure", "neighbour");
    figure.append(Object.assign(new Image(), { src: picture, alt: "" }));
    const caption = node("figcaption", "", name);
    caption.append(node("small", "", `${text.distance} ${distance.toFixed(2)}`));
    if (held_out) caption.append(node("small", "badge", text.held_out_badge));
    figure.append(caption);
    return figure;
  }

  // The emoji nearest to each picture that was drawn.
  function showNearest(all) {
    const known = all.filter(Boolean);
    find('[data-role="memorised"]').hidden = !known.length;
    if (!known.length) return;
    find('[data-role="distances"]').textContent = phrase("memorised_note", {
      number: known[0].number.toLocaleString("en"),
      median: known.map((found) => found.median_distance.toFixed(2)).join(" / "),
    });
    const lists = known.map(({ nearest }) => {
      const list = node("div", "neighbours");
      list.append(...nearest.map(neighbour));
      return list;
    });
    find('[data-role="results"]').replaceChildren(...lists);
  }

  const transport = new D.FilmTransport(root, {
    strings: text,
    onFilm({ info }) {
      looked = null;
      columns = info.variants.map((variant, i) => new Column(variant, info, i));
      find('[data-role="variants"]').replaceChildren(...columns.map((column) => column.root));
      root.classList.toggle("pair", columns.length > 1);
      find('[data-role="combining"]').hidden = columns.every((column) => !column.guided);
      find('[data-role="memorised"]').hidden = true;
    },
    onChange: redraw,
  });
  watch("value", () => {
    transport.receive(props.value);
    if (props.value?.nearest) showNearest(props.value.nearest);
  });
  // Opened for the first time: draw the prompt that stands there.
  if (!props.value) requestAnimationFrame(() => document.querySelector("#draw")?.click());
};
