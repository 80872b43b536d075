"""The page in Korean, and from one language to the other and back."""

import re
from urllib.parse import parse_qsl, urlsplit

import pytest
from conftest import DRAWN, needs_browser, visit
from pages import drag, until
from playwright.sync_api import expect

from diffusion.ui.text import labels, speaking

pytestmark = needs_browser
with speaking("ko"):
    KOREAN = labels()
TABS = (
    *("tab_forward", "tab_schedules", "tab_reverse", "tab_training", "tab_text_to_image"),
    *("tab_plane", "tab_race", "tab_rebuild"),
)
# English that is nobody's to translate: a term in parentheses; names of keys, samplers, the test's models.
NAMES = re.compile(
    r"\([^)]*\)|Page Up|Page Down|(?<![A-Za-z])(ddim|ddpm|dpm|tiny|text|linear|cosine|English|"
    r"Stable Diffusion|Hugging Face Hub|Gradio|API|CLIP|train\.py|slerp|RMS|PSNR|SNR|dB|MB|MNIST|"
    r"Noto Color Emoji|CPU|GPU|Ctrl|UNet|MiB)(?![A-Za-z])",
    re.IGNORECASE,
)
PROMPTS = ".prompt, .prompt-examples, .tokens"
VISIBLE = """(prompts) => {
  const root = document.querySelector("main") ?? document.body;
  const walker = document.createTreeWalker(root, NodeFilter.SHOW_TEXT);
  const found = [];
  while (walker.nextNode()) {
    const { data, parentElement: place } = walker.currentNode;
    if (place.checkVisibility() && !place.closest(`script, style, ${prompts}`)) found.push(data.trim());
  }
  const said = ["aria-label", "title", "placeholder", "alt"];
  for (const element of document.querySelectorAll(said.map((name) => `main [${name}]`).join()))
    if (element.checkVisibility()) found.push(...said.map((name) => element.getAttribute(name) ?? ""));
  return found.filter(Boolean);
}"""


def english_in(texts):
    """Texts with two English words in a row, whatever is nobody's to translate left out."""
    return [text for text in texts if re.search(r"[A-Za-z]{3,}\s+[A-Za-z]{2,}", NAMES.sub("·", text))]


def test_a_korean_browser_gets_the_page_in_korean_and_no_english(korean_page):
    page = korean_page
    expect(page.locator("html")).to_have_attribute("lang", "ko")
    expect(page.locator("h1")).to_have_text(KOREAN["title"])
    expect(page).to_have_title(KOREAN["title"])
    for tab in TABS:
        page.get_by_role("tab", name=KOREAN[tab], exact=True).click()
        page.wait_for_timeout(500)
        for more in page.get_by_role("button", name=KOREAN["more"]).all():
            if more.is_visible():
                more.click()
        assert set(english_in(page.evaluate(VISIBLE, PROMPTS))) == set()


def test_what_is_asked_is_answered_and_refused_in_korean(korean_page):
    page = korean_page
    page.get_by_role("tab", name=KOREAN["tab_reverse"], exact=True).click()
    side = page.locator(".side:visible")
    seed = side.get_by_label(KOREAN["seed"], exact=True).first
    seed.fill("-1")
    seed.press("Tab")
    page.get_by_role("button", name=KOREAN["sample"], exact=True).click()
    refused = KOREAN["must_be_whole"].format(name=KOREAN["name_seed"], low="0", high=f"{2**32 - 1:,}")
    expect(page.get_by_role("alert").filter(has_text=refused)).to_be_visible()
    seed.fill("3")
    seed.press("Tab")
    page.get_by_role("button", name=KOREAN["sample"], exact=True).click()
    made = page.locator(".lab.reverse .made")
    expect(made).to_contain_text(KOREAN["film_on_show"].split("{")[0])
    expect(page.locator(".lab.reverse input[data-role=t]")).to_have_attribute("data-made", "20")
    assert set(english_in(page.evaluate(VISIBLE, PROMPTS))) == set()


def test_another_language_shows_what_was_on_show_and_is_remembered(browser, whole_server):
    context = browser.new_context(
        locale="ko-KR", reduced_motion="reduce", viewport={"width": 1280, "height": 1000}
    )
    page = context.new_page()
    page.goto(f"{whole_server.url}/?__theme=dark")
    page.wait_for_selector(DRAWN)
    lab = page.locator(".lab.forward")
    lab.locator(".preset").nth(2).click()
    lab.locator("[value=cosine]").check()
    drag(page, "forward", 321)
    page.get_by_role("tab", name=KOREAN["tab_reverse"], exact=True).click()
    page.wait_for_timeout(1000)  # Gradio does not hear of what is typed in the first instants of a field
    seed = page.locator(".side:visible").get_by_label(KOREAN["seed"], exact=True).first
    seed.fill("7")
    seed.press("Tab")
    steps = page.locator(".side:visible .lab.steps input[type=number]")
    steps.fill("6")
    page.wait_for_timeout(500)
    page.get_by_role("link", name="English").click()
    page.wait_for_selector(DRAWN, state="attached")
    assert urlsplit(page.url).path == "/"
    assert {"lang": "en", "__theme": "dark"}.items() <= dict(parse_qsl(urlsplit(page.url).query)).items()
    expect(page.get_by_role("tab", name="Reverse")).to_have_attribute("aria-selected", "true")
    expect(page.locator(".side:visible").get_by_label("Seed").first).to_have_value("7")
    expect(page.locator(".side:visible").get_by_label("Steps").first).to_have_value("6")
    page.get_by_role("tab", name="Forward").click()
    expect(lab.locator("[data-role=number]")).to_have_value("321")
    expect(lab.locator(".preset").nth(2)).to_have_attribute("aria-pressed", "true")
    expect(lab.locator("[value=cosine]")).to_be_checked()
    page.goto(whole_server.url)  # nothing is said there about a language
    until(page, lambda: page.locator("html").get_attribute("lang") == "en")
    page.get_by_role("link", name="한국어").click()
    expect(page.locator("h1")).to_have_text(KOREAN["title"])
    context.close()


@pytest.mark.parametrize("width", [360, 820, 1280])
def test_korean_fits_the_window(browser, whole_server, width):
    page = visit(browser, whole_server, locale="ko-KR", viewport={"width": width, "height": 900})
    page.wait_for_selector(DRAWN)
    for tab in TABS:
        page.get_by_role("tab", name=KOREAN[tab], exact=True).click()
        page.wait_for_timeout(300)
        assert page.evaluate("document.documentElement.scrollWidth") <= width, tab
    page.close()
