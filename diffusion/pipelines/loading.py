"""Text-to-image pipelines of the Hub, such as Stable Diffusion: which can be used here, and loading one.

`diffusers` and `transformers` are imported where they are used, so that everything else works without
them. Only safetensors are read, and no code that a repo brings along is run.
"""

import gc
import json
from importlib.util import find_spec
from inspect import signature
from pathlib import Path
from typing import Any

import torch

from diffusion.addresses import repo_address
from diffusion.devices import best_device
from diffusion.hub import local_copy, why_unreachable
from diffusion.nets.step_cost import num_parameters

PACKAGES = ("diffusers", "transformers")
DESCRIPTIONS = ("model_index.json", "*/config.json")  # of a repo, enough to judge it
NO_SAFETENSORS = ("no file named", "necessary `safetensors`")  # how diffusers says it
OTHER_TASK = "AutoPipeline can't find"
DENOISERS = ("unet", "transformer")
MAX_CPU_PARAMETERS = 100_000_000  # of the denoiser: some seconds a step; Stable Diffusion's has 860 million
OPTIONS = {"prompt", "num_inference_steps", "guidance_scale", "generator", "callback_on_step_end"}


class PipelineError(RuntimeError):
    """A pipeline that cannot be used here; the message is one plain sentence saying why."""


class PipelineCache:
    """Holds one pipeline in memory: asked for another, it lets go of the one before first."""

    def __init__(self) -> None:
        self.name: str | None = None
        self.pipeline: Any = None

    def get(self, name: str) -> Any:
        """The pipeline of this folder or repo id. Raises as `load_pipeline` does."""
        if name != self.name:
            self.name = self.pipeline = None
            gc.collect()
            torch.cuda.empty_cache()
            self.pipeline = load_pipeline(name)
            self.name = name
        return self.pipeline


def missing_packages() -> str | None:
    """None, or a sentence saying what to install."""
    if all(find_spec(package) for package in PACKAGES):
        return None
    return f"Run `pip install {' '.join(PACKAGES)}` first: pipelines of the Hub need these packages."


def load_pipeline(name: str) -> Any:
    """Load a text-to-image pipeline, on the CPU: a folder as diffusers saves it, or a repo id ("user/name").

    What it is made of is judged from its JSON files, before any weights are fetched.

    Raises:
        PipelineError: no packages for it, no such pipeline, or one that cannot be used here.
        CheckpointError: `name` is neither a folder nor can it be a repo's name.
        HubError: the Hub could not be reached, or has no such repo.
    """
    if missing := missing_packages():
        raise PipelineError(missing)
    folder = local_copy(name, DESCRIPTIONS)
    index = read_json(folder / "model_index.json", name)
    denoiser = check_parts(name, index)
    check_class(name, index.get("_class_name"))
    if best_device() == "cpu" and (size := count_parameters(folder / denoiser, name)) > MAX_CPU_PARAMETERS:
        raise PipelineError(
            f"{name} needs a GPU, and this machine has none: its denoiser has {size / 1e6:,.0f} million"
            f" parameters, and on a CPU at most {MAX_CPU_PARAMETERS / 1e6:,.0f} million are run."
        )
    pipeline = _read_weights(name, folder)
    pipeline.set_progress_bar_config(disable=True)
    return pipeline


def read_json(path: Path, name: str) -> dict[str, Any]:
    """A JSON file of the pipeline. Raises PipelineError if it has none such."""
    try:
        content = json.loads(path.read_text("utf-8"))
    except (OSError, ValueError):
        content = None
    if not isinstance(content, dict):
        raise PipelineError(f"{name} is no pipeline: it has no readable {path.name}.")
    return content


def check_parts(name: str, index: dict[str, Any]) -> str:
    """Which part denoises: one of DENOISERS.

    Args:
        index: of model_index.json: part → [library, class].

    Raises:
        PipelineError: text-to-image needs another part, or one of them is code of the repo's own.
    """
    parts = {k: v for k, v in index.items() if isinstance(v, list) and len(v) == 2 and v[1]}
    own_code = [part for part, (library, _) in parts.items() if not _is_known(library)]
    if own_code:
        raise PipelineError(f"{name} brings code of its own ({', '.join(own_code)}), which is not run here.")
    denoiser = next((part for part in DENOISERS if part in parts), None)
    if denoiser is None or "vae" not in parts or "text_encoder" not in parts:
        raise PipelineError(
            f"{name} is no text-to-image pipeline: that has a unet or transformer, a vae and a text_encoder."
        )
    return denoiser


def check_class(name: str, class_name: Any) -> None:
    """Raises PipelineError if pipelines of this class cannot show their latents step by step."""
    import diffusers

    kind = getattr(diffusers, class_name, None) if isinstance(class_name, str) else None
    if not isinstance(kind, type) or not issubclass(kind, diffusers.DiffusionPipeline):
        raise PipelineError(f"{name} is of a class that this version of diffusers does not have.")
    takes = signature(kind.__call__).parameters
    if not takes.keys() >= OPTIONS or "latents" not in getattr(kind, "_callback_tensor_inputs", ()):
        raise PipelineError(f"{name}, a {class_name}, does not show its steps.")
    if hasattr(kind, "_pack_latents"):
        raise PipelineError(f"{name}, a {class_name}, packs its latents into tokens, which are no pictures.")


def _is_known(library: Any) -> bool:
    """Whether a model_index.json may name classes of it: the packages, and the pipelines of diffusers."""
    if not isinstance(library, str) or not library.isidentifier():
        return False
    return library in PACKAGES or find_spec(f"diffusers.pipelines.{library}") is not None


def count_parameters(folder: Path, name: str) -> int:
    """How many parameters a diffusers model has, from its config.json alone."""
    import diffusers

    config = read_json(folder / "config.json", name)
    try:
        with torch.device("meta"):
            model = getattr(diffusers, config["_class_name"]).from_config(config)
    except Exception as error:  # whatever a wrong value leads to
        raise PipelineError(f"{name} has a {folder.name} that cannot be built: {first_line(error)}") from None
    return num_parameters(model)


def _read_weights(name: str, folder: Path) -> Any:
    """The pipeline; of a repo, whose JSON files are in `folder`, all that is not here yet is fetched."""
    from diffusers import AutoPipelineForText2Image

    repo = None if folder == Path(name) else repo_address(name)
    try:
        return AutoPipelineForText2Image.from_pretrained(
            repo.repo_id if repo else name,
            revision=repo and repo.revision,
            use_safetensors=True,  # others would be unpickled, which can run anything
            trust_remote_code=False,
            local_files_only=repo is not None and why_unreachable() is not None,
            dtype=torch.float16 if best_device() == "cuda" else torch.float32,
        )
    except Exception as error:  # diffusers raises anything, from OSError to KeyError
        reason = first_line(error).replace(str(folder), name)
        if any(sign in reason for sign in NO_SAFETENSORS):
            raise PipelineError(f"{name} lacks safetensors, and no other weights are read.") from error
        if OTHER_TASK in reason:
            raise PipelineError(f"{name} is made for another task than text to image.") from error
        raise PipelineError(f"{name} could not be loaded: {reason}") from error


def first_line(error: BaseException) -> str:
    return (str(error).strip().partition("\n")[0] or type(error).__name__).rstrip(".: ") + "."
