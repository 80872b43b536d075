// No view: what an event of Gradio's sends of the picture that the page has chosen.
import { base64From } from "../lib/decode.js";
import { listen, subject } from "../lib/subject.js";

export function mount({ props }) {
  const send = () => (props.value = sentOf(subject));
  listen(send);
  send();
}

const sentOf = ({ bytes, number, start }) =>
  bytes && { pixels: base64From(bytes), picture: number, start };
