"""The page for every hand, eye and language: sizes of targets, contrast, keys, the language."""

import pytest
from conftest import DRAWN, needs_browser
from layout import TABS, open_tab, still_page
from pages import frames
from playwright.sync_api import expect

from tools import look

pytestmark = needs_browser
TARGET = 44  # pixels of CSS
AA = {"normal": 4.5, "large": 3.0}  # WCAG 2.2, 1.4.3

# Whatever can be pressed: its own box, or that of its label.
TARGETS = """() => {
  const seen = (node) => node.checkVisibility({ visibilityProperty: true, opacityProperty: true });
  const named = (node) => (node.ariaLabel || node.innerText || node.outerHTML).slice(0, 60);
  return [...document.querySelectorAll('button, a[href], input, select, textarea, [role=tab], [role=option]')]
    .filter((node) => seen(node) && !node.disabled && node.type !== 'file')
    .map((node) => ({ node, box: node.getBoundingClientRect() }))
    .filter(({ box }) => box.width > 0)
    .map(({ node, box }) => {
      const small = ['radio', 'checkbox'].includes(node.type) && node.closest('label');
      const { width, height } = small ? small.getBoundingClientRect() : box;
      return { name: named(node), width, height };
    });
}"""

# Texts with their colour and what is behind them: [text, ratio, whether it is large].
CONTRASTS = """() => {
  const canvas = Object.assign(document.createElement('canvas'), { width: 1, height: 1 });
  const context = canvas.getContext('2d', { willReadFrequently: true });
  const rgba = (colour) => {
    context.clearRect(0, 0, 1, 1);
    context.fillStyle = colour;
    context.fillRect(0, 0, 1, 1);
    return [...context.getImageData(0, 0, 1, 1).data].map((value) => value / 255);
  };
  const over = (top, under) => top.slice(0, 3).map((value, i) => value * top[3] + under[i] * (1 - top[3]));
  const behind = (node) => {
    const layers = [];
    for (let at = node; at; at = at.parentElement) layers.unshift(rgba(getComputedStyle(at).backgroundColor));
    return layers.reduce((under, top) => over(top, under), [1, 1, 1]);
  };
  const linear = (value) => value <= 0.04045 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4;
  const light = ([r, g, b]) => 0.2126 * linear(r) + 0.7152 * linear(g) + 0.0722 * linear(b);
  const found = [];
  const walk = document.createTreeWalker(document.querySelector('.gradio-container'), NodeFilter.SHOW_TEXT);
  for (let text = walk.nextNode(); text; text = walk.nextNode()) {
    const node = text.parentElement;
    const visible = node?.checkVisibility({ visibilityProperty: true, opacityProperty: true });
    if (!text.data.trim() || !visible || node.closest('[disabled], option, style, script, footer')) continue;
    const style = getComputedStyle(node);
    const background = behind(node);
    const colour = over(rgba(node.closest('svg') ? style.fill : style.color), background);
    const [one, other] = [light(colour), light(background)].sort((a, b) => b - a);
    const size = parseFloat(style.fontSize);
    const large = size >= 24 || (size >= 18.66 && Number(style.fontWeight) >= 700);
    found.push([text.data.trim().slice(0, 40), (one + 0.05) / (other + 0.05), large]);
  }
  return found;
}"""


@pytest.fixture(scope="module")
def phone(browser, whole_server):
    with still_page(browser, whole_server, viewport={"width": 390, "height": 844}, has_touch=True) as page:
        yield page


@pytest.fixture
def laptop(browser, whole_server):
    with still_page(browser, whole_server) as page:
        yield page


@pytest.mark.parametrize("tab", TABS)
def test_whatever_can_be_pressed_is_large_enough_for_a_finger(phone, tab):
    open_tab(phone, tab)
    closed = phone.locator("button.label-wrap:not(.open):visible")
    while closed.count():
        closed.first.click()
    frames(phone)
    small = [
        found for found in phone.evaluate(TARGETS) if min(found["height"], found["width"]) < TARGET - 0.5
    ]
    assert small == []


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_texts_stand_out_from_what_is_behind_them(browser, whole_server, theme):
    page = browser.new_page(viewport={"width": 1280, "height": 800}, reduced_motion="reduce")
    page.goto(f"{whole_server.url}/?__theme={theme}")
    page.wait_for_selector(DRAWN)
    assert page.evaluate("getComputedStyle(document.body).colorScheme") == theme
    for tab in TABS:
        open_tab(page, tab)
        seen = page.evaluate(CONTRASTS)
        assert len(seen) > 20
        assert [text for text in seen if text[1] < AA["large" if text[2] else "normal"]] == [], tab
    page.close()


