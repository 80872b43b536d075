// What learners ask, answered where it arises: each small "?" opens the one popover, with its answer in it.
import { button, node, phrase, writeText } from "./dom.js";
import { pointAt } from "./places.js";
import { TRIES } from "./question_tries.js";
import { questions, text } from "./text.js";

const GAP = 6; // pixels between the "?", its answer and the edge of the window
const SHEET = matchMedia("(max-width: 560px)"); // at the bottom then, unless the window is a growing frame
const PAPER = /(arXiv) (\d{4}\.\d{5})/;

// The numbers at present that an answer mentions.
const VALUES = {
  guidance(place) {
    const s = Number(place.closest(".block").querySelector("input[type=number]").value);
    return { s: String(s), w: String(+(s - 1).toFixed(2)).replace("-", "−") };
  },
  alphas(place) {
    const lab = place.closest(".lab");
    const shown = (name) => lab.querySelector(`.formula [data-n=${name}]`).textContent;
    const t = lab.querySelector("input[data-role=t]").value;
    const beta = shown("beta");
    return { t, beta, alpha: (1 - Number(beta)).toFixed(5), alpha_bar: shown("alpha_bar") };
  },
};

export function answerQuestions() {
  document.addEventListener("click", onClick);
  const observer = new MutationObserver(addToControls);
  observer.observe(document.body, { childList: true, subtree: true });
  addToControls();
}

// At Gradio's own controls, which Python's controls.py has marked; they come and go.
function addToControls() {
  for (const control of document.querySelectorAll(".asks:not(:has(.ask))")) {
    const name = [...control.classList].map((each) => /^asks-(.+)/.exec(each)?.[1]).find(Boolean);
    const mark = button("ask", phrase(text.question, { question: questions[name].question }));
    mark.dataset.question = name;
    mark.setAttribute("aria-haspopup", "dialog");
    (control.querySelector(".head") ?? control.querySelector(".container"))?.append(mark);
  }
}

function onClick({ target }) {
  const mark = target.closest?.(".ask");
  if (mark) answer(mark);
  const trial = target.closest?.("[data-try]");
  if (trial) attempt(trial.dataset.try);
}

function answer(mark) {
  const name = mark.dataset.question;
  const place = document.querySelector(".lab.answer");
  const { question, answer: words, source, try: trial } = questions[name];
  const part = (role) => place.querySelector(`[data-role="${role}"]`);
  part("question").textContent = question;
  writeText(part("words"), phrase(words, VALUES[name]?.(mark) ?? {}));
  part("try").textContent = trial;
  part("try").dataset.try = name;
  part("source").replaceChildren(...linked(source));
  place.showPopover({ source: mark });
  put(place, mark.getBoundingClientRect());
  place.focus();
}

// A source's papers as links.
function linked(source) {
  return source.split(/(arXiv \S+\d)/).map((words) => {
    const paper = PAPER.exec(words);
    const href = paper && `https://arxiv.org/abs/${paper[2]}`;
    return paper ? Object.assign(node("a", "", words), { href, target: "_blank", rel: "noopener" }) : words;
  });
}

// Below the "?", or above if there is more room, and within the window.
function put(place, mark) {
  place.classList.toggle("sheet", SHEET.matches && window.parent === window);
  const { width, height } = place.getBoundingClientRect();
  const { clientWidth, clientHeight } = document.documentElement;
  const below = mark.bottom + GAP;
  const top = below + height <= clientHeight ? below : mark.top - GAP - height;
  const within = (at, size, whole) => Math.max(GAP, Math.min(at, whole - size - GAP));
  const left = within((mark.left + mark.right - width) / 2, width, clientWidth);
  place.style.setProperty("--left", `${left + scrollX}px`);
  place.style.setProperty("--top", `${within(top, height, clientHeight) + scrollY}px`);
}

async function attempt(name) {
  document.querySelector(".lab.answer").hidePopover();
  pointAt(await TRIES[name]());
}
