// The page's state as its address, so that it can be sent to others. What can be linked is called
// "view.name"; that of the view after which the open tab is called needs no view, nor does what all share.
// What stands as it does at first is left out.
import { asked, inAddress, queryOf, textOf } from "./address.js";
import { elementById } from "./dom.js";
import { ask, asked as opening, offer } from "./opened.js";
import { fromLink, note, noteLink, noted, recall } from "./session.js";

const SHARED = new Set(["tab", "t", "picture", "lesson"]);
const FIRST_TAB = "forward";
const EVERY = 500; // milliseconds between two looks at whether something has changed
const TOGETHER = 400; // milliseconds in which what is left out of a link is told in one sentence
const LEADING = 3000; // milliseconds that a tab may need to open
const PATIENCE = 2000; // milliseconds that a view may need to take what a link says of it

const tabAsked = new Map(asked).get("tab");
const waiting = new Map(asked.map(([name, value]) => [wholeName(name), value])); // what nothing has taken yet
waiting.delete("tab");
const entries = new Map(); // by name: {read, first}
const later = new Map(); // by the name of a control: a value that another model offers, which is chosen first
const films = new Map(); // by view: a function that gives the settings of the film on show, by name
const openings = new Map(); // by the name of a control that gets what visitors open: its own choices
const rows = new Map(); // of tabs, by key: {ids, within}
const known = new Map(); // of controls, by key: their specs

function wholeName(name) {
  return SHARED.has(name) || name.includes(".") ? name : `${tabAsked ?? FIRST_TAB}.${name}`;
}

// ---- what can be linked ----------------------------------------------------------------------------------

// From now on an address tells this. If that of the page when it was opened does, `write` gets the text.
//   read: the value as text, undefined if there is none. first: the value at first, which is left out.
//   write: takes a text, and returns false if there is no such value: then what came nearest is shown.
export function link(name, { read, write, first }) {
  entries.set(name, { read, first });
  if (!waiting.has(name)) return;
  const value = waiting.get(name);
  waiting.delete(name);
  if (fromLink && write(value) === false) leaveOut(name, value);
}

// As long as `settings` gives something, a view's film on show was made with that, whatever its controls say.
export function linkFilm(view, settings) {
  films.set(view, settings);
}

function valueOf(name) {
  const [view, short] = name.split(".");
  const made = short && films.get(view)?.()?.[short];
  return made === undefined || made === null ? entries.get(name).read() : String(made);
}

// What a view is called, by its markup; undefined for a second one of the same kind.
export const viewOf = (root) => /^(\w+)-1$/.exec(root.id)?.[1];

// ---- Gradio's own controls and tabs, as ui/parts/session.py describes them --------------------------------

// The values of the controls that are remembered under a key; nothing if they stand as at first.
//   specs: for each {name, value, choices, minimum, maximum}; without a name it is not linked. With a
//     `model`, the name of another control, the choices are by what that has. One that `opens` gets what
//     visitors open besides, in these [label, value] pairs.
export function controls(key, specs) {
  known.set(key, specs);
  const left = recall(key);
  const values = left ?? specs.map(({ value }) => value);
  let changed = left !== undefined;
  const named = [...specs.entries()].filter(([, { name }]) => name);
  for (const [i, spec] of named.sort(([, a], [, b]) => Boolean(a.model) - Boolean(b.model))) {
    if (spec.opens) openings.set(spec.name, spec.opens);
    const write = (typed) => {
      if (spec.opens && !spec.choices.includes(typed) && ask(typed)) return true;
      if (spec.model && opening()) {
        later.set(spec.name, typed);
        return true;
      }
      const [value, exact] = nearest(typed, spec, specs, values);
      const first = spec.model && spec.choices[specs.find(({ name }) => name === spec.model).value];
      if (!first || first.includes(value)) values[i] = value;
      else later.set(spec.name, value);
      changed = true;
      return exact;
    };
    const read = () => (spec.opens && opening()) || String(comingOr((noted(key) ?? values)[i], spec));
    link(spec.name, { read, write, first: String(spec.value) });
  }
  const put = (value, { opens }) => (opens ? offer(opens, value) : value);
  return changed ? values.map((value, i) => put(value, specs[i])) : [];
}

// Remember the values that controls have, once all have got theirs: before, some stand as at first.
export function noteControls(key, values) {
  if (isStanding) note(key, values.map((value, i) => comingOr(value, known.get(key)[i])));
}

const comingOr = (value, { name }) => later.get(name) ?? value;

// Controls that get what was opened, with that as their value.
export const withOpened = (names) => names.map((name) => offer(openings.get(name)));

// The same with a value that was chosen by hand in another one.
export const withChosen = (names, value) => names.map((name) => offer(openings.get(name), value));

// What a control can have that comes nearest to a text, and whether it is the same.
function nearest(typed, { value, choices, minimum, maximum, model }, specs, values) {
  if (Array.isArray(value)) {
    const wished = typed ? typed.split(",") : [];
    const known = wished.filter((each) => choices.includes(each));
    return [known, known.length === wished.length];
  }
  if (typeof value === "number") {
    const number = typed.trim() === "" ? NaN : Number(typed);
    if (Number.isNaN(number)) return [value, false];
    const within = Math.min(Math.max(number, minimum ?? -Infinity), maximum ?? Infinity);
    return [within, within === number];
  }
  const offered = model ? choices[values[specs.findIndex(({ name }) => name === model)]] : choices;
  return !offered || offered.includes(typed) ? [typed, true] : [offered[0], false];
}

