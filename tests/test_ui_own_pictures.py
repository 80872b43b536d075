"""Pictures of one's own on the page: tiles in every tab, however they come; refusals where the hand is."""

import base64

import numpy as np
import pytest
from conftest import CHROMIUM, DRAWN, FLAGS, needs_browser, open_page
from pages import distance, pixels, shared, until, upload
from pictures import encoded, heic, photo, turned
from PIL import Image
from playwright.sync_api import expect

from diffusion.data.images import centre_crop, letterbox, open_image
from diffusion.ui.parts.own_picture import MAX_MEGABYTES

pytestmark = needs_browser
TABS = {"forward": "Forward", "schedules": "Schedules", "objective": "Training"}
WAIT = 60_000  # milliseconds at most
every_tab = pytest.mark.parametrize("tab", TABS)


def picture(seed: int = 0):
    return photo(500, 300, seed)


def file(seed: int = 0) -> dict:
    """As a hand chooses it."""
    return {"name": f"photo-{seed}.png", "mimeType": "image/png", "buffer": encoded(picture(seed), "PNG")}


def broken() -> dict:
    return {"name": "broken.png", "mimeType": "image/png", "buffer": b"no picture"}


def tiles(page, tab="forward"):
    return page.locator(f".lab.{tab} .preset.mine")


def chosen(page, tab="forward"):
    return page.locator(f".lab.{tab} .preset[aria-pressed=true]")


def open_tab(page, tab):
    page.get_by_role("tab", name=TABS[tab], exact=True).click()
    expect(chosen(page, tab)).to_have_count(1)


def expect_shown(page, made):
    """In the tab Forward."""
    until(page, lambda: distance(pixels(page, ".lab.forward [data-c=x_0]"), np.asarray(made)) == 0)


# ---- tiles -----------------------------------------------------------------------------------------------


@every_tab
def test_a_picture_that_is_added_in_one_tab_is_a_tile_in_the_others(page, tab):
    for name in TABS:
        open_tab(page, name)
    open_tab(page, tab)
    upload(page, file(), tab)
    expect(chosen(page, tab)).to_have_attribute("title", "Your picture photo-0.png", timeout=WAIT)
    for name in TABS:
        open_tab(page, name)
        page.locator(f".lab.{name}").get_by_label("Your picture photo-0.png").click()
        expect(chosen(page, name)).to_have_attribute("title", "Your picture photo-0.png")
    open_tab(page, "forward")
    expect_shown(page, centre_crop(picture(), 256))


def test_one_tap_goes_back_to_a_picture_of_ones_own(page):
    upload(page, [file(1), file(2)])
    expect_shown(page, centre_crop(picture(2), 256))
    page.get_by_label("Cat").first.click()
    expect(chosen(page)).to_have_attribute("title", "Cat")
    for seed in (1, 2):
        page.get_by_label(f"photo-{seed}.png").first.click()
        expect_shown(page, centre_crop(picture(seed), 256))


def test_the_oldest_goes_when_there_are_too_many_and_each_can_be_removed(page):
    upload(page, [file(seed) for seed in range(7)])
    expect(tiles(page).last).to_have_attribute("title", "Your picture photo-6.png", timeout=WAIT)
    assert [tile.get_attribute("title")[-5] for tile in tiles(page).all()] == list("123456")
    tiles(page).nth(2).click()
    expect(chosen(page)).to_have_attribute("title", "Your picture photo-3.png")
    page.locator(".lab.forward").get_by_role("button", name="Remove").click()
    assert [tile.get_attribute("title")[-5] for tile in tiles(page).all()] == list("12456")
    expect(chosen(page)).to_have_attribute("title", "Sunset")
    expect(page.locator(".lab.forward [data-role=own]")).to_be_hidden()


def test_how_it_is_fitted_can_be_changed_without_the_server(page):
    upload(page, file())
    expect_shown(page, centre_crop(picture(), 256))
    page.context.set_offline(True)
    for label, fit in (("all of it", letterbox), ("the middle", centre_crop)):
        page.locator(".lab.forward").get_by_role("radio", name=label).check()
        expect_shown(page, fit(picture(), 256))
    page.context.set_offline(False)


