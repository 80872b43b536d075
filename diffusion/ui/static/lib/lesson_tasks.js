// What is to be done in each lesson, in the order of its tasks: on which tab, at which place, and whether it
// is done since its turn came, a time in milliseconds. What is on a tab is there once that is open.

const LOOKED = 2000; // milliseconds

const part = (lab, selector = "") => document.querySelector(`.lab.${lab} ${selector}`);
const slider = (lab) => part(lab, "input[data-role=t]");

// When somebody last touched something in a view, in milliseconds: a film that plays by itself is not walked.
const touched = new WeakMap();
const touch = ({ target }) => {
  const view = target.closest?.(".lab");
  if (view) touched.set(view, performance.now());
};
for (const event of ["input", "click", "keydown"]) document.addEventListener(event, touch, true);

const isPlaying = (lab) => part(lab, "[data-role=play]").dataset.playing === "true";
const placeOf = (lab) => (1000 * slider(lab).value) / slider(lab).max; // in thousandths of the slider's way

// Whether a slider is where it is by hand, since a moment.
const isMoved = (lab, since) => touched.get(part(lab)) > since && !isPlaying(lab);

// The same task at other places: a slider that was moved to `least` to `most`, in thousandths of its way.
function dragged(tab, lab, least, most = 1000) {
  const isDone = (since) => isMoved(lab, since) && least <= placeOf(lab) && placeOf(lab) <= most;
  return { tab, place: () => slider(lab), isDone };
}

// A film that was begun at, or stands at its beginning for as long as it takes to look.
function begun(tab, lab) {
  const moved = dragged(tab, lab, 0, 0);
  let stands; // since when, in milliseconds
  const isDone = (since) => {
    const isThere = slider(lab).value === "0" && slider(lab).checkVisibility();
    stands = isThere && !isPlaying(lab) ? (stands ?? performance.now()) : undefined;
    return moved.isDone(since) || performance.now() - stands > LOOKED;
  };
  return { ...moved, isDone, begin: () => (stands = undefined) };
}

// A walk to a film's end, step by step.
function walked(tab, lab) {
  return { ...dragged(tab, lab, 1000), place: () => part(lab, "[data-role=forward]") };
}

// In the Markov view late noise, whose mean and variance are in sight. Its place is what is missing of that.
function measuredNoise(least) {
  const late = () => placeOf("forward") >= least;
  const numbers = () => part("forward", ".when-step.note");
  const isSeen = () => {
    const { top, bottom, height } = numbers().getBoundingClientRect();
    const sheet = parseFloat(document.documentElement.style.getPropertyValue("--sheet")) || 0;
    return height > 0 && top >= 0 && bottom <= innerHeight - sheet;
  };
  const place = () => (slider("forward") && late() ? numbers() : slider("forward"));
  return { tab: ["tab_forward"], place, isDone: () => late() && isSeen() };
}

// Whether a view has another film than at the beginning, whole.
function anew(lab) {
  let before; // the film that was there
  const film = () => part(lab)?.dataset.film ?? "";
  const isWhole = () => film() !== before && slider(lab).dataset.made === slider(lab).max;
  return { film, isWhole, begin: () => (before = film()) };
}

// The button that draws in a workspace.
const drawButton = (lab) => part(lab).closest(".workspace").querySelector(".actions button");

// A film of the Reverse tab that was sampled since then, with so many steps.
function sampled(least, most) {
  const { film, isWhole, begin } = anew("reverse");
  const isFitting = (steps) => least <= steps && steps <= most;
  const isDone = () => isWhole() && !film().endsWith("-shipped") && isFitting(slider("reverse").max);
  // The number of steps, or the button if that is right already.
  const place = () => {
    if (!slider("reverse")) return null; // the film is not there yet
    const steps = Number(part("steps", "[data-role=number]").value);
    return isFitting(steps) ? drawButton("reverse") : part("steps");
  };
  return { tab: ["tab_reverse"], place, isDone, begin };
}

