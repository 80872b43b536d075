// Run by Gradio for each component: its view is a module, and what Python sends meanwhile waits for it.
const messages = [];
let receive = (message) => messages.push(message);
const contentOf = async ({ file }) => (await fetch(file)).json();
let before = Promise.resolve(); // what came first is received first
const take = () => {
  const message = props.value?.file ? contentOf(props.value) : props.value;
  if (message) before = before.then(() => message).then((content) => receive(content));
};
watch("value", take);
take();
const root = element.querySelector(".lab");
root.id = "[[id]]";
const load = (name) => import(`${window.gradio_config.root}[[modules]]/${name}.js`);
Promise.all([load("tabs/[[view]]"), load("lib/inputs"), before]).then(
  ([{ mount }, { rememberInputs }]) => {
    receive = mount({ element, props, server }) ?? (() => {});
    for (const message of messages) receive(message);
    rememberInputs(root);
  },
  () => {
    const problem = { className: "problem", role: "alert", textContent: "[[view_missing]]" };
    root.replaceChildren(Object.assign(document.createElement("p"), problem));
  },
);
