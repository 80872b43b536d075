"""The pictures to choose from."""

import numpy as np

from diffusion.data.emoji import held_out_emoji, load_emoji
from diffusion.ui.parts.example_pictures import emoji_pictures, preset_pictures


def test_presets_are_pictures_of_their_own():
    pictures = [np.asarray(picture) for picture in preset_pictures().values()]
    assert all(picture.shape == (256, 256, 3) and picture.std() > 20 for picture in pictures)
    assert all((one != other).any() for i, one in enumerate(pictures) for other in pictures[:i])


def test_the_emoji_are_the_fonts_own():
    pictures = emoji_pictures()
    emoji = load_emoji(next(iter(pictures.values())).width, skin_tones=False)
    rendered = dict(zip(emoji.characters, emoji.images.permute(0, 2, 3, 1).numpy()))
    held_out = {"".join(c) for c in held_out_emoji()}
    for name, picture in pictures.items():
        character, *words = name.split()
        assert np.array_equal(np.asarray(picture), rendered[character]), name
        assert (words[-1] == "✦") == (character in held_out), name
