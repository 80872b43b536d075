"""A race as frames for the page: a frame for each call of the network, with what it brought to each lane."""

from collections import OrderedDict
from collections.abc import Iterator
from threading import Lock
from typing import Any
from weakref import ref

import numpy as np
import torch
from torch import Tensor

from diffusion.data.images import to_uint8
from diffusion.films.coding import Coding
from diffusion.films.film import as_pixels, step_row
from diffusion.films.race import REFERENCE_STEPS, LaneStep, distance, race, reference
from diffusion.models.model import Model
from diffusion.samplers import Step
from diffusion.ui.parts.gpu import Work, on_gpu, walking
from diffusion.ui.parts.race_request import RaceRequest
from diffusion.ui.parts.streaming import Planes, Row
from diffusion.ui.parts.variants import WITHOUT_Z
from diffusion.ui.parts.weights import need_weights

MOST_KEPT = 32  # references, of at most four small pictures each


class References:
    """The last references, by what they are of: a model by itself, not by its name."""

    def __init__(self, most: int = MOST_KEPT) -> None:
        self.most = most
        self.kept: OrderedDict[Any, Tensor] = OrderedDict()
        self.lock = Lock()

    def get(self, key: Any) -> Tensor | None:
        with self.lock:
            if key in self.kept:
                self.kept.move_to_end(key)
            return self.kept.get(key)

    def keep(self, key: Any, pictures: Tensor) -> None:
        with self.lock:
            self.kept[key] = pictures
            while len(self.kept) > self.most:
                self.kept.popitem(last=False)


REFERENCES = References()


def reference_of(model: Model, request: RaceRequest) -> Iterator[tuple[int, Tensor | None]]:
    """The reference that lanes are compared with, if need be worked out.

    Yields:
        How many of REFERENCE_STEPS are done; with the last of them the pictures, (B, C, H, W) on the CPU.
    """
    walk = request.any
    labels = walk.classes_in(model.classes or ())
    key = (ref(model), walk.seed, walk.num_images, labels and tuple(labels), walk.guidance_scale)
    if (pictures := REFERENCES.get(key)) is None:
        for k, pictures in walked_reference(model, request):
            if pictures is None:
                yield k, None
        assert pictures is not None
        REFERENCES.keep(key, pictures)
    yield REFERENCE_STEPS, pictures


def _reference_work(model: Model, request: RaceRequest) -> Work:
    return walking(REFERENCE_STEPS, request.any.num_images, [request.any.guidance_scale])


@on_gpu(_reference_work)
def walked_reference(model: Model, request: RaceRequest) -> Iterator[tuple[int, Tensor | None]]:
    """The same, always worked out."""
    for k, step in enumerate(reference(request.start(model)), 1):
        yield k, step.x_s.cpu() if k == REFERENCE_STEPS else None


def _race_work(model: Model, request: RaceRequest, target: Tensor) -> Work:
    walk, steps = request.any, sum(lane.num_steps for lane in request.lanes.values())
    return Work(request.num_calls, walking(steps, walk.num_images, [walk.guidance_scale]).pictures)


@on_gpu(_race_work)
def race_frames(model: Model, request: RaceRequest, target: Tensor) -> Iterator[tuple[Planes, Row]]:
    """A frame for each call of the network; then the results, without a row.

    A frame is the lanes' codes, one after the other; its row has in "lanes", by their names, the numbers of
    the steps that were made: as in a film, with "bytes", how long the code is, and "distance", of x̂_0 to the
    target. The last one is "results", (L, B, H, W, C) in the order of the lanes.
    """
    if request.student:
        need_weights(request.student)
    start = request.start(model)
    channels, height, width = model.sample_shape
    shape = (start.num_images, height, width, channels)
    codings = {name: Coding(shape) for name in request.lanes}
    results: dict[str, np.ndarray] = {}
    target = target.to(model.device)
    for made in race(start, request.walks()):
        codes, rows = b"", {}
        for name, lane_step in made.items():
            row = _row(model, request, name, lane_step)
            code = codings[name].encode(row["alphas_cumprod_t"], as_pixels(lane_step.step.x_0_hat))
            row |= {"bytes": len(code), "distance": distance(lane_step.step.x_0_hat, target)}
            codes, rows[name] = codes + code, row
            if lane_step.step.s == 0:
                results[name] = _shown(lane_step.step)
        yield {"code": np.frombuffer(codes, np.uint8)}, {"lanes": rows}
    in_order = np.stack([results[name] for name in request.lanes])
    yield {"code": np.empty(0, np.uint8), "results": in_order}, None


def _row(model: Model, request: RaceRequest, name: str, lane_step: LaneStep) -> dict[str, float]:
    row = step_row(lane_step.step, model.schedule, lane_step.seconds)
    if request.lanes[name].variant == WITHOUT_Z:
        row["noise_weight"] = 0.0  # of the step that was walked
    return row


def _shown(step: Step) -> np.ndarray:
    """A result as (B, H, W, C) uint8."""
    return to_uint8(torch.from_numpy(as_pixels(step.x_s))).numpy()
