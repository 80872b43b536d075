// The same in Korean, where all that a cat has and is stands before it: 빨간 모자를 쓴 고양이.
import { BODY, namesIn, written } from "./wording.js";

const CAT = "고양이";
const PARTICLE = "[을를이가]?";

// The prompt with the name in it, in place of another of its kind; or, if it was there, without it.
export function toggled(prompt, names, name) {
  const same = namesIn(prompt, names).find((each) => each.name.kind === name.kind);
  const rest = (same ? without(prompt, same) : prompt.trim()) || CAT;
  if (same?.name === name) return rest;
  const colours = name.kind === BODY && rest.includes(CAT); // the colour stands next to the cat
  return colours ? rest.replace(CAT, `${phrase(name)} ${CAT}`) : `${phrase(name)} ${rest}`;
}

// 빨간 모자를 쓴; 웃는
function phrase(name) {
  const { form, isTrait } = written(name);
  return isTrait ? form : `${form}${particle(form, name.verbs[0])} ${name.verbs[0]}`;
}

// The one that the last syllable asks for: with a consonant at its end another than without.
function particle(thing, verb) {
  const closed = (thing.charCodeAt(thing.length - 1) - "가".charCodeAt(0)) % 28 > 0;
  return (verb === "있는" ? "가이" : "를을")[Number(closed)];
}

function without(prompt, { name, start, end }) {
  const verbs = name.verbs.join("|");
  const after = prompt.slice(end).replace(new RegExp(`^${PARTICLE}\\s*(?:${verbs})?[\\s,]*`), "");
  return `${prompt.slice(0, start)}${after}`.trim();
}
