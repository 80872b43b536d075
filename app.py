"""Understand diffusion models by touching one: python app.py

The environment variable MODEL names the checkpoints to show: folders or Hub repos, several with commas.
Address and port are Gradio's own: GRADIO_SERVER_NAME, GRADIO_SERVER_PORT.
"""

import os
import sys
from pathlib import Path

from diffusion.console import escape_output
from diffusion.hub import HubError, load_model
from diffusion.models.folder import CheckpointError
from diffusion.ui.page import build_page, launch_options, leave_no_upload_behind

# In checkpoints/; the first that is there is the default, and emoji has a tab of its own.
SHIPPED = ("cifar10", "mnist", "mnist-cosine", "mnist-linear", "emoji")


def main() -> None:
    escape_output()
    folder = Path(__file__).parent / "checkpoints"
    shipped = [str(folder / name) for name in SHIPPED if (folder / name / "config.json").exists()]
    named = [name.strip() for name in os.environ.get("MODEL", "").split(",") if name.strip()]
    sources = named or shipped
    if not sources:
        sys.exit("app.py: checkpoints/ is empty; set MODEL to a checkpoint's folder or Hub repo.")
    try:
        models = {model.name: model for model in map(load_model, sources)}
    except (CheckpointError, HubError) as error:
        sys.exit(f"app.py: {error}")
    page = build_page(models)
    leave_no_upload_behind(page)
    page.launch(**launch_options())


if __name__ == "__main__":
    main()
