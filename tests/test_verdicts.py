"""Was this cat ever drawn? What is said of cats that are known, and of pictures that are none."""

import base64
import io
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from conftest import ROOT, needs_browser, open_page, randomised, running_app
from pages import drag, frames
from PIL import Image
from playwright.sync_api import expect

import app
from diffusion import UNet, UNetConfig, cosine_schedule, save_film, save_model
from diffusion.data.cat_judge import nearest_trained_on
from diffusion.data.cats import KINDS, Cats, read_cats
from diffusion.data.images import to_signed
from diffusion.films.coding import Coding
from diffusion.films.film import Film, make_film
from diffusion.models.model import Model
from diffusion.ui.parts.class_choice import CAT_GUIDANCE, class_choice, class_words
from diffusion.ui.parts.inputs import InputError
from diffusion.ui.parts.verdicts import MAX_CHARTED, OPENING, DrawnCats, DrawnFilms, judged_steps
from diffusion.ui.tabs import reverse
from diffusion.ui.text import labels, shown_name, speaking

BODY, FUR, EYES, MOUTH, ACCESSORY = range(5)


@pytest.fixture(scope="module")
def cats() -> Cats:
    return read_cats(ROOT / "checkpoints/cats")


def some_cat(cats: Cats, trained_on: bool, hides: bool = False) -> torch.Tensor:
    """A cat whose mouth differs from the mouth before it."""
    chosen = cats.trained_on if trained_on else cats.never_trained_on(1000)
    return chosen[cats.hides_mouth[chosen[:, ACCESSORY]] == hides][3]


def pictures_of(cats: Cats) -> tuple[np.ndarray, list[torch.Tensor]]:
    """(6, S, S, 3): a new cat, a known one, a known one with its mouth hidden, one between two mouths, one
    with a spot that is no part, and noise; and of which they are made."""
    new, known, hidden = (some_cat(cats, *how) for how in ((False,), (True,), (True, True)))
    between = new.clone()
    between[MOUTH] = (new[MOUTH] + 1) % cats.counts[MOUTH]
    made = [new, known, hidden, new, known]
    pictures = cats.render(torch.stack(made)).permute(0, 2, 3, 1).numpy().copy()
    other = cats.render(between).permute(1, 2, 0).numpy()
    pictures[3] = (pictures[3].astype(int) + other) // 2
    pictures[4, :8, :8] = 180  # a corner, which all cats leave white
    noise = np.random.default_rng(0).integers(0, 256, pictures[:1].shape, dtype=np.uint8)
    return np.concatenate([pictures, noise]), made


@pytest.fixture(scope="module")
def drawn(cats) -> DrawnCats:
    pictures, _ = pictures_of(cats)
    return DrawnCats(cats, {0: pictures[:MAX_CHARTED]}, pictures, 1)


OUTCOMES = ["cat_new", "cat_known", "cat_known", "cat_unsharp", "cat_unclear", "cat_impossible"]


def picture_at(address: str) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(base64.b64decode(address.split(",")[1]))).convert("RGB"))


def test_each_cat_is_said_to_be_what_it_is(cats, drawn):
    verdicts = drawn.verdicts
    assert [verdict["outcome"] for verdict in verdicts] == OUTCOMES
    _, made = pictures_of(cats)
    for verdict, cat in zip(verdicts, made):
        names = [of_kind[part] for of_kind, part in zip(cats.names, cat.tolist())]
        for j in (BODY, FUR, EYES, ACCESSORY):
            assert verdict["parts"][j] == names[j]
        if verdict["outcome"] in ("cat_new", "cat_known") and not verdict["hidden"]:
            assert np.array_equal(picture_at(verdict["nearest"]), cats.render(cat).permute(1, 2, 0).numpy())
    assert verdicts[0]["parts"][MOUTH] == cats.names[MOUTH][made[0][MOUTH]]
    json.dumps(verdicts)


def test_visitors_who_share_a_film_are_told_in_their_own_languages(cats, drawn):
    told = {}
    for code in ("ko", "en", "ko"):
        with speaking(code):
            told.setdefault(code, []).append(drawn.verdicts[0]["parts"])
            words = {shown_name(name) for names in cats.names for name in names}
            assert set(drawn.verdicts[0]["parts"][:2]) <= words
    assert told["ko"][0] == told["ko"][1] != told["en"][0]


