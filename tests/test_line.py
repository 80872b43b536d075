"""The waiting line: turns one at a time, places, newer wishes, and leaving."""

import asyncio
import threading

import pytest

from diffusion.ui.parts.inputs import InputError
from diffusion.ui.parts.line import Line, Ticket, Waiting, asked_in_line


class Work:
    """Steps that the test lets happen; notes who runs, and in which thread."""

    running = 0

    def __init__(self, steps=1):
        self.steps, self.made, self.closed = steps, [], False
        self.go = threading.Semaphore(0)

    def __call__(self):
        assert Work.running == 0, "one at a time"
        Work.running += 1
        try:
            for k in range(self.steps):
                assert self.go.acquire(timeout=30)
                self.made.append(threading.current_thread().name)
                yield k
        finally:
            Work.running -= 1
            self.closed = True


async def until(condition):
    while not condition():
        await asyncio.sleep(0.001)


class Visit:
    """Somebody in the line, and all that was heard."""

    def __init__(self, line, ticket, work):
        self.ticket, self.work, self.heard = ticket, work, []
        self.task = asyncio.create_task(self.listen(line))

    async def listen(self, line):
        async for told in line.serve(self.ticket, self.work):
            self.heard.append(told)


def run(scenario):
    line = Line(longest=3)
    asyncio.run(scenario(line))
    line.worker.shutdown()
    assert Work.running == 0 and line.tickets == []


async def in_front(line, waits):
    """Another visitor whose turn it is, if one is to wait."""
    other = Visit(line, Ticket("b", "draw"), Work(1)) if waits else None
    await until(lambda: len(line.tickets) == waits)
    return other


def test_turns_come_one_after_the_other_and_all_are_told_who_is_before():
    async def scenario(line):
        a, b, c = (Visit(line, Ticket(name, "draw"), Work(2)) for name in "abc")
        await until(lambda: b.heard and c.heard)
        assert (a.heard, b.heard[-1], c.heard[-1]) == ([], Waiting(1, 0), Waiting(2, 0))
        a.work.go.release(2)
        await a.task
        assert a.heard == [0, 1]
        await until(lambda: c.heard[-1] == Waiting(1, 0))
        b.work.go.release(2)
        c.work.go.release(2)
        await asyncio.gather(b.task, c.task)
        assert b.heard[-2:] == c.heard[-2:] == [0, 1]
        await until(lambda: not line.tickets)
        assert len({*a.work.made, *b.work.made, *c.work.made}) == 1, "in one thread"

    run(scenario)


def test_the_newest_wish_stops_the_running_one_and_drops_those_between():
    async def scenario(line):
        first = Visit(line, Ticket("a", "draw", 1), Work(9))
        await until(lambda: line.tickets)
        first.work.go.release()
        await until(lambda: first.heard == [0])
        second, third = (Visit(line, Ticket("a", "draw", when), Work(1)) for when in (2, 3))
        await until(lambda: third.ticket in line.tickets)
        first.work.go.release()  # the call that runs ends
        third.work.go.release()
        await asyncio.gather(first.task, second.task, third.task)
        assert first.heard == [0] and first.work.closed and first.ticket.replaced
        assert second.heard == [] and second.work.made == [] and second.ticket.replaced
        assert third.heard == [0] and not third.ticket.replaced, "nor told that its own is before it"

    run(scenario)


def test_a_wish_that_arrives_late_is_dropped():
    async def scenario(line):
        newer = Visit(line, Ticket("a", "draw", 5), Work(1))
        await until(lambda: line.tickets)
        older = Visit(line, Ticket("a", "draw", 4), Work(1))
        newer.work.go.release()
        await asyncio.gather(newer.task, older.task)
        assert newer.heard == [0] and older.work.made == [] and older.ticket.replaced

    run(scenario)


def test_a_changed_wish_keeps_its_place_and_other_visitors_theirs():
    async def scenario(line):
        a, b, c = (Visit(line, Ticket(name, "draw"), Work(1)) for name in "abc")
        await until(lambda: len(line.tickets) == 3)
        again = Visit(line, Ticket("b", "draw", 1), Work(1))
        await until(lambda: again.heard == [Waiting(1, 0)])
        for visit in (a, again, c):
            visit.work.go.release()
        await asyncio.gather(a.task, b.task, c.task, again.task)
        assert b.work.made == [] and a.heard == [0] and c.heard[-1] == again.heard[-1] == 0

    run(scenario)


