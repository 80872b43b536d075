// What every tab's view has: its markup, its texts, and the Gradio components that belong to it, by name.
import { fill, whenFound } from "./dom.js";
import { letFingersScrollPastSliders } from "./drag.js";
import "./number_fields.js";
import { letKeysReachSymbols } from "./symbols.js";
import { text } from "./text.js";

letFingersScrollPastSliders();

export class View {
  constructor({ element, props, server }) {
    this.root = element.querySelector(".lab");
    letKeysReachSymbols(this.root);
    Object.assign(this, { text, controls: props.controls, server });
  }

  find(selector) {
    return this.root.querySelector(selector);
  }

  part(role) {
    return this.find(`[data-role="${role}"]`);
  }

  canvas(name) {
    return this.find(`canvas[data-c="${name}"]`);
  }

  chart(name) {
    return this.find(`svg[data-chart="${name}"]`);
  }

  // Move a part to the end of the workspace, where it stands below the controls: controls.py has `below`.
  async putBelow(part) {
    const workspace = this.root.closest(".workspace");
    (await whenFound(() => workspace.querySelector(".below .lab"))).replaceChildren(part);
  }

  fill(values) {
    fill(this.root, values);
  }
}

// What receives the messages of a view that is about one model: for that of another, it is laid out anew.
//   make: makes the view, which has a transport, from its first message {model, …}.
export function ofOneModel({ element }, make) {
  const rootOf = () => element.querySelector(".lab");
  const blank = rootOf().cloneNode(true);
  let shown; // {view, model}
  return (message) => {
    if (shown?.model === message.model) return;
    shown?.view.transport.pause();
    if (shown) rootOf().replaceWith(blank.cloneNode(true));
    shown = { view: make(message), model: message.model };
  };
}
