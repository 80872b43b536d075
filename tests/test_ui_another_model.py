"""Other people's checkpoints in a real browser: opened from the Hub, and this visitor's alone."""

from pathlib import Path
from types import SimpleNamespace
from urllib.parse import parse_qsl, urlencode, urlsplit

import pytest
from conftest import DRAWN, needs_browser, running_app
from hub_server import HubServer, Repo
from pages import until
from playwright.sync_api import expect
from tiny_pixels import change, save_as_the_first_ones, save_pixels

pytestmark = needs_browser
OURS, THEIRS = "user/ours", "user/theirs"


def put(hub: HubServer, name: str, folder: Path) -> Repo:
    """A repo with the files of a folder."""
    repo = hub.repos[name] = Repo()
    files = (file for file in folder.rglob("*") if file.is_file())
    repo.files = {str(file.relative_to(folder)): file.read_bytes() for file in files}
    repo.large = {path for path in repo.files if path.endswith(".safetensors")}
    return repo


def fill_hub(hub: HubServer, ours: Path, folder: Path) -> None:
    """What can be opened, and what cannot."""
    save_pixels(folder / "theirs")
    save_as_the_first_ones(folder / "flat")
    put(hub, OURS, ours)
    put(hub, THEIRS, folder / "theirs")
    put(hub, "user/flat", folder / "flat")
    put(hub, "user/private", folder / "theirs").private = True
    put(hub, "user/gated", folder / "theirs").gated = True
    pickled = put(hub, "user/pickled", folder / "theirs")
    pickled.files = {path.replace(".safetensors", ".bin"): each for path, each in pickled.files.items()}
    for name, file, changes in (
        ("latent", "model_index.json", {"vae": ["diffusers", "AutoencoderKL"]}),
        ("own-code", "model_index.json", {"unet": ["own", "Net"]}),
        ("blocks", "unet/config.json", {"down_block_types": ["DownBlock2D", "MyBlock"]}),
        ("large", "unet/config.json", {"block_out_channels": [2048, 2048]}),
        ("wide", "unet/config.json", {"sample_size": 512}),
    ):
        save_pixels(folder / name)
        change(folder / name / file, **changes)
        put(hub, f"user/{name}", folder / name)


@pytest.fixture(scope="module")
def hub(trained_pair, tmp_path_factory):
    with HubServer() as server:
        fill_hub(server, trained_pair[0], tmp_path_factory.mktemp("hub"))
        yield server


@pytest.fixture(scope="module")
def app(hub, trained_pair, tmp_path_factory):
    """The program with a Hub, on a Space: what visitors name is fetched without its token."""
    folder = tmp_path_factory.mktemp("another")
    known = hub.environment(folder / "hub") | {"HF_HUB_OFFLINE": "0", "SPACE_ID": "user/space"}
    with running_app(folder, trained_pair[1], trained_pair[0], **known) as running:
        yield SimpleNamespace(url=running.url, log=running.log, kept=folder / "hub" / "named-by-visitors")


@pytest.fixture
def visit(browser, app):
    """A function that opens the page in a browser of its own, by what stands behind the question mark."""
    pages = []

    def visit(query="tab=reverse", **options):
        size = {"width": 1280, "height": 1000}
        page = browser.new_page(**{"reduced_motion": "reduce", "viewport": size, **options})
        page.errors = []
        page.on("pageerror", lambda error: page.errors.append(str(error)))
        pages.append(page)
        page.goto(f"{app.url}/?{query}" + ("" if "lang=" in query else "&lang=en"))
        page.wait_for_selector(DRAWN, state="attached")
        return page

    yield visit
    assert all(page.errors == [] for page in pages)
    for page in pages:
        page.close()
    assert "Traceback" not in app.log.read_text()


def unfold(page):
    """The field, in what it is folded in."""
    field = page.get_by_label("Name or address")
    for name in ("More", "Another checkpoint"):
        if not field.is_visible():
            page.locator(".side:visible").get_by_role("button", name=name).first.click()
            page.wait_for_timeout(
                700
            )  # Gradio does not hear of what is typed in the first instants of a field
    return field


def open_checkpoint(page, name):
    unfold(page).fill(name)
    page.wait_for_timeout(200)
    page.get_by_role("button", name="Open", exact=True).click()


def chosen(page):
    return page.locator(".side:visible").get_by_label("Checkpoint", exact=True).first


