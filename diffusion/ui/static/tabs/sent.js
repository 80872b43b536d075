// No view: what an event of Gradio's sends of the picture that the page has chosen.
import { base64From } from "../lib/decode.js";
import { listen, sent, subject } from "../lib/subject.js";

export function mount({ props }) {
  let last = null;
  const send = () => {
    const { bytes, number, start } = subject;
    if (!bytes) return;
    last = { pixels: base64From(bytes), picture: number, start };
    props.value = last;
    sent();
  };
  listen(send);
  send();
  // Python changes nothing here; Gradio, still building its page, may put back what was first.
  return ({ picture, start }) => {
    if (last && (picture !== last.picture || start !== last.start)) props.value = last;
  };
}
