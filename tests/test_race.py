"""Several samplers side by side: the walks, what is asked for, what the page gets, what judges say."""

import base64
import json
import re
from copy import deepcopy
from dataclasses import replace

import numpy as np
import pytest
import torch
from conftest import ROOT
from test_class_film import class_request
from test_streaming import decode

from benchmarks import race as script
from diffusion.data.images import to_uint8
from diffusion.films.film import as_pixels
from diffusion.films.race import REFERENCE_STEPS, Lane, Start, distance, race, reference
from diffusion.models.digit_judge import save_classifier
from diffusion.models.folder import load_folder
from diffusion.nets.digit_classifier import DigitClassifier
from diffusion.ui.parts import jump, race_film, race_messages, race_presets
from diffusion.ui.parts.class_film import class_frames
from diffusion.ui.parts.inputs import InputError
from diffusion.ui.parts.race_film import race_frames, reference_of
from diffusion.ui.parts.race_request import LANES, checked_race_request
from diffusion.ui.parts.race_verdicts import NO_CLASSIFIER, NOBODY, judge_of, judged_race
from diffusion.ui.parts.variants import WITHOUT_Z
from diffusion.ui.text import labels

STEPS = {"ddpm": 5, "ddpm_without_z": 4, "ddim": 3, "ddim_eta": 6, "dpm": 2, "student": 0}


def race_request(model, steps=STEPS, **changes):
    """Two images of the second class in each lane."""
    values = {"class_label": "b", "seed": 1, "num_images": 2, "model": model.name}
    values |= {"guidance_scale": 1.5, "eta": 0.5} | changes
    return checked_race_request({model.name: model}, list(steps.values()), **values)


@pytest.fixture
def calls(tiny_model):
    """How many pictures were in each call of the network."""
    sizes = []
    handle = tiny_model.net.register_forward_hook(lambda net, inputs, output: sizes.append(len(inputs[0])))
    yield sizes
    handle.remove()


@pytest.fixture(scope="module")
def raced(tiny_model):
    """The rows, codes and results of a race, by lanes, with its request and reference."""
    request = race_request(tiny_model)
    *_, (_, target) = reference_of(tiny_model, request)
    *frames, (last, row) = race_frames(tiny_model, request, target)
    assert row is None and last["code"].size == 0
    return request, target, [row["lanes"] for _, row in frames], last["results"]


# ---- the walks -------------------------------------------------------------------------------------------


def test_each_lane_draws_what_the_tab_reverse_draws(tiny_model, raced):
    request, _, _, results = raced
    for (name, (sampler, variant)), result in zip(LANES.items(), results):
        alone = class_request(
            tiny_model, sampler=sampler, variant=variant, eta=0.5 if name == "ddim_eta" else 0,
            num_steps=STEPS[name],
        )  # fmt: skip
        *_, (arrays, _) = class_frames(tiny_model, alone)
        expected = to_uint8(torch.from_numpy(arrays["x_0_hat"])).numpy().astype(int)
        assert np.abs(expected - result).max() <= 1, name  # of which rounding may take one


def test_one_call_serves_all_lanes_whatever_their_t(tiny_model, calls):
    request = race_request(tiny_model)
    made = list(race(request.start(tiny_model), request.walks()))
    on_their_way = [sum(k < steps for steps in STEPS.values()) for k in range(6)]
    assert calls == [2 * 2 * number for number in on_their_way]  # two images, told the class and not
    assert [len(each) for each in made] == on_their_way
    assert {lane_step.step.t for lane_step in made[1].values()} == {800, 750, 667, 833, 500}
    assert all(lane_step.seconds > 0 for each in made for lane_step in each.values())


def test_with_more_steps_the_ode_comes_near_its_reference():
    start = Start(load_folder(ROOT / "checkpoints/mnist"), seed=0, num_images=1)
    for step in reference(start):
        target = step.x_s
    apart = {}
    for num_steps in (5, 20):
        lanes = {"dpm": Lane("dpm++2m", num_steps), "ddim": Lane("ddim", num_steps)}
        *_, made = race(start, lanes)
        apart |= {(name, num_steps): distance(made[name].step.x_s, target) for name in lanes}
    assert apart["dpm", 20] < apart["dpm", 5] / 3 and apart["ddim", 20] < apart["ddim", 5] / 1.5
    assert apart["dpm", 20] < apart["ddim", 20]


