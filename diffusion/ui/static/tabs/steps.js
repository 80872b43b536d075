// A number of steps: any number can be typed, the slider has those that are worth comparing.
import { link } from "../lib/link.js";
import { remember } from "../lib/session.js";

export function mount({ element, props }) {
  const root = element.querySelector(".steps");
  const choices = root.dataset.choices.split(" ").map(Number);
  const [number, slider] = ["number", "slider"].map((role) => root.querySelector(`[data-role="${role}"]`));
  slider.max = choices.length - 1;
  const distance = (choice, value) => Math.abs(Math.log(choice / value));
  const show = (value) => {
    if (Number(number.value) !== value) number.value = value;
    const nearest = choices.reduce((a, b) => (distance(b, value) < distance(a, value) ? b : a));
    slider.value = choices.indexOf(nearest);
    slider.setAttribute("aria-valuetext", value);
  };
  const early = number.value; // what was typed before this was loaded
  const first = props.value;
  let chosen = first;
  const choose = (value) => {
    chosen = props.value = value;
    show(value);
  };
  slider.addEventListener("input", () => choose(choices[slider.value]));
  number.addEventListener("input", () => number.value !== "" && choose(Number(number.value)));
  remember(root.dataset.key, { save: () => chosen, restore: choose });
  const take = (typed) => {
    const wished = typed.trim() === "" ? NaN : Math.round(Number(typed));
    const value = Number.isNaN(wished) ? first : Math.min(Math.max(wished, 1), Number(number.max));
    choose(value);
    return String(value) === typed;
  };
  link(root.dataset.link, { read: () => String(chosen), write: take, first: String(first) });
  if (early !== "") choose(Number(early));
  return () => choose(chosen); // Python changes none; Gradio, still building its page, may put back its first
}
