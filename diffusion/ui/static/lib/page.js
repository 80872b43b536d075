// What Gradio's page lacks: arrow keys for tabs and radio buttons, other languages, and in a frame the room
// that there is.

// Gradio gives each radio button of a group a name of its own, so that browsers see groups of one.
const GROUPS = [
  { member: '[role="tab"]', group: '[role="tablist"]' },
  { member: 'input[type="radio"]', group: "fieldset.block" },
];
const STEPS = { ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1 };
const BARS = 190; // pixels of the screen that a browser, and a page around the frame, keep for themselves

// The group of this element with its members, if it is in one of Gradio's.
function groupOf(element) {
  for (const { member, group } of GROUPS) {
    const found = element.matches?.(member) && element.closest(group);
    if (found) return [...found.querySelectorAll(member)];
  }
  return null;
}

// An arrow goes to the next one and chooses it, around the ends too; Home and End to the first and the last.
function onKey(event) {
  const members = groupOf(event.target);
  if (!members || event.altKey || event.ctrlKey || event.metaKey) return;
  const ends = { Home: 0, End: members.length - 1 };
  const step = STEPS[event.key] * (getComputedStyle(event.target).direction === "rtl" ? -1 : 1);
  const place = ends[event.key] ?? (members.indexOf(event.target) + step + members.length) % members.length;
  if (Number.isNaN(place)) return;
  event.preventDefault();
  members[place].click();
  members[place].focus();
}

document.addEventListener("keydown", onKey);

// Another language is another page: whatever else stands in the address stays there. The choice is
// remembered, in a Space's frame too.
document.addEventListener("click", (event) => {
  const link = event.target.closest?.("a[hreflang]");
  if (!link) return;
  const address = new URL(link.href);
  for (const [name, value] of new URLSearchParams(location.search))
    if (name !== "lang") address.searchParams.set(name, value);
  link.href = address;
  const site = location.protocol === "https:" ? "SameSite=None; Secure; Partitioned" : "SameSite=Lax";
  document.cookie = `language=${link.hreflang}; Max-Age=31536000; Path=/; ${site}`; // seconds: a year
});

// For a projector: style/present.css hides what is not shown to many.
document.documentElement.classList.toggle("present", new URLSearchParams(location.search).has("present"));

// A frame that grows with the page, as that of a Space does, has no height of its own.
if (window.parent !== window) {
  document.documentElement.style.setProperty("--room", `${screen.availHeight - BARS}px`);
  document.documentElement.classList.add("framed"); // nothing can stay in sight while it is scrolled
}
