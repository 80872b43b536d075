"""What each preset trains: its data, its network, the loss of a batch, and what is written in the end.

Four stages share one loop: diffusion on pictures; an autoencoder; a text encoder that matches captions with
its latents; diffusion on those latents, told by text.
"""

import json
from copy import deepcopy
from dataclasses import asdict, fields
from typing import Any

import torch
from torch import Tensor, nn

from diffusion.atlas import save_atlas
from diffusion.autoencoder import Autoencoder, AutoencoderConfig, psnr, reconstruction_loss
from diffusion.captions import Captions, all_captions
from diffusion.checkpoint import (
    Model,
    load_autoencoder,
    load_text_encoder,
    save_autoencoder,
    save_model,
    save_text_encoder,
)
from diffusion.config import FREE_TO_CHANGE, TrainConfig
from diffusion.data import ImageData, load_data, shuffled
from diffusion.emoji import EmojiSet, load_emoji
from diffusion.film import class_rows, make_film, save_film, save_reconstructions, save_samples
from diffusion.likelihood import describe_bits
from diffusion.losses import diffusion_loss, stratified_timesteps
from diffusion.machine import rank, world_size
from diffusion.pictures import to_signed
from diffusion.schedules import SCHEDULES
from diffusion.text import Matcher, TextConfig, TextEncoder, encode_prompts, train_tokenizer
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
        """Arguments for the network, for a few pictures, to count its operations with."""
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
    """The same on latents, told by captions; autoencoder and text encoder are trained already, and stay."""

    def __init__(self, config: TrainConfig, data: EmojiSet, device: torch.device) -> None:
        self.autoencoder = load_autoencoder(config.autoencoder, device)
        self.text, self.tokenizer = load_text_encoder(config.text_encoder, device)
        self.latents = latents_of(self.autoencoder, data)
        self.captions = Captions(data, self.tokenizer, device)
        super().__init__(config, data, device)

    def build(self) -> UNet:
        return self.unet(self.latents.shape[1], context_dim=self.text.config.width)

    def batch(self, positions: range, generator: torch.Generator) -> tuple[Tensor, dict[str, Tensor]]:
        """Latents and what the text encoder makes of their captions, some of which are left out whole."""
        config, number = self.config, len(positions)
        index = shuffled(len(self.latents), positions, config.seed, self.device)
        tokens = self.captions.draw(index, config.word_dropout, generator)
        dropped = torch.rand(number, 1, generator=generator, device=self.device) < config.class_dropout
        tokens = torch.where(dropped, self.captions.nothing, tokens)
        with torch.no_grad():
            return self.latents[index], {"context": self.text(tokens)}

    def example(self, generator: torch.Generator) -> tuple[Tensor | None, ...]:
        x_0, told = self.batch(range(2), generator)
        return x_0, torch.ones(2, device=self.device), None, told["context"]

    def model(self, weights: dict[str, Tensor] | None, images_seen: int) -> Model:
        config = self.config
        return Model(
            config.out.resolve().name,
            self.with_weights(weights),
            config.schedule,
            self.schedule.to("cpu"),
            config.prediction,
            tuple(self.latents.shape[1:]),
            about=self.about(images_seen),
            text=self.text,
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


class Matching(Diffusion):
    """A text encoder, trained to tell which picture a caption belongs to."""

    def __init__(self, config: TrainConfig, data: EmojiSet, device: torch.device) -> None:
        self.autoencoder = load_autoencoder(config.autoencoder, device)
        self.latents = latents_of(self.autoencoder, data).flatten(1)
        self.tokenizer = train_tokenizer(all_captions(data), config.vocabulary_size, config.num_tokens)
        self.captions = Captions(data, self.tokenizer, device)
        super().__init__(config, data, device)

    def build(self) -> Matcher:
        config, size = self.config, self.tokenizer.get_vocab_size()
        shape = TextConfig(size, config.text_width, config.text_layers, config.num_tokens)
        return Matcher(TextEncoder(shape), self.latents.shape[1])

    def loss(self, forward: Any, positions: range, generator: torch.Generator) -> Tensor:
        """The cross-entropy of choosing a caption's picture out of all."""
        index = shuffled(len(self.latents), positions, self.config.seed, self.device)
        tokens = self.captions.draw(index, self.config.word_dropout, generator)
        return nn.functional.cross_entropy(forward(tokens, self.latents).float(), index)

    def example(self, generator: torch.Generator) -> tuple[Tensor, ...]:
        """As many captions as in a step, since one pass over the pictures serves all of them."""
        index = shuffled(len(self.latents), range(self.config.batch_size), self.config.seed, self.device)
        return self.captions.draw(index, self.config.word_dropout, generator), self.latents

    def save_samples(self, file: Any, weights: dict[str, Tensor], images_seen: int) -> None:
        """Nothing: it draws no pictures."""

    def export(self, weights: dict[str, Tensor], images_seen: int) -> Matcher:
        matcher = self.with_weights(weights)
        save_text_encoder(self.config.out, matcher.text, self.tokenizer, self.about(images_seen))
        return matcher

    @torch.no_grad()
    def measure(self, model: Matcher, test: Data) -> dict[str, str]:
        """How many names find their own picture: trained ones among the trained, held-out ones among all."""
        latents = torch.cat([self.latents, latents_of(self.autoencoder, test.to(self.device)).flatten(1)])
        found = {}
        for language in self.data.names:
            hits = []
            for data, known in ((self.data, self.latents), (test, latents)):
                tokens = encode_prompts(self.tokenizer, data.names[language]).to(self.device)
                nearest = model(tokens, known).argmax(1).cpu()
                own = torch.arange(len(known) - len(nearest), len(known))
                hits.append(f"{(nearest == own).float().mean():.1%}")
            found[f"names matched ({language})"] = f"{hits[0]}; {hits[1]} of {len(test.characters)} held-out"
        return found


def latents_of(autoencoder: Autoencoder, data: EmojiSet) -> Tensor:
    """(N, C, H, W): the pictures' latents, on their device."""
    with torch.no_grad():
        return torch.cat([autoencoder.encode(part) for part in to_signed(data.images).split(128)])


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


STAGES = {
    "diffusion": Diffusion,
    "autoencoder": Reconstruction,
    "matching": Matching,
    "text": TextDiffusion,
}
