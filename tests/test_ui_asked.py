"""Asked and drawn in a real browser: ticks, the tally, outlines over attention, what guidance costs."""

import re
from dataclasses import replace

import numpy as np
import pytest
from conftest import needs_browser
from known_cats import DRAWN, PROMPT, cat_model
from playwright.sync_api import expect

from diffusion.data.cat_judge import visible
from diffusion.data.cat_prompts import asked
from diffusion.data.cats import KINDS
from diffusion.films.quality_curves import save_curves
from diffusion.ui.page import build_page, launch_options
from diffusion.ui.parts.asked import DrawnPrompt
from diffusion.ui.parts.modules import ADDRESS
from diffusion.ui.parts.verdicts import DrawnCats
from diffusion.ui.tabs.text_to_image import prompts_to_try
from diffusion.ui.text import labels

TEXT = labels()
CURVE = [  # at each guidance
    {"guidance_scale": scale, "obedience": met, "variety": bits, "most_variety": 3.6, "num_samples": 512}
    for scale, met, bits in ((1.0, 0.7, 3.2), (2.0, 0.9, 2.8), (4.0, 0.96, 2.0), (8.0, 0.98, 1.4))
]


@pytest.fixture(scope="module")
def cats(tmp_path_factory):
    """The model of known cats, with a measured curve."""
    folder = tmp_path_factory.mktemp("kittens")
    save_curves(folder, {"guidance": CURVE})
    return replace(cat_model(), folder=folder)


@pytest.fixture(scope="module")
def address(cats, model):
    """The page with it, and with a model of emoji."""
    app = build_page({"kittens": cats, "tiny-text": model})
    _, url, _ = app.launch(prevent_thread_lock=True, quiet=True, **launch_options())
    yield url
    app.close()


@pytest.fixture
def opened(browser, address):
    """A function that opens the tab at a width and waits until its opening prompt is drawn and judged."""
    pages = []

    def open_tab(width=1280):
        page = browser.new_page(viewport={"width": width, "height": 1000}, reduced_motion="reduce")
        page.errors = []
        page.on("pageerror", lambda error: page.errors.append(str(error)))
        page.goto(address)
        page.get_by_role("tab", name="Text to image").click()
        judged(page)
        pages.append(page)
        return page

    yield open_tab
    assert all(page.errors == [] for page in pages)
    for page in pages:
        page.close()


def judged(page, variants=1):
    """Wait until each picture has its verdict."""
    expect(page.locator(".asked .cat:not(.cat_waiting)")).to_have_count(4 * variants)


def draw(page, prompt=PROMPT):
    """Draw it, and wait until it is judged."""
    before = page.locator(".lab.text_to_image").get_attribute("data-film")
    page.get_by_label("Prompt", exact=True).first.fill(prompt)
    page.get_by_label("Prompt", exact=True).first.press("Enter")
    expect(page.locator(".lab.text_to_image")).not_to_have_attribute("data-film", before)
    judged(page)


def drawn(cats, prompt) -> DrawnPrompt:
    pictures = cats.cats.render(DRAWN).permute(0, 2, 3, 1).numpy()
    return DrawnPrompt(asked(prompt), DrawnCats(cats.cats, {}, pictures, 1))


def tallied(page, cats, *prompts):
    """The tally is of the four pictures of each of these prompts."""
    told = {kind: [] for kind in KINDS}
    for prompt in map(lambda prompt: drawn(cats, prompt), prompts):
        for picture in prompt.pictures:
            for named, part in zip(prompt.asked.named, picture["asked"], strict=True):
                if part["as_asked"] is not None:
                    told[KINDS[named.name.kind]].append(part["as_asked"])
    every = sum(told.values(), [])
    role = lambda name: page.locator(f".asked [data-role=asked-{name}]")  # noqa: E731
    expect(role("pictures")).to_have_text(str(4 * len(prompts)))
    share = f"{sum(every)} of {len(every)}, {100 * sum(every) / len(every):.0f} %"
    expect(role("parts")).to_have_text(share)
    shares = [f"{sum(parts)} of {len(parts)}" if parts else "–" for parts in told.values()]
    expect(role("kinds").locator("dd")).to_have_text(shares)
    new = ~cats.cats.is_trained_on(DRAWN[:3])  # whose mouths can be seen
    expect(role("fresh")).to_have_text(f"{new.sum()} of 3, {100 * new.double().mean():.0f} %")


