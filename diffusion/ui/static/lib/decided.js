// From which step on each part of a film's first cats stays what it becomes: a line for each from there on.
import { Chart } from "./chart.js";
import { node, phrase } from "./dom.js";

const HEIGHT = 0.66; // of the lines of a kind, of its row

export class Decided {
  steps = []; // for each cat and each kind: the step, or null

  // root has the markup of verdicts.html. kinds: what they are called, from above. goTo is called with the
  // step that is chosen.
  constructor(root, { text, kinds, goTo }) {
    Object.assign(this, { text, kinds, last: 1 });
    this.words = root.querySelector('[data-role="decided"]');
    this.room = root.querySelector('[data-role="room"]'); // for the longest of them, at any width
    this.keys = root.querySelector('[data-role="charted"]');
    this.chart = new Chart(root.querySelector("svg"), {
      lines: [],
      move: (share) => goTo(Math.round(share * this.last)),
      ...this.axes(),
    });
  }

  axes() {
    const yTicks = this.kinds.map((kind, row) => [this.middle(row), kind]);
    const xTicks = [[0, "0"], [1, String(this.last)]];
    return { y: [0, this.kinds.length], yTicks, xTicks, xTitle: this.text.step };
  }

  middle(row) {
    return this.kinds.length - row - 0.5;
  }

  // steps: of a film with so many, as Python tells them; none yet: an empty list. picture: of the cat of a
  // number.
  show(steps, last, picture) {
    Object.assign(this, { steps, last });
    this.chart.setAxes(this.axes());
    const lineOf = (i) => (step, row) => ({ name: `q${i} part-${row}`, i, row, step });
    const lines = steps.flatMap((ofCat, i) => ofCat.map(lineOf(i)));
    this.chart.setLines(lines.map(({ name }) => name));
    for (const line of lines) if (line.step !== null) this.plot(line);
    this.room.dataset.room = this.told(last);
    this.keys.replaceChildren(...steps.map((_, i) => this.key(i, picture(i))));
  }

  // Which cat the lines of this colour are of.
  key(i, picture) {
    const key = node("span", `key q${i}`, phrase(this.text.cat_number, { n: i + 1 }));
    key.append(picture);
    return key;
  }

  plot({ name, i, row, step }) {
    const y = this.middle(row) + HEIGHT * (0.5 - (i + 0.5) / this.steps.length);
    this.chart.plot(name, Array.from({ length: this.last + 1 }, (_, k) => (k < step ? NaN : y)));
  }

  // Step k is on show.
  draw(k) {
    this.chart.cursor("step", k / this.last);
    this.words.textContent = this.steps.length ? this.told(k) : this.text.decided_waiting;
  }

  told(k) {
    const parts = this.kinds.map((kind, row) => {
      const steps = this.steps.map((ofCat) => ofCat[row]).filter((step) => step !== null);
      const n = steps.filter((step) => step <= k).length;
      return phrase(this.text.decided_part, { kind, n, count: steps.length });
    });
    return phrase(this.text.decided_here, { k, parts: parts.join(", "), count: this.steps.length });
  }
}
