// Prompts for cats, put together from names of parts. A name is {kind, things, traits, verbs}: as what it can
// be written, things as "a red hat", which a cat has, and traits as "striped", which it is; and with which
// verbs, the second before another such, Korean has the things. This is English; see wording_ko.js.

export const BODY = 0; // the kind whose traits are colours
const GRAMMAR = /^(an?|the|cat|with|wearing|and)$/i;
const ARTICLE = /^an? /;
const HANGUL = /[가-힣]/; // is written without spaces too

// What a chip says, without an article.
export function shown(name) {
  return written(name).form.replace(ARTICLE, "");
}

// As what a name is written if nobody has written it otherwise.
export function written(name) {
  const [thing] = name.things;
  return { name, form: thing ?? name.traits[0], isTrait: thing === undefined };
}

// The names in a prompt, in its order: [{name, form, isTrait, start, end}]. Of several that fit, the longest.
export function namesIn(prompt, names) {
  const found = [];
  for (const { pattern, ...each } of patterns(names))
    for (const match of prompt.matchAll(pattern)) {
      const [start, end] = [match.index, match.index + match[0].length];
      if (found.every((other) => end <= other.start || other.end <= start))
        found.push({ ...each, start, end });
    }
  return found.sort((one, other) => one.start - other.start);
}

function patterns(names) {
  const all = names.flatMap((name) => [
    ...name.things.map((form) => ({ name, form, isTrait: false })),
    ...name.traits.map((form) => ({ name, form, isTrait: true })),
  ]);
  all.sort((one, other) => other.form.length - one.form.length);
  return all.map((each) => {
    const { form } = each;
    const [article] = form.match(ARTICLE) ?? [""];
    const gap = HANGUL.test(form) ? "\\s*" : "\\s+";
    const words = form.slice(article.length).replaceAll(" ", gap).replaceAll("-", "[-\\s]?");
    const all = `(?<![\\w-])(?:${article && "an?\\s+"})?${words}(?![\\w-])`;
    return { ...each, pattern: new RegExp(all, "gi") };
  });
}

// The prompt with the name in it, in place of another of its kind; or, if it was there, without it.
export function toggled(prompt, names, name) {
  const found = namesIn(prompt, names);
  const there = found.find((each) => each.name === name);
  const rest = found.filter((each) => each.name.kind !== name.kind);
  if (isOnlyOf(prompt, found)) return sentence(there ? rest : [...rest, written(name)]);
  const same = found.find((each) => each.name.kind === name.kind);
  if (there) return without(prompt, there);
  return same ? replaced(prompt, same, written(name).form) : added(prompt, written(name));
}

// Whether these names and the words around them are all that it says.
function isOnlyOf(prompt, found) {
  let left = prompt;
  for (const { start, end } of [...found].reverse()) left = `${left.slice(0, start)} ${left.slice(end)}`;
  return left.split(/[\s,.]+/).every((word) => !word || GRAMMAR.test(word));
}

// "a striped grey cat with green eyes and a red hat": the colour next to the cat, the accessory last.
function sentence(found) {
  const byKind = [...found].sort((one, other) => one.name.kind - other.name.kind);
  const traits = byKind.filter(({ isTrait }) => isTrait);
  const colour = traits.filter(({ name }) => name.kind === BODY);
  const others = traits.filter(({ name }) => name.kind !== BODY);
  const cat = [...others, ...colour].map(({ form }) => form).concat("cat").join(" ");
  const things = byKind.filter(({ isTrait }) => !isTrait).map(({ form }) => form);
  const article = /^[aeiou]/i.test(cat) ? "an" : "a";
  return `${article} ${cat}${things.length ? ` with ${listed(things)}` : ""}`;
}

function listed(things) {
  return things.length > 1 ? `${things.slice(0, -1).join(", ")} and ${things.at(-1)}` : things[0];
}

// ---- a prompt that says more: all else in it stays --------------------------------------------------------

function replaced(prompt, { start, end }, form) {
  return prompt.slice(0, start) + form + prompt.slice(end);
}

function without(prompt, { start, end }) {
  const before = prompt.slice(0, start).replace(/(,?\s+(and|with|wearing)|,)\s*$|\s+$/i, "");
  return `${before}${prompt.slice(end)}`.trim();
}

function added(prompt, { form, isTrait }) {
  const cat = /\bcat\b/i.exec(prompt);
  if (isTrait && cat) return replaced(prompt, { start: cat.index, end: cat.index }, `${form} `);
  const joint = isTrait ? ", " : /\b(with|wearing)\b/i.test(prompt) ? " and " : " with ";
  return `${prompt.trimEnd()}${joint}${form}`;
}