def test_a_mouth_that_cannot_be_seen_is_said_to_be_hidden(cats, drawn):
    assert [verdict["hidden"] for verdict in drawn.verdicts[:4]] == [False, False, True, False]
    verdict = drawn.verdicts[2]
    assert verdict["parts"][MOUTH] == f"hidden by the {verdict['parts'][ACCESSORY]}"
    assert verdict["differs"] == []  # whichever mouth is under the scarf


def test_the_same_cat_has_the_same_name_however_it_is_drawn(cats, drawn):
    """Once more, a little disturbed, and with another mouth under the scarf."""
    pictures, made = pictures_of(cats)
    again = pictures.copy()
    again[:2] -= again[:2] > 250  # of white, one level
    other = made[2].clone()
    other[MOUTH] = (other[MOUTH] + 1) % cats.counts[MOUTH]
    again[2] = cats.render(other).permute(1, 2, 0).numpy()
    again[5] = again[5, ::-1]
    names = [verdict["drawn"] for verdict in drawn.verdicts]
    renamed = [verdict["drawn"] for verdict in DrawnCats(cats, {}, again, 1).verdicts]
    assert renamed[:5] == names[:5] and len({*names, *renamed}) == 7


def test_a_part_that_is_not_sharp_is_between_two(cats, drawn):
    _, made = pictures_of(cats)
    mouths = [cats.names[MOUTH][(made[3][MOUTH] + step) % cats.counts[MOUTH]] for step in (0, 1)]
    assert drawn.verdicts[3]["parts"][MOUTH] in (
        f"between {mouths[0]} and {mouths[1]}",
        f"between {mouths[1]} and {mouths[0]}",
    )


def test_beside_it_is_the_nearest_one_that_was_trained_on(cats, drawn):
    _, made = pictures_of(cats)
    near = nearest_trained_on(cats, made[0])
    verdict = drawn.verdicts[0]
    assert cats.is_trained_on(near) and not cats.is_trained_on(made[0])
    assert np.array_equal(picture_at(verdict["trained_on"]), cats.render(near).permute(1, 2, 0).numpy())
    other = [j for j in range(len(KINDS)) if near[j] != made[0][j]]
    assert verdict["differs"] == [f"other {KINDS[j]} ({cats.names[j][near[j]]})" for j in other]
    assert drawn.verdicts[1]["differs"] == []  # it is that one itself


def test_a_part_is_settled_when_the_answer_stays_to_the_end(cats):
    """Of steps 0, 2 and 4 of 6: not while it is another one later; and what is uncertain never is."""
    cat = some_cat(cats, trained_on=False)
    other_body, other_eyes = cat.clone(), cat.clone()
    other_body[BODY] = (cat[BODY] + 1) % cats.counts[BODY]
    other_eyes[EYES] = (cat[EYES] + 1) % cats.counts[EYES]
    hidden = some_cat(cats, trained_on=True, hides=True)

    def shown(first):
        return cats.render(torch.stack([first, hidden])).permute(0, 2, 3, 1).numpy()

    x_0_hat = {0: shown(cat), 2: shown(other_eyes), 4: shown(cat)}
    film = DrawnCats(cats, x_0_hat, shown(other_body), 6)
    first, second = film.decided
    assert first == [6, 0, 4, 0, 0]
    assert second == [0, 0, 0, None, 0]
    noise = np.random.default_rng(0).integers(0, 256, shown(cat).shape, dtype=np.uint8)
    assert DrawnCats(cats, x_0_hat, noise, 6).decided == [[None] * 5] * 2


def test_few_steps_are_judged_and_the_first_and_last_are_among_them():
    assert judged_steps(1) == {0} and judged_steps(7) == set(range(7))
    many = sorted(judged_steps(1000))
    assert len(many) == 20 and many[0] == 0 and many[-1] == 999
    assert {b - a for a, b in zip(many, many[1:])} <= {52, 53}


# ---- the films that wait for the question -----------------------------------------------------------------


