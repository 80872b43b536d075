"""What each preset trains: its data, its network, the loss of a batch, and what is written in the end.

Three stages share one loop: diffusion on pictures; an autoencoder; diffusion on its latents, told by text.
"""

import json
from copy import deepcopy
from dataclasses import asdict, fields
from typing import Any

import torch
from torch import Tensor, nn

from diffusion.atlas import save_atlas
from diffusion.autoencoder import Autoencoder, AutoencoderConfig, psnr, reconstruction_loss
from diffusion.checkpoint import Model, load_autoencoder, save_autoencoder, save_model
from diffusion.config import FREE_TO_CHANGE, TrainConfig
from diffusion.data import ImageData, load_data, shuffled
from diffusion.emoji import LANGUAGE_SHARES, EmojiSet, captions, load_emoji
from diffusion.film import class_rows, make_film, save_film, save_reconstructions, save_samples
from diffusion.likelihood import describe_bits
from diffusion.losses import diffusion_loss, stratified_timesteps
from diffusion.machine import rank, world_size
from diffusion.pictures import to_signed
from diffusion.schedules import SCHEDULES
from diffusion.text import PromptedUNet, TextConfig, TextEncoder, drop_words, encode_words, train_tokenizer
from diffusion.unet import UNet, UNetConfig

HELD_OUT_IMAGES = 500
Data = ImageData | EmojiSet


def load_training_data(config: TrainConfig, train: bool = True) -> Data | None:
    """The data a preset trains on, or what is held out of it; None where nothing is.

    Raises:
        DataError: it is neither there nor to be had, or broken.
    """
    if config.stage == "diffusion":
        return load_data(config.preset, config.data_dir, config.image_size, train)
    emoji = load_emoji(config.image_size, config.skin_tones, config.emoji_font)
    return emoji.subset(~emoji.held_out if train else emoji.held_out)


class Diffusion:
    """E‖ε − ε_θ(x_t, t)‖² on pictures, with their class labels if they have any.

    Args:
        config: of the run.
        data: to train on, on `device`.
        device: where the network is built.
    """

    def __init__(self, config: TrainConfig, data: Data, device: torch.device) -> None:
        self.config, self.data, self.device = config, data, device
        self.schedule = SCHEDULES[config.schedule](config.num_timesteps).to(device)
        self.net = self.build().to(device)

    def build(self) -> nn.Module:
        classes = self.data.classes
        return self.unet(self.data.images.shape[1], num_classes=len(classes) if classes else None)

    def unet(self, in_channels: int, **conditions: int | None) -> UNet:
        """A UNet of the shape that the settings give."""
        config = self.config
        shape = {f.name: getattr(config, f.name) for f in fields(UNetConfig) if hasattr(config, f.name)}
        return UNet(UNetConfig(in_channels, **conditions, **shape))

    def batch(self, positions: range, generator: torch.Generator) -> tuple[Tensor, dict[str, Tensor]]:
        """x_0 and what the network is told about it, at these positions of the run."""
        x_0, labels = self.data.batch(positions, self.config.seed, generator)
        if labels is None:
            return x_0, {}
        dropped = torch.rand(len(x_0), generator=generator, device=self.device) < self.config.class_dropout
        return x_0, {"class_labels": torch.where(dropped, len(self.data.classes), labels)}

    def loss(self, forward: Any, positions: range, generator: torch.Generator) -> Tensor:
        """DDPM's Algorithm 1 on one process's share of a batch: its mean loss."""
        config = self.config
        x_0, told = self.batch(positions, generator)
        t = stratified_timesteps(len(x_0), config.num_timesteps, generator, rank(), world_size())
        noise = torch.randn(x_0.shape, generator=generator, device=self.device)
        how = {"prediction": config.prediction, "weighting": config.weighting} | told
        return diffusion_loss(forward, self.schedule, x_0, t, noise, **how).mean()

    def example(self, generator: torch.Generator) -> tuple[Tensor, ...]:
        """Arguments for the network, two pictures' worth, to count its operations with."""
        x_0, _ = self.batch(range(2), generator)
        return x_0, torch.ones(2, device=self.device)

    def with_weights(self, weights: dict[str, Tensor] | None) -> nn.Module:
        """A copy of the network to use, with these parameters in place of its own."""
        net = deepcopy(self.net).eval().requires_grad_(False)
        net.load_state_dict(net.state_dict() | (weights or {}))
        return net

    def about(self, images_seen: int) -> dict[str, Any]:
        """What the model card tells."""
        told = {"data": self.data.title, "licence": self.data.licence, "images_seen": images_seen}
        return told | {"settings": fixed_settings(self.config)}

    def model(self, weights: dict[str, Tensor] | None, images_seen: int) -> Model:
        """The network as a model, with these parameters in place of its own."""
        config, data, shape = self.config, self.data, tuple(self.data.images.shape[1:])
        what = (config.schedule, self.schedule.to("cpu"), config.prediction, shape, data.classes)
        return Model(config.out.resolve().name, self.with_weights(weights), *what, self.about(images_seen))

    def save_samples(self, file: Any, weights: dict[str, Tensor], images_seen: int) -> None:
        """A picture of what the network can do so far."""
        save_samples(file, self.model(weights, images_seen))

    def export(self, weights: dict[str, Tensor], images_seen: int) -> Model:
        """Write weights, samples and film into the run's folder, in the layout of the Hub."""
        out, model = self.config.out, self.model(weights, images_seen)
        save_model(out, model)
        save_samples(out / "samples.png", model)
        save_film(out, make_film(model, **class_rows(model, per_class=1)))
        return model

    def measure(self, model: Model, test: Data) -> dict[str, str]:
        """The variational bound on held-out images."""
        images, labels = (x[:HELD_OUT_IMAGES].to(self.device) for x in (test.images, test.labels))
        bits = describe_bits(model.denoiser(class_labels=labels), model.schedule, to_signed(images))
        return {"bits/dim": f"{bits}; the first {len(images)} test images of {test.title}"}


