"""The course: its cards see what is done, in Korean, and remember it."""

import json
import re

import pytest
from conftest import needs_browser
from pages import drag
from playwright.sync_api import expect

from diffusion.ui.text import FOLDER, LANGUAGES, labels, lessons, speaking

MOST_WORDS = 120  # on a card
with speaking("ko"):
    KOREAN, CARDS = labels(), lessons()


def texts_of(card: dict) -> list[str]:
    return [
        text
        for value in card.values()
        for text in (value if isinstance(value, list) else [value])
        if isinstance(text, str)
    ]


def test_every_language_has_the_same_lessons_and_short_ones():
    every = [json.loads((FOLDER / code / "lessons.json").read_text("utf-8")) for code in LANGUAGES]
    assert len({len(cards) for cards in every}) == 1 and len(CARDS) == 7
    for cards in zip(*every, strict=True):
        for key in ("options", "tasks"):
            assert len({len(card[key]) for card in cards}) == 1
        assert len({card["right"] for card in cards}) == 1 and cards[0]["right"] < len(cards[0]["options"])
        for card in cards:
            assert (
                list(card) == list(cards[0])
                and sum(len(text.split()) for text in texts_of(card)) <= MOST_WORDS
            )
    assert all(re.search("[가-힣]", " ".join(texts_of(card))) for card in CARDS)


@pytest.fixture
def page(korean_page):
    return korean_page


def open_lesson(page, i):
    if not page.locator(".lab.lessons").is_visible():
        page.get_by_role("button", name=KOREAN["course"], exact=True).click()
    page.locator(".lessons .numbers button").nth(i).click()
    expect(page.locator(".lessons h2")).to_have_text(f"{i + 1}. {CARDS[i]['title']}")
    expect(page.locator(".lessons [data-role=seen]")).to_have_text(KOREAN["course_seen"])


def go(page, *keys):
    for key in keys:
        page.get_by_role("tab", name=KOREAN[key], exact=True).click()


def done(page, count):
    """So many of the card's tasks are seen to be done, and no more."""
    expect(page.locator(".lessons .tasks .done")).to_have_count(count)
    page.wait_for_timeout(700)  # in which it looks twice
    expect(page.locator(".lessons .tasks .done")).to_have_count(count)


def sample(page, steps):
    box = page.locator(".side:visible").get_by_label(KOREAN["num_steps"], exact=True).first
    box.fill(str(steps))
    box.press("Tab")
    page.get_by_role("button", name=KOREAN["sample"], exact=True).click()
    expect(page.locator(".lab.reverse input[data-role=t]")).to_have_attribute("data-made", str(steps))


def slide(page, lab, value):
    drag(page, lab, value)


def what_a_diffusion_model_is(page):
    slide(page, "forward", 970)
    done(page, 0)  # the other one comes first
    slide(page, "forward", 500)
    done(page, 1)
    slide(page, "forward", 960)
    done(page, 2)
    go(page, "tab_reverse")
    last = page.locator(".lab.reverse input[data-role=t]").get_attribute("max")
    slide(page, "reverse", 0)
    done(page, 3)
    slide(page, "reverse", int(last))


def what_to_know_first(page):
    page.locator(".lab.forward [data-role=markov]").check()
    done(page, 1)
    slide(page, "forward", 990)
    page.locator(".lessons .now button").click()  # to the numbers
    done(page, 2)
    go(page, "tab_plane")
    handle = page.locator(".lab.plane [data-role=handle]")
    expect(handle).to_be_visible()
    done(page, 2)
    handle.press("ArrowRight")


