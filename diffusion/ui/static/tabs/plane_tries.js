// Things to try in the Plane tab: the controls are set as a hand would, then the slider.
import { button, node } from "../lib/dom.js";

const DRAWN = 100; // milliseconds until what is set is seen
const EXACT = { direction: "reverse", denoiser: "exact" };
const TRIES = [
  { key: "drown", set: { direction: "forward", markov: false }, t: 0, play: true },
  { key: "chain", set: { direction: "forward", markov: true }, t: 300 },
  { key: "drag", set: { ...EXACT, arrows: "none", steps: 50 }, t: 0, focus: "handle" },
  { key: "jump", set: { ...EXACT, arrows: "x_0", steps: 1 }, t: 1000, play: true },
  { key: "score", set: { ...EXACT, arrows: "score", steps: 20 }, t: 150 },
  { key: "memory", set: { ...EXACT, arrows: "none", points: "20", steps: 100 }, t: 0 },
  { key: "learn", set: { direction: "reverse", denoiser: "network", points: "200", steps: 50 }, t: 0 },
];

export function listTries(view) {
  const items = TRIES.map((each) => {
    const item = node("li");
    const press = button("plain");
    press.textContent = view.text[`plane_try_${each.key}`];
    press.addEventListener("click", () => attempt(view, each));
    item.append(press, node("p", "note", view.text[`plane_seen_${each.key}`]));
    return item;
  });
  view.part("tries").append(...items);
}

function attempt(view, { set, t, play, focus }) {
  view.drawing.setOpen(false);
  for (const [name, value] of Object.entries(set)) put(view.part(name), value);
  view.transport.userSet(t);
  view.find(".stage").scrollIntoView({ block: "nearest" });
  if (play) view.transport.play();
  if (focus) setTimeout(() => view.part(focus).focus({ preventScroll: true }), DRAWN);
}

function put(part, value) {
  if (part.matches("fieldset")) part.querySelector(`[value="${value}"]`).click();
  else if (part.type === "checkbox") part.checked !== value && part.click();
  else {
    part.value = value;
    part.dispatchEvent(new Event("input", { bubbles: true }));
  }
}
