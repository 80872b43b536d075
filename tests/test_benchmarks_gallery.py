"""Finding drawn emoji again: what counts as one, and what is found for real and reconstructed pictures."""

from dataclasses import replace

import pytest
import torch
from emoji_models import ALL_NAMES

import diffusion.data.emoji
from benchmarks import gallery
from benchmarks.gallery import Gallery, groups, reconstructions, subset, without_skin_tone
from diffusion.data.emoji import load_emoji
from diffusion.data.images import to_signed

WAVING = ("👋", "👋🏻", "👋🏿")
COUPLES = ("👭", "👩🏻‍🤝‍👩🏿")  # one name, two ways to write it
FLAGS = ("🇳🇴", "🇧🇻", "🇰🇷")  # Norway's flag is Bouvet Island's too


def rendered(characters, size: int = 32):
    """These emoji, with all their names."""
    names = {language: {c: known[c] for c in characters} for language, known in ALL_NAMES().items()}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(diffusion.data.emoji, "emoji_names", lambda: names)
        return load_emoji(size, skin_tones=True)


# What counts as one


def test_groups_are_joined_by_any_label_and_through_others():
    alike = groups("aabcde", [1, 2, 2, 3, 4, 3]).tolist()
    assert alike[0] == alike[1] == alike[2] and alike[3] == alike[5]
    assert len({alike[0], alike[3], alike[4]}) == 3


def test_a_skin_tone_is_left_out_of_a_name_and_nothing_else():
    names = ALL_NAMES()["en"]
    assert without_skin_tone(names["👋🏻"]) == names["👋"] == "waving hand"
    assert without_skin_tone(names[COUPLES[1]]) == names[COUPLES[0]]
    assert without_skin_tone("light skin") == "light skin"
    tones = set(diffusion.data.emoji.SKIN_TONES)
    plain = {name for character, name in names.items() if not set(character) & tones}
    assert all(without_skin_tone(name) == name for name in plain)
    assert {without_skin_tone(name) for name in names.values()} == plain


def test_the_same_but_for_skin_tone_and_the_same_picture_count_as_one(emoji_model):
    emoji = rendered([*WAVING, *COUPLES, *FLAGS])
    place = {character: i for i, character in enumerate(emoji.characters)}
    loose, strict = (Gallery(emoji_model, emoji).alike("ko", tone) for tone in (False, True))
    for alike, toned in ((loose, True), (strict, False)):
        for one, other, expected in [
            (WAVING[0], WAVING[1], toned), (WAVING[1], WAVING[2], toned), (*COUPLES, toned),
            (FLAGS[0], FLAGS[1], True), (FLAGS[0], FLAGS[2], False), (WAVING[0], COUPLES[0], False),
        ]:  # fmt: skip
            assert (alike[place[one]] == alike[place[other]]).item() == expected, (one, other, toned)


def test_the_same_name_in_the_prompts_language_counts_as_one(few, emoji_model):
    names = [*few.names["ko"][:-1], few.names["ko"][0].upper()]
    emoji = replace(few, names=few.names | {"ko": tuple(names)})
    korean, english = (Gallery(emoji_model, emoji).alike(language, True) for language in ("ko", "en"))
    assert korean[0] == korean[-1] and english[0] != english[-1]
    assert len(korean.unique()) == len(english.unique()) - 1


# What is found


def test_every_real_picture_is_nearest_to_itself(few, emoji_model):
    found = Gallery(emoji_model, few).find(few.images)
    for distances, indices in found.values():
        assert indices.tolist() == list(range(len(few.characters)))
        assert distances.shape == (len(few.characters),) and distances.max() < 0.01


def test_distances_are_root_mean_squares(few, emoji_model):
    brighter = (few.images[:3].int() - 51).clamp(min=0).to(torch.uint8)  # 51 / 127.5 = 0.4
    distances, indices = Gallery(emoji_model, few).find(brighter)["pixels"]
    expected = (to_signed(few.images[indices]) - to_signed(brighter)).square().flatten(1).mean(1).sqrt()
    assert torch.allclose(distances, expected, atol=1e-3) and distances.min() > 0


def test_copies_are_reconstructions_of_training_pictures_and_of_no_others(few, emoji_model):
    known = Gallery(emoji_model, few)
    out = known.held_out
    assert out.sum() == few.held_out.sum() > 4
    found = known.find(reconstructions(emoji_model, few.images))
    noise = known.find(torch.randint(256, few.images.shape, generator=torch.manual_seed(0)).to(torch.uint8))
    for space in gallery.SPACES:
        copied = known.copies(found, space)
        assert copied[~out].float().mean() > 0.9 and not copied[out].any()
        assert not known.copies(noise, space).any()
        others = torch.cdist(known.known[space][out], known.known[space][~out]).min(1).values
        assert known.copy_limits[space] < others.median() / known.known[space].shape[1] ** 0.5


def test_a_held_out_picture_that_is_trained_under_another_name_is_not_held_out(few, emoji_model):
    [out, trained] = [int(few.held_out.nonzero()[0]), int((~few.held_out).nonzero()[0])]
    images = few.images.clone()
    images[out] = images[trained]
    left = Gallery(emoji_model, replace(few, images=images)).held_out
    assert not left[out] and left.sum() == few.held_out.sum() - 1


def test_a_subset_is_random_but_fixed_and_smaller_ones_are_its_beginning():
    mask = torch.arange(100) % 3 == 0
    chosen = subset(mask)
    assert mask[chosen].all() and sorted(chosen.tolist()) == list(range(0, 100, 3)) != chosen.tolist()
    assert torch.equal(subset(mask, 5), chosen[:5])
