// What the judges say of what each lane has drawn, when all have arrived.
import { phrase } from "./dom.js";
import { outcomeOf } from "./outcomes.js";
import { Question } from "./server.js";

const GOOD = ["cat_new", "cat_known"]; // outcomes
const JUDGES = ["cats", "digits"]; // who can be asked

export class RaceVerdicts {
  constructor(view, keep) {
    const { judged_race: ask, waiting } = view.server;
    Object.assign(this, { view, keep, text: view.text });
    this.question = new Question(ask, view.part("verdict-problem"), view.text, waiting);
  }

  prepare(film) {
    this.question.drop();
    Object.assign(this, { film, asked: false });
    for (const lane of this.view.lanes) this.say(lane, "", "");
  }

  // After k calls: a lane that has arrived is judged as soon as the race is over.
  draw(k) {
    const { film, view } = this;
    const { num_calls: last, judge, verdicts, progress } = film.info;
    const isStopped = progress?.ended === "stopped" && JUDGES.includes(judge);
    if (film.calls === last && film.has(last)) this.ask();
    for (const lane of view.shownLanes) {
      const arrived = film.callsOf(lane.name, k) === film.info.lanes[lane.name].num_steps;
      if (!arrived) this.say(lane, "", "");
      else if (verdicts) this.tell(lane, verdicts[lane.name]);
      else this.say(lane, this.text[isStopped ? "race_unjudged" : `race_judge_${judge}`] ?? "", "");
    }
  }

  async ask() {
    const { info } = this.film;
    if (this.asked || info.verdicts || !JUDGES.includes(info.judge)) return;
    this.asked = true;
    const reply = await this.question.answer({ race: info.race });
    if (!reply) return;
    info.verdicts = reply.verdicts;
    this.keep();
    this.view.redraw();
  }

  tell(lane, verdicts) {
    const { digits } = this.film.info;
    const told = verdicts.map((verdict, i) => this.ofOne(verdict, digits?.[i]));
    const good = told.filter(({ isGood }) => isGood).length;
    const sentence = [...new Set(told.map(({ words }) => words))].join("; ");
    this.say(lane, sentence, good === told.length ? "good" : good ? "mixed" : "bad");
  }

  // asked: which digit was asked for, if any.
  ofOne(verdict, asked) {
    const { outcome } = verdict;
    if (GOOD.includes(outcome)) return { words: this.text.race_sharp_cat, isGood: true };
    if (outcome) return { words: outcomeOf(verdict, this.text), isGood: false };
    const percent = Math.floor(100 * verdict.certainty);
    const words = phrase(this.text.race_recognised, { digit: verdict.digit, percent });
    const isAsked = asked === undefined || asked === verdict.digit;
    return { words: isAsked ? words : phrase(this.text.race_not_asked, { words, asked }), isGood: isAsked };
  }

  say({ part }, sentence, mark) {
    const place = part("verdict");
    if (place.textContent !== sentence) place.textContent = sentence;
    place.dataset.mark = mark;
  }
}