# ---- asked and drawn ---------------------------------------------------------------------------------------


@needs_browser
def test_under_each_picture_the_named_parts_are_ticked_or_crossed(opened, cats):
    page = opened()
    draw(page)
    said = [
        ["grey ✓", "smile ✓ (a wide smile)", "hat ✓ (red hat)"],
        ["grey ✓", "smile ✓ (a small smile)", "hat ✓ (black hat)"],
        ["grey ✗ (orange)", "smile ✗ (a crooked mouth)", "hat ✓ (red hat)"],
        ["grey ✓", "smile – (hidden by the red scarf)", "hat ✗ (red scarf)"],
    ]
    cards = page.locator(".ticked .cat")
    for card, lines in zip(cards.all(), said, strict=True):
        expect(card.locator(".ticks li")).to_have_text(lines)
    marks = [(8, "as asked"), (3, "not as asked"), (1, "cannot be told")]
    for number, name in marks:  # as it is read out
        expect(page.locator(".ticks").get_by_role("img", name=name, exact=True)).to_have_count(number)
    outcomes = [picture["outcome"] for picture in drawn(cats, PROMPT).pictures]
    unseen = "cat_known_unseen" if outcomes[3] == "cat_known" else outcomes[3]
    expect(cards.locator(".outcome")).to_have_text([TEXT[key] for key in (*outcomes[:3], unseen)])
    draw(page, "a grey cat without a hat, with xylophones")
    told = "Not ticked: “without a hat”, “xylophones”. Why is said above the pictures."
    expect(page.locator(".asked-of .note")).to_have_text(told)
    for why in ("captions never say what is not there", "xylophones"):
        expect(page.locator(".variant [data-role=notes]")).to_contain_text(why)
    expect(cards.first.locator(".ticks li")).to_have_text(["grey ✓"])


@needs_browser
def test_the_tally_of_the_session_counts_each_picture_once(opened, cats):
    page = opened()
    opening = prompts_to_try(cats)[0]
    tallied(page, cats, opening)
    draw(page)
    tallied(page, cats, opening, PROMPT)
    page.get_by_label("another guidance").check()
    page.get_by_role("button", name="Draw", exact=True).click()
    judged(page, variants=2)  # the decoder knows no others
    tallied(page, cats, opening, PROMPT)
    page.reload()
    judged(page, variants=2)
    tallied(page, cats, opening, PROMPT)


@needs_browser
@pytest.mark.parametrize("width", [360, 820, 1920])
def test_ticks_have_their_room(opened, width):
    page = opened(width)
    draw(page)
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    for card in page.locator(".ticked .cat").all():
        assert card.bounding_box()["width"] >= 150
        wide = "node => [...node.querySelectorAll('*')].filter(n => n.scrollWidth > n.clientWidth + 1"
        assert (
            card.evaluate(f"{wide} && getComputedStyle(n).display !== 'inline').map(n => n.outerHTML)") == []
        )


# ---- the outline over the attention ------------------------------------------------------------------------


@needs_browser
def test_the_true_outline_of_a_part_lies_over_the_attention_to_its_word(opened, cats):
    page = opened()
    draw(page)
    told, path = page.locator("[data-role=outlined]"), page.locator(".layers .outline .light")
    expect(told).to_have_text(TEXT["outline_idle"])
    expect(path).to_have_attribute("d", "")
    slider = page.locator("[data-role=outline]")
    places = [page.locator(".layers").bounding_box(), slider.bounding_box()]
    chip(page, "hat").click()
    ratio = re.compile(r"that of the accessory that was drawn \(red hat\), “.+” gets \d+\.\d times")
    expect(told).to_contain_text(ratio)
    assert edges(path) == edges_of(visible(cats.cats, DRAWN[:1], KINDS.index("accessory"))[0].numpy())
    page.get_by_role("button", name="picture 4").click()
    expect(told).to_contain_text("(red scarf)")
    chip(page, "smile").click()
    expect(told).to_have_text("Of the mouth nothing is to be seen in this picture, so there is no outline.")
    expect(path).to_have_attribute("d", "")
    chip(page, "cat").click()
    expect(told).to_contain_text("names no part of the cat")
    assert places == [page.locator(".layers").bounding_box(), slider.bounding_box()]