// A race that was run since then with the steps of a preset. The tab opens with one of its own.
function raced(preset) {
  const { isWhole, begin } = anew("race");
  const button = () => part("lanes", `[data-preset=${preset}]`);
  const isChosen = () => button().ariaPressed === "true";
  const longest = () => Math.max(...[...part("lanes").querySelectorAll("input")].map(({ value }) => value));
  const isDone = () => isWhole() && isChosen() && Number(slider("race").max) === longest();
  const place = () => (button() && isChosen() ? drawButton("race") : button());
  return { tab: ["tab_race"], place, isDone, begin };
}

// A picture that was rebuilt since then from t up to `most`, in thousandths of all.
function rebuilt(most) {
  const { isWhole, begin } = anew("rebuild");
  const start = () => part("rebuild", "[data-role=start]");
  const isFew = (t) => (1000 * t) / start().max <= most;
  const isDone = () => isWhole() && isFew(part("rebuild").dataset.start);
  const place = () => (start() && isFew(start().value) ? drawButton("rebuild") : start());
  return { tab: ["tab_rebuild"], place, isDone, begin };
}

// The start of a path in the plane, moved by hand to another place.
function startMoved() {
  const handle = () => part("plane", "[data-role=handle]");
  let before; // where it was
  const isDone = (since) => {
    before ??= handle().ariaLabel;
    return handle().ariaLabel !== before && touched.get(part("plane")) > since;
  };
  return { tab: ["tab_plane"], place: handle, isDone, begin: () => (before = handle()?.ariaLabel) };
}

function chosen(tab, lab, selector) {
  return { tab, place: () => part(lab, selector), isDone: () => part(lab, selector).checked };
}

// The noise level t of the objective, which its slider has only the number of.
function judged(least, most) {
  const t = () => Number(part("objective", "[data-n=t]").textContent.replace(/\D/g, "") || NaN);
  const isDone = (since) => isMoved("objective", since) && least <= t() && t() <= most;
  return { tab: ["tab_training"], place: () => slider("objective"), isDone };
}

// A prompt that is none of the examples, drawn to its end.
function drawn() {
  let before; // the film that stood there when the prompt was an example still
  const isDone = () => {
    const examples = [...document.querySelectorAll(".prompt-examples button")];
    const { film = "" } = part("text_to_image").dataset;
    const isExample = examples.some((each) => each.textContent.trim() === prompt().value.trim());
    if (isExample || before === undefined) before = film;
    const { max, dataset } = slider("text_to_image");
    return !isExample && film !== before && dataset.made === max;
  };
  const prompt = () => document.querySelector(".prompt textarea, .prompt input");
  const place = () => slider("text_to_image") && prompt().closest(".prompt");
  return { tab: ["tab_text_to_image", "draw"], place, isDone };
}

function measured() {
  const isDone = () => !part("latent", "[data-role=arithmetic]").hidden;
  const place = () => part("latent") && document.querySelector("button.narrow");
  return { tab: ["tab_text_to_image", "why_latent"], place, isDone };
}

export const TASKS = [
  [
    dragged(["tab_forward"], "forward", 470, 530),
    dragged(["tab_forward"], "forward", 950),
    begun(["tab_reverse"], "reverse"),
    dragged(["tab_reverse"], "reverse", 1000),
  ],
  [
    chosen(["tab_forward"], "forward", "[data-role=markov]"),
    measuredNoise(950),
    startMoved(),
  ],
  [
    dragged(["tab_schedules"], "schedules", 470, 530),
    chosen(["tab_schedules"], "schedules", "[value=snr]"),
    rebuilt(550),
  ],
  [
    judged(900, 1000),
    judged(1, 50),
    dragged(["tab_training"], "training", 0, 0),
    dragged(["tab_training"], "training", 1000),
  ],
  [sampled(1, 10), dragged(["tab_reverse"], "reverse", 0, 0), walked(["tab_reverse"], "reverse")],
  [drawn(), measured()],
  [raced("one"), raced("fewer")],
];
