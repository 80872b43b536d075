"""Understand diffusion models by touching one: python app.py

The environment variable MODEL names the checkpoints to show: folders or Hub repos, several with commas.
Address and port are Gradio's own: GRADIO_SERVER_NAME, GRADIO_SERVER_PORT.
"""

import os
import sys
from pathlib import Path

from diffusion.console import escape_output
from diffusion.devices import best_device
from diffusion.hub import HubError, load_models
from diffusion.models.folder import CheckpointError
from diffusion.ui.parts.environment import SettingError, prepare_environment

# In checkpoints/; the first that is there is the default; those told by text have a tab of their own.
SHIPPED = (
    *("cats", "cifar10", "mnist", "mnist-cosine", "mnist-linear"),
    *("cats-student", "mnist-student"),  # lanes of their teachers' races
    *("cats-words", "emoji"),
)
LARGE = ("cats-large", "cats128")  # which are worth waiting for on a GPU alone: there they come first


def shipped_in(folder: Path, device: str) -> list[str]:
    """The folders of the checkpoints that are there, in the order in which this device is to show them."""
    names = (*SHIPPED, *LARGE) if device == "cpu" else (*LARGE, *SHIPPED)
    return [str(folder / name) for name in names if (folder / name / "config.json").exists()]


def main() -> None:
    escape_output()
    shipped = shipped_in(Path(__file__).parent / "checkpoints", best_device())
    named = [name.strip() for name in os.environ.get("MODEL", "").split(",") if name.strip()]
    if not named and not shipped:
        sys.exit("app.py: checkpoints/ is empty; set MODEL to a checkpoint's folder or Hub repo.")
    try:
        prepare_environment()
        from diffusion.ui import page  # and Gradio, which reads what is prepared

        shown = page.build_page(load_models(named or shipped, "meta"))
        page.leave_no_upload_behind(shown)
        shown.launch(**page.launch_options())
    except (CheckpointError, HubError, SettingError, OSError) as error:
        sys.exit(f"app.py: {error}")


if __name__ == "__main__":
    main()
