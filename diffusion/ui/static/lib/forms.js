// A step in two forms, the paper's and ours, and a prediction in three: ε̂, v̂ and the score.
import { fill, onChoice } from "./dom.js";
import { fixed, scientific } from "./numbers.js";

const EQUAL = 1e-9; // of weights that are the same but for rounding

// Of DDPM's Algorithm 2, with α = ᾱ_t / ᾱ_s for a step that skips some t: the weights of x_t, ε̂ and z.
export function paperForm({ alphas_cumprod_t: now, alphas_cumprod_s: next }) {
  const alpha = now / next;
  const sigma = Math.sqrt(((1 - next) / (1 - now)) * (1 - alpha));
  return { x_t: 1 / Math.sqrt(alpha), eps: -(1 - alpha) / Math.sqrt(alpha * (1 - now)), z: sigma };
}

// Of our step, with x̂_0 = (x_t − √(1 − ᾱ_t) ε̂) / √ᾱ_t put in.
export function ourForm({ alphas_cumprod_t: now, x_0_weight, eps_weight, noise_weight }) {
  const [alpha, sigma] = [Math.sqrt(now), Math.sqrt(1 - now)];
  return { x_t: x_0_weight / alpha, eps: eps_weight - (x_0_weight * sigma) / alpha, z: noise_weight };
}

export class Forms {
  view = "eps"; // or "v", or "score"

  constructor(root, onChange) {
    this.root = root;
    onChoice(root.querySelector('[data-role="view"]'), (view) => {
      this.view = view;
      for (const each of root.querySelectorAll("[data-view]")) each.hidden = each.dataset.view !== view;
      onChange();
    });
  }

  // The bytes of what is shown in the place of ε̂. The score is −ε̂ / σ, shown with [−3, 3] / σ.
  prediction(film, k) {
    if (this.view === "v") return film.plane(k, "v_hat");
    const eps = film.plane(k, "eps_hat");
    return this.view === "score" ? eps.map((value) => 255 - value) : eps;
  }

  draw(row) {
    const [paper, ours] = [paperForm(row), ourForm(row)];
    const isSame = row.extrapolation === 0 && Math.abs(paper.z - ours.z) < EQUAL;
    this.root.querySelector('[data-role="same"]').hidden = !isSame;
    this.root.querySelector('[data-role="other"]').hidden = isSame;
    for (const [name, form] of Object.entries({ paper, ours }))
      this.root.querySelector(`[data-form="${name}"]`).textContent = inWords(form);
    const [alpha, sigma] = [Math.sqrt(row.alphas_cumprod_t), Math.sqrt(1 - row.alphas_cumprod_t)];
    fill(this.root, {
      form_alpha: scientific(row.alphas_cumprod_t / row.alphas_cumprod_s),
      view_alpha: fixed(alpha),
      view_sigma: fixed(sigma),
      view_gain: fixed(1 / sigma),
    });
  }
}

const inWords = ({ x_t, eps, z }) => `${fixed(x_t)} · xₜ − ${fixed(-eps)} · ε̂ + ${fixed(z)} · z`;
