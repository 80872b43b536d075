"""Folders as people have them: network drives' own folders, links, odd names, parts of a data set."""

import os
import shutil
import unicodedata
from pathlib import Path

import pytest
from pictures import encoded, photo, write_photos

from diffusion.data.image_sets import DataError, ImageData
from diffusion.data.sources import load_image_folder


def load(folder: Path) -> ImageData:
    return load_image_folder(folder, 16)


SYSTEMS = [
    "@eaDir",
    "#recycle",
    "#snapshot",
    "@Recycle",
    "__MACOSX",
    "lost+found",
    "$RECYCLE.BIN",
    ".thumbnails",
]
SYSTEMS += ["System Volume Information", ".git", "found.000", "RECYCLER", "@Recently-Snapshot", "~snapshot"]
SYSTEMS += ["@eaDir ", " @eaDir", " .git"]


@pytest.mark.parametrize("name", SYSTEMS)
def test_what_systems_leave_is_no_class_and_no_picture(pets, name):
    plain = load(pets)
    write_photos(pets / name)
    write_photos(pets / "cat" / name / "0.png")
    for file in ("Thumbs.db", ".DS_Store", "._0.png", "desktop.ini"):
        (pets / "dog" / file).write_bytes((pets / "dog/0.png").read_bytes())
    data = load(pets)
    assert data.contents == plain.contents and data.classes == ("cat", "dog")
    assert data.found[0] == "4 pictures, 2 classes: cat, dog"
    assert len(data.found) == 2 and data.found[1].startswith("Left out: 6, such as ")


def test_links_are_followed(pets, tmp_path):
    linked = tmp_path / "linked"
    linked.mkdir()
    for name in ("cat", "dog"):
        (linked / name).symlink_to(pets / name)
    assert load(linked).contents == load(pets).contents
    (linked / "dog").unlink()
    (linked / "dog").mkdir()
    for file in (pets / "dog").iterdir():
        (linked / "dog" / file.name).symlink_to(file)
    assert load(linked).contents == load(pets).contents


def test_links_in_circles_end(pets, tmp_path):
    plain = load(pets)
    (pets / "cat/up").symlink_to(pets)
    (pets / "cat/further").symlink_to(tmp_path)
    (pets / "cat/itself").symlink_to(pets / "cat/itself")
    (pets / "gone").symlink_to(tmp_path / "nowhere")
    (pets / "again").symlink_to(pets / "cat")  # stands before it, and yet the folder itself counts
    data = load(pets)
    assert data.contents == plain.contents
    assert sum("lies in" in line for line in data.skipped) == 3
    assert sum("leads nowhere" in line for line in data.skipped) == 2


def test_a_class_whose_name_is_no_utf8_is_refused_at_once(tmp_path):
    write_photos(os.fsencode(tmp_path) + b"/" + "고양이".encode("cp949"))
    write_photos(tmp_path / "dog")
    with pytest.raises(DataError) as caught:
        load(tmp_path)
    assert str(caught.value).endswith("has a name that is no text in UTF-8: rename it.")
    assert r"“\xb0\xed\xbe\xe7\xc0\xcc”" in str(caught.value)


def test_pictures_whose_names_are_no_utf8_are_pictures(tmp_path):
    write_photos(tmp_path / "cat")
    os.rename(tmp_path / "cat/0.png", os.fsencode(tmp_path) + b"/cat/\xb0\xed.png")
    with open(os.fsencode(tmp_path) + b"/cat/\xb0.txt", "wb") as file:
        file.write(b"notes")
    data = load(tmp_path)
    assert data.found[0] == "2 pictures, 1 class: cat" and r"\xb0.txt: This file" in data.found[1]
    shutil.move(tmp_path, os.fsencode(tmp_path) + b"\xb0")
    assert load(Path(os.fsdecode(os.fsencode(tmp_path) + b"\xb0"))).title.endswith(r"0\xb0")


def test_names_from_a_mac_are_those_that_are_typed(tmp_path):
    for form in ("NFC", "NFD"):
        for name in ("고양이", "강아지"):
            write_photos(
                tmp_path / form / unicodedata.normalize(form, name) / unicodedata.normalize(form, "é")
            )
    shutil.rmtree(tmp_path / "NFD")
    shutil.copytree(tmp_path / "NFC", tmp_path / "NFD", copy_function=shutil.copyfile)
    for folder in sorted((tmp_path / "NFD").rglob("*"), reverse=True):
        folder.rename(folder.with_name(unicodedata.normalize("NFD", folder.name)))
    composed, decomposed = load(tmp_path / "NFC"), load(tmp_path / "NFD")
    assert decomposed.classes == composed.classes == ("강아지", "고양이")
    assert decomposed.contents == composed.contents


def test_two_folders_of_one_name_are_one_class(tmp_path):
    write_photos(tmp_path / "é")
    write_photos(tmp_path / unicodedata.normalize("NFD", "é"), first=2)
    write_photos(tmp_path / "e\n e")
    data = load(tmp_path)
    assert data.classes == ("e e", "é") and data.contents["é"].pictures == 4
    assert "differ in spaces or Unicode forms alone are one class: é." in data.found[1]