def test_they_outlive_a_reload(page):
    upload(page, [file(1), file(2)])
    expect(tiles(page)).to_have_count(2)
    page.get_by_label("photo-1.png").first.click()
    expect(chosen(page)).to_have_attribute("title", "Your picture photo-1.png")
    page.reload()
    expect(chosen(page)).to_have_attribute("title", "Your picture photo-1.png")
    expect(tiles(page)).to_have_count(2)
    expect_shown(page, centre_crop(picture(1), 256))


# ---- how they come ---------------------------------------------------------------------------------------

BRING = """([selector, kind, {name, content, type}]) => {
  const bytes = Uint8Array.from(atob(content), (char) => char.charCodeAt(0));
  const data = new DataTransfer();
  data.items.add(new File([bytes], name, { type }));
  const options = { bubbles: true, cancelable: true };
  const event = kind === "paste"
    ? new ClipboardEvent(kind, { ...options, clipboardData: data })
    : new DragEvent(kind, { ...options, dataTransfer: data });
  return !document.querySelector(selector).dispatchEvent(event);
}"""


def bring(page, selector, kind, chosen) -> bool:
    """Drop or paste a file at a place; whether the page keeps the browser from doing what it would do."""
    content = base64.b64encode(chosen["buffer"]).decode()
    return page.evaluate(
        BRING, [selector, kind, {"name": chosen["name"], "content": content, "type": chosen["mimeType"]}]
    )


def test_a_phones_picture_is_shown_upright(page):
    """A HEIC, which the browser itself cannot decode, turned by what its EXIF data say."""
    upright = picture().transpose(Image.Transpose.ROTATE_270)
    for exif in (turned(6).tobytes(), turned(6)):  # as phones write it, and by EXIF data alone
        content = heic(picture(), exif=exif, quality=90)
        upload(page, {"name": "IMG_0001.HEIC", "mimeType": "image/heic", "buffer": content})
        shown = centre_crop(open_image(content), 256)
        assert np.abs(np.asarray(shown, int) - np.asarray(centre_crop(upright, 256), int)).mean() < 4
        expect_shown(page, shown)
        page.locator(".lab.forward").get_by_role("button", name="Remove").click()
        expect(chosen(page)).to_have_attribute("title", "Sunset")


@every_tab
def test_browsers_offer_what_phones_have(page, tab):
    open_tab(page, tab)
    offered = page.locator(f".lab.{tab} .picture-row input[type=file]").get_attribute("accept")
    assert offered == "image/*,.heic,.heif,.avif"


@pytest.mark.parametrize("name", ["photo.heic", "photo.avif"])
def test_a_file_of_which_the_system_knows_no_kind_is_dropped(page, name):
    content = heic(picture()) if name.endswith("heic") else encoded(picture(), "AVIF")
    bring(page, ".lab.forward .stage", "drop", {"name": name, "mimeType": "", "buffer": content})
    expect_shown(page, centre_crop(open_image(content), 256))


def test_a_broken_picture_of_a_phone_is_told_in_a_sentence(page):
    content = heic(picture())[:-200]
    upload(page, {"name": "IMG_0002.HEIC", "mimeType": "image/heic", "buffer": content})
    told = page.locator(".lab.forward .picture-row [role=alert]")
    expect(told).to_contain_text("IMG_0002.HEIC: This file is not a readable picture: use a complete JPEG")


@every_tab
@pytest.mark.parametrize("kind", ["drop", "paste"])
def test_a_picture_is_dropped_and_pasted_anywhere_in_a_tab(page, tab, kind):
    open_tab(page, tab)
    assert bring(page, f".lab.{tab} .stage" if kind == "drop" else "body", kind, file())
    expect(chosen(page, tab)).to_have_attribute("title", "Your picture photo-0.png", timeout=WAIT)


def test_a_file_that_is_dropped_where_nothing_takes_it_does_not_leave_the_page(page):
    page.get_by_role("tab", name="Reverse").click()
    for kind in ("dragover", "drop"):
        assert bring(page, ".lab.reverse .stage", kind, file())
    assert shared(page, "own") == []


