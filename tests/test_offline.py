"""The page without its server: what it asks for comes when there is an answer, and it says so meanwhile."""

import pytest
from conftest import needs_browser
from pages import distance, drag, noisy, pixels, shared
from playwright.sync_api import expect
from starlette.applications import Starlette
from starlette.responses import HTMLResponse
from starlette.routing import Route
from test_ui_training import changed, loss, open_training
from web import serving

from diffusion import linear_schedule
from diffusion.ui.parts.example_pictures import preset_pictures
from diffusion.ui.parts.modules import ADDRESS, ROUTE

pytestmark = needs_browser

QUESTION = """async (path) => {
  const { Question } = await import(path);
  const place = Object.assign(document.createElement("p"), { hidden: true });
  const asked = [];  // [request, how to answer it]
  const ask = (request) => new Promise((answer) => asked.push({ request, answer }));
  const question = new Question(ask, place, { no_answer: "No answer." });
  Object.assign(window, { question, place, asked, answers: {}, problems: [] });
  window.wish = async (name) => {
    answers[name] = (await question.answer(name, () => problems.push(name))) ?? null;
  };
}"""


@pytest.fixture
def question(browser):
    """A page with a question to a server whose answers the test gives."""
    page_itself = Route("/", lambda request: HTMLResponse("<body></body>"))
    with serving(Starlette(routes=[ROUTE, page_itself])) as address:
        context = browser.new_context()
        page = context.new_page()
        page.clock.install(time=0)
        page.goto(address)
        page.clock.pause_at(3_600_000)
        page.evaluate(QUESTION, f"{ADDRESS}/lib/server.js")
        yield page
        context.close()


def wish(page, name):
    page.evaluate("name => { wish(name); }", name)


def answer(page, number, value):
    page.evaluate("([i, value]) => asked[i].answer(value ?? undefined)", [number, value])


def said(page):
    return page.evaluate("place.hidden ? '' : place.textContent")


def test_the_newest_wish_wins_whichever_is_answered_first(question):
    for name in ("a", "b", "c"):
        wish(question, name)
    answer(question, 2, "C")
    answer(question, 0, "A")
    answer(question, 1, None)
    question.wait_for_function("Object.keys(answers).length === 3")
    assert question.evaluate("answers") == {"a": None, "b": None, "c": "C"}
    assert said(question) == "" and question.evaluate("asked.length") == 3


def test_a_call_that_failed_is_made_again_with_growing_pauses(question):
    wish(question, "a")
    for number, pause in enumerate((1, 2, 4, 8, 16, 30, 30)):
        answer(question, number, None)
        question.wait_for_function("n => problems.length === n", arg=number + 1)
        assert said(question) == "No answer."
        question.clock.run_for(1000 * pause - 10)
        assert question.evaluate("asked.length") == number + 1
        question.clock.run_for(20)
        assert question.evaluate("asked.length") == number + 2
    answer(question, 7, "A")
    question.wait_for_function("answers.a === 'A'")
    assert said(question) == ""


def test_a_newer_wish_ends_the_trying(question):
    wish(question, "a")
    answer(question, 0, None)
    question.wait_for_function("problems.length === 1")
    wish(question, "b")
    answer(question, 1, "B")
    question.wait_for_function("answers.b === 'B'")
    question.clock.run_for(60_000)
    assert question.evaluate("[asked.length, answers.a]") == [2, None]


def test_a_refusal_is_said_and_not_tried_again(question):
    wish(question, "a")
    answer(question, 0, {"problem": "Too large."})
    question.wait_for_function("'a' in answers")
    assert said(question) == "Too large." and question.evaluate("problems") == ["a"]
    question.clock.run_for(60_000)
    assert question.evaluate("asked.length") == 1


@pytest.mark.parametrize("hangs", [False, True])
def test_it_is_asked_again_as_soon_as_the_connection_is_back(question, hangs):
    wish(question, "a")
    if not hangs:
        answer(question, 0, None)
        question.wait_for_function("problems.length === 1")
    question.evaluate("dispatchEvent(new Event('online'))")
    question.wait_for_function("problems.length === 1")
    question.clock.run_for(1000 if hangs else 0)
    question.wait_for_function("asked.length === 2")


def test_a_new_seed_needs_no_server(page):
    seed = page.locator(".lab.forward [data-role=seed]")
    page.context.set_offline(True)
    seed.fill("5")
    seed.press("Tab")
    drag(page, "forward", 600)
    picture = next(iter(preset_pictures().values()))
    assert distance(pixels(page, "[data-c=x_t]"), noisy(linear_schedule(), picture, 600, seed=5)) <= 1
    assert shared(page, "seed") == 5
    page.context.set_offline(False)


def test_a_seed_that_is_none_leaves_the_one_in_use(page):
    seed = page.locator(".lab.forward [data-role=seed]")
    seed.fill("-1")
    seed.press("Tab")
    expect(page.locator(".lab.forward [data-role=seed-problem]")).to_contain_text("whole number")
    expect(seed).to_have_value("0")


def test_a_length_that_was_chosen_offline_is_not_shown_before_its_tables(page):
    page.get_by_role("tab", name="Schedules").click()
    length = page.locator(".lab.schedules [data-role=length]")
    problem = page.locator(".lab.schedules [data-role=length-problem]")
    page.context.set_offline(True)
    length.evaluate("slider => { slider.value = 50; slider.dispatchEvent(new Event('input')); }")
    expect(problem).to_have_text("The server does not answer. Trying again until it does …")
    expect(length).to_have_value("1000")
    expect(page.locator(".lab.schedules output[data-n=T]")).to_have_text("1000")
    page.context.set_offline(False)
    expect(length).to_have_value("50")
    expect(page.locator(".lab.schedules output[data-n=T]")).to_have_text("50")
    expect(page.locator(".lab.schedules input[data-role=t]")).to_have_attribute("max", "50")
    expect(problem).to_be_hidden()


def test_a_picture_chosen_offline_is_judged_when_the_server_is_there_again(page):
    open_training(page)
    before = loss(page)
    examples = page.locator(".lab.objective .preset")
    problem = page.locator(".lab.objective [data-role=problem]")
    page.context.set_offline(True)
    examples.nth(3).click()
    expect(problem).to_have_text("The server does not answer. Trying again until it does …")
    expect(problem).to_have_attribute("role", "alert")
    expect(examples.first).to_have_attribute("aria-pressed", "true")  # what is shown
    assert loss(page) == before
    page.context.set_offline(False)
    changed(page, before)
    expect(examples.nth(3)).to_have_attribute("aria-pressed", "true")
    expect(problem).to_be_hidden()
