"""Noise from a seed: against published answers, its statistics, and JavaScript against Python."""

from itertools import combinations

import numpy as np
import pytest
import torch
from conftest import needs_browser, visit

from diffusion import draw_noise
from diffusion.noise import fresh_noise, philox
from diffusion.ui.parts.modules import ADDRESS

# Random123's kat_vectors for philox4x32-10: counter, key, answer.
KNOWN_ANSWERS = [
    ([0] * 4, [0] * 2, [0x6627E8D5, 0xE169C58D, 0xBC57AC4C, 0x9B00DBD8]),
    ([0xFFFFFFFF] * 4, [0xFFFFFFFF] * 2, [0x408F276D, 0x41C83B0E, 0xA20BC7C6, 0x6D5451FD]),
    (
        [0x243F6A88, 0x85A308D3, 0x13198A2E, 0x03707344],
        [0xA4093822, 0x299F31D0],
        [0xD16CFE09, 0x94FDCCEB, 0x5001E420, 0x24126EA1],
    ),
]
ODD_SIZES = [(1, 28, 28), (3, 10, 10), (5,), (2,), (1,), (3, 7, 3)]
known_answers = pytest.mark.parametrize("counter, key, answer", KNOWN_ANSWERS)


# ---- x_T -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("shape", [(3, 64, 64), (10, 1, 28, 28), (4, 8, 16, 16), (2, 256, 256, 3)])
def test_x_T_is_what_torch_draws_rounded_to_float16(shape):
    one, two = (draw_noise(shape, torch.Generator().manual_seed(5)) for _ in range(2))
    assert torch.equal(one, two) and torch.equal(one.half().float(), one)
    assert torch.equal(one, torch.randn(shape, generator=torch.Generator().manual_seed(5)).half().float())
    assert one.mean().abs() < 0.03 and (one.std() - 1).abs() < 0.03


@pytest.mark.parametrize("size", ODD_SIZES)
def test_the_first_x_T_of_a_seed_do_not_depend_on_how_many_are_drawn(size):
    one, few, many = (draw_noise((n, *size), torch.Generator().manual_seed(1)) for n in (1, 2, 16))
    assert torch.equal(one, many[:1]) and torch.equal(few, many[:2])


# ---- z ---------------------------------------------------------------------------------------------------


@known_answers
def test_philox_gives_the_known_answers(counter, key, answer):
    assert philox(torch.tensor(counter), key).tolist() == answer
    several = torch.tensor(counter)[:, None, None].expand(4, 2, 3)
    assert (philox(several, key) == torch.tensor(answer)[:, None, None]).all()


@pytest.mark.parametrize("size", ODD_SIZES)
def test_the_z_of_a_picture_does_not_depend_on_how_many_are_drawn(size):
    many = fresh_noise(3, (16, *size), 500)
    assert many.shape == (16, *size) and torch.equal(many.half().float(), many)
    for n in (1, 2, 5):
        assert torch.equal(fresh_noise(3, (n, *size), 500), many[:n])


def test_z_is_standard_normal():
    z = fresh_noise(0, (200, 1, 28, 28), 7).double().flatten()
    moments = [z.pow(n).mean().item() for n in (1, 2, 3, 4)]
    assert moments == pytest.approx([0, 1, 0, 3], abs=4 * (96 / len(z)) ** 0.5)  # 96 = Var(z⁴), the largest
    below = torch.special.ndtr(z.sort().values)  # Kolmogorov and Smirnov, 0.1 %
    assert (below - torch.arange(len(z)) / len(z)).abs().max() < 1.95 / len(z) ** 0.5


def test_streams_are_independent():
    """Of pictures, of timesteps, of seeds, far ones and neighbours; and of the values of one."""
    seeds, steps = (0, 1, 2**32 - 1, 2**32, 2**63), (1, 2, 1000)
    streams = {(s, t): fresh_noise(s, (3, 4096), t) for s in seeds for t in steps}
    rows = torch.cat([*streams.values()])
    for a, b in combinations(rows, 2):
        assert (a * b).mean().abs() < 4.5 / 4096**0.5
    for lag in (1, 2, 3, 4):
        assert (rows[:, lag:] * rows[:, :-lag]).mean().abs() < 4.5 / rows.numel() ** 0.5
    assert not torch.equal(streams[0, 1], streams[2**32, 1])


def test_a_seed_may_be_whatever_torch_takes():
    assert torch.equal(fresh_noise(-1, (1, 8), 1), fresh_noise(2**64 - 1, (1, 8), 1))


# ---- in the browser --------------------------------------------------------------------------------------

CALL = """async ([path, name, parameters]) => {
  const result = (await import(path))[name](...parameters);
  return ArrayBuffer.isView(result) ? Array.from(result) : result;
}"""
ROUND = "async ([path, values]) => values.map((await import(path)).roundedToHalf)"
MODULE = f"{ADDRESS}/lib/noise.js"


@pytest.fixture(scope="module")
def page(browser, server):
    page = visit(browser, server)
    yield page
    page.close()


@needs_browser
@known_answers
def test_the_browsers_philox_gives_the_known_answers(page, counter, key, answer):
    assert page.evaluate(CALL, [MODULE, "philox", [counter, key]]) == answer


@needs_browser
@pytest.mark.parametrize("seed, t", [(0, 1), (1, 1000), (2**32 - 1, 500), (2**32 + 5, 3)])
def test_the_browser_draws_the_very_same_z(page, seed, t):
    for size in ((1, 28, 28), (8, 16, 16), (5,)):
        ours = fresh_noise(seed, (3, *size), t).flatten(1)
        for picture in (0, 2):
            parameters = [seed, picture, ours.shape[1], t]
            assert page.evaluate(CALL, [MODULE, "freshNoise", parameters]) == ours[picture].tolist()


@needs_browser
@pytest.mark.parametrize("seed", [0, 1, 77, 2**31, 2**32 - 1])
@pytest.mark.parametrize("shape", [(4, 3, 64, 64), (10, 1, 28, 28), (2, 1, 5, 5), (3, 7), (9,), (1,)])
def test_the_browser_draws_what_torch_draws(page, seed, shape):
    """Torch's logarithm and cosine are fast ones, other ones on other processors: some values are the next
    ones of half precision."""
    ours = draw_noise(shape, torch.Generator().manual_seed(seed)).flatten().numpy()
    theirs = np.array(page.evaluate(CALL, [MODULE, "drawNoise", [seed, len(ours)]]), np.float32)
    assert len(theirs) == len(ours) and (theirs == ours).mean() > 0.999
    assert (np.abs(theirs - ours) <= np.spacing(np.abs(ours).astype(np.float16)).clip(2.0**-20)).all()


@needs_browser
def test_the_browser_rounds_to_half_precision_as_torch_does(page):
    halves = np.arange(0x7BFF, dtype=np.uint16).view(np.float16).astype(np.float32)
    between = (halves[1:] + halves[:-1]) / 2  # ties
    near = np.concatenate([between, *(np.nextafter(between, to, dtype=np.float32) for to in (0, 1e9))])
    values = np.concatenate([halves, near, -near])
    assert page.evaluate(ROUND, [MODULE, values.tolist()]) == values.astype(np.float16).tolist()


def test_pictures_of_a_seed_can_be_drawn_from_any_number_on():
    many = fresh_noise(3, (5, 2, 3), 500)
    assert torch.equal(fresh_noise(3, (2, 2, 3), 500, first=3), many[3:])
    last = fresh_noise(3, (1, 4096), 500, first=2**32 - 1)
    assert abs(last.mean()) < 0.1 and abs(last.std() - 1) < 0.1
