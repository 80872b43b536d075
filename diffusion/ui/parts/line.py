"""The waiting line for the networks: one works at a time, for one visitor or for several who share its calls.
Of a visitor's same wishes the newest counts."""

import asyncio
import time
from collections.abc import (
    AsyncGenerator,
    AsyncIterator,
    Callable,
    Generator,
    Hashable,
    Iterable,
    Iterator,
)
from concurrent.futures import ThreadPoolExecutor
from contextlib import aclosing
from contextvars import copy_context
from dataclasses import dataclass
from functools import partial, wraps
from threading import Lock
from typing import Any, NamedTuple, TypeVar

from diffusion.devices import return_freed_memory
from diffusion.ui.parts.inputs import MAX_SEED, refusal, whole_number
from diffusion.ui.text import labels

LONGEST = 32  # in line, with those whose turn it is
SHARERS = 8  # of a turn, at most: twice as many take twice as long
MEMORY = 1000  # how many visitors' wishes are known as the newest
LOOK_SECONDS = 0.02  # between two looks at who comes before
TELL_SECONDS = 1.0  # at most, between two words to a page that waits: only so its closing is noticed

T = TypeVar("T")
END = object()


class Waiting(NamedTuple):
    """How many come first, and how many of these are the same visitor's."""

    before: int
    own: int


@dataclass(eq=False)
class Ticket:
    """A place in the line.

    Args:
        visitor: who it is for; None: a program, whose wishes do not replace each other.
        wish: what for. Of the same visitor's tickets for the same wish only the newest counts.
        when: it was wished, by the visitor's clock.
        shares: what it may share a turn for, with others that share the same; None: its turn is its own.

    Attributes:
        begun: when its turn came, by the monotonic clock; None until then.
        wanted: it was not given up.
        replaced: it was, for a newer one.
    """

    visitor: str | None
    wish: Hashable
    when: float = 0.0
    shares: Hashable = None
    begun: float | None = None
    wanted: bool = True
    replaced: bool = False