def test_arrow_keys_go_through_tabs(laptop):
    names = ["Forward", "Schedules", "Reverse", "Training", "Text to image", "Plane", "Race", "Your picture"]
    tabs = [laptop.get_by_role("tab", name=name, exact=True) for name in names]
    tabs[0].focus()
    last = len(tabs) - 1
    for key, place in (("ArrowRight", 1), ("ArrowLeft", 0), ("ArrowLeft", last), ("Home", 0), ("End", last)):
        laptop.keyboard.press(key)
        expect(tabs[place]).to_have_attribute("aria-selected", "true")
        expect(tabs[place]).to_be_focused()
    laptop.get_by_role("tab", name="Text to image", exact=True).click()
    laptop.get_by_role("tab", name="Draw", exact=True).focus()
    laptop.keyboard.press("ArrowRight")
    expect(laptop.get_by_role("tab", name="Interpolation")).to_have_attribute("aria-selected", "true")


def test_arrow_keys_choose_a_radio_button_which_shows_its_focus(laptop):
    """One of Gradio's, and one of a view's own."""
    open_tab(laptop, "Interpolation")
    for names in (["the prompt", "the noise", "both"],):
        choices = [laptop.get_by_role("radio", name=name, exact=True) for name in names]
        choices[0].focus()
        for key, place in (("ArrowDown", 1), ("ArrowRight", 2), ("ArrowRight", 0), ("ArrowUp", 2)):
            laptop.keyboard.press(key)
            expect(choices[place]).to_be_checked()
            expect(choices[place]).to_be_focused()
        assert outline(choices[2].locator("xpath=..")) >= 2
    laptop.get_by_role("tab", name="Forward").click()
    linear, cosine = (laptop.locator(f".lab.forward [value={name}]") for name in ("linear", "cosine"))
    linear.focus()
    laptop.keyboard.press("ArrowRight")
    expect(cosine).to_be_checked()
    assert outline(cosine) >= 2


def outline(locator) -> float:
    return locator.evaluate("node => parseFloat(getComputedStyle(node).outlineWidth)")


def test_steps_are_chosen_with_keys_and_any_number_can_be_typed(laptop):
    open_tab(laptop, "Reverse")
    slider = laptop.locator(".steps:visible [data-role=slider]")
    number = laptop.locator(".steps:visible [data-role=number]")
    expect(number).to_have_value("20")
    share = slider.evaluate("node => node.value / node.max")
    assert 0.3 < share < 0.6  # 20 of 1000 stands in the middle
    slider.focus()
    for key, steps in (("ArrowRight", "50"), ("Home", "1"), ("End", "1000"), ("ArrowLeft", "500")):
        laptop.keyboard.press(key)
        expect(number).to_have_value(steps)
        expect(slider).to_have_attribute("aria-valuetext", steps)
    number.fill("7")
    expect(slider).to_have_attribute("aria-valuetext", "7")
    laptop.get_by_role("button", name="Sample", exact=True).click()
    expect(laptop.locator(".lab.reverse .made")).to_contain_text("7 steps", timeout=20_000)


@pytest.mark.parametrize("locale", ["en-GB", "de-DE"])
def test_the_page_says_what_language_it_is_in(browser, whole_server, locale):
    """Also if the browser's own is one that it does not speak; and Gradio's words are in the page's."""
    page = browser.new_page(locale=locale)
    page.goto(whole_server.url)
    page.wait_for_selector(DRAWN)
    assert page.evaluate("document.documentElement.lang") == "en"
    for tab in TABS:
        open_tab(page, tab)
    words = page.locator("body").inner_text() + " ".join(
        page.locator("[aria-label]").evaluate_all("nodes => nodes.map(node => node.ariaLabel)")
    )
    for foreign in ("이미지", "업로드", "제출", "Hochladen", "Bild hier", "Verwenden"):
        assert foreign not in words
    assert "Use via API" in words
    page.close()


def test_forced_colours_show_what_is_chosen(browser, whole_server):
    """Where few colours replace the page's: the tab, an answer, the lesson, the card, the controls."""
    page = look.open_page(browser, whole_server.url, "en", "light")
    page.emulate_media(forced_colors="active", reduced_motion="reduce")
    look.open_course(page, "en")
    page.locator(".lessons .guess button").first.click()
    for chosen in ("[role=tab][aria-selected=true]", ".guess [aria-pressed=true]", ".numbers [aria-current]"):
        assert outline(page.locator(chosen).first) >= 2, chosen
    card = page.locator(".lab.lessons").evaluate("node => getComputedStyle(node).borderTopStyle")
    assert card == "solid"
    for control in (".lab.forward [data-role=t]", ".lab.forward [type=radio]"):
        shape = page.locator(control).first.evaluate("node => getComputedStyle(node).appearance")
        assert shape == "auto", control
    assert look.grave_findings(page) == []
    page.close()


@pytest.mark.parametrize("code", ["en", "ko"])
def test_no_tab_scrolls_sideways_from_phones_to_the_largest_screens(browser, whole_server, code):
    page = look.open_page(browser, whole_server.url, code, "light")
    for tab in look.TABS:
        look.open_tab(page, tab, code)
        for width in (360, 390, 640, 820, 1280, 1920, 2560):  # 640: 1280 at 200 %
            page.set_viewport_size({"width": width, "height": 800})
            frames(page)
            assert look.sideways(page) == [], (tab, width)
    page.close()
