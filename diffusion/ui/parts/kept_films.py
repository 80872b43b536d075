"""The last films, kept for what the page asks about them later: as many as may stand in line."""

import secrets
from typing import Any, Generic, TypeVar

from diffusion.ui.parts.inputs import refusal
from diffusion.ui.parts.line import LONGEST

Film = TypeVar("Film")


def secret_name() -> str:
    """For a film: one that nobody can guess."""
    return secrets.token_urlsafe(9)


class KeptFilms(Generic[Film]):
    """Films by name, of which the oldest ones are forgotten.

    Args:
        forgotten: the key of what is said then.
        most: films that are kept.
        spared: the name of one that is never forgotten.
    """

    def __init__(self, forgotten: str, most: int = LONGEST, spared: str | None = None) -> None:
        self.forgotten, self.most, self.spared = forgotten, most, spared
        self.films: dict[str, Film] = {}

    def keep(self, name: str, film: Film) -> None:
        """Keep one more."""
        self.films[name] = film
        while len(self.films) > self.most:
            del self.films[next(older for older in self.films if older != self.spared)]

    def named(self, name: Any) -> Film:
        """The film of this name. Raises InputError: it is not known any more."""
        film = self.films.get(str(name))
        if film is None:
            raise refusal(self.forgotten)
        return film