@pytest.fixture(scope="module")
def cat_model(cats) -> Model:
    """With random weights: it draws none that could be."""
    torch.manual_seed(0)
    net = randomised(UNet(UNetConfig(3, 32, (1,), 1, (), num_classes=16, patch_size=8)))
    shape = cats.image_shape
    about = {"data": cats.title, "licence": cats.licence}
    return Model("kittens", net, "cosine", cosine_schedule(), "v", shape, cats.classes, about, cats=cats)


def request_of(model: Model, **changes):
    sent = {
        "model": model.name, "seed": 1, "sampler": "ddim", "num_steps": 3, "schedule": "",
        "class_label": "*", "guidance_scale": 1.5, "num_images": 5, "eta": 0,
    } | changes  # fmt: skip
    return reverse.checked_class_request({model.name: model}, **sent)


def test_a_whole_film_can_be_asked_about(cat_model, monkeypatch):
    films = DrawnFilms()
    monkeypatch.setattr("diffusion.ui.parts.verdicts.FILMS", films)
    *_, message = reverse.film_messages(cat_model, request_of(cat_model))
    about = message["info"]["cats"]
    assert about["combinations"] == 324_000 and about["trained_on"] == 32_400
    assert about["credit"]["en"] == "Pictures: cats by David Revoy, CC BY 4.0."
    verdicts = films.answer({"film": about["film"], "what": "verdicts"})["verdicts"]
    assert [verdict["outcome"] for verdict in verdicts] == ["cat_impossible"] * 5
    decided = films.answer({"film": about["film"], "what": "decided"})["decided"]
    assert decided == [[None] * 5] * MAX_CHARTED
    with pytest.raises(InputError, match="What is asked must be one of: verdicts, decided"):
        films.answer({"film": about["film"], "what": "judged"})


def test_a_film_that_was_stopped_is_not_kept_and_old_ones_are_forgotten(cat_model, monkeypatch):
    films = DrawnFilms(most=2)
    monkeypatch.setattr("diffusion.ui.parts.verdicts.FILMS", films)
    stopped = reverse.film_messages(cat_model, request_of(cat_model))
    next(stopped)
    stopped.close()
    assert films.films == {}
    film = make_film(cat_model, seed=0, num_images=2, num_steps=2, class_labels=torch.tensor([0, 1]))
    shipped = reverse.shipped_message(cat_model, film)
    assert shipped["info"]["cats"]["film"] == OPENING
    names = [
        list(reverse.film_messages(cat_model, request_of(cat_model, seed=seed)))[-1]["info"]["cats"]["film"]
        for seed in range(2)
    ]
    assert set(films.films) == {OPENING, names[1]}
    with pytest.raises(InputError, match="keeps only the last few films"):
        films.answer({"film": names[0], "what": "verdicts"})


def test_other_models_say_nothing_of_cats(tiny_model):
    request = request_of(tiny_model, class_label="a")
    assert all("cats" not in message["info"] for message in reverse.film_messages(tiny_model, request))


# ---- the choice ------------------------------------------------------------------------------------------


def test_the_class_of_a_cat_is_its_accessory(cat_model, tiny_model):
    choice = class_choice(cat_model)
    assert choice.label == "Accessory" and choice.value == "*"
    assert choice.choices[0] == ("a different one each", "*")
    assert choice.choices[1:-1] == [(name, name) for name in cat_model.classes]
    assert choice.choices[-1] == ("left to the network", "")
    assert class_words(cat_model, [1, 0]) == "accessory red scarf, bell"
    assert class_words(cat_model, range(16)) == "all accessories in turn"
    assert class_words(cat_model, None) == "any accessory"
    assert class_choice(tiny_model).label == "Class"


def test_cats_come_first_and_a_larger_network_where_a_gpu_runs(tmp_path):
    assert app.shipped_in(tmp_path, "cpu") == []
    for name in ("emoji", "cifar10", "cats-large", "mnist", "cats"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "config.json").touch()
    names = {
        device: [Path(path).name for path in app.shipped_in(tmp_path, device)] for device in ("cpu", "cuda")
    }
    assert names["cpu"] == ["cats", "cifar10", "mnist", "emoji", "cats-large"]
    assert names["cuda"] == ["cats-large", "cats", "cifar10", "mnist", "emoji"]
    assert app.shipped_in(ROOT / "checkpoints", "cpu")[0] == str(ROOT / "checkpoints/cats")