class Line:
    """Who waits for the networks. The first one has its turn, in one thread, whoever it is; or the first ones
    have it, each in a thread of its own, if they share it."""

    def __init__(self, longest: int = LONGEST) -> None:
        self.longest = longest
        self.tickets: list[Ticket] = []
        self.newest: dict[tuple[str, Hashable], float] = {}  # when who wished what, or gave it up
        self.lock = Lock()
        self.worker = ThreadPoolExecutor(1, "networks")
        self.sharers = [ThreadPoolExecutor(1, f"networks-{k}") for k in range(SHARERS)]  # that are free
        self.preparations: list[Callable[[], None]] = []

    async def serve(self, ticket: Ticket, work: Callable[[], Iterator[T]]) -> AsyncIterator[Waiting | T]:
        """Wait, telling who comes before, then yield what `work` does, until the ticket is not wanted.

        Closing this closes the work and leaves the line; so does the end of either.

        Raises:
            InputError: the line is full.
        """
        self.join(ticket)
        try:
            told, told_at = None, 0.0
            while ticket.wanted and (first := self.before(ticket)):
                waiting = Waiting(
                    sum(other.wanted for other in first),  # what is given up ends at once
                    sum(other.wanted and other.visitor == ticket.visitor is not None for other in first),
                )
                if waiting.before and (waiting != told or time.monotonic() - told_at > TELL_SECONDS):
                    told, told_at = waiting, time.monotonic()
                    yield waiting
                await asyncio.sleep(LOOK_SECONDS)
            if ticket.wanted:
                async with aclosing(self._turn(ticket, work())) as items:
                    async for item in items:
                        yield item
        finally:
            if ticket.begun is None:
                self.leave(ticket)

    async def _turn(self, ticket: Ticket, items: Iterator[T]) -> AsyncGenerator[T, None]:
        """What is worked out at a ticket's turn, in a thread, one item ahead of who takes them."""
        ticket.begun = time.monotonic()
        worker = self.worker if ticket.shares is None else self.sharers.pop()
        try:
            coming = self.run(next, items, END, worker=worker)
            while (item := await coming) is not END and ticket.wanted:
                coming = self.run(next, items, END, worker=worker)
                coming.add_done_callback(_heard)
                yield item
        finally:
            close = items.close if isinstance(items, Generator) else list
            worker.submit(close).add_done_callback(lambda _: self._end(ticket, worker))

    def _end(self, ticket: Ticket, worker: ThreadPoolExecutor) -> None:
        if worker is not self.worker:
            self.sharers.append(worker)
        self.leave(ticket)
        return_freed_memory()

    async def take(self, work: Callable[[], T], ticket: Ticket | None = None) -> T | None:
        """What `work` returns, at its turn; None if a newer ticket has replaced this one.

        Without a ticket it is a program's, which nobody replaces. Raises InputError if the line is full.
        """
        results = self.serve(ticket or Ticket(None, None), lambda: (work() for _ in range(1)))
        return next(iter([result async for result in results if not isinstance(result, Waiting)]), None)

    def run(
        self, function: Callable[..., Any], *arguments: Any, worker: ThreadPoolExecutor | None = None
    ) -> asyncio.Future[Any]:
        """What a function returns in the networks' thread, or in another; it starts at once."""
        context = copy_context()
        loop = asyncio.get_running_loop()
        return loop.run_in_executor(worker or self.worker, context.run, function, *arguments)

    def prepare(self, works: Iterable[Callable[[], None]]) -> None:
        """Do these in the networks' thread, one after the other, between the network calls of others."""
        waits = bool(self.preparations)
        self.preparations += works
        if self.preparations and not waits:
            self.worker.submit(self._prepare_next)

    def _prepare_next(self) -> None:
        try:
            self.preparations[0]()
        finally:
            del self.preparations[0]
            return_freed_memory()
            if self.preparations:
                self.worker.submit(self._prepare_next)

    def note(self) -> str:
        """What else is waited for than others' turns, as a sentence; mostly nothing."""
        return labels()["checkpoints_loading"] if self.preparations else ""

    # ---- places ------------------------------------------------------------------------------------------

    def join(self, ticket: Ticket) -> None:
        """A newer wish has the place of the older one, if that still waits; or stands at the end."""
        with self.lock:
            if not self._is_newest(ticket.visitor, ticket.wish, ticket.when):
                ticket.wanted, ticket.replaced = False, True
                return
            older = self._same(ticket.visitor, ticket.wish)
            waiting = [i for i, other in enumerate(self.tickets) if other in older and other.begun is None]
            if not waiting and len(self.tickets) >= self.longest:
                raise refusal("line_full", most=str(self.longest))
            for other in older:
                other.wanted, other.replaced = False, True
            if waiting:
                self.tickets[waiting[0]] = ticket
            else:
                self.tickets.append(ticket)

    def _is_newest(self, visitor: str | None, wish: Hashable, when: float) -> bool:
        """Whether no newer one has come already; remembered for the last MEMORY of visitors' wishes."""
        if visitor is None:
            return True
        newest = self.newest.pop((visitor, wish), when)
        self.newest[visitor, wish] = max(newest, when)
        while len(self.newest) > MEMORY:
            del self.newest[next(iter(self.newest))]
        return when >= newest

    def leave(self, ticket: Ticket) -> None:
        with self.lock:
            self.tickets = [other for other in self.tickets if other is not ticket]

    def give_up(self, visitor: str | None, wish: Hashable, when: float) -> None:
        """A visitor does not want what was wished before this time."""
        with self.lock:
            if self._is_newest(visitor, wish, when):
                for ticket in self._same(visitor, wish):
                    ticket.wanted = False

    def before(self, ticket: Ticket) -> list[Ticket]:
        """The tickets that come first: none, if it shares the turn of all before it."""
        first = self.tickets[: self.tickets.index(ticket)] if ticket in self.tickets else []
        shares = ticket.shares is not None and all(other.shares == ticket.shares for other in first)
        return [] if shares and len(first) < SHARERS else first

    def at_work(self) -> int:
        """How many have their turn now; at least one."""
        return max(1, sum(ticket.begun is not None for ticket in self.tickets))

    def _same(self, visitor: str | None, wish: Hashable) -> list[Ticket]:
        return [t for t in self.tickets if visitor is not None and (t.visitor, t.wish) == (visitor, wish)]


def _heard(made: asyncio.Future[Any]) -> None:
    """What went wrong in an item that nobody takes any more is not worth a warning."""
    if not made.cancelled():
        made.exception()


LINE = Line()


def asked_in_line(answer: Callable[[dict[str, Any]], Any]) -> list[Callable[[dict[str, Any]], Any]]:
    """Functions that the page may call: this one, which uses a network, in line; and one that tells meanwhile
    what it waits for, {"before", "note"}: how many come first, and what else. A request has "asker", who
    asks, and "number", which of its questions."""

    @wraps(answer)
    async def ask(request: dict[str, Any]) -> Any:
        number = whole_number(request.get("number", 0), "number", 0, MAX_SEED)
        ticket = Ticket(str(request.get("asker")), "answer", number)
        return await LINE.take(partial(answer, request), ticket)

    def waiting(request: dict[str, Any]) -> dict[str, Any]:
        places = [i for i, ticket in enumerate(LINE.tickets) if ticket.visitor == str(request.get("asker"))]
        return {"before": places[-1] if places else 0, "note": LINE.note()}

    return [ask, waiting]