def test_another_wish_of_the_same_visitor_waits_and_is_told_so():
    async def scenario(line):
        film, measure = (Visit(line, Ticket("a", wish), Work(1)) for wish in ("film", "measure"))
        await until(lambda: measure.heard == [Waiting(1, 1)])
        film.work.go.release()
        measure.work.go.release()
        await asyncio.gather(film.task, measure.task)
        assert film.heard == [0] and measure.heard[-1] == 0

    run(scenario)


@pytest.mark.parametrize("waits", [False, True])
def test_what_is_given_up_ends(waits):
    async def scenario(line):
        other = await in_front(line, waits)
        visit = Visit(line, Ticket("a", "draw", 1), Work(9))
        await until(lambda: visit.ticket in line.tickets)
        line.give_up("a", "draw", 2)
        visit.work.go.release()
        await visit.task
        assert not visit.ticket.wanted and not visit.ticket.replaced and not visit.work.made[1:]
        if other:
            other.work.go.release()
            await other.task
            assert other.heard == [0]

    run(scenario)


@pytest.mark.parametrize("waits", [False, True])
def test_a_page_that_is_closed_leaves_the_line(waits):
    async def scenario(line):
        other = await in_front(line, waits)
        ticket, work = Ticket("a", "draw"), Work(9)
        work.go.release(2)  # the second is worked out already when the first is told
        telling = line.serve(ticket, work)
        await anext(telling)
        await telling.aclose()
        await until(lambda: ticket not in line.tickets)
        if other:
            other.work.go.release()
            await other.task
        line.worker.shutdown()
        assert len(work.made) == (0 if waits else 2) and work.closed != waits

    run(scenario)


def test_programs_wait_in_the_same_line_and_do_not_replace_each_other():
    async def scenario(line):
        visit = Visit(line, Ticket("a", "draw"), Work(1))
        await until(lambda: line.tickets)
        calls = [asyncio.create_task(line.take(lambda k=k: k)) for k in range(2)]
        await until(lambda: len(line.tickets) == 3)
        assert not any(call.done() for call in calls)
        visit.work.go.release()
        assert await asyncio.gather(*calls) == [0, 1]
        await visit.task

    run(scenario)


def test_an_error_ends_the_turn():
    async def scenario(line):
        with pytest.raises(ZeroDivisionError):
            await line.take(lambda: 1 // 0)
        assert await line.take(lambda: 1) == 1

    run(scenario)


def test_a_full_line_refuses_with_a_sentence():
    async def scenario(line):
        visits = [Visit(line, Ticket(name, "draw"), Work(1)) for name in "abc"]
        await until(lambda: len(line.tickets) == 3)
        with pytest.raises(InputError, match="3 are waiting for the network already"):
            await line.take(lambda: 0)
        changed = Visit(line, Ticket("c", "draw", 1), Work(1))  # has its place
        await until(lambda: changed.heard)
        for visit in (*visits, changed):
            visit.work.go.release()
        await asyncio.gather(*(visit.task for visit in (*visits, changed)))

    run(scenario)


def test_what_the_page_asks_waits_in_line_and_the_newest_question_is_answered(monkeypatch):
    async def scenario(line):
        monkeypatch.setattr("diffusion.ui.parts.line.LINE", line)
        ask, waiting = asked_in_line(lambda request: request["number"] * 10)
        visit = Visit(line, Ticket("a", "draw"), Work(1))
        await until(lambda: line.tickets)
        first, second = (asyncio.create_task(ask({"asker": "b", "number": k})) for k in (1, 2))
        await until(lambda: len(line.tickets) == 2)
        assert waiting({"asker": "b"})["before"] == 1 and waiting({"asker": "c"})["before"] == 0
        visit.work.go.release()
        assert await asyncio.gather(first, second) == [None, 20]
        await visit.task
        with pytest.raises(InputError):
            await ask({"asker": "b", "number": "x"})

    run(scenario)
