import json

import pytest

from diffusion.films.quality_curves import (
    GUIDANCE_KEYS,
    STEPS_KEYS,
    cost_of_guidance,
    load_curves,
    quality_over_steps,
    save_curves,
)

ROW = {"sampler": "ddim", "num_steps": 4, "recognised": 0.9, "frechet": 12.5, "num_samples": 1000}

GUIDED = {"guidance_scale": 3.0, "obedience": 0.9, "variety": 2.5, "most_variety": 3.6, "num_samples": 512}


def test_curves_come_back_as_they_were_saved(tmp_path):
    curves = {"steps": [ROW | {"error": 0.01}], "setting": {"data": "고양이"}}
    save_curves(tmp_path, curves)
    assert load_curves(tmp_path) == curves
    assert quality_over_steps(tmp_path) == [ROW] and set(ROW) == set(STEPS_KEYS)


def test_what_guidance_costs_is_known_where_it_was_measured(tmp_path):
    assert cost_of_guidance(tmp_path) == [] == cost_of_guidance(None)
    save_curves(tmp_path, {"guidance": [GUIDED | {"obedience_error": 0.01}]})
    assert cost_of_guidance(tmp_path) == [GUIDED] and set(GUIDED) == set(GUIDANCE_KEYS)
    save_curves(tmp_path, {"guidance": [{"guidance_scale": 3.0, "recognised": 0.4}]})  # of emoji
    assert cost_of_guidance(tmp_path) == []


def test_a_folder_without_curves_has_none(tmp_path):
    assert load_curves(tmp_path) == {} and quality_over_steps(tmp_path) == [] == quality_over_steps(None)


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\xff\xfe",
        b"[" * 100_000,
        b"[]",
        b"7",
        b'{"steps": 7}',
        b'{"steps": [{"sampler": "ddim"}]}',
        b"{}",
    ],
)
def test_curves_that_cannot_be_used_are_none(tmp_path, content):
    (tmp_path / "curves.json").write_bytes(content)
    assert quality_over_steps(tmp_path) == [] == cost_of_guidance(tmp_path)
    assert isinstance(load_curves(tmp_path), dict)


def test_nothing_is_lost_on_the_way_to_the_file(tmp_path):
    save_curves(tmp_path, {"steps": [ROW]})
    assert json.loads((tmp_path / "curves.json").read_text("utf-8")) == {"steps": [ROW]}
