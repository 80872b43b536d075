"""The page at ?present, for a projector."""

import pytest
from conftest import needs_browser
from layout import measure
from pages import drag

from tools import look

pytestmark = needs_browser
LARGE = 20  # pixels of CSS
HIDDEN = ".lab.hero, .lab.lessons, .side, .note, .lead, .options, .charts, .picture-row, footer"
SIZES = """nodes => nodes.filter((node) => node.checkVisibility())
  .map((node) => parseFloat(getComputedStyle(node).fontSize))"""
PAPER = {"light": "rgb(255, 255, 255)", "dark": "rgb(0, 0, 0)"}


@pytest.mark.parametrize("code, theme", [("ko", "light"), ("en", "dark")])
def test_a_projector_shows_pictures_slider_and_formula_alone_and_large(browser, whole_server, code, theme):
    page = look.open_page(browser, whole_server.url, code, theme, query="&present")
    page.set_viewport_size({"width": 1280, "height": 720})
    for tab in look.TABS[:4]:
        look.open_tab(page, tab, code)
        assert page.locator(HIDDEN).and_(page.locator(":visible")).count() == 0, tab
        assert page.locator(".stage:visible").count() and page.locator(".transport:visible").count()
        texts = page.locator(".formula > p, .formula .update > p, .stage figcaption").evaluate_all(SIZES)
        assert min(texts) >= LARGE - 2.5
        assert look.sideways(page) + look.grave_findings(page) == []
    look.open_tab(page, look.TABS[0], code)
    seen = measure(page)
    assert seen["transport"][0]["y"] + seen["transport"][0]["height"] < 720
    drag(page, "forward", 700)
    assert page.locator(".lab.forward .formula b[data-n=alpha]").first.inner_text() != "1"
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") == PAPER[theme]
    assert page.errors == []
    page.close()
