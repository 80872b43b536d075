"""The page's state is in its address: who opens it sees the same."""

import random
from urllib.parse import parse_qsl, urlencode, urlsplit

import pytest
from conftest import DRAWN, needs_browser, running_app
from pages import drag, frames, pixels, shared, until
from playwright.sync_api import expect

pytestmark = needs_browser
SAID = ".hero [data-role=said]"
OWN = {"lang", "hide"}  # of the address, and none of the state


@pytest.fixture
def open_link(browser, whole_server):
    """A function that opens a link in a browser of its own, by what stands behind the question mark."""
    pages = []

    def visit(query=""):
        page = browser.new_page(reduced_motion="reduce", viewport={"width": 1280, "height": 1000})
        page.errors = []
        page.on("pageerror", lambda error: page.errors.append(str(error)))
        pages.append(page)
        page.goto(f"{whole_server.url}/?lang=en&{query}")
        page.wait_for_selector(DRAWN, state="attached")
        return page

    yield visit
    for page in pages:
        assert page.errors == []
    for page in pages:
        page.close()
    assert not whole_server.logged_traceback()


def state_of(page) -> dict[str, str]:
    pairs = parse_qsl(urlsplit(page.url).query, keep_blank_values=True)
    return {name: value for name, value in pairs if name not in OWN}


def until_state(page, state):
    until(page, lambda: state_of(page) == {name: str(value) for name, value in state.items()})


def picture(page, lab, canvas):
    frames(page)
    return pixels(page, f".lab.{lab} canvas[data-c={canvas}]").tolist()


def control(page, label):
    return page.locator(".side:visible").get_by_label(label, exact=True).first


def fill(page, label, value):
    control(page, label).fill(str(value))
    page.keyboard.press("Tab")


def test_as_it_opens_nothing_is_in_the_address(open_link):
    page = open_link()
    page.wait_for_timeout(1500)
    assert state_of(page) == {}


def test_a_picture_its_noise_and_its_place_open_elsewhere(open_link):
    page = open_link()
    lab = page.locator(".lab.forward")
    lab.locator(".preset").nth(2).click()
    lab.locator("[value=cosine]").check()
    lab.locator("[data-role=seed]").fill("7")
    lab.locator("[data-role=seed]").press("Enter")
    drag(page, "forward", 321)
    until_state(page, {"t": 321, "picture": 3, "schedule": "cosine", "seed": 7})
    there = open_link(urlencode(state_of(page)))
    until(there, lambda: shared(there, "seed") == 7)
    until(there, lambda: picture(there, "forward", "x_t") == picture(page, "forward", "x_t"))
    assert state_of(there) == state_of(page)


def test_a_film_is_made_again_and_stands_where_it_stood(open_link):
    page = open_link("tab=reverse")
    fill(page, "Seed", 5)
    fill(page, "Steps", 7)
    page.get_by_role("button", name="Sample", exact=True).click()
    expect(page.locator(".lab.reverse input[data-role=t]")).to_have_attribute("data-made", "7")
    drag(page, "reverse", 4)
    made = page.locator(".lab.reverse .made").inner_text()
    fill(page, "Seed", 9)  # what stands in a control is not what the film was made with
    until_state(page, {"tab": "reverse", "seed": 5, "steps": 7, "run": 1, "step": 4})
    there = open_link(urlencode(state_of(page)))
    expect(there.locator(".lab.reverse .made")).to_have_text(made)
    expect(there.locator(".lab.reverse input[data-role=t]")).to_have_attribute("data-made", "7")
    for canvas in ("x_t", "eps_hat", "x_0_hat"):
        assert picture(there, "reverse", canvas) == picture(page, "reverse", canvas)
    expect(there.locator(".lab.reverse input[data-role=t]")).to_have_value("4")
    expect(control(there, "Seed")).to_have_value("5")
    until_state(there, state_of(page))


