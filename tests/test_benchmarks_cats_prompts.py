"""Whether a network draws the cat that was asked for: the prompts, what is counted, and the whole script."""

import json
from dataclasses import dataclass, fields
from itertools import islice, product
from math import log2
from pathlib import Path
from random import Random

import pytest
import torch
from cat_models import few_cats, model_of, shipped_cats
from conftest import randomised

from benchmarks import cat_attention, cat_cost, cat_guidance, cat_prompt_sets, cat_prompts
from benchmarks import cats as script
from benchmarks.cat_answers import as_asked, shown, tellable
from benchmarks.cat_samples import Bench
from benchmarks.figures import mean
from diffusion import LatentModel, UNet, UNetConfig, linear_schedule, save_model
from diffusion.data.captions import cat_texts
from diffusion.data.cat_prompts import asked
from diffusion.data.cats import ACCESSORY, KINDS, MOUTH, Cats, read_cats
from diffusion.data.images import to_signed
from diffusion.films.quality_curves import load_curves
from diffusion.models.folder import CheckpointError
from diffusion.nets.autoencoder import Autoencoder, AutoencoderConfig
from diffusion.nets.text_encoder import TextConfig, TextEncoder, train_tokenizer

NUM_TOKENS = 40


def told_model(cats: Cats) -> LatentModel:
    """An untrained model of cats that is told by text."""
    tokenizer = train_tokenizer(islice(cat_texts(cats), 2000), 600, NUM_TOKENS, split_punctuation=True)
    torch.manual_seed(0)
    autoencoder = Autoencoder(AutoencoderConfig(3, 4, 32, (1, 1), 1))
    return LatentModel(
        "told",
        randomised(UNet(UNetConfig(4, 32, (1, 2), 1, (0, 1), context_dim=64))),
        "linear",
        linear_schedule(),
        "v",
        autoencoder.latent_shape(cats.image_shape[-1]),
        about={"data": cats.title, "licence": cats.licence, "images_seen": 0, "settings": {}},
        cats=cats,
        text=randomised(TextEncoder(TextConfig(tokenizer.get_vocab_size(), 64, 1, NUM_TOKENS))),
        tokenizer=tokenizer,
        autoencoder=randomised(autoencoder),
    )


@dataclass(frozen=True, eq=False, kw_only=True)
class Obedient(LatentModel):
    """Draws any cat that a prompt asks for and its negative does not, or one whose parts are all `off`."""

    random: Random
    off: int = 0

    def denoiser(self, *, prompts, negative_prompts, **_):
        away = negative_prompts or [""] * len(prompts)
        cats = torch.tensor([self.answer(*each) for each in zip(prompts, away)])
        x_0 = to_signed(self.cats.render((cats + self.off) % torch.tensor(self.cats.counts)))
        return lambda x_t, t: x_0

    def answer(self, prompt: str, negative: str) -> list[int]:
        parts = [set(range(number)) for number in self.cats.counts]
        for each in asked(prompt).named:
            parts[each.name.kind] = set(each.name.parts)
        for each in asked(negative).named:
            parts[each.name.kind] -= set(each.name.parts)
        return [self.random.choice(sorted(some)) for some in parts]

    def encode(self, images):
        return images

    def decode(self, x_0):
        return x_0


@pytest.fixture(scope="module")
def cats() -> Cats:
    return read_cats(Path("checkpoints/cats"))


@pytest.fixture(scope="module")
def told() -> LatentModel:
    return told_model(shipped_cats())


@pytest.fixture
def few(monkeypatch):
    """Few pictures for each figure."""
    for module, values in {
        cat_prompts: {"NUM_REAL": 6, "NUM_OF_PAIR": 3, "NUM_OF_SET": 16},
        cat_guidance: {"NUM_NEGATIVE": 6, "SCALES": (1.0, 2.0)},
        cat_attention: {"NUM_LOOKED_AT": 4},
        cat_cost: {"ROUNDS": 2},
    }.items():
        for name, value in values.items():
            monkeypatch.setattr(module, name, value)


def bench_of(told: LatentModel, cats: Cats, *flags: str, off: int = 0) -> Bench:
    own = {each.name: getattr(told, each.name) for each in fields(LatentModel)}
    own |= {"cats": cats, "sample_shape": cats.image_shape}
    model = Obedient(**own, random=Random(0), off=off)
    options = script.parse_arguments(["x", "--prompts", "--num", "20", "--steps", "1", *flags])
    return Bench(model, model, cats, options)


# The prompts


