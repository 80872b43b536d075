"""docs/hosting.md: several replicas behind nginx, one of which ends while it is visited."""

from contextlib import ExitStack
from pathlib import Path

import httpx
import pytest
from conftest import DRAWN, needs_browser, needs_nginx, running_app
from pages import until
from playwright.sync_api import expect
from test_session import fill, settle, shown
from web import nginx

pytestmark = [needs_browser, needs_nginx]
PREFIX = "/lessons/diffusion/"


class Replicas:
    """Two processes with the same models, and nginx before them."""

    def __init__(self, folder: Path, models: tuple[Path, ...], stack: ExitStack) -> None:
        self.folder, self.running, self.stacks = folder, {}, {}
        for name in ("one", "two"):
            (folder / name).mkdir()
            one = stack.enter_context(ExitStack())
            server = one.enter_context(running_app(folder / name, *models, GRADIO_ROOT_PATH=PREFIX[:-1]))
            address = server.url.removeprefix("http://")
            self.running[address], self.stacks[address] = server, one
        self.url = stack.enter_context(nginx(folder, 1, *self.running)) + PREFIX

    def asked(self) -> list[str]:
        """The server that answered, for each request so far."""
        answered = (line.split()[0] for line in (self.folder / "access.log").read_text().splitlines())
        return [address for address in answered if address in self.running]


@pytest.fixture
def replicas(trained_pair, tmp_path):
    with ExitStack() as stack:
        yield Replicas(tmp_path, trained_pair, stack)


def test_a_visitor_stays_with_one_and_comes_back_on_the_other(replicas, browser):
    context = browser.new_context(viewport={"width": 1280, "height": 1000}, reduced_motion="reduce")
    page, errors = context.new_page(), []
    page.on("pageerror", lambda error: errors.append(str(error)))
    page.goto(replicas.url)
    page.wait_for_selector(DRAWN)
    page.get_by_role("tab", name="Reverse", exact=True).click()
    fill(page, ".side:visible", "Seed", 5)
    fill(page, ".side:visible", "Steps", 6)
    page.get_by_role("button", name="Sample", exact=True).click()
    made = page.locator(".lab.reverse .made")
    expect(made).to_contain_text("seed 5")
    expect(page.locator(".lab.reverse [data-role=t]")).to_have_attribute("data-made", "6")
    settle(page)
    until(page, lambda: "seed=5" in page.url)
    film, link = shown(page, "reverse", ["x_t", "x_0_hat"]), page.url
    assert link.startswith(replicas.url)
    (served,) = set(replicas.asked())  # one has answered all

    (other,) = replicas.running.keys() - {served}
    replicas.stacks[served].close()
    page.get_by_role("button", name="Sample", exact=True).click()
    until(page, lambda: other in replicas.asked(), seconds=60)
    page.wait_for_selector(DRAWN, state="attached")
    expect(made).to_contain_text("seed 5")
    settle(page)
    assert shown(page, "reverse", ["x_t", "x_0_hat"]) == film
    fill(page, ".side:visible", "Seed", 6)
    page.get_by_role("button", name="Sample", exact=True).click()
    expect(made).to_contain_text("seed 6")
    context.close()

    stranger = browser.new_page(viewport={"width": 1280, "height": 1000}, reduced_motion="reduce")
    stranger.goto(link)
    expect(stranger.locator(".lab.reverse .made")).to_contain_text("seed 5")
    expect(stranger.locator(".lab.reverse [data-role=t]")).to_have_attribute("data-made", "6")
    settle(stranger)
    assert shown(stranger, "reverse", ["x_t", "x_0_hat"]) == film
    stranger.close()
    assert errors == []
    assert not any(server.logged_traceback() for server in replicas.running.values())


def test_visitors_are_spread_and_an_upload_is_found_again(replicas, tmp_path):
    for _ in range(16):
        with httpx.Client(base_url=replicas.url, trust_env=False) as visitor:
            before = len(replicas.asked())
            visitor.get("gradio_api/app_id").raise_for_status()
            assert "replica" in visitor.cookies
            assert "set-cookie" not in visitor.get("gradio_api/app_id").headers
            (path,) = visitor.post("gradio_api/upload", files={"files": b"picture"}).json()
            assert visitor.get(f"gradio_api/file={path}").status_code == 200
            assert len(set(replicas.asked()[before:])) == 1
    assert set(replicas.asked()) == set(replicas.running)
