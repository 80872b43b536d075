// Places of the page: to open the tab on which one is, to wait until it is there, to point at it.
import { whenFound } from "./dom.js";
import { text } from "./text.js";

const PAUSE = 300; // milliseconds in which Gradio shows a tab that was pressed
const POINTED = 3000; // milliseconds

// Press the tabs with these keys of the page's texts, one in the other.
export async function openTabs(keys) {
  for (const key of keys) {
    const tabs = [...document.querySelectorAll('[role="tab"]')].filter((each) => each.checkVisibility());
    tabs.find((each) => each.textContent.trim() === text[key])?.click();
    await new Promise((resolve) => setTimeout(resolve, PAUSE));
  }
}

// A promise of the first element that a selector fits: a view may still be loading.
export const whenThere = (selector) =>
  whenFound(() => document.querySelector(selector), { attributes: true });

let moment; // a timer, while an element is ringed

// Ring an element for a moment.
export function pointAt(place) {
  clearTimeout(moment);
  document.querySelector(".pointed")?.classList.remove("pointed");
  place?.scrollIntoView({ block: "nearest" });
  place?.classList.add("pointed");
  moment = setTimeout(() => place?.classList.remove("pointed"), POINTED);
}
