// Run by Gradio for each place of a sentence about what was refused; the sentence is its value.
const place = element.querySelector("p");
const show = async () => {
  const { tell } = await import(`${window.gradio_config.root}[[modules]]/lib/dom.js`);
  tell(place, props.value ?? "");
};
watch("value", show);
show();
// It is about what stood in the controls beside it.
const forget = () => {
  if (!props.value) return;
  props.value = "";
  show();
};
const around = element.closest(".workspace") ?? element.parentElement;
for (const kind of ["input", "change"]) around.addEventListener(kind, forget);