def test_no_cat_that_five_names_allow_was_trained_on_or_hides_its_mouth(cats):
    named = cat_prompt_sets.all_five(cats, 50)
    for names in named:
        assert [name.kind for name in names] == list(range(5))
        allowed = torch.tensor(list(product(*(name.parts for name in names))))
        assert not cats.is_trained_on(allowed).any()
        assert not cats.hides_mouth[allowed[:, ACCESSORY]].any()
    assert any(len(name.parts) > 1 for names in named for name in names)


@pytest.mark.parametrize("language", ["en", "ko"])
def test_prompts_say_what_they_name(cats, language):
    named = cat_prompt_sets.all_five(cats, 50)
    for text, names in zip(cat_prompt_sets.texts(named, [language]), named):
        read = {each.name.kind: each.name.parts for each in asked(text).named}
        assert read == {name.kind: name.parts for name in names}
        assert text.isascii() == (language == "en")


def test_any_part_of_a_set_is_as_asked_and_of_a_kind_without_a_name_any_at_all(cats):
    named = [[cat_prompt_sets.called("a hat"), cat_prompt_sets.called("grey")]]
    [allowed] = cat_prompt_sets.allowed(cats, named)
    assert allowed.sum(1).tolist() == [1, 9, 15, 10, 2]
    assert [cats.classes[part] for part in allowed[ACCESSORY].nonzero()] == ["black hat", "red hat"]
    assert cat_prompt_sets.of_one_part(named).tolist() == [[True, False, False, False, False]]


def test_a_mouth_that_is_named_and_hidden_cannot_be_told(told, cats):
    smile, hat = cat_prompt_sets.called("a smile"), cat_prompt_sets.called("a hat")
    behind = torch.tensor([[0, 0, 0, 3, 0]] * 2)  # a red scarf
    bench = bench_of(told, cats)
    assert tellable(bench, [[smile], [hat]], behind).tolist() == [False, True]
    assert as_asked(bench, [[smile], [hat]], behind)[:, [MOUTH, ACCESSORY]].tolist() == [
        [False, True],
        [True, False],
    ]


# What is counted


@pytest.mark.parametrize(("off", "share"), [(0, "100.0%"), (1, "0.0%")], ids=["obedient", "always the next"])
def test_an_obedient_network_has_all_parts_as_asked_and_a_wrong_one_none(told, cats, few, off, share):
    bench = bench_of(told, cats, off=off)
    text = cat_prompts.all_as_asked(bench, "en")
    assert f"body {share}" in text and f"all five {share} ± 0.0%" in text
    assert cat_prompts.both_as_asked(bench).startswith(share)


def test_each_of_a_set_is_drawn_and_a_negative_prompt_leaves_the_other(told, cats, few, capsys):
    bench = bench_of(told, cats)
    text = cat_prompts.one_of_set(bench)
    assert text.startswith("100.0%") and not text.endswith(" 0.0%")
    text = cat_guidance.by_negative(bench)
    assert text.startswith("100.0% ± 0.0%, without it 50.0%")
    assert "| a cat with a hat | a red hat | a black hat | 100.0% ± 0.0% |" in capsys.readouterr().out


def test_an_obedient_network_loses_no_variety(told, cats, few, tmp_path):
    bench = bench_of(told, cats, "--num-per-point", "64")
    bench.options.folder = tmp_path
    cat_guidance.price(bench)
    for row in load_curves(tmp_path)["guidance"]:
        assert row["obedience"] == 1 and row["variety"] == pytest.approx(row["most_variety"], abs=0.3)
        assert row["most_variety"] == pytest.approx(sum(map(log2, cats.counts)) / 5)


def test_entropy_is_corrected_for_few_samples():
    assert cat_guidance.entropy(torch.tensor([0, 50, 0]))[0] == pytest.approx(0)
    shares = torch.tensor([0.5, 0.25, 0.125, 0.125])
    generator = torch.Generator().manual_seed(0)
    draws = torch.stack(
        [shares.multinomial(40, True, generator=generator).bincount(minlength=4) for _ in range(500)]
    )
    found = [cat_guidance.entropy(counts) for counts in draws]
    middle = sum(value for value, _ in found) / len(found)
    assert middle == pytest.approx(1.75, abs=0.02)
    spread = torch.tensor([value for value, _ in found]).std().item()
    assert sum(error for _, error in found) / len(found) == pytest.approx(spread, rel=0.2)


def test_errors_of_a_mean_add_up():
    assert mean([(1.0, 0.3), (0.0, 0.4)]) == pytest.approx((0.5, 0.25))


def test_same_seeds_draw_the_same_cats(told):
    options = script.parse_arguments(["x", "--prompts", "--steps", "1"])
    bench = Bench(told, told, told.cats, options)
    prompts = ["a grey cat", "회색 고양이"]
    assert torch.equal(shown(bench, prompts, bench.sampling), shown(bench, prompts, bench.sampling))


# Attention


