"""The program below a path prefix, behind proxies that take it away: ours, and nginx as documented."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from conftest import DRAWN, needs_browser, needs_nginx, running_app
from playwright.sync_api import expect
from web import nginx, proxy, serving

from diffusion import make_film, save_film, save_model
from diffusion.ui.parts.modules import ADDRESS

pytestmark = needs_browser
PREFIX = "/lessons/diffusion"


@contextmanager
def ours(_: Path, address: str) -> Iterator[str]:
    with serving(proxy(address, PREFIX)) as shown:
        yield shown


@contextmanager
def documented(folder: Path, address: str) -> Iterator[str]:
    with nginx(folder, 0, address) as shown:
        yield shown


@pytest.fixture(scope="module", params=[ours, pytest.param(documented, marks=needs_nginx)])
def behind_proxy(model, tiny_model, tmp_path_factory, request):
    """The program as the proxy shows it; its url ends in PREFIX."""
    folder = tmp_path_factory.mktemp("prefix")
    save_model(folder / "tiny", tiny_model)
    save_film(folder / "tiny", make_film(tiny_model, seed=0, num_images=3, num_steps=6))
    with (
        running_app(folder, folder / "tiny", model.folder, GRADIO_ROOT_PATH=PREFIX) as running,
        request.param(folder, running.url) as address,
    ):
        running.url = f"{address}{PREFIX}/"
        yield running


def test_every_tab_works_and_all_is_found_below_the_prefix(browser, behind_proxy):
    page = browser.new_page()
    answers, errors = [], []
    page.on("response", lambda answer: answers.append(answer))
    page.on("pageerror", lambda error: errors.append(error))
    page.goto(behind_proxy.url)
    page.wait_for_selector(DRAWN)
    for tab, shown in (
        ("Schedules", ".lab.schedules .preset[aria-pressed=true]"),
        ("Reverse", ".lab.reverse[data-film]"),
    ):
        page.get_by_role("tab", name=tab, exact=True).click()
        expect(page.locator(shown)).to_be_visible()
    page.get_by_role("button", name="Sample", exact=True).click()
    expect(page.locator(".lab.reverse .made")).to_contain_text(
        "4 images drawn by the model “tiny”", timeout=20_000
    )
    expect(page.locator(".lab.reverse [data-role=t]")).to_have_attribute("data-made", "20", timeout=20_000)
    page.get_by_role("tab", name="Text to image", exact=True).click()
    expect(page.locator(".lab.text_to_image .neighbour").first).to_be_visible(timeout=20_000)
    page.get_by_role("tab", name="Why latent?").click()
    expect(page.locator(".lab.reconstruction [data-n=psnr]")).to_contain_text("dB")
    page.get_by_role("tab", name="Interpolation").click()
    page.get_by_role("button", name="Interpolate", exact=True).click()
    expect(page.locator(".lab.interpolation")).to_have_attribute("data-done", "true", timeout=60_000)
    assert errors == [] and not behind_proxy.logged_traceback()
    assert [(answer.status, answer.url) for answer in answers if answer.status >= 400] == []
    outside = [
        answer.url for answer in answers if not answer.url.startswith((behind_proxy.url, "data:", "blob:"))
    ]
    assert outside == []
    modules = {answer.url for answer in answers if f"{PREFIX}{ADDRESS}/" in answer.url}
    assert len(modules) > 20
    page.close()
