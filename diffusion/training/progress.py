"""What a training run tells while it lasts: a progress bar, and a log of its losses."""

import json
import math
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from tqdm import tqdm

from diffusion.devices import share_of_peak
from diffusion.files import to_json

LOG_FILE = "log.jsonl"
LOG_SECONDS = 5  # often enough to watch; a row waits for the device


class Progress:
    """A progress bar (without a terminal: a line now and then) and a JSONL log, for one `with` block.

    Args:
        file: the log. Rows already there are kept up to `images_seen`: later ones belong to steps that
            a killed run took after its last saved state, and that are taken again.
        total_images: of the whole run.
        images_seen: so far.
        batch_size: images per step.
        silent: neither show nor write anything; losses are checked all the same.
        flops_per_image: of a forward and backward pass.
        peak: FLOP/s that the machine is capable of; a row that exceeds it tells no share of it.
        begin_report: gets the rows that are kept, and returns what gets each new one.
    """

    def __init__(
        self,
        file: Path,
        total_images: int,
        images_seen: int,
        batch_size: int,
        *,
        silent: bool = False,
        flops_per_image: float = 0.0,
        peak: float = math.inf,
        begin_report: Callable[[list[dict[str, Any]]], Callable[[dict[str, Any]], None]] | None = None,
    ) -> None:
        terminal = sys.stderr.isatty()
        line = "{n_fmt} of {total_fmt} images [{elapsed}<{remaining}, {rate_fmt}{postfix}]\n"
        self.bar = tqdm(
            total=total_images,
            initial=images_seen,
            unit="img",
            unit_scale=True,
            mininterval=0.2 if terminal else math.inf,
            bar_format=None if terminal else line,
            disable=silent,
        )
        self.file, self.images_seen, self.batch_size = file, images_seen, batch_size
        self.flops_per_image, self.peak = flops_per_image, peak
        self.begin_report = begin_report
        self.report: Callable[[dict[str, Any]], None] | None = None
        self.losses: list[Tensor] = []
        self.learning_rate, self.next_log = 0.0, 0.0
        self.last = (time.monotonic(), images_seen)  # of the row before

    def __enter__(self) -> "Progress":
        if not self.bar.disable:
            kept = self._keep_rows_so_far()
            self.report = self.begin_report and self.begin_report(kept)
        return self

    def __exit__(self, *_: Any) -> None:
        self.bar.close()

    def _keep_rows_so_far(self) -> list[dict[str, Any]]:
        kept = []
        for row in self.file.read_text("utf-8").splitlines() if self.file.exists() else ():
            with suppress(ValueError, KeyError, TypeError):  # a torn row
                if json.loads(row)["images_seen"] <= self.images_seen:
                    kept.append(row + "\n")
        self.file.write_text("".join(kept), "utf-8")
        return [json.loads(row) for row in kept]

    def step(self, loss: Tensor, learning_rate: float) -> None:
        """Count one step, without waiting for its loss; now and then, log the mean of the last losses."""
        self.losses.append(loss)
        self.learning_rate = learning_rate
        self.images_seen += self.batch_size
        self.bar.update(min(self.batch_size, self.bar.total - self.bar.n))
        if time.monotonic() >= self.next_log:
            self.log()

    def log(self) -> None:
        """Log the mean of the losses since the last time.

        Raises:
            FloatingPointError: one of them is not finite; names its step.
        """
        if not self.losses:
            return
        values = torch.stack(self.losses).tolist()
        self.losses.clear()
        first_step = self.images_seen // self.batch_size - len(values) + 1
        for step, value in enumerate(values, first_step):
            if not math.isfinite(value):
                raise FloatingPointError(
                    f"The loss or its gradient is not finite at step {step:,}; what was saved is from before."
                )
        now, (before, seen_before) = time.monotonic(), self.last
        self.next_log, self.last = now + LOG_SECONDS, (now, self.images_seen)
        if self.bar.disable:
            return
        speed = (self.images_seen - seen_before) / max(now - before, 1e-9)
        flops = speed * self.flops_per_image
        share = share_of_peak(flops, self.peak)
        row = {
            "images_seen": self.images_seen,
            "loss": round(sum(values) / len(values), 6),
            "learning_rate": round(self.learning_rate, 9),
            "images_per_second": round(speed, 1),
            "tflops": round(flops / 1e12, 4),
            "share_of_peak": None if share is None else round(share, 4),
        }
        shown = {} if share is None else {"peak": f"{share:.0%}"}
        self.bar.set_postfix(loss=f"{row['loss']:.4f}", **shown)
        with open(self.file, "a", encoding="utf-8") as log:
            log.write(to_json(row) + "\n")
        if self.report:
            self.report(row)
