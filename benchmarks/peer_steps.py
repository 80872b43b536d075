"""Training steps of other libraries, each as its own script or Trainer does them, for benchmarks.throughput.

Networks are as large as train.py's, as nearly as the library's width allows in steps of 8 channels; batches
are as large as train.py's, and bf16 is on where the hardware has it. The rest is as the libraries have it:
denoising-diffusion-pytorch's Trainer reads a folder of PNGs, diffusers' is the loop of its
train_unconditional example.
"""

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from dataclasses import dataclass
from functools import cached_property, partial
from itertools import count
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import torch
import torch.nn.functional as F
from PIL import Image
from torch import Tensor, nn

from benchmarks.loading import endless, loader
from diffusion.data.image_sets import ImageData
from diffusion.data.images import to_signed
from diffusion.devices import has_bf16
from diffusion.nets.step_cost import num_parameters, training_flops
from diffusion.nets.unet import UNetConfig

WIDTH_STEP, MAX_FILES, NEVER = 8, 5000, 10**9
Advance = Callable[[int], None]  # take this many training steps


@dataclass
class Task:
    """What the others have to do: train a network like ours on this data."""

    unet: UNetConfig
    parameters: int
    data: ImageData
    batch_size: int
    device: torch.device

    @cached_property
    def folder(self) -> TemporaryDirectory:
        """Some of the data as PNGs, for as long as the task is there."""
        folder = TemporaryDirectory(prefix="pictures-")
        write_pngs(self.data.images[:MAX_FILES], Path(folder.name))
        return folder

    @property
    def side(self) -> int:
        return self.data.images.shape[-1]

    def batches(self) -> Iterator[Tensor]:
        """Endless random batches (B, C, H, W) in [−1, 1] of data kept on the device."""
        images = self.data.images.to(self.device)
        while True:
            index = torch.randint(len(images), (self.batch_size,), device=self.device)
            yield to_signed(images[index])

    def loaded(self, accelerator: Any) -> Iterator[Tensor]:
        """The same from a DataLoader, as accelerate has it."""
        for x_0, _ in endless(accelerator.prepare(loader(self.data, self.batch_size, self.device))):
            yield x_0


def write_pngs(images: Tensor, folder: Path) -> None:
    """(N, C, H, W) uint8 as a file each."""
    folder.mkdir(parents=True, exist_ok=True)
    for number, image in enumerate(images.cpu().permute(0, 2, 3, 1).squeeze(-1).numpy()):
        Image.fromarray(image).save(folder / f"{number:06d}.png", compress_level=1)


def need(library: str, *packages: str) -> None:
    """Check that packages can be imported.

    Raises:
        ImportError: one cannot; the message says what to install.
    """
    for package in packages:
        try:
            __import__(package.replace("-", "_"))
        except ImportError:
            raise ImportError(f"{library} needs {package}: pip install {' '.join(packages)}") from None


def use_device(device: torch.device) -> None:
    """accelerate takes the GPU unless its environment says otherwise."""
    if device.type == "cpu":
        os.environ["ACCELERATE_USE_CPU"] = "true"


@contextmanager
def quiet() -> Iterator[None]:
    """A block whose prints and progress bars go nowhere."""
    with open(os.devnull, "w") as nowhere, redirect_stdout(nowhere), redirect_stderr(nowhere):
        yield


def lucidrains_net(task: Task) -> nn.Module:
    """denoising-diffusion-pytorch's Unet, nearest to ours in parameters."""
    need("This row", "denoising-diffusion-pytorch", "accelerate")
    from denoising_diffusion_pytorch import Unet

    options = {"dim_mults": task.unet.channel_mult, "channels": task.unet.in_channels}
    options["flash_attn"] = task.device.type == "cuda"
    sizes: dict[int, int] = {}  # dim → parameters
    for dim in count(WIDTH_STEP, WIDTH_STEP):
        with torch.device("meta"):
            sizes[dim] = num_parameters(Unet(dim, **options))
        if sizes[dim] > task.parameters:
            break
    return Unet(min(sizes, key=lambda dim: abs(sizes[dim] - task.parameters)), **options)


def diffusers_net(task: Task) -> nn.Module:
    """diffusers' UNet2DModel, nearest to ours in parameters."""
    need("This row", "diffusers", "accelerate")
    from benchmarks.sampling import equal_unet2d

    return equal_unet2d(task.unet, task.side, task.parameters).train().requires_grad_(True)


