"""The stages of a text-to-image model: an autoencoder, a text encoder, and diffusion on latents told by text.

Each reads what the one before it left in its folder.
"""

from typing import Any

import torch
from torch import Tensor, nn

from diffusion.data.captions import Captions, all_captions
from diffusion.data.emoji import EmojiSet, load_emoji
from diffusion.data.image_sets import shuffled
from diffusion.data.images import to_signed
from diffusion.films.emoji_atlas import save_atlas
from diffusion.films.samples import SAMPLES_FILE, save_reconstructions, save_samples
from diffusion.models.folder import (
    load_autoencoder,
    load_text_encoder,
    save_autoencoder,
    save_model,
    save_text_encoder,
)
from diffusion.models.model import LatentModel, Model
from diffusion.models.weights import fingerprint
from diffusion.nets.autoencoder import Autoencoder, AutoencoderConfig, psnr, reconstruction_loss
from diffusion.nets.text_encoder import (
    Matcher,
    TextConfig,
    TextEncoder,
    encode_prompts,
    matching_loss,
    train_tokenizer,
)
from diffusion.nets.unet import UNet
from diffusion.training.config import TrainConfig
from diffusion.training.pixel_stage import Data, Diffusion

RIDGE = 1e-7  # of the sum of squares: where there are fewer names than numbers in a vector


class Reconstruction(Diffusion):
    """An autoencoder: pictures through a narrow latent and back."""

    def build(self) -> Autoencoder:
        return Autoencoder(AutoencoderConfig(**self.config.shape(AutoencoderConfig)))

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
        save_reconstructions(out / SAMPLES_FILE, autoencoder, self.data.images)
        return autoencoder

    @torch.no_grad()
    def measure(self, model: Autoencoder, test: Data) -> dict[str, str]:
        """How well held-out pictures come back."""
        images = to_signed(test.images.to(self.device))
        values = torch.cat([psnr(part, model.decode(model.encode(part))) for part in images.split(128)])
        error = values.std() / len(values) ** 0.5
        return {"PSNR": f"{values.mean():.2f} ± {error:.2f} dB; {len(values)} held-out pictures"}


class Matching(Diffusion):
    """A text encoder, trained to tell which picture a caption belongs to."""

    def __init__(self, config: TrainConfig, data: EmojiSet, device: torch.device) -> None:
        self.autoencoder = load_autoencoder(config.autoencoder, device)
        self.latents = latents_of(self.autoencoder, data).flatten(1)
        self.tokenizer = train_tokenizer(all_captions(data), config.vocabulary_size, config.num_tokens)
        self.captions = Captions(data, self.tokenizer, device)
        super().__init__(config, data, device)

    def settings(self) -> dict[str, Any]:
        return super().settings() | {"autoencoder": fingerprint(self.autoencoder.state_dict())}

    def build(self) -> Matcher:
        config, size = self.config, self.tokenizer.get_vocab_size()
        shape = TextConfig(size, config.text_width, config.text_layers, config.num_tokens)
        return Matcher(TextEncoder(shape), self.latents.shape[1])

    def loss(self, forward: Any, positions: range, generator: torch.Generator) -> Tensor:
        index = shuffled(len(self.latents), positions, self.config.seed, self.device)
        tokens = self.captions.draw(index, self.config.word_dropout, generator)
        return matching_loss(forward, tokens, self.latents, index).mean()

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
                nearest = model(tokens, known)[0].argmax(1)
                own = known[-len(nearest) :]
                hits.append(f"{(known[nearest] == own).all(1).float().mean():.1%}")  # some look the same
            found[f"names matched ({language})"] = f"{hits[0]}; {hits[1]} of {len(test.characters)} held-out"
        return found


class TextDiffusion(Diffusion):
    """The same on latents, told by captions; autoencoder and text encoder are trained already, and stay."""

    def __init__(self, config: TrainConfig, data: EmojiSet, device: torch.device) -> None:
        self.autoencoder = load_autoencoder(config.autoencoder, device)
        self.text, self.tokenizer = load_text_encoder(config.text_encoder, device)
        self.latents = latents_of(self.autoencoder, data)
        self.captions = Captions(data, self.tokenizer, device)
        super().__init__(config, data, device)

    def settings(self) -> dict[str, Any]:
        """With which autoencoder and text encoder: a run goes on with the same."""
        parts = {"autoencoder": self.autoencoder, "text_encoder": self.text}
        return super().settings() | {k: fingerprint(part.state_dict()) for k, part in parts.items()}

    def build(self) -> UNet:
        _, channels, _, side = self.latents.shape
        net = self.unet(channels, context_dim=self.text.config.width, sketch_side=side)
        self.fit_sketch(net.sketch.linear)
        return net

    @torch.no_grad()
    def fit_sketch(self, linear: nn.Linear) -> None:
        """Set the layer, once and for good, to the least-squares guess of a latent from its bare names.

        Languages count as often as they are drawn, and for no text the guess is the mean of all latents, as
        often as captions are left out. Like the text encoder the layer is not trained: the network sees its
        answer beside x_t from the first step on.
        """
        latents, captions, silent = self.latents.flatten(1).double(), self.captions, self.config.class_dropout
        weights = [*((1 - silent) * captions.shares / captions.shares.sum()), silent]
        told = [*captions.names, captions.nothing.expand(len(latents), -1)]
        gram = moments = 0.0
        for weight, tokens in zip(weights, told):
            vectors = torch.cat([self.text(part)[:, 0] for part in tokens.split(512)]).double()
            vectors = nn.functional.pad(vectors, (0, 1), value=1.0)  # for the bias
            gram, moments = gram + weight * vectors.mT @ vectors, moments + weight * vectors.mT @ latents
        gram += RIDGE * gram.trace() * torch.eye(len(gram), device=self.device)
        weight, bias = torch.linalg.solve(gram, moments).split([len(gram) - 1, 1])
        linear.weight.copy_(weight.mT)
        linear.bias.copy_(bias[0])
        linear.requires_grad_(False)

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

    def model(self, weights: dict[str, Tensor] | None, images_seen: int) -> LatentModel:
        config = self.config
        return LatentModel(
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

    def export(self, weights: dict[str, Tensor], images_seen: int) -> LatentModel:
        out, model = self.config.out, self.model(weights, images_seen)
        save_model(out, model)
        save_samples(out / SAMPLES_FILE, model)
        config = self.config
        save_atlas(out, load_emoji(config.image_size, config.skin_tones, config.emoji_font))
        return model

    def measure(self, model: Model, test: Data) -> dict[str, str]:
        """Nothing here: whether a prompt gets what it says is measured by `benchmarks.prompts`."""
        return {}


def latents_of(autoencoder: Autoencoder, data: EmojiSet) -> Tensor:
    """(N, C, H, W): the pictures' latents, on their device."""
    with torch.no_grad():
        return torch.cat([autoencoder.encode(part) for part in to_signed(data.images).split(128)])


def shifted(images: Tensor, max_shift: int, generator: torch.Generator) -> Tensor:
    """(B, C, H, W) uint8 moved by up to `max_shift` pixels in each direction; white comes in."""
    size, device = images.shape[-1], images.device
    padded = nn.functional.pad(images, [max_shift] * 4, value=255)
    start = torch.randint(2 * max_shift + 1, (2, len(images), 1), generator=generator, device=device)
    rows, columns = start + torch.arange(size, device=device)
    batch = torch.arange(len(images), device=device)[:, None, None]
    return padded[batch, :, rows[:, :, None], columns[:, None, :]].permute(0, 3, 1, 2)