class TextDiffusion(Diffusion):
    """The same on latents, told by captions; UNet and text encoder are trained as one network."""

    def __init__(self, config: TrainConfig, data: EmojiSet, device: torch.device) -> None:
        self.autoencoder = load_autoencoder(config.autoencoder, device)
        images = to_signed(data.images)
        with torch.no_grad():
            self.latents = torch.cat([self.autoencoder.encode(part) for part in images.split(128)])
        texts = [captions(data, language) for language in data.names]
        everything = [caption for language in texts for each in language for caption in each]
        self.tokenizer = train_tokenizer(everything, config.vocabulary_size, config.num_tokens)
        tokens, words = encode_words(self.tokenizer, everything)
        shape = (len(texts), len(data.characters), -1, config.num_tokens)  # language, emoji, template
        self.tokens, self.words = tokens.view(shape).to(device), words.view(shape).to(device)
        self.nothing = encode_words(self.tokenizer, [""])[0].to(device)
        shares = [LANGUAGE_SHARES.get(language, LANGUAGE_SHARES["else"]) for language in data.names]
        self.shares = torch.tensor(shares, device=device)
        super().__init__(config, data, device)

    def build(self) -> PromptedUNet:
        config = self.config
        size = self.tokenizer.get_vocab_size()
        text = TextConfig(size, config.text_width, config.text_layers, config.num_tokens)
        unet = self.unet(self.latents.shape[1], context_dim=config.text_width)
        return PromptedUNet(unet, TextEncoder(text))

    def batch(self, positions: range, generator: torch.Generator) -> tuple[Tensor, dict[str, Tensor]]:
        """Latents and tokens: a language, a template, some words left out, sometimes all of them."""
        config, number = self.config, len(positions)
        index = shuffled(len(self.latents), positions, config.seed, self.device)
        language = self.shares.multinomial(number, replacement=True, generator=generator)
        how_many = self.tokens.shape[2]
        template = torch.randint(how_many, (number,), generator=generator, device=self.device)
        tokens, words = self.tokens[language, index, template], self.words[language, index, template]
        tokens = drop_words(tokens, words, config.word_dropout, generator)
        dropped = torch.rand(number, 1, generator=generator, device=self.device) < config.class_dropout
        return self.latents[index], {"tokens": torch.where(dropped, self.nothing, tokens)}

    def example(self, generator: torch.Generator) -> tuple[Tensor, ...]:
        x_0, told = self.batch(range(2), generator)
        return x_0, torch.ones(2, device=self.device), told["tokens"]

    def model(self, weights: dict[str, Tensor] | None, images_seen: int) -> Model:
        config, net = self.config, self.with_weights(weights)
        return Model(
            config.out.resolve().name,
            net.unet,
            config.schedule,
            self.schedule.to("cpu"),
            config.prediction,
            tuple(self.latents.shape[1:]),
            about=self.about(images_seen),
            text=net.text,
            tokenizer=self.tokenizer,
            autoencoder=self.autoencoder,
        )

    def export(self, weights: dict[str, Tensor], images_seen: int) -> Model:
        out, model = self.config.out, self.model(weights, images_seen)
        save_model(out, model)
        save_samples(out / "samples.png", model)
        config = self.config
        save_atlas(out, load_emoji(config.image_size, config.skin_tones, config.emoji_font))
        return model

    def measure(self, model: Model, test: Data) -> dict[str, str]:
        """Nothing here: whether a prompt gets what it says is measured by `benchmarks.prompts`."""
        return {}


