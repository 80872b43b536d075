"""Films as messages: planes, pace, and refusals told in a sentence."""

import asyncio
import base64
import json
import time

import gradio as gr
import numpy as np
import pytest

from diffusion.hub import HubError
from diffusion.models.folder import CheckpointError
from diffusion.pipelines.loading import PipelineError
from diffusion.ui.parts import streaming
from diffusion.ui.parts.inputs import InputError
from diffusion.ui.parts.line import Line
from diffusion.ui.parts.streaming import encode, film_id, in_line, per_step, stream_frames, whole_film
from diffusion.ui.text import LANGUAGES, speaking


def decode(pixels: str) -> np.ndarray:
    return np.frombuffer(base64.b64decode(pixels), np.uint8)


def some_frames(count):
    """Frames of two pictures and a file that grows; the last one has no row."""
    for k in range(count):
        pictures = np.arange(24, dtype=np.uint8).reshape(2, 3, 4)[:, :, ::-1] + k
        planes = {"x_t": pictures, "jpeg": np.full(5 + k, k, np.uint8)}
        yield planes, {"t": k} if k < count - 1 else None


def test_a_frame_is_its_planes_one_after_the_other():
    message = whole_film("film", {"made": "so"}, some_frames(3))
    assert json.loads(json.dumps(message)) == message and message["film"] == "film"
    planes = [{"name": "x_t", "shape": [2, 3, 4]}, {"name": "jpeg", "shape": [-1]}]
    assert message["info"] == {"made": "so", "planes": planes}
    for k, (frame, (arrays, row)) in enumerate(zip(message["frames"], some_frames(3), strict=True)):
        values = decode(frame["pixels"])
        assert (frame["k"], frame["row"]) == (k, row)
        assert np.array_equal(values[:24].reshape(2, 3, 4), arrays["x_t"])
        assert np.array_equal(values[24:], arrays["jpeg"])


@pytest.mark.parametrize("pause, sizes", [(0, [1, 2, 2, 2]), (60, [1, 4])])
def test_frames_are_sent_as_they_are_made_or_together_if_they_are_fast(monkeypatch, pause, sizes):
    monkeypatch.setattr(streaming, "MESSAGE_SECONDS", pause)
    messages = list(stream_frames("film", {}, some_frames(4)))
    assert [len(message["frames"]) for message in messages] == sizes
    assert {frame["k"] for message in messages for frame in message["frames"]} == {0, 1, 2, 3}


def test_every_film_has_an_id_of_its_own_in_every_language():
    made = set()
    for code in LANGUAGES:
        with speaking(code):
            made |= {film_id("a") for _ in range(3)}
    assert len(made) == 3 * len(LANGUAGES)


def test_an_array_is_encoded_in_its_own_order():
    turned = np.arange(6, dtype=np.uint8).reshape(2, 3).T
    assert decode(encode(turned)).tolist() == [0, 3, 1, 4, 2, 5]


# ---- in line ---------------------------------------------------------------------------------------------


def told(messages, *values, visitor="visitor", when=0.0):
    """What the page is told, but how long it took."""

    async def collect():
        ask, _ = in_line(messages, line=Line())
        return [sent async for sent in ask(gr.Request(session_hash=visitor), *values, when)]

    found = asyncio.run(collect())
    for message, _ in found:
        if message.get("progress"):
            assert message["progress"].pop("seconds") >= 0
    return found


def making(**message):
    return message | {"progress": {"ended": None}}


def ended(how, **message):
    return message | {"progress": {"ended": how}}


def test_seconds_count_from_the_turn_and_not_from_the_first_message():
    def late(seconds):
        time.sleep(seconds)
        yield {"k": 0}

    async def collect():
        ask, _ = in_line(late, line=Line())
        return [sent async for sent in ask(gr.Request(session_hash="visitor"), 0.3, 0.0)]

    assert all(message["progress"]["seconds"] >= 0.3 for message, _ in asyncio.run(collect()))


def test_the_last_message_comes_again_when_all_is_made():
    assert told(lambda number: ({"k": k} for k in range(number)), 2) == [
        (making(k=0), ""),
        (making(k=1), ""),
        (ended("whole", k=1), ""),
    ]


@pytest.mark.parametrize("error", [InputError, PipelineError, HubError, CheckpointError])
def test_a_refusal_becomes_the_last_output(error):
    def messages(number):
        yield {"k": 0}
        if number > 1:
            raise error("No more than one.")

    assert told(messages, 1) == [(making(k=0), ""), (ended("whole", k=0), "")]
    assert told(messages, 2) == [(making(k=0), ""), (ended("stopped", k=0), "No more than one.")]


def test_what_is_refused_at_once_leaves_the_view_as_it_is():
    def messages(number):
        raise InputError("No.")

    assert told(messages, 1) == [(gr.skip(), "No.")]


@pytest.mark.parametrize("when", [None, {}, [1], "word", "1", True, -1, float("nan"), float("inf"), 10**400])
def test_a_time_that_is_none_is_refused(when):
    _, give_up = in_line(lambda: iter([{}]))
    said = "The time of the wish must be a number from 0 to 9,007,199,254,740,991."
    assert told(lambda: iter([{}]), when=when) == [(gr.skip(), said)]
    with pytest.raises(InputError, match=said):
        asyncio.run(give_up(gr.Request(session_hash="visitor"), when))


def test_other_errors_are_not_hidden():
    with pytest.raises(ZeroDivisionError):
        told(lambda: iter([1 // 0]))


@pytest.mark.parametrize("scales, calls, predictions", [([1], 1, 1), ([2], 1, 2), ([0, 1], 2, 3)])
def test_guidance_costs_a_prediction_but_no_call(scales, calls, predictions):
    assert per_step(scales) == {"calls": calls, "predictions": predictions}
