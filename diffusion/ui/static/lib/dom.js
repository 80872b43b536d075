// Small tools for the page's elements.

export const reducedMotion = matchMedia("(prefers-reduced-motion: reduce)");

// A text with a value in the place of each {name}, and in that of {name:image|images} the word for so many.
export function phrase(template, values) {
  return template.replace(/\{(\w+)(?::([^{|}]*)\|([^{|}]*))?\}/g, (place, name, one, many) => {
    if (!(name in values)) return place;
    if (one === undefined) return values[name];
    return String(values[name]) === "1" ? one : many;
  });
}

// Write {key: text} into every [data-n=key] under root. The places are looked up once.
const filled = new WeakMap(); // of each root {places, values}
export function fill(root, values) {
  if (!filled.has(root)) filled.set(root, { places: {}, values: {} });
  const known = filled.get(root);
  for (const [key, value] of Object.entries(values))
    for (const place of (known.places[key] ??= [...root.querySelectorAll(`[data-n="${key}"]`)]))
      if (place.textContent !== value) place.textContent = value;
  Object.assign(known.values, values);
  root.dispatchEvent(new Event("filled", { bubbles: true }));
}

// What was last written under root, by key, whether there are places for it or not.
export const filledIn = (root) => filled.get(root)?.values ?? {};

export function node(tag, className = "", content = "") {
  return Object.assign(document.createElement(tag), { className, textContent: content });
}

// Write a text in which an underscore puts the next letter below.
export function writeText(place, words) {
  const parts = words.split(/_(.)/).map((part, i) => (i % 2 ? node("sub", "", part) : part));
  place.replaceChildren(...parts);
}

export function button(className, label) {
  const made = Object.assign(node("button", className), { type: "button" });
  if (label) made.setAttribute("aria-label", label);
  return made;
}

// Put a sentence about what went wrong in its place, which is an alert, and see that it is in sight.
export function tell(place, sentence) {
  if (place.textContent === sentence) return;
  place.textContent = sentence;
  place.hidden = !sentence;
  if (sentence) place.scrollIntoView({ block: "nearest" });
}

// A promise of what `find` gives, as soon as it gives something: `find` is asked again whenever something is
// added to the page, and with `attributes` whenever one changes.
export function whenFound(find, { attributes = false } = {}) {
  return new Promise((resolve) => {
    const look = (_, observer) => {
      const found = find();
      if (!found) return;
      observer.disconnect();
      resolve(found);
    };
    const observer = new MutationObserver(look);
    observer.observe(document.body, { childList: true, subtree: true, attributes });
    look(null, observer);
  });
}

// A promise of the element with this id: Gradio may add it later.
export const elementById = (id) => whenFound(() => document.getElementById(id));

// Resolves when some of an element is on the screen, or so far from it, in CSS.
export function whenSeen(element, ahead = "0px") {
  return new Promise((resolve) => {
    const look = (entries) => {
      if (!entries.some(({ isIntersecting }) => isIntersecting)) return;
      observer.disconnect();
      resolve();
    };
    const observer = new IntersectionObserver(look, { rootMargin: ahead });
    observer.observe(element);
  });
}

// Run `draw` at most once a frame, at the next one; while root's tab is hidden, when it is shown again. After
// each layout we are told whether it is hidden: to ask would make the browser lay out the page once more.
export function onNextFrame(root, draw) {
  let [asked, stale, shown] = [false, false, false];
  const ask = () => {
    if (asked) return;
    asked = true;
    requestAnimationFrame(() => {
      asked = false;
      stale = !shown;
      if (shown) draw();
    });
  };
  new ResizeObserver((entries) => {
    shown = entries.at(-1).contentRect.width > 0;
    if (shown && stale) ask();
  }).observe(root);
  return ask;
}

// Call `listener` with the chosen value of a group of radio buttons, on each change.
export function onChoice(group, listener) {
  group.addEventListener("change", (event) => listener(event.target.value));
}