class Reconstruction(Diffusion):
    """An autoencoder: pictures through a narrow latent and back."""

    def build(self) -> Autoencoder:
        config = self.config
        shape = {
            f.name: getattr(config, f.name) for f in fields(AutoencoderConfig) if hasattr(config, f.name)
        }
        return Autoencoder(AutoencoderConfig(**shape))

    def loss(self, forward: Any, positions: range, generator: torch.Generator) -> Tensor:
        images, noise = self.example(generator, positions)
        return reconstruction_loss(forward, images, noise).mean()

    def example(self, generator: torch.Generator, positions: range = range(2)) -> tuple[Tensor, ...]:
        index = shuffled(len(self.data.images), positions, self.config.seed, self.device)
        images = to_signed(shifted(self.data.images[index], self.config.max_shift, generator))
        shape = (len(images), *self.net.latent_shape(self.config.image_size))
        return images, torch.randn(shape, generator=generator, device=self.device)

    def trained(self, weights: dict[str, Tensor]) -> Autoencoder:
        """With these parameters, and latents of unit variance."""
        autoencoder = self.with_weights(weights)
        autoencoder.measure_latents(to_signed(self.data.images))
        return autoencoder

    def save_samples(self, file: Any, weights: dict[str, Tensor], images_seen: int) -> None:
        save_reconstructions(file, self.with_weights(weights), self.data.images)

    def export(self, weights: dict[str, Tensor], images_seen: int) -> Autoencoder:
        out, autoencoder = self.config.out, self.trained(weights)
        save_autoencoder(out, autoencoder, self.about(images_seen))
        save_reconstructions(out / "samples.png", autoencoder, self.data.images)
        return autoencoder

    @torch.no_grad()
    def measure(self, model: Autoencoder, test: Data) -> dict[str, str]:
        """How well held-out pictures come back."""
        images = to_signed(test.images.to(self.device))
        values = torch.cat([psnr(part, model.decode(model.encode(part))) for part in images.split(128)])
        error = values.std() / len(values) ** 0.5
        return {"PSNR": f"{values.mean():.2f} ± {error:.2f} dB; {len(values)} held-out pictures"}


def shifted(images: Tensor, max_shift: int, generator: torch.Generator) -> Tensor:
    """(B, C, H, W) uint8 moved by up to `max_shift` pixels in each direction; white comes in."""
    size, device = images.shape[-1], images.device
    padded = nn.functional.pad(images, [max_shift] * 4, value=255)
    start = torch.randint(2 * max_shift + 1, (2, len(images), 1), generator=generator, device=device)
    rows, columns = start + torch.arange(size, device=device)
    batch = torch.arange(len(images), device=device)[:, None, None]
    return padded[batch, :, rows[:, :, None], columns[:, None, :]].permute(0, 3, 1, 2)


def fixed_settings(config: TrainConfig) -> dict[str, Any]:
    """What may not change while a run lasts, as JSON has it."""
    settings = {k: v for k, v in asdict(config).items() if k not in FREE_TO_CHANGE}
    return json.loads(json.dumps(settings))


STAGES = {"diffusion": Diffusion, "autoencoder": Reconstruction, "text": TextDiffusion}
