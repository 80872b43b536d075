// Trains the small network beside the page: started with {points, table, seed}, it tells now and then
// {step, loss, weights}; a start without points stops it.
import { Training } from "./plane_training.js";

const SLICE = 250; // milliseconds between two looks at whether it is to stop

let current = null;

self.addEventListener("message", ({ data }) => {
  current = data.points ? new Training(data.points, data.table, data.seed) : null;
  if (current) train(current);
});

async function train(mine) {
  while (mine === current && !mine.done) {
    const until = performance.now() + SLICE;
    let [sum, count] = [0, 0];
    while (performance.now() < until && !mine.done) {
      sum += mine.advance();
      count++;
    }
    const { step, average } = mine;
    self.postMessage({ step, loss: sum / count, weights: average.slice() });
    await new Promise((resolve) => setTimeout(resolve));
  }
}