# ---- in a browser ----------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def cat_server(cat_model, cats, tiny_model, tmp_path_factory):
    """The real program with a network of cats, whose opening film is of pictures that are known."""
    folder = tmp_path_factory.mktemp("cats")
    save_model(folder / "kittens", cat_model)
    save_film(folder / "kittens", known_film(cat_model, cats))
    save_model(folder / "tiny", replace(tiny_model))
    with running_app(folder, folder / "kittens", folder / "tiny") as running:
        yield running


def known_film(model: Model, cats: Cats) -> Film:
    """Of four steps: what is expected are first other bodies, then what it becomes."""
    pictures, made = pictures_of(cats)
    others = torch.stack(made)
    others[:, BODY] = (others[:, BODY] + 1) % cats.counts[BODY]
    before = pictures.copy()
    before[: len(made)] = cats.render(others).permute(0, 2, 3, 1).numpy()
    labels = torch.tensor([*(int(cat[ACCESSORY]) for cat in made), 0])
    film = make_film(model, seed=0, num_images=len(pictures), num_steps=4, class_labels=labels)
    coding, rows = Coding(pictures.shape), film.info["steps"]
    codes = [
        coding.encode(row["alphas_cumprod_t"], to_signed(torch.from_numpy(shown)).numpy())
        for row, shown in zip(rows, (before, before, pictures, pictures), strict=True)
    ]
    return replace(film, codes=tuple(codes))


@pytest.fixture
def page(browser, cat_server):
    page = open_page(browser, cat_server, reduced_motion="reduce")
    page.get_by_role("tab", name="Reverse").click()
    yield page
    assert page.errors == []
    page.close()
    assert not cat_server.logged_traceback()


VERDICTS, DECIDED = '"what":"verdicts"', '"what":"decided"'  # in what the page asks of Python
SAID = [
    "never trained on",
    "trained on",
    "trained on, judging by what can be seen",
    "not sharp: between two cats",
    "not sharp: a spot fits no part",
    "not a possible cat",
]


def tallied(page, *told):
    for role, number in zip(("judged", "sharp", "fresh"), told):
        expect(page.locator(f".tally [data-role={role}]")).to_have_text(number, timeout=60_000)


@needs_browser
def test_the_opening_film_shows_its_verdicts_without_a_press(page, cats):
    outcomes = page.locator(".cat .outcome")
    expect(outcomes).to_have_text(SAID, timeout=60_000)
    expect(page.locator(".verdicts")).to_contain_text("324,000 combinations of parts, of which 32,400")
    expect(page.locator(".verdicts")).to_contain_text("Pictures: cats by David Revoy, CC BY 4.0.")
    tallied(page, "0", "0", "–")  # nobody has sampled it
    expect(page.locator(".cat .number")).to_have_text([f"cat {i}" for i in range(1, 7)])
    pictures, made = pictures_of(cats)
    first = page.locator(".cat").first
    expect(first.locator("dd")).to_have_text([names[i] for names, i in zip(cats.names, made[0].tolist())])
    expect(first.locator(".differs")).to_contain_text("Nearest trained on: other ")
    expect(page.locator(".cat .differs").nth(1)).to_have_text("Nearest trained on: this very cat.")
    expect(page.locator(".cat").last.locator("dd")).to_have_text(["–"] * 5)
    canvas = first.locator("canvas").evaluate("canvas => canvas.toDataURL('image/png')")
    assert np.abs(picture_at(canvas).astype(int) - pictures[0]).max() <= 1
    shown = first.locator("img").evaluate_all("all => all.map(each => each.naturalWidth)")
    assert shown == [64, 64]