// Which tab of a row is to be open, undefined for the first: at first the one that was, or that the link asks
// for; after Back or Forward that of the address.
//   names: by what a link may call it, the tab's id; it is called after the tabs within it as well.
//   within: the id of the tab that the row is in, if it is in one.
export function tab(key, names, within) {
  if (!rows.has(key)) {
    rows.set(key, { ids: [...new Set(Object.values(names))], within });
    if (!within && tabAsked && !names[tabAsked]) {
      leaveOut("tab", tabAsked);
      leaveOutView(tabAsked);
    }
    return fromLink ? names[tabAsked] : recall(key);
  }
  const { ids } = rows.get(key);
  return names[new Map(inAddress()).get("tab")] ?? ids[0];
}

// The innermost tab that is open.
function openTab() {
  const openIn = (wanted) => {
    const [key, { ids }] = [...rows].find(([, { within }]) => within === wanted) ?? [null, {}];
    return key && (noted(key) ?? ids[0]);
  };
  const outer = openIn(null);
  return openIn(outer) ?? outer;
}

// ---- the address -----------------------------------------------------------------------------------------

// The state as [name, value] pairs.
export function state() {
  const open = openTab();
  const found = new Map(waiting); // what a view has to take that is not there yet
  for (const name of entries.keys()) {
    const value = valueOf(name);
    if (value !== undefined && value !== entries.get(name).first) found.set(name, value);
  }
  const short = (name) => (name.startsWith(`${open}.`) ? name.slice(open.length + 1) : name);
  const tab = open === FIRST_TAB ? [] : [["tab", open]];
  return [...tab, ...[...found].map(([name, value]) => [short(name), value])];
}

const placeIn = (parts) => `${parts.get("tab")} ${parts.get("lesson")}`;

let place = placeIn(new Map(asked)); // tab and lesson: another one is a step in the browser's history
let leading = 0; // until then, in milliseconds, the page may be on its way to that place
let isWritten = false; // the first state is no step

function write() {
  if (document.hidden) return;
  const now = state();
  const there = placeIn(new Map(now));
  const isStep = there !== place;
  if (isStep && performance.now() < leading) return;
  if (textOf(now) !== textOf(inAddress())) {
    const how = isStep && isWritten ? "pushState" : "replaceState";
    history[how](null, "", queryOf(now) || location.pathname);
    tellFrame(now);
  }
  place = there;
  isWritten = true;
  noteLink(textOf(now));
}

// The page around a Space shows the same state in its own address.
function tellFrame(now) {
  if (window.parent === window) return;
  const queryString = queryOf(now).slice(1);
  window.parent.postMessage({ queryString }, "https://huggingface.co");
}

// Back and Forward of the browser lead to the tab and the lesson that were open; all else stays as it is.
export function onBack(listener) {
  addEventListener("popstate", () => {
    const parts = new Map(inAddress());
    place = placeIn(parts);
    leading = performance.now() + LEADING;
    document.getElementById("go-back").click();
    listener(parts.get("lesson"));
  });
}

// The address for others: of a Space, if it is one, and with the language.
export function addressFor({ space, language }) {
  const base = space ? `https://huggingface.co/spaces/${space}` : `${window.gradio_config.root}/`;
  const query = new URLSearchParams(queryOf(state()));
  query.set("lang", language);
  return `${base}?${query}`;
}

// ---- when all stands there -------------------------------------------------------------------------------

let isStanding = false;
let stands; // resolves `standing`
export const standing = new Promise((resolve) => (stands = resolve));
const offers = new Map(); // by view, what `ready` resolves

// To be called when Gradio has put the values into its controls.
export function restored() {
  isStanding = true;
  stands();
  leading = performance.now() + LEADING;
  write();
  setInterval(write, EVERY);
}

// The values of controls, by names, as soon as they offer what another model has than at first.
export function offered(names) {
  if (!names.some((name) => later.has(name))) return [];
  const values = names.map((name) => later.get(name) ?? valueOf(name));
  for (const name of names) later.delete(name);
  return values;
}

// To be called when they stand there.
export const ready = (view) => offerOf(view).resolve();

function offerOf(view) {
  if (!offers.has(view)) offers.set(view, Promise.withResolvers());
  return offers.get(view);
}

// To be called when a view is laid out: what it has not taken of the link by then it does not have.
export const settled = (view) => standing.then(() => setTimeout(() => leaveOutView(view), PATIENCE));

// Press a button as soon as the controls of its view stand as they should.
//   offers: whether what they offer depends on the model.
export async function press(id, view, { offers = false } = {}) {
  const button = await elementById(id);
  await standing;
  const model = `${view}.model`;
  if (offers && valueOf(model) !== entries.get(model).first) await offerOf(view).promise;
  requestAnimationFrame(() => button.click());
}

// ---- what a link cannot have ------------------------------------------------------------------------------

const leftOut = []; // what is not taken, as it stands in the link
let tell = () => {};
let soon;

// What waits for a view.
function leaveOutView(view) {
  for (const [name, value] of waiting) if (name.startsWith(`${view}.`)) leaveOut(name, value);
}

export function leaveOut(name, value) {
  waiting.delete(name);
  leftOut.push(`${name.split(".").at(-1)}=${value}`);
  clearTimeout(soon);
  soon = setTimeout(() => tell(leftOut), TOGETHER);
}

// `listener` gets all that was left out so far, again whenever there is more.
export function onLeftOut(listener) {
  tell = listener;
  if (leftOut.length) listener(leftOut);
}