def test_a_picture_is_pasted_by_a_button(browser, server):
    page = open_page(browser, server, permissions=["clipboard-read", "clipboard-write"])
    paste = page.locator(".lab.forward [data-role=paste]")
    page.evaluate("navigator.clipboard.writeText('words')")
    paste.click()
    expect(page.get_by_role("alert").filter(has_text="no picture in the clipboard")).to_be_visible()
    page.evaluate(
        """async (content) => {
          const blob = await (await fetch('data:image/png;base64,' + content)).blob();
          await navigator.clipboard.write([new ClipboardItem({ 'image/png': blob })]);
        }""",
        base64.b64encode(encoded(picture(), "PNG")).decode(),
    )
    paste.click()
    expect_shown(page, centre_crop(picture(), 256))
    expect(page.locator(".lab.forward .picture-row [role=alert]")).to_be_hidden()
    page.close()


def test_a_photo_is_taken(browser, server):
    flags = [*FLAGS, "--use-fake-device-for-media-stream", "--use-fake-ui-for-media-stream"]
    with_camera = browser.browser_type.launch(executable_path=CHROMIUM, args=flags)
    page = open_page(with_camera, server)
    page.locator(".lab.forward [data-role=camera]").click()
    dialog = page.get_by_role("dialog", name="Take a photo")
    dialog.get_by_role("button", name="Close").click()
    expect(dialog).to_be_hidden()
    assert shared(page, "own") == []
    page.locator(".lab.forward [data-role=camera]").click()
    page.wait_for_function("document.querySelector('dialog[open] video')?.videoWidth > 0")
    dialog.get_by_role("button", name="Take a photo").click()
    expect(page.locator(f"{DRAWN}.mine")).to_have_count(1, timeout=WAIT)
    assert pixels(page, ".lab.forward [data-c=x_0]").std() > 10
    with_camera.close()


def test_without_a_camera_there_is_a_sentence(page):
    page.locator(".lab.forward [data-role=camera]").click()
    expect(page.get_by_role("alert").filter(has_text="camera could not be opened")).to_be_visible()


# ---- what is refused -------------------------------------------------------------------------------------


@every_tab
@pytest.mark.parametrize("how", ["choose", "drop", "paste"])
def test_a_refusal_stands_beside_the_row_that_the_hand_was_on(browser, server, tab, how):
    page = open_page(browser, server, viewport={"width": 390, "height": 800}, has_touch=True, is_mobile=True)
    open_tab(page, tab)
    if how == "choose":
        upload(page, [broken(), file()], tab)
    else:
        bring(page, f".lab.{tab} .stage" if how == "drop" else "body", how, broken())
    told = page.get_by_role("alert").filter(has_text="broken.png: This file is not a readable picture")
    expect(told).to_have_count(1, timeout=WAIT)
    expect(told).to_be_in_viewport()
    add, sentence = page.locator(f".lab.{tab} [data-role=add]").bounding_box(), told.bounding_box()
    assert 0 <= sentence["y"] - add["y"] < 150
    until(page, lambda: len(shared(page, "own")) == (how == "choose"))  # the good one of the two
    chosen(page, tab).click()
    expect(told).to_have_count(0)
    page.close()


def test_a_file_that_is_too_large_is_not_even_sent(page, tmp_path):
    (tmp_path / "large.png").write_bytes(bytes(MAX_MEGABYTES * 2**20 + 1))
    requests = []
    page.on("request", lambda request: requests.append(request.url))
    upload(page, tmp_path / "large.png")
    expect(page.get_by_role("alert").filter(has_text="at most 20 MB")).to_be_visible()
    assert [url for url in requests if "component_server" in url] == []


def test_a_picture_that_is_added_offline_comes_when_the_server_is_there_again(page):
    page.context.set_offline(True)
    upload(page, file())
    told = page.locator(".lab.forward .picture-row [role=alert]")
    expect(told).to_have_text("The server does not answer. Trying again until it does …")
    assert shared(page, "own") == []
    page.context.set_offline(False)
    expect_shown(page, centre_crop(picture(), 256))
    expect(told).to_be_hidden()
