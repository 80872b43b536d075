// The page's link: to be copied, without what a class should not see, and with a word on what it cannot have.
import { phrase, tell } from "./dom.js";
import { addressFor, leaveOut, onLeftOut } from "./link.js";
import { addressOf } from "./own_pictures.js";
import { state } from "./state.js";
import { text } from "./text.js";

// What `hide` takes away besides what has a name in a link.
const PARTS = {
  course: ".hero [data-role=course], .lab.lessons",
  header: ".lab.hero",
  formula: ".formula:not(.tally)",
  charts: ".charts",
};

// root: the header. space: the Space's name, "" if it is none.
export function share(root, space) {
  const said = root.querySelector("[data-role=said]");
  const languages = [...root.querySelectorAll("[hreflang]")].map(({ hreflang }) => hreflang);
  root.querySelector("[data-role=copy-link]").addEventListener("click", () => {
    const address = addressFor({ space, language: document.documentElement.lang });
    const isOwn = state.own.some((own) => addressOf(own) === state.picture);
    copy(address, said, isOwn ? text.link_copied_without : text.link_copied);
  });
  document.addEventListener("pointerdown", ({ target }) => said.contains(target) || tell(said, ""));
  onLeftOut((left) => tell(said, phrase(text.link_left_out, { what: left.join(", ") })));
  const { lang, hide } = Object.fromEntries(new URLSearchParams(location.search));
  if (lang !== undefined && lang !== document.documentElement.lang && !languages.includes(lang))
    leaveOut("lang", lang);
  if (hide) hideAll(hide.split(","));
}

async function copy(address, said, sentence) {
  try {
    await navigator.clipboard.writeText(address);
    tell(said, sentence);
  } catch {
    const field = Object.assign(document.createElement("input"), { value: address, readOnly: true });
    field.setAttribute("aria-label", text.copy_link);
    tell(said, text.link_to_copy);
    said.append(" ", field);
    field.select();
  }
}

// A name is that of a part, "view.name" of one control, or "name" of all that are called so.
function hideAll(names) {
  const selectors = names.map((name) => {
    const quoted = CSS.escape(name.trim());
    const [view, short] = name.trim().split(".");
    if (short) return `[data-link="${quoted}"], #link-${CSS.escape(view)}-${CSS.escape(short)}`;
    return PARTS[name.trim()] ?? `[data-link$=".${quoted}"], [id^="link-"][id$="-${quoted}"]`;
  });
  const style = document.createElement("style");
  style.textContent = `:is(${selectors.join(", ")}) { display: none !important; }`;
  document.head.append(style);
}
