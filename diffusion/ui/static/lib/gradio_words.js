// What Gradio says in English alone, in whatever language the page is: said in the page's.
import { phrase } from "./dom.js";

// Gradio's words, by the keys of the page's texts for them.
const WORDS = {
  gradio_number: /^number input for (?<name>.*)$/s,
  gradio_range: /^range slider for (?<name>.*)$/s,
  gradio_reset: /^Reset to default value$/,
};
const ATTRIBUTES = ["aria-label", "title"];

// From now on, wherever Gradio puts them.
export function sayInPagesLanguage(text) {
  const observer = new MutationObserver(() => translate(text));
  observer.observe(document.body, { childList: true, subtree: true, attributeFilter: ATTRIBUTES });
  translate(text);
}

function translate(text) {
  for (const attribute of ATTRIBUTES)
    for (const element of document.querySelectorAll(`.block [${attribute}]`)) {
      const said = translated(element.getAttribute(attribute), text);
      if (said !== element.getAttribute(attribute)) element.setAttribute(attribute, said);
    }
}

function translated(words, text) {
  for (const [key, pattern] of Object.entries(WORDS)) {
    const found = pattern.exec(words);
    if (found) return phrase(text[key], { ...found.groups });
  }
  return words;
}
