"""Symbols that explain themselves: their texts, and in a browser what they say and where they are lit."""

import json
import re

import numpy as np
import pytest
from conftest import needs_browser, open_page
from layout import open_tab, still_page
from pages import drag, frames, pixels
from playwright.sync_api import Page, expect

from diffusion.ui.parts.scrubber import STATIC
from diffusion.ui.text import FOLDER, LANGUAGES, labels, speaking

TEXTS = {code: json.loads((FOLDER / code / "symbols.json").read_text("utf-8")) for code in LANGUAGES}
ENGLISH = TEXTS["en"]
# Where the page shows the values of symbols that are not called as they are.
PLACES = {"sqrt_alpha_bar": "alpha", "sqrt_rest": "sigma", "L": "loss", "alpha": "form_alpha"}
TIP = "#symbol-tip"
VISIBLE = "{ visibilityProperty: true }"


def marked() -> set[str]:
    """The symbols that the markup names."""
    names = re.findall(r'data-symbol="(\w+)', "".join(p.read_text("utf-8") for p in STATIC.rglob("*.html")))
    return set(names)


def test_each_symbol_of_the_markup_explains_itself_in_every_language():
    for texts in TEXTS.values():
        assert set(texts) == marked()
    for name, english in ENGLISH.items():
        korean = TEXTS["ko"][name]
        assert korean.keys() == english.keys() and korean.get("unit") == english.get("unit")
        assert korean["name"].split(":")[0] == english["name"].split(":")[0]  # symbols are not translated
        assert re.search("[가-힣]", korean["name"])


# ---- in a browser ----------------------------------------------------------------------------------------


@pytest.fixture
def still(browser, whole_server):
    with still_page(browser, whole_server) as page:
        yield page


def symbols(page: Page, lab: str) -> list[tuple[str, int]]:
    """Of each symbol that is in sight its name and its number among all of the lab."""
    return page.locator(f".lab.{lab} [data-symbol]").evaluate_all(
        f"""nodes => nodes.map((node, i) => [node.dataset.symbol.split(' ')[0], i, node])
          .filter(([, , node]) => node.checkVisibility({VISIBLE})).map(([name, i]) => [name, i])"""
    )


def lit_and_same(page: Page, name: str) -> tuple[int, int, int]:
    """How many places of the symbol there are, how many of them are lit, and how many places are lit."""
    return page.evaluate(
        """name => {
          const all = [...document.querySelectorAll(`[data-symbol~="${name}"], [data-shows="${name}"]`)];
          const lit = all.filter((node) => node.classList.contains('lit')).length;
          return [all.length, lit, document.querySelectorAll('.lit').length];
        }""",
        name,
    )


def shown_value(symbol, name: str) -> str | None:
    """What the page shows as the symbol's value, in its panel or its lab; None if it does not."""
    return symbol.evaluate(
        f"""(node, key) => {{
          for (let place = node; place; place = place.parentElement) {{
            const found = [...place.querySelectorAll(`dd [data-n="${{key}}"], dd[data-n="${{key}}"],
              b[data-n="${{key}}"], b > [data-n="${{key}}"], figcaption > [data-n="${{key}}"]`)]
              .find((each) => each.checkVisibility({VISIBLE}));
            if (found) return found.textContent;
            if (place.matches('.lab')) return null;
          }}
        }}""",
        PLACES.get(name, name),
    )


def overlap(page: Page, symbol) -> float:
    """Of the boxes of the symbol and the tooltip, which is in the window."""
    one, tip, size = symbol.bounding_box(), page.locator(TIP).bounding_box(), page.viewport_size
    assert tip["x"] >= 0 and tip["x"] + tip["width"] <= size["width"]
    assert tip["y"] >= 0 and tip["y"] + tip["height"] <= size["height"]
    return max(0, min(one["y"] + one["height"], tip["y"] + tip["height"]) - max(one["y"], tip["y"]))


@needs_browser
@pytest.mark.parametrize(
    "tab, lab, numbers",
    [
        ("Forward", "forward", {"sqrt_alpha_bar", "sqrt_rest", "alpha_bar", "beta", "snr", "t"}),
        ("Forward", "forward.markov", {"alpha_bar", "beta", "snr", "t"}),
        ("Schedules", "schedules", {"sqrt_alpha_bar", "sqrt_rest", "snr", "t"}),
        ("Reverse", "reverse", {"snr", "t"}),
        ("Training", "objective", {"L", "snr", "t"}),
        ("Training", "training", set()),
        ("Plane", "plane", {"alpha_bar", "sqrt_rest", "snr", "t"}),
        ("Race", "race", set()),
        ("Your picture", "rebuild", {"t"}),
    ],
)
def test_a_symbol_under_the_mouse_says_what_it_is_and_its_value_and_is_lit_everywhere(
    still, tab, lab, numbers
):
    open_tab(still, tab)
    if lab == "forward.markov":
        still.locator(".lab.forward [data-role=markov]").check()
    if lab == "reverse":
        drag(still, lab, 3)
    compared = set()
    for name, i in symbols(still, lab):
        symbol = still.locator(f".lab.{lab} [data-symbol]").nth(i)
        symbol.hover()
        tip = still.locator(TIP)
        expect(tip.locator(".what")).to_have_text(ENGLISH[name]["name"])
        expect(tip.locator(".from")).to_have_text(ENGLISH[name]["from"])
        expect(symbol).to_have_attribute("aria-describedby", "symbol-tip")
        assert overlap(still, symbol) == 0
        there, lit, all_lit = lit_and_same(still, name)
        assert there == lit == all_lit
        shown = shown_value(symbol, name)
        if shown is not None:
            unit = ENGLISH[name].get("unit", "")
            expect(tip.locator(".now")).to_have_text(f"now {shown} {unit}".strip())
            compared.add(name)
    assert compared >= numbers
    still.mouse.move(2, 2)
    expect(still.locator(TIP)).to_be_hidden()
    assert lit_and_same(still, "t")[2] == 0


