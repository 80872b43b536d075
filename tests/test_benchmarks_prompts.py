"""Finding drawn emoji again: on real pictures, on what an autoencoder makes of them, and the whole script."""

import json
from dataclasses import dataclass, replace

import pytest
import torch
from conftest import randomised
from training import few_emoji

import diffusion.data.emoji
from benchmarks import drawing, gallery, prompts
from benchmarks.gallery import Gallery, emoji_of, groups, reconstructions, subset, without_skin_tone
from diffusion import LatentModel, UNet, UNetConfig, cosine_schedule, load_model, save_model
from diffusion.data.emoji import LANGUAGES, emoji_names, load_emoji
from diffusion.data.images import to_signed, to_uint8
from diffusion.films.emoji_atlas import save_atlas
from diffusion.films.film import run_sampler
from diffusion.films.quality_curves import load_curves
from diffusion.models.folder import CheckpointError
from diffusion.nets.autoencoder import Autoencoder, AutoencoderConfig, reconstruction_loss
from diffusion.nets.text_encoder import TextConfig, TextEncoder, train_tokenizer
from tools import ship

SIDE = 16
ALL_NAMES = emoji_names
WAVING = ("👋", "👋🏻", "👋🏿")
COUPLES = ("👭", "👩🏻‍🤝‍👩🏿")  # one name, two ways to write it
FLAGS = ("🇳🇴", "🇧🇻", "🇰🇷")  # Norway's flag is Bouvet Island's too