def lucidrains(task: Task, on_device: bool = False, compiled: bool = False) -> Advance:
    """denoising-diffusion-pytorch's Trainer, which steps as far as it is told."""
    net = lucidrains_net(task)
    from denoising_diffusion_pytorch import GaussianDiffusion, Trainer

    if compiled:
        net.compile()
    use_device(task.device)
    trainer = Trainer(
        GaussianDiffusion(net, image_size=task.side, timesteps=1000).to(task.device),
        task.folder.name,
        train_batch_size=task.batch_size,
        amp=has_bf16(task.device),
        mixed_precision_type="bf16",
        calculate_fid=False,
        save_and_sample_every=NEVER,
        results_folder=f"{task.folder.name}/results",
    )
    if on_device:
        trainer.dl = ((x_0 + 1) / 2 for x_0 in task.batches())

    def advance(num_steps: int) -> None:
        trainer.train_num_steps = trainer.step + num_steps
        with quiet():
            trainer.train()

    return advance


def diffusers(task: Task, on_device: bool = False, compiled: bool = False) -> Advance:
    """The loop of diffusers' examples/unconditional_image_generation/train_unconditional.py."""
    net = diffusers_net(task)
    from accelerate import Accelerator
    from diffusers import DDPMScheduler
    from diffusers.optimization import get_scheduler
    from diffusers.training_utils import EMAModel

    if compiled:
        net.compile()
    use_device(task.device)
    bf16 = has_bf16(task.device)
    accelerator = Accelerator(mixed_precision="bf16" if bf16 else "no")
    ema = EMAModel(net.parameters(), decay=0.9999, use_ema_warmup=True, inv_gamma=1.0, power=0.75)
    schedule = DDPMScheduler(num_train_timesteps=1000, beta_schedule="linear")
    optimizer = torch.optim.AdamW(net.parameters(), 1e-4, betas=(0.95, 0.999), weight_decay=1e-6)
    warm_up = {"num_warmup_steps": 500, "num_training_steps": 100_000}
    rates = get_scheduler("cosine", optimizer, **warm_up)
    net, optimizer, rates = accelerator.prepare(net, optimizer, rates)
    ema.to(task.device)
    batches = task.batches() if on_device else task.loaded(accelerator)

    def advance(num_steps: int) -> None:
        for _ in range(num_steps):
            x_0 = next(batches).to(torch.bfloat16 if bf16 else torch.float32)
            noise = torch.randn_like(x_0)
            t = torch.randint(0, 1000, (len(x_0),), device=x_0.device)
            with accelerator.accumulate(net):
                output = net(schedule.add_noise(x_0, noise, t), t).sample
                loss = F.mse_loss(output.float(), noise.float())
                accelerator.backward(loss)
                accelerator.clip_grad_norm_(net.parameters(), 1.0)
                optimizer.step()
                rates.step()
                optimizer.zero_grad()
            ema.step(net.parameters())
            loss.detach().item()  # for its log

    return advance


class FirstOutput(nn.Module):
    """A network whose output is a tensor, or a tuple that begins with one."""

    def __init__(self, net: nn.Module, **options: Any) -> None:
        super().__init__()
        self.net, self.options = net, options

    def forward(self, x: Tensor, t: Tensor) -> Tensor:
        output = self.net(x, t, **self.options)
        return output[0] if isinstance(output, tuple) else output


def describe(task: Task) -> dict[str, tuple[int, float]]:
    """The parameters, and FLOPs of training on one image, of each library's network that there is."""
    example = torch.zeros(2, task.unet.in_channels, task.side, task.side, device="meta")
    t = torch.ones(2, dtype=torch.long, device="meta")
    known = {}
    for library, (make, options) in NETWORKS.items():
        try:
            net = FirstOutput(make(task).to("meta"), **options)
        except ImportError:
            continue
        known[library] = num_parameters(net), training_flops(net, example, t) / 2
    return known


@dataclass(frozen=True)
class Peer:
    """A row: the library, what is done differently from its own way, and the function that builds it."""

    library: str
    change: str
    build: Callable[[Task], Advance]


NETWORKS = {
    "denoising-diffusion-pytorch": (lucidrains_net, {}),
    "diffusers": (diffusers_net, {"return_dict": False}),
}
PEERS = {
    f"{name}{suffix}": Peer(library, change, partial(build, **options))
    for name, library, build in (
        ("lucidrains", "denoising-diffusion-pytorch", lucidrains),
        ("diffusers", "diffusers", diffusers),
    )
    for suffix, change, options in (
        ("", "", {}),
        ("_device", ", fed by us from the device", {"on_device": True}),
        ("_compile", ", and compiled", {"on_device": True, "compiled": True}),
    )
}
