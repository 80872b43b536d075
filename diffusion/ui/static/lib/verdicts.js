// Was this cat ever drawn? What Python's judge says of each cat of a film, and of all of this session.
import { Decided } from "./decided.js";
import { node, phrase, whenSeen } from "./dom.js";
import {
  countsOf, differenceOf, drawnOf, freshOf, keptOf, likeness, outcomeOf, pictureOf,
} from "./outcomes.js";
import { Question } from "./server.js";
import { remember } from "./session.js";
import { spoken } from "./text.js";

export class Verdicts {
  // Of what was sampled the outcomes, by network and by cat, so that none counts twice.
  tally = {};
  k = 0; // the frame on show

  // view: its part "verdicts" has the markup of verdicts.html, its server asks Python. keep is called when
  // something has come that is to be kept with the film, goTo with the step that is chosen on the chart.
  constructor(view, { keep, goTo }) {
    Object.assign(this, { text: view.text, keep, goTo, place: view.part("verdicts") });
    const { judged_film: ask, waiting } = view.server;
    this.question = new Question(ask, this.part("verdicts-problem"), this.text, waiting);
    remember("tally", { save: () => this.tally, restore: (tally) => (this.tally = tally) });
  }

  part(role) {
    return this.place.querySelector(`[data-role="${role}"]`);
  }

  prepare(film) {
    this.question.drop();
    Object.assign(this, { film, about: film.info.cats, asked: false });
    this.place.hidden = !this.about;
    if (!this.about) return;
    const { kinds, combinations, trained_on: trainedOn, credit } = this.about;
    this.part("chart").hidden = false;
    this.kinds = kinds.map((kind) => this.text[`part_${kind}`]);
    const [all, known] = [combinations, trainedOn].map((number) => number.toLocaleString("en"));
    this.part("ground").textContent = phrase(this.text.cat_ground, { combinations: all, trained_on: known });
    this.part("drawings").textContent = spoken(credit);
    const { text, goTo } = this;
    this.decided ??= new Decided(this.place, { text, kinds: this.kinds, goTo });
    this.showCats();
    this.showDecided();
  }

  // Frame k is on show, and so is the tab: when the film is whole, it is judged.
  draw(k) {
    if (!this.about) return;
    this.k = k;
    this.decided.draw(k);
    const { num_steps: last, progress } = this.film.info;
    if (this.film.last === last) this.ask();
    else if (progress?.ended) this.giveUp();
  }

  // The film will never be whole.
  giveUp() {
    this.part("ground").textContent = this.text.cat_unfinished;
    this.part("cats").replaceChildren();
    this.part("chart").hidden = true;
  }

  // When each part was settled costs the server more, and is asked when somebody comes to its chart.
  async ask() {
    if (this.asked) return;
    this.asked = true;
    const { film } = this;
    if (!(await this.answered("verdicts"))) return;
    this.showCats();
    await whenSeen(this.part("chart"));
    if (film === this.film && (await this.answered("decided"))) this.showDecided();
  }

  // Whether it is known now: not if another film is on show meanwhile, or this one is not known any more.
  async answered(what) {
    const { info } = this.film;
    if (info[what]) return true;
    this.question.moveTo(this.part(`${what}-problem`));
    const reply = await this.question.answer({ film: info.cats.film, what });
    if (!reply) return false;
    info[what] = reply[what];
    this.keep();
    return true;
  }

  showDecided() {
    const { decided, num_steps: last } = this.film.info;
    this.decided.show(decided ?? [], last, (i) => this.drawn(i));
    this.decided.draw(this.k);
  }

  // ---- each cat -----------------------------------------------------------------------------------------

  showCats() {
    const { verdicts = [] } = this.film.info;
    const [count] = this.film.shape("x_0_hat");
    this.part("cats").replaceChildren(...Array.from({ length: count }, (_, i) => this.card(i, verdicts[i])));
    if (this.about.sampled)
      for (const verdict of verdicts) this.own[verdict.drawn] = keptOf(verdict);
    this.showTally();
  }

  card(i, verdict) {
    const { text } = this;
    const outcome = verdict?.outcome ?? "cat_waiting";
    const differs = differenceOf(verdict, text);
    const likenesses = node("div", "likenesses");
    likenesses.append(
      likeness(verdict ? this.drawn(i) : node("canvas"), text.cat_drawn),
      likeness(pictureOf(verdict?.nearest, verdict?.parts.join(", ")), text.cat_nearest),
      likeness(pictureOf(verdict?.trained_on, differs), text.cat_trained_on),
    );
    const parts = node("dl", "parts");
    const told = verdict && outcome !== "cat_impossible";
    this.kinds.forEach((kind, j) => {
      parts.append(node("dt", "", kind), node("dd", "", told ? verdict.parts[j] : "–"));
    });
    const card = node("li", `cat ${outcome}`);
    const said = node("h3", "outcome", outcomeOf(verdict, text));
    const number = node("p", "number", phrase(text.cat_number, { n: i + 1 }));
    card.append(number, likenesses, said, parts, node("p", "differs", differs));
    return card;
  }

  drawn(i) {
    return drawnOf(this.film, "x_0_hat", i);
  }

  // ---- all of the session -------------------------------------------------------------------------------

  // The outcomes of the network on show.
  get own() {
    return (this.tally[this.about.model] ??= {});
  }

  showTally() {
    const outcomes = Object.values(this.own);
    const counts = countsOf(outcomes);
    this.part("judged").textContent = outcomes.length;
    this.part("sharp").textContent = counts.sharp;
    this.part("fresh").textContent = freshOf(counts, this.text);
    const share = counts.told ? counts.fresh / counts.told : 0;
    const expected = 1 - this.about.trained_on / this.about.combinations;
    const percent = (100 * expected).toFixed(0);
    this.part("share").style.setProperty("--share", share);
    this.part("share").style.setProperty("--expected", expected);
    this.part("expected").textContent = phrase(this.text.tally_learned, { percent });
  }
}
