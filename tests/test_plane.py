"""The Plane tab's arithmetic, in a browser, against Python's: denoiser, samplers, gradients, points."""

import math

import numpy as np
import pytest
import torch
from conftest import needs_browser

from diffusion import draw_noise, sample, timesteps
from diffusion.denoiser import ideal_denoiser
from diffusion.losses import diffusion_loss
from diffusion.noise import fresh_noise
from diffusion.samplers import SAMPLERS
from diffusion.ui.parts.modules import ADDRESS

pytestmark = needs_browser
SHAPES = ("moons", "spiral", "gaussians", "cat", "han")
RANGE = 3.4
CALL = """async ([folder, body, values]) => {
  const names = [
    "plane", "plane_field", "plane_shapes", "plane_walk", "plane_net", "plane_training", "schedules", "noise",
  ];
  const modules = await Promise.all(names.map((name) => import(`${folder}/lib/${name}.js`)));
  const plain = (value) => {
    if (ArrayBuffer.isView(value)) return Array.from(value);
    if (Array.isArray(value)) return value.map(plain);
    if (value === null || typeof value !== "object") return value;
    return Object.fromEntries(Object.entries(value).map(([key, each]) => [key, plain(each)]));
  };
  const run = new Function("all", "values", `const { ${Object.keys(values).join()} } = values; ${body}`);
  return plain(run(Object.assign({}, ...modules), values));
}"""


@pytest.fixture(scope="module")
def js(browser, site):
    """A function that runs JavaScript, in which `all` is what the modules export, and values have names."""
    page = browser.new_page()
    page.goto(site)
    yield lambda body, **values: page.evaluate(CALL, [ADDRESS, body, values])
    page.close()


def points_of(js, shape: str, number: int = 2000, seed: int = 0) -> torch.Tensor:
    """(number, 2) training points of a shape."""
    drawn = js("return all.draw(all.SHAPES[shape], seed).points", shape=shape, seed=seed)
    return torch.tensor(drawn).view(-1, 2)[:number]


# ---- the exact denoiser ----------------------------------------------------------------------------------


@pytest.mark.parametrize("t", [1, 10, 100, 400, 1000])
def test_the_posterior_mean_is_the_ideal_denoiser_s(js, schedule, t):
    points = points_of(js, "moons")
    side = 17
    line = RANGE * ((2 * torch.arange(side) + 1) / side - 1)
    x_t = torch.cartesian_prod(line, line).flip(1)
    wanted = ideal_denoiser(points, schedule)(x_t, torch.full((len(x_t),), t))
    body = """const level = all.levelAt(table, t), data = Float32Array.from(points);
    const grid = all.gridOf(side);
    return [grid, all.exactDenoiser(data)(grid, level), all.exactField(data, side)(level)]"""
    table = schedule.alphas_cumprod.tolist()
    grid, direct, field = js(body, points=points.flatten().tolist(), table=table, t=t, side=side)
    assert torch.allclose(torch.tensor(grid).view(-1, 2), x_t, atol=1e-6)
    for found in (direct, field):
        assert (torch.tensor(found).view(-1, 2) - wanted).abs().max() < 1e-4


def test_a_prediction_has_four_forms(js, schedule):
    t, generator = 300, torch.Generator().manual_seed(3)
    x_0, noise = torch.randn(2, 8, 2, generator=generator)
    alpha, sigma = schedule.alpha_sigma(torch.full((8,), t), x_0)
    x_t = alpha * x_0 + sigma * noise
    wanted = {
        "eps": noise,
        "score": -noise / sigma,
        "v": alpha * noise - sigma * x_0,
        "x_0": x_0 - x_t,
    }
    for form, values in wanted.items():
        body = "return all.inForm(form, Float32Array.from(x_t), x_0, all.levelAt(table, t))"
        table, flat = schedule.alphas_cumprod.tolist(), (x_t.flatten().tolist(), x_0.flatten().tolist())
        found = js(body, form=form, x_t=flat[0], x_0=flat[1], table=table, t=t)
        assert torch.allclose(torch.tensor(found), values.flatten(), atol=2e-5), form


