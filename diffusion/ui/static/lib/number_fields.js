// A number field that was emptied, or holds no number, has its last value again when it is left. Gradio would
// take a slider's lowest value, and a field for a number nothing at all.
const last = new WeakMap();

const numberField = ({ target }) => target instanceof HTMLInputElement && target.type === "number" && target;

function remember(event) {
  const field = numberField(event);
  if (field && field.value !== "") last.set(field, field.value);
}

function restore(event) {
  const field = numberField(event);
  if (!field || field.value !== "" || !last.has(field)) return;
  field.value = last.get(field);
  field.dispatchEvent(new Event("input", { bubbles: true }));
}

// Before whatever else listens to them.
for (const kind of ["focusin", "input"]) document.addEventListener(kind, remember, true);
for (const kind of ["change", "blur"]) document.addEventListener(kind, restore, true);
