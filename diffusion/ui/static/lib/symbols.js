// Symbols that explain themselves: one that is hovered, focused or tapped says what it is, what it follows
// from and its value now; wherever else it stands, it is lit. In the markup data-symbol names it, and behind
// it what it is made of; data-shows names what a canvas shows.
import { filledIn, node, phrase } from "./dom.js";
import { symbols, text } from "./text.js";

const DELAY = 120; // milliseconds: a mouse that passes opens nothing, on its way to the tooltip it keeps it
const GAP = 10; // pixels between a symbol and its tooltip
const MARGIN = 6; // pixels between a tooltip and the window's edge
const LINES = ".formula p, .numbers, .charts figcaption"; // each is one stop of Tab, and arrows go on in it
const STEPS = { ArrowRight: 1, ArrowLeft: -1 };
const KEYS = {
  sqrt_alpha_bar: ["alpha", "alpha_t"], sqrt_rest: ["sigma", "sigma_t"], L: ["loss"], alpha: ["form_alpha"],
};
const THUMBNAIL = 72; // pixels high

const symbolAt = (place) => place.closest?.("[data-symbol]");
const nameOf = (symbol) => symbol.dataset.symbol.split(" ")[0];
const [what, origin, value] = ["what", "from", "now"].map((role) => node("p", role));
const thumbnail = node("canvas");
const tip = Object.assign(node("div", "symbol-tip"), { id: "symbol-tip", role: "tooltip", hidden: true });
tip.append(what, origin, value, thumbnail);
document.body.append(tip);

let active = null; // the symbol that is explained
let timer; // until the wish of a mouse comes true
let touched = false; // whether the last press was a finger's or a pen's

// ---- what is said ----------------------------------------------------------------------------------------

// What its lab says that it is now, in the symbol's own panel or in each.
function valueOf(symbol) {
  const name = nameOf(symbol);
  const keys = [...(KEYS[name] ?? [name]), `pixel_${name}`];
  const said = (place) => keys.map((key) => filledIn(place)[key]).find((each) => each !== undefined);
  for (let place = symbol; place; place = place.parentElement)
    if (said(place) !== undefined) return said(place);
  const panels = [...symbol.closest(".lab").querySelectorAll("[data-panel]")];
  const each = panels.filter(said).map((place) => `${place.querySelector("b").textContent} ${said(place)}`);
  return each.join(", ");
}

// The canvas that shows it, next to the symbol or in its lab.
function canvasOf(symbol) {
  const shows = `canvas[data-shows="${nameOf(symbol)}"]`;
  return symbol.closest("figure")?.querySelector(shows) ?? symbol.closest(".lab").querySelector(shows);
}

function say() {
  const { name, from, unit = "" } = symbols[nameOf(active)];
  const [now, canvas] = [valueOf(active), canvasOf(active)];
  what.textContent = name;
  origin.textContent = from;
  const unread = canvas ? text.symbol_picture : text.symbol_unread;
  const told = now ? phrase(text.symbol_now, { value: `${now} ${unit}`.trim() }) : unread;
  value.textContent = now || active.closest(".lab").querySelector("[data-role=pixel]") ? told : "";
  thumbnail.hidden = !canvas;
  if (canvas) copy(canvas);
  place();
}

function copy(canvas) {
  const height = Math.min(THUMBNAIL, canvas.height);
  Object.assign(thumbnail, { height, width: Math.round((height * canvas.width) / canvas.height) });
  thumbnail.getContext("2d").drawImage(canvas, 0, 0, thumbnail.width, height);
}

// Above the symbol, or below it where there is more room.
function place() {
  const { left, width, top, bottom } = active.getBoundingClientRect();
  const { clientWidth, clientHeight } = document.documentElement;
  const above = top - GAP - tip.offsetHeight;
  const below = above < MARGIN && clientHeight - bottom > top;
  const most = clientWidth - MARGIN - tip.offsetWidth;
  tip.style.left = `${Math.max(MARGIN, Math.min(left + (width - tip.offsetWidth) / 2, most))}px`;
  tip.style.top = `${below ? bottom + GAP : above}px`;
}

// ---- opening and closing ---------------------------------------------------------------------------------

// Explain a symbol; null: none.
function open(symbol) {
  clearTimeout(timer);
  if (symbol === active) return;
  active?.removeAttribute("aria-describedby");
  active = symbol;
  tip.hidden = !active;
  for (const each of document.querySelectorAll(".lit")) each.classList.remove("lit");
  if (!active) return;
  const name = nameOf(active);
  active.setAttribute("aria-describedby", tip.id);
  const same = `[data-symbol~="${name}"], [data-shows="${name}"]`;
  for (const each of document.querySelectorAll(same)) each.classList.add("lit");
  say();
}

const toggle = (symbol) => open(symbol === active ? null : symbol);

// What a mouse is on comes in a moment; if that is nothing, what the keys are on.
function wish(place) {
  clearTimeout(timer);
  if (tip.contains(place)) return;
  const focused = document.querySelector("[data-symbol]:focus-visible");
  timer = setTimeout(() => open(symbolAt(place) ?? focused), DELAY);
}

document.addEventListener("pointerover", ({ target, pointerType }) => {
  if (pointerType === "mouse") wish(target);
});
document.documentElement.addEventListener("pointerleave", () => active && wish(document.body));
document.addEventListener("pointerdown", ({ pointerType }) => (touched = pointerType !== "mouse"), true);
document.addEventListener("click", ({ target }) => {
  if (touched && !tip.contains(target)) toggle(symbolAt(target) ?? null);
});
document.addEventListener("focusin", ({ target }) => {
  if (target.matches("[data-symbol]:focus-visible")) open(target);
});
document.addEventListener("focusout", ({ target }) => target === active && open(null));
document.addEventListener("filled", ({ target }) => {
  if (!active) return;
  if (!active.checkVisibility({ visibilityProperty: true })) open(null);
  else if (active.closest(".lab").contains(target)) say();
});
addEventListener("scroll", () => active && place(), { capture: true, passive: true });
addEventListener("resize", () => active && place());

// ---- keys ------------------------------------------------------------------------------------------------

// Of each line the first symbol is a stop of the Tab key.
export function letKeysReachSymbols(root) {
  for (const line of root.querySelectorAll(LINES))
    line.querySelectorAll("[data-symbol]").forEach((symbol, i) => {
      Object.assign(symbol, { tabIndex: i ? -1 : 0, role: "term" });
    });
}

function move(symbol, step) {
  const line = [...symbol.closest(LINES).querySelectorAll("[data-symbol]")];
  const seen = line.filter((each) => each.checkVisibility({ visibilityProperty: true }));
  seen[(seen.indexOf(symbol) + step + seen.length) % seen.length].focus();
}

document.addEventListener("keydown", (event) => {
  const { key, target } = event;
  if (key === "Escape" && active) open(null);
  else if (!target.matches("[data-symbol]")) return;
  else if (key in STEPS) move(target, STEPS[key]);
  else if (key === "Enter" || key === " ") toggle(target);
  else return;
  event.preventDefault();
});