# ---- samplers --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("num_steps", [1, 2, 7, 20, 64, 100])
def test_timesteps_are_python_s(js, schedule, num_steps):
    assert js("return all.timesteps(1000, n)", n=num_steps) == timesteps(schedule, num_steps)


@pytest.mark.parametrize("num_steps", [1, 2, 9, 60])
@pytest.mark.parametrize("sampler, eta", [*((name, 0.0) for name in SAMPLERS), ("ddim", 0.5)])
def test_walks_are_those_of_sample(js, schedule, sampler, eta, num_steps):
    """Every step of every walker, from the same starts and with the same z."""
    points, seed = points_of(js, "gaussians", 200), 5
    x_T = draw_noise((25, 2), torch.Generator().manual_seed(seed))
    denoise, steps = ideal_denoiser(points, schedule), timesteps(schedule, num_steps)
    wanted = list(
        sample(
            denoise,
            schedule,
            x_T,
            steps,
            sampler=sampler,
            eta=eta,
            noise=lambda t: fresh_noise(seed, (25, 2), t),
        )
    )
    body = """const x_T = all.drawNoise(seed, 50), noise = (t) => all.freshPoints(seed, t, 25);
    const denoise = all.exactDenoiser(Float32Array.from(points));
    return all.walk(denoise, table, x_T, steps, { sampler, eta, noise })"""
    table, flat = schedule.alphas_cumprod.tolist(), points.flatten().tolist()
    found = js(body, points=flat, table=table, steps=steps, seed=seed, sampler=sampler, eta=eta)
    assert [(step["t"], step["s"]) for step in found] == [(step.t, step.s) for step in wanted]
    for one, other in zip(found, wanted, strict=True):
        for name in ("x_t", "x_0_hat", "eps_hat", "x_s"):
            difference = torch.tensor(one[name]).view(-1, 2) - getattr(other, name)
            assert difference.abs().max() < 1e-3, (one["t"], name)


def test_where_a_walk_stands_is_the_last_step_that_it_has_reached(js):
    body = """const steps = [[1000, 600], [600, 200], [200, 0]];
    const taken = steps.map(([t, s]) => ({ t, s, x_t: [t], x_s: [s] }));
    return [1000, 900, 600, 599, 200, 1, 0].map((t) => all.placeAt(taken, t)[0])"""
    assert js(body) == [1000, 1000, 600, 600, 200, 200, 0]


# ---- forward ---------------------------------------------------------------------------------------------


def test_single_steps_lead_to_the_same_distribution_as_a_jump(js, schedule):
    """What is added to √ᾱ_t x_0 has mean 0 and variance 1 − ᾱ_t, and is normal."""
    x_0 = points_of(js, "spiral", 500)
    body = "return all.chainOf(table, Float32Array.from(points), 9).filter((_, t) => t % 125 === 0)"
    table = schedule.alphas_cumprod.tolist()
    places = torch.tensor(js(body, points=x_0.flatten().tolist(), table=table)).view(9, 500, 2)
    assert torch.equal(places[0], x_0)
    for i in range(1, 9):
        alpha_bar = schedule.alphas_cumprod[125 * i].item()
        added = ((places[i] - math.sqrt(alpha_bar) * x_0) / math.sqrt(1 - alpha_bar)).flatten()
        assert abs(added.mean()) < 4 / 1000**0.5
        assert abs(added.var() - 1) < 4 * (2 / 1000) ** 0.5
        assert abs((added**4).mean() - 3) < 4 * (96 / 1000) ** 0.5


@pytest.mark.parametrize("t", [150, 400, 1000])
def test_the_density_is_that_of_the_mixture(js, schedule, t):
    points = points_of(js, "cat")
    table, side = schedule.alphas_cumprod.tolist(), 64
    body = """const density = new all.Density(side);
    const heat = density.measure(Float32Array.from(points), all.levelAt(table, t));
    const { x, y } = density.marginals();
    return [heat, x, y]"""
    values, x, y = map(np.array, js(body, points=points.flatten().tolist(), table=table, t=t, side=side))
    alpha, sigma = math.sqrt(table[t]), math.sqrt(1 - table[t])
    line = RANGE * ((2 * np.arange(side) + 1) / side - 1)
    bells = [
        np.exp(-0.5 * ((line[:, None] - alpha * points[:, c].numpy()) / sigma) ** 2)
        / math.sqrt(2 * math.pi)
        / sigma
        for c in (0, 1)
    ]
    wanted = bells[1] @ bells[0].T / len(points)
    assert np.abs(values.reshape(side, side) - wanted).max() < 0.03 * wanted.max()
    for found, bell in ((x, bells[0]), (y, bells[1])):
        assert np.abs(found - bell.mean(1)).max() < 0.03 * bell.mean(1).max()
    assert values.sum() * (2 * RANGE / side) ** 2 == pytest.approx(1, abs=0.01)


