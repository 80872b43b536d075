"""Whatever brings the page back, it stands as it was left; a new browser tab starts afresh."""

import gradio as gr
import pytest
from conftest import DRAWN, needs_browser, open_page, visit
from pages import built, drag, frames, pixels, until
from playwright.sync_api import expect

from diffusion.ui.page import launch_options
from diffusion.ui.parts.session import remember_page

pytestmark = needs_browser


@pytest.fixture
def page(browser, text_server):
    """The program with a model of each kind."""
    page = open_page(browser, text_server, reduced_motion="reduce")
    yield page
    assert page.errors == []
    page.close()
    assert not text_server.logged_traceback()


def reload(page):
    page.reload()


def leave_and_go_back(page):
    page.goto("about:blank")
    page.go_back()


def go_offline_and_back(page):
    """Gradio notices when something is asked for, and loads the page again when the server answers."""
    page.context.set_offline(True)
    page.get_by_role("tab", name="Reverse").click()
    page.get_by_role("button", name="Sample", exact=True).click()
    page.wait_for_timeout(500)
    with page.expect_event("domcontentloaded"):  # a new address alone counts as a navigation
        page.context.set_offline(False)
    expect(page.get_by_role("tab", name="Reverse")).to_have_attribute("aria-selected", "true")


by_any_way = pytest.mark.parametrize("come_back", [reload, leave_and_go_back, go_offline_and_back])


def settle(page):
    page.wait_for_selector(DRAWN, state="attached")
    built(page)
    page.wait_for_timeout(300)  # all that could still be overwritten has been


def fill(page, place, label, value):
    page.locator(place).get_by_label(label).first.fill(str(value))
    page.keyboard.press("Tab")


def unfold(page, name):
    """Gradio does not hear of what is typed in the first instants of a field."""
    page.get_by_role("button", name=name).first.click()
    page.wait_for_timeout(1000)


def value(page, place, label):
    return page.locator(place).get_by_label(label).first.input_value()


def shown(page, lab, names):
    frames(page)
    return [pixels(page, f".lab.{lab} [data-c={name}] >> nth=-1").tolist() for name in names]


@by_any_way
def test_a_film_its_place_and_its_settings_outlive_the_page(page, come_back):
    page.get_by_role("tab", name="Reverse").click()
    fill(page, ".side:visible", "Seed", 5)
    fill(page, ".side:visible", "Steps", 6)
    page.get_by_role("button", name="Sample", exact=True).click()
    made = page.locator(".lab.reverse .made")
    expect(made).to_contain_text("seed 5", timeout=60_000)
    expect(page.locator(".lab.reverse input[data-role=t]")).to_have_attribute(
        "data-made", "6", timeout=60_000
    )
    drag(page, "reverse", 4)
    sentence, before = made.inner_text(), shown(page, "reverse", ["x_t", "eps_hat", "x_0_hat"])
    come_back(page)
    settle(page)
    expect(page.get_by_role("tab", name="Reverse")).to_have_attribute("aria-selected", "true")
    expect(made).to_have_text(sentence)
    expect(page.locator(".lab.reverse input[data-role=t]")).to_have_value("4")
    assert shown(page, "reverse", ["x_t", "eps_hat", "x_0_hat"]) == before
    assert [value(page, ".side:visible", label) for label in ("Seed", "Steps")] == ["5", "6"]
    fill(page, ".side:visible", "Images", 3)
    page.get_by_role("button", name="Sample", exact=True).click()  # with the values that stand there
    expect(made).to_contain_text("3 images drawn by the model “tiny”, seed 5", timeout=60_000)
    expect(made).to_contain_text("6 steps")


@by_any_way
def test_picture_noise_and_place_outlive_the_page(page, come_back):
    lab = page.locator(".lab.forward")
    lab.locator(".preset").nth(2).click()
    lab.locator("[value=cosine]").check()
    lab.locator("[data-role=markov]").check()
    lab.locator("[data-role=seed]").fill("7")
    lab.locator("[data-role=seed]").press("Enter")
    drag(page, "forward", 321)
    page.get_by_role("tab", name="Schedules").click()
    page.locator(".lab.schedules [value=snr]").check()
    page.locator(".lab.schedules [data-role=leader] [value=cosine]").check()
    page.get_by_role("tab", name="Forward").click()
    page.wait_for_timeout(300)
    before = shown(page, "forward", ["x_0", "eps", "x_t"])
    come_back(page)
    settle(page)
    page.get_by_role("tab", name="Forward").click()
    until(page, lambda: shown(page, "forward", ["x_0", "eps", "x_t"]) == before)
    expect(lab.locator(".preset").nth(2)).to_have_attribute("aria-pressed", "true")
    expect(lab.locator("[value=cosine]")).to_be_checked()
    expect(lab.locator("[data-role=markov]")).to_be_checked()
    expect(lab.locator("[data-role=seed]")).to_have_value("7")
    expect(lab.locator("[data-role=number]")).to_have_value("321")
    page.get_by_role("tab", name="Schedules").click()
    expect(page.locator(".lab.schedules [value=snr]")).to_be_checked()
    expect(page.locator(".lab.schedules [data-role=leader] [value=cosine]")).to_be_checked()


