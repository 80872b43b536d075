"""Checks of single values."""

import unicodedata

import pytest

from diffusion.ui.parts.inputs import InputError, choice, real_number, whole_number


def test_checks_of_values():
    assert whole_number(5, "t", 0, 9) == 5 and whole_number(5.0, "t", 0, 9) == 5
    assert real_number(0.5, "eta", 0, 1) == 0.5
    for bad in (-1, 10, 2.5, float("nan"), float("inf"), "5", None, True, 10**400, [5]):
        with pytest.raises(InputError, match="t must be a whole number from 0 to 9"):
            whole_number(bad, "t", 0, 9)
    for bad in ("z", None, 3, ["a"]):
        with pytest.raises(InputError, match="one of: a, empty"):
            choice(bad, "model", ["a", ""])


@pytest.mark.parametrize("typed", ["NFC", "NFD"])
@pytest.mark.parametrize("kept", ["NFC", "NFD"])
def test_a_word_is_found_in_whatever_unicode_form(typed, kept):
    word = unicodedata.normalize(kept, "고양이")
    assert choice(unicodedata.normalize(typed, "고양이"), "class_label", ["", word]) == word