def test_distances_are_those_to_the_nearest(js):
    generator = torch.Generator().manual_seed(0)
    points, places = torch.randn(2, 30, 2, generator=generator)
    body = "return [all.distancesTo(points, places), all.median([3, 1, 2]), all.median([4, 1, 2, 3])]"
    found, *medians = js(body, points=points.flatten().tolist(), places=places.flatten().tolist())
    assert torch.allclose(torch.tensor(found), torch.cdist(places, points).min(1).values, atol=1e-5)
    assert medians == [2, 2.5]


# ---- distributions ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("shape", SHAPES)
def test_points_have_mean_0_and_variance_1_and_follow_from_the_seed(js, shape):
    one, again, other = (points_of(js, shape, seed=seed) for seed in (0, 0, 1))
    assert one.shape == (2000, 2) and torch.equal(one, again) and not torch.equal(one, other)
    assert one.mean(0).abs().max() < 1e-4 and one.var(0).mean() == pytest.approx(1, abs=1e-3)
    assert torch.cdist(one, other).min(1).values.median() < 0.1  # the same shape


def test_new_points_are_others_of_the_same_shape(js):
    drawn = js("return all.draw(all.SHAPES.han, 4)")
    points, others = (torch.tensor(drawn[name]).view(-1, 2) for name in ("points", "others"))
    exactly = "donot_use_mm_for_euclid_dist"
    nearest = torch.cdist(others, points, compute_mode=exactly).min(1).values
    assert nearest.min() > 0 and nearest.median() < 0.05


def test_a_spot_counts_as_a_stroke(js):
    shape = {"strokes": [[[0, 0]], [[5, 5]]], "thickness": 0.1}
    points = torch.tensor(js("return all.draw(shape, 0).points", shape=shape)).view(-1, 2)
    assert 0.45 < (points[:, 0] > 0).float().mean() < 0.55


def test_a_drawing_is_short_as_text_and_comes_back(js):
    turns = np.linspace(0, 2 * np.pi, 900)
    circle = np.stack([2 * np.cos(turns), 2 * np.sin(turns)], 1).tolist()
    strokes = [circle, [[0.0, 0.0], [1.0, -1.0]], [[2.5, 2.5]]]
    text, back = js("const t = all.strokesAsText(s); return [t, all.strokesFromText(t)]", s=strokes)
    assert len(text) < 1700
    ring = np.array(back[0])
    assert np.abs(np.hypot(*ring.T) - 2).max() < 0.01 and len(ring) > 20
    assert np.allclose(back[1], strokes[1], atol=1e-3) and np.allclose(back[2], strokes[2], atol=1e-3)


@pytest.mark.parametrize("text", ["", "abc", "abcd.", "abcd..abcd", "ab d", "abcd" * 600, "<b>4", "abcdé123"])
def test_what_is_no_drawing_is_none(js, text):
    assert js("return all.strokesFromText(text)", text=text) is None


# ---- the small network -----------------------------------------------------------------------------------


class Twin(torch.nn.Module):
    """The page's network, from its parameters in one row."""

    def __init__(self, parameters: torch.Tensor, sizes: list[int], schedule):
        super().__init__()
        self.schedule = schedule
        self.parameters_ = parameters.clone().requires_grad_()
        self.sizes = sizes

    def forward(self, x_t, t):
        alpha, sigma = self.schedule.alpha_sigma(t.long(), x_t)
        level = torch.log(alpha / sigma)
        waves = [wave(f * level) for f in (0.25, 0.5, 1, 2) for wave in (torch.sin, torch.cos)]
        out, at = torch.cat([x_t, alpha, sigma, *waves], 1), 0
        for i, (inputs, outputs) in enumerate(zip(self.sizes, self.sizes[1:], strict=False)):
            weights = self.parameters_[at : at + inputs * outputs].view(inputs, outputs)
            at += inputs * outputs
            out = out @ weights + self.parameters_[at : at + outputs]
            at += outputs
            if i < len(self.sizes) - 2:
                out = torch.nn.functional.silu(out)
        return out