def test_a_reference_is_walked_once(tiny_model, calls, monkeypatch):
    monkeypatch.setattr(race_film, "REFERENCES", race_film.References(most=2))
    small = {"num_images": 1, "guidance_scale": 1}
    first, second = (race_request(tiny_model, seed=seed, **small) for seed in (5, 6))
    told = list(reference_of(tiny_model, first))
    assert [k for k, _ in told] == [*range(1, REFERENCE_STEPS), REFERENCE_STEPS]
    assert len(calls) == REFERENCE_STEPS
    for steps in (STEPS, STEPS | {"ddpm": 0}):  # the lanes make no difference
        ((k, again),) = reference_of(tiny_model, race_request(tiny_model, steps, seed=5, **small))
        assert k == REFERENCE_STEPS and torch.equal(again, told[-1][1])
    assert len(calls) == REFERENCE_STEPS
    other = replace(tiny_model)  # of the same name, perhaps with other weights
    for model, request in ((tiny_model, second), (other, first), (tiny_model, first)):
        list(reference_of(model, request))
    assert len(calls) == 4 * REFERENCE_STEPS  # only two are kept


# ---- what is asked for -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "steps, changes, key",
    [
        ([20] * 5, {}, "must_be_whole"),
        ("20,20,20,20,20,0", {}, "must_be_whole"),
        ([20, 20, 20, 20, 1.5, 0], {}, "must_be_whole"),
        ([1001, 0, 0, 0, 0, 0], {}, "must_be_whole"),
        ([0] * 6, {}, "race_nobody"),
        ([0] * 5 + [4], {}, "race_nobody"),  # it has no student
        ([1000, 1000, 1000, 901, 0, 0], {}, "race_too_long"),
        ([500, 500, 0, 0, 0, 0], {"num_images": 4}, "race_too_long"),
        ([5] * 6, {"num_images": 5}, "must_be_whole"),
        ([5] * 6, {"eta": 1.1}, "must_be_number"),
        ([5] * 6, {"class_label": "d"}, "must_be_one_of"),
    ],
)
def test_what_cannot_race_is_refused_in_a_sentence(tiny_model, steps, changes, key):
    start = labels()[key].split("{")[0]
    values = {"class_label": "b", "seed": 1, "num_images": 1, "model": "tiny", "guidance_scale": 1, "eta": 0}
    with pytest.raises(InputError) as refused:
        checked_race_request({"tiny": tiny_model}, steps, **(values | changes))
    assert str(refused.value).startswith(start) and str(refused.value).endswith(".")


def test_a_lane_without_steps_does_not_run(tiny_model):
    request = race_request(tiny_model, STEPS | {"ddpm": 0, "dpm": 0})
    assert list(request.lanes) == ["ddpm_without_z", "ddim", "ddim_eta"] and request.num_calls == 6
    assert request.lanes["ddpm_without_z"].variant == WITHOUT_Z
    assert [lane.eta for lane in request.lanes.values()] == [0, 0, 0.5]


# ---- a student -------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def taught(tiny_model):
    """The models of a page, with a student of the first."""
    net = deepcopy(tiny_model.net)
    with torch.no_grad():
        net.out[-1].bias.add_(0.2)
    about = {"settings": {"stage": "student", "init": "tiny"}}
    return {"tiny": tiny_model, "student": replace(tiny_model, name="student", net=net, about=about)}


def with_student(taught, steps):
    return checked_race_request(taught, steps, "b", 1, 2, "tiny", 1.5, 0.5)


