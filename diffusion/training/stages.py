"""What each preset trains: its data, and its stage. One loop serves them all.

A stage has the network, the loss of a batch, and knows what is written in the end.
"""

from diffusion.data.emoji import load_emoji
from diffusion.data.sources import load_data
from diffusion.training.config import TrainConfig
from diffusion.training.latent_stages import Matching, Reconstruction, TextDiffusion
from diffusion.training.pixel_stage import Data, Diffusion

STAGES = {
    "diffusion": Diffusion,
    "autoencoder": Reconstruction,
    "matching": Matching,
    "text": TextDiffusion,
}


def load_training_data(config: TrainConfig, train: bool = True) -> Data | None:
    """The data a preset trains on, or what is held out of it; None where nothing is.

    Raises:
        DataError: it is neither there nor to be had, or broken.
    """
    if config.stage == "diffusion":
        return load_data(config.preset, config.data_dir, config.image_size, train)
    emoji = load_emoji(config.image_size, config.skin_tones, config.emoji_font)
    return emoji.subset(~emoji.held_out if train else emoji.held_out)
