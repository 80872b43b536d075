// No view: what events of Gradio's send of a picture that the page has chosen, the subject or the other one.
import { base64From } from "../lib/decode.js";
import { listen, sent, subject } from "../lib/subject.js";

export function mount({ element, props }) {
  const { which } = element.querySelector(".sent").dataset;
  let last = null;
  const send = () => {
    const { bytes, number } = which === "subject" ? subject : subject.other;
    if (!bytes) return;
    last = { pixels: base64From(bytes), picture: number, start: subject.start };
    props.value = last;
    if (which === "subject") sent();
  };
  listen(send);
  send();
  // Python changes nothing here; Gradio, still building its page, may put back what was first.
  return ({ picture, start }) => {
    if (last && (picture !== last.picture || start !== last.start)) props.value = last;
  };
}