STORED_FILMS = """async () => {
  const answer = (request) => new Promise((done) => { request.onsuccess = () => done(request.result); });
  const store = (await answer(indexedDB.open("diffusion"))).transaction("kept").objectStore("kept");
  return (await answer(store.getAll())).map((one) => (one.record ?? one).film);
}"""


def test_a_drawn_prompt_and_what_stands_below_it_outlive_the_page(page):
    page.get_by_role("tab", name="Text to image").click()
    lab = page.locator(".lab.text_to_image")
    expect(lab.locator(".neighbour").first).to_be_visible(timeout=60_000)
    page.get_by_label("Prompt", exact=True).fill("green heart")
    unfold(page, "More")
    fill(page, ".prompt", "Negative prompt", "red")
    page.get_by_role("button", name="Draw", exact=True).click()
    expect(lab.locator(".chip").first).not_to_have_text("red", timeout=60_000)
    expect(lab.locator(".neighbour").first).to_be_visible(timeout=60_000)
    scrub = lab.locator("[data-role=number]")
    scrub.fill("7")
    scrub.press("Enter")
    film, before = lab.get_attribute("data-film"), shown(page, "text_to_image", ["decoded", "latent"])
    near = lab.locator(".neighbours").inner_text()
    until(page, lambda: film in page.evaluate(STORED_FILMS))
    page.reload()
    settle(page)
    expect(lab).to_have_attribute("data-film", film)  # not drawn anew
    expect(lab.locator(".neighbours")).to_have_text(near, use_inner_text=True)
    assert shown(page, "text_to_image", ["decoded", "latent"]) == before
    expect(page.get_by_label("Prompt", exact=True)).to_have_value("green heart")
    expect(page.get_by_label("Negative prompt")).to_have_value("red")  # in an accordion that was open


def test_a_film_in_the_making_is_kept_as_far_as_it_came(page):
    page.get_by_role("tab", name="Reverse").click()
    fill(page, ".side:visible", "Steps", 1000)
    page.get_by_role("button", name="Sample", exact=True).click()
    slider = page.locator(".lab.reverse input[data-role=t]")
    expect(page.locator(".lab.reverse .made")).to_contain_text("1000 steps", timeout=60_000)
    until(page, lambda: int(slider.get_attribute("data-made")) > 1)
    drag(page, "reverse", 1)
    film = page.locator(".lab.reverse").get_attribute("data-film")
    until(page, lambda: film in page.evaluate(STORED_FILMS))
    page.reload()
    settle(page)
    expect(page.locator(".lab.reverse .made")).to_contain_text("of 1000 steps")
    expect(page.locator(".lab.reverse [data-role=progress]")).to_contain_text("Stopped at step")
    expect(slider).to_have_value("1")
    expect(slider).to_have_attribute("max", "1000")


def test_a_film_is_kept_before_the_page_is_left(page):
    page.get_by_role("tab", name="Reverse").click()
    fill(page, ".side:visible", "Steps", 1000)
    page.get_by_role("button", name="Sample", exact=True).click()
    lab = page.locator(".lab.reverse")
    expect(lab.locator(".made")).to_contain_text("of 1000 steps")  # while it is being made
    until(page, lambda: lab.get_attribute("data-film") in page.evaluate(STORED_FILMS))


def test_a_new_browser_tab_starts_afresh(page, browser, text_server):
    page.get_by_role("tab", name="Reverse").click()
    page.locator(".lab.forward [data-role=seed]").fill("7", force=True)
    page.reload()
    settle(page)
    with page.expect_popup() as opened:
        page.evaluate("address => { window.open(address, '_blank', 'noopener'); }", text_server.url)
    other = opened.value
    other.wait_for_selector(DRAWN)
    other.wait_for_timeout(500)
    expect(other.get_by_role("tab", name="Forward")).to_have_attribute("aria-selected", "true")
    expect(other.locator(".lab.forward [data-role=seed]")).to_have_value("0")
    other.close()


