from dataclasses import replace

import numpy as np
import pytest
import torch

from diffusion.data.emoji import (
    HELD_OUT_FILE,
    LANGUAGE_SHARES,
    LANGUAGES,
    SKIN_TONES,
    TEMPLATES,
    captions,
    emoji_names,
    held_out_emoji,
    load_emoji,
)
from diffusion.data.image_sets import DataError
from diffusion.data.images import to_signed
from diffusion.films.emoji_atlas import SIDE, load_atlas, save_atlas


@pytest.fixture(scope="module")
def emoji():
    return load_emoji(64, skin_tones=False)


def test_every_emoji_has_a_picture_of_its_own_colours(emoji):
    assert len(emoji.characters) == len(set(emoji.characters)) > 1850
    assert emoji.images.shape == (len(emoji.characters), 3, 64, 64)
    assert emoji.images.dtype == torch.uint8
    assert (emoji.images.flatten(1).min(1).values < 255).all()  # none is blank
    heart = emoji.images[emoji.characters.index("❤️")].float().mean((1, 2))
    assert heart[0] > heart[1] + 50 and heart[0] > heart[2] + 50
    assert (emoji.images[:, :, 0, 0] == 255).all()  # on white


def test_names_are_in_fourteen_languages(emoji):
    assert len(LANGUAGES) == len(emoji.names) == 14
    assert emoji_names()["ko"]["❤️"] == "빨간색 하트" and emoji_names()["en"]["🐱"] == "cat face"
    assert emoji_names()["ja"]["🐶"] and emoji_names()["ar"]["🐶"]
    assert all(len(names) == len(emoji.characters) and all(names) for names in emoji.names.values())


def test_skin_tones_are_variants_of_what_is_there_without(emoji):
    everything = emoji_names()["en"]
    toned = [c for c in everything if set(c) & set(SKIN_TONES)]
    assert len(toned) > 1500 and len(everything) - len(toned) - len(emoji.characters) < 60
    assert not any(set(c) & set(SKIN_TONES) for c in emoji.characters)


def test_held_out_combinations_are_listed_and_composed_of_what_is_trained_on(emoji):
    combinations = held_out_emoji()
    assert 150 <= len(combinations) < 0.12 * len(emoji_names()["en"])
    assert combinations <= emoji_names()["en"].keys()
    assert len(HELD_OUT_FILE.read_text("utf-8").splitlines()) >= len(combinations)
    trained = emoji.subset(~emoji.held_out)
    known = {word for name in trained.names["en"] for word in name.lower().split()}
    for name in emoji.subset(emoji.held_out).names["en"]:
        parts = name.lower().replace("-", " ").split()
        assert set(parts) <= {part for word in known for part in word.replace(":", "").split("-")} | {"7"}, (
            name
        )


def test_a_subset_keeps_pictures_and_names_together(emoji):
    some = emoji.subset(torch.tensor([5, 2]))
    assert some.characters == (emoji.characters[5], emoji.characters[2])
    assert torch.equal(some.images, emoji.images[[5, 2]])
    assert some.names["ko"] == (emoji.names["ko"][5], emoji.names["ko"][2])
    assert len(emoji.subset(emoji.held_out).characters) == int(emoji.held_out.sum()) > 50


def test_a_missing_font_names_the_command_that_installs_it(monkeypatch, tmp_path):
    monkeypatch.setattr("diffusion.data.emoji.FONT_FILES", ())
    with pytest.raises(DataError, match=r"apt install fonts-noto-color-emoji.*--emoji-font"):
        load_emoji(32, False)
    (tmp_path / "no.ttf").write_bytes(b"not a font")
    with pytest.raises(DataError, match="no.ttf is not the font"):
        load_emoji(32, False, tmp_path / "no.ttf")


def test_captions_put_the_name_into_every_template(emoji):
    few = emoji.subset(torch.arange(3))
    for language in LANGUAGES:
        texts = captions(few, language)
        assert len(texts) == 3 and {len(each) for each in texts} == {max(map(len, TEMPLATES.values()))}
        assert all(name in text for name, each in zip(few.names[language], texts) for text in each)
    shares = [LANGUAGE_SHARES.get(language, LANGUAGE_SHARES["else"]) for language in LANGUAGES]
    assert sum(shares) == pytest.approx(1)


def test_an_atlas_comes_back_as_it_was_saved(emoji, tmp_path):
    few = emoji.subset(torch.arange(0, 1900, 30))
    save_atlas(tmp_path, few)
    atlas = load_atlas(tmp_path)
    assert atlas.characters == few.characters and atlas.names == few.names
    assert np.array_equal(atlas.held_out, few.held_out.numpy())
    assert atlas.pictures.shape == (len(few.characters), SIDE, SIDE, 3)
    for i in (0, 7, 40):  # every picture is nearest to itself
        distances = atlas.distances(to_signed(few.images[i]))
        assert distances.argmin() == i and distances[i] < 0.01 < distances.median()
    assert {"face", "얼굴"} <= atlas.words()


def test_a_broken_atlas_is_none(emoji, tmp_path):
    assert load_atlas(tmp_path) is None
    save_atlas(tmp_path, emoji.subset(torch.arange(4)))
    (tmp_path / "atlas.png").write_bytes(b"PNG?")
    assert load_atlas(tmp_path) is None


def test_what_emoji_are_made_of(few):
    assert few.found == [f"{len(few.characters)} emoji, named in 14 languages"]
    part = few.contents[""]
    assert (
        part.pictures == len(few.characters) and part == few.subset(torch.arange(part.pictures)).contents[""]
    )
    for changed in (
        replace(few, images=few.images // 2),
        replace(few, names=few.names | {"en": few.names["ko"]}),
        few.subset(torch.arange(part.pictures - 1)),
    ):
        assert changed.contents != few.contents
