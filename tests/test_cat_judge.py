"""The judge of cats: real ones are found, also disturbed; what is between two parts, or no cat, is said."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from diffusion.data.cat_judge import MAX_DISTANCE, judge, nearest_cats, nearest_trained_on, visible
from diffusion.data.cats import KINDS, VISIBLE, Cats, read_cats
from diffusion.data.images import to_signed

MOUTH, ACCESSORY = KINDS.index("mouth"), KINDS.index("accessory")


@pytest.fixture(scope="module")
def cats() -> Cats:
    return read_cats(Path("checkpoints/cats"))


@pytest.fixture(scope="module")
def real(cats):
    """Some cats that show their mouths."""
    some = cats.never_trained_on(48, seed=1)
    return some[~cats.hides_mouth[some[:, ACCESSORY]]]


@pytest.mark.parametrize("noise", [0, 0.02, 0.1])
def test_the_parts_of_real_cats_are_found_however_they_are_disturbed(cats, real, noise):
    generator = torch.Generator().manual_seed(0)
    seen = to_signed(cats.render(real))
    found = judge(cats, seen + 2 * noise * torch.randn(seen.shape, generator=generator))
    assert torch.equal(found.cats, real)
    if noise <= 0.02:
        assert found.possible.all() and found.clear.all()
        assert found.sharp.float().mean() > 0.9
        assert (found.distance - noise).abs().max() < 0.01


def test_a_cat_between_two_parts_has_the_other_one_as_rival(cats, real):
    for kind in range(len(KINDS)):
        other = real.clone()
        other[:, kind] = (other[:, kind] + 1) % cats.counts[kind]
        halfway = (cats.render(real).float() + cats.render(other).float()) / 2
        found = judge(cats, halfway / 127.5 - 1)
        assert (found.rivals[:, kind] >= 0).float().mean() > 0.9, KINDS[kind]
        assert not found.sharp[found.rivals[:, kind] >= 0].any()


def test_a_part_that_fits_exactly_where_the_chosen_one_does_not_is_a_rival():
    """Two bodies that differ by so little, but for one pixel, that this pixel alone is looked at."""
    shapes = [torch.zeros(count, 4, 16, 16, dtype=torch.uint8) for count in (2, 1, 1, 1, 1)]
    shapes[0][:, 3] = 255
    shapes[0][:, :3] = torch.tensor([100, 108])[:, None, None, None]
    shapes[0][1, :3, 5, 5] = 120
    names = tuple(tuple(f"{kind} {i}" for i in range(len(part))) for kind, part in zip("abcde", shapes))
    two = Cats(tuple(shapes), names)
    seen = two.render(torch.zeros(1, 5, dtype=torch.long))
    seen[0, :, 5, 5] = 120
    found = judge(two, to_signed(seen))
    assert found.cats[0, 0] == 0 and found.rivals[0, 0] == 1 and not found.sharp[0]


def test_something_else_in_the_picture_is_not_clear(cats, real):
    seen = to_signed(cats.render(real))
    seen[:, :, 56:, 56:] = -1  # a black corner
    found = judge(cats, seen)
    assert not found.clear.any() and not found.sharp.any()


def test_noise_is_no_possible_cat(cats):
    found = judge(cats, torch.randn(4, 3, 64, 64, generator=torch.Generator().manual_seed(0)))
    assert (found.distance > MAX_DISTANCE).all() and not found.possible.any() and not found.sharp.any()


def test_a_hidden_mouth_has_no_rival(cats):
    scarves = cats.hides_mouth.nonzero().flatten()
    assert len(scarves) == 2
    some = cats.never_trained_on(12, seed=2)
    some[:, ACCESSORY] = scarves.repeat(6)
    found = judge(cats, to_signed(cats.render(some)))
    assert (found.rivals[:, MOUTH] == -1).all() and found.sharp.all()
    shown = [kind for kind in range(len(KINDS)) if kind != MOUTH]
    assert torch.equal(found.cats[:, shown], some[:, shown])


def test_the_nearest_trained_on_cat_differs_in_as_few_parts_as_any(cats, real):
    for cat in real[:5]:
        nearest = nearest_trained_on(cats, cat)
        assert cats.is_trained_on(nearest)
        assert (nearest != cat).sum() == (cats.trained_on != cat).sum(1).min() >= 1
    known = cats.trained_on[1000]
    assert torch.equal(nearest_trained_on(cats, known), known)


def test_a_mouth_under_a_scarf_does_not_count_for_the_nearest_trained_on_cat(cats):
    """Neither a mouth that is itself trained on with all else, nor one more that differs."""
    scarves = cats.hides_mouth.nonzero().flatten()
    known = cats.trained_on[torch.isin(cats.trained_on[:, ACCESSORY], scarves)]
    shown = [kind for kind in range(len(KINDS)) if kind != MOUTH]
    for cat in known[:: len(known) // 5]:
        for mouth in range(cats.counts[MOUTH]):
            other = cat.clone()
            other[MOUTH] = mouth
            assert torch.equal(nearest_trained_on(cats, other)[shown], cat[shown])
    some = cats.never_trained_on(400, seed=3)
    some[:, ACCESSORY] = scarves.repeat(200)
    for cat in some[:4]:
        fewest = (known[:, shown] != cat[shown]).sum(1).min()
        nearest = nearest_trained_on(cats, cat)
        assert cats.is_trained_on(nearest) and (nearest[shown] != cat[shown]).sum() <= max(fewest, 1)


def test_started_near_the_nearest_cat_few_answers_differ(cats, real):
    noise = 0.1 * torch.randn(len(real), 3, 64, 64, generator=torch.Generator().manual_seed(0))
    seen = (cats.render(real) / 255 + noise).clamp(0, 1)
    assert torch.equal(nearest_cats(cats, seen, start=real), nearest_cats(cats, seen))
    other = real.clone()
    for kind in range(len(KINDS)):
        other[:, kind] = (other[:, kind] + 1) % cats.counts[kind]
    assert (nearest_cats(cats, seen, start=other) == real).all(1).float().mean() > 0.9


def test_one_picture_is_judged_as_among_many(cats, real):
    seen = to_signed(cats.render(real[:3])) + 0.05
    alone, together = judge(cats, seen[1:2]), judge(cats, seen)
    assert torch.equal(alone.cats[0], together.cats[1])
    torch.testing.assert_close(alone.distance[0], together.distance[1])


def test_a_part_is_visible_where_the_picture_is_another_one_without_it(cats, real):
    for kind, layer in enumerate(cats.layers):
        nothing = tuple(torch.zeros_like(each) if each is layer else each for each in cats.layers)
        without = replace(cats, layers=nothing).render(real).short()
        differs = (cats.render(real).short() - without).abs().amax(1)
        assert ((differs > VISIBLE + 1) <= visible(cats, real, kind)).all()
        assert ((differs > VISIBLE - 1) >= visible(cats, real, kind)).all()
    hat, scarf = real[:1].clone(), real[:1].clone()
    hat[:, ACCESSORY], scarf[:, ACCESSORY] = (cats.classes.index(name) for name in ("red hat", "red scarf"))
    rows = torch.arange(cats.image_shape[-1])
    middle = [(rows * visible(cats, cat, ACCESSORY)[0].sum(1)).sum() for cat in (hat, scarf)]
    area = [visible(cats, cat, ACCESSORY).sum() for cat in (hat, scarf)]
    assert middle[0] / area[0] < len(rows) / 2 < middle[1] / area[1]
    assert not visible(cats, scarf, MOUTH).any()
