"""Names as people type them, and as systems keep them."""

import os
import unicodedata
from pathlib import Path

import pytest

from diffusion.names import is_text, nfc, on_disk, readable


def nfd(name: str) -> str:
    return unicodedata.normalize("NFD", name)


def test_a_name_from_a_mac_is_the_one_that_is_typed():
    assert nfc(nfd("고양이")) == "고양이" != nfd("고양이")


@pytest.mark.parametrize(
    ("name", "shown"),
    [("cat.png", "cat.png"), ("a\nb\x7f", r"a\x0ab\x7f"), (os.fsdecode(b"\xb0\xed.png"), r"\xb0\xed.png")],
)
def test_every_name_can_be_shown_on_one_line(name, shown):
    assert readable(name) == shown
    assert is_text(name) is (name == shown)
    assert is_text("👩‍🚀 고양이")


def test_a_path_is_found_in_whatever_form_it_is_typed(tmp_path):
    (tmp_path / nfd("사진") / nfd("é")).mkdir(parents=True)
    assert on_disk(tmp_path / "사진" / "é").is_dir()
    assert on_disk(tmp_path / "사진" / "new") == tmp_path / nfd("사진") / "new"
    (tmp_path / "사진").mkdir()
    assert on_disk(tmp_path / "사진") == tmp_path / "사진"  # what is there as typed comes first
    assert on_disk("runs/nowhere") == Path("runs/nowhere")