def test_another_release_remembers_nothing_of_this_one_but_what_its_address_says(page):
    page.get_by_role("tab", name="Reverse").click()
    unfold(page, "More")
    until(page, lambda: "tab=reverse" in page.url)
    page.reload()
    settle(page)
    more = page.locator(".side:visible").get_by_label("Checkpoint")
    expect(more).to_be_visible()
    page.goto("about:blank")
    page.add_init_script(
        "const kept = sessionStorage.getItem('diffusion');"
        "if (kept) sessionStorage.setItem('diffusion', kept.replaceAll('/modules-', '/modules-0'));"
    )
    page.go_back()
    settle(page)
    expect(page.get_by_role("tab", name="Reverse")).to_have_attribute("aria-selected", "true")
    expect(more).to_be_hidden()


def test_a_browser_that_forbids_storage_shows_the_page(browser, text_server):
    page = visit(browser, text_server)
    page.add_init_script(
        "for (const name of ['sessionStorage', 'indexedDB'])"
        "  Object.defineProperty(window, name, { get() { throw new DOMException('', 'SecurityError'); } });"
    )
    page.reload()
    page.wait_for_selector(DRAWN)
    page.get_by_role("tab", name="Reverse").click()
    expect(page.locator(".lab.reverse .made")).to_contain_text("3 images drawn by the model “tiny”")
    assert page.errors == []
    page.close()


# ---- tabs within tabs ------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def nested():
    """A page with tabs in a tab, and controls of every kind in places that are not opened at once."""
    with gr.Blocks() as page:
        with gr.Tabs():
            with gr.Tab("first"):
                gr.Markdown("1")
            with gr.Tab("second"), gr.Tabs():
                with gr.Tab("inner one"):
                    gr.Markdown("2")
                with gr.Tab("inner two"), gr.Accordion("fold", open=False):
                    inputs = [
                        gr.Slider(0, 9, 1, step=1, label="slider"),
                        gr.Number(1, label="number"),
                        gr.Dropdown(["a", "b"], value="a", label="dropdown"),
                        gr.Radio(["c", "d"], value="c", label="radio"),
                        gr.Textbox("e", label="text"),
                        gr.Checkbox(False, label="box"),
                    ]
                    sent = gr.Textbox(label="sent", interactive=False)
                    gr.Button("send").click(lambda *values: repr(values), inputs, sent)
        remember_page(page)
    return page


@pytest.fixture
def nested_page(nested, browser):
    _, url, _ = nested.queue().launch(prevent_thread_lock=True, quiet=True, **launch_options())
    page = browser.new_page()
    page.goto(url)
    yield page
    page.close()
    nested.close()


def test_tabs_within_tabs_and_every_control(nested_page):
    page = nested_page
    page.get_by_role("tab", name="second").click()
    page.get_by_role("tab", name="inner two").click()
    unfold(page, "fold")
    page.get_by_label("number", exact=True).fill("3")
    page.get_by_label("dropdown", exact=True).click()
    page.get_by_role("option", name="b", exact=True).click()
    page.get_by_label("d", exact=True).check()
    page.get_by_label("text", exact=True).fill("typed")
    page.get_by_label("box", exact=True).check()
    page.get_by_label("slider").first.fill("7")
    expect(page.get_by_label("slider").last).to_have_value("7")
    page.wait_for_timeout(300)
    for _ in range(2):
        page.reload()
        expect(page.get_by_role("tab", name="inner two")).to_have_attribute("aria-selected", "true")
        expect(page.get_by_label("text", exact=True)).to_have_value("typed")
        expect(page.get_by_label("slider").first).to_have_value("7")
        page.get_by_role("button", name="send").click()
        expect(page.get_by_label("sent", exact=True)).to_have_value("(7, 3, 'b', 'd', 'typed', True)")
    page.get_by_role("tab", name="first").click()
    page.wait_for_timeout(300)
    page.reload()
    expect(page.get_by_role("tab", name="first")).to_have_attribute("aria-selected", "true")
    page.get_by_role("tab", name="second").click()
    expect(page.get_by_role("tab", name="inner two")).to_have_attribute("aria-selected", "true")
    expect(page.get_by_label("slider").first).to_have_value("7")
    page.get_by_role("button", name="send").click()
    expect(page.get_by_label("sent", exact=True)).to_have_value("(7, 3, 'b', 'd', 'typed', True)")
