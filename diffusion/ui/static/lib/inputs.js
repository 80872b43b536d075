// A view's own inputs, remembered: radio buttons, boxes, numbers and sliders. Transports and rows of
// pictures see to themselves.
import { remember } from "./session.js";

export function rememberInputs(root) {
  const inputs = [...root.querySelectorAll("input[name], input[data-role]")].filter(
    (input) => !input.closest(".transport, .picture-row"),
  );
  const save = () => Object.fromEntries(inputs.map((input) => [nameOf(input), valueOf(input)]));
  const restore = (values) => inputs.forEach((input) => change(input, values[nameOf(input)]));
  remember(`${root.id} inputs`, { save, restore });
}

const isChecked = ({ type }) => type === "radio" || type === "checkbox";
const nameOf = (input) => input.dataset.role ?? `${input.name}=${input.value}`;
const valueOf = (input) => (isChecked(input) ? input.checked : input.value);

// As a hand would, so that the view hears of it.
function change(input, value) {
  if (value === undefined || value === valueOf(input)) return;
  if (isChecked(input)) {
    if (value || input.type === "checkbox") input.click(); // a radio button goes out when another is chosen
    return;
  }
  input.value = value;
  for (const kind of ["input", "change"]) input.dispatchEvent(new Event(kind, { bubbles: true }));
}
