"""A file imports only from smaller levels, and heavy libraries stay where they belong."""

import ast
from pathlib import Path

import pytest
from conftest import ROOT

LEVELS = {
    0: ["schedules", "unet", "text", "ema", "pictures", "metrics", "machine", "progress", "interpolation"],
    1: ["process", "data", "config", "autoencoder"],
    2: ["denoiser", "losses", "emoji", "cost"],
    3: ["samplers", "likelihood", "weights", "captions"],
    4: ["checkpoint", "run_state"],
    5: ["film", "hub"],
    6: ["history", "atlas", "pipelines"],
    7: ["pixel_stage", "pipeline_film"],
    8: ["latent_stages"],
    9: ["stages"],
    10: ["ui"],
}
LEVEL = {name: level for level, names in LEVELS.items() for name in names}
FILES = sorted((ROOT / "diffusion").rglob("*.py"))


def module_of(path: Path) -> str:
    return path.relative_to(ROOT / "diffusion").with_suffix("").parts[0]


def imports(path: Path) -> list[tuple[str, bool]]:
    """(module, whether it stands at the top level of the file) of every import."""
    tree = ast.parse(path.read_text("utf-8"))
    top = set(map(id, tree.body))
    found = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found += [(alias.name, id(node) in top) for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            found.append((node.module, id(node) in top))
    return found


@pytest.mark.parametrize("path", FILES, ids=lambda p: str(p.relative_to(ROOT)))
def test_imports_go_downwards(path):
    mine = module_of(path)
    if mine == "__init__":
        return
    for module, _ in imports(path):
        if module.startswith("diffusion."):
            other = module.split(".")[1]
            assert LEVEL[other] < LEVEL[mine] or other == mine == "ui", f"{mine} imports {other}"


@pytest.mark.parametrize("path", FILES, ids=lambda p: str(p.relative_to(ROOT)))
def test_libraries_stay_where_they_belong(path):
    for module, at_top in imports(path):
        library = module.split(".")[0]
        if library in ("gradio", "gradio_client", "spaces"):
            assert module_of(path) == "ui"
        if library == "huggingface_hub":
            assert module_of(path) == "hub" and not at_top
        if library in ("diffusers", "transformers"):
            assert module_of(path) == "pipelines" and not at_top
    if module_of(path) == "schedules":
        assert {m.split(".")[0] for m, _ in imports(path)} <= {"torch", "dataclasses", "math"}


def test_every_module_has_a_level():
    assert {module_of(path) for path in FILES} == {*LEVEL, "__init__"} - (
        {"ui"} if not any(module_of(p) == "ui" for p in FILES) else set()
    )
