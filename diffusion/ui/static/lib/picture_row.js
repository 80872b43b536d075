// A row of tiles: pictures to choose from, one's own among them, and ways to add another.
import { takePhoto } from "./camera.js";
import { button, onChoice, phrase, tell } from "./dom.js";
import { receiveFiles } from "./incoming_files.js";
import { addOwn, addressOf, removeOwn, setFit } from "./own_pictures.js";
import { Question } from "./server.js";
import { recall, remember } from "./session.js";
import { setPicture, state, subscribe } from "./state.js";

export class PictureRow {
  chosen = null; // its tile
  wished = null; // the tile that was pressed last
  wishes = 0; // how often a picture was wished for: the newest wish is chosen

  // A tile is {key, name, address, credit, …}: credit is a sentence that says whose it is, or empty.
  // `others()` are those between `tiles` and one's own. `face` makes the element that is shown for a tile;
  // `choose` is called with the tile that was chosen: it marks it.
  constructor(view, { tiles, others = () => [], face = imageOf, choose }) {
    Object.assign(this, { root: view.root, server: view.server, text: view.text, others, face, choose });
    this.element = view.find(".picture-row");
    this.setFixed(tiles);
    this.listen();
    this.showOwn();
    subscribe(({ own }) => own && this.showOwn());
    receiveFiles(this);
  }

  // The first tiles are these; that one of them is chosen now is for the caller to mark.
  setFixed(tiles) {
    for (const gone of this.element.querySelectorAll(".preset[data-key]:not(.mine)")) gone.remove();
    this.fixed = tiles;
    const [mine] = this.element.querySelectorAll(".mine");
    for (const tile of tiles) (mine ?? this.part("camera")).before(this.buttonOf(tile));
    if (this.tiles) this.tiles = [...tiles, ...this.tiles.filter(({ own }) => own)];
  }

  part(role) {
    return this.element.querySelector(`[data-role="${role}"]`);
  }

  buttonOf(tile) {
    const made = button("preset", tile.name);
    made.title = tile.name;
    made.dataset.key = tile.key;
    made.classList.toggle("mine", !this.fixed.includes(tile));
    made.append(this.face(tile));
    made.addEventListener("click", () => this.wish(tile));
    return made;
  }

  wish(tile) {
    this.wishes++;
    this.wished = tile;
    this.refuse("");
    this.choose(tile);
  }

  listen() {
    const input = this.element.querySelector("input[type=file]");
    this.part("add").addEventListener("click", () => input.click());
    input.addEventListener("change", () => {
      this.take([...input.files]);
      input.value = ""; // so that the same file can be chosen again
    });
    this.part("camera").hidden = !navigator.mediaDevices?.getUserMedia;
    this.part("camera").addEventListener("click", () => this.takePhoto());
    this.part("paste").hidden = !navigator.clipboard?.read;
    this.part("paste").addEventListener("click", () => this.paste());
    this.part("remove").addEventListener("click", () => {
      removeOwn(this.chosen.own);
      this.part("add").focus(); // this button is hidden now
    });
    onChoice(this.part("fit"), (fit) => setFit(this.chosen.own, fit));
  }

  // ---- which tiles there are, and which is chosen -------------------------------------------------------

  // Those that come and go. What was chosen may be gone, or look otherwise.
  showOwn() {
    for (const gone of this.element.querySelectorAll(".mine")) gone.remove();
    const others = [...this.others(), ...state.own.map((own) => this.ownTile(own))];
    this.tiles = [...this.fixed, ...others];
    for (const tile of others) this.part("camera").before(this.buttonOf(tile));
    if (!this.chosen) return;
    const now = this.tiles.find(({ key }) => key === this.chosen.key);
    if (now?.address === this.chosen.address) this.mark(now);
    else this.choose(now ?? this.tiles.find(({ address }) => address === state.picture) ?? this.tiles[0]);
  }

  ownTile(own) {
    const name = phrase(this.text.own_picture, { name: own.name }).trim();
    return { key: `own-${own.id}`, name, address: addressOf(own), own };
  }