def offered(page):
    return [each.removeprefix("✓").strip() for each in page.get_by_role("option").all_inner_texts()]


def sample(page, steps=4):
    page.locator(".side:visible .lab.steps input[type=number]").fill(str(steps))
    page.get_by_role("button", name="Sample", exact=True).click()
    return page.locator(".lab.reverse .made")


def state_of(page):
    return dict(parse_qsl(urlsplit(page.url).query))


@pytest.mark.parametrize("name", [OURS, THEIRS, "user/flat"])
def test_a_repo_is_opened_and_sampled(visit, name):
    page = visit()
    open_checkpoint(page, f"https://huggingface.co/{name}/tree/main" if name == THEIRS else name)
    named = f"{name}@main" if name == THEIRS else name
    expect(page.locator(".lab.checkpoint [data-role=said]")).to_contain_text(f"{named} is chosen now")
    expect(chosen(page)).to_have_value(named)
    expect(sample(page)).to_contain_text(f"4 images drawn by the model “{named}”, seed 0")
    expect(page.locator(".lab.reverse input[data-role=t]")).to_have_attribute("data-made", "4")
    until(page, lambda: state_of(page).get("model") == named)


def test_a_reload_keeps_it_and_nobody_else_sees_it(visit):
    page, other = visit(), visit()
    open_checkpoint(page, THEIRS)
    expect(page.locator(".lab.checkpoint [data-role=said]")).to_contain_text("is chosen now")
    expect(chosen(page)).to_have_value(THEIRS)
    made = sample(page)
    expect(made).to_contain_text(f"by the model “{THEIRS}”")
    page.wait_for_timeout(500)
    page.reload()
    page.wait_for_selector(DRAWN, state="attached")
    expect(made).to_contain_text(f"by the model “{THEIRS}”")
    expect(chosen(page)).to_have_value(THEIRS)
    expect(page.locator(".side:visible").get_by_label("Class", exact=True).first).to_have_value("none")
    expect(sample(page, 3)).to_contain_text("3 steps")
    expect(made).to_contain_text(f"by the model “{THEIRS}”")
    unfold(other)
    chosen(other).click()
    assert offered(other) == ["linear", "tiny"]
    chosen(page).click()
    assert offered(page) == ["linear", "tiny", THEIRS]
    page.get_by_role("option", name="linear").click()  # and back to one of the page's own
    expect(chosen(page)).to_have_value("linear")
    expect(sample(page, 2)).to_contain_text("by the model “linear”")


def test_a_link_opens_it_elsewhere(visit):
    page = visit()
    open_checkpoint(page, "user/flat")
    expect(chosen(page)).to_have_value("user/flat")
    expect(sample(page, 3)).to_contain_text("by the model “user/flat”")
    expect(page.locator(".lab.reverse input[data-role=t]")).to_have_attribute("data-made", "3")
    until(page, lambda: state_of(page).get("run") == "1")
    link = {name: value for name, value in state_of(page).items() if name != "lang"}
    assert link["model"] == "user/flat"
    there = visit(urlencode(link))
    expect(there.locator(".lab.reverse .made")).to_contain_text("by the model “user/flat”, seed 0")
    expect(there.locator(".lab.reverse input[data-role=t]")).to_have_attribute("data-made", "3")
    expect(chosen(there)).to_have_value("user/flat")
    until(there, lambda: state_of(there).get("model") == "user/flat")


def test_what_a_link_names_and_cannot_be_opened_is_said(visit):
    page = visit(urlencode({"tab": "reverse", "model": "user/nowhere", "seed": "5"}))
    said = page.locator(".another-checkpoint .problem")
    expect(said).to_have_text("There is no repo user/nowhere on the Hub, or it is private.")
    expect(page.locator(".hero [data-role=said]")).to_contain_text("model=user/nowhere")
    expect(chosen(page)).to_have_value("linear")


