"""Models on the Hugging Face Hub: load, push, and the model card.

`huggingface_hub` is imported where it is used, so that everything else works without it.
"""

from pathlib import Path
from typing import Any

import torch

from diffusion.checkpoint import (
    CONFIG_FILE,
    WEIGHTS_FILE,
    CheckpointError,
    Model,
    load_folder,
    write_atomically,
)

HUB_FILES = (
    CONFIG_FILE,
    WEIGHTS_FILE,
    "README.md",
    "film.png",
    "film.json",
    "samples.png",
    "metrics.json",
    "log.jsonl",
)


class HubError(RuntimeError):
    """The Hub could not be used; the message is one plain sentence saying why."""


def load_model(path_or_repo_id: str | Path, device: torch.device | str = "cpu") -> Model:
    """Load a model from a folder, or from the Hub ("user/name").

    Raises:
        CheckpointError: there is no usable model there; says what is wrong.
        HubError: the Hub could not be reached.
    """
    name = str(path_or_repo_id).rstrip("/").rpartition("/")[2]
    return load_folder(model_folder(path_or_repo_id), device, name or None)


def model_folder(path_or_repo_id: str | Path) -> Path:
    """The folder itself, or the local copy of a Hub repo ("user/name"). Raises as `load_model` does."""
    path = Path(path_or_repo_id)
    if path.is_dir():
        return path
    if len(path.parts) != 2 or path.is_absolute() or ".." in path.parts:
        raise CheckpointError(f"{path_or_repo_id} is neither a folder nor a Hub repo like user/name.")
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HfHubHTTPError, HFValidationError, LocalEntryNotFoundError

    try:
        return Path(snapshot_download(str(path_or_repo_id), allow_patterns=list(HUB_FILES)))
    except HFValidationError:
        raise CheckpointError(f"{path_or_repo_id} is not the name of a Hub repo.") from None
    except (HfHubHTTPError, LocalEntryNotFoundError, OSError) as error:
        raise HubError(f"{path_or_repo_id} could not be loaded from the Hub: {_reason(error)}") from None


def push_to_hub(path: Path, repo_id: str) -> str:
    """Create the model repo if need be, and upload a model's folder (not a run's state).

    Args:
        path: a folder that `load_model` can read.
        repo_id: "user/name".

    Returns:
        The address of the model's page.

    Raises:
        CheckpointError: the folder holds no usable model.
        HubError: no token, no network, or the Hub refused; the folder is untouched.
    """
    load_folder(path)
    from huggingface_hub import HfApi, get_token
    from huggingface_hub.errors import HfHubHTTPError, HFValidationError

    if not get_token():
        raise HubError("No Hugging Face token was found: run `hf auth login` or set HF_TOKEN.")
    try:
        api = HfApi()
        address = api.create_repo(repo_id, repo_type="model", exist_ok=True)
        api.upload_folder(repo_id=repo_id, folder_path=path, allow_patterns=list(HUB_FILES))
    except HFValidationError:
        raise HubError(f"{repo_id} cannot be a repo's name: use user/name.") from None
    except (HfHubHTTPError, OSError) as error:
        raise HubError(f"{path} could not be uploaded to {repo_id}: {_reason(error)}") from None
    return str(address)


def _reason(error: Exception) -> str:
    """The first line of what went wrong, or that there is no connection."""
    response = getattr(error, "response", None)
    if response is not None and response.status_code in (401, 403):
        return "the Hub does not accept the token for this repo, or the repo does not exist."
    if response is not None and response.status_code == 404:
        return "there is no such repo."
    if response is not None:
        return f"the Hub answered with status {response.status_code}."
    return "the Hub could not be reached; is there a network?"


def write_model_card(path: Path, model: Model, metrics: dict[str, Any]) -> None:
    """Write README.md into a model's folder: data, licence, settings, metrics, samples and how to use it."""
    about = model.about
    settings = "\n".join(f"| {k} | {v} |" for k, v in about["settings"].items())
    measured = "\n".join(f"- {name}: {value}" for name, value in metrics.items()) or "- none yet"
    parameters = sum(p.numel() for p in model.net.parameters())
    channels, height, width = model.sample_shape
    conditions = f", class-conditional ({len(model.classes)} classes)" if model.classes else ""
    card = CARD.format(
        name=model.name,
        parameters=f"{parameters / 1e6:.2f} million",
        size=f"{width}×{height}, {channels} channel{'s' * (channels > 1)}",
        conditions=conditions,
        schedule=model.schedule_name,
        prediction=model.prediction,
        settings=settings,
        metrics=measured,
        **{k: about[k] for k in ("data", "licence", "images_seen")},
    )
    write_atomically(path / "README.md", card.encode())


CARD = """---
license: apache-2.0
pipeline_tag: unconditional-image-generation
tags: [diffusion, ddpm, education]
---
# {name}

A diffusion model trained from scratch on {data}: a UNet of {parameters} parameters for pictures of
{size}{conditions}. It predicts {prediction} on the {schedule} schedule and has seen {images_seen:,} images. The file
holds the averaged (EMA) weights.

![Samples from fixed noise](samples.png)

## Use

```python
import torch
from diffusion import draw_noise, load_model, sample, timesteps

model = load_model("user/{name}")  # or this folder
x_T = draw_noise((4, *model.sample_shape), torch.Generator().manual_seed(0))
for step in sample(
    model.denoiser(), model.schedule, x_T, timesteps(model.schedule, 20), sampler="dpm++2m"
):
    x_0 = step.x_s  # (4, C, H, W) in [−1, 1]
```

`film.png` shows such a walk: a row for each image's x_t, ε̂ and x̂_0, a column for each step, with the
numbers in `film.json`.

## Measured

{metrics}

## Data and licence

Data: {data} ({licence}). Weights: Apache-2.0.

## Settings

| setting | value |
| --- | --- |
{settings}
"""
