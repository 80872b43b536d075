"""Ways to train: train.py's loop with some of its tricks taken out, for benchmarks.throughput."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace

import torch

from benchmarks.loading import loaded
from benchmarks.peer_steps import Advance
from diffusion.data.image_sets import ImageData
from diffusion.devices import use_tensor_cores
from diffusion.training.config import TrainConfig
from train import Run


@dataclass(frozen=True)
class Variant:
    """A way to train: a plain loop with some of train.py's tricks; the last two are its flags.

    Args:
        title: what this row adds to those above it.
        on_device: the data set is kept on the device as uint8, not brought by a DataLoader's workers.
        tensor_cores: what is fp32 may use TF32, and convolutions choose their algorithm by trial.
        bf16: autocast around the network, where the hardware has it.
        no_item: the loss is not read after each step.
        fused: AdamW as one kernel.
    """

    title: str
    on_device: bool = True
    tensor_cores: bool = True
    bf16: bool = True
    no_item: bool = True
    fused: bool = True
    compile: str | None = None
    channels_last: bool = False

    @property
    def offered(self) -> bool:
        """Whether train.py's flags can ask for it."""
        return all((self.on_device, self.tensor_cores, self.bf16, self.no_item, self.fused))


PLAIN = Variant("fp32, DataLoader, .item() each step", False, False, False, False, False)
VARIANTS = {
    "loader": PLAIN,
    "device": replace(PLAIN, title="+ data on the device", on_device=True),
    "tf32": replace(PLAIN, title="+ TF32, cudnn.benchmark", on_device=True, tensor_cores=True),
    "bf16": Variant("+ bf16 autocast", no_item=False, fused=False),
    "no_item": Variant("+ no .item()", fused=False),
    "fused": Variant("+ fused AdamW: train.py"),
    "channels_last": Variant("+ --channels-last", channels_last=True),
    "blocks": Variant("+ --compile blocks", compile="blocks", channels_last=True),
    "network": Variant("--compile network instead", compile="network", channels_last=True),
    "blocks_only": Variant("--compile blocks alone", compile="blocks"),
    "network_only": Variant("--compile network alone", compile="network"),
}


@contextmanager
def number_formats(tensor_cores: bool) -> Iterator[None]:
    """A block with PyTorch's defaults or with `use_tensor_cores`; afterwards all is as before."""
    matmul, cudnn = torch.backends.cuda.matmul, torch.backends.cudnn
    before = matmul.allow_tf32, cudnn.allow_tf32, cudnn.benchmark
    attention_before = torch.backends.cuda.cudnn_sdp_enabled()
    matmul.allow_tf32, cudnn.allow_tf32, cudnn.benchmark = False, True, False
    torch.backends.cuda.enable_cudnn_sdp(True)
    try:
        if tensor_cores:
            use_tensor_cores()
        yield
    finally:
        matmul.allow_tf32, cudnn.allow_tf32, cudnn.benchmark = before
        torch.backends.cuda.enable_cudnn_sdp(attention_before)


def build(variant: Variant, config: TrainConfig, data: ImageData, device: torch.device) -> Advance:
    """A new run of train.py, with the tricks taken out that the variant is without."""
    config = replace(config, compile=variant.compile, channels_last=variant.channels_last)
    held = data.to(device) if variant.on_device else loaded(data, config.batch_size, device)
    run = Run(config, held, device)
    if not variant.bf16:
        run.forward = run.net
    if not variant.fused:
        kept = {name: run.optimizer.defaults[name] for name in ("lr", "betas", "weight_decay")}
        run.optimizer = torch.optim.AdamW(run.net.parameters(), **kept)

    def advance(num_steps: int) -> None:
        for _ in range(num_steps):
            loss = run.step()
            if not variant.no_item:
                loss.item()

    return advance
