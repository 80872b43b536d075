"""What a data set is made of, in a line; what is odd about it; how it differs from what it was."""

import pytest

from diffusion.data.contents import Part, described, difference, fingerprint, left_out, oddities


def contents(**numbers: int) -> dict[str, Part]:
    return {name: Part(number, f"of {name}") for name, number in numbers.items()}


PETS = contents(cat=4, dog=4)


def test_a_data_set_in_a_line():
    assert described(PETS) == "8 pictures, 2 classes: cat, dog"
    assert described(contents(cat=1)) == "1 picture, 1 class: cat"
    assert described({"": Part(2000, "x")}) == "2,000 pictures, no classes"
    many = described({f"c{i}": Part(1, str(i)) for i in range(100)})
    assert many.endswith(", c19 and 80 more") and len(many) < 200


@pytest.mark.parametrize(
    ("odd", "said"),
    [
        (contents(cat=1, dog=4), "The class cat has one picture"),
        (contents(cat=1, dog=1), "The classes cat, dog have one picture"),
        (contents(cat=2000, dog=3), "very unequal: 2,000 of cat, 3 of dog"),
        (contents(cat=4, test=4), "Named like a part of a data set, and yet read as a class: test"),
        (contents(cat=4, val2017=4), "yet read as a class: val2017"),
    ],
)
def test_what_is_odd_is_said(odd, said):
    (sentence,) = oddities(odd)
    assert said in sentence and sentence.endswith(".")


@pytest.mark.parametrize("fine", [PETS, {"": Part(1, "x")}, contents(cat=100, contest=6, latest=9)])
def test_what_is_not_odd_is_not_said(fine):
    assert list(oddities(fine)) == []


@pytest.mark.parametrize(
    ("now", "said"),
    [
        ({"cat": PETS["cat"], "zebra": PETS["dog"]}, "the class dog is called zebra"),
        (contents(cat=4), "1 class is missing: dog; 4 pictures instead of 8"),
        (contents(bird=3, cat=4, dog=4), "1 class is new: bird; 11 pictures instead of 8"),
        (
            contents(cat=4, bird=3, eel=3),
            "1 class is missing: dog; 2 classes are new: bird, eel; 10 pictures in",
        ),
        ({**PETS, "dog": Part(5, "y")}, "5 pictures of dog instead of 4; 9 pictures instead of 8"),
        ({**PETS, "dog": Part(4, "y")}, "some pictures of dog are others, or have other names"),
        ({"": Part(8, "y")}, "it had the classes cat, dog, and has no classes"),
    ],
)
def test_a_difference_is_named(now, said):
    assert difference(PETS, now).startswith(said)
    assert difference(PETS, dict(PETS)) is None


def test_a_difference_without_classes_is_named():
    one = {"": Part(8, "x")}
    assert difference(one, {"": Part(9, "y")}) == "9 pictures instead of 8"
    assert difference(one, {"": Part(8, "y")}) == "some pictures are others, or have other names"


def test_a_fingerprint_is_of_the_pieces_and_their_order():
    prints = {fingerprint(pieces) for pieces in ([b"ab", b"c"], [b"a", b"bc"], [b"c", b"ab"], [b"abc"])}
    assert len(prints) == 4 and fingerprint([b"ab", b"c"]) in prints


def test_what_was_left_out_is_counted_by_reason():
    skipped = ["a: It is It: This is odd: a.", "b: This picture is 5 × 1,000.", "c: This picture is 7 × 7."]
    assert list(left_out(skipped)) == [
        "Left out: a: It is It: This is odd: a.",
        "Left out: 2, such as b: This picture is 5 × 1,000.",
    ]