def schedules(page):
    go(page, "tab_schedules")
    slide(page, "schedules", 500)
    done(page, 1)
    page.locator(".lab.schedules [value=snr]").check()
    done(page, 2)
    go(page, "tab_rebuild")
    whole = page.locator(".lab.rebuild input[data-role=t]")
    expect(whole).to_have_attribute("data-made", re.compile("."))  # the film that it opens with
    start = page.locator(".lab.rebuild [data-role=start]")
    start.fill(str(int(start.get_attribute("max")) // 2))
    done(page, 2)
    page.get_by_role("button", name=KOREAN["rebuild"], exact=True).click()


def training(page):
    go(page, "tab_training")
    levels = page.locator(".lab.objective input[data-role=t]")
    slide(page, "objective", int(levels.get_attribute("max")))
    done(page, 1)
    slide(page, "objective", 0)
    done(page, 2)
    moments = page.locator(".lab.training input[data-role=t]")
    slide(page, "training", 0)
    done(page, 3)
    slide(page, "training", int(moments.get_attribute("max")))


def sampling(page):
    go(page, "tab_reverse")
    page.wait_for_timeout(700)  # in which the lesson sees what was there before
    sample(page, 12)
    done(page, 0)  # more than ten steps
    sample(page, 4)
    done(page, 1)
    slide(page, "reverse", 0)
    done(page, 2)
    for _ in range(4):
        page.locator(".lab.reverse [data-role=forward]").click()


def models(page):
    go(page, "tab_text_to_image")
    lab = page.locator(".lab.text_to_image")
    expect(lab.locator("input[data-role=t]")).to_have_attribute(
        "data-made", re.compile(r"\d+"), timeout=60_000
    )
    done(page, 0)
    page.locator(".prompt textarea:visible, .prompt input:visible").first.fill("a blue dog")
    page.get_by_role("button", name=KOREAN["draw"], exact=True).click()
    done(page, 1)
    go(page, "why_latent")
    page.get_by_role("button", name=KOREAN["measure"], exact=True).click()


def strengths(page):
    go(page, "tab_race")
    page.locator(".lanes [data-preset=one]").click()
    done(page, 0)
    start = page.get_by_role("button", name=KOREAN["race_start"], exact=True)
    start.click()
    done(page, 1)
    page.locator(".lanes [data-preset=fewer]").click()
    start.click()


WALKS = [what_a_diffusion_model_is, what_to_know_first, schedules, training, sampling, models, strengths]


@needs_browser
@pytest.mark.parametrize("i", range(len(WALKS)))
def test_what_is_done_is_ticked_and_then_told(page, i):
    open_lesson(page, i)
    guess = page.locator(".lessons .guess button").first
    guess.click()
    expect(guess).to_have_attribute("aria-pressed", "true")
    expect(page.locator(".lessons [data-role=seen]")).to_have_text(KOREAN["course_tasks"])
    WALKS[i](page)
    card = CARDS[i]
    expect(page.locator(".lessons [data-role=seen]")).to_have_text(card["seen"].replace("_", ""))
    expect(page.locator(".lessons .tasks .done")).to_have_count(len(card["tasks"]))
    expect(page.locator(".lessons .guess button").nth(card["right"])).to_have_text(
        f"{card['options'][card['right']]} ✓"
    )
    expect(guess).to_have_attribute("aria-pressed", "true")
    expect(page.locator(".lessons .numbers button").nth(i)).to_have_text(f"{i + 1} ✓")


@needs_browser
def test_progress_is_remembered_in_both_languages_until_one_starts_over(page):
    open_lesson(page, 2)
    page.locator(".lessons .guess button").last.click()
    schedules(page)
    expect(page.locator(".lessons [data-role=seen]")).to_have_text(CARDS[2]["seen"].replace("_", ""))
    page.get_by_role("button", name=KOREAN["course_next"], exact=True).click()
    expect(page.locator(".lessons h2")).to_have_text(f"4. {CARDS[3]['title']}")
    page.reload()
    expect(page.locator(".lessons h2")).to_have_text(f"4. {CARDS[3]['title']}")
    page.get_by_role("link", name="English").click()
    expect(page.locator(".lessons h2")).to_have_text(f"4. {lessons()[3]['title']}")
    expect(page.locator(".lessons .numbers button").nth(2)).to_have_text("3 ✓")
    page.get_by_role("button", name="Start all lessons over", exact=True).click()
    page.get_by_role("button", name="Sure? All ticks go", exact=True).click()
    expect(page.locator(".lessons .numbers button")).to_have_text(list("1234567"))
    page.locator(".lessons").get_by_role("button", name="Close", exact=True).click()
    expect(page.locator(".lab.lessons")).to_be_hidden()
    page.reload()
    expect(page.get_by_role("button", name="Course", exact=True)).to_have_attribute("aria-expanded", "false")
    expect(page.locator(".lab.lessons")).to_be_hidden()


@needs_browser
def test_a_film_that_plays_by_itself_walks_no_lesson_and_nothing_is_told_before_a_guess(page):
    open_lesson(page, 0)
    slide(page, "forward", 500)
    done(page, 1)
    slide(page, "forward", 960)
    done(page, 2)
    go(page, "tab_reverse")
    done(page, 3)  # the film stands at its beginning
    page.locator(".lab.reverse [data-role=play]").click()
    done(page, 3)
    expect(page.locator(".lab.reverse [data-role=play]")).to_have_attribute("data-playing", "true")
    page.locator(".lab.reverse [data-role=play]").click()
    slide(page, "reverse", int(page.locator(".lab.reverse input[data-role=t]").get_attribute("max")))
    expect(page.locator(".lessons .tasks .done")).to_have_count(4)
    expect(page.locator(".lessons [data-role=seen]")).to_have_text(KOREAN["course_guess"])
    page.locator(".lessons .guess button").last.click()
    expect(page.locator(".lessons [data-role=seen]")).to_have_text(CARDS[0]["seen"])
    right, wrong = CARDS[0]["options"][CARDS[0]["right"]], CARDS[0]["options"][-1]
    expect(page.locator(".lessons .guess button")).to_have_text(
        [CARDS[0]["options"][0], f"{right} ✓", f"{wrong} ✗"]
    )


@needs_browser
def test_a_card_shows_where_its_task_is(page):
    ringed = """selector => [...document.querySelectorAll(`${selector}.pointed`)].some(
        (place) => place.checkVisibility() && getComputedStyle(place).outlineWidth === "4px")"""
    for lesson, place in ((2, ".lab.schedules input[data-role=t]"), (5, ".prompt")):
        open_lesson(page, lesson)
        page.get_by_role("button", name=KOREAN["course_where"], exact=True).click()
        page.wait_for_function(ringed, arg=place, timeout=60_000)  # for a moment alone
