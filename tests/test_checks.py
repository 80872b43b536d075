import pytest

from diffusion.checks import check_whole, is_whole


@pytest.mark.parametrize(
    ("value", "whole"),
    [
        (1, True),
        (1000, True),
        (0, False),
        (1001, False),
        (True, False),
        (2.0, False),
        ("2", False),
        (None, False),
    ],
)
def test_a_whole_number_is_an_integer_in_range(value, whole):
    assert is_whole(value, 1, 1000) == whole
    if whole:
        check_whole("width", value, 1, 1000)
    else:
        with pytest.raises(ValueError, match="width must be a whole number from 1 to 1,000, not "):
            check_whole("width", value, 1, 1000)
