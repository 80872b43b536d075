"""How much of everything a slot on a borrowed GPU does: benchmarks.gpu_slot."""

from dataclasses import dataclass

from benchmarks.peer_steps import PEERS

SAMPLES = "--num-samples 10000 --num-steps-samples 2000 --num-bits 2000"


@dataclass(frozen=True)
class Size:
    """How much is done: on a GPU, or in a rehearsal, whose figures mean nothing.

    Args:
        candidates: rows of benchmarks.throughput that may be the fastest.
        table: arguments for the full table.
        peers: rows that are compared with ours.
        training: arguments instead of the lengths that fit into the slot.
        interrupted: each training is stopped once by SIGTERM and goes on.
    """

    trainer: str = "train.py"
    device: tuple[str, ...] = ("--device", "cuda")
    decode: tuple[str, ...] = ()
    classifier: tuple[str, ...] = ()
    sweep: tuple[str, ...] = ("--seconds", "4")
    candidates: str = "blocks,network"
    table: tuple[str, ...] = ()
    peers: str = ",".join(PEERS)
    training: tuple[str, ...] = ()
    interrupted: bool = False
    samples: tuple[str, ...] = tuple(SAMPLES.split())
    peer: tuple[str, ...] = ("--sample-minutes", "3")
    peer_minutes: float | None = None
    blocks: tuple[str, ...] = ("--compile", "blocks", "--channels-last")
    prompts: tuple[str, ...] = ()
    cats: tuple[str, ...] = ()


REHEARSAL = Size(
    trainer="tests/training.py",  # with next to no weights
    device=("--device", "cpu"),
    decode=("--every", "50"),
    classifier=("--epochs", "2"),
    sweep=("--seconds", "0.2", "--batch-size", "16"),
    candidates="channels_last",
    table=("--only", "loader,fused"),
    peers="lucidrains,diffusers",
    training=("--minutes", "0.2", "--batch-size", "8"),
    interrupted=True,
    samples=("--num-samples", "10", "--num-bits", "10", "--num-steps-samples", "10"),
    peer=("--num-samples", "8", "--sample-minutes", "0.1", "--sample-batch", "4", "--dim", "8"),
    peer_minutes=0.05,
    blocks=("--channels-last",),
    prompts=("--num", "8", "--num-per-point", "4", "--steps", "2"),
    cats=("--num", "4", "--steps", "2", "--only", "samples"),
)