  mark(tile) {
    this.chosen = tile;
    for (const each of this.element.querySelectorAll("[data-key]"))
      each.setAttribute("aria-pressed", each.dataset.key === tile?.key);
    this.scrollTo(this.element.querySelector('[aria-pressed="true"]'));
    this.part("own").hidden = !tile?.own;
    this.part("fit").hidden = Boolean(tile?.own?.pad); // what was drawn is as it is
    this.part("credit").textContent = tile?.credit ?? "";
    for (const radio of this.part("fit").querySelectorAll("input"))
      radio.checked = radio.value === tile?.own?.fit;
  }

  // Where the row is longer than the page is wide. Never up or down: a hand may be elsewhere.
  scrollTo(tile) {
    const row = tile?.parentElement;
    if (!row || row.scrollWidth <= row.clientWidth) return;
    const [outer, inner] = [row.getBoundingClientRect(), tile.getBoundingClientRect()];
    row.scrollLeft += inner.left + inner.width / 2 - (outer.left + outer.width / 2);
  }

  // From now on it is remembered which tile is chosen; the one that was is chosen as soon as it is there.
  rememberTile() {
    const name = `${this.root.id} tile`;
    let left = recall(name);
    this.look = () => {
      const tile = this.wishes ? null : this.tiles.find(({ key }) => key === left);
      if (!tile) return;
      left = null;
      this.choose(tile);
    };
    this.look();
    subscribe(({ own }) => own && this.look());
    remember(name, { save: () => (this.wished ?? this.chosen)?.key, restore() {} });
  }

  // ---- another one --------------------------------------------------------------------------------------

  async take(files) {
    const wish = ++this.wishes;
    this.refuse("");
    this.part("add").setAttribute("aria-busy", true);
    const problems = new Set();
    const { text, mostMegabytes } = this;
    const ask = (request) => this.ask(request, wish);
    for (const file of files) {
      const { own, problem } = await addOwn(file, { ask, text, mostMegabytes });
      if (own && wish === this.wishes) this.choose((this.wished = this.ownTile(own)));
      if (problem) problems.add(file.name ? `${file.name}: ${problem}` : problem);
    }
    this.part("add").setAttribute("aria-busy", false);
    if (problems.size) this.refuse([...problems].join(" "));
  }

  // Until there is an answer, unless something else is wished for. A refusal is an answer as well.
  async ask(request, wish) {
    const send = async () => {
      const answer = await this.server.open_picture(request);
      return answer && { answer };
    };
    const question = new Question(send, this.part("problem"), this.text);
    const giveUp = () => {
      if (wish !== this.wishes) question.drop();
    };
    return (await question.answer(request, giveUp))?.answer;
  }

  get mostMegabytes() {
    return Number(this.element.dataset.most);
  }

  async takePhoto() {
    this.refuse("");
    try {
      const photo = await takePhoto(this.element.querySelector("dialog"));
      if (photo) this.take([photo]);
    } catch {
      this.refuse(this.text.no_camera);
    }
  }

  async paste() {
    this.refuse("");
    try {
      const items = await navigator.clipboard.read();
      const kind = (item) => item.types.find((type) => type.startsWith("image/"));
      const blobs = await Promise.all(items.filter(kind).map((item) => item.getType(kind(item))));
      if (blobs.length) this.take(blobs);
      else this.refuse(this.text.nothing_to_paste);
    } catch {
      this.refuse(this.text.no_clipboard);
    }
  }

  refuse(sentence) {
    tell(this.part("problem"), sentence);
  }
}

const imageOf = ({ address }) => Object.assign(new Image(52, 52), { src: address, alt: "" });

// The row of the tabs that show the same picture.
export function sharedPictureRow(view, presets) {
  const tiles = presets.map(({ name, picture: address, credit }) => ({ key: name, name, address, credit }));
  const row = new PictureRow(view, { tiles, choose: ({ address }) => setPicture(address) });
  const mark = () => row.mark(row.tiles.find(({ address }) => address === state.picture));
  mark();
  subscribe(({ picture, own }) => (picture || own) && mark());
  return row;
}
