"""A GAN beside a diffusion network: runs that go on bit for bit, figures that mean what they say, what is
shipped of them, and the page over it."""

import json
import math
from dataclasses import replace

import pytest
import torch
from conftest import ROOT, needs_browser, open_page, running_app
from pages import drag, pixels
from playwright.sync_api import expect
from tiny_gan import NUM_LOOK, SEEDS, STEPS, TOTAL, bars, make_runs, ship_runs, small

from benchmarks import gan
from benchmarks.gan_networks import BATCH_SIZE, Gan
from diffusion.films.beside import METHODS, NUMBERS_FILE, SHIPPED, load_beside
from diffusion.films.training_history import load_looks
from diffusion.models.folder import CheckpointError
from diffusion.ui.parts.beside import beside_message, is_stable

DRAWN = "c => c.getContext('2d').getImageData(0, 0, c.width, c.height).data.some((x) => x && x < 255)"
START = """import runpy, sys
from pathlib import Path
sys.path.insert(0, {root!r})
from diffusion.films import beside
beside.SHIPPED = Path({shipped!r})
runpy.run_path({app!r}, run_name="__main__")
"""
MOST_BYTES = 1_000_000  # of all histories that come along


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """The folder of all runs."""
    out, threads = tmp_path_factory.mktemp("gan") / "runs", torch.get_num_threads()
    with pytest.MonkeyPatch.context() as patch:
        small(patch)
        make_runs(out)
    yield out
    torch.set_num_threads(threads)


@pytest.fixture(scope="module")
def shipped(runs, tmp_path_factory):
    """Their histories, as the page finds them."""
    into = tmp_path_factory.mktemp("shipped") / "gan"
    with pytest.MonkeyPatch.context() as patch:
        small(patch)
        ship_runs(runs, into)
    return into


def figures(folder):
    """A history without what it cost."""
    frames, info, _ = load_looks(folder)
    rows = [{k: v for k, v in row.items() if k != "cpu_seconds"} for row in info["moments"]]
    log = [json.loads(row)["losses"] for row in (folder / gan.LOG_FILE).read_text().splitlines()]
    return frames.tobytes(), rows, log


@pytest.mark.parametrize("method", METHODS)
def test_a_run_that_was_stopped_goes_on_bit_for_bit(runs, tmp_path, monkeypatch, method):
    small(monkeypatch)
    whole, judge = runs / f"{method}-1", gan.load_judge(bars())
    for stop in (BATCH_SIZE, math.inf):
        run = gan.KINDS[method](bars(), tmp_path, 1, TOTAL)
        gan.train(run, tmp_path, TOTAL, judge, stop_at=stop)
        assert run.images_seen == min(stop, TOTAL)
    assert (whole / "state.safetensors").read_bytes() == (tmp_path / "state.safetensors").read_bytes()
    assert figures(whole) == figures(tmp_path) != figures(runs / f"{method}-0")
    _, rows, log = figures(whole)
    assert [row["images_seen"] for row in rows] == [BATCH_SIZE * i for i in range(STEPS + 1)]
    assert len(log) == STEPS and all(math.isfinite(loss) for losses in log for loss in losses.values())


def test_a_step_of_one_network_leaves_the_other_as_it_is(tmp_path):
    run = Gan(bars(), tmp_path, 0, TOTAL)
    before = {name: value.clone() for name, value in run.named_parameters()}
    loss = run.discriminator(torch.zeros(4, 1, 28, 28), torch.arange(4)).mean()
    run._descend(loss, run.generator)
    changed = {name.split(".")[0] for name, value in run.named_parameters() if not value.equal(before[name])}
    assert changed == {"discriminator"}
    drawn = run.generator(torch.zeros(4, 100), torch.arange(4))
    before = {name: value.clone() for name, value in run.named_parameters()}
    run._descend(run.discriminator(drawn, torch.arange(4)).mean(), run.discriminator)
    changed = {name.split(".")[0] for name, value in run.named_parameters() if not value.equal(before[name])}
    assert changed == {"generator"}


def test_a_plan_of_other_minutes_is_refused(runs, monkeypatch):
    small(monkeypatch)
    with pytest.raises(CheckpointError, match="has runs of 8 minutes: choose another --out"):
        gan.main(gan.parse_arguments(["--out", str(runs), "--minutes", "5"]))


def test_what_is_all_alike_is_near(tmp_path):
    data = bars()
    judge = gan.load_judge(data)
    images, labels = data.images[:40], data.labels[:40]
    alike = judge.row(images, labels)
    noise = torch.randint(256, images.shape, generator=torch.manual_seed(0)).to(torch.uint8)
    assert alike["nearest"] == 0 < judge.row(noise, labels)["nearest"] < 2
    assert alike["frechet"] < judge.row(noise, labels)["frechet"]
    assert sum(alike["counts"]) == alike["num_samples"] == 40
    x = torch.zeros(4, 1, 28, 28, dtype=torch.uint8)
    x[1], x[3] = 51, 255  # a fifth of the range from −1 to 1, and all of it
    assert gan.nearest_of_class(x, torch.tensor([0, 0, 1, 1])) == pytest.approx((0.4 + 2) / 2)