@pytest.mark.parametrize(
    ("text", "nouns"),
    [
        ("a striped cat with green eyes, wearing a red hat", ["eyes", "", "hat"]),
        ("빨간 모자를 쓰고 초록 눈을 가진 웃는 고양이", ["눈", "", "모자"]),
        ("a smiling cat", ["", "", ""]),
        ("a cat with a wide smile", ["", "smile", ""]),
    ],
)
def test_a_noun_is_found_among_the_tokens(told, text, nouns):
    tokens = cat_attention.noun_tokens(told.tokenizer, text)
    offsets = told.tokenizer.encode(text).offsets
    assert tokens.shape == (3, NUM_TOKENS)
    for row, noun in zip(tokens, nouns):
        spans = [offsets[i] for i in row.nonzero().flatten().tolist()]
        covered = text[spans[0][0] : spans[-1][1]] if spans else ""
        assert noun in covered and bool(spans) == bool(noun)
        assert len(covered) <= len(noun) + 2  # a space, a particle


def test_attention_is_compared_inside_and_outside_of_a_mask():
    masks = torch.tensor([[1.0, 0.5, 0.0, 0.0], [0.0] * 4]).view(2, 2, 2)
    looks = torch.tensor([[0.4, 0.1, 0.1, 0.1]]).view(1, 2, 2).expand(2, 2, 2)
    inside, outside = (0.4 + 0.05) / 1.5, 0.1
    ratios = cat_attention.inside_over_outside(looks, masks)
    assert ratios[0].item() == pytest.approx(inside / outside) and ratios[1].isnan()


def test_attention_is_that_of_the_prompts_on_the_finest_level(told):
    nouns = torch.ones(2, 3, NUM_TOKENS, dtype=torch.bool)
    looks = {}
    for scale in ("1", "3"):
        options = script.parse_arguments(["x", "--prompts", "--steps", "1", "--guidance", scale])
        bench = Bench(told, told, told.cats, options)
        images, looks[scale] = cat_attention.looks_at(bench, ["a grey cat", "a red hat"], nouns)
        assert images.shape == (2, 3, 16, 16) and looks[scale].shape == (2, 3, *told.sample_shape[1:])
    torch.testing.assert_close(looks["1"], looks["3"])  # of the first step, which both have in common
    assert looks["1"].min() > 0 and looks["1"].max() < 1


# The script


def test_the_script_keeps_every_figure_and_the_curve(told, few, tmp_path, capsys):
    folder = tmp_path / "told"
    save_model(folder, told)
    flags = ["--num", "4", "--num-per-point", "3", "--steps", "2", "--guidance", "2"]
    script.main(script.parse_arguments([str(folder), "--prompts", *flags]))
    metrics = json.loads((folder / "metrics.json").read_text("utf-8"))
    setting = "4 prompts, no cat that they allow trained on, dpm++2m, 2 steps, guidance 2"
    for language in ("en", "ko"):
        figure = metrics[f"all five parts named, as asked ({language})"]
        assert figure.endswith(setting) and all(kind in figure for kind in KINDS)
    assert len(metrics) == 10
    card = (folder / "README.md").read_text("utf-8")
    assert all(f"- {name}: {figure}" in card for name, figure in metrics.items())
    curves = load_curves(folder)
    assert [(row["guidance_scale"], row["num_samples"]) for row in curves["guidance"]] == [(1, 6), (2, 6)]
    assert all(0 <= row["obedience"] <= 1 for row in curves["guidance"])
    out = capsys.readouterr().out
    assert "| guidance scale |" in out and "| 4 pictures | median s |" in out
    script.main(script.parse_arguments([str(folder), "--prompts", *flags, "--skip-known"]))
    assert "|" not in capsys.readouterr().out


def test_a_model_that_is_not_told_by_text_needs_the_other_figures(told, tmp_path):
    save_model(tmp_path / "told", told)
    save_model(tmp_path / "few", model_of(few_cats()))
    with pytest.raises(CheckpointError, match="told is measured with --prompts"):
        script.make_bench(script.parse_arguments([str(tmp_path / "told")]))
    with pytest.raises(CheckpointError, match="few is measured without --prompts"):
        script.make_bench(script.parse_arguments([str(tmp_path / "few"), "--prompts"]))


def test_arguments():
    options = script.parse_arguments(["x", "--prompts"])
    assert (options.num, options.num_per_point, options.only) == (500, 256, list(cat_prompts.PARTS))
    options = script.parse_arguments(["x"])
    assert (options.num, options.guidance, options.only) == (2000, 1.0, list(script.PARTS))
    for wrong in (["--prompts", "--only", "samples"], ["--only", "five"], ["--prompts", "--num", "0"]):
        with pytest.raises(SystemExit):
            script.parse_arguments(["x", *wrong])
