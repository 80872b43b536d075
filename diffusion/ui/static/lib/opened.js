// The checkpoints that this visitor has opened, by name: in this browser tab, also after a reload.
import { whenFound } from "./dom.js";
import { note, recall } from "./session.js";

const PLACE = /^(\/.+|[\w.-]+\/[\w.-]+(@[\w.-]+)?)$/; // of a checkpoint: a folder, or a repo
const names = recall("opened") ?? [];
let chosen;
let wanted = null; // what a link asks for, until it is there

// A checkpoint has been opened: choose it.
export function choose(name) {
  if (!names.includes(name)) names.push(name);
  note("opened", names);
  chosen = name;
  wanted = null;
  press("opened-checkpoint");
}

// The choice between the page's own, [label, value] each, and these.
export const offer = (own, value = chosen) => ({
  __type__: "update",
  choices: [...own, ...names.map((name) => [name, name])],
  value,
});

// Open what a link names. Whether it can be a checkpoint's name at all.
export function ask(name) {
  if (!PLACE.test(name)) return false;
  wanted = name;
  press("open-linked");
  return true;
}

export const asked = () => wanted;

// What a link asks for could not be opened: its name, if there was one.
export function giveUp() {
  const name = wanted;
  wanted = null;
  return name;
}

const press = (name) => whenFound(() => document.querySelector(`.${name}`)).then((button) => button.click());
