from dataclasses import replace

import pytest
from cat_models import few_cats, model_of, text_model_of
from conftest import ROOT
from huggingface_hub import EvalResult, ModelCard, ModelCardData

from diffusion import LatentModel, UNet, UNetConfig, load_model, make_film, save_film, save_model
from diffusion.films.folder import FILM_FILES
from diffusion.films.samples import SAMPLES_FILE
from diffusion.films.training_history import NUMBERS_FILE, SPRITE_FILE
from diffusion.models.card import CARD_FILE, is_generated, load_metrics, save_metrics, write_model_card
from diffusion.models.digit_judge import CLASSIFIER_FILE
from diffusion.models.terms import published_data
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


def test_the_hub_reads_the_figures_that_are_one_number(tiny_model, tmp_path):
    metrics = {
        "bits/dim": "2.132 ± 0.170; 200 cats never trained on",
        "sharp cats": "80.3% ± 0.9%; 2,000 samples, dpm++2m, 20 steps",
        'PSNR of "it": all': "32.35 ± 0.48 dB; 73 held-out pictures",
        "images": "1,200; counted",
        "Fréchet distance": "0.911, 2.28 times the 0.399 of training images",
        "parts": "body 98.8% ± 0.5%, fur 99.2% ± 0.4%",
        "guidance": "1: 88.4% ± 0.8%; 1.5: 93.3% ± 0.6%",
        "steps": "ddpm 5, ddim 10",
    }
    model = replace(tiny_model, name='a "name": #1', about={"data": "MNIST", "licence": "some"})
    save_metrics(tmp_path, model, metrics)
    card = ModelCard.load(tmp_path / CARD_FILE)
    told = [(each.metric_type, each.metric_value, each.metric_name) for each in card.data.eval_results]
    assert told == [
        ("bits-dim", 2.132, "bits/dim"),
        ("sharp-cats", 80.3, "sharp cats (%)"),
        ("psnr-of-it-all", 32.35, 'PSNR of "it": all'),
        ("images", 1200, "images"),
        ("frechet-distance", 0.911, "Fréchet distance"),
    ]
    for each in card.data.eval_results:
        assert isinstance(each, EvalResult) and each.task_type == "unconditional-image-generation"
        assert (each.dataset_type, each.dataset_name) == ("ylecun/mnist", "MNIST")
    assert card.data.model_name == 'a "name": #1'
    again = ModelCardData(**card.data.to_dict()).to_yaml()
    assert "model-index" in again and "output" in again


def test_the_hub_shows_the_samples_and_a_card_without_figures_claims_none(tiny_model, tmp_path):
    write_model_card(tmp_path, tiny_model, {"steps": "ddpm 5"})
    data = ModelCard.load(tmp_path / CARD_FILE).data.to_dict()
    (shown,) = data["widget"]
    assert shown["output"] == {"url": SAMPLES_FILE} and "model-index" not in data


@pytest.mark.parametrize(
    "licence, id_, weights",
    [("mit", "mit", "mit"), ("a licence of my own", "other", "as the data allows"), ("", "other", "as the")],
)
def test_the_card_names_a_data_set_of_the_hub_and_its_licence(tiny_model, tmp_path, licence, id_, weights):
    about = {"data": "the data set user/pets", "licence": licence}
    write_model_card(tmp_path, model := replace(tiny_model, about=about), {})
    card = ModelCard.load(tmp_path / CARD_FILE)
    assert card.data.datasets == ["user/pets"] and card.data.license == id_
    assert f"Data: the data set user/pets ({licence}). Weights: {weights}" in card.text
    assert published_data(model) is None  # of its pictures none is shown to others unasked
    begun = about | {"began_with": [{"name": "cats", "data": "cats by David Revoy", "licence": "CC BY 4.0"}]}
    write_model_card(tmp_path, replace(tiny_model, about=begun), {})
    card = ModelCard.load(tmp_path / CARD_FILE)
    assert card.data.license == "other" and card.data.datasets is None


def test_the_card_says_how_to_use_in_diffusers_what_diffusers_can_express(tiny_model, tmp_path):
    def card_of(**shape) -> str:
        net = UNet(UNetConfig(1, 128, (1, 1), 1, (1,), **shape))
        classes = ("a", "b") if shape else None
        write_model_card(tmp_path, replace(tiny_model, name="wide", net=net, classes=classes), {})
        return (tmp_path / CARD_FILE).read_text("utf-8")

    command = "python -m diffusion.models.export user/wide wide-diffusers"
    assert f"\n{command}\n" in card_of() and "DDIMPipeline.from_pretrained" in card_of()
    assert f"\n{command} --any-class\n" in card_of(num_classes=2)
    write_model_card(tmp_path, tiny_model, {})
    assert "diffusers" not in (tmp_path / CARD_FILE).read_text("utf-8")


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


def test_the_cards_that_are_shipped_are_those_of_today(tmp_path):
    """As `write_model_card` writes them now, of the same files."""
    for card in sorted(ROOT.glob(f"checkpoints/*/{CARD_FILE}")):
        for file in card.parent.iterdir():
            if file.suffix not in (".md", ".safetensors") or file.name == CLASSIFIER_FILE:
                (tmp_path / file.name).write_bytes(file.read_bytes())
        write_model_card(tmp_path, load_model(card.parent), load_metrics(card.parent))
        assert (tmp_path / CARD_FILE).read_text("utf-8") == card.read_text("utf-8"), card
        for file in tmp_path.iterdir():
            file.unlink()


def test_the_cards_that_are_shipped_are_read_by_the_hubs_client():
    for card in sorted(ROOT.glob(f"checkpoints/*/{CARD_FILE}")):
        data = ModelCard.load(card).data
        names = [each.metric_name for each in data.eval_results]
        assert len(names) == len(set(names)) >= 3 and data.library_name == "pytorch"
        assert (card.parent / data.to_dict()["widget"][0]["output"]["url"]).exists()


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