@needs_browser
@pytest.mark.parametrize("width", [390, 1280])
def test_the_chart_is_asked_for_when_somebody_comes_to_it_and_moves_nothing(browser, cat_server, width):
    """Nor does a connection that is lost then, which is said there."""
    page = open_page(browser, cat_server, viewport={"width": width, "height": 600}, reduced_motion="reduce")
    asked = []
    page.on("request", lambda sent: asked.append(sent.post_data or ""))
    page.get_by_role("tab", name="Reverse").click()
    expect(page.locator(".cat .outcome")).to_have_text(SAID)
    page.locator(".verdicts h2").scroll_into_view_if_needed()
    frames(page, 5)
    assert any(VERDICTS in data for data in asked) and not any(DECIDED in data for data in asked)
    told, block = page.locator(".decided [data-role=decided]"), page.locator(".verdicts")
    expect(told).to_have_text(labels()["decided_waiting"])
    high = block.evaluate("node => node.clientHeight")
    page.route(
        "**", lambda route: route.abort() if DECIDED in (route.request.post_data or "") else route.continue_()
    )
    told.scroll_into_view_if_needed()
    expect(page.locator(".decided").get_by_role("alert")).to_have_text(labels()["no_answer"])
    assert block.evaluate("node => node.clientHeight") == high
    page.unroute("**")
    expect(told).to_contain_text("Settled")
    expect(page.locator(".decided").get_by_role("alert")).to_be_hidden()
    assert block.evaluate("node => node.clientHeight") == high
    page.close()


@needs_browser
def test_the_chart_says_of_each_step_what_is_settled(page):
    told = page.locator(".decided [data-role=decided]")
    told.scroll_into_view_if_needed()
    expect(told).to_contain_text("Settled", timeout=60_000)
    lines = page.locator(".decided svg path.line")
    drawn = lines.evaluate_all("all => all.filter(each => each.getAttribute('d')).length")
    assert drawn == 4 * 5 - 2  # one mouth is hidden, one is between two
    charted = page.locator(".charted .key")
    expect(charted).to_have_text([f"cat {i}" for i in range(1, 5)])
    expect(charted.locator("canvas")).to_have_count(4)
    box = charted.last.bounding_box()
    assert box["y"] + box["height"] <= told.bounding_box()["y"]
    for i in range(4):  # from above, in one colour each
        assert page.locator(f".decided path.q{i}[d]").evaluate_all(
            "(all, of) => all.every(each => getComputedStyle(each).stroke === of)",
            charted.nth(i).evaluate("key => getComputedStyle(key, '::before').borderTopColor"),
        )
    drag(page, "reverse", 1)
    expect(told).to_contain_text("Step 1. Settled by now, of the first 4 cats: body 0 of 4, fur 4 of 4,")
    drag(page, "reverse", 2)
    expect(told).to_contain_text("Step 2. Settled by now, of the first 4 cats: body 4 of 4, fur 4 of 4,")
    expect(told).to_contain_text("mouth 2 of 2, accessory 4 of 4.")
    chart = page.locator(".decided svg")
    chart.scroll_into_view_if_needed()
    box = chart.bounding_box()
    page.mouse.click(box["x"] + box["width"] - 13, box["y"] + box["height"] / 2)
    expect(page.locator(".lab.reverse input[data-role=t]")).to_have_value("4")


@needs_browser
def test_the_tally_is_of_what_was_sampled_in_the_session_and_counts_no_picture_twice(page):
    side = page.locator(".side:visible")
    expect(side.get_by_label("Accessory").first).to_have_value("a different one each")
    expect(side.locator("input[type=number][aria-label*=Guidance]")).to_have_value(f"{CAT_GUIDANCE:g}")
    expect(side.locator("input[type=number][aria-label*=Images]")).to_have_value("4")
    tallied(page, "0", "0", "–")
    for _ in range(2):  # the same seed draws the same
        page.get_by_role("button", name="Sample", exact=True).click()
        expect(page.locator(".lab.reverse .made")).to_contain_text(
            "4 images drawn by the model “kittens”, seed 0", timeout=60_000
        )
        expect(page.locator(".cat .outcome")).to_have_text([SAID[-1]] * 4, timeout=60_000)
        tallied(page, "4", "0", "–")
    expect(page.locator(".lab.reverse .made")).to_contain_text("The same film again")
    page.reload()
    tallied(page, "4", "0", "–")
    page.get_by_role("button", name="Show the opening film again").click()
    expect(page.locator(".cat .outcome")).to_have_text(SAID, timeout=60_000)
    page.wait_for_timeout(1500)  # it is kept: what is on show after a reload counts nothing
    outcomes = ("new", "known", "unsharp", "unclear", "impossible")
    tally = {f"a cat {each}": f"cat_{each}" for each in outcomes} | {"one with a scarf": "hidden"}
    page.add_init_script(
        f"""const left = JSON.parse(sessionStorage.getItem("diffusion"));
        left.values.tally = {{ kittens: {json.dumps(tally)} }};
        sessionStorage.setItem("diffusion", JSON.stringify(left));"""
    )
    page.reload()
    tallied(page, "6", "3", "1 of 2, 50 %")


