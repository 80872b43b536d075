"""The wings of the house, in order: a file imports from its own wing and from those before it."""

import ast
from pathlib import Path

import pytest
from conftest import ROOT

WINGS = (
    (
        "schedules",
        "process",
        "noise",
        "denoiser",
        "samplers",
        "losses",
        "likelihood",
        "interpolation",
        "inversion",
    ),
    ("devices", "files", "checks", "console", "names", "addresses"),
    ("nets",),
    ("data",),
    ("models",),
    ("films",),
    ("training",),
    ("hub",),
    ("models.export", "models.deploy"),  # commands, which use the Hub
    ("pipelines",),
    ("ui.text",),
    ("ui.parts",),
    ("ui.tabs",),
    ("ui.api",),
    ("ui.page",),
)
MATHEMATICS = WINGS[0]
WING = {name: number for number, names in enumerate(WINGS) for name in names}
PACKAGE = ROOT / "diffusion"
FILES = sorted(path for path in PACKAGE.rglob("*.py") if path != PACKAGE / "__init__.py")
every_file = pytest.mark.parametrize("path", FILES, ids=lambda p: str(p.relative_to(ROOT)))


def module_of(path: Path) -> str:
    """Its dotted name without "diffusion."."""
    return ".".join(path.relative_to(PACKAGE).with_suffix("").parts).removesuffix(".__init__")


def wing_of(module: str) -> str:
    """The longest name in WINGS that the module belongs to; `ui` alone has nothing in it."""
    return max((name for name in WING if f"{module}.".startswith(f"{name}.")), key=len, default=module)


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
            found += [(f"{node.module}.{alias.name}", id(node) in top) for alias in node.names]
    modules = {f"diffusion.{module_of(file)}" for file in FILES}
    return [(m, at_top) for m, at_top in found if not m.startswith("diffusion.") or m in modules]


def inside(path: Path) -> set[str]:
    """The modules of the package that it imports, as `module_of` names them."""
    return {m.removeprefix("diffusion.") for m, _ in imports(path) if m.startswith("diffusion.")}


@every_file
def test_imports_go_from_wing_to_wing_in_one_direction(path):
    mine = wing_of(module_of(path))
    for other in map(wing_of, inside(path) - {"ui"}):
        assert WING[other] <= WING[mine], f"{mine} imports {other}"


def test_no_files_import_each_other_in_a_circle():
    graph = {module_of(path): inside(path) for path in FILES}
    while leaves := {name for name, needed in graph.items() if not needed & graph.keys()}:
        graph = {name: needed for name, needed in graph.items() if name not in leaves}
    assert not graph


@every_file
def test_a_tab_imports_no_tab(path):
    if wing_of(module_of(path)) == "ui.tabs":
        assert "ui.tabs" not in map(wing_of, inside(path))


@every_file
def test_libraries_stay_where_they_belong(path):
    mine = module_of(path)
    for module, at_top in imports(path):
        library = module.split(".")[0]
        if library in ("gradio", "gradio_client", "spaces"):
            assert mine.startswith("ui.")
        if library in ("huggingface_hub", "datasets"):
            assert mine.startswith("hub.") and not at_top
        if library in ("diffusers", "transformers"):
            assert mine.startswith("pipelines.") and not at_top
        if mine in MATHEMATICS and library != "diffusion":
            assert library in ("torch", "dataclasses", "math", "typing", "collections", "itertools")


def test_every_file_belongs_to_a_wing():
    assert {wing_of(module_of(path)) for path in FILES} == {*WING, "ui"}