def test_a_student_runs_in_a_lane_of_its_own_network(taught, calls):
    """It draws what it draws alone, and its teacher's lanes share their calls as ever."""
    request = with_student(taught, [3, 0, 0, 0, 2, 4])
    assert request.student is taught["student"] and request.num_calls == 4
    made = list(race(request.start(taught["tiny"]), request.walks()))
    assert [set(each) for each in made] == [{"ddpm", "dpm", "student"}] * 2 + [
        {"ddpm", "student"},
        {"student"},
    ]
    assert calls == [8, 8, 4]  # two images, with guidance, in two lanes and then one
    alone = class_request(taught["student"], sampler="ddpm", num_steps=4)
    *_, (arrays, _) = class_frames(taught["student"], alone)
    assert np.allclose(as_pixels(made[-1]["student"].step.x_s), arrays["x_0_hat"], atol=1e-4)


@pytest.mark.parametrize("steps", [3, 5, 20])
def test_a_student_walks_only_as_it_has_learned(taught, steps):
    with pytest.raises(InputError, match=f"A student has learned walks of 1, 2 and 4 .* asked for {steps}"):
        with_student(taught, [0, 0, 0, 0, 0, steps])


def test_the_choice_of_steps_opens_with_what_the_first_model_has(taught):
    markup = race_presets.lanes_choice(taught).html_template
    presets = json.loads(re.search("data-presets='([^']*)'", markup)[1])
    assert presets["first"] == "tiny" and presets["taught"] == ["tiny"]
    assert list(presets["models"]) == ["tiny", "student"]


def test_the_page_is_told_of_the_student(taught):
    request = with_student(taught, [0, 0, 0, 0, 0, 1])
    *_, last = race_messages.race_messages(taught["tiny"], request)
    assert "student “student”" in last["info"]["made"]["en"]
    assert last["info"]["lanes"] == {"student": {"num_steps": 1}}


def test_a_student_jumps_from_the_same_noises(taught):
    request = jump.checked_jump(taught, "b", 4, "tiny")
    messages = list(jump.jump_messages(taught["tiny"], request, taught["student"]))
    alone = class_request(
        taught["student"],
        sampler="ddim",
        num_steps=1,
        seed=4,
        num_images=8,
        class_label="b",
        guidance_scale=1,
    )
    *_, (arrays, _) = class_frames(taught["student"], alone)
    sent = np.frombuffer(base64.b64decode(messages[0]["info"]["student"]), np.uint8)
    expected = to_uint8(torch.from_numpy(arrays["x_0_hat"])).numpy().ravel().astype(int)
    assert np.abs(sent - expected).max() <= 1
    assert next(jump.jump_messages(taught["tiny"], request))["info"]["student"] is None


# ---- what the page gets ----------------------------------------------------------------------------------


def test_messages_are_the_race(tiny_model, raced):
    request, target, rows, _ = raced
    messages = list(race_messages.race_messages(tiny_model, request))
    json.dumps(messages)
    info = messages[-1]["info"]
    assert info["lanes"] == {name: {"num_steps": steps} for name, steps in STEPS.items() if steps}
    assert info["walk"] == {"seed": 1, "shape": [2, 16, 16, 1], "sent": None} and info["num_calls"] == 6
    shown = np.frombuffer(decode(info["reference"]), np.uint8).reshape(2, 16, 16, 1)
    assert (shown == to_uint8(torch.from_numpy(as_pixels(target))).numpy()).all()
    frames = {frame["k"]: frame for message in messages for frame in message["frames"]}
    assert sorted(frames) == list(range(7)) and frames[6] == {"k": 6, "pixels": "", "row": None}
    for k, lanes in enumerate(rows):
        sent = frames[k]["row"]["lanes"]
        assert {name: row["distance"] for name, row in sent.items()} == pytest.approx(
            {name: row["distance"] for name, row in lanes.items()}, abs=1e-4
        )
        assert len(decode(frames[k]["pixels"])) == sum(row["bytes"] for row in sent.values())
    assert rows[0]["ddpm_without_z"]["noise_weight"] == 0 < rows[0]["ddpm"]["noise_weight"]


def test_until_the_reference_is_there_its_progress_is_told(tiny_model):
    messages = race_messages.race_messages(
        tiny_model, race_request(tiny_model, seed=77, num_images=1, guidance_scale=1)
    )
    told = [next(messages)["reference"] for _ in range(REFERENCE_STEPS - 1)]
    assert told[36] == {"k": 37, "N": 100, "calls": 37, "predictions": 37}
    assert "film" in next(messages)


