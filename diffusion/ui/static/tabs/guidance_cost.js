// What guidance buys and costs: obedience and variety over its scale, with a mark where the slider stands.
import { Chart } from "../lib/chart.js";
import { phrase } from "../lib/dom.js";
import { fixed, percent } from "../lib/numbers.js";
import { View } from "../lib/view.js";

const FINE = 10; // points of a curve for each step of 1
// Of a row, as shares of what there can be at most.
const SHARES = {
  obedience: (row) => row.obedience,
  variety: (row) => row.variety / row.most_variety,
};

export function mount(context) {
  const view = new GuidanceCost(context);
  return (message) => view.show(message);
}

class GuidanceCost extends View {
  constructor(context) {
    super(context);
    this.most = Number(this.root.dataset.most);
    const marks = [1, 2, 4, 8].filter((scale) => scale <= this.most);
    this.curves = new Chart(this.chart("cost"), {
      lines: Object.keys(SHARES),
      y: [0, 1],
      yTicks: [0, 0.5, 1].map((share) => [share, `${percent(share)} %`]),
      xTicks: marks.map((scale) => [scale / this.most, String(scale)]),
    });
  }

  // rows: as Python has them; none: nothing was measured. guidance: where the slider stands.
  show({ rows, guidance }) {
    this.part("measured").hidden = !rows.length;
    if (!rows.length) return;
    const points = Array.from({ length: this.most * FINE + 1 }, (_, i) => i / FINE);
    for (const [name, of] of Object.entries(SHARES))
      this.curves.plot(name, points.map((scale) => between(rows, scale, of)));
    this.curves.cursor("cost", Math.min(guidance / this.most, 1));
    const obedience = between(rows, guidance, SHARES.obedience);
    const told = Number.isNaN(obedience) ? this.text.cost_unmeasured : this.text.cost_here;
    const bits = ["variety", "most_variety"].map((name) => between(rows, guidance, (row) => row[name]));
    const [variety, most] = bits.map((value) => fixed(value, 1));
    this.part("here").textContent = phrase(told, { guidance, obedience: percent(obedience), variety, most });
    this.part("samples").textContent = phrase(this.text.cost_samples, { count: rows[0].num_samples });
  }
}

// What was measured at a guidance, on a straight line between its neighbours; NaN beyond them.
function between(rows, scale, of) {
  const below = rows.findLast((row) => row.guidance_scale <= scale);
  const above = rows.find((row) => row.guidance_scale >= scale);
  if (!below || !above) return NaN;
  const width = above.guidance_scale - below.guidance_scale;
  const share = width ? (scale - below.guidance_scale) / width : 0;
  return of(below) + share * (of(above) - of(below));
}
