from dataclasses import replace

import pytest
from cat_models import few_cats, model_of, text_model_of
from conftest import ROOT
from huggingface_hub import ModelCard

from diffusion import LatentModel, make_film, save_film, save_model
from diffusion.films.folder import FILM_FILES
from diffusion.films.samples import SAMPLES_FILE
from diffusion.films.training_history import NUMBERS_FILE, SPRITE_FILE
from diffusion.models.card import CARD_FILE, is_generated, load_metrics, save_metrics, write_model_card
from diffusion.training.progress import LOG_FILE


@pytest.mark.parametrize(
    "data, dataset", [("MNIST", "ylecun/mnist"), ("CIFAR-10 (JPEG copy)", "uoft-cs/cifar10")]
)
def test_the_card_has_valid_front_matter(tiny_model, tmp_path, data, dataset):
    about = {"data": data, "licence": "some", "images_seen": 1234, "settings": {"seed": 0, "sizes": [1, 2]}}
    model = replace(tiny_model, about=about)
    write_model_card(tmp_path, model, {"bits/dim": "2.5 ± 0.1"})
    text = (tmp_path / "README.md").read_text("utf-8")
    front_matter = ModelCard(text).data.to_dict()
    assert front_matter["license"] == "apache-2.0" and front_matter["library_name"] == "pytorch"
    assert front_matter["pipeline_tag"] == "unconditional-image-generation"
    assert front_matter["datasets"] == [dataset] and "diffusion" in front_matter["tags"]
    for told in (data, "1,234 images", "- bits/dim: 2.5 ± 0.1", "| sizes | [1, 2] |", "16×16, 1 channel,"):
        assert told in text


def test_the_card_of_cats_has_their_licence_and_names_who_drew_them(tmp_path):
    model = model_of(few_cats())
    save_model(tmp_path, model)
    write_model_card(tmp_path, model, {})
    text = (tmp_path / "README.md").read_text("utf-8")
    assert ModelCard(text).data.to_dict()["license"] == "cc-by-4.0" and "datasets:" not in text
    assert "Data: cats by David Revoy (CC BY 4.0). Weights: [CC BY 4.0]" in text
    assert all(
        told in text for told in ("`parts.png`", "`parts.json`", "David Revoy's [cat avatar generator]")
    )


def test_the_card_of_cats_told_by_text_says_how_they_are_told(tmp_path):
    write_model_card(tmp_path, text_model_of(few_cats()), {"all five as asked": "70 ± 2 %"})
    text = (tmp_path / CARD_FILE).read_text("utf-8")
    front_matter = ModelCard(text).data.to_dict()
    assert front_matter["license"] == "cc-by-4.0" and front_matter["pipeline_tag"] == "text-to-image"
    for told in (
        "trained from scratch on cats by David Revoy: UNet, text encoder and autoencoder of",
        "16×16, drawn as latents of 4×4 with 4 channels",
        "Data: cats by David Revoy (CC BY 4.0). Weights: [CC BY 4.0]",
        "David Revoy's [cat avatar generator]",
        "`parts.png`",
        "- all five as asked: 70 ± 2 %",
        "in English or Korean",
        "red hat",
    ):
        assert told in text, told
    assert "red heart" not in text and "class_labels" not in text


def test_the_card_names_whose_pictures_its_first_weights_were_trained_on(tiny_model, tmp_path):
    cats = {"name": "cats", "data": "cats by David Revoy", "licence": "CC BY 4.0"}
    for data, licence in (("the folder x", "other"), ("MNIST", "other"), (cats["data"], "cc-by-4.0")):
        about = {"data": data, "licence": "some", "began_with": [{"name": "user/b"}, cats]}
        if licence != "other":
            about["began_with"] = [cats]
        write_model_card(tmp_path, replace(tiny_model, about=about), {})
        text = (tmp_path / CARD_FILE).read_text("utf-8")
        assert "Begun with the weights of cats, trained on cats by David Revoy (CC BY 4.0)." in text
        front_matter = ModelCard(text).data.to_dict()
        assert front_matter["license"] == licence and "datasets" not in front_matter
    assert "Weights: [CC BY 4.0]" in text


