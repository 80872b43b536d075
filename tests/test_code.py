"""The code that the page gives: what was typed stays a text in it, the model is named as it is found."""

import ast
import re
import subprocess
import sys
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import pytest
import torch
from pages import distance
from PIL import Image
from test_class_film import class_request
from test_prompt_film import prompt_request

from diffusion import save_model
from diffusion.data.grids import image_grid
from diffusion.data.images import to_uint8
from diffusion.hub import repo_of
from diffusion.ui.parts import room_code
from diffusion.ui.parts.class_film import class_frames
from diffusion.ui.parts.code import CLASS_CODE, PICTURE_CODE, PROGRAM, PROMPT_CODE, place_of, prompt_values
from diffusion.ui.parts.variants import VARIANTS
from diffusion.ui.tabs.reverse import film_info

PLACES = {"k": "3", "columns": "2", "file": "a.png"}


def filled(template: str, values: dict[str, str]) -> str:
    """As the page fills it in: once, so that nothing in a value is a place."""
    return re.sub(r"\{(\w+)\}", lambda place: values[place[1]], template)


@pytest.mark.parametrize(
    "typed",
    [
        'a "cat"',
        "it's a cat",
        "red \\ heart",
        "{k} {seed}",
        '"""',
        "\n__import__('os')\n",
        "고양이 \u2028 🐱",
        "",
    ],
)
def test_what_was_typed_is_a_literal(model, typed):
    request = prompt_request(model)
    (first,) = request.variants
    typed_variant = replace(
        first, prompt=replace(first.prompt, text=typed), negative=replace(first.negative, text=typed)
    )
    values = prompt_values(model, replace(request, variants=(typed_variant,)))
    code = filled(PROMPT_CODE, values | PLACES)
    tree = ast.parse(code)
    texts = [node.value for node in ast.walk(tree) if isinstance(node, ast.Constant)]
    assert texts.count(typed) == 2
    assert len(list(ast.walk(tree))) == len(list(ast.walk(ast.parse(filled(PROMPT_CODE, OTHERS | PLACES)))))


OTHERS = {
    "model": "'tiny'",
    "prompts": "[('red', 3.0)]",
    "negative_prompt": "''",
    "seed": "0",
    "sampler": "'ddim'",
    "num_steps": "4",
    "num_images": "1",
}


@pytest.mark.parametrize("variant", VARIANTS)
def test_the_code_of_a_changed_walk_makes_it(tiny_model, elsewhere, variant):
    save_model(Path("tiny"), tiny_model)
    request = class_request(replace(tiny_model, folder=Path("tiny")), sampler="ddpm", eta=0.0)
    request = replace(request, variant=variant, guidance_scale=8.0, num_steps=6)  # so that it is cut off
    indices = request.classes_in(tiny_model.classes)
    info = film_info(tiny_model, asdict(request), indices, "film_on_show")
    code = filled(CLASS_CODE, info["code"] | {"k": "6", "columns": "2", "file": "made.png"})
    subprocess.run([sys.executable, "-c", code], check=True, timeout=300)
    *_, (result, _) = class_frames(tiny_model, request)
    expected = image_grid(to_uint8(torch.from_numpy(result["x_0_hat"])).numpy(), 2)
    assert distance(np.asarray(Image.open("made.png")), np.asarray(expected)) <= 1


def test_code_is_about_a_dozen_lines():
    of_rooms = [*room_code.PLANE_CODE.values(), *room_code.RACE_CODE.values(), room_code.REBUILD_CODE]
    of_rooms += [room_code.LEVELS_CODE, room_code.CODES_CODE, room_code.BETWEEN_CODE]
    for template in (*PICTURE_CODE.values(), CLASS_CODE, PROMPT_CODE, *of_rooms):
        assert len([line for line in template.splitlines() if line]) <= 20


def test_where_a_model_is_found(tiny_model, tmp_path):
    def found(folder):
        return place_of(replace(tiny_model, folder=folder))

    assert found(None) == "tiny"
    assert found(PROGRAM / "checkpoints" / "cats") == "checkpoints/cats"
    assert found(tmp_path / "secret" / "mine") == "mine", "nothing is told of the server's folders"
    snapshot = tmp_path / "models--user--my--digits" / "snapshots" / "0a1b"
    assert found(snapshot) == repo_of(snapshot) == "user/my--digits"
    assert repo_of(tmp_path / "snapshots" / "0a1b") is None
