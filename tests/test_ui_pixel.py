"""A pixel that is inspected: its numbers are those of the pictures, and they add up."""

import json
import re

import numpy as np
import pytest
from conftest import needs_browser, open_page
from layout import still_page
from pages import drag, frames, pixels
from playwright.sync_api import Page, expect
from test_coding import in_browser
from test_ui_reverse import choose, sample

from diffusion import make_film
from diffusion.ui.parts.modules import ADDRESS
from diffusion.ui.tabs.reverse import shipped_message
from diffusion.ui.text import labels, speaking

pytestmark = needs_browser
HALF = 0.0005 + 1e-9  # of the last digit of a sum
GREY = 1.05  # a grey level, and what the digits that are not shown may add


@pytest.fixture
def still(browser, server):
    with still_page(browser, server) as page:
        yield page


def number(text: str) -> float:
    return float(text.replace("−", "-"))


def columns(page: Page, lab: str) -> dict[str, np.ndarray]:
    """The columns in sight, by name."""
    found = page.locator(f".lab.{lab} [data-column]").evaluate_all(
        """nodes => nodes.filter(node => node.checkVisibility({ visibilityProperty: true }))
          .map(node => [node.dataset.column, [...node.children].map(row => row.textContent)])"""
    )
    return {
        name: np.array([number(text) for text in texts])
        for name, texts in found
        if name != "names" and "–" not in texts
    }


def weight(page: Page, lab: str, name: str) -> float:
    return number(page.locator(f".lab.{lab} .pixel b[data-n={name}]:visible").inner_text())


def middle(page: Page, canvas: str, x: int, y: int) -> tuple[float, float]:
    """Where on the screen the middle of a canvas' pixel is."""
    locator = page.locator(canvas)
    locator.scroll_into_view_if_needed()
    left, top, scale = locator.evaluate(
        """canvas => {
          const { x, y } = canvas.getBoundingClientRect();
          return [x + canvas.clientLeft, y + canvas.clientTop, canvas.clientWidth / canvas.width];
        }"""
    )
    return left + (x + 0.5) * scale, top + (y + 0.5) * scale


def grey(values: np.ndarray, reach: float = 1) -> np.ndarray:
    """As a canvas shows them."""
    return np.clip(127.5 * (values / reach + 1), 0, 255)


def agrees(page: Page, canvas: str, x: int, y: int, values: np.ndarray, reach: float = 1) -> bool:
    shown = pixels(page, canvas)[y, x, : len(values)]
    return np.abs(grey(values, reach) - shown).max() <= GREY


def adds_up(page: Page, lab: str, total: np.ndarray, terms: dict[str, np.ndarray]) -> bool:
    """Whether the columns, with the weights that are shown, make the total to its last digit."""
    made = sum(weight(page, lab, name) * column for name, column in terms.items())
    return np.abs(made - total).max() <= HALF


@pytest.mark.parametrize("canvas, x, y", [("x_t", 30, 200), ("x_0", 128, 90), ("eps", 240, 12)])
def test_a_pixel_under_the_mouse_reads_its_own_numbers(still, canvas, x, y):
    forward = ".lab.forward"
    hint = still.locator(f"{forward} [data-role=pixel-where]")
    idle = hint.inner_text()
    still.mouse.move(*middle(still, f"{forward} [data-c={canvas}]", x, y))
    expect(hint).to_contain_text(f"column {x + 1}, row {y + 1}.")
    for t in (0, 1, 400, 1000):
        drag(still, "forward", t)
        read = columns(still, "forward")
        assert set(read) == {"x_t", "x_0", "eps"} and len(read["x_t"]) == 3
        assert agrees(still, f"{forward} [data-c=x_0]", x, y, read["x_0"])
        assert agrees(still, f"{forward} [data-c=eps]", x, y, read["eps"], 3)
        assert agrees(still, f"{forward} [data-c=x_t]", x, y, read["x_t"])
        assert adds_up(still, "forward", read["x_t"], {"alpha": read["x_0"], "sigma": read["eps"]})
    assert still.locator(f"{forward} .mark:visible").count() == 3
    still.mouse.move(2, 2)
    expect(hint).to_have_text(idle)
    assert still.locator(f"{forward} .mark:visible").count() == 0