def test_a_film_of_another_model_is_made_again(open_link):
    link = {"tab": "reverse", "model": "linear", "class": "b", "steps": 3, "schedule": "cosine", "run": 1}
    page = open_link(urlencode(link))
    made = page.locator(".lab.reverse .made")
    expect(made).to_contain_text("by the model “linear”, seed 0, dpm++2m, 3 steps, cosine schedule, class b")
    until_state(page, link)


def test_a_prompt_is_drawn_again(open_link):
    page = open_link(urlencode({"tab": "text_to_image", "prompt": "a blue heart", "seed": 3, "steps": 2}))
    expect(page.locator(".lab.text_to_image .made")).to_contain_text("Seed 3")
    expect(page.locator(".lab.text_to_image .made")).to_contain_text("2 steps")
    expect(page.locator(".prompt textarea:visible").first).to_have_value("a blue heart")
    until_state(page, {"tab": "text_to_image", "prompt": "a blue heart", "seed": 3, "steps": 2})


def test_an_interpolation_is_made_again(open_link):
    link = {
        "tab": "interpolation",
        "mode": "noises",
        "frames": 5,
        "steps": 2,
        "end_seed": 8,
        "run": 1,
        "step": 1,
    }
    page = open_link(urlencode(link))
    expect(page.locator(".lab.interpolation [data-role=made]")).to_contain_text("8")
    expect(page.locator(".lab.interpolation input[data-role=t]")).to_have_value("1")
    until_state(page, link)


RANDOM = {
    "forward": {
        "t": lambda pick: pick.randrange(1001),
        "picture": lambda pick: pick.randrange(2, 5),
        "schedule": lambda pick: "cosine",
        "seed": lambda pick: pick.randrange(1, 2**32),
        "markov": lambda pick: 1,
    },
    "schedules": {
        "t": lambda pick: pick.randrange(1001),
        "lock": lambda pick: "snr",
        "leader": lambda pick: "cosine",
        "T": lambda pick: pick.randrange(20, 1000, 10),
        "beta-axis": lambda pick: "log",
        "forward.seed": lambda pick: pick.randrange(1, 99),
        "lesson": lambda pick: pick.randrange(1, 8),
    },
    "reverse": {
        "images": lambda pick: pick.choice([1, 2, 3, 8]),
        "sampler": lambda pick: pick.choice(["ddim", "ddpm", "euler"]),
        "steps": lambda pick: pick.randrange(1, 9),
        "seed": lambda pick: pick.randrange(1, 99),
        "class": lambda pick: pick.choice(["a", "b", ""]),
        "guidance": lambda pick: pick.choice([0, 2, 3.5]),
        "schedule": lambda pick: "linear",
        "eta": lambda pick: pick.choice([0.25, 0.5]),
        "interpolation.mode": lambda pick: "noises",
        "step": lambda pick: pick.randrange(6),  # of the opening film
    },
    "training": {
        "step": lambda pick: pick.randrange(2),
        "objective.step": lambda pick: pick.randrange(19),
    },
}


@pytest.mark.parametrize("seed", range(2))
@pytest.mark.parametrize("tab", RANDOM)
def test_a_random_state_is_what_its_link_makes(open_link, tab, seed):
    pick = random.Random(seed)
    names = pick.sample(list(RANDOM[tab]), k=pick.randint(1, len(RANDOM[tab])))
    asked = {name: str(RANDOM[tab][name](pick)) for name in RANDOM[tab] if name in (*names, "step")}
    state = ({} if tab == "forward" else {"tab": tab}) | asked
    page = open_link(urlencode(state))
    page.wait_for_timeout(1500)  # all that could still be changed has been
    assert state_of(page) == state
    expect(page.locator(SAID)).to_be_hidden()
    page.reload()
    page.wait_for_selector(DRAWN, state="attached")
    page.wait_for_timeout(1500)
    assert state_of(page) == state


