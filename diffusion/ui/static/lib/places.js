// Places of the page: to open the tab on which one is, to wait until it is there, to point at it.
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
export function whenThere(selector) {
  return new Promise((resolve) => {
    const look = (_, observer) => {
      const found = document.querySelector(selector);
      if (!found) return;
      observer.disconnect();
      resolve(found);
    };
    const observer = new MutationObserver(look);
    observer.observe(document.body, { childList: true, subtree: true, attributes: true });
    look(null, observer);
  });
}

let moment; // a timer, while an element is ringed

// Ring an element for a moment.
export function pointAt(place) {
  clearTimeout(moment);
  document.querySelector(".pointed")?.classList.remove("pointed");
  place?.scrollIntoView({ block: "nearest" });
  place?.classList.add("pointed");
  moment = setTimeout(() => place?.classList.remove("pointed"), POINTED);
}
