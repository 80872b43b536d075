"""Models on the Hugging Face Hub: load, push, and the model card.

`huggingface_hub` is imported where it is used, so that everything else works without it.
"""

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import torch

from diffusion.checkpoint import MODEL_FILES, CheckpointError, Model, load_folder
from diffusion.weights import write_atomically

METRICS_FILE = "metrics.json"
HUB_FILES = (  # globs
    *MODEL_FILES,
    METRICS_FILE,
    "README.md",
    "film.png",
    "film.json",
    "samples.png",
    "log.jsonl",
    "curves.json",
    "training.png",
    "training.json",
    "examples.png",
    "atlas.png",
    "atlas.json",
)
CONNECT_SECONDS = 10
DATASETS = {"MNIST": "ylecun/mnist", "CIFAR-10": "uoft-cs/cifar10"}  # the Hub's names of known data


class HubError(RuntimeError):
    """The Hub could not be used; the message is one plain sentence saying why."""


def load_model(path_or_repo_id: str | Path, device: torch.device | str = "cpu") -> Model:
    """Load a model from a folder, or from the Hub ("user/name").

    Raises:
        CheckpointError: there is no usable model there; says what is wrong.
        HubError: the Hub could not be reached, or has no such repo.
    """
    folder = model_folder(path_or_repo_id)
    if folder == Path(path_or_repo_id):
        return load_folder(folder, device)
    try:
        return load_folder(folder, device, str(path_or_repo_id).partition("/")[2])
    except CheckpointError as error:  # names the repo, not its place in the cache
        raise CheckpointError(str(error).replace(str(folder), str(path_or_repo_id))) from None


def model_folder(path_or_repo_id: str | Path) -> Path:
    """The folder itself, or the local copy of a Hub repo ("user/name"). Raises as `load_model` does."""
    return local_copy(path_or_repo_id, HUB_FILES)


def local_copy(path_or_repo_id: str | Path, files: Iterable[str]) -> Path:
    """As `model_folder`, for a repo of any kind, of which it fetches only these files (globs)."""
    path = Path(path_or_repo_id)
    if path.is_dir():
        return path
    if len(path.parts) != 2 or path.is_absolute() or ".." in path.parts:
        raise CheckpointError(f"{path_or_repo_id} is neither a folder nor a Hub repo like user/name.")
    hub = _client()
    unreachable = why_unreachable()
    try:
        options = {"allow_patterns": list(files), "local_files_only": bool(unreachable)}
        return Path(hub.snapshot_download(path.as_posix(), **options))
    except hub.errors.HFValidationError:
        raise CheckpointError(f"{path} is neither a folder nor the name of a Hub repo.") from None
    except Exception as error:  # the client lets its HTTP library's errors through
        reason = unreachable or _reason(error)
        raise HubError(f"{path} is no folder here, and could not be loaded from the Hub: {reason}") from None


def push_to_hub(path: str | Path, repo_id: str) -> str:
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
    load_folder(Path(path))
    hub = _client()
    failed = f"{path} was not uploaded to {repo_id}"
    if repo_id.count("/") != 1:
        raise HubError(f"{failed}: that cannot be a repo's name, use user/name.")
    if not hub.get_token():
        raise HubError(f"{failed}: there is no Hugging Face token, run `hf auth login` or set HF_TOKEN.")
    unreachable = why_unreachable()
    if unreachable:
        raise HubError(f"{failed}: {unreachable}")
    try:
        api = hub.HfApi()
        address = api.create_repo(repo_id, repo_type="model", exist_ok=True)
        # In one commit: weights that the folder does not have, in one file or in shards, go from the repo.
        patterns = {"allow_patterns": list(HUB_FILES), "delete_patterns": list(MODEL_FILES)}
        api.upload_folder(repo_id=repo_id, folder_path=path, **patterns)
    except hub.errors.HFValidationError:
        raise HubError(f"{failed}: that cannot be a repo's name, use user/name.") from None
    except Exception as error:  # the client lets its HTTP library's errors through
        raise HubError(f"{failed}: {_reason(error)}") from None
    return str(address)


def _client() -> Any:
    try:
        import huggingface_hub
        import huggingface_hub.errors
    except ImportError:
        raise HubError("The Hub needs the package huggingface_hub, which is not installed.") from None
    return huggingface_hub


def why_unreachable() -> str | None:
    """None, or within seconds why there is no connection: the client itself would try for minutes."""
    hub = _client()
    try:
        hub.get_session().head(hub.constants.ENDPOINT, timeout=CONNECT_SECONDS)
    except hub.errors.OfflineModeIsEnabled:
        return "HF_HUB_OFFLINE is set."
    except Exception:  # of whatever HTTP library this version of the client uses
        return f"{hub.constants.ENDPOINT} cannot be reached; check the network."
    return None


