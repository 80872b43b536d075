// A place of the plane that is taken by a hand: a button that is dragged, or moved with the arrow keys.

const KEY_STEP = 0.05;
const LARGE = 5; // times as far, with Shift
const KEYS = { ArrowRight: [1, 0], ArrowLeft: [-1, 0], ArrowUp: [0, 1], ArrowDown: [0, -1] };

export class Handle {
  // place: () => [x, y]. move: takes another one; `settled` when the hand lets go.
  constructor(element, { placeOf, place, move, settled }) {
    Object.assign(this, { element, place, move, settled });
    let held = false;
    element.addEventListener("pointerdown", (event) => {
      held = true;
      element.setPointerCapture(event.pointerId);
    });
    element.addEventListener("pointermove", (event) => held && move(placeOf(event)));
    for (const end of ["pointerup", "pointercancel"])
      element.addEventListener(end, () => {
        if (held) settled();
        held = false;
      });
    element.addEventListener("keydown", (event) => this.press(event));
  }

  press(event) {
    const step = KEYS[event.key];
    if (!step) return;
    event.preventDefault();
    event.stopPropagation();
    const far = KEY_STEP * (event.shiftKey ? LARGE : 1);
    this.move(this.place().map((value, i) => value + far * step[i]));
    this.settled();
  }
}
