"""What learners ask: each "?" opens its answer, and what there is to try sets the page up for it."""

import json
import re

import numpy as np
import pytest
import torch
from conftest import needs_browser, open_page
from pages import distance, drag, pixels
from playwright.sync_api import expect

from diffusion.losses import WEIGHTINGS
from diffusion.ui.parts.modules import ADDRESS
from diffusion.ui.parts.scrubber import STATIC, fill
from diffusion.ui.tabs.training import relative_weights
from diffusion.ui.text import FOLDER, LANGUAGES, WORD_JOINER, labels, questions, speaking

EVERY = {code: json.loads((FOLDER / code / "questions.json").read_text("utf-8")) for code in LANGUAGES}
NAMES = list(EVERY["en"])
ROOMS = ["tab_plane", "tab_race", "tab_rebuild"]
TABS = ["tab_forward", "tab_schedules", "tab_reverse", "tab_training", *ROOMS]
MADE = ".lab.reverse .made"


def places(text):
    return set(re.findall(r"\{(\w+)\}", text))


def test_every_language_has_the_same_questions_with_short_answers():
    assert len(NAMES) == 24
    for code, asked in EVERY.items():
        assert list(asked) == NAMES
        for name, texts in asked.items():
            assert list(texts) == ["question", "answer", "try", "source"]
            assert places(texts["answer"]) == places(EVERY["en"][name]["answer"])
            assert re.search(r"arXiv \d{4}\.\d{5}", texts["source"])
            assert len(texts["answer"].split()) <= 70
            translated = [re.search("[가-힣]", texts[key]) for key in ("question", "answer", "try")]
            assert code == "en" or all(translated)
    with speaking("ko"):
        said = json.dumps(questions(), ensure_ascii=False)
    assert json.loads(said.replace(WORD_JOINER, "")) == EVERY["ko"]


def test_every_question_that_the_markup_asks_is_answered():
    markup = "".join(path.read_text("utf-8") for path in STATIC.rglob("*.html"))
    assert set(re.findall(r"\[\[\?(\w+)\]\]", markup)) <= set(NAMES)
    for name in ("time", "curves"):
        button = fill(f"[[?{name}]]", {})
        assert f'data-question="{name}"' in button and "Question: " in button and button.count('"') % 2 == 0


# ---- in a browser ----------------------------------------------------------------------------------------


@pytest.fixture
def spoken(browser, whole_server, code):
    """The page in a language, with its short texts and its questions; no script may fail on it."""
    page = open_page(browser, whole_server, locale=code, reduced_motion="reduce")
    with speaking(code):
        yield page, labels(), questions()
    assert page.errors == []
    page.close()
    assert not whole_server.logged_traceback()


def open_tab(page, text, key):
    page.get_by_role("tab", name=text[key], exact=True).click()
    page.wait_for_timeout(700)
    more = page.locator("button.label-wrap:not(.open):visible").filter(has_text=text["more"])
    if more.count():
        more.first.click()


def answer_of(page):
    return page.locator(".lab.answer:popover-open")


def opens_and_closes(page, mark, text, question):
    expect(mark).to_have_accessible_name(text["question"].format(question=question["question"]))
    mark.click()
    box = answer_of(page)
    expect(box.get_by_role("heading")).to_have_text(question["question"])
    expect(box).to_be_focused()
    said = box.locator("[data-role=words]").inner_text()
    assert "{" not in said and said.split()[0] == question["answer"].split()[0]
    expect(box.get_by_role("button", name=question["try"], exact=True)).to_be_visible()
    papers = re.findall(r"arXiv (\S+\d)", question["source"])
    links = [link.get_attribute("href") for link in box.get_by_role("link").all()]
    assert links == [f"https://arxiv.org/abs/{paper}" for paper in papers]
    assert box.evaluate("box => box.scrollHeight <= box.clientHeight")
    place, window = box.bounding_box(), page.viewport_size
    assert place["x"] >= 0 and place["x"] + place["width"] <= window["width"]
    assert place["y"] >= 0 and place["y"] + place["height"] <= window["height"]
    page.keyboard.press("Escape")
    expect(answer_of(page)).to_have_count(0)
    expect(mark).to_be_focused()