@needs_browser
def test_the_outline_fades_by_keyboard_and_stays_as_it_was(opened):
    page = opened()
    draw(page)
    slider, outline = page.locator("[data-role=outline]"), page.locator(".layers .outline")
    chip(page, "hat").click()
    assert outline.evaluate("node => getComputedStyle(node).opacity") == "1"
    slider.focus()
    for _ in range(7):
        page.keyboard.press("ArrowLeft")
    assert outline.evaluate("node => getComputedStyle(node).opacity") == "0.3"
    expect(slider).to_have_attribute("aria-valuetext", "30 %")
    page.reload()
    judged(page)
    expect(slider).to_have_value("30")
    assert outline.evaluate("node => getComputedStyle(node).opacity") == "0.3"


@needs_browser
def test_attention_is_compared_inside_and_outside(site, browser):
    page = browser.new_page()
    page.goto(site)
    ratio = page.evaluate(
        """async (address) => {
          const { insideToOutside } = await import(address);
          const mask = Uint8Array.from({ length: 64 }, (_, i) => (i % 8 < 2 ? 1 : 0)); // one of four columns
          const attention = Uint8Array.from({ length: 16 }, (_, i) => [60, 10, 20, 30][i % 4]);
          return [insideToOutside(attention, mask), insideToOutside(new Uint8Array(16).fill(7), mask)];
        }""",
        f"{ADDRESS}/lib/outline.js",
    )
    assert ratio == pytest.approx([3, 1])
    page.close()


def chip(page, word):
    """The last piece of a word of the prompt."""
    words = page.locator(".lab.text_to_image .tokens .word")
    return words.filter(has_text=re.compile(f"^{word}$")).locator(".chip").last


def edges(path) -> set[tuple[int, int, str]]:
    """The edges of pixels that an outline is made of."""
    found = re.findall(r"M(\d+) (\d+)([hv])1", path.get_attribute("d"))
    return {(int(x), int(y), way) for x, y, way in found}


def edges_of(mask: np.ndarray) -> set[tuple[int, int, str]]:
    """Those of a mask (S, S)."""
    padded = np.pad(mask, 1).astype(int)
    across, down = np.diff(padded, axis=0)[:, 1:-1], np.diff(padded, axis=1)[1:-1]
    return {(x, y, "h") for y, x in np.argwhere(across)} | {(x, y, "v") for y, x in np.argwhere(down)}


# ---- what guidance costs -----------------------------------------------------------------------------------


@needs_browser
def test_the_curves_of_guidance_have_a_mark_where_the_slider_stands(opened):
    page = opened()
    place = page.locator(".lab.guidance_cost")
    guidance = page.locator(".side:visible input[type=number][aria-label*=Guidance]").first
    guidance.fill("3")
    expect(place).to_contain_text(
        "A little guidance obeys more; much of it only varies less. 512 pictures a point."
    )
    expect(place).to_contain_text(
        "At guidance 3, 93 % of the named parts are as asked, and each other kind has 2.4 of at most 3.6"
    )
    mark = place.locator("line.cursor")
    at_three = float(mark.get_attribute("x1"))
    guidance.fill("8")
    expect(place).to_contain_text("At guidance 8, 98 %")
    assert float(mark.get_attribute("x1")) > at_three
    for line in ("obedience", "variety"):
        assert place.locator(f"path.{line}").get_attribute("d").count("L") == 70
    guidance.fill("10")
    expect(place).to_contain_text("Guidance 10 was not measured.")


@needs_browser
def test_of_emoji_there_are_neither_ticks_nor_outlines_nor_curves(opened):
    page = opened()
    expect(page.locator(".lab.guidance_cost svg")).to_be_visible()
    page.get_by_label("tiny-text").check()
    expect(page.locator(".lab.text_to_image .made")).to_contain_text("tiny-text")
    for place in (".asked", "[data-role=outlining]", "[data-role=outlined]", ".lab.guidance_cost svg"):
        expect(page.locator(place)).to_be_hidden()
    page.locator(".lab.text_to_image .chip").first.click()
    expect(page.locator("[data-c=heat]")).to_be_visible()
    expect(page.locator(".layers .outline .light")).to_have_attribute("d", "")
