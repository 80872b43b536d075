// Walks that there are to try: the settings of the Reverse tab, which Gradio keeps, and then the film.

const NAMES = ["class_label", "images", "sampler", "guidance", "variant"]; // as Python asks for them
let wanted = {};
let waiting; // for a film's first frame
let over; // ends the waiting

// Asked by tabs/reverse.py: what the settings are to become, each as it is if nothing else is wanted.
export function settings(values) {
  return values.map((value, i) => {
    const change = wanted[NAMES[i]];
    return typeof change === "function" ? change(value) : (change ?? value);
  });
}

function stopWaiting() {
  waiting?.disconnect();
  over?.abort();
}

// Sample with these settings, or functions of the ones before; the walk is as it is, or a variant. Call
// `begun` when the film is on show.
export function walk(changes, begun = () => {}) {
  wanted = { variant: "", ...changes };
  const lab = document.querySelector(".lab.reverse");
  const before = lab.dataset.film;
  stopWaiting();
  waiting = new MutationObserver(() => {
    if (lab.dataset.film === before) return;
    stopWaiting();
    begun(lab);
  });
  waiting.observe(lab, { attributeFilter: ["data-film"] });
  // A film that somebody asks for by hand is another one: this walk may have been refused.
  over = new AbortController();
  const { signal } = over;
  lab.closest(".workspace").querySelector(".actions").addEventListener("click", stopWaiting, { signal });
  document.querySelector(".set-up").click();
}
