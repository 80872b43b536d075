// Below a field for a prompt: how the network will read what is typed.
import { Question } from "../lib/server.js";
import { View } from "../lib/view.js";

export function mount(context) {
  const view = new View(context);
  const show = ({ remarks }) => (view.part("remarks").textContent = remarks);
  const question = new Question(view.server.remarks, view.part("problem"), view.text);
  // A message has the remarks, or what was typed; of that nothing is known while the server does not answer.
  return async (message) => {
    const forget = () => show({ remarks: "" });
    const known = "remarks" in message ? message : await question.answer(message, forget);
    if (known) show(known);
  };
}