@needs_browser
@pytest.mark.parametrize("code", LANGUAGES)
def test_every_question_can_be_opened_and_closed(spoken):
    page, text, asked = spoken
    opened = set()
    for _ in range(3):  # on a slow machine a tab may be left before all of it has come
        for tab in TABS:
            open_tab(page, text, tab)
            expect(page.locator(".ask:visible").first).to_be_attached()
            for mark in page.locator(".ask:visible").all():
                name = mark.get_attribute("data-question")
                opens_and_closes(page, mark, text, asked[name])
                opened.add(name)
        if opened == set(NAMES):
            break
    assert opened == set(NAMES)


@needs_browser
@pytest.mark.parametrize("code", ["en"])
def test_an_answer_closes_beside_it_and_by_its_button(spoken):
    page, text, _ = spoken
    page.locator(".ask:visible").first.click()
    page.mouse.click(3, 3)
    expect(answer_of(page)).to_have_count(0)
    page.locator(".ask:visible").first.press("Enter")
    answer_of(page).get_by_role("button", name=text["close"], exact=True).click()
    expect(answer_of(page)).to_have_count(0)


@needs_browser
def test_on_a_phone_the_answer_is_a_sheet_at_the_bottom(browser, whole_server):
    window = {"width": 360, "height": 740}
    page = open_page(browser, whole_server, viewport=window, has_touch=True, reduced_motion="reduce")
    mark = page.locator(".ask[data-question=time]")
    size = mark.bounding_box()
    assert min(size["width"], size["height"]) >= 44
    mark.tap()
    place = answer_of(page).bounding_box()
    assert (place["x"], place["width"], place["y"] + place["height"]) == (0, 360, 740)
    assert page.evaluate("document.documentElement.scrollWidth") <= 360 and page.errors == []
    page.close()


def attempt(page, text, asked, tab, name):
    """Press what there is to try of a question."""
    open_tab(page, text, tab)
    page.locator(f".ask[data-question={name}]:visible").first.click()
    answer_of(page).get_by_role("button", name=asked[name]["try"], exact=True).click()
    expect(answer_of(page)).to_have_count(0)


def whole(page, steps="20"):
    expect(page.locator(".lab.reverse input[data-role=t]")).to_have_attribute("data-made", steps)


@needs_browser
@pytest.mark.parametrize("code", LANGUAGES)
def test_tries_move_the_sliders_and_switch_the_views(spoken):
    page, text, asked = spoken
    at = page.locator(".lab.forward [data-role=number]")
    attempt(page, text, asked, "tab_forward", "noise")
    expect(page.locator(".lab.forward [data-role=markov]")).to_be_checked()
    expect(at).to_have_value("500")
    for name in ("time", "alphas"):
        drag(page, "forward", 300)
        attempt(page, text, asked, "tab_forward", name)
        expect(at).to_have_value("1")
    page.locator(".ask[data-question=alphas]").click()
    expect(answer_of(page)).to_contain_text(re.compile(r"t = 1\D.*0\.00010.*0\.99990.*0\.9999"))
    page.keyboard.press("Escape")
    attempt(page, text, asked, "tab_schedules", "curves")
    expect(page.locator(".lab.schedules [data-role=scaled]")).to_be_checked()
    for chart in ("beta", "alpha_bar", "log_snr"):
        curve = page.locator(f".lab.schedules [data-chart={chart}] path.scaled")
        expect(curve).to_have_attribute("d", re.compile("^M.*L"))
    attempt(page, text, asked, "tab_training", "loss")
    expect(page.locator(".lab.training [data-role=number]")).to_have_value("1")  # of moments 0, 1 and 2
    attempt(page, text, asked, "tab_training", "weights")
    expect(page.locator(".lab.objective [data-n=snr]")).to_have_text(re.compile(r"^(6\.[5-9]|7\.[0-5])$"))
    for name, symbol in (("prediction", "v"), ("score", "s")):
        attempt(page, text, asked, "tab_reverse", name)
        expect(page.locator(".lab.reverse figure.eps figcaption i")).to_have_text(symbol)