@pytest.fixture(scope="module")
def few():
    """64 emoji in place of all, some of them held out, wherever a set is rendered."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(diffusion.data.emoji, "emoji_names", lambda: few_emoji(ALL_NAMES))
        yield load_emoji(SIDE, skin_tones=False)


@pytest.fixture(scope="module")
def autoencoder(few) -> Autoencoder:
    """Trained until it can tell the few emoji apart."""
    torch.manual_seed(0)
    net = Autoencoder(AutoencoderConfig(latent_channels=8, channel_mult=(1,)))
    images = to_signed(few.images)
    optimizer = torch.optim.AdamW(net.parameters(), 3e-3)
    for _ in range(150):
        reconstruction_loss(net, images, torch.randn(len(images), *net.latent_shape(SIDE))).mean().backward()
        optimizer.step()
        optimizer.zero_grad()
    net.measure_latents(images)
    return net.eval().requires_grad_(False)


@pytest.fixture(scope="module")
def model(few, autoencoder) -> LatentModel:
    """A text model that draws nothing in particular, with an autoencoder that works."""
    tokenizer = train_tokenizer([name for names in few.names.values() for name in names], 400, 12)
    torch.manual_seed(0)
    text = TextEncoder(TextConfig(tokenizer.get_vocab_size(), 64, 1, 12)).eval().requires_grad_(False)
    shape = autoencoder.latent_shape(SIDE)
    net = randomised(UNet(UNetConfig(8, 64, (1,), 1, (0,), context_dim=64, sketch_side=shape[1])))
    settings = {"image_size": SIDE, "skin_tones": False}
    about = {"data": few.title, "licence": few.licence, "images_seen": 0, "settings": settings}
    schedule = cosine_schedule()
    parts = {"text": text, "tokenizer": tokenizer, "autoencoder": autoencoder}
    return LatentModel("em", net, "cosine", schedule, "v", shape, about=about, **parts)


@dataclass(frozen=True, eq=False, kw_only=True)
class Perfect(LatentModel):
    """Draws from each name the latent of the picture that `answers` has for it."""

    answers: dict

    def denoiser(self, *, prompts, **_):
        latents = torch.stack([self.answers[prompt] for prompt in prompts])
        return lambda x_t, t: latents


def perfect(model: LatentModel, emoji, shift: int = 0, language: str = "en") -> Perfect:
    """With the latent of the emoji itself, or of the one `shift` places further on."""
    latents = model.encode(to_signed(emoji.images)).roll(-shift, 0)
    own = {name: getattr(model, name) for name in LatentModel.__dataclass_fields__}
    return Perfect(**own, answers=dict(zip(emoji.names[language], latents)))


def rendered(characters, size: int = 32):
    """These emoji, with all their names."""
    names = {language: {c: known[c] for c in characters} for language, known in ALL_NAMES().items()}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(diffusion.data.emoji, "emoji_names", lambda: names)
        return load_emoji(size, skin_tones=True)


def script(folder, *flags: str) -> tuple[dict, dict]:
    """Run it with few names; what metrics.json and curves.json hold then."""
    few_names = ["--num", "6", "--num-per-point", "3", "--steps", "2"]
    prompts.main(prompts.parse_arguments([str(folder), *few_names, *flags]))
    return json.loads((folder / "metrics.json").read_text("utf-8")), load_curves(folder)


# What counts as one


def test_groups_are_joined_by_any_label_and_through_others():
    alike = groups("aabcde", [1, 2, 2, 3, 4, 3]).tolist()
    assert alike[0] == alike[1] == alike[2] and alike[3] == alike[5]
    assert len({alike[0], alike[3], alike[4]}) == 3


def test_a_skin_tone_is_left_out_of_a_name_and_nothing_else():
    names = ALL_NAMES()["en"]
    assert without_skin_tone(names["👋🏻"]) == names["👋"] == "waving hand"
    assert without_skin_tone(names[COUPLES[1]]) == names[COUPLES[0]]
    assert without_skin_tone("light skin") == "light skin"
    tones = set(diffusion.data.emoji.SKIN_TONES)
    plain = {name for character, name in names.items() if not set(character) & tones}
    assert all(without_skin_tone(name) == name for name in plain)
    assert {without_skin_tone(name) for name in names.values()} == plain


def test_the_same_but_for_skin_tone_and_the_same_picture_count_as_one(model):
    emoji = rendered([*WAVING, *COUPLES, *FLAGS])
    place = {character: i for i, character in enumerate(emoji.characters)}
    loose, strict = (Gallery(model, emoji).alike("ko", tone) for tone in (False, True))
    for alike, toned in ((loose, True), (strict, False)):
        for one, other, expected in [
            (WAVING[0], WAVING[1], toned), (WAVING[1], WAVING[2], toned), (*COUPLES, toned),
            (FLAGS[0], FLAGS[1], True), (FLAGS[0], FLAGS[2], False), (WAVING[0], COUPLES[0], False),
        ]:  # fmt: skip
            assert (alike[place[one]] == alike[place[other]]).item() == expected, (one, other, toned)


def test_the_same_name_in_the_prompts_language_counts_as_one(few, model):
    names = [*few.names["ko"][:-1], few.names["ko"][0].upper()]
    emoji = replace(few, names=few.names | {"ko": tuple(names)})
    korean, english = (Gallery(model, emoji).alike(language, True) for language in ("ko", "en"))
    assert korean[0] == korean[-1] and english[0] != english[-1]
    assert len(korean.unique()) == len(english.unique()) - 1


# What is found


def test_every_real_picture_is_nearest_to_itself(few, model):
    found = Gallery(model, few).find(few.images)
    for distances, indices in found.values():
        assert indices.tolist() == list(range(len(few.characters)))
        assert distances.shape == (len(few.characters),) and distances.max() < 0.01


def test_distances_are_root_mean_squares(few, model):
    brighter = (few.images[:3].int() - 51).clamp(min=0).to(torch.uint8)  # 51 / 127.5 = 0.4
    distances, indices = Gallery(model, few).find(brighter)["pixels"]
    expected = (to_signed(few.images[indices]) - to_signed(brighter)).square().flatten(1).mean(1).sqrt()
    assert torch.allclose(distances, expected, atol=1e-3) and distances.min() > 0


def test_copies_are_reconstructions_of_training_pictures_and_of_no_others(few, model):
    known = Gallery(model, few)
    out = known.held_out
    assert out.sum() == few.held_out.sum() > 4
    found = known.find(reconstructions(model, few.images))
    noise = known.find(torch.randint(256, few.images.shape, generator=torch.manual_seed(0)).to(torch.uint8))
    for space in gallery.SPACES:
        copied = known.copies(found, space)
        assert copied[~out].float().mean() > 0.9 and not copied[out].any()
        assert not known.copies(noise, space).any()
        others = torch.cdist(known.known[space][out], known.known[space][~out]).min(1).values
        assert known.copy_limits[space] < others.median() / known.known[space].shape[1] ** 0.5


def test_a_held_out_picture_that_is_trained_under_another_name_is_not_held_out(few, model):
    [out, trained] = [int(few.held_out.nonzero()[0]), int((~few.held_out).nonzero()[0])]
    images = few.images.clone()
    images[out] = images[trained]
    left = Gallery(model, replace(few, images=images)).held_out
    assert not left[out] and left.sum() == few.held_out.sum() - 1


def test_a_subset_is_random_but_fixed_and_smaller_ones_are_its_beginning():
    mask = torch.arange(100) % 3 == 0
    chosen = subset(mask)
    assert mask[chosen].all() and sorted(chosen.tolist()) == list(range(0, 100, 3)) != chosen.tolist()
    assert torch.equal(subset(mask, 5), chosen[:5])


# What is drawn


def near(one, other) -> bool:
    """The same picture, up to the rounding of a batch of another size."""
    return (one.int() - other.int()).abs().max() <= 1


def test_each_name_is_drawn_from_the_noise_of_its_own_number(few, model):
    how = Sampling("dpm++2m", 2, 3.0)
    pair = prompts.draw(model, few, torch.tensor([9, 4]), "ko", how)
    assert near(prompts.draw(model, few, torch.tensor([4]), "ko", how)[0], pair[1])
    settings = {"num_steps": 2, "sampler": "dpm++2m", "prompts": [few.names["ko"][9]], "guidance_scale": 3.0}
    for step, _ in run_sampler(model, seed=9, num_images=1, **settings):  # noqa: B007
        pass
    assert near(to_uint8(model.decode(step.x_s))[0], pair[0])
    assert not near(prompts.draw(model, few, torch.tensor([9]), "en", how)[0], pair[0])


@pytest.mark.parametrize(("shift", "expected"), [(0, 1.0), (1, 0.0)], ids=["perfect", "always the next one"])
def test_a_network_that_always_draws_the_right_one_is_recognised_and_another_is_not(
    few, model, shift, expected
):
    drawer, known = perfect(model, few, shift), Gallery(model, few)
    chosen = torch.arange(len(few.characters))
    found = known.find(prompts.draw(drawer, few, chosen, "en", Sampling("ddim", 2, 1.0)))
    for space in gallery.SPACES:
        hits = prompts.hits_of(known.alike("en", True), chosen, found, space)
        assert hits.float().mean().item() == pytest.approx(expected, abs=0.04)
    options = prompts.parse_arguments(["x", "--steps", "2"])
    bench = prompts.Bench(drawer, known, options, {})
    text = prompts.shares(bench, chosen, "en", skin_tone=True)
    assert text.startswith(prompts.percent(hits)) or expected == 0 and text.startswith("0.0%")


# The script


@pytest.fixture
def folder(few, model, tmp_path):
    save_model(tmp_path / "em", model)
    return tmp_path / "em"


def test_the_script_writes_figures_curves_and_the_card(folder, few, capsys, monkeypatch):
    points = {"ddpm": (4,), "ddim": (4, 50), "dpm++2m": (4, 8)}
    monkeypatch.setattr(prompts, "STEPS", points)
    metrics, curves = script(folder, "--languages", "en", "ko", "fa")
    held_out = int(few.held_out.sum())
    all_, trained = len(few.characters), len(few.characters) - held_out
    for language in ("en", "ko", "fa"):
        figure = metrics[f"trained names recognised ({language})"]
        assert f"; 6 random ones of {trained} names, nearest of {all_} emoji, dpm++2m, 2 steps" in figure
        assert f"6 random ones of {held_out} names" in metrics[f"held-out names recognised ({language})"]
    assert metrics["PSNR of the autoencoder"].endswith(f" dB; {held_out} held-out pictures")
    assert [row["guidance_scale"] for row in curves["guidance"]] == list(prompts.GUIDANCE_SCALES)
    assert [(row["sampler"], row["num_steps"]) for row in curves["steps"]] == [
        (sampler, number) for sampler in sorted(points) for number in points[sampler]
    ]
    for row in curves["guidance"] + curves["steps"]:
        assert row["num_samples"] == 3 and 0 <= row["recognised"] <= 1
    card = (folder / "README.md").read_text("utf-8")
    assert all(f"- {name}: {figure}" in card for name, figure in metrics.items())
    out = capsys.readouterr().out
    assert "| fa, pixels | 6 |" in out and "| guidance scale | recognised |" in out


def test_what_is_known_is_not_measured_again(folder, monkeypatch):
    only = ("--only", "trained,guidance", "--languages", "en", "--skip-known")
    monkeypatch.setattr(prompts, "GUIDANCE_SCALES", (1.0, 2.0))
    (folder / "metrics.json").write_text('{"bits/dim": "2"}')
    drawn, draw = [], prompts.draw
    monkeypatch.setattr(prompts, "draw", lambda *args: drawn.append(args[-1]) or draw(*args))
    first = script(folder, *only)
    assert len(drawn) == 3 and first[0]["bits/dim"] == "2"
    assert script(folder, *only) == first and len(drawn) == 3
    script(folder, *only, "--num", "5")
    assert len(drawn) == 4 and drawn[-1] == Sampling("dpm++2m", 2, 3.0)
    monkeypatch.setattr(prompts, "GUIDANCE_SCALES", (1.0, 2.0, 4.0))
    metrics = json.loads((folder / "metrics.json").read_text("utf-8"))
    metrics.pop("least guidance within an error of the best")
    (folder / "metrics.json").write_text(json.dumps(metrics))
    assert len(script(folder, *only, "--num", "5")[1]["guidance"]) == 3 and len(drawn) == 5


def test_other_models_are_refused(tiny_model, model, tmp_path, few):
    save_model(tmp_path / "tiny", tiny_model)
    with pytest.raises(CheckpointError, match="tiny is not a text model that was trained on emoji"):
        script(tmp_path / "tiny")
    with pytest.raises(CheckpointError, match="em is not a text model that was trained on emoji"):
        emoji_of(replace(model, about={}), None)


def test_drawing_is_timed(few, model, tmp_path, capsys):
    save_model(tmp_path, model)
    save_atlas(tmp_path, few)
    drawing.main(drawing.parse_arguments([str(tmp_path), "--steps", "2", "--repeats", "1"]))
    out = capsys.readouterr().out
    assert "| the film, 2 steps, guidance 3 |" in out and "| its first frame |" in out
    assert "| the picture alone, 2 steps, guidance 3 |" in out and "| the same in bf16 |" in out
    for wrong in (["--steps", "0"], ["--steps", "101"], ["--repeats", "0"]):
        with pytest.raises(SystemExit):
            drawing.parse_arguments(["x", *wrong])


def test_arguments(capsys):
    options = prompts.parse_arguments(["x"])
    assert (options.num, options.num_per_point, options.languages) == (256, 64, ["en", "ko"])
    assert prompts.parse_arguments(["x", "--device", "cuda"]).num is None
    assert set(prompts.parse_arguments(["x", "--languages", *LANGUAGES]).languages) == set(LANGUAGES)
    for wrong in (
        ["--only", "speed"],
        ["--languages", "xx"],
        ["--num", "-1"],
        ["--num", "0"],
        ["--num-per-point", "0"],
        ["--steps", "0"],
    ):
        with pytest.raises(SystemExit):
            prompts.parse_arguments(["x", *wrong])


# Shipping


def test_a_text_model_is_shipped_in_half_the_size_with_the_same_losses(folder, model, tmp_path):
    (folder / "atlas.json").write_text("{}")
    ship.main(ship.parse_arguments([str(folder), str(tmp_path / "small")]))
    sizes = [(place / "model.safetensors").stat().st_size for place in (folder, tmp_path / "small")]
    assert sizes[1] < 0.55 * sizes[0] and (tmp_path / "small/atlas.json").exists()
    small, expected = load_model(tmp_path / "small"), ship.rounded(model)
    for name, part in expected.parts().items():
        weights = small.parts()[name].state_dict()
        assert all(torch.equal(weight, weights[key]) for key, weight in part.state_dict().items())
    assert small.tokenizer.to_str() == model.tokenizer.to_str()


@pytest.mark.parametrize("part", ["net", "text", "autoencoder"])
def test_what_float16_does_to_any_part_of_a_text_model_counts(few, model, part):
    data = few.subset(few.held_out)
    before = abs(ship.change_of_loss(model, data))
    assert 0 < before < ship.MAX_CHANGE
    spoilt = LatentModel(**{name: getattr(model, name) for name in LatentModel.__dataclass_fields__})
    net = type(getattr(model, part))(getattr(model, part).config)
    net.load_state_dict(getattr(model, part).state_dict())
    for parameter in net.parameters():
        parameter.data += 0.1 * torch.randn(parameter.shape, generator=torch.manual_seed(1))
    worse = ship.losses(replace(spoilt, **{part: net.eval()}), data)
    assert max(abs(a / b - 1) for a, b in zip(worse, ship.losses(model, data))) > 2 * before
