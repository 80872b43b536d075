"""Which words a network that is told by text can know: those of the captions that it was trained on."""

import string

from tokenizers import Encoding

from diffusion.ui.parts.emoji_names import Read

PUNCTUATION = string.punctuation + "“”‘’«»…、。，؟،！？"

Span = tuple[int, int]


class KnownWords:
    """Nothing is known of the captions; subclasses know some."""

    def read(self, text: str) -> Read:
        """Put words in the place of emoji, as far as they have names."""
        return Read(text, {}, ())

    def never_seen(self, text: str, encoding: Encoding, unfinished: bool) -> list[Span]:
        """Where words stand that no caption has: their first place in the text, and the one after the last.

        Args:
            text: the prompt.
            encoding: of it.
            unfinished: its last word is being typed: it may become one that is known.
        """
        return []

    def knows(self, word: str) -> bool:
        """Whether a caption has this word, or names this emoji."""
        return False

    def quoted(self, word: str) -> str:
        """A word that no caption has, as a sentence tells of it."""
        return f"“{word}”"

    def remarks(self, text: str, unfinished: bool) -> list[str]:
        """Sentences about the prompt as a whole; arguments as of `never_seen`."""
        return []
