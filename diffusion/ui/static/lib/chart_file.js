// A chart as a file of its own: an SVG that has its colours, its caption and its legend in it.
import { button, node, phrase } from "./dom.js";
import { download, fileName } from "./files.js";
import { text } from "./text.js";

const SVG = "http://www.w3.org/2000/svg";
const COLOURS = ["fill", "fill-opacity", "stroke"];
const STYLES = [...COLOURS, "stroke-width", "stroke-dasharray", "stroke-linecap", "font-size"];
const FONT = "system-ui, sans-serif";
const ROW = 18; // pixels, of caption and legend
const MARGIN = 10;
const SWATCH = 24; // how long a line of the legend is

// A button in the corner of a chart's card that saves it.
export function offerFile(svg) {
  const made = button("save-chart", phrase(text.save_chart, { chart: svg.getAttribute("aria-label") }));
  made.textContent = "SVG";
  made.addEventListener("click", () => {
    const lab = svg.closest(".lab").classList[1];
    download(fileName([lab, svg.dataset.chart], "svg"), fileOf(svg), "image/svg+xml");
  });
  svg.after(made);
}

// On paper, which is light and has all that the page's styles look for around a chart.
function fileOf(svg) {
  const [paper, figure] = [node("div", "paper"), node("figure")];
  const charts = paper.appendChild(node("div", svg.closest(".charts").className));
  charts.append(figure);
  const copy = figure.appendChild(svg.cloneNode(true));
  svg.closest(".lab").append(paper);
  layOut(copy, captionOf(svg), legendOf(svg));
  for (const element of copy.querySelectorAll("*")) dress(element);
  paper.remove();
  return `<?xml version="1.0" encoding="UTF-8"?>\n${new XMLSerializer().serializeToString(copy)}\n`;
}

function captionOf(svg) {
  const caption = svg.closest("figure").querySelector("figcaption").cloneNode(true);
  for (const asked of caption.querySelectorAll("button")) asked.remove();
  return caption.textContent.replace(/\s+/g, " ").trim();
}

// [the class of a line or band, what it is] for each that is seen; charts in a row may have one for all.
function legendOf(svg) {
  const own = svg.closest("figure").querySelectorAll(".legend .key");
  const shared = svg.closest(".charts").nextElementSibling?.querySelectorAll(".key") ?? [];
  const keys = [...(own.length ? own : shared)].filter((key) => key.offsetParent !== null);
  return keys.map((key) => [key.classList[1], key.textContent.trim()]);
}

// The caption above the chart, the legend below it, white behind all.
function layOut(copy, caption, legend) {
  const [, , width, height] = copy.getAttribute("viewBox").split(" ").map(Number);
  const lines = wrapped(caption, width - 2 * MARGIN);
  const top = -(lines.length * ROW + MARGIN);
  const whole = height - top + legend.length * ROW + MARGIN;
  for (const { name } of [...copy.attributes]) copy.removeAttribute(name);
  const box = { viewBox: `0 ${top} ${width} ${whole}`, width, height: whole };
  for (const [key, value] of Object.entries({ ...box, "font-family": FONT })) copy.setAttribute(key, value);
  const add = (tag, attributes, content = "") => {
    const made = document.createElementNS(SVG, tag);
    for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
    made.textContent = content;
    return copy.appendChild(made);
  };
  const white = add("rect", { x: 0, y: top, width, height: whole, fill: "#ffffff" });
  copy.prepend(add("title", {}, caption), white);
  lines.forEach((line, i) => add("text", { x: MARGIN, y: top + MARGIN + (i + 0.5) * ROW }, line));
  legend.forEach(([name, words], i) => {
    const y = height + (i + 0.5) * ROW;
    if (name === "band") add("rect", { x: MARGIN, y: y - 6, width: SWATCH, height: 12, class: "band" });
    else add("line", { x1: MARGIN, x2: MARGIN + SWATCH, y1: y, y2: y, class: `line ${name}` });
    add("text", { x: MARGIN + SWATCH + 6, y: y + 4 }, words);
  });
}

// A sentence in lines that fit a width.
function wrapped(sentence, width) {
  const context = node("canvas").getContext("2d");
  context.font = `12px ${FONT}`;
  const lines = [""];
  for (const word of sentence.split(" ")) {
    const longer = `${lines.at(-1)} ${word}`.trim();
    if (lines.at(-1) && context.measureText(longer).width > width) lines.push(word);
    else lines[lines.length - 1] = longer;
  }
  return lines;
}

// What the page's styles say of an element, as its own attributes.
function dress(element) {
  if (element.classList.length || element.localName === "text") {
    const styles = getComputedStyle(element);
    for (const name of STYLES) element.setAttribute(name, styles.getPropertyValue(name));
  }
  element.removeAttribute("class");
}