def test_loss_and_gradients_are_autograd_s_of_diffusion_loss(js, schedule):
    points, table = points_of(js, "moons"), schedule.alphas_cumprod.tolist()
    body = """const training = new all.Training(Float32Array.from(points), table, 3);
    for (let i = 0; i < 2; i++) training.advance(); // so that biases are not 0
    const batch = training.batch();
    return { ...all.lossOf(training.weights, batch), weights: training.weights, x_0: batch.x_0,
      noise: batch.noise, t: batch.levels.map(({ t }) => t), sizes: all.SIZES,
      v_hat: all.networkDenoiser(training.weights)(batch.x_0, all.levelAt(table, 200)) }"""
    got = js(body, points=points.flatten().tolist(), table=table)
    net = Twin(torch.tensor(got["weights"]), got["sizes"], schedule)
    x_0, noise = (torch.tensor(got[name]).view(-1, 2) for name in ("x_0", "noise"))
    t = torch.tensor(got["t"])
    loss = diffusion_loss(net, schedule, x_0, t, noise, prediction="v").mean()
    loss.backward()
    assert got["loss"] == pytest.approx(loss.item(), rel=1e-4)
    gradient = net.parameters_.grad
    assert (torch.tensor(got["gradient"]) - gradient).abs().max() < 1e-4 * gradient.abs().max()
    with torch.no_grad():
        t = torch.full((len(x_0),), 200)
        alpha, sigma = schedule.alpha_sigma(t, x_0)
        wanted = alpha * x_0 - sigma * net(x_0, t)
    assert torch.allclose(torch.tensor(got["v_hat"]).view(-1, 2), wanted, atol=1e-4)


def test_a_batch_covers_all_t_and_follows_from_seed_and_step(js, schedule):
    points, table = points_of(js, "moons", 50), schedule.alphas_cumprod.tolist()
    body = """const batch = (seed) => {
      const training = new all.Training(Float32Array.from(points), table, seed);
      const { x_0, noise, levels } = training.batch();
      return { x_0, noise, t: levels.map(({ t }) => t) };
    };
    return [batch(0), batch(0), batch(1)]"""
    one, again, other = js(body, points=points.flatten().tolist(), table=table)
    assert one == again and one["noise"] != other["noise"] and one["t"] != other["t"]
    parts = (np.array(one["t"]) - 1) * 256 // 1000
    assert np.abs(parts - np.arange(256)).max() <= 1 and min(one["t"]) >= 1 and max(one["t"]) <= 1000
    noise = torch.tensor(one["noise"])
    assert abs(noise.mean()) < 0.2 and abs(noise.std() - 1) < 0.15
    known = {tuple(point) for point in points.tolist()}
    assert {tuple(point) for point in torch.tensor(one["x_0"]).view(-1, 2).tolist()} <= known


def test_training_comes_near_to_the_exact_denoiser(js, schedule):
    points, table = points_of(js, "gaussians"), schedule.alphas_cumprod.tolist()
    body = """const data = Float32Array.from(points), exact = all.exactDenoiser(data);
    const training = new all.Training(data, table, 0);
    const errorAt = (t) => {
      const level = all.levelAt(table, t);
      const x_t = all.noised(data.subarray(0, 400), all.drawNoise(1, 400), level);
      const [found, wanted] = [all.networkDenoiser(training.average), exact].map((each) => each(x_t, level));
      return Math.sqrt(found.reduce((sum, value, i) => sum + (value - wanted[i]) ** 2, 0) / 400);
    };
    const errors = () => errorAt(150) + errorAt(300);
    const before = errors();
    for (let i = 0; i < 240; i++) training.advance();
    return [before, errors()]"""
    before, after = js(body, points=points.flatten().tolist(), table=table)
    assert after < 0.5 * before