@pytest.mark.parametrize(
    ("link", "state", "told"),
    [
        ("t=9999", {"t": "1000"}, ["t=9999"]),
        ("t=many&lang=xx", {}, ["t=many", "lang=xx"]),
        (
            "tab=reverse&class=zebra&steps=0",
            {"tab": "reverse", "steps": "1", "step": "0"},
            ["class=zebra", "steps=0"],
        ),
        (
            "tab=reverse&model=other&images=99",
            {"tab": "reverse", "images": "16", "step": "0"},
            ["model=other", "images=99"],
        ),
        ("tab=nowhere", {}, ["tab=nowhere"]),
        ("tab=reverse&se", {"tab": "reverse", "step": "0"}, ["se="]),
        ("picture=77&lesson=12", {}, ["picture=77", "lesson=12"]),
    ],
)
def test_a_bad_link_opens_what_comes_nearest_and_says_so(open_link, link, state, told):
    page = open_link(link)
    said = page.locator(SAID)
    for each in told:
        expect(said).to_contain_text(each)
    expect(said).to_have_count(1)
    until_state(page, state)


def test_back_and_forward_lead_through_tabs_and_lessons(open_link):
    page = open_link()
    for name in ("Schedules", "Training"):
        page.get_by_role("tab", name=name).click()
        until(page, lambda name=name: state_of(page).get("tab") == name.lower())
    page.get_by_role("button", name="Course").click()
    until_state(page, {"tab": "training", "lesson": 1})
    page.go_back()
    expect(page.locator(".lab.lessons")).to_be_hidden()
    page.go_back()
    expect(page.get_by_role("tab", name="Schedules")).to_have_attribute("aria-selected", "true")
    drag(page, "schedules", 700)
    until_state(page, {"tab": "schedules", "t": 700})
    page.go_forward()
    expect(page.get_by_role("tab", name="Training")).to_have_attribute("aria-selected", "true")
    page.go_forward()
    expect(page.locator(".lab.lessons")).to_be_visible()


def test_a_link_is_copied_with_its_language(open_link):
    page = open_link("t=250")
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    page.get_by_role("button", name="Copy link").click()
    expect(page.locator(SAID)).to_have_text("Copied: this link shows others what you see.")
    copied = page.evaluate("navigator.clipboard.readText()")
    assert dict(parse_qsl(urlsplit(copied).query)) == {"t": "250", "lang": "en"}
    assert copied.startswith(page.url.split("?")[0])


def test_where_the_browser_does_not_copy_the_link_can_be_taken_by_hand(open_link):
    page = open_link("t=250")
    page.evaluate("() => { navigator.clipboard.writeText = () => Promise.reject(); }")
    page.get_by_role("button", name="Copy link").click()
    assert "t=250" in page.locator(SAID).locator("input").input_value()


def test_a_class_is_spared_what_its_link_hides(open_link):
    page = open_link("tab=reverse&hide=course,reverse.guidance,steps,formula")
    expect(page.get_by_role("button", name="Course")).to_be_hidden()
    expect(control(page, "Seed")).to_be_visible()
    expect(control(page, "Guidance")).to_be_hidden()
    expect(page.locator(".lab.steps:visible")).to_have_count(0)
    expect(page.locator(".lab.reverse [data-role=update]")).to_be_hidden()
    fill(page, "Seed", 4)
    until_state(page, {"tab": "reverse", "seed": 4, "step": 0})
    assert "hide=course" in page.url


def test_a_space_s_link_is_that_of_its_page(browser, trained_pair, tmp_path):
    with running_app(tmp_path, *trained_pair, SPACE_ID="somebody/a-space") as space:
        page = browser.new_page()
        page.goto(f"{space.url}/?lang=en&t=123")
        page.wait_for_selector(DRAWN)
        page.evaluate("() => { navigator.clipboard.writeText = () => Promise.reject(); }")
        page.get_by_role("button", name="Copy link").click()
        copied = page.locator(SAID).locator("input").input_value()
        assert copied == "https://huggingface.co/spaces/somebody/a-space?lang=en&t=123"
        page.close()
