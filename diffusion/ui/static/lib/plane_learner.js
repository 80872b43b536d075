// The small network of the page: what is trained for which data, and how far it is.

export class Learner {
  trained = new Map(); // by key: {weights, step, losses: [[step, loss], …]}
  key = null; // what is being trained, null if nothing is
  #worker = null;

  // onChange is called whenever there is more; onFailure if the browser can train nothing beside the page.
  constructor({ onChange, onFailure }) {
    Object.assign(this, { onChange, onFailure });
  }

  // What there is for a key; undefined if nothing is.
  get(key) {
    return this.trained.get(key);
  }

  // From the beginning.
  start(key, data) {
    this.trained.set(key, { weights: null, step: 0, losses: [] });
    this.key = key;
    this.worker.postMessage(data);
    this.onChange();
  }

  stop() {
    if (!this.key) return;
    this.key = null;
    this.worker.postMessage({});
    this.onChange();
  }

  get worker() {
    if (this.#worker) return this.#worker;
    const worker = new Worker(new URL("./plane_worker.js", import.meta.url), { type: "module" });
    worker.addEventListener("message", ({ data }) => this.take(data));
    worker.addEventListener("error", () => {
      this.key = null;
      this.onFailure();
    });
    return (this.#worker = worker);
  }

  take({ step, loss, weights }) {
    const mine = this.trained.get(this.key);
    if (!mine || step < mine.step) return; // it was stopped, or begun anew, meanwhile
    Object.assign(mine, { step, weights });
    mine.losses.push([step, loss]);
    this.onChange();
  }
}
