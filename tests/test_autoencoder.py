import random

import pytest
import torch

from diffusion.models.folder import CheckpointError
from diffusion.models.trained_parts import load_autoencoder, save_autoencoder
from diffusion.nets.autoencoder import Autoencoder, AutoencoderConfig, psnr, reconstruction_loss

TINY = AutoencoderConfig(latent_channels=4, channels=32, channel_mult=(1, 1))


@pytest.fixture
def autoencoder() -> Autoencoder:
    torch.manual_seed(0)
    return Autoencoder(TINY)


@pytest.mark.parametrize(("mult", "factor"), [((1,), 2), ((1, 2), 4), ((1, 2, 4), 8)])
def test_shapes_there_and_back(mult, factor):
    net = Autoencoder(AutoencoderConfig(latent_channels=5, channel_mult=mult))
    assert net.config.factor == factor and net.latent_shape(32) == (5, 32 // factor, 32 // factor)
    with torch.no_grad():
        latents = net.encode(torch.zeros(2, 3, 32, 32))
        assert latents.shape == (2, *net.latent_shape(32))
        assert net.decode(latents).shape == (2, 3, 32, 32)


def test_latents_have_mean_0_and_variance_1_once_measured(autoencoder):
    images = torch.rand(64, 3, 16, 16, generator=torch.Generator().manual_seed(1)) * 2 - 1
    with torch.no_grad():
        before = autoencoder.decode(autoencoder.encode(images))
        autoencoder.measure_latents(images.split(10))
        latents = autoencoder.encode(images)
        after = autoencoder.decode(latents)
    assert torch.allclose(latents.mean((0, 2, 3)), torch.zeros(4), atol=1e-4)
    assert torch.allclose(latents.std((0, 2, 3)), torch.ones(4), atol=1e-3)
    assert torch.allclose(before, after, atol=1e-4)  # decoding undoes the scaling


def test_the_kl_is_that_of_two_normal_distributions(autoencoder):
    images, noise = torch.rand(3, 3, 16, 16) * 2 - 1, torch.randn(3, 4, 4, 4)
    with torch.no_grad():
        mean, log_variance = autoencoder.distribution(images)
        q = torch.distributions.Normal(mean, (0.5 * log_variance).exp())
        p = torch.distributions.Normal(torch.zeros_like(mean), torch.ones_like(mean))
        expected = torch.distributions.kl_divergence(q, p).flatten(1).mean(1)
        assert torch.allclose(autoencoder(images, noise)[1], expected, atol=1e-5)


def test_it_learns_to_reconstruct(autoencoder):
    torch.manual_seed(0)
    images = torch.zeros(8, 3, 16, 16)
    for i in range(8):
        images[i, i % 3, i : i + 6, i : i + 6] = 1
    optimizer = torch.optim.AdamW(autoencoder.parameters(), 3e-3)
    losses = []
    for _ in range(60):
        loss = reconstruction_loss(autoencoder, images, torch.randn(8, 4, 4, 4)).mean()
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()
        losses.append(loss.item())
    with torch.no_grad():
        quality = psnr(images, autoencoder.decode(autoencoder.encode(images))).mean()
    assert losses[-1] < 0.5 * losses[0] and quality > 18


def test_psnr_against_a_worked_case():
    x = torch.zeros(2, 3, 4, 4)
    y = torch.stack([x[0] + 0.2, x[1] + 5])
    assert torch.allclose(psnr(x, y), torch.tensor([20.0, 10 * torch.log10(torch.tensor(4.0))]), atol=1e-3)


def test_a_folder_with_an_autoencoder_comes_back(autoencoder, tmp_path):
    images = torch.rand(4, 3, 16, 16) * 2 - 1
    autoencoder.measure_latents([images])
    save_autoencoder(tmp_path, autoencoder, {"data": "noise"})
    loaded = load_autoencoder(tmp_path)
    assert torch.equal(loaded.encode(images), autoencoder.eval().encode(images))
    assert not any(p.requires_grad for p in loaded.parameters())
    with pytest.raises(CheckpointError, match="holds no trained autoencoder"):
        load_autoencoder(tmp_path / "nowhere")
    (tmp_path / "config.json").write_text('{"autoencoder": {"channels": 33}}')
    with pytest.raises(CheckpointError, match="does not describe a model"):
        load_autoencoder(tmp_path)


@pytest.mark.parametrize(
    "wrong",
    [
        {"channels": 33},
        {"latent_channels": 0},
        {"channel_mult": [1]},
        {"channel_mult": (0,)},
        {"channel_mult": (1,) * 9},
        {"channel_mult": (1, 2.0)},
        {"channels": 64, "channel_mult": (1, 65)},
        {"channels": True},
        {"image_channels": 5},
        {"blocks_per_level": 99},
    ],
)
def test_an_impossible_shape_is_refused(wrong):
    with pytest.raises(ValueError, match=f"{list(wrong)[-1].split('_')[0]}|number of levels"):
        AutoencoderConfig(**wrong)


@pytest.mark.parametrize("seed", range(8))
def test_a_config_that_is_accepted_runs(seed):
    choose = random.Random(seed)
    config = AutoencoderConfig(
        image_channels=choose.randint(1, 4),
        latent_channels=choose.randint(1, 9),
        channels=choose.choice([32, 64, 96]),
        channel_mult=tuple(choose.randint(1, 3) for _ in range(choose.randint(1, 4))),
        blocks_per_level=choose.randint(1, 2),
    )
    torch.manual_seed(seed)
    net, size = Autoencoder(config), config.factor * choose.randint(1, 2)
    images = torch.rand(2, config.image_channels, size, size) * 2 - 1
    reconstruction, kl = net(images, torch.randn(2, *net.latent_shape(size)))
    assert reconstruction.shape == images.shape and kl.shape == (2,)
    with torch.no_grad():
        assert net.decode(net.encode(images)).shape == images.shape
    loss = reconstruction_loss(net, images, torch.randn(2, *net.latent_shape(size)))
    assert loss.shape == (2,) and loss.isfinite().all()


@pytest.mark.parametrize(
    "config", [AutoencoderConfig(4, 64, 4096, (1,), 16), AutoencoderConfig(1, 1, 32, (128,) + (1,) * 7, 1)]
)
def test_the_largest_configs_that_are_accepted_run(config):
    with torch.device("meta"):
        net, images = Autoencoder(config), torch.ones(1, config.image_channels, 256, 256)
        assert net.decode(net.encode(images)).shape == images.shape
