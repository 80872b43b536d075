from pathlib import Path

import pytest
import safetensors.torch
import torch
from conftest import randomised

from diffusion import CheckpointError, UNet, UNetConfig
from diffusion.data.contents import Part
from diffusion.nets.ema import EMA
from diffusion.training.run_state import load_run, save_run, saved_data

DATA = {"cat": Part(4, "c"), "dog": Part(5, "d")}


def training(classes: int = 3, channels_last: bool = False) -> tuple[UNet, EMA, torch.optim.AdamW]:
    torch.manual_seed(0)
    net = randomised(UNet(UNetConfig(1, 32, (1,), 1, (), num_classes=classes))).requires_grad_()
    net.to(memory_format=torch.channels_last if channels_last else torch.contiguous_format)
    return net, EMA(net), torch.optim.AdamW(net.parameters(), 1e-3, fused=True)


def learn(net: UNet, ema: EMA, optimizer: torch.optim.AdamW, steps: int) -> None:
    for step in range(steps):
        x = torch.randn(2, 1, 8, 8, generator=torch.Generator().manual_seed(step))
        net(x, torch.ones(2)).square().mean().backward()
        optimizer.step()
        optimizer.zero_grad()
        ema.update(0.9)


def test_a_run_comes_back_bitwise(tmp_path):
    parts, settings = training(), {"seed": 0, "sizes": [1, 2]}
    learn(*parts, 3)
    save_run(tmp_path, *parts, 24, settings, DATA)
    others = training()
    assert load_run(tmp_path, *others, settings, {}, DATA) == 24
    learn(*parts, 2)
    learn(*others, 2)
    for mine, other in zip(parts, others):
        mine, other = (p.weights if isinstance(p, EMA) else p.state_dict() for p in (mine, other))
        if "state" in mine:
            pairs = [
                (mine["state"][i][k], other["state"][i][k]) for i in mine["state"] for k in mine["state"][i]
            ]
        else:
            pairs = [(mine[k], other[k]) for k in mine]
        assert pairs and all(torch.equal(a, b) for a, b in pairs)


@pytest.mark.parametrize("before", [False, True])
@pytest.mark.parametrize("after", [False, True])
def test_what_is_kept_beside_a_weight_is_laid_out_as_it_is(tmp_path, before, after):
    """Whatever the memory format was when the state was written."""
    saved = training(channels_last=before)
    learn(*saved, 2)
    save_run(tmp_path, *saved, 16, {}, DATA)
    net, ema, optimizer = training(channels_last=after)
    load_run(tmp_path, net, ema, optimizer, {}, {}, DATA)
    others = dict(saved[0].named_parameters())
    assert any(not p.is_contiguous() for p in net.parameters()) is after
    for name, parameter in net.named_parameters():
        slot, other = optimizer.state[parameter], saved[2].state[others[name]]
        for kept, expected in (
            (parameter, others[name]),
            (ema.weights[name], saved[1].weights[name]),
            (slot["exp_avg"], other["exp_avg"]),
            (slot["exp_avg_sq"], other["exp_avg_sq"]),
        ):
            assert kept.stride() == parameter.stride() and torch.equal(kept, expected)


def test_no_state_is_a_new_run(tmp_path):
    assert load_run(tmp_path, *training(), {}, {}, DATA) == 0


def test_a_run_with_other_settings_is_refused(tmp_path):
    save_run(tmp_path, *training(), 0, {"seed": 0, "batch_size": 8}, DATA)
    with pytest.raises(CheckpointError, match="another batch_size, seed: choose another --out"):
        load_run(tmp_path, *training(), {"seed": 1, "batch_size": 16}, {}, DATA)


def test_a_setting_that_came_later_is_compared_with_what_it_is_by_itself(tmp_path):
    """Before there was a choice, a run went by the default."""
    save_run(tmp_path, *training(), 8, {"seed": 0}, DATA)
    defaults = {"clip": 1.0, "sizes": [1, 2]}
    assert load_run(tmp_path, *training(), {"seed": 0, "clip": 1.0, "sizes": [1, 2]}, defaults, DATA) == 8
    with pytest.raises(CheckpointError, match="another clip: choose another --out"):
        load_run(tmp_path, *training(), {"seed": 0, "clip": 2.0, "sizes": [1, 2]}, defaults, DATA)
    with pytest.raises(CheckpointError, match="another part"):  # has no default: what it was is not known
        load_run(tmp_path, *training(), {"seed": 0, "part": "abc"}, defaults, DATA)