def _reason(error: BaseException) -> str:
    """What went wrong, in half a sentence."""
    while getattr(error, "response", None) is None and error.__cause__ is not None:
        error = error.__cause__
    response = getattr(error, "response", None)
    if response is None:
        return getattr(error, "strerror", None) or str(error).partition("\n")[0] or type(error).__name__
    if response.status_code in (401, 403):
        return "the Hub does not accept the token for this repo, or there is no such repo."
    if response.status_code == 404:
        return "there is no such repo."
    return f"the Hub answered with status {response.status_code}."


def load_metrics(path: Path) -> dict[str, Any]:
    """The figures in a model's folder; none if it has none, or none that can be read."""
    try:
        metrics = json.loads((path / METRICS_FILE).read_text("utf-8"))
    except (OSError, ValueError):
        return {}
    return metrics if isinstance(metrics, dict) else {}


def write_metrics(path: Path, metrics: dict[str, Any]) -> None:
    """Write metrics.json into a folder."""
    content = json.dumps(metrics, indent=1, ensure_ascii=False)
    write_atomically(path / METRICS_FILE, content.encode())


def save_metrics(path: Path, model: Model, metrics: dict[str, Any]) -> None:
    """The same into a model's folder, with the model card that shows it."""
    write_metrics(path, metrics)
    write_model_card(path, model, metrics)


def write_model_card(path: Path, model: Model, metrics: dict[str, Any]) -> None:
    """Write README.md into a model's folder: data, licence, settings, metrics, samples and how to use it."""
    about = {"data": "unknown data", "licence": "unknown", "images_seen": 0, "settings": {}} | model.about
    parameters = sum(p.numel() for part in model.parts().values() for p in part.parameters())
    dataset = next((DATASETS[title] for title in DATASETS if about["data"].startswith(title)), None)
    card = CARD.format(
        licence_of_weights="apache-2.0" if dataset else "other",
        datasets=f"datasets:\n- {dataset}\n" if dataset else "",
        name=model.name,
        parameters=f"{parameters / 1e6:.2f} million",
        size=_size(model),
        task="unconditional-image-generation" if model.text is None else "text-to-image",
        network="a UNet" if model.text is None else "UNet, text encoder and autoencoder",
        film=FILM if (path / "film.png").exists() else "",
        conditions=f", class-conditional ({len(model.classes)} classes)" if model.classes else "",
        told=_told(model),
        schedule=model.schedule_name,
        prediction=PREDICTED[model.prediction],
        settings="\n".join(f"| {name} | {value} |" for name, value in about["settings"].items()),
        metrics="\n".join(f"- {name}: {value}" for name, value in metrics.items()) or "- nothing yet",
        weights="Apache-2.0" if dataset else "as the data allows",
        history=HISTORY if (path / "training.png").exists() else "",
        **{k: about[k] for k in ("data", "licence", "images_seen")},
    )
    write_atomically(path / "README.md", card.encode())


def _size(model: Model) -> str:
    channels, height, width = model.sample_shape
    if model.autoencoder is None:
        return f"{width}×{height}, {channels} channel{'s' * (channels > 1)}"
    _, rows, columns = model.image_shape
    return f"{columns}×{rows}, drawn as latents of {width}×{height} with {channels} channels"


def _told(model: Model) -> str:
    """What the card's example tells the denoiser."""
    if model.text is not None:
        return 'prompts=["red heart", "고양이 얼굴", "chien", "车"], guidance_scale=3.0'
    return "class_labels=torch.arange(4)" if len(model.classes or ()) >= 4 else ""


PREDICTED = {"epsilon": "the noise ε", "v": "v = √ᾱ_t ε − √(1 − ᾱ_t) x_0", "sample": "the picture x_0"}
FILM = """`film.png` shows such a walk: three rows for each image, x_t, ε̂ and x̂_0, a column for each step; the
numbers are in `film.json`.
"""
HISTORY = """`training.png` shows what the network drew from the same noise while it learned, a column for
each of the moments in `training.json`.
"""
CARD = """---
license: {licence_of_weights}
library_name: pytorch
pipeline_tag: {task}
{datasets}tags:
- diffusion
- ddpm
- unet
- education
---
# {name}

A diffusion model trained from scratch on {data}: {network} of {parameters} parameters for pictures of
{size}{conditions}.
It predicts {prediction} on the {schedule} schedule
and has seen {images_seen:,} images. Its weights are averages (EMA).

![Samples from fixed noise](samples.png)

## Use

```python
import torch
from diffusion import draw_noise, load_model, sample, timesteps

model = load_model("user/{name}")  # or this folder
x_T = draw_noise((4, *model.sample_shape), torch.Generator().manual_seed(0))
denoise = model.denoiser({told})
for step in sample(denoise, model.schedule, x_T, timesteps(model.schedule, 20), sampler="dpm++2m"):
    images = model.decode(step.x_s)  # (4, C, H, W) in [−1, 1]
```

The losses of the run are in `log.jsonl`.
{film}{history}
## Measured

{metrics}

## Data and licence

Data: {data} ({licence}). Weights: {weights}.

## Settings

| setting | value |
| --- | --- |
{settings}
"""
