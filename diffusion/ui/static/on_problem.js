// Run by Gradio for each place of a sentence about what was refused; the sentence is its value.
const place = element.querySelector("p");
const show = async () => {
  const { tell } = await import(`${window.gradio_config.root}[[modules]]/lib/dom.js`);
  tell(place, props.value ?? "");
};
watch("value", show);
show();
