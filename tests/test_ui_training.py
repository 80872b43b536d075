"""The tab Training: what the objective is asked, and histories that fit."""

import base64
import json
from dataclasses import replace

import pytest
from conftest import record

from diffusion.ui.parts.inputs import InputError
from diffusion.ui.tabs import training


def test_a_request_for_the_objective_is_checked(tiny_model):
    picture = base64.b64encode(bytes(256)).decode()
    good = {"pixels": picture, "label": 1, "seed": 3}
    answer = training.answer_for(tiny_model, good)
    assert len(answer["loss"]) == 51 and all(value > 0 for value in answer["loss"])
    assert len(base64.b64decode(answer["eps_hat"])) == 51 * 256 * 2
    assert training.answer_for(tiny_model, good) == answer
    for bad in (
        {"pixels": picture[:-8]},
        {"pixels": None},
        {"pixels": "é"},
        {"pixels": 5},
        {"label": 3},
        {"label": "a"},
        {"seed": -1},
        {"seed": None},
    ):
        with pytest.raises(InputError):
            training.answer_for(tiny_model, good | bad)


@pytest.mark.parametrize("change", [{"example_labels": [0, 1, 7]}, {"example_labels": [0]}])
def test_a_history_that_does_not_fit_the_model_is_not_shown(tiny_model, tmp_path, change):
    record(tmp_path, tiny_model)
    model = replace(tiny_model, folder=tmp_path)
    assert training.history_of(model) is not None and training.history_of(tiny_model) is None
    file = tmp_path / "training.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | change))
    assert training.history_of(model) is None
