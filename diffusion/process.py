"""The forward process q and the algebra between x_0, x_t, ε and v. Each formula stands here, once.

B is the batch and *D any trailing dimensions: images (C, H, W), latents or 2-D points alike.
Throughout, x_t = α x_0 + σ ε with α = √ᾱ_t and σ = √(1 − ᾱ_t), as `NoiseSchedule.alpha_sigma` gives them.
"""

from typing import Literal, get_args

from torch import Tensor

from diffusion.schedules import NoiseSchedule, check_name

Prediction = Literal["epsilon", "v", "sample"]  # what a network outputs
PREDICTIONS: tuple[Prediction, ...] = get_args(Prediction)


def q_sample(schedule: NoiseSchedule, x_0: Tensor, t: Tensor, noise: Tensor) -> Tensor:
    """Jump from the data straight to timestep t: a draw from q(x_t | x_0). DDPM Eq. 4.

    Args:
        schedule: the noise schedule.
        x_0: (B, *D) data.
        t: (B,) integers in 0..T.
        noise: (B, *D) standard normal ε.

    Returns:
        (B, *D) x_t = √ᾱ_t x_0 + √(1 − ᾱ_t) ε.
    """
    alpha, sigma = schedule.alpha_sigma(t, x_0)
    return alpha * x_0 + sigma * noise


def q_step(schedule: NoiseSchedule, x_s: Tensor, t: Tensor, noise: Tensor) -> Tensor:
    """One noising step of the Markov chain, t − 1 → t: a draw from q(x_t | x_{t−1}). DDPM Eq. 2.

    Args:
        schedule: the noise schedule.
        x_s: (B, *D) x_{t−1}.
        t: (B,) integers in 1..T.
        noise: (B, *D) standard normal, fresh for this step.

    Returns:
        (B, *D) x_t = √(1 − β_t) x_{t−1} + √β_t ε.
    """
    beta = schedule.betas.to(t.device)[t - 1].view(-1, *[1] * (x_s.ndim - 1))
    return (1 - beta).sqrt().to(x_s) * x_s + beta.sqrt().to(x_s) * noise


def q_posterior(
    schedule: NoiseSchedule, x_0: Tensor, x_t: Tensor, t: Tensor, s: Tensor
) -> tuple[Tensor, Tensor]:
    """Mean and variance of q(x_s | x_t, x_0) for s < t: one step back when the answer is known.

    DDPM Eq. 6-7 at s = t − 1; for a longer step β_t becomes 1 − ᾱ_t / ᾱ_s.

    Args:
        schedule: the noise schedule.
        x_0, x_t: (B, *D).
        t, s: (B,) integers, 0 ≤ s < t ≤ T.

    Returns:
        mean (B, *D) and variance (B, 1, …, 1).
    """
    a_t, a_s = (schedule.alphas_cumprod.to(i.device)[i].view(-1, *[1] * (x_0.ndim - 1)) for i in (t, s))
    beta = 1 - a_t / a_s
    x_0_weight = a_s.sqrt() * beta / (1 - a_t)
    x_t_weight = (1 - beta).sqrt() * (1 - a_s) / (1 - a_t)
    variance = beta * (1 - a_s) / (1 - a_t)
    return x_0_weight.to(x_0) * x_0 + x_t_weight.to(x_0) * x_t, variance.to(x_0)


def training_target(
    prediction: Prediction, x_0: Tensor, noise: Tensor, alpha: Tensor, sigma: Tensor
) -> Tensor:
    """What a network of this prediction type is asked to output: ε, v = α ε − σ x_0, or x_0.

    v: Salimans & Ho 2022, Eq. 11-12. Tensors are (B, *D).

    Raises:
        ValueError: there is no such prediction.
    """
    check_name("prediction", prediction, PREDICTIONS)
    if prediction == "epsilon":
        return noise
    if prediction == "v":
        return alpha * noise - sigma * x_0
    return x_0


def x_0_from_output(
    prediction: Prediction, output: Tensor, x_t: Tensor, alpha: Tensor, sigma: Tensor
) -> Tensor:
    """The clean sample a network's output amounts to; the inverse of `training_target`.

    Not clamped: thresholding would change the samplers. output and x_t are (B, *D), and so is the result.

    Raises:
        ValueError: there is no such prediction.
    """
    check_name("prediction", prediction, PREDICTIONS)
    if prediction == "epsilon":
        return (x_t - sigma * output) / alpha
    if prediction == "v":
        return alpha * x_t - sigma * output
    return output


def eps_from_x_0(x_0: Tensor, x_t: Tensor, alpha: Tensor | float, sigma: Tensor | float) -> Tensor:
    """The noise that leads from x_0 to x_t: (x_t − α x_0) / σ, all (B, *D); σ must not be 0."""
    return (x_t - alpha * x_0) / sigma
