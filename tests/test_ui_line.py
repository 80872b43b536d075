"""Visitors in the line: each sees who is before, the newest wish wins, and what it took is told in the end.

The network waits before each call until the test lets it work.
"""

import time
from copy import deepcopy
from dataclasses import replace
from threading import Event, Semaphore

import pytest
from conftest import DRAWN, needs_browser
from pages import until
from playwright.sync_api import expect

from diffusion.ui import page as whole_page
from diffusion.ui.parts.line import LINE
from diffusion.ui.parts.prompts import reader

pytestmark = needs_browser


class Gate:
    """Lets a network work, for so many calls or from now on; counts them."""

    def __init__(self):
        self.calls, self.allowed, self.opened = 0, Semaphore(0), Event()

    def __call__(self, *_):
        while not self.opened.is_set() and not self.allowed.acquire(timeout=0.02):
            pass
        self.calls += 1


@pytest.fixture
def gate():
    gate = Gate()
    yield gate
    gate.opened.set()


@pytest.fixture
def visitor(browser, tiny_model, model, gate):
    """A function that opens the page on the tab of this name, for another visitor each time."""
    gated = []
    for each in (tiny_model, model):
        net = deepcopy(each.net)
        net.register_forward_pre_hook(gate)
        gated.append(replace(each, net=net))
    app = whole_page.build_page({each.name: each for each in gated})
    _, url, _ = app.launch(prevent_thread_lock=True, quiet=True, **whole_page.launch_options())
    pages = []

    def open_tab(name):
        page = browser.new_page(reduced_motion="reduce")
        page.errors = []
        page.on("pageerror", lambda error: page.errors.append(str(error)))
        page.goto(url)
        page.wait_for_selector(DRAWN)
        page.get_by_role("tab", name=name, exact=True).click()
        page.wait_for_timeout(300)
        pages.append(page)
        return page

    yield open_tab
    gate.opened.set()
    assert all(page.errors == [] for page in pages)
    for page in pages:
        page.close()
    until_left()
    app.close()


def until_left():
    deadline = time.monotonic() + 60
    while LINE.tickets:
        assert time.monotonic() < deadline
        time.sleep(0.02)


def sample(page, **settings):
    for label, value in settings.items():
        page.locator(".side:visible").get_by_label(label).first.fill(str(value))
        page.keyboard.press("Tab")
    page.get_by_role("button", name="Sample", exact=True).click()


def progress(page, lab="reverse"):
    return page.locator(f".lab.{lab} [data-role=progress] span")


def made(page):
    return page.locator(".lab.reverse .made")


def allow(gate, calls):
    gate.allowed.release(calls)


WAIT = 60_000


def test_whoever_waits_sees_how_many_are_before(visitor, gate):
    first, second, third = (visitor("Reverse") for _ in range(3))
    for number, page in enumerate((first, second, third)):
        sample(page, Steps=5, Seed=number)
        until(page, lambda places=number + 1: len(LINE.tickets) == places)
    expect(progress(second)).to_have_text("1 before you in the queue …", timeout=WAIT)
    expect(progress(third)).to_have_text("2 before you in the queue …", timeout=WAIT)
    expect(progress(third)).to_have_attribute("aria-live", "polite")
    allow(gate, 5)
    expect(progress(third)).to_have_text("1 before you in the queue …", timeout=WAIT)
    gate.opened.set()
    for number, page in enumerate((first, second, third)):
        expect(made(page)).to_contain_text(f"seed {number}, dpm++2m, 5 steps", timeout=WAIT)


def test_the_newest_wish_wins_and_other_visitors_keep_theirs(visitor, gate):
    page, other = visitor("Reverse"), visitor("Reverse")
    sample(page, Steps=200, Seed=1)
    allow(gate, 1)
    expect(made(page)).to_contain_text("seed 1", timeout=WAIT)
    sample(other, Steps=4, Seed=9)
    until(page, lambda: len(LINE.tickets) == 2)
    for seed in (2, 3, 4):
        sample(page, Seed=seed)
    until(page, lambda: len(LINE.tickets) == 3 and LINE.tickets[0].replaced)
    allow(gate, 1)  # the call that runs
    expect(progress(page)).to_have_text("1 before you in the queue …", timeout=WAIT)
    assert gate.calls < 10
    gate.opened.set()
    expect(made(other)).to_contain_text("seed 9, dpm++2m, 4 steps", timeout=WAIT)
    expect(made(page)).to_contain_text("seed 4", timeout=WAIT)
    expect(made(page)).to_contain_text(", 200 steps", timeout=WAIT)
    expect(page.locator(".lab.reverse [data-role=number]")).to_have_value("200")
    assert gate.calls <= 2 + 4 + 200 + 1, "what came between was not drawn"