@pytest.mark.parametrize(
    "name, said",
    [
        ("user/nowhere", "There is no repo user/nowhere on the Hub, or it is private."),
        ("user/private", "There is no repo user/private on the Hub, or it is private."),
        ("user/gated", "user/gated is gated"),
        ("user/theirs@other", "user/theirs has no revision other."),
        ("user/pickled", "unet/diffusion_pytorch_model.bin, a pickle, which is never opened."),
        ("user/latent", "works on latents (it has a vae)"),
        ("user/own-code", "brings code of its own (unet)"),
        ("user/blocks", "cannot be built: MyBlock does not exist."),
        ("user/large", "is too large"),
        ("user/wide", "draws 512×512 pixels, and here at most 256×256"),
        ("/etc", "/etc is not the name of a repo of the Hub, such as user/name."),
        ("https://huggingface.co/spaces/user/space", "is not the name of a repo of the Hub"),
        (" ", "Name a repo like user/name."),
    ],
)
def test_what_cannot_be_opened_is_said_in_a_sentence_beside_the_field(page, name, said):
    open_checkpoint(page, name)
    problem = page.locator(".another-checkpoint .problem")
    expect(problem).to_contain_text(said)
    sentence = problem.inner_text()
    assert sentence.endswith(".") and sentence.count(". ") == 0 and "\n" not in sentence
    expect(chosen(page)).to_have_value("linear")
    expect(page.locator(".lab.checkpoint .progress span")).to_have_text("")


@pytest.fixture(scope="module")
def page(browser, app):
    """One page for all that is refused."""
    page = browser.new_page(viewport={"width": 1280, "height": 1000}, reduced_motion="reduce")
    page.goto(f"{app.url}/?tab=reverse&lang=en")
    page.wait_for_selector(DRAWN, state="attached")
    yield page
    page.close()


def test_how_far_it_is_is_seen_and_stop_ends_it(visit, hub, app, tmp_path):
    save_pixels(tmp_path / "slow", block_out_channels=(64, 96))
    put(hub, "user/slow", tmp_path / "slow")
    page = visit()
    hub.pause = 0.3
    try:
        open_checkpoint(page, "user/slow")
        words = page.locator(".lab.checkpoint .progress span")
        page.wait_for_function(
            "/of \\d.* MB/.test(document.querySelector('.lab.checkpoint .progress span').textContent)"
        )
        assert page.locator(".lab.checkpoint progress").get_attribute("value") != "0"
        expect(sample(page, 2)).to_contain_text("by the model “linear”")  # the networks work on meanwhile
        page.locator(".another-checkpoint").get_by_role("button", name="Stop").click()
        expect(words).to_have_text("")
    finally:
        hub.pause = 0.0
    assert not list(app.kept.glob("user--slow@*"))
    until(page, lambda: not list(app.kept.glob(".*")))  # nothing half-fetched stays
    expect(chosen(page)).to_have_value("linear")
    open_checkpoint(page, "user/slow")
    expect(chosen(page)).to_have_value("user/slow")
    assert len(list(app.kept.glob("user--slow@*"))) == 1


def test_training_shows_the_objective_of_what_was_opened(visit):
    page = visit()
    open_checkpoint(page, THEIRS)
    expect(chosen(page)).to_have_value(THEIRS)
    page.get_by_role("tab", name="Training").click()
    lab = page.locator(".lab.objective")
    expect(lab.locator(".preset[data-key]:not(.mine)")).to_have_count(5)
    expect(lab.locator("b[data-n=loss]")).not_to_have_text("–")
    expect(lab.locator("[data-role=note]")).to_contain_text("none of those that the network was trained on")
    expect(page.get_by_text(f"{THEIRS} has no record of its training here")).to_be_visible()
    expect(page.locator(".lab.training")).to_be_hidden()
    assert lab.locator("canvas[data-c=x_t]").evaluate("canvas => [canvas.width, canvas.height]") == [16, 16]
    page.get_by_role("tab", name="Race").click()
    expect(chosen(page)).to_have_value(THEIRS)
    page.get_by_role("tab", name="Reverse").click()
    chosen(page).click()
    page.get_by_role("option", name="tiny").click()
    page.get_by_role("tab", name="Training").click()
    expect(page.locator(".lab.training")).to_be_visible()
    expect(lab.locator("[data-n=typical]")).not_to_have_text("–")


def test_training_shows_the_run_of_what_was_opened_if_it_came_along(visit):
    page = visit()
    open_checkpoint(page, OURS)
    expect(chosen(page)).to_have_value(OURS)
    page.get_by_role("tab", name="Training").click()
    expect(page.locator(".lab.training [data-role=made]")).to_contain_text(OURS)
    expect(page.locator(".lab.objective b[data-n=loss]")).not_to_have_text("–")
    expect(page.locator(".lab.objective [data-n=typical]")).not_to_have_text("–")
    expect(page.get_by_text("has no record of its training")).to_have_count(0)
