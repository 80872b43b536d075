// What there is to try of each question: the page is set up for it. Each returns the place to look at.
import { openTabs, whenThere } from "./places.js";
import { walk } from "./walks.js";

const EACH = "*"; // every image of another class
const BEND = 5; // γ of min-SNR

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
};