def test_the_page_says_how_far_the_reference_is_itself_from_more_steps(tiny_model, tiny_cats):
    assert race_presets.own_error(tiny_cats) == "The reference itself is 0.005 from 1,000 steps."
    assert race_presets.own_error(tiny_model) == ""  # which nobody has measured


def test_the_opening_race_is_run_once(tiny_model, calls):
    model = replace(tiny_model)
    first = list(race_messages.opening_messages({"tiny": model}))
    number = len(calls)
    (whole,) = race_messages.opening_messages({"tiny": model})
    assert len(calls) == number and whole["info"]["caption"] == "opening"
    frames = {frame["k"]: frame for message in first for frame in message.get("frames", [])}
    assert whole["frames"] == [frames[k] for k in range(21)] and whole["film"] == first[-1]["film"]


def test_jumps_are_of_one_class_and_the_first_step_of_walks(tiny_model):
    for label, class_label in (("*", "a"), ("b", "b"), ("", "")):
        request = jump.checked_jump({"tiny": tiny_model}, label, 4, "tiny")
        assert (request.class_label, request.num_images, request.guidance_scale) == (class_label, 8, 1)
    messages = list(jump.jump_messages(tiny_model, request))
    json.dumps(messages)
    assert messages[-1]["frames"][-1]["k"] == request.num_steps
    assert messages[0]["frames"][0]["row"]["t"] == tiny_model.schedule.num_timesteps


# ---- judges ----------------------------------------------------------------------------------------------


def verdicts_of(model, class_label, steps):
    """What is said of one image in each lane."""
    request = checked_race_request({model.name: model}, steps, class_label, 0, 1, model.name, 1.0, 0.5)
    messages = list(race_messages.race_messages(model, request))
    return judged_race({"race": messages[-1]["info"]["race"]})["verdicts"]


def test_digits_are_recognised_by_what_came_with_the_checkpoint():
    model = load_folder(ROOT / "checkpoints/mnist")
    verdicts = verdicts_of(model, "7", [0, 0, 5, 0, 5, 0])
    assert list(verdicts) == ["ddim", "dpm"]
    for ((said,),) in zip(verdicts.values()):
        assert said["digit"] == "7" and 0.5 < said["certainty"] <= 1


def test_cats_are_judged(tiny_cats):
    verdicts = verdicts_of(tiny_cats, "", [1, 0, 0, 0, 1, 0])
    assert verdicts == {name: [{"outcome": "cat_impossible", "hidden": False}] for name in ("ddpm", "dpm")}


def test_who_judges_depends_on_the_model(tiny_model, digit_checkpoint):
    assert judge_of(tiny_model) == NOBODY
    model = load_folder(digit_checkpoint)
    assert judge_of(model) == NO_CLASSIFIER
    (digit_checkpoint / "digit_classifier.safetensors").write_bytes(b"no file of weights")
    assert judge_of(replace(model)) == NO_CLASSIFIER
    assert verdicts_of(model, "1", [0, 0, 0, 0, 1, 0]) == {"dpm": [{}]}
    with pytest.raises(InputError):
        judged_race({"race": "nothing"})


# ---- the command -----------------------------------------------------------------------------------------


def test_the_benchmark_measures_all_that_the_page_claims(digit_checkpoint, monkeypatch, capsys):
    save_classifier(digit_checkpoint, DigitClassifier(), 0.1)
    monkeypatch.setattr(script, "STEPS", (1, 2))
    monkeypatch.setattr(script, "ROUNDS", 1)
    monkeypatch.setattr(script, "MANY_STEPS", 120)
    script.main(script.parse_arguments([str(digit_checkpoint), "--seeds", "2", "--num", "10"]))
    out = capsys.readouterr().out
    assert "| five lanes together |" in out and "| 2 seeds |" in out and "| ddpm_without_z |" in out
    with pytest.raises(SystemExit):
        script.parse_arguments(["checkpoints/mnist", "--only", "colour"])
