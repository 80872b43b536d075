// What the page remembers as long as its browser tab is open: through reloads, lost connections and Back.
// Another release has its modules at another address, and remembers nothing of this one.
// Who opens a link gets what that says: of what stood there before only large things are left.
import { asked, textOf } from "./address.js";

const RELEASE = import.meta.url;
const NAME = "diffusion";
const DAY = 24 * 60 * 60 * 1000; // milliseconds

const left = sessionAsLeft(); // how it was when the page was opened
// Whether the page is opened by a link, and not by its own address, which is that of what is remembered.
export const fromLink = asked.length > 0 && ![left.link, left.linkBefore].includes(textOf(asked));
if (fromLink) left.values = {};
const values = { ...left.values };
const savers = new Map(); // by key

function sessionAsLeft() {
  try {
    const stored = JSON.parse(sessionStorage.getItem(NAME));
    if (stored?.release === RELEASE) return stored;
  } catch {
    // A browser may forbid storage: then nothing is remembered.
  }
  return { release: RELEASE, id: crypto.getRandomValues(new Uint32Array(4)).join("-"), values: {} };
}

// ---- small things: JSON values ---------------------------------------------------------------------------

// What was remembered under a key when the page was opened; undefined if there is nothing.
export function recall(key) {
  return left.values[key];
}

// The same as noted last.
export function noted(key) {
  return values[key];
}

export function note(key, value) {
  values[key] = value;
  write();
}

// The page's state as its address has it. A page that is being left may keep the one before.
export function noteLink(link) {
  if (link === left.link) return;
  Object.assign(left, { link, linkBefore: left.link });
  write();
}

// Restore at once what was remembered under a key, and from now on remember what `save` gives. A view may be
// mounted again: then it is what its predecessor would have saved.
export function remember(key, { save, restore }) {
  const value = savers.has(key) ? savers.get(key)() : recall(key);
  savers.set(key, save);
  if (value !== undefined) restore(value);
}

function write() {
  try {
    sessionStorage.setItem(NAME, JSON.stringify({ ...left, values }));
  } catch {
    // Forbidden, or full.
  }
}

// ---- large things: whatever can be cloned, such as bytes -------------------------------------------------

let opened = null; // a promise of the database
let database = null; // the same, when it is there
const changed = new Map(); // savers of what has changed since it was written, by key
let soon; // a timer, while something has changed

// From now on keep what `save` gives under a key. To be called again whenever that has changed; `save` itself
// is called within a second, and when the page is hidden or left: browsers may not finish then what is large.
export function keep(key, save) {
  changed.set(key, save);
  openDatabase();
  soon ??= setTimeout(writeLarge, 1000); // milliseconds
}

// A promise of what was kept under a key; of undefined if there is nothing.
export async function kept(key) {
  if (changed.has(key)) return changed.get(key)();
  try {
    const store = (await openDatabase()).transaction("kept").objectStore("kept");
    return await answerOf(store.get([left.id, key]));
  } catch {
    return undefined;
  }
}

function openDatabase() {
  opened ??= open();
  opened.catch(() => {}); // a browser may forbid it
  return opened;
}

async function open() {
  const asked = indexedDB.open(NAME, 1);
  asked.onupgradeneeded = () => {
    asked.result.createObjectStore("sessions"); // when each was last open
    asked.result.createObjectStore("kept");
  };
  database = await answerOf(asked);
  await forgetOldSessions();
  return database;
}

async function forgetOldSessions() {
  const stores = database.transaction(["sessions", "kept"], "readwrite");
  const [sessions, things] = ["sessions", "kept"].map((name) => stores.objectStore(name));
  sessions.put(Date.now(), left.id);
  const [ids, times] = await Promise.all([sessions.getAllKeys(), sessions.getAll()].map(answerOf));
  for (const id of ids.filter((_, i) => Date.now() - times[i] > DAY)) {
    sessions.delete(id);
    things.delete(IDBKeyRange.bound([id], [id, []]));
  }
}

function answerOf(request) {
  return new Promise((resolve, reject) => {
    request.onsuccess = () => resolve(request.result);
    request.onerror = () => reject(request.error);
  });
}

function writeLarge() {
  clearTimeout(soon);
  soon = undefined;
  if (!database || !changed.size) return;
  const things = [...changed].map(([key, save]) => [save(), [left.id, key]]);
  changed.clear();
  try {
    const transaction = database.transaction("kept", "readwrite");
    for (const [thing, key] of things) transaction.objectStore("kept").put(thing, key);
    transaction.commit(); // a page that is left does not wait for requests to be answered
  } catch {
    // The browser has closed the database, as it may for a page that is left or when storage is cleared.
  }
}

// ---- when ------------------------------------------------------------------------------------------------

function writeAll() {
  for (const [key, save] of savers) values[key] = save();
  write();
  writeLarge();
}

addEventListener("pagehide", writeAll);
document.addEventListener("visibilitychange", () => document.hidden && writeAll());
