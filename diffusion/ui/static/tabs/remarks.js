// Below a field for a prompt: how the network will read what is typed, and another that knows more of it.
import { elementById } from "../lib/dom.js";
import { Question } from "../lib/server.js";
import { View } from "../lib/view.js";

export function mount(context) {
  const view = new View(context);
  let offered; // the name of the other model
  const show = ({ remarks, offer }) => {
    view.part("remarks").textContent = remarks;
    view.part("offer").hidden = !offer;
    offered = offer?.model;
    view.part("said").textContent = offer?.said;
    view.part("take").textContent = offer?.button;
  };
  view.part("take").addEventListener("click", async () => {
    const taking = await elementById(view.controls.offer);
    taking.dataset.model = offered;
    taking.click();
  });
  const question = new Question(view.server.remarks, view.part("problem"), view.text);
  // A message has the remarks, or what was typed; of that nothing is known while the server does not answer.
  return async (message) => {
    const forget = () => show({ remarks: "" });
    const known = "remarks" in message ? message : await question.answer(message, forget);
    if (known) show(known);
  };
}