@needs_browser
@pytest.mark.parametrize("code", ["en"])
def test_tries_of_the_rooms_show_what_they_say(spoken):
    page, text, asked = spoken
    plane, race, rebuild = (page.locator(f".lab.{name}") for name in ("plane", "race", "rebuild"))
    attempt(page, text, asked, "tab_plane", "heart")
    expect(plane.locator("[data-n=ends]")).to_have_text("0.000")
    for name, arrows, t in (("arrows", "score", "150"), ("middle", "x_0", "900")):
        attempt(page, text, asked, "tab_plane", name)
        expect(plane.locator(f"[data-role=arrows] [value={arrows}]")).to_be_checked()
        expect(plane.locator("[data-role=number]")).to_have_value(t)
    page.get_by_role("tab", name=text["tab_race"], exact=True).click()
    expect(race.locator("input[data-role=t]")).to_have_attribute("data-made", "20")
    for name, k, kind in (("endings", 20, "x_0_hat"), ("blurred", 10, "x_t"), ("judged", 20, "x_0_hat")):
        attempt(page, text, asked, "tab_race", name)
        expect(race.locator("[data-role=number]")).to_have_value(str(k))
        expect(race.locator(f"canvas[data-c=dpm-{kind}]")).to_be_visible()
    attempt(page, text, asked, "tab_race", "distance")
    expect(race.locator("input[data-role=t]")).to_have_attribute("data-made", "1")
    attempt(page, text, asked, "tab_rebuild", "another")
    expect(rebuild).to_have_attribute("data-start", "950")
    expect(rebuild.locator("input[data-role=t]")).to_have_attribute("data-made", "12")
    for name, lab in (("inexact", "codes"), ("codes", "between")):
        attempt(page, text, asked, "tab_rebuild", name)
        expect(page.locator(f".lab.{lab}")).to_have_attribute("data-film", re.compile("tiny"))


@needs_browser
@pytest.mark.parametrize("code", ["ko"])
def test_guidance_is_told_in_both_conventions_as_it_is_set(spoken):
    page, text, asked = spoken
    open_tab(page, text, "tab_reverse")
    mark = page.locator(".ask[data-question=guidance]:visible")
    mark.click()
    expect(answer_of(page)).to_contain_text(re.compile(r"s = 1\.5\D+w = 0\.5"))
    answer_of(page).get_by_role("button", name=asked["guidance"]["try"], exact=True).click()
    expect(page.locator(MADE)).to_contain_text(text["guidance_of"].format(scale="3"))
    mark.click()
    expect(answer_of(page)).to_contain_text(re.compile(r"s = 3\D+w = 2"))


@needs_browser
@pytest.mark.parametrize("code", ["ko"])
def test_walks_to_try_are_sampled_as_they_say(spoken):
    page, text, asked = spoken
    attempt(page, text, asked, "tab_reverse", "fresh")
    expect(page.locator(MADE)).to_contain_text("ddpm" + text["with_without_z"])
    whole(page)
    attempt(page, text, asked, "tab_reverse", "clipping")
    expect(page.locator(MADE)).to_contain_text("ddpm" + text["with_clipped"])
    whole(page)
    attempt(page, text, asked, "tab_reverse", "null_class")
    expect(page.locator(MADE)).to_contain_text(f", {text['no_class']}, ")
    expect(page.locator(MADE)).not_to_contain_text(text["with_clipped"])