def test_histories_are_shipped_whole(runs, shipped):
    beside = load_beside(shipped)
    each = [(run["method"], run["seed"]) for run in beside.info["runs"]]
    assert each == [(method, seed) for method in METHODS for seed in SEEDS]
    for run in beside.info["runs"]:
        _, rows, log = figures(runs / f"{run['method']}-{run['seed']}")
        assert [row["recognised"] for row in run["moments"]] == [row["recognised"] for row in rows]
        assert [row["losses"] for row in run["log"]] == [
            {name: pytest.approx(loss, abs=1e-4) for name, loss in losses.items()} for losses in log
        ]
    assert beside.info["num_images"] == NUM_LOOK and beside.info["calls"] == {"gan": 1, "diffusion": 20}
    assert 0 < beside.info["seconds"]["gan"] < beside.info["seconds"]["diffusion"]
    assert beside.info["parameters"]["diffusion"] == 1_102_017
    (shipped / NUMBERS_FILE).rename(shipped / "away")
    assert load_beside(shipped) is None
    (shipped / "away").rename(shipped / NUMBERS_FILE)


def test_what_comes_along_is_small():
    assert 0 < sum(file.stat().st_size for file in SHIPPED.iterdir()) <= MOST_BYTES


def test_what_came_out_is_said_by_its_figures(shipped):
    beside = load_beside(shipped)
    (run, *_) = beside.info["runs"]
    row = run["moments"][-1]
    good = row | {"recognised": 0.95, "counts": [row["num_samples"] // 10] * 10, "frechet": 4.0}

    def said(*last):
        runs = [each | {"moments": [good, *last]} for each in beside.info["runs"]]
        assert is_stable(runs[0]) == (last[-1] == good)
        return beside_message(replace(beside, info=beside.info | {"runs": runs}))["outcome"]

    assert "95%" in said(good) and "4.0" in said(good) and "stable in 2 of 2 runs" in said(good)
    assert "in 2 of 2 runs it lost" in said(good | {"recognised": 0.8})
    assert "in 2 of 2 runs it lost" in said(good | {"counts": [2 * row["num_samples"] // 10, 0] * 5})


def test_what_comes_along_is_of_three_seeds_each(tmp_path):
    message = beside_message(load_beside())
    assert [(run["method"], run["seed"]) for run in message["runs"]] == [
        (m, s) for m in METHODS for s in range(3)
    ]
    rows = [run["moments"] for run in message["runs"]]
    assert all(row[0]["images_seen"] == 0 and len(row) == len(gan.LOOKS) for row in rows)
    assert all(row[-1]["frechet"] < row[0]["frechet"] for row in rows)


# ---- in a browser ----------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def program(shipped, trained_pair, tmp_path_factory):
    """The program, with these in the place of those that come along."""
    folder = tmp_path_factory.mktemp("program")
    start = START.format(root=str(ROOT), shipped=str(shipped), app=str(ROOT / "app.py"))
    (folder / "app.py").write_text(start)
    with running_app(folder, *trained_pair, root=folder) as running:
        yield running


def figure(page, name) -> str:
    return page.locator(f".lab.beside [data-n={name}]").inner_text()


@needs_browser
def test_both_histories_move_under_one_slider(program, shipped, browser):
    page = open_page(browser, program)
    runs = json.loads((shipped / NUMBERS_FILE).read_text())["runs"]
    rows = {(run["method"], run["seed"]): run["moments"] for run in runs}
    page.get_by_role("tab", name="Training", exact=True).click()
    view = page.locator(".lab.beside")
    expect(view.locator("[data-n=gan_seen]")).to_have_text("256")
    view.scroll_into_view_if_needed()
    for method in METHODS:
        page.wait_for_function(DRAWN, arg=view.locator(f"canvas[data-c={method}]").element_handle())
    for moment in (0, 1, STEPS):
        drag(page, "beside", moment)
        for method in METHODS:
            row = rows[method, 0][moment]
            assert figure(page, f"{method}_recognised") == f"{100 * row['recognised']:.1f} %"
            assert figure(page, f"{method}_seen") == str(row["images_seen"])
    first = pixels(page, ".lab.beside canvas[data-c=gan]")
    view.get_by_role("radio", name="1", exact=True).check()
    nearest = rows["gan", SEEDS[1]][STEPS]["nearest"]
    expect(view.locator("[data-n=gan_nearest]")).to_have_text(f"{nearest:.3f}")
    shown = "c => c.toDataURL()"
    before = view.locator("canvas[data-c=gan]").evaluate(shown)
    view.locator(".stage").press("Home")
    expect(view.locator("[data-n=gan_seen]")).to_have_text("0")
    page.wait_for_function("step => location.search.includes(step)", arg="beside.step=0")
    assert "beside.seed=1" in page.url and view.locator("canvas[data-c=gan]").evaluate(shown) != before
    assert first.std() > 0 and page.errors == []
    bold = view.locator("svg[data-chart=recognised] path.chosen")
    assert bold.count() == 2 and view.locator("svg[data-chart=recognised] path.other").count() == 2
    page.close()
    assert not program.logged_traceback()
