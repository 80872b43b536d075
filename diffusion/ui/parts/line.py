"""The waiting line for the networks: one works at a time; of a visitor's same wishes, the newest."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Generator, Hashable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from dataclasses import dataclass
from functools import partial, wraps
from threading import Lock
from typing import Any, NamedTuple, TypeVar

from diffusion.ui.parts.inputs import MAX_SEED, refusal, whole_number

LONGEST = 32  # in line, with the one whose turn it is
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

    Attributes:
        wanted: it was not given up.
        replaced: it was, for a newer one.
    """

    visitor: str | None
    wish: Hashable
    when: float = 0.0
    wanted: bool = True
    replaced: bool = False


class Line:
    """Who waits for the networks; the first one has its turn. All turns are taken in one thread."""

    def __init__(self, longest: int = LONGEST) -> None:
        self.longest = longest
        self.tickets: list[Ticket] = []
        self.newest: dict[tuple[str, Hashable], float] = {}  # when who wished what, or gave it up
        self.lock = Lock()
        self.worker = ThreadPoolExecutor(1, "networks")

    async def serve(self, ticket: Ticket, work: Callable[[], Iterator[T]]) -> AsyncIterator[Waiting | T]:
        """Wait, telling who comes before, then yield what `work` does, until the ticket is not wanted.

        Closing this closes the work and leaves the line; so does the end of either.

        Raises:
            InputError: the line is full.
        """
        self.join(ticket)
        items: Iterator[T] | None = None
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
            if not ticket.wanted:
                return
            items = work()
            while (item := await self.run(next, items, END)) is not END and ticket.wanted:
                yield item
        finally:
            if isinstance(items, Generator):
                self.worker.submit(items.close)  # before the next turn: there is one thread
            self.leave(ticket)

    async def take(self, work: Callable[[], T], ticket: Ticket | None = None) -> T | None:
        """What `work` returns, at its turn; None if a newer ticket has replaced this one.

        Without a ticket it is a program's, which nobody replaces. Raises InputError if the line is full.
        """
        results = self.serve(ticket or Ticket(None, None), lambda: (work() for _ in range(1)))
        return next(iter([result async for result in results if not isinstance(result, Waiting)]), None)

    async def run(self, function: Callable[..., Any], *arguments: Any) -> Any:
        """What a function returns in the networks' thread."""
        context = copy_context()
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self.worker, context.run, function, *arguments)

    # ---- places ------------------------------------------------------------------------------------------

    def join(self, ticket: Ticket) -> None:
        """A newer wish has the place of the older one, if that still waits; or stands at the end."""
        with self.lock:
            if not self._is_newest(ticket.visitor, ticket.wish, ticket.when):
                ticket.wanted, ticket.replaced = False, True
                return
            older = self._same(ticket.visitor, ticket.wish)
            waiting = [i for i, other in enumerate(self.tickets) if i and other in older]
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
        """The tickets that come first."""
        return self.tickets[: self.tickets.index(ticket)] if ticket in self.tickets else []

    def _same(self, visitor: str | None, wish: Hashable) -> list[Ticket]:
        return [t for t in self.tickets if visitor is not None and (t.visitor, t.wish) == (visitor, wish)]


LINE = Line()


def asked_in_line(answer: Callable[[dict[str, Any]], Any]) -> list[Callable[[dict[str, Any]], Any]]:
    """Functions that the page may call: this one, which uses a network, in line; and one that tells meanwhile
    how many are before, {"before"}. A request has "asker", who asks, and "number", which of its questions."""

    @wraps(answer)
    async def ask(request: dict[str, Any]) -> Any:
        number = whole_number(request.get("number", 0), "number", 0, MAX_SEED)
        ticket = Ticket(str(request.get("asker")), "answer", number)
        return await LINE.take(partial(answer, request), ticket)

    def waiting(request: dict[str, Any]) -> dict[str, int]:
        places = [i for i, ticket in enumerate(LINE.tickets) if ticket.visitor == str(request.get("asker"))]
        return {"before": places[-1] if places else 0}

    return [ask, waiting]