@needs_browser
@pytest.mark.parametrize("code", LANGUAGES)
def test_eight_are_sampled_and_the_first_step_is_shown(spoken):
    page, text, asked = spoken
    attempt(page, text, asked, "tab_reverse", "jump")
    expect(page.locator(MADE)).to_contain_text(re.compile(f"(8 images|그림 8장).*{text['no_class']}"))
    whole(page)
    expect(page.locator(".lab.reverse [data-role=number]")).to_have_value("0")
    assert pixels(page, ".lab.reverse [data-c=x_0_hat]").shape[:2] == (2 * 16, 4 * 16)


NUMBERS = re.compile(r"[\d.]+")


@needs_browser
@pytest.mark.parametrize("code", ["en"])
def test_both_forms_of_a_step_have_the_same_weights(spoken):
    page, text, asked = spoken
    open_tab(page, text, "tab_reverse")
    drag(page, "reverse", 2)
    expect(page.get_by_text(text["forms_other"])).to_be_visible()  # of dpm++2m
    page.get_by_role("button", name=text["forms_ddpm"], exact=True).click()
    whole(page)
    forms = page.locator(".lab.reverse [data-form]")
    told = set()
    for k in range(20):
        drag(page, "reverse", k)
        paper, ours = forms.all_inner_texts()
        assert paper == ours and len(NUMBERS.findall(paper)) == 3, k
        told.add(paper)
    assert len(told) == 20
    # Of the last step, t = 50 → 0: all of x̂_0, and no z.
    assert NUMBERS.findall(paper)[-1] == "0.0000"


@needs_browser
def test_v_and_the_score_are_made_of_the_same_prediction(page, tiny_model):
    page.get_by_role("tab", name="Reverse").click()
    lab = page.locator(".lab.reverse")
    expect(lab).to_have_attribute("data-film", re.compile("tiny"))
    lab.locator("[value=v]").wait_for()
    for k in (0, 3, 5):
        drag(page, "reverse", k)
        shown = {}
        for view in ("eps", "score", "v"):
            lab.locator(f"[data-role=view] [value={view}]").check()
            page.wait_for_timeout(100)
            shown[view] = pixels(page, ".lab.reverse [data-c=eps_hat]")[..., 0].astype(float)
        assert distance(shown["score"], 255 - shown["eps"]) == 0
        x_0_hat = pixels(page, ".lab.reverse [data-c=x_0_hat]")[..., 0] / 127.5 - 1
        eps = 3 * (shown["eps"] / 127.5 - 1)
        inside = (np.abs(x_0_hat) < 0.99) & (np.abs(eps) < 2.9)  # of what is cut off only an end is seen
        weights = [lab.locator(f"[data-n=view_{name}]").inner_text() for name in ("alpha", "sigma")]
        alpha, sigma = map(float, weights)
        v = alpha * eps - sigma * x_0_hat
        assert np.abs(127.5 * (v / 3 + 1) - shown["v"])[inside].max() <= 2, k
    expect(lab.locator("figure.eps canvas")).to_have_attribute("aria-label", labels()["film_v"])


def test_weights_are_told_against_the_textbook_loss(tiny_model):
    weights = relative_weights(tiny_model, [1, 500, 1000])
    snr = tiny_model.schedule.snr
    assert set(weights) == set(WEIGHTINGS) and weights["epsilon"] == [0, 0, 0]
    half = snr(torch.tensor([500])).item()
    assert weights["sample"][1] == pytest.approx(-np.log10(half), abs=1e-3)
    assert weights["v"][1] == pytest.approx(np.log10(1 + 1 / half), abs=1e-3)
    first = snr(torch.tensor([1])).item()
    assert weights["min_snr"] == [pytest.approx(np.log10(5 / first), abs=1e-3), 0, 0]


@needs_browser
def test_the_third_curve_is_stable_diffusions(page):
    betas = np.linspace(0.00085**0.5, 0.012**0.5, 1000) ** 2
    module = f"import(window.gradio_config.root + '{ADDRESS}/lib/schedules.js')"
    table = page.evaluate(f"async () => (await {module}).scaledLinear(1000)")
    assert np.allclose(table, [1, *np.cumprod(1 - betas)], rtol=1e-12)
