"""A model of pixels and one of latents: what they are made of, and what their denoisers are told."""

from dataclasses import replace

import pytest
import torch
from conftest import randomised

from diffusion import LatentModel, Model, UNet, UNetConfig, linear_schedule, network_denoiser

T = torch.tensor([700, 30])


def test_a_model_of_pixels_shows_what_it_samples(tiny_model):
    images = torch.rand(2, 1, 16, 16) * 2 - 1
    assert type(tiny_model) is Model and not isinstance(tiny_model, LatentModel)
    assert tiny_model.image_shape == tiny_model.sample_shape == (1, 16, 16)
    assert tiny_model.encode(images) is images and tiny_model.decode(images) is images
    assert tiny_model.parts() == {"": tiny_model.net}


def test_a_latent_model_decodes_what_it_samples(model):
    images = torch.rand(2, 3, 32, 32) * 2 - 1
    assert model.sample_shape == (4, 8, 8) and model.image_shape == (3, 32, 32)
    latents = model.encode(images)
    assert torch.equal(latents, model.autoencoder.encode(images)) and latents.shape == (2, 4, 8, 8)
    assert torch.equal(model.decode(latents), model.autoencoder.decode(latents))
    parts = {"": model.net, "text.": model.text, "autoencoder.": model.autoencoder}
    assert model.parts() == parts


def test_moving_a_model_moves_every_part(model):
    moved = replace(model, net=randomised(UNet(model.net.config)))
    assert moved.to("cpu") is moved and moved.device == torch.device("cpu")
    assert all(p.device.type == "cpu" for part in moved.parts().values() for p in part.parameters())


def test_without_a_class_there_is_nothing_to_guide_towards(tiny_model):
    x_t = torch.randn(2, 1, 16, 16)
    plain = network_denoiser(tiny_model.net, tiny_model.schedule, "v")(x_t, T)
    assert torch.equal(tiny_model.denoiser()(x_t, T), plain)
    assert torch.equal(tiny_model.denoiser(guidance_scale=3.0)(x_t, T), plain)


def test_prompts_are_contexts(model):
    x_t, prompts = torch.randn(2, *model.sample_shape), ["red heart", "집"]
    context = model.context(prompts)
    assert context.shape == (2, model.text.config.num_tokens, model.text.config.width)
    for scale in (1.0, 3.0):
        told = model.denoiser(prompts=prompts, guidance_scale=scale)(x_t, T)
        assert torch.equal(told, model.denoiser(context=context, guidance_scale=scale)(x_t, T))


def test_guidance_leads_away_from_the_empty_text_or_a_negative_prompt(model):
    x_t, prompts = torch.randn(2, *model.sample_shape), ["red heart", "집"]

    def x_0_hat(**conditioning):
        return model.denoiser(**conditioning)(x_t, T)

    conditional, empty = x_0_hat(prompts=prompts), x_0_hat(prompts=["", ""])
    assert torch.allclose(x_0_hat(), empty, atol=1e-6)
    assert torch.allclose(x_0_hat(guidance_scale=3.0), empty, atol=1e-6)  # nothing to guide towards
    guided = x_0_hat(prompts=prompts, guidance_scale=3.0)
    assert torch.allclose(guided, empty + 3 * (conditional - empty), atol=1e-4)
    negative = x_0_hat(prompts=["dog", "fire"])
    guided = x_0_hat(prompts=prompts, negative_prompts=["dog", "fire"], guidance_scale=3.0)
    assert torch.allclose(guided, negative + 3 * (conditional - negative), atol=1e-4)


def test_a_network_of_text_and_classes_is_told_both(model):
    config = UNetConfig(4, 32, (1, 2), 1, (0, 1), num_classes=3, context_dim=64, sketch_side=8)
    both = replace(model, net=randomised(UNet(config)), classes=("a", "b", "c"))
    x_t, labels, prompts = torch.randn(2, *both.sample_shape), torch.tensor([0, 2]), ["red heart", "집"]

    def denoised(labels, prompts):
        return network_denoiser(
            both.net, both.schedule, "v", class_labels=labels, context=both.context(prompts)
        )(x_t, T)

    conditional, unconditional = denoised(labels, prompts), denoised(None, [""])
    assert torch.equal(both.denoiser(class_labels=labels, prompts=prompts)(x_t, T), conditional)
    guided = both.denoiser(class_labels=labels, prompts=prompts, guidance_scale=2.0)(x_t, T)
    assert torch.allclose(guided, unconditional + 2 * (conditional - unconditional), atol=1e-4)


def test_either_model_can_be_sampled_on_another_schedule(tiny_model, model):
    for each, conditioning in ((tiny_model, {}), (model, {"prompts": ["red heart", "집"]})):
        x_t = torch.randn(2, *each.sample_shape)
        own, other = (each.denoiser(**conditioning, schedule=s)(x_t, T) for s in (None, linear_schedule()))
        assert own.shape == other.shape and not torch.allclose(own, other, atol=1e-3)


def test_the_sketch_is_the_networks(model):
    context = model.context(["red heart"])
    assert torch.equal(model.sketch(context), model.net.sketch(context))
    assert model.sketch(context).shape == (1, *model.sample_shape)
    blind = replace(model, net=UNet(UNetConfig(4, 32, (1, 2), 1, (1,), context_dim=64)))
    with pytest.raises(ValueError, match="sees no sketch"):
        blind.sketch(context)
