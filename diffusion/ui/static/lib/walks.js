// Walks that there are to try: the settings of the Reverse tab, which Gradio keeps, and then the film.

const NAMES = ["class_label", "images", "sampler", "guidance", "variant"]; // as Python asks for them
let wanted = {};
let waiting; // for a film's first frame

// Asked by tabs/reverse.py: what the settings are to become, each as it is if nothing else is wanted.
export function settings(values) {
  return values.map((value, i) => {
    const change = wanted[NAMES[i]];
    return typeof change === "function" ? change(value) : (change ?? value);
  });
}

// Sample with these settings, or functions of the ones before; the walk is as it is, or a variant. Call
// `begun` when the film is on show.
export function walk(changes, begun = () => {}) {
  wanted = { variant: "", ...changes };
  const lab = document.querySelector(".lab.reverse");
  const before = lab.dataset.film;
  waiting?.disconnect();
  waiting = new MutationObserver(() => {
    if (lab.dataset.film === before) return;
    waiting.disconnect();
    begun(lab);
  });
  waiting.observe(lab, { attributeFilter: ["data-film"] });
  document.querySelector(".set-up").click();
}