def test_examples_tapped_fast_and_a_typed_prompt(visitor, gate, model):
    page = visitor("Text to image")
    prompt, lab = page.get_by_label("Prompt", exact=True), page.locator(".lab.text_to_image")
    until(page, lambda: LINE.tickets)  # it draws by itself
    examples = page.locator(".prompt-examples button")
    for number in (2, 4, 1):
        examples.nth(number).click()
    prompt.fill("red heart green")
    prompt.press("Enter")
    gate.opened.set()
    tokens = [token.text for token in reader(model).read("red heart green").tokens]
    expect(lab.locator(".chip")).to_have_text(tokens, timeout=WAIT)
    expect(lab.locator(".neighbour").first).to_be_visible(timeout=WAIT)
    expect(progress(page, "text_to_image")).to_contain_text("20 steps in", timeout=WAIT)
    for number in (3, 0, 5):
        examples.nth(number).click()
    wanted = prompt.input_value()
    tokens = [token.text for token in reader(model).read(wanted).tokens]
    expect(lab.locator(".chip")).to_have_text(tokens, timeout=WAIT)
    expect(progress(page, "text_to_image")).to_contain_text("20 steps in", timeout=WAIT)
    expect(lab.locator(".chip")).to_have_text(tokens)
    expect(prompt).to_have_value(wanted)


def test_a_film_in_the_making_and_a_stopped_one(visitor, gate):
    page = visitor("Reverse")
    slider, bar = page.locator(".lab.reverse [data-role=t]"), page.locator(".lab.reverse progress")
    sample(page, Steps=300, Images=1)
    for calls in range(1, 9):
        allow(gate, 1)
        until(page, lambda calls=calls: gate.calls == calls)
        page.wait_for_timeout(100)  # longer than messages are apart
    expect(slider).to_have_attribute("data-made", "7")
    expect(slider).to_have_attribute("max", "300")
    expect(slider).to_have_class("partly")
    expect(bar).to_have_js_property("max", 300)
    expect(bar).to_have_js_property("value", 7)
    expect(progress(page)).to_contain_text("step 7 of 300, ")
    expect(made(page)).to_contain_text("7 of 300 steps")
    place = slider.bounding_box()
    slider.click(position={"x": place["width"] - 5, "y": place["height"] / 2})
    expect(page.locator(".lab.reverse [data-role=number]")).to_have_value("7")  # there is no more
    page.get_by_role("button", name="Stop", exact=True).click()
    until(page, lambda: not LINE.tickets[0].wanted)
    allow(gate, 1)
    expect(progress(page)).to_contain_text("Stopped at step 7 of 300: ", timeout=WAIT)
    expect(progress(page)).to_contain_text("network calls: 8")
    expect(made(page)).to_contain_text("7 of 300 steps")
    until(page, lambda: not LINE.tickets)
    assert gate.calls == 9


@pytest.mark.parametrize(
    "guidance, calls", [(1, "network calls: 6"), (3, "network calls: 6, predictions: 12")]
)
def test_time_and_calls_are_told_in_the_end(visitor, gate, guidance, calls):
    page = visitor("Reverse")
    gate.opened.set()
    sample(page, Steps=6, Guidance=guidance)
    expect(progress(page)).to_contain_text(" s, ", timeout=WAIT)
    expect(progress(page)).to_contain_text("6 steps in ", timeout=WAIT)
    assert progress(page).inner_text().endswith(calls)
    assert gate.calls == 6
    expect(page.locator(".lab.reverse [data-role=t]")).not_to_have_class("partly")


def test_nothing_jumps(visitor, gate):
    page = visitor("Reverse")
    gate.opened.set()
    sample(page, Steps=6)
    expect(progress(page)).to_contain_text("6 steps in ", timeout=WAIT)
    gate.opened.clear()
    places = ["[data-role=t]", ".formula:not(.tally)", ".stage.film"]
    where = "place => { const { x, y, width } = place.getBoundingClientRect(); return [x, y, width]; }"

    def now():
        return [page.locator(f".lab.reverse {place}").evaluate(where) for place in places]

    before = now()
    sample(page)
    until(page, lambda: LINE.tickets)
    for _ in range(3):
        allow(gate, 1)
        page.wait_for_timeout(100)
        assert now() == before
    page.get_by_role("button", name="Stop", exact=True).click()
    allow(gate, 1)
    expect(progress(page)).to_contain_text("Stopped", timeout=WAIT)
    assert now() == before


def test_a_closed_page_gives_up_its_turn(visitor, gate):
    page, other = visitor("Reverse"), visitor("Reverse")
    sample(page, Steps=1000, Images=1)
    allow(gate, 1)
    expect(made(page)).to_contain_text("1000 steps", timeout=WAIT)
    sample(other, Steps=3)
    expect(progress(other)).to_have_text("1 before you in the queue …", timeout=WAIT)
    page.goto("about:blank")
    for _ in range(60):
        allow(gate, 1)
        other.wait_for_timeout(200)
        if "before you" not in progress(other).inner_text():
            break
    gate.opened.set()
    expect(made(other)).to_contain_text(", 3 steps", timeout=WAIT)
    assert gate.calls < 100


def test_the_pictures_for_the_autoencoder_wait_in_the_line_too(visitor, gate):
    first, page = visitor("Reverse"), visitor("Text to image")
    sample(first, Steps=5)
    until(page, lambda: len(LINE.tickets) == 2)  # the other draws by itself
    page.get_by_role("tab", name="Why latent?").click()
    lab = page.locator(".lab.reconstruction")
    problem = lab.locator(".picture-row [data-role=problem]")
    expect(problem).to_have_text("2 before you in the queue …", timeout=WAIT)
    gate.opened.set()
    expect(problem).to_be_hidden(timeout=WAIT)
    lab.locator(".preset").nth(2).click()
    expect(lab.locator(".preset").nth(2)).to_have_attribute("aria-pressed", "true")
