"""README and docs/: links lead somewhere, commands can be given, examples run, the plan is the code's."""

import re
import shlex
from dataclasses import replace
from importlib import import_module

import gradio as gr
import numpy as np
import pytest
from conftest import ROOT, running_app
from test_layers import WINGS
from web import PATIENCE, client_of

from app import SHIPPED
from diffusion.films.film import as_pixels
from diffusion.training.command_line import flags, parse_config
from diffusion.training.presets import PRESETS
from diffusion.ui.parts.class_film import checked_class_request, class_frames
from diffusion.ui.tabs import reverse

README, DOCS = ROOT / "README.md", ROOT / "docs"
TEXTS = {
    path.name: path.read_text("utf-8")
    for path in (README, README.with_suffix(".ko.md"), *sorted(DOCS.glob("*.md")))
}
every_text = pytest.mark.parametrize("name", TEXTS)


def anchors(text: str) -> set[str]:
    """The headings of a text, as links name them."""
    headings = re.findall(r"^#+ (.+)$", text, re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@every_text
def test_links_lead_somewhere(name):
    folder = ROOT if name.startswith("README.") else DOCS
    for file, anchor in re.findall(r"\]\((?!https?:)([^)#]*)#?([^)]*)\)", TEXTS[name]):
        assert (folder / file).exists(), file
        if anchor:
            assert anchor in anchors(TEXTS[file.rpartition("/")[2] or name]), anchor


@every_text
def test_files_named_in_backticks_exist(name):
    """As they are seen from the repository's root, or from the package."""
    named = re.findall(r"`((?:[\w-]+/)+[\w.-]*|\w+\.(?:py|md))`", TEXTS[name])
    made = ("runs/", "data/", "samples/", "user/", "README.md")
    below_ui = (ROOT / "diffusion", ROOT / "diffusion/ui/static", ROOT)
    for path in named:
        assert path.startswith(made) or any((place / path).exists() for place in below_ui), path


@every_text
def test_train_commands_parse(name):
    for arguments in re.findall(r"train\.py ([a-z-][^\n`#]*)", TEXTS[name]):
        parse_config(shlex.split(arguments))


@every_text
def test_other_commands_exist(name):
    commands = re.findall(r"python -m ((?:benchmarks|tools|diffusion)\.\w[^\n`#]*)", TEXTS[name])
    if name == README.name:  # its table has the beginning of all commands in its head
        table = TEXTS[name].split("| `python -m benchmarks.` |")[1].split("\n\n")[0]
        commands += [f"benchmarks.{rest}" for rest in re.findall(r"\| `(.+)` \|$", table, re.MULTILINE)]
        assert len(commands) >= 6
    for command in commands:
        module, *arguments = shlex.split(command)
        script = import_module(module)
        if arguments or hasattr(script, "parse_arguments"):
            script.parse_arguments(arguments)


@pytest.mark.parametrize("name", ["README.md", "text-to-image.md"])
def test_the_library_runs_as_it_is_shown(name, monkeypatch, capsys):
    code = TEXTS[name].split("```python\n")[1].split("```")[0]
    assert "timesteps(model.schedule, 20)" in code
    monkeypatch.chdir(ROOT)
    exec(compile(code.replace("schedule, 20)", "schedule, 2)"), name, "exec"), names := {})
    images, shape = names["images"], re.search(r"# \(([\d, ]+)\) in \[−1, 1\]", code)[1]
    assert f"{tuple(images.shape)}" == f"({shape})" and images.isfinite().all()


def test_the_library_draws_the_page_s_picture(monkeypatch, capsys):
    """What the Reverse tab draws when Sample is pressed and nothing was changed; here in two steps."""
    code = TEXTS[README.name].split("```python\n")[1].split("```")[0]
    monkeypatch.chdir(ROOT)
    exec(code.replace("schedule, 20)", "schedule, 2)"), names := {})
    model = names["model"]
    assert SHIPPED[0] == model.name
    with gr.Blocks():
        values = [each.value for each in reverse.settings({model.name: model})]
    request = checked_class_request({model.name: model}, *values)
    assert request.num_steps == 20
    *_, (result, _) = class_frames(model, replace(request, num_steps=2))
    assert np.abs(as_pixels(names["images"]) - result["x_0_hat"]).max() <= 1 / 127.5


@pytest.fixture(scope="module")
def url(tmp_path_factory):
    """The program as it is, with a checkpoint of each kind."""
    checkpoints = (ROOT / "checkpoints" / name for name in ("cats", "emoji"))
    with running_app(tmp_path_factory.mktemp("docs"), *checkpoints) as running:
        yield running.url


def test_the_client_runs_as_it_is_shown(url, monkeypatch, capsys):
    code = TEXTS["api.md"].split("```python\n")[1].split("```")[0]
    monkeypatch.chdir(ROOT)
    patient = f'"{url}", httpx_kwargs={{"timeout": {PATIENCE}}}'
    exec(compile(code.replace('"http://127.0.0.1:7860"', patient), "api.md", "exec"), {})
    noised, alpha_bar, cats, emoji = capsys.readouterr().out.splitlines()[-4:]
    assert noised.endswith(".png") and 0 < float(alpha_bar) < 1 and cats.endswith("50]")
    assert emoji.endswith("red heart")


def test_all_endpoints_are_described(url):
    endpoints = client_of(url).view_api(print_info=False, return_format="dict")["named_endpoints"]
    sections = re.split(r"^\*\*`(/\w+)`\*\*", TEXTS["api.md"].split("## What can be set")[0], flags=re.M)[1:]
    described = {
        endpoint: re.findall(r"^\| `(\w+)` \|", section, re.MULTILINE)
        for endpoint, section in zip(sections[::2], sections[1::2])
    }
    taken = {k: [p["parameter_name"] for p in v["parameters"]] for k, v in endpoints.items()}
    assert described == taken


def test_all_flags_and_presets_are_described():
    table = TEXTS["training.md"].split("## Flags")[1].split("\n## ")[0]
    cells = re.findall(r"^\| (`--.+?) \|", table, re.MULTILINE)
    named = [flag for cell in cells for flag in re.findall(r"--[\w-]+", cell)]
    assert sorted(named) == sorted(flags())
    presets = TEXTS["training.md"].split("## Presets")[1].split("\n## ")[0]
    assert all(f"`{preset}`" in presets for preset in PRESETS)


def test_the_plan_shows_the_wings_in_order():
    plan = TEXTS["architecture.md"].split("```text\n")[1].split("```")[0]
    floors = re.split(r"^├.*$", plan, flags=re.MULTILINE)
    names = [tuple(" ".join(re.findall(r"^│(.*?)│", floor, re.MULTILINE)).split()) for floor in floors]
    assert names == list(reversed(WINGS))


def test_every_file_has_its_line():
    package = ROOT / "diffusion"
    files = {str(p.relative_to(package)) for p in package.rglob("*") if p.suffix in (".py", ".js")}
    listed = re.findall(r"^\| `([\w/]+\.(?:py|js))` \|", TEXTS["architecture.md"], re.MULTILINE)
    assert sorted(listed) == sorted(file for file in files if not file.endswith("__init__.py"))


def test_readme_is_short_and_has_the_command_that_ci_runs():
    lines = TEXTS[README.name].splitlines()
    assert len(lines) <= 135
    assert sum(bool(re.match(r"python3 -m venv .*pytest$", line)) for line in lines) == 1
