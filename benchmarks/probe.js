// Times each `input` event of a slider: until what it changed is on screen, and the script it cost.
window.probe = (() => {
  "use strict";
  const frame = window.requestAnimationFrame.bind(window);
  const now = () => performance.now();
  const events = []; // {start, handler, drawn, shown, script}, in ms
  let drawn = 0; // script in the page's own animation frames so far
  let whenSettled = () => {};

  window.requestAnimationFrame = (callback) =>
    frame((time) => {
      const start = now();
      try {
        callback(time);
      } finally {
        drawn += now() - start;
      }
    });

  function finish(event) {
    event.shown = now() - event.start;
    event.script = event.handler + drawn - event.drawn;
    if (!pending().length) whenSettled();
  }

  const pending = () => events.filter((event) => event.shown === undefined);

  // Call once. Without `picture` an event is on screen at its second animation frame: the page draws in the
  // first. With it, at the animation frame after that image has loaded.
  function watch(slider, picture) {
    const ours = (event) => event.target instanceof Element && event.target.matches(slider);
    const beforeAll = (event) => {
      if (!ours(event)) return;
      const record = { start: now(), drawn };
      events.push(record);
      if (!picture) frame(() => frame(() => finish(record)));
    };
    const afterAll = (event) => {
      if (ours(event)) events.at(-1).handler = now() - events.at(-1).start;
    };
    const loaded = (event) => {
      if (!(event.target instanceof Element && event.target.matches(picture))) return;
      const shown = pending();
      frame(() => shown.forEach(finish));
    };
    window.addEventListener("input", beforeAll, true);
    window.addEventListener("input", afterAll);
    if (picture) document.addEventListener("load", loaded, true); // does not bubble
  }

  // A promise that is kept when every event so far is on screen.
  function settled(timeout = 10000) {
    return new Promise((resolve, reject) => {
      if (!pending().length) return resolve();
      whenSettled = resolve;
      setTimeout(() => reject(new Error(`${pending().length} events are not on screen yet`)), timeout);
    });
  }

  return { watch, settled, events: () => events };
})();
