"""The shape of the code: short functions, short files, short lines."""

import ast
import re
import unicodedata
from collections.abc import Iterator
from pathlib import Path

import pytest
from conftest import ROOT

MAX_FUNCTION, MAX_FILE, MAX_LINE = 40, 300, 110  # lines, lines, characters
PACKAGE = ROOT / "diffusion"
FOLDERS = (PACKAGE, ROOT / "benchmarks", ROOT / "tools")
PYTHON = [
    ROOT / "app.py",
    ROOT / "train.py",
    *(path for folder in FOLDERS for path in sorted(folder.rglob("*.py"))),
]
JAVASCRIPT = sorted(PACKAGE.rglob("*.js"))
every_file = pytest.mark.parametrize(
    "path", PYTHON + JAVASCRIPT, ids=lambda path: str(path.relative_to(ROOT))
)

Function = tuple[str, int]  # its name and its number of lines


def python_functions(text: str) -> Iterator[Function]:
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield node.name, node.end_lineno - node.lineno + 1


# The first line of a function, a method, or an arrow function with a body; not of an `if`, a loop, a class.
OPENED = re.compile(
    r"""^(?P<indent>\s*)(?!(?:if|for|while|switch|catch)\b)
    (?: (?:export\s+)? (?:default\s+)? (?:async\s+)? function\b.*
      | (?:static\s+|async\s+|get\s+|set\s+)* \#?\w+\(.*\)\s*
      | .*=>\s* )
    (?:\{|\()$""",
    re.VERBOSE,
)


def javascript_functions(text: str) -> Iterator[Function]:
    """By indentation: a function ends where a line that is indented like its first closes a bracket."""
    lines = text.split("\n")
    for start, line in enumerate(lines):
        opened = OPENED.match(line)
        if not opened:
            continue
        closed = re.compile(rf"^{opened['indent']}[}}\])]")
        end = next(i for i in range(start + 1, len(lines)) if closed.match(lines[i]))
        yield line.strip(), end - start + 1


def functions(path: Path) -> Iterator[Function]:
    read = python_functions if path.suffix == ".py" else javascript_functions
    return read(path.read_text("utf-8"))


def width(line: str) -> int:
    """In characters as they are seen: the hat on ε̂ takes no place."""
    return sum(not unicodedata.combining(character) for character in line)


@every_file
def test_functions_are_short(path):
    assert {name: lines for name, lines in functions(path) if lines > MAX_FUNCTION} == {}


@every_file
def test_files_and_lines_are_short(path):
    lines = path.read_text("utf-8").splitlines()
    assert len(lines) <= MAX_FILE
    assert [line for line in lines if width(line) > MAX_LINE] == []


def test_everything_is_read():
    names = {path.name for path in PYTHON + JAVASCRIPT}
    assert {"app.py", "train.py", "unet.py", "page.py", "on_load.js", "state.js", "forward.js"} <= names
    for path in (path for path in JAVASCRIPT if path.parent.name == "tabs"):
        assert len(list(functions(path))) >= 2, path.name


BODY = "\n".join(f"{{0}}  let x{i} = {i};" for i in range(MAX_FUNCTION - 1))


@pytest.mark.parametrize(
    "first, last, indent",
    [
        ("export function long(a, b) {", "}", ""),
        ("async function long() {", "}", ""),
        ("const long = (a) => {", "};", ""),
        ("long(a, { b, c }) {", "}", "  "),
        ("async long() {", "}", "  "),
        ("static long() {", "}", "  "),
        ("get long() {", "}", "  "),
        ("constructor(canvas, size = SIZE) {", "}", "  "),
        ('button.addEventListener("click", (event) => {', "});", "    "),
        ("(error) => {", "},", "  "),
    ],
)
def test_a_long_function_is_found(first, last, indent):
    """One line too many is too many, in whatever form; one line less is not."""
    text = f"{indent}{first}\n{BODY.format(*[indent] * 99).replace('{0}', indent)}\n{indent}{last}\n"
    assert MAX_FUNCTION + 1 in [lines for _, lines in javascript_functions(text)]
    shorter = text.replace(f"{indent}  let x0 = 0;\n", "")
    assert all(lines <= MAX_FUNCTION for _, lines in javascript_functions(shorter))


def test_a_long_block_alone_is_no_function():
    body = BODY.replace("{0}", "")
    for first in ("if (a) {", "for (const x of y) {", "class Forward extends View {", "const table = {"):
        assert list(javascript_functions(f"{first}\n{body}\n}}\n")) == []


def test_a_long_function_of_python_is_found():
    text = "def long():\n" + "    x = 1\n" * MAX_FUNCTION
    assert list(python_functions(text)) == [("long", MAX_FUNCTION + 1)]
    assert list(python_functions(f"class A:\n    async {text.splitlines()[0]}\n        pass\n")) == [
        ("long", 2)
    ]