@pytest.mark.parametrize(
    "parts", [("train", "val", "test"), ("training_set", "test_set"), ("Train2017", "Val2017")]
)
def test_the_parts_of_a_data_set_are_no_classes(tmp_path, pets, parts):
    training, *others = parts
    shutil.copytree(pets, tmp_path / "set" / training)
    for part in others:
        write_photos(tmp_path / "set" / part / "cat")
    data = load(tmp_path / "set")
    assert data.contents == load(pets).contents
    left_out = ", ".join(sorted(others))
    assert data.found[1] == (
        f"Read as the parts of a data set: trained on is what lies in {training}; left out: {left_out}."
    )


def test_parts_of_a_data_set_without_classes(tmp_path):
    write_photos(tmp_path / "train", 3)
    write_photos(tmp_path / "test", 2)
    assert load(tmp_path).found[0] == "3 pictures, no classes"


def test_what_lies_beside_the_parts_of_a_data_set_is_named(tmp_path, pets):
    shutil.copytree(pets, tmp_path / "set/train")
    for folder in ("val/cat", "@eaDir"):
        write_photos(tmp_path / "set" / folder)
    for name in ("preview.png", "README.txt"):
        (tmp_path / "set" / name).write_bytes((pets / "cat/0.png").read_bytes())
    data = load(tmp_path / "set")
    assert data.contents == load(pets).contents and "left out: val." in data.found[3]
    assert data.found[1].endswith("@eaDir: It belongs to the system, or is hidden.")
    assert data.found[2].startswith("Left out: 2, such as ")
    assert data.found[2].endswith("README.txt: It lies beside the parts of a data set.")


def test_a_train_alone_among_loose_pictures_is_a_class(tmp_path):
    write_photos(tmp_path / "train")
    (tmp_path / "._0.png").write_bytes(b"a Mac's")
    (tmp_path / "README.md").write_text("notes")
    assert load(tmp_path).found[0] == "2 pictures, no classes"
    write_photos(tmp_path, 1)
    data = load(tmp_path)
    assert data.classes == ("train",) and "yet read as a class: train" in data.found[-1]
    assert any(line.endswith("0.png: It is in none of the class folders.") for line in data.skipped)


def test_a_part_without_pictures_is_refused_by_its_name(tmp_path):
    write_photos(tmp_path / "val/cat")
    (tmp_path / "train").mkdir()
    with pytest.raises(DataError, match="/train holds no readable picture"):
        load(tmp_path)


def test_a_train_among_other_vehicles_is_a_class(tmp_path):
    for name in ("car", "train"):
        write_photos(tmp_path / name)
    data = load(tmp_path)
    assert data.classes == ("car", "train") and "yet read as a class: train" in data.found[1]


def test_loose_pictures_beside_folders_without_pictures(tmp_path):
    write_photos(tmp_path)
    (tmp_path / "notes").mkdir()
    (tmp_path / "notes/notes.txt").write_text("notes")
    assert load(tmp_path).found[0] == "2 pictures, no classes"


def test_a_folder_around_the_class_folders_is_pointed_out(tmp_path, pets):
    shutil.move(pets, tmp_path / "zip/pets")
    (tmp_path / "zip/pets/archive_browser.html").write_text("<!doctype html>")
    data = load(tmp_path / "zip")
    assert data.classes == ("pets",)
    assert "The one class, pets, holds folders: if they are the classes, name it." in data.found


def test_copies_of_a_picture_are_pointed_out(pets):
    shutil.copyfile(pets / "cat/0.png", pets / "dog/same.png")
    assert any(
        line.startswith("1 picture is a copy of another one") and "same.png of" in line
        for line in load(pets).found
    )


@pytest.mark.parametrize("files", [("state.safetensors",), ("config.json", "model.safetensors")])
def test_the_folder_of_a_run_is_no_class(pets, files):
    write_photos(pets / "my-run/samples")
    for name in files:
        (pets / "my-run" / name).write_bytes(b"")
    data = load(pets)
    assert data.classes == ("cat", "dog") and "It is the folder of a run." in data.found[1]


def test_contents_are_those_of_the_files_wherever_they_lie(pets, tmp_path):
    before = load(pets).contents
    moved = Path(shutil.copytree(pets, tmp_path / "elsewhere/photos"))
    assert load(moved).contents == before
    (moved / "cat/0.png").write_bytes(encoded(photo(seed=5000), "PNG"))
    assert load(moved).contents["cat"] != before["cat"] and load(moved).contents["dog"] == before["dog"]
    (pets / "dog/0.png").rename(pets / "dog/9.png")
    assert load(pets).contents["dog"] != before["dog"]  # another order of training


def test_what_cannot_be_read_is_left_out_with_its_reason(pets, tmp_path):
    os.mkfifo(pets / "cat/pipe.png")
    (pets / "dog/2.png").write_bytes(encoded(photo(4, 4), "PNG"))
    data = load(pets)
    assert data.found[0] == "4 pictures, 2 classes: cat, dog"
    assert [line.rsplit("/", 1)[1] for line in data.found[1:]] == [
        "pipe.png: It is neither a file nor a folder.",
        "2.png: This picture is 4 × 4; its shorter side needs at least 8 pixels.",
    ]
