"""Charts as files: whole without the page, in light colours whatever the page's are."""

import re
import xml.etree.ElementTree as ElementTree
from pathlib import Path

import numpy as np
import pytest
from conftest import needs_browser, open_page, visit
from PIL import Image
from playwright.sync_api import expect

from diffusion.ui.parts.modules import STATIC

pytestmark = needs_browser
SVG = "{http://www.w3.org/2000/svg}"
CHARTS = {
    "Forward": ["forward-histogram.svg", "forward-curve.svg"],
    "Schedules": ["schedules-beta.svg", "schedules-alpha_bar.svg", "schedules-log_snr.svg"],
    "Training": [
        *("objective-loss.svg", "objective-weights.svg", "training-quartiles.svg", "beside-recognised.svg"),
        *("beside-frechet.svg", "beside-loss_gan.svg", "beside-loss_noise.svg", "beside-classes.svg"),
    ],
    "Race": ["race-distance.svg"],
    "Your picture": ["rebuild-distance.svg"],
}


def colour(name) -> str:
    """A colour of the light page, as a computed style."""
    red, green, blue = re.search(
        rf"--{name}: #(..)(..)(..);", (STATIC / "style/page.css").read_text()
    ).groups()
    return f"rgb({int(red, 16)}, {int(green, 16)}, {int(blue, 16)})"


def files_of(page, tab) -> dict[str, str]:
    """The charts of a tab, by the names that their files have."""
    page.get_by_role("tab", name=tab).click()
    buttons = page.locator(".save-chart:visible")
    expect(buttons).to_have_count(len(CHARTS[tab]))
    found = {}
    for i in range(len(CHARTS[tab])):
        line = buttons.nth(i).locator("xpath=..").locator("path[d*=M]").first
        expect(line).to_be_attached()  # some come from the network
        buttons.nth(i).focus()
        expect(buttons.nth(i)).to_have_css("opacity", "1")
        with page.expect_download() as download:
            page.keyboard.press("Enter")
        found[download.value.suggested_filename] = Path(download.value.path()).read_text("utf-8")
    return found


@pytest.fixture
def dark(browser, server):
    page = visit(browser, server, color_scheme="dark", reduced_motion="reduce")
    page.goto(f"{server.url}/?__theme=dark")
    page.wait_for_selector(".lab.forward .preset[aria-pressed=true]")
    yield page
    assert page.errors == []
    page.close()


@pytest.mark.parametrize("tab", CHARTS)
def test_every_chart_is_a_file_that_needs_nothing_else(dark, tab):
    files = files_of(dark, tab)
    assert list(files) == CHARTS[tab]
    for name, content in files.items():
        root = ElementTree.fromstring(content)
        assert root.tag == f"{SVG}svg" and root.find(f"{SVG}title").text
        attributes = {key for element in root.iter() for key in element.attrib}
        assert not attributes & {"class", "style", "id", "href", "{http://www.w3.org/1999/xlink}href"}, name
        assert not re.search(r"var\(|url\(|color\(|currentcolor|<style|<image", content, re.IGNORECASE)
        drawn = [path for path in root.iter(f"{SVG}path") if path.get("d")]
        assert drawn and all(path.get("stroke").startswith("rgb") for path in drawn)
        left, top, width, height = map(float, root.get("viewBox").split())
        assert "?" not in root.find(f"{SVG}title").text
        paper = root.find(f"{SVG}rect")
        assert paper.get("fill") == "#ffffff"
        assert [float(paper.get(key)) for key in ("x", "y", "width", "height")] == [left, top, width, height]
        assert float(root.get("width")) == width and float(root.get("height")) == height
    assert dark.locator(".lab > .paper").count() == 0


def test_it_has_the_lines_the_caption_and_the_legend_of_the_chart(dark):
    content = files_of(dark, "Forward")["forward-curve.svg"]
    root = ElementTree.fromstring(content)
    shown = dark.locator("[data-chart=curve] path").evaluate_all(
        "all => all.map((path) => path.getAttribute('d'))"
    )
    paths = root.findall(f"{SVG}path")
    assert [path.get("d") for path in paths] == shown
    assert [path.get("stroke") for path in paths] == [colour("x0"), colour("eps")]
    assert paths[1].get("stroke-dasharray") == "6px, 4px" and paths[0].get("stroke-dasharray") == "none"
    texts = [text.text for text in root.iter(f"{SVG}text")]
    caption = dark.locator(".lab.forward .charts figcaption").last.inner_text()
    assert caption in " ".join(texts) and texts[-2:] == ["√ᾱt", "√(1 − ᾱt)"]


def test_opened_alone_it_looks_as_on_the_light_page(browser, server, tmp_path):
    page = open_page(browser, server, reduced_motion="reduce")
    content = files_of(page, "Schedules")["schedules-log_snr.svg"]
    (tmp_path / "chart.svg").write_text(content, "utf-8")
    card = page.locator("[data-chart=log_snr]")
    box = card.bounding_box()
    card.scroll_into_view_if_needed()
    page.mouse.move(0, 0)
    card.screenshot(path=tmp_path / "card.png")
    alone = browser.new_page(viewport={"width": 700, "height": 500})
    alone.goto(f"file://{tmp_path / 'chart.svg'}")
    _, top, *_ = map(float, re.search(r'viewBox="([^"]*)"', content)[1].split())
    area = {"x": 0, "y": -top, "width": box["width"], "height": box["height"]}
    alone.screenshot(path=tmp_path / "alone.png", clip=area)
    one, other = (Image.open(tmp_path / f"{name}.png").convert("RGB") for name in ("card", "alone"))
    one, other = (np.asarray(each.resize(one.size).reduce(4)).astype(int) for each in (one, other))
    assert np.abs(one - other).mean() < 3 < one.std(), "but for parts of a pixel"
    page.close()
    alone.close()


def test_a_finger_finds_the_button(browser, server):
    page = open_page(browser, server, viewport={"width": 390, "height": 800}, has_touch=True, is_mobile=True)
    button = page.locator(".lab.forward .save-chart").first
    expect(button).to_have_css("opacity", "1")
    box = button.bounding_box()
    assert box["width"] >= 44 and box["height"] >= 44
    expect(button).to_have_accessible_name(re.compile("SVG: "))
    page.close()
