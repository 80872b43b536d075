// Pictures of one's own, for all tabs. Each is {id, name, crop, letterbox, fit}: two squares, as addresses
// that hold them, and which of the two is on show.
import { base64Of } from "./decode.js";
import { phrase } from "./dom.js";
import { keep, kept } from "./session.js";
import { state, subscribe, update } from "./state.js";

const MOST = 6; // the oldest goes

subscribe(({ own }) => own && keep("own", () => state.own));
kept("own").then((own) => own && update({ own: [...own, ...state.own] }));

export const addressOf = (own) => own[own.fit];

// Python opens the file: `ask` sends it. Returns {own}, or {problem}: a sentence; or {} if the answer was not
// waited for.
export async function addOwn(file, { ask, text, mostMegabytes }) {
  if (file.size > mostMegabytes * 2 ** 20)
    return { problem: phrase(text.picture_too_large, { most: mostMegabytes }) };
  const content = await base64Of(file).catch(() => null);
  if (content === null) return { problem: text.picture_unreadable };
  const reply = await ask({ file: content });
  if (!reply || reply.problem) return reply ?? {};
  const id = 1 + Math.max(0, ...state.own.map((other) => other.id));
  const own = { id, name: file.name ?? "", fit: "crop", ...reply };
  update({ own: [...state.own, own].slice(-MOST) });
  return { own };
}

export function removeOwn(own) {
  update({ own: state.own.filter(({ id }) => id !== own.id) });
}

export function setFit(own, fit) {
  update({ own: state.own.map((other) => (other.id === own.id ? { ...own, fit } : other)) });
}
