// What controls tell of their effect.
const told = new Map(); // by control

// The update of a control that tells this; none while it does so already: Gradio may lose what is typed, or
// restored, into a control in the moment of its update.
export function tell(control, info, atFirst) {
  if (info === (told.get(control) ?? atFirst)) return undefined;
  told.set(control, info);
  return { __type__: "update", info };
}
