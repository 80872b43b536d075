// Buttons for pictures to choose from.
import { button } from "./dom.js";
import { setPicture, state, subscribe } from "./state.js";

export function presetButton(label, onClick) {
  const made = button("preset", label);
  made.title = label;
  made.addEventListener("click", onClick);
  return made;
}

// Into `row`: the preset pictures, and one that opens the upload with this id.
export function fillPresetRow(row, presets, ownLabel, uploadId) {
  const buttons = presets.map(({ name, picture }) => {
    const made = presetButton(name, () => setPicture(picture));
    made.append(Object.assign(new Image(52, 52), { src: picture, alt: "" }));
    return made;
  });
  const upload = () => document.querySelector(`#${uploadId} input[type=file]`).click();
  const own = presetButton(ownLabel, upload);
  own.classList.add("own");
  own.textContent = "+";
  row.replaceChildren(...buttons, own);
  const mark = () =>
    buttons.forEach((each, i) => each.setAttribute("aria-pressed", presets[i].picture === state.picture));
  mark();
  subscribe((changes) => changes.picture && mark());
}
