"""Walks of several visitors share the calls of one network, and each gets what it would get alone."""

import asyncio
import gc
import threading
import weakref
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest
import torch
from torch import nn

from diffusion.ui.parts import together
from diffusion.ui.parts.class_film import checked_class_request, class_frames, shares
from diffusion.ui.parts.line import SHARERS, Line, Ticket, Waiting
from diffusion.ui.parts.together import SharedNetwork


class Counting(nn.Module):
    """A network, and how many pictures each of its calls was for."""

    null_class = 3

    def __init__(self, net, broken=False):
        super().__init__()
        self.net, self.broken, self.calls = net, broken, []

    def forward(self, x_t, t, class_labels=None, context=None):
        self.calls.append(len(x_t))
        if self.broken:
            raise RuntimeError("no memory")
        return self.net(x_t, t, class_labels, context)


def requests(model):
    sent = [("a", 1, 6, "ddim", 1), ("b", 2, 4, "ddpm", 2), ("", 1, 6, "dpm++2m", 3), ("*", 2, 5, "ddim", 4)]
    guidance = (1.0, 2.0, 1.0, 1.5)
    return [checked_class_request({"tiny": model}, *each, "tiny", "", w) for each, w in zip(sent, guidance)]


def result(model, request):
    *_, (arrays, _) = class_frames(model, request)
    return torch.from_numpy(arrays["x_0_hat"])


def test_walks_with_other_steps_samplers_and_classes_share_calls(tiny_model, monkeypatch):
    monkeypatch.setattr(together, "PATIENCE", 5.0)  # whatever else the machine does
    alone = [result(tiny_model, request) for request in requests(tiny_model)]
    net = Counting(tiny_model.net)
    model = replace(tiny_model, net=net)
    begin = threading.Barrier(4)

    def drawn(request):
        begin.wait()
        return result(model, request)

    with ThreadPoolExecutor(4) as pool:
        made = list(pool.map(drawn, requests(model)))
    for one, other in zip(alone, made):
        assert (one - other).abs().max() < 1e-4
    assert sum(net.calls) == 6 * 1 + 4 * 2 * 2 + 6 * 1 + 5 * 2 * 2
    assert len(net.calls) < 6 + 4 + 6 + 5  # which are the calls of walks one after the other


def test_a_walk_alone_waits_for_nobody(tiny_model, monkeypatch):
    monkeypatch.setattr(together, "PATIENCE", 60.0)
    request = requests(tiny_model)[0]
    assert len(list(class_frames(tiny_model, request))) == 7


def test_a_network_that_nobody_walks_with_any_more_can_go(tiny_model):
    net = Counting(tiny_model.net)
    assert together.shared(net) is not None
    network = together.shared(net)
    assert together.shared(net) is network
    gone = weakref.ref(net)
    del net, network
    gc.collect()
    assert gone() is None


def test_who_does_not_come_is_waited_for_no_longer_than_patience(tiny_model):
    network = SharedNetwork(tiny_model.net)
    x_t, t, labels = torch.zeros(1, 1, 16, 16), torch.ones(1), torch.zeros(1, dtype=torch.long)
    with network.walk(), network.walk():  # two walks, of which one does something else
        assert network(x_t, t, labels).shape == x_t.shape


def test_what_goes_wrong_goes_wrong_for_all_who_asked(tiny_model, monkeypatch):
    monkeypatch.setattr(together, "PATIENCE", 5.0)
    network = SharedNetwork(Counting(tiny_model.net, broken=True))
    x_t, t, labels = torch.zeros(1, 1, 16, 16), torch.ones(1), torch.zeros(1, dtype=torch.long)
    with ThreadPoolExecutor(2) as pool, network.walk(), network.walk():
        asked = [pool.submit(network, x_t, t, labels) for _ in range(2)]
        for each in asked:
            with pytest.raises(RuntimeError, match="no memory"):
                each.result()
    assert network.net.calls == [2]


def test_only_requests_for_few_images_of_one_model_share_a_turn(tiny_model):
    one, two, *_ = requests(tiny_model)
    assert shares(one) == shares(two) == "tiny" and shares(replace(one, num_images=4)) is None


async def until(condition):
    while not condition():
        await asyncio.sleep(0.001)


def test_those_that_share_have_their_turn_at_once_and_the_others_wait():
    async def scenario(line):
        go = threading.Semaphore(0)
        running = set()

        def work(name):
            running.add(name)
            assert go.acquire(timeout=30)
            running.discard(name)
            yield name

        async def visit(name, shares):
            heard = []
            async for told in line.serve(Ticket(name, "draw", shares=shares), lambda: work(name)):
                heard.append(told)
            return heard

        names = [f"v{k}" for k in range(SHARERS)]
        visits = [asyncio.create_task(visit(name, "cats")) for name in names]
        await until(lambda: len(running) == SHARERS)
        late = [
            asyncio.create_task(visit(*each)) for each in (("more", "cats"), ("other", None), ("z", "cats"))
        ]
        await until(lambda: len(line.tickets) == SHARERS + 3)
        go.release(SHARERS)
        assert [heard[-1] for heard in await asyncio.gather(*visits)] == names
        await until(lambda: running == {"more"})  # "z" shares with it, but "other" was there before
        go.release()
        await until(lambda: running == {"other"})
        go.release()
        await until(lambda: running == {"z"})
        go.release()
        more, other, z = await asyncio.gather(*late)
        assert isinstance(more[0], Waiting) and (more[-1], other[-1], z[-1]) == ("more", "other", "z")
        await until(lambda: len(line.sharers) == SHARERS and not line.tickets)

    asyncio.run(scenario(Line()))