def test_a_single_step_reads_what_was_before_it(still):
    still.locator(".lab.forward [data-role=markov]").check()
    still.locator(".lab.forward [data-role=inspect]").click()
    for t in (0, 1, 300, 1000):
        drag(still, "forward", t)
        read = columns(still, "forward")
        before = read["x_previous"]
        assert agrees(still, ".lab.forward [data-c=x_0]", 128, 128, before)
        assert agrees(still, ".lab.forward [data-c=x_t]", 128, 128, read["x_t"])
        assert adds_up(still, "forward", read["x_t"], {"keep": before, "add": read["eps"]})


def test_a_mark_is_over_the_same_pixel_of_each_picture(still):
    still.mouse.move(*middle(still, ".lab.forward [data-c=x_t]", 64, 192))
    frames(still)
    for name in ("x_t", "x_0", "eps"):
        x, y = middle(still, f".lab.forward [data-c={name}]", 64, 192)
        box = still.locator(f".lab.forward [data-c={name}] + .mark").bounding_box()
        assert abs(box["x"] + box["width"] / 2 - x) < 1 and abs(box["y"] + box["height"] / 2 - y) < 1


def test_looking_at_pixels_draws_no_picture_and_moves_nothing(still):
    others = "[...document.querySelectorAll('.lab *:not(.mark, .mark *)')]"
    where = f"{others}.map(each => each.getBoundingClientRect().y)"
    spots = [middle(still, ".lab.forward [data-c=x_t]", x, 99) for x in range(20, 240, 20)]
    before = still.evaluate(where)
    still.evaluate(
        """() => {
          window.drawn = 0;
          const { putImageData } = CanvasRenderingContext2D.prototype;
          CanvasRenderingContext2D.prototype.putImageData = function (...all) {
            window.drawn += 1;
            return putImageData.apply(this, all);
          };
        }"""
    )
    seen = []
    for spot in spots:
        still.mouse.move(*spot)
        frames(still)
        seen.append(still.locator(".lab.forward [data-role=pixel-where]").inner_text())
    assert len(set(seen)) == len(spots)
    assert still.evaluate(where) == before
    assert still.evaluate("window.drawn") == 0
    drag(still, "forward", 500)
    assert still.evaluate("window.drawn") > 0  # it does count


def test_keys_choose_a_pixel_and_escape_ends(still):
    """The arrows alone go on to move t."""
    stage, where = still.locator(".lab.forward .stage"), still.locator(".lab.forward [data-role=pixel-where]")
    inspect = still.locator(".lab.forward [data-role=inspect]")
    stage.focus()
    still.keyboard.press("i")
    expect(where).to_contain_text("column 129, row 129.")
    expect(inspect).to_have_attribute("aria-pressed", "true")
    for key in ("ArrowRight", "ArrowRight", "ArrowDown", "ArrowLeft", "ArrowUp", "ArrowUp"):
        still.keyboard.press(f"Shift+{key}")
    expect(where).to_contain_text("column 130, row 128.")
    expect(still.locator(".lab.forward [data-role=number]")).to_have_value("400")
    still.keyboard.press("ArrowRight")
    expect(still.locator(".lab.forward [data-role=number]")).to_have_value("401")
    assert columns(still, "forward")
    still.keyboard.press("Escape")
    expect(inspect).to_have_attribute("aria-pressed", "false")
    assert columns(still, "forward") == {}
    inspect.focus()
    still.keyboard.press("Enter")
    expect(stage).to_be_focused()
    expect(where).to_contain_text("column 129, row 129.")


def test_a_tap_keeps_a_pixel_and_its_symbols_say_its_numbers(browser, server):
    page = open_page(browser, server, viewport={"width": 390, "height": 844}, has_touch=True)
    page.touchscreen.tap(*middle(page, ".lab.forward [data-c=x_t]", 200, 50))
    expect(page.locator(".lab.forward [data-role=pixel-where]")).to_contain_text("column 201, row 51.")
    drag(page, "forward", 250)
    rows = page.locator(".lab.forward [data-column=x_t]:visible > span").all_inner_texts()
    page.locator(".lab.forward .formula p [data-symbol=x_t]").first.tap()
    expect(page.locator("#symbol-tip .now")).to_have_text(f"now ({', '.join(rows)})")
    page.locator(".lab.forward [data-role=inspect]").tap()
    assert columns(page, "forward") == {}
    page.close()


