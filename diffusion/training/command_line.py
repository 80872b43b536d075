"""train.py's command line: a preset, and the few settings that can be changed."""

import argparse
from collections.abc import Iterator
from dataclasses import Field, replace
from pathlib import Path
from typing import Any, get_args

import torch

from diffusion.addresses import repo_address
from diffusion.names import is_text, on_disk
from diffusion.schedules import SCHEDULES
from diffusion.training.config import (
    GRID,
    MAX_IMAGE_SIZE,
    DiffusionSettings,
    FolderData,
    PixelDiffusionSettings,
    StudentSettings,
    TrainConfig,
    default_settings,
    settings_of,
    with_settings,
)
from diffusion.training.distributed import COMPILED, world_size
from diffusion.training.presets import PRESETS
from diffusion.training.reports import why_no_reports
from diffusion.training.run_state import saved_settings

# What follows from --image-size and --init, with which a run that is begun goes on as it began.
OF_SIZE = ("image_size", "patch_size", "channel_mult")
OF_INIT = ("init", "learning_rate", "decay")


def flags() -> dict[str, "Field[Any]"]:
    """The setting that each flag changes, of whichever preset has it."""
    fields = (each for preset in PRESETS.values() for each, _ in settings_of(preset))
    return {"--" + each.name.replace("_", "-"): each for each in fields if "help" in each.metadata}


def parse_config(arguments: list[str] | None = None) -> TrainConfig:
    """The preset named on the command line, with the flags' values in place of its own."""
    parser = argparse.ArgumentParser(description="Train a diffusion model.")
    parser.add_argument("preset", choices=PRESETS)
    for name, each in flags().items():
        options = {"default": argparse.SUPPRESS, "help": each.metadata["help"]}
        kind = (get_args(each.type) or [each.type])[0]
        if kind is bool:
            parser.add_argument(name, action="store_true", **options)
        else:
            kind = on_disk if kind is Path else kind
            parser.add_argument(name, type=kind, metavar=each.metadata["metavar"], **options)
    given = vars(parser.parse_args(arguments))
    preset = PRESETS[given.pop("preset")]
    known = {each.name for each, _ in settings_of(preset) if "help" in each.metadata}
    for name, each in flags().items():
        if each.name in given and each.name not in known:
            parser.error(f"{name} means nothing to the preset {preset.preset}")
    if {"dataset", "data_dir"} <= given.keys():
        parser.error("--dataset and --data-dir name two sources: give one of them")
    config = with_consequences(with_settings(preset, given))
    held = {name: value for name, value in begun_settings(config).items() if _holds(name, value, given)}
    config = with_settings(config, held)
    for message in refusals(config):
        parser.error(message)
    return config


def with_consequences(config: TrainConfig) -> TrainConfig:
    """With what follows from the pictures' size, and from beginning with another model's weights."""
    if isinstance(config.stage.data, FolderData):
        config = with_settings(config, {"patch_size": config.stage.data.patch_size})
    if _refines(config):  # what it knows is refined: half the rate, which falls all the way
        config = replace(config, learning_rate=config.learning_rate / 2, decay=1 - config.warmup)
    return config


def begun_settings(config: TrainConfig) -> dict[str, Any]:
    """By name what the run in the output folder, if one is begun there, goes on with unless it is told."""
    begun = saved_settings(config.out) or {}
    if begun.get("preset") != config.preset:
        return {}
    names = [*OF_SIZE, "dataset"] if isinstance(config.stage.data, FolderData) else []
    is_student = isinstance(config.stage, StudentSettings)  # it needs its teacher, wherever that lies now
    names += OF_INIT if not is_student and (begun.get("init") or _init(config)) else ()
    then = default_settings(config) | begun
    return {name: tuple(then[name]) if isinstance(then[name], list) else then[name] for name in names}


def _holds(name: str, value: Any, given: dict[str, Any]) -> bool:
    """Whether a setting of a run that is begun stays, as nothing else was named: of a data set that is named
    without a revision its commit does."""
    if name != "dataset" or name not in given:
        return name not in given and not (name == "dataset" and "data_dir" in given)
    typed, begun = repo_address(given[name], "dataset"), repo_address(value or "", "dataset")
    return typed is not None and begun is not None and typed == replace(begun, revision=None)


def _init(config: TrainConfig) -> str | None:
    return config.stage.init if isinstance(config.stage, PixelDiffusionSettings) else None


def _refines(config: TrainConfig) -> bool:
    """Whether a run goes on learning what it begins with; a student learns something else from it."""
    return bool(_init(config)) and not isinstance(config.stage, StudentSettings)


def refusals(config: TrainConfig) -> Iterator[str]:
    """What is wrong with its values, a sentence each."""
    if min(config.total_images, config.batch_size) < 1:
        yield "--total-images and --batch-size must be at least 1"
    if config.batch_size % world_size():
        yield f"--batch-size must be a multiple of the {world_size()} processes"
    data = config.stage.data
    if isinstance(data, FolderData) and data.data_dir.resolve() == config.out.resolve():
        yield "--out must be another folder than --data-dir"
    if isinstance(data, FolderData) and data.dataset is not None and not _is_data_set(data.dataset):
        yield "--dataset must name a data set of the Hub, user/name or user/name@revision"
    if (init := _init(config)) == "":
        yield "--init must name a checkpoint, a folder or a Hub repo"
    elif init and on_disk(init).resolve() == config.out.resolve() and not saved_settings(config.out):
        yield "--out must be another folder than --init, whose checkpoint it would overwrite"
    if isinstance(data, FolderData) and data.image_size not in range(GRID, MAX_IMAGE_SIZE + 1, GRID):
        yield f"--image-size must be a multiple of {GRID}, up to {MAX_IMAGE_SIZE}"
    if not is_text(config.out.resolve().name):
        yield "--out has a name that is no text in UTF-8"
    if config.push_to_hub and not isinstance(config.stage, DiffusionSettings):
        yield "--push-to-hub takes a model that draws, and this is a part of one"
    if config.public and not config.push_to_hub:
        yield "--public goes with --push-to-hub"
    if config.time_limit is not None and not config.time_limit > 0:
        yield "--time-limit must be above 0 seconds"
    if config.minutes is not None and not config.minutes > 0:
        yield "--minutes must be above 0"
    if isinstance(config.stage, DiffusionSettings) and config.stage.schedule not in SCHEDULES:
        yield f"--schedule can be {' or '.join(SCHEDULES)}"
    if config.compile not in (None, *COMPILED):
        yield f"--compile can be {' or '.join(COMPILED)}"
    if reason := why_no_reports(config.report_to):
        yield reason
    if not 0 <= config.seed < 2**32:
        yield "--seed must be from 0 to 2^32 − 1"
    devices = ("cpu", "cuda") if torch.cuda.is_available() else ("cpu",)
    if config.device not in (None, *devices):
        yield f"--device can be {' or '.join(devices)} here"


def _is_data_set(text: str) -> bool:
    address = repo_address(text, "dataset")
    return address is not None and address.kind == "dataset"
