// "Save", at the end of a transport: what is on show, to be taken home.
import { bytesFrom } from "./decode.js";
import { button, phrase } from "./dom.js";
import { csvOf, download, enlarged, fileName, pngOf } from "./files.js";
import { Question } from "./server.js";
import { sheetOf } from "./sheet.js";

const ENLARGED = 4; // times as large as on the canvas
const THUMBNAIL = 44; // pixels

export class Save {
  // What the view gives: `name()`, the words of a file's name; `film()`, as in sheet.js, `table()`, rows,
  // `points()`, the data as rows, with the words of a name of its own, {words, rows}, and `code()`, text;
  // these are undefined if the view has none, and give null while there is none.
  constructor(view, { name, film, table, points, code }) {
    this.offered = { film, table, points, code };
    Object.assign(this, { view, text: view.text, name, film, table, points, code });
    this.root = view.part("save");
    this.root.hidden = false;
    for (const [what, found] of Object.entries(this.offered)) this.part(what).hidden = !found;
    this.question = film && new Question(view.server.animation, this.part("problem"), this.text);
    this.listen();
  }

  part(role) {
    return this.root.querySelector(`[data-role="save-${role}"]`);
  }

  listen() {
    this.root.addEventListener("toggle", () => this.root.open && this.offer());
    this.root.addEventListener("keydown", (event) => {
      if (event.key !== "Escape" || !this.root.open) return;
      event.stopPropagation();
      this.root.open = false;
      this.root.querySelector("summary").focus();
    });
    document.addEventListener("pointerdown", ({ target }) => {
      if (!this.root.contains(target)) this.root.open = false;
    });
    for (const made of this.part("film").querySelectorAll("button"))
      made.addEventListener("click", () => this.saveFilm(made));
    const listen = (what, saved) => this.part(what).querySelector("button").addEventListener("click", saved);
    listen("table", () => this.saveTable(this.table(), this.name()));
    listen("points", () => this.saveTable(this.points().rows, this.points().words));
    listen("code", () => this.copyCode());
  }

  tell(sentence) {
    this.part("told").textContent = sentence;
  }

  // ---- what there is to save now ------------------------------------------------------------------------

  offer() {
    this.tell("");
    this.part("text").hidden = true;
    for (const [what, found] of Object.entries(this.offered))
      for (const each of this.part(what).querySelectorAll("button")) each.disabled = !found?.();
    this.part("pictures").replaceChildren(...this.pictures.map((canvas) => this.thumbnail(canvas)));
    this.part("pictures").parentElement.hidden = !this.pictures.length;
    this.root.querySelector(".menu").scrollIntoView({ block: "nearest" });
  }

  // The canvases that are seen, but for what lies over them and what shows a tile.
  get pictures() {
    const all = this.view.root.querySelectorAll(":is(.stage, .grid-of-levels) canvas[role=img]");
    return [...all].filter((canvas) => canvas.offsetParent !== null);
  }

  thumbnail(canvas) {
    const made = button("", phrase(this.text.save_png, { picture: describe(canvas) }));
    made.title = made.getAttribute("aria-label");
    const small = document.createElement("canvas");
    const scale = THUMBNAIL / Math.max(canvas.width, canvas.height);
    Object.assign(small, { width: scale * canvas.width, height: scale * canvas.height });
    small.getContext("2d").drawImage(canvas, 0, 0, small.width, small.height);
    made.append(small);
    made.addEventListener("click", () => this.savePicture(canvas));
    return made;
  }

  // ---- saved --------------------------------------------------------------------------------------------

  give(content, words, ending, type) {
    const name = fileName(words, ending);
    download(name, content, type);
    this.tell(phrase(this.text.save_made, { file: name }));
  }

  async savePicture(canvas) {
    const alike = this.pictures.filter(({ dataset }) => dataset.c === canvas.dataset.c);
    const number = alike.length > 1 ? alike.indexOf(canvas) + 1 : "";
    const png = await pngOf(enlarged(canvas, ENLARGED));
    this.give(png, [...this.name(), `${canvas.dataset.c}${number}`, this.view.transport?.value], "png");
  }

  saveTable(rows, words) {
    this.give(csvOf(rows), words, "csv", "text/csv");
  }

  async saveFilm(pressed) {
    const words = this.name();
    const buttons = [...this.part("film").querySelectorAll("button")];
    for (const each of buttons) each.disabled = true;
    this.tell(phrase(this.text.save_making, { kind: pressed.textContent }));
    try {
      const { kind } = pressed.dataset;
      const reply = await this.question.answer({ kind, ...(await sheetOf(this.film())) });
      if (reply) this.give(bytesFrom(reply.file), words, kind, `image/${kind}`);
      else this.tell("");
    } finally {
      for (const each of buttons) each.disabled = false;
      if (document.activeElement === document.body) pressed.focus(); // which it lost
    }
  }

  // A frame of another site may not have the permission: then it is selected, to be copied by hand.
  async copyCode() {
    const place = this.part("text");
    place.value = this.code();
    try {
      await navigator.clipboard.writeText(place.value);
      this.tell(this.text.save_copied);
    } catch {
      place.hidden = false;
      place.select();
      this.tell(document.execCommand("copy") ? this.text.save_copied : this.text.save_by_hand);
    }
  }
}

// What a canvas shows, in words; of several in one figure also which.
function describe(canvas) {
  const figure = canvas.closest("figure");
  const all = [...figure.querySelectorAll("canvas[role=img]")];
  if (all.length === 1) return canvas.getAttribute("aria-label");
  return `${figure.querySelector("figcaption").textContent.trim()} ${all.indexOf(canvas) + 1}`;
}
