// What there is to try of each question: the page is set up for it. Each returns the place to look at.
import { openTabs, whenThere } from "./places.js";
import { walk } from "./walks.js";

const EACH = "*"; // every image of another class
const BEND = 5; // γ of min-SNR
const HEARD = 300; // milliseconds until Gradio knows of a change
const NEARLY = 0.95; // of T

// Move a view's slider as a hand would; `to` may be a function of its last place.
async function slide(lab, to) {
  const slider = await whenThere(`.lab.${lab} input[data-role=t][data-made]`);
  slider.value = typeof to === "function" ? to(Number(slider.max)) : to;
  slider.dispatchEvent(new Event("input", { bubbles: true }));
  return slider;
}

// Tick a checkbox or a radio button.
async function tick(selector) {
  const box = await whenThere(selector);
  if (!box.checked) box.click();
  return box;
}

async function sample(changes, begun) {
  await openTabs(["tab_reverse"]);
  await whenThere(".lab.reverse[data-film]");
  walk(changes, begun);
  return document.querySelector(".lab.reverse .stage");
}

async function show(view) {
  await openTabs(["tab_reverse"]);
  await tick(`.lab.reverse [data-role=view] [value=${view}]`);
  return document.querySelector(".lab.reverse .views");
}

async function goTo(t) {
  await openTabs(["tab_forward"]);
  return slide("forward", t);
}

// The Plane tab's walk with an exact denoiser, with these choices of its, where the slider is put at t.
async function inPlane(choices, t) {
  await openTabs(["tab_plane"]);
  for (const [role, value] of Object.entries({ direction: "reverse", denoiser: "exact", ...choices }))
    await tick(`.lab.plane [data-role=${role}] [value="${value}"]`);
  await slide("plane", t);
  return document.querySelector(".lab.plane .stage");
}

async function inRace(plane, to) {
  await openTabs(["tab_race"]);
  await tick(`.lab.race [data-role=plane] [value=${plane}]`);
  await slide("race", to);
  return document.querySelector(".lab.race .stage");
}

// Press what draws in the workspace of a view.
function press(lab) {
  const view = document.querySelector(`.lab.${lab}`);
  view.closest(".workspace").querySelector(".actions button.primary").click();
  return view;
}

async function inRebuild(lab) {
  await openTabs(["tab_rebuild"]);
  await whenThere(".lab.rebuild .preset[aria-pressed=true]");
  return press(lab);
}

export const TRIES = {
  async algorithm() {
    await sample({ sampler: "ddpm" });
    return document.querySelector(".lab.reverse .forms");
  },
  prediction: () => show("v"),
  score: () => show("score"),
  async loss() {
    await openTabs(["tab_training"]);
    return slide("training", (last) => Math.round(last / 2));
  },
  time: () => goTo(1),
  alphas: () => goTo(1),
  async noise() {
    const slider = await goTo(500);
    await tick(".lab.forward [data-role=markov]");
    return slider;
  },
  guidance: () => sample({ guidance: 3, class_label: (label) => label || EACH }),
  clipping: () => sample({ variant: "clipped" }),
  fresh: () => sample({ sampler: "ddpm", variant: "without_z" }),
  jump: () => sample({ images: 8, class_label: "" }, () => slide("reverse", 0)),
  null_class: () => sample({ class_label: "" }),
  async curves() {
    await openTabs(["tab_schedules"]);
    await tick(".lab.schedules [data-role=scaled]");
    return document.querySelector(".lab.schedules .charts");
  },
  async weights() {
    await openTabs(["tab_training"]);
    const { dataset } = await whenThere(".lab.objective [data-role=weights][data-bend]");
    await slide("objective", dataset.bend);
    return document.querySelector(".lab.objective [data-role=weights]");
  },
  heart: () => inPlane({ points: "20" }, 0),
  arrows: () => inPlane({ arrows: "score" }, 150),
  middle: () => inPlane({ arrows: "x_0", sampler: "ddim" }, 900),
  endings: () => inRace("x_0_hat", (last) => last),
  blurred: () => inRace("x_t", (last) => Math.round(last / 2)),
  judged: () => inRace("x_0_hat", (last) => last),
  async distance() {
    await openTabs(["tab_race"]);
    (await whenThere(".lab.lanes [data-preset=one]")).click();
    await new Promise((resolve) => setTimeout(resolve, HEARD));
    return press("race").querySelector(".charts");
  },
  async another() {
    await openTabs(["tab_rebuild"]);
    const start = await whenThere(".lab.rebuild [data-role=start]");
    start.value = Math.round(NEARLY * Number(start.max));
    start.dispatchEvent(new Event("input", { bubbles: true }));
    await new Promise((resolve) => setTimeout(resolve, HEARD));
    return inRebuild("rebuild");
  },
  inexact: () => inRebuild("codes"),
  codes: () => inRebuild("between"),
};
