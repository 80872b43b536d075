"""The rows of a run's log, for a tracker too. Its package is optional, and imported where it is used.

What a tracker has of this run is always what the log has: when a run is resumed it gets the log's rows anew,
without those of steps that a killed run took and that are taken again.
"""

import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from importlib.util import find_spec
from pathlib import Path
from typing import Any

STEP = "images_seen"  # by which rows are counted
BOARD_FOLDER = "tensorboard"  # in the run's folder

Row = dict[str, Any]
Report = Callable[[Row], None]
Start = Callable[[bool], None]  # told whether the log has rows already


def why_no_reports(tracker: str | None) -> str | None:
    """None, or why a run cannot report to this tracker."""
    if tracker is None:
        return None
    if tracker not in TRACKERS:
        return f"--report-to can be {' or '.join(TRACKERS)}"
    if find_spec(tracker) is None:
        return f"--report-to {tracker} needs a package that is not installed: pip install {tracker}"
    return None


@contextmanager
def reporting(tracker: str | None, folder: Path, project: str) -> Iterator[Callable[[list[Row]], Report]]:
    """For one `with` block, what takes the rows of a log so far and returns what takes those to come.

    Args:
        tracker: one of TRACKERS, or None for none.
        folder: of the run.
        project: what runs are compared within.
    """
    opened = TRACKERS[tracker](folder, project) if tracker else nullcontext((_ignore, _ignore))
    with opened as (start, report):

        def begin(rows: list[Row]) -> Report:
            start(bool(rows))
            for row in rows:
                report(row)
            return report

        yield begin


def _ignore(_: Any) -> None:
    pass


def numbers(row: Row) -> dict[str, float]:
    """What a tracker can draw of a row."""
    return {name: value for name, value in row.items() if name != STEP and value is not None}


@contextmanager
def _tensorboard(folder: Path, _: str) -> Iterator[tuple[Start, Report]]:
    from torch.utils.tensorboard import SummaryWriter

    shutil.rmtree(folder / BOARD_FOLDER, ignore_errors=True)
    writer = SummaryWriter(str(folder / BOARD_FOLDER), flush_secs=10)

    def report(row: Row) -> None:
        for name, value in numbers(row).items():
            writer.add_scalar(name, value, row[STEP])

    try:
        yield _ignore, report
    finally:
        writer.close()


@contextmanager
def _trackio(folder: Path, project: str) -> Iterator[tuple[Start, Report]]:
    import trackio

    name = str(folder.resolve())

    def report(row: Row) -> None:
        trackio.log(numbers(row), step=row[STEP])

    def start(resumed: bool) -> None:
        if resumed:
            forget(trackio, project, name)
        trackio.init(project, name, embed=False, auto_log_gpu=False, auto_log_cpu=False)

    try:
        yield start, report
    finally:
        trackio.finish()


def forget(trackio: Any, project: str, name: str) -> None:
    """Delete what is stored of the run of this name."""
    try:
        runs = list(trackio.Api().runs(project))
    except ValueError:  # there is no such project
        return
    for run in runs:
        if run.name == name:
            run.delete()


TRACKERS: dict[str, Callable[[Path, str], Any]] = {"trackio": _trackio, "tensorboard": _tensorboard}