@needs_browser
def test_the_tooltip_follows_the_slider_shows_pictures_and_moves_nothing(still):
    before = still.evaluate("[...document.querySelectorAll('.lab *')].map(n => n.getBoundingClientRect().y)")
    still.locator(".lab.forward .formula [data-symbol~=alpha_bar]").first.hover()
    now = still.locator(f"{TIP} .now")
    expect(now).to_have_text("now 0.4418")
    after = still.evaluate("[...document.querySelectorAll('.lab *')].map(n => n.getBoundingClientRect().y)")
    assert after == before
    drag(still, "forward", 100)
    expect(now).to_have_text(f"now {still.locator('.lab.forward b[data-n=alpha]').first.text_content()}")
    still.locator(".lab.forward .formula [data-symbol=x_t]").first.hover()
    expect(now).to_contain_text("this picture")
    small, large = pixels(still, f"{TIP} canvas"), pixels(still, ".lab.forward [data-c=x_t]")
    blocks = large[: 256 // 4 * 4].reshape(64, 4, 64, 4, 3).mean((1, 3))
    assert small.shape == (72, 72, 3)
    assert np.abs(small.mean((0, 1)) - blocks.mean((0, 1))).max() < 12


@needs_browser
def test_two_schedules_give_two_values(still):
    open_tab(still, "Schedules")
    still.locator(".lab.schedules .charts [data-symbol=alpha_bar]").hover()
    expect(still.locator(f"{TIP} .now")).to_have_text(re.compile(r"now linear 0\.\d{4}, cosine 0\.\d{4}"))
    roots = still.locator(".lab.schedules dd[data-n=alpha]").all_text_contents()
    said = re.findall(r"0\.\d{4}", still.locator(f"{TIP} .now").text_content())
    assert [float(x) for x in said] == pytest.approx([float(x) ** 2 for x in roots], abs=2e-4)


@needs_browser
def test_keys_go_from_symbol_to_symbol_with_one_stop_a_line(still):
    tip, line = still.locator(TIP), still.locator(".lab.forward .formula p.when-jump").first
    assert line.locator("[tabindex='0']").count() == 1
    still.locator(".lab.forward .with-ask .ask").focus()
    still.keyboard.press("Tab")
    names = [name for name, _ in symbols(still, "forward .formula p.when-jump")]
    for name in names:
        expect(tip.locator(".what")).to_have_text(ENGLISH[name]["name"])
        still.keyboard.press("ArrowRight")
    expect(tip.locator(".what")).to_have_text(ENGLISH[names[0]]["name"])  # around the end
    still.keyboard.press("Escape")
    expect(tip).to_be_hidden()
    still.keyboard.press("Enter")
    expect(tip).to_be_visible()
    still.keyboard.press("Tab")
    expect(tip.locator(".what")).to_have_text(ENGLISH["alpha_bar"]["name"])  # the next line's first


@needs_browser
@pytest.mark.parametrize("theme", ["light", "dark"])
def test_a_tap_opens_and_closes(browser, server, theme):
    page = open_page(browser, server, viewport={"width": 390, "height": 844}, has_touch=True)
    page.goto(f"{server.url}/?__theme={theme}")
    page.wait_for_selector(".lab.forward .preset[aria-pressed=true]")
    symbol, tip = page.locator(".lab.forward .formula [data-symbol=eps]").first, page.locator(TIP)
    symbol.tap()
    expect(tip.locator(".what")).to_have_text(ENGLISH["eps"]["name"])
    assert overlap(page, symbol) == 0
    back = "node => getComputedStyle(node).backgroundColor"
    assert symbol.evaluate(back) != page.locator(".lab.forward .formula [data-symbol=x_t]").first.evaluate(
        back
    )
    symbol.tap()
    expect(tip).to_be_hidden()
    symbol.tap()
    page.locator(".lab.forward .lead").tap()
    expect(tip).to_be_hidden()
    page.close()


@needs_browser
def test_what_is_lit_is_seen_with_forced_colours(browser, server):
    page = open_page(browser, server, forced_colors="active", reduced_motion="reduce")
    page.locator(".lab.forward .formula [data-symbol=x_0]").first.hover()
    expect(page.locator(TIP)).to_be_visible()
    lit = page.locator(".lab.forward figcaption [data-symbol=x_0]")
    assert lit.evaluate("node => getComputedStyle(node).outlineStyle") == "solid"
    page.close()


@needs_browser
def test_symbols_speak_korean_on_the_korean_page(korean_page):
    with speaking("ko"):
        now = labels()["symbol_now"]
    frames(korean_page)
    korean_page.locator(".lab.forward .formula [data-symbol=beta]:visible").hover()
    shown = korean_page.locator(".lab.forward dd[data-n=beta]").text_content()
    expect(korean_page.locator(f"{TIP} .what")).to_have_text(TEXTS["ko"]["beta"]["name"])
    expect(korean_page.locator(f"{TIP} .from")).to_have_text(TEXTS["ko"]["beta"]["from"])
    expect(korean_page.locator(f"{TIP} .now")).to_have_text(now.format(value=shown))
