"""Emoji in prompts, read as their names: a network that was told names has never seen an emoji as text."""

import re
from collections.abc import Iterable
from typing import NamedTuple

from diffusion.data.emoji import SKIN_TONES
from diffusion.ui.text import labels

MOST_TOLD = 8  # things that a sentence lists
JOINER, STYLES = "\u200d", "\ufe0e\ufe0f"  # a style asks for text or for a picture
_TONES = "".join(SKIN_TONES)
_SYMBOL = (
    "[\u00a9\u00ae\u203c\u2049\u2122\u2139\u2194-\u21aa\u231a-\u23ff\u24c2\u25aa-\u25fe\u2600-\u27bf"
    "\u2934\u2935\u2b05-\u2b55\u3030\u303d\u3297\u3299\U0001f000-\U0001faff]"
)
_ONE = f"{_SYMBOL}[{STYLES}{_TONES}]*[\U000e0020-\U000e007f]*"
# Unicode Technical Standard 51: two letters are a flag, a key has its cap behind it, joined ones are one.
EMOJI = re.compile(f"[\U0001f1e6-\U0001f1ff]{{2}}|[0-9#*][{STYLES}]?\u20e3|{_ONE}(?:{JOINER}{_ONE})*")


class Read(NamedTuple):
    """A text in which emoji are names.

    Args:
        text: the text.
        names: of each emoji that was replaced, in their order.
        unknown: those that have no name, which are left out.
    """

    text: str
    names: dict[str, str]
    unknown: tuple[str, ...]

    @property
    def notes(self) -> list[str]:
        """Sentences about what was done."""
        text, found = labels(), []
        if self.names:
            read = (text["emoji_as"].format(emoji=emoji, name=name) for emoji, name in self.names.items())
            found.append(text["note_emoji"].format(read=listed(read)))
        if self.unknown:
            found.append(text["note_unknown_emoji"].format(emoji=listed(self.unknown)))
        return found


class EmojiNames:
    """What emoji are called.

    Args:
        names: by emoji, however it is spelt: with or without the signs of its style.
    """

    def __init__(self, names: dict[str, str]) -> None:
        self.names = {_plain(emoji): name for emoji, name in names.items()}

    def read(self, text: str) -> Read:
        """Put names in the place of emoji. Skin tones that have no name of their own are not told."""
        names: dict[str, str] = {}
        unknown: dict[str, None] = {}

        def replaced(match: re.Match[str]) -> str:
            told = []
            for emoji in self._split(match[0]):
                name = self._name(emoji)
                if name:
                    names[emoji] = name
                    told.append(name)
                elif _plain(emoji):
                    unknown[emoji] = None
            return f" {' '.join(told)} "

        return Read(_plain(EMOJI.sub(replaced, text)), names, tuple(unknown))

    def _name(self, emoji: str) -> str | None:
        plain = _plain(emoji)
        return self.names.get(plain) or self.names.get(plain.translate(dict.fromkeys(map(ord, _TONES))))

    def _split(self, emoji: str) -> Iterable[str]:
        """The longest parts that have names, from the first to the last."""
        rest = emoji.split(JOINER)
        while rest:
            lengths = range(len(rest), 1, -1)
            length = next((n for n in lengths if self._name(JOINER.join(rest[:n]))), 1)
            yield JOINER.join(rest[:length])
            rest = rest[length:]


def _plain(emoji: str) -> str:
    """Without the signs of its style."""
    return emoji.translate(dict.fromkeys(map(ord, STYLES)))


def listed(things: Iterable[str]) -> str:
    """The first few, with commas."""
    first = list(things)
    return ", ".join(first[:MOST_TOLD]) + (", …" if len(first) > MOST_TOLD else "")