@pytest.mark.parametrize("sampler", ["dpm++2m", "ddpm"])
def test_on_the_way_back_each_step_adds_up_and_leads_to_the_next(still, sampler):
    still.get_by_role("tab", name="Reverse").click()
    still.wait_for_timeout(500)
    if sampler == "ddpm":
        choose(still, "Sampler", sampler)
        sample(still, Seed=3, Steps=6)
        expect(still.locator(".lab.reverse .made")).to_contain_text("seed 3")
    slider = still.locator(".lab.reverse [data-role=t]")
    expect(slider).to_have_attribute("data-made", "6")
    x, y = 16 + 5, 9  # of the second picture
    still.mouse.click(*middle(still, ".lab.reverse [data-c=x_0_hat]", x, y))
    expect(still.locator(".lab.reverse [data-role=pixel-where]")).to_contain_text(
        "Picture 2: column 6, row 10."
    )
    following = None
    for k in (0, 1, 2, 3, 5, 4, 1):
        drag(still, "reverse", k)
        read = columns(still, "reverse")
        assert agrees(still, ".lab.reverse [data-c=x_t]", x, y, read["x_t"])
        assert agrees(still, ".lab.reverse [data-c=eps_hat]", x, y, read["eps_hat"], 3)
        assert agrees(still, ".lab.reverse [data-c=x_0_hat]", x, y, read["x_0_hat"])
        terms = {"w_x_0": read["D"], "w_eps": read["fraction"]}
        if sampler == "ddpm" and k < 5:
            terms["w_noise"] = read["z"]
        assert adds_up(still, "reverse", read["x_s"], terms)
        if following and following[0] == k:
            assert np.abs(following[1] - read["x_t"]).max() < 0.0015
        following = (k + 1, read["x_s"])
    drag(still, "reverse", 6)
    assert set(columns(still, "reverse")) == {"x_t"}  # nothing is left to predict
    assert agrees(still, ".lab.reverse [data-c=x_t]", x, y, columns(still, "reverse")["x_t"])


def test_the_numbers_of_a_film_are_those_of_its_pictures_in_any_order(browser, site, tiny_model):
    film = make_film(tiny_model, seed=4, num_images=1, num_steps=70, sampler="ddpm")
    message, wanted = shipped_message(tiny_model, film), [70, 3, 40, 41, 69, 33, 32, 31, 0, 1, 70]
    page = browser.new_page()
    page.goto(site)
    shown = in_browser(page, [message], [(k, "x_t") for k in wanted[:-1]])
    told = page.evaluate(
        """async ([path, message, wanted]) => {
          const { WalkedFilm } = await import(path);
          const film = WalkedFilm.whole(message);
          return wanted.map((k) => [...film.numbers(k).x_t]);
        }""",
        [f"{ADDRESS}/lib/walked_film.js", json.loads(json.dumps(message)), wanted],
    )
    for k, values in zip(wanted, told, strict=True):
        assert np.abs(np.rint(grey(np.array(values))) - shown[k, "x_t"].ravel()).max() <= 1
    page.close()


def test_a_pixel_is_read_in_korean(korean_page):
    with speaking("ko"):
        text = labels()
    korean_page.locator(".lab.forward [data-role=inspect]").click()
    where = korean_page.locator(".lab.forward [data-role=pixel-where]")
    expect(where).to_have_text(f"{text['pixel_own']} {text['pixel_place'].format(x=129, y=129)}")
    names = korean_page.locator(".lab.forward .when-jump [data-column=names] > span").all_inner_texts()
    assert names == [text[f"pixel_{colour}"] for colour in ("red", "green", "blue")]
    assert all(re.search("[가-힣]", name) for name in names)
