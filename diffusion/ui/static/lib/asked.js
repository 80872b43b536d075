// Asked and drawn: under each picture of a prompt the parts that it names, ticked or crossed by the judge.
import { node, phrase } from "./dom.js";
import {
  countsOf, differenceOf, drawnOf, freshOf, keptOf, likeness, outcomeOf, pictureOf,
} from "./outcomes.js";
import { Question } from "./server.js";
import { remember } from "./session.js";
import { spoken } from "./text.js";

const MARKS = { yes: "✓", no: "✗", untold: "–", waiting: "…" };

export class AskedAndDrawn {
  // Of what was drawn, by network and by picture, so that none counts twice: which cat it is, what is kept of
  // the verdict, and [kind, whether it is as asked] for each named part.
  tally = {};

  // view: its part "asked" has the markup of asked.html, its server asks Python. onAnswer is called when
  // something has come that is to be kept with the film.
  constructor(view, { onAnswer }) {
    Object.assign(this, { text: view.text, onAnswer, place: view.part("asked") });
    const { judged_prompts: ask, waiting } = view.server;
    this.question = new Question(ask, this.part("problem"), this.text, waiting);
    remember("asked", { save: () => this.tally, restore: (tally) => (this.tally = tally) });
  }

  part(role) {
    return this.place.querySelector(`[data-role="asked-${role}"]`);
  }

  // Of a film of emoji nothing is known.
  prepare(film) {
    this.question.drop();
    Object.assign(this, { film, about: film.info.cats, wanted: false });
    this.place.hidden = !this.about;
    if (!this.about) return;
    this.part("credit").textContent = spoken(this.about.credit);
    this.show();
  }

  // The tab is on show: when the film is whole, it is judged.
  draw() {
    if (!this.about) return;
    const { num_steps: last, progress } = this.film.info;
    if (this.film.last === last) this.ask();
    else if (progress?.ended) this.part("variants").textContent = this.text.cat_unfinished;
  }

  async ask() {
    const { info } = this.film;
    if (this.wanted || info.judged) return;
    this.wanted = true;
    const reply = await this.question.answer({ film: this.about.film });
    if (!reply) return;
    info.judged = reply.judged;
    this.show();
    this.onAnswer();
  }

  // ---- each picture -------------------------------------------------------------------------------------

  show() {
    const { judged, variants } = this.film.info;
    this.part("variants").replaceChildren(...variants.map((_, i) => this.variant(i)));
    judged?.forEach((pictures, i) => pictures.forEach((picture) => this.count(variants[i], picture)));
    this.showTally();
  }

  variant(i) {
    const { info } = this.film;
    const { text, negative, asked } = info.variants[i];
    const words = negative ? phrase(this.text.asked_leading_away, { text, negative }) : `“${text}”`;
    const list = node("ul", "ticked");
    list.append(...Array.from({ length: info.num_images }, (_, j) => this.card(i, j, info.judged?.[i][j])));
    const prompt = Object.assign(node("p", "prompt-of", words), { dir: "auto" });
    const place = node("div", "asked-of");
    const said = spoken(asked.remark);
    const remark = Object.assign(node("p", "note", said), { dir: "auto", hidden: !said });
    place.append(prompt, remark, list);
    return place;
  }

  card(i, j, picture) {
    const { text } = this;
    const either = picture?.either_way;
    const card = node("li", `cat ${either || picture?.outcome || "cat_waiting"}`);
    const differs = differenceOf(picture, text);
    const likenesses = node("div", "likenesses");
    likenesses.append(
      likeness(picture ? drawnOf(this.film, `${i}.decoded`, j) : node("canvas"), text.cat_drawn),
      likeness(pictureOf(picture?.trained_on, differs), text.cat_trained_on),
    );
    const ticks = node("ul", "ticks");
    const { parts } = this.film.info.variants[i].asked;
    ticks.append(...parts.map(({ words }, part) => this.tick(words, picture?.asked[part])));
    const number = node("p", "number", phrase(text.cat_number, { n: j + 1 }));
    const outcome = either ? text[`${either}_either`] : outcomeOf(picture, text);
    card.append(number, likenesses, ticks, node("h3", "outcome", outcome));
    card.append(node("p", "differs", differs));
    return card;
  }

  // hat ✓ (red hat)
  tick(words, part) {
    const told = { true: "yes", false: "no", null: "untold" };
    const how = part ? told[part.as_asked] : "waiting";
    const said = { role: "img", ariaLabel: part ? this.text[`asked_${how}`] : this.text.cat_waiting };
    const tick = node("li", how);
    const mark = Object.assign(node("b", "", MARKS[how]), said);
    tick.append(Object.assign(node("span", "", words), { dir: "auto" }), " ", mark);
    if (part?.drawn) tick.append(" ", node("small", "", `(${part.drawn})`));
    return tick;
  }

  // ---- all of the session -------------------------------------------------------------------------------

  // The pictures of the network on show.
  get own() {
    return (this.tally[this.about.model] ??= {});
  }

  count({ text, asked }, picture) {
    const parts = picture.asked.map(({ as_asked: asAsked }, i) => [asked.parts[i].kind, asAsked]);
    const kept = keptOf({ ...picture, outcome: picture.either_way || picture.outcome });
    this.own[`${text} ${picture.name}`] = { cat: picture.drawn, kept, parts };
  }

  showTally() {
    const pictures = Object.values(this.own);
    const parts = pictures.flatMap((picture) => picture.parts).filter(([, asAsked]) => asAsked !== null);
    const cats = Object.values(Object.fromEntries(pictures.map(({ cat, kept }) => [cat, kept])));
    this.part("pictures").textContent = pictures.length;
    this.part("parts").textContent = shareOf(parts, this.text.asked_share);
    this.part("fresh").textContent = freshOf(countsOf(cats), this.text);
    const kinds = this.about.kinds.map((kind) => {
      const place = node("div");
      const share = shareOf(parts.filter(([of]) => of === kind), this.text.asked_of_kind);
      place.append(node("dt", "", this.text[`part_${kind}`]), node("dd", "", share));
      return place;
    });
    this.part("kinds").replaceChildren(...kinds);
  }
}

// Of parts, as they are counted, how many are as asked.
function shareOf(parts, words) {
  const [told, met] = [parts.length, parts.filter(([, asAsked]) => asAsked).length];
  return told ? phrase(words, { met, told, percent: ((100 * met) / told).toFixed(0) }) : "–";
}
