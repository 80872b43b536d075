"""How fast the device is, and which of its number formats are used."""

import time
from pathlib import Path

import pytest
import torch

from diffusion import devices
from diffusion.devices import peak_flops, return_freed_memory, share_of_peak, use_tensor_cores


def test_attention_does_without_cudnn():
    before = torch.backends.cuda.cudnn_sdp_enabled()
    formats = torch.backends.cuda.matmul.allow_tf32, torch.backends.cudnn.allow_tf32
    try:
        use_tensor_cores()
        assert not torch.backends.cuda.cudnn_sdp_enabled()
    finally:
        torch.backends.cuda.enable_cudnn_sdp(before)
        torch.backends.cuda.matmul.allow_tf32, torch.backends.cudnn.allow_tf32 = formats
        torch.backends.cudnn.benchmark = False


def test_the_peak_is_that_of_real_numbers_undisturbed(monkeypatch):
    """Of rounds of 5 s, and one of 2 s, the latter counts, and the numbers multiplied are no ones."""
    multiplied, clock = [], iter([*([0.0, 5.0] * 7), *[0.0, 2.0], *([0.0, 5.0] * (devices.PEAK_ROUNDS - 8))])
    monkeypatch.setattr(time, "perf_counter", lambda: next(clock))
    product = torch.Tensor.__matmul__
    monkeypatch.setattr(torch.Tensor, "__matmul__", lambda a, b: multiplied.append(a) or product(a, b))
    assert peak_flops(torch.device("cpu")) == 2 * 1024**3 / 2
    assert next(clock, None) is None and multiplied[0].float().std().item() == pytest.approx(1, rel=0.01)


def test_no_share_exceeds_the_whole():
    assert share_of_peak(1.0, 4.0) == 0.25 and share_of_peak(4.0, 4.0) == 1
    assert share_of_peak(4.1, 4.0) is None


def test_freed_memory_goes_back():
    def resident():
        return int(Path("/proc/self/statm").read_text().split()[1])

    blocks = [bytes(1000) for _ in range(200_000)]
    kept = blocks[::1000]  # so that the heap cannot shrink from its end
    full = resident()
    del blocks
    return_freed_memory()
    assert resident() < full - 20_000 and len(kept) == 200  # pages
