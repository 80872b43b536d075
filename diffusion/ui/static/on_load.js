// Run by Gradio for each component: its view is a module, and what Python sends meanwhile waits for it.
const messages = [];
let receive = (message) => messages.push(message);
const take = () => props.value && receive(props.value);
watch("value", take);
take();
import(`${window.gradio_config.root}[[module]]`).then(
  ({ mount }) => {
    receive = mount({ element, props, server }) ?? (() => {});
    for (const message of messages) receive(message);
  },
  () => {
    const problem = { className: "problem", role: "alert", textContent: props.strings.view_missing };
    element.querySelector(".lab").replaceChildren(Object.assign(document.createElement("p"), problem));
  },
);
