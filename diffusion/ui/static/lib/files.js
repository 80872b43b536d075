// Files that the page makes by itself, and how somebody gets them.

const LONGEST_NAME = 80; // characters before the ending

// Also in a frame on another site: an address of the page's own needs no permission.
export function download(name, content, type) {
  const blob = content instanceof Blob ? content : new Blob([content], { type });
  const link = document.createElement("a");
  Object.assign(link, { href: URL.createObjectURL(blob), download: name }).click();
  setTimeout(() => URL.revokeObjectURL(link.href), 60_000);
}

// Words as a file's name: letters and digits of any script, and what no system minds.
export function fileName(words, ending) {
  const name = words.filter(Boolean).join("-").replace(/[^\p{L}\p{M}\p{N}+_.-]+/gu, "-");
  return `${[...name].slice(0, LONGEST_NAME).join("").replace(/^[.-]+|[.-]+$/g, "") || "picture"}.${ending}`;
}

export function pngOf(canvas) {
  return new Promise((resolve) => canvas.toBlob(resolve, "image/png"));
}

// A canvas with every pixel as a square of `factor`² pixels.
export function enlarged(canvas, factor) {
  const [width, height] = [factor * canvas.width, factor * canvas.height];
  const large = Object.assign(document.createElement("canvas"), { width, height });
  const context = large.getContext("2d");
  context.imageSmoothingEnabled = false;
  context.drawImage(canvas, 0, 0, width, height);
  return large;
}

// Rows {name: value} as lines with commas: numbers, words, and lists of them; what is not finite stays empty.
export function csvOf(rows) {
  const flat = rows.map((row) => Object.fromEntries(Object.entries(row).flatMap(cellsOf)));
  const names = [...new Set(flat.flatMap(Object.keys))];
  const lines = flat.map((row) => names.map((name) => cell(row[name])));
  return [names, ...lines].map((line) => `${line.join(",")}\n`).join("");
}

const cellsOf = ([name, value]) =>
  Array.isArray(value) ? value.map((each, i) => [`${name}_${i}`, each]) : [[name, value]];

const cell = (value) => (typeof value === "number" && !Number.isFinite(value) ? "" : String(value ?? ""));
