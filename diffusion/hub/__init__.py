"""The Hugging Face Hub: models from folders or repos, folders to repos, pictures to train on.

`huggingface_hub` and `datasets` are imported where they are used, so that everything else works without
them.
"""

from diffusion.hub.client import HubError, why_not_pushable, why_unreachable
from diffusion.hub.loading import HUB_FILES, load_model, load_models, local_copy, model_folder, repo_of
from diffusion.hub.pictures import load_hub_pictures
from diffusion.hub.pushing import push_to_hub

__all__ = [
    "HUB_FILES",
    "HubError",
    "load_hub_pictures",
    "load_model",
    "load_models",
    "local_copy",
    "model_folder",
    "push_to_hub",
    "repo_of",
    "why_not_pushable",
    "why_unreachable",
]