def test_a_setting_that_is_no_more_does_not_count(tmp_path):
    save_run(tmp_path, *training(), 8, {"seed": 0, "gone": 3}, DATA)
    assert load_run(tmp_path, *training(), {"seed": 0}, {"seed": 0}, DATA) == 8


def test_a_run_of_another_network_is_refused(tmp_path):
    save_run(tmp_path, *training(), 0, {}, DATA)
    with pytest.raises(CheckpointError, match="another network"):
        load_run(tmp_path, *training(classes=4), {}, {}, DATA)


def test_moments_of_another_network_are_refused(tmp_path):
    net, ema, optimizer = training()
    learn(net, ema, optimizer, 1)
    optimizer.state[net.conv_in.weight]["exp_avg"] = torch.zeros(3)
    save_run(tmp_path, net, ema, optimizer, 8, {}, DATA)
    with pytest.raises(CheckpointError, match="another network"):
        load_run(tmp_path, *training(), {}, {}, DATA)


@pytest.mark.parametrize("length", [0, 5, 1000, -1])
def test_a_broken_state_is_refused(tmp_path, length):
    save_run(tmp_path, *training(), 0, {}, DATA)
    file = tmp_path / "state.safetensors"
    file.write_bytes(file.read_bytes()[:length])
    with pytest.raises(CheckpointError, match="state.safetensors is broken"):
        load_run(tmp_path, *training(), {}, {}, DATA)


@pytest.mark.parametrize(
    "meta", [None, {}, {"meta": "["}, {"meta": "[]"}, {"meta": '{"config": {}}'}, {"meta": '{"config": 1}'}]
)
def test_a_file_that_is_no_state_is_refused(tmp_path, meta):
    safetensors.torch.save_file({"net.weight": torch.zeros(1)}, tmp_path / "state.safetensors", meta)
    with pytest.raises(CheckpointError, match="not the state of a training run"):
        load_run(tmp_path, *training(), {"seed": 0}, {}, DATA)


def test_broken_weights_do_not_replace_a_state(tmp_path):
    parts = training()
    save_run(tmp_path, *parts, 8, {}, DATA)
    before = (tmp_path / "state.safetensors").read_bytes()
    with torch.no_grad():
        next(parts[0].parameters()).fill_(float("nan"))
    with pytest.raises(CheckpointError, match="not finite"):
        save_run(tmp_path, *parts, 16, {}, DATA)
    assert (tmp_path / "state.safetensors").read_bytes() == before


def test_a_run_on_other_data_is_refused(tmp_path):
    save_run(tmp_path, *training(), 8, {}, DATA)
    renamed = {"cat": DATA["cat"], "zebra": DATA["dog"]}
    with pytest.raises(CheckpointError) as caught:
        load_run(tmp_path, *training(), {}, {}, renamed)
    said = "holds a run on other data (the class dog is called zebra): choose another --out, or bring back"
    assert said in str(caught.value)
    with pytest.raises(CheckpointError, match=r"\(1 class is new: eel; 12 pictures instead of 9\)"):
        load_run(tmp_path, *training(classes=4), {}, {}, DATA | {"eel": Part(3, "e")})


def test_a_state_that_does_not_know_its_data_goes_on(tmp_path):
    parts = training()
    tensors = {f"net.{k}": v for k, v in parts[0].state_dict().items()}
    tensors |= {f"ema.{k}": v for k, v in parts[1].weights.items()}
    meta = {"meta": '{"images_seen": 8, "config": {}}'}
    safetensors.torch.save_file(tensors, tmp_path / "state.safetensors", meta)
    assert saved_data(tmp_path) is None and load_run(tmp_path, *training(), {}, {}, DATA) == 8
    save_run(tmp_path, *parts, 16, {}, DATA)
    assert saved_data(tmp_path) == DATA


@pytest.mark.skipif(not Path("/proc/self/maps").exists(), reason="no list of what is mapped")
def test_a_state_is_not_kept_open(tmp_path):
    """Else Windows could not replace it, and a network drive's going away would end the process."""
    parts = training()
    learn(*parts, 2)
    save_run(tmp_path, *parts, 16, {}, DATA)
    others = training()
    load_run(tmp_path, *others, {}, {}, DATA)
    assert str(tmp_path) not in Path("/proc/self/maps").read_text()
    assert all(step.item() == 2 for step in (slot["step"] for slot in others[2].state.values()))
