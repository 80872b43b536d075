// Dragging sideways with a mouse or a finger; a finger that goes up or down scrolls the page.

const SLACK = 6; // pixels that a finger may slip when it taps

// Calls `move` with x in the element's pixels: for a mouse from the press on, for a finger when it is clear
// that it goes sideways, or has tapped.
export function onDrag(element, move) {
  let start = null; // of the gesture
  let sideways = false;
  const moveTo = (event) => move(event.clientX - element.getBoundingClientRect().left);
  element.classList.add("draggable");
  element.addEventListener("pointerdown", (event) => {
    element.setPointerCapture(event.pointerId);
    start = event;
    sideways = event.pointerType === "mouse";
    if (sideways) moveTo(event);
  });
  element.addEventListener("pointermove", (event) => {
    if (!start) return;
    const [x, y] = [Math.abs(event.clientX - start.clientX), Math.abs(event.clientY - start.clientY)];
    sideways ||= x > SLACK && x > y;
    if (sideways) moveTo(event);
  });
  element.addEventListener("pointerup", (event) => {
    if (!start) return; // it was pressed elsewhere, on a list that is closed now
    const slipped = Math.abs(event.clientY - start.clientY) > SLACK;
    if (!sideways && !slipped) moveTo(event);
    start = null;
  });
  element.addEventListener("pointercancel", () => (start = null)); // it scrolls
}

// A slider jumps to the finger before the browser knows that it scrolls: then it goes back.
export function letFingersScrollPastSliders() {
  let touched = null; // {slider, value}
  document.addEventListener("pointerdown", ({ target, pointerType }) => {
    const isSlider = pointerType === "touch" && target.matches('input[type="range"]');
    touched = isSlider ? { slider: target, value: target.value } : null;
  }, true);
  document.addEventListener("pointercancel", ({ target }) => {
    if (touched?.slider !== target) return;
    target.value = touched.value;
    target.dispatchEvent(new Event("input", { bubbles: true }));
  }, true);
}