def test_the_card_of_someones_pictures_claims_no_licence(tiny_model, tmp_path):
    write_model_card(tmp_path, replace(tiny_model, classes=None, about={"data": "the folder x: y"}), {})
    text = (tmp_path / "README.md").read_text("utf-8")
    assert ModelCard(text).data.to_dict().get("license") == "other" and "datasets:" not in text
    assert "Weights: as the data allows" in text and "class-conditional" not in text


def test_the_card_says_on_what_and_from_what_it_was_trained_where_that_is_known(tiny_model, tmp_path):
    for about, told in (
        ({}, ("trained from scratch on unknown data", "and has seen 0 images. Its")),
        (
            {"device": "a GPU", "images_seen": 5},
            ("from scratch on", "has seen 5 images on a GPU. Its"),
        ),
        ({"settings": {"init": None}}, ("trained from scratch on", "| init | None |")),
        (
            {"settings": {"init": "user/cats"}},
            ("begun with the weights of user/cats and trained on",),
        ),
    ):
        write_model_card(tmp_path, replace(tiny_model, about=about), {})
        text = (tmp_path / CARD_FILE).read_text("utf-8")
        assert all(part in text for part in told)


def test_the_card_shows_the_files_that_are_there_by_their_names(tiny_model, tmp_path):
    write_model_card(tmp_path, tiny_model, {})
    bare = (tmp_path / CARD_FILE).read_text("utf-8")
    optional = (*FILM_FILES, SPRITE_FILE, NUMBERS_FILE)
    assert f"]({SAMPLES_FILE})" in bare and f"`{LOG_FILE}`" in bare
    assert not any(name in bare for name in optional)
    for name in optional:
        (tmp_path / name).write_bytes(b"")
    write_model_card(tmp_path, tiny_model, {})
    full = (tmp_path / CARD_FILE).read_text("utf-8")
    assert all(f"`{name}`" in full for name in optional)


def test_the_cards_that_are_shipped_are_as_generated():
    cards = sorted(ROOT.glob(f"checkpoints/*/{CARD_FILE}"))
    assert cards and all(is_generated(card.read_bytes()) for card in cards)


def results_of_example(model, folder, monkeypatch) -> dict:
    """What the names in a card's example stand for when it has run."""
    save_model(folder, model)
    if not isinstance(model, LatentModel):
        save_film(folder, make_film(model, seed=0, num_images=1, num_steps=2))
    save_metrics(folder, model, {"bits/dim": "2.5"})
    code = (folder / "README.md").read_text("utf-8").split("```python\n")[1].split("```")[0]
    monkeypatch.chdir(folder.parent)
    exec(compile(code.replace(f"user/{model.name}", folder.name), "README.md", "exec"), names := {})
    return names


def test_the_cards_example_runs(tiny_model, tmp_path, monkeypatch):
    names = results_of_example(tiny_model, tmp_path / "tiny", monkeypatch)
    assert names["images"].shape == (4, 1, 16, 16) and names["step"].s == 0


def test_the_example_of_cats_says_which_they_are_and_whether_they_were_seen(tmp_path, monkeypatch, capsys):
    names = results_of_example(model_of(few_cats()), tmp_path / "few", monkeypatch)
    assert names["seen"].cats.shape == (4, 5) and capsys.readouterr().out.count("False") >= 4


def test_the_example_of_cats_told_by_text_runs(tmp_path, monkeypatch):
    names = results_of_example(text_model_of(few_cats()), tmp_path / "few", monkeypatch)
    assert names["images"].shape == (4, 3, 16, 16) and names["seen"].cats.shape == (4, 5)


@pytest.mark.parametrize("content", [None, b"", b"[1]", b"\xff"])
def test_broken_metrics_are_none(tmp_path, content):
    if content is not None:
        (tmp_path / "metrics.json").write_bytes(content)
    assert load_metrics(tmp_path) == {}