@needs_browser
def test_a_film_and_its_cats_are_told_of_in_the_language_of_the_page(page):
    page.get_by_role("button", name="Sample", exact=True).click()
    made, outcomes = page.locator(".lab.reverse .made"), page.locator(".cat .outcome")
    expect(made).to_contain_text(
        "The film on show: 4 images drawn by the model “kittens”, seed 0", timeout=60_000
    )
    expect(outcomes).to_have_text([SAID[-1]] * 4, timeout=60_000)
    page.wait_for_timeout(1500)  # it is kept
    page.get_by_role("link", name="한국어").click()
    (key,) = (key for key, said in labels().items() if key.startswith("cat_") and said == SAID[-1])
    with speaking("ko"):
        expect(made).to_contain_text("kittens 모델이 그린 그림 4장, 시드 0", timeout=60_000)
        expect(outcomes).to_have_text([labels()[key]] * 4, timeout=60_000)


# Within the page, where it is not too late however busy the machine is.
STOPPED_WHEN_SEEN = """(waiting) => {
  const told = [...document.querySelectorAll(".cat .outcome")].map((each) => each.textContent.trim());
  const made = document.querySelector(".lab.reverse .made").textContent;
  const isSeen = told.length === 4 && told.every((each) => each === waiting);
  if (!isSeen || !made.includes("of 1000 steps")) return false;
  const buttons = [...document.querySelectorAll("button")].filter((each) => each.checkVisibility());
  buttons.find((each) => each.textContent.trim() === "Stop").click();
  return true;
}"""


@needs_browser
def test_of_a_film_that_was_stopped_no_cat_waits(page):
    """Nor of one that was in the making when the page was left."""
    for label, value in (("Steps", "1000"), ("Guidance", "3")):  # twice the calls: it lasts
        field = page.locator(".side:visible").get_by_label(label).first
        field.fill(value)
        field.press("Tab")
    page.get_by_role("button", name="Sample", exact=True).click()
    waiting = "looked up when the film is whole"
    page.wait_for_function(STOPPED_WHEN_SEEN, arg=waiting, polling=20, timeout=60_000)
    for again in (False, True):
        if again:
            page.reload()
        expect(page.locator(".lab.reverse [data-role=progress]")).to_contain_text("Stopped at step")
        expect(page.locator(".verdicts")).to_contain_text("This film was stopped before its end")
        expect(page.locator(".cat")).to_have_count(0)
        expect(page.locator(".verdicts [data-role=chart]")).to_be_hidden()
    page.get_by_role("button", name="Show the opening film again").click()
    expect(page.locator(".cat .outcome")).to_have_text(SAID)
    expect(page.locator(".verdicts [data-role=chart]")).to_be_visible()


@needs_browser
def test_a_model_that_is_not_of_cats_has_classes_and_no_verdicts(page):
    expect(page.locator(".verdicts")).to_be_visible()
    side = page.locator(".side:visible")
    side.get_by_text("More", exact=True).click()
    side.get_by_label("Checkpoint").click()
    page.get_by_role("option", name="tiny", exact=True).click()
    expect(side.get_by_label("Class", exact=True).first).to_have_value("a different one each")
    page.get_by_role("button", name="Sample", exact=True).click()
    expect(page.locator(".lab.reverse .made")).to_contain_text(
        "4 images drawn by the model “tiny”", timeout=60_000
    )
    expect(page.locator(".verdicts")).to_be_hidden()
