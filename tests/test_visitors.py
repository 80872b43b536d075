"""Many visitors at once: whoever asks gets a picture or one sentence."""

import asyncio

import httpx
from web import PATIENCE

from benchmarks import visitors
from benchmarks.visitors import Outcomes, Visitor, asking_for, visited
from diffusion.ui.parts.line import LONGEST, SHARERS


def ends_of(server, number, images, steps=5):
    """Let so many visitors ask at once."""

    async def all_of_them():
        outcomes, limits = Outcomes(), httpx.Limits(max_connections=None)
        async with httpx.AsyncClient(base_url=server.url, timeout=PATIENCE, limits=limits) as client:
            request = asking_for((await client.get("/config")).json(), images, steps)
            people = [Visitor(client, images, k) for k in range(number)]
            outcomes.ends.update(await asyncio.gather(*(each.ask(request, outcomes) for each in people)))
        return outcomes

    return asyncio.run(all_of_them())


def test_more_than_can_share_a_turn_all_get_their_picture(server):
    for images in (1, 4):  # those for several have a turn each
        found = ends_of(server, 2 * SHARERS + 1, images)
        assert found.ends == {"picture": 2 * SHARERS + 1} and len(found.whole) == 2 * SHARERS + 1
    assert not server.logged_traceback()


def test_those_for_whom_the_line_is_too_long_are_told_so_in_a_sentence(server):
    found = ends_of(server, LONGEST + 20, 4, steps=30)
    assert found.errors == 0 and found.ends["sentence"] > 0 < found.ends["picture"]
    assert found.ends.total() == LONGEST + 20 and not server.logged_traceback()


def test_visitors_who_come_think_and_ask_again(server):
    found = asyncio.run(visited(server.url, 10, 8.0, 0.5, 1, seed=0))
    assert found.errors == 0 and found.ends["picture"] >= 10
    assert not server.logged_traceback()


def test_an_end_that_is_no_picture_and_no_sentence_is_an_error():
    def message(success, *data):
        return {"success": success, "output": {"data": data, "error": "Out of memory."}}

    assert visitors.ended(message(True, {"progress": {"ended": "whole"}}, "")) == "picture"
    assert visitors.ended(message(True, None, "32 are waiting.")) == "sentence"
    for wrong in (
        message(False),
        message(True, {"progress": {"ended": "stopped"}}, ""),
        message(True, None, ""),
    ):
        end = visitors.ended(wrong)
        assert Outcomes(ends=visitors.Counter([end])).errors == 1


def test_what_a_page_offers_is_the_pages_to_know(server):
    """The server forgets sessions, and with them which choices of a checkpoint they were told."""

    async def ask():
        async with httpx.AsyncClient(base_url=server.url, timeout=PATIENCE) as client:
            config = (await client.get("/config")).json()
            request = asking_for(config, 1, 2)
            labels = {each["id"]: each["props"].get("label") for each in config["components"]}
            event = config["dependencies"][request["call"]["fn_index"]]
            places = {labels[id_]: place for place, id_ in enumerate(event["inputs"])}
            request["data"][places["Checkpoint"]] = "linear"
            request["data"][places["Schedule"]] = "cosine"  # which the first checkpoint does not offer
            return await Visitor(client, 1, 0).ask(request, Outcomes())

    assert asyncio.run(ask()) == "picture"
