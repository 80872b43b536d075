// A view's own inputs, remembered: radio buttons, boxes, numbers and sliders. Transports and rows of
// pictures see to themselves.
import { link, settled, viewOf } from "./link.js";
import { remember } from "./session.js";

export function rememberInputs(root) {
  const inputs = [...root.querySelectorAll("input[name], input[data-role]")].filter(
    (input) => !input.closest(".transport, .picture-row"),
  );
  const save = () => Object.fromEntries(inputs.map((input) => [nameOf(input), valueOf(input)]));
  const restore = (values) => inputs.forEach((input) => change(input, values[nameOf(input)]));
  remember(`${root.id} inputs`, { save, restore });
  const view = viewOf(root);
  if (!view || root.dataset.link) return; // it is part of another
  for (const [name, group] of groupsOf(inputs)) linkGroup(`${view}.${name}`, group);
  settled(view);
}

// By name: a group of radio buttons, or one input.
function groupsOf(inputs) {
  const groups = new Map();
  for (const input of inputs) {
    const name = input.dataset.link ?? input.closest("[data-role]").dataset.role;
    groups.set(name, [...(groups.get(name) ?? []), input]);
  }
  return groups;
}

function linkGroup(name, group) {
  const [input] = group;
  (input.closest("fieldset, label") ?? input).dataset.link = name;
  if (input.type === "radio") {
    const read = () => group.find(({ checked }) => checked)?.value;
    const write = (value) => {
      const wanted = group.find((each) => each.value === value);
      if (wanted) change(wanted, true);
      return Boolean(wanted);
    };
    link(name, { read, write, first: group.find(({ defaultChecked }) => defaultChecked)?.value });
  } else if (input.type === "checkbox") {
    const digit = (checked) => (checked ? "1" : "0");
    const write = (value) => {
      change(input, value === "1");
      return digit(input.checked) === value;
    };
    link(name, { read: () => digit(input.checked), write, first: digit(input.defaultChecked) });
  } else {
    const write = (value) => {
      change(input, value);
      return input.value === value;
    };
    link(name, { read: () => input.value, write, first: input.defaultValue });
  }
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
