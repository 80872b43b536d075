"""Whether a network of cats invents or remembers: the shares that are counted, and the whole script."""

import json
from dataclasses import dataclass, fields
from pathlib import Path

import pytest
import torch
from cat_models import few_cats, model_of

from benchmarks import cats as script
from benchmarks.cat_samples import Bench, disturbed, expected_new, shares
from diffusion import Model, load_model, save_model
from diffusion.data.cat_judge import judge
from diffusion.data.cats import ACCESSORY, Cats, read_cats
from diffusion.data.images import to_signed
from diffusion.films.quality_curves import load_curves
from diffusion.models.folder import CheckpointError


@dataclass(frozen=True, eq=False, kw_only=True)
class Certain(Model):
    """Draws one of `answers` for each class, a cat of it, with an error of one grey level."""

    answers: dict

    def denoiser(self, *, class_labels, **_):
        generator = torch.Generator().manual_seed(0)
        cats = torch.stack([self.answers[label] for label in class_labels.tolist()])
        x_0 = to_signed(self.cats.render(cats))
        x_0 = x_0 + torch.randn(x_0.shape, generator=generator) * 2 / 255
        return lambda x_t, t: x_0


@pytest.fixture(scope="module")
def cats() -> Cats:
    return read_cats(Path("checkpoints/cats"))


def bench_of(cats: Cats, chosen: torch.Tensor, shift: int = 0) -> Bench:
    """Of a network that draws the chosen cats: of each class the first, or of a class `shift` further on."""
    by_class = {int(cat[ACCESSORY]): cat for cat in reversed(chosen)}
    answers = {label: by_class[(label + shift) % 16] for label in by_class}
    model = load_model(Path("checkpoints/cats"))
    certain = Certain(**{each.name: getattr(model, each.name) for each in fields(Model)}, answers=answers)
    options = script.parse_arguments(["x", "--num", "32", "--steps", "1"])
    return Bench(certain, certain, cats, options)


def test_a_network_that_remembers_has_nothing_new(cats):
    found = shares(cats, bench_of(cats, cats.trained_on).samples)
    assert found["possible"] == found["sharp"] == found["as asked"] == (1, 0)
    assert found["new"] == found["new behind a scarf"] == (0, 0)


def test_a_network_that_draws_no_cat_of_the_training_has_all_new(cats):
    found = shares(cats, bench_of(cats, cats.never_trained_on(500)).samples)
    assert found["new"] == found["new behind a scarf"] == found["sharp"] == (1, 0)


def test_another_accessory_is_noticed(cats):
    found = shares(cats, bench_of(cats, cats.never_trained_on(500), shift=1).samples)
    assert found["as asked"] == (0, 0) and found["sharp"] == (1, 0)


def test_nine_tenths_of_all_cats_are_new(cats):
    every = cats.numbered(torch.randperm(324_000, generator=torch.Generator().manual_seed(0))[:20_000])
    shown = every[~cats.hides_mouth[every[:, ACCESSORY]]]
    share = (~cats.is_trained_on(shown)).double().mean().item()
    assert expected_new(cats) == pytest.approx(0.9, abs=1e-3) == pytest.approx(share, abs=0.01)


def test_real_cats_are_disturbed_by_the_errors_of_samples(cats):
    bench, real = bench_of(cats, cats.trained_on), cats.never_trained_on(20)
    seen = disturbed(bench, real)
    errors = (seen - to_signed(cats.render(real))) * 127.5
    assert 0.5 < errors.std() < 2
    found = judge(cats, seen)
    assert found.sharp.all() and not cats.is_trained_on(found.cats).any()


def test_the_script_keeps_every_figure_and_point(tmp_path, monkeypatch):
    folder = tmp_path / "tiny"
    save_model(folder, model_of(few_cats()))
    for name, value in {"NUM_REAL": 6, "NUM_FOR_BITS": 2, "GUIDANCE_SCALES": (1.0, 2.0)}.items():
        monkeypatch.setattr(script, name, value)
    monkeypatch.setattr(script, "STEPS", {"ddim": (1, 50), "dpm++2m": (1,)})
    script.main(script.parse_arguments([str(folder), "--num", "6", "--num-per-point", "3", "--steps", "2"]))
    metrics = json.loads((folder / "metrics.json").read_text("utf-8"))
    setting = "6 samples, dpm++2m, 2 steps, guidance 1"
    assert metrics["possible cats"] == f"0.0% ± 0.0%; {setting}"  # of a network that was never trained
    assert metrics["never trained on"].startswith("none")
    assert "parts of real cats found by the judge" not in metrics
    assert set(metrics) >= {"sharp cats", "accessory as asked", "bits/dim"}
    curves = load_curves(folder)
    assert [row["guidance_scale"] for row in curves["guidance"]] == [1.0, 2.0]
    assert [(row["sampler"], row["num_steps"]) for row in curves["steps"]] == [
        ("ddim", 1), ("ddim", 50), ("dpm++2m", 1)
    ]  # fmt: skip
    assert "possible cats" in (folder / "README.md").read_text("utf-8")


def test_a_checkpoint_without_parts_is_refused(classes_folder=Path("checkpoints/mnist")):
    with pytest.raises(CheckpointError, match="is not of cats"):
        script.make_bench(script.parse_arguments([str(classes_folder)]))
