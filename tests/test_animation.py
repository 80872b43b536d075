"""Films made into files: what is in them, and what is refused."""

import asyncio
import base64
import io
from threading import Event

import numpy as np
import pytest
from pictures import encoded
from PIL import Image, ImageSequence

from diffusion.ui.parts import animation as module
from diffusion.ui.parts.animation import KINDS, MOST_FRAMES, animation, animation_file
from diffusion.ui.parts.inputs import InputError


def asked(pictures: np.ndarray, kind: str = "webp", **changes) -> dict:
    """A request for pictures, (K, H, W, 3), one below the other."""
    sheet = Image.fromarray(pictures.reshape(-1, *pictures.shape[2:]))
    file = base64.b64encode(encoded(sheet, "PNG")).decode()
    return {"kind": kind, "count": len(pictures), "scale": 4, "file": file} | changes


def noise(count=5, height=12, width=20, colours=256) -> np.ndarray:
    return np.random.default_rng(0).integers(0, colours, (count, height, width, 3), np.uint8)


def frames_of(content: bytes) -> np.ndarray:
    with Image.open(io.BytesIO(content)) as file:
        return np.stack([np.asarray(frame.convert("RGB")) for frame in ImageSequence.Iterator(file)])


def enlarged(pictures: np.ndarray, scale: int = 4) -> np.ndarray:
    return pictures.repeat(scale, axis=1).repeat(scale, axis=2)


def test_a_webp_loses_nothing():
    pictures = noise()
    assert (frames_of(animation_file(asked(pictures))) == enlarged(pictures)).all()


def test_a_gif_has_each_frames_own_colours():
    few = noise(colours=6)  # 216 colours at most
    assert (frames_of(animation_file(asked(few, "gif"))) == enlarged(few)).all()
    grey = np.broadcast_to(
        np.random.default_rng(0).integers(0, 256, (3, 40, 40, 1), np.uint8), (3, 40, 40, 3)
    )
    assert (frames_of(animation_file(asked(grey, "gif", scale=1))) == grey).all()
    many = noise(height=40, width=40)
    shown = frames_of(animation_file(asked(many, "gif")))
    assert all(len(np.unique(frame.reshape(-1, 3), axis=0)) <= 256 for frame in shown)
    assert np.abs(shown.astype(int) - enlarged(many)).mean() < 20


@pytest.mark.parametrize("kind", KINDS)
def test_it_runs_for_ever_and_rests_on_the_last_frame(kind):
    with Image.open(io.BytesIO(animation_file(asked(noise(), kind)))) as file:
        assert (file.format, file.n_frames, file.info["loop"]) == (kind.upper(), 5, 0)
        durations = []
        for frame in ImageSequence.Iterator(file):
            frame.load()
            durations.append(frame.info["duration"])
    assert durations == [200] * 4 + [2000]


@pytest.mark.parametrize("kind", KINDS)
def test_one_frame_is_a_file_too(kind):
    assert len(frames_of(animation_file(asked(noise(1), kind)))) == 1


@pytest.mark.parametrize(
    "changes, told",
    [
        ({"kind": "mp4"}, "The kind of file must be one of: gif, webp"),
        ({"count": 0}, "from 1 to 60"),
        ({"count": MOST_FRAMES + 1}, "from 1 to 60"),
        ({"count": 2.5}, "whole number"),
        ({"count": 7}, "do not fit together"),  # 60 rows of pixels are no seven frames
        ({"scale": 0}, "from 1 to 64"),
        ({"scale": 26}, "too large"),  # 520 pixels wide
        ({"file": "?"}, "picture"),
        ({"file": None}, "picture"),
        ({"file": base64.b64encode(b"GIF89a").decode()}, "not a readable picture"),
    ],
)
def test_what_is_refused(changes, told):
    with pytest.raises(InputError, match=told):
        animation_file(asked(noise(), **changes))


def test_a_sheet_with_too_many_pixels_is_refused():
    with pytest.raises(InputError, match="too large"):
        animation_file(asked(np.zeros((2, 1024, 2049, 3), np.uint8), scale=1))


def test_one_is_made_at_a_time_and_only_some_may_wait(monkeypatch):
    begun, go_on = Event(), Event()

    def slow(request):
        begun.set()
        go_on.wait(60)
        return b"made"

    async def ask_often():
        tasks = [asyncio.create_task(animation({})) for _ in range(module.MOST_WAITING)]
        await asyncio.to_thread(begun.wait, 60)
        with pytest.raises(InputError, match="try again in a minute"):
            await animation({})
        go_on.set()
        return await asyncio.gather(*tasks)

    with monkeypatch.context() as patch:
        patch.setattr(module, "animation_file", slow)
        answers = asyncio.run(ask_often())
    assert answers == [{"file": base64.b64encode(b"made").decode()}] * module.MOST_WAITING
    assert asyncio.run(animation(asked(noise())))["file"], "there is room again"
