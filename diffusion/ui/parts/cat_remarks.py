"""What the captions of cats say, and what prompts ask of a cat that no caption says."""

from dataclasses import replace

from tokenizers import Encoding

from diffusion.data.cat_forms import may_become_known, nearest_word, nouns
from diffusion.data.cat_prompts import Asked, NoPart, asked
from diffusion.ui.parts.emoji_names import EmojiNames, Read, listed
from diffusion.ui.parts.known_words import KnownWords, Span
from diffusion.ui.text import labels


class CatWords(KnownWords):
    """The words of a model of cats."""

    def read(self, text: str) -> Read:
        return EmojiNames({}).read(text)

    def never_seen(self, text: str, encoding: Encoding, unfinished: bool) -> list[Span]:
        return [word.span for word in asked_so_far(text, unfinished).unknown]

    def knows(self, word: str) -> bool:
        """Whether a part is called so, or with this word among others."""
        return bool(asked(word).named or asked(word).no_part)

    def quoted(self, word: str) -> str:
        near = nearest_word(word)
        return super().quoted(word) if near is None else labels()["word_near"].format(word=word, near=near)

    def remarks(self, text: str, unfinished: bool) -> list[str]:
        told, read = labels(), asked_so_far(text, unfinished)
        denied = listed(f"“{each.text}”" for each in read.denied)
        rivals = (listed(f"“{text[slice(*n.span)]}”" for n in each.named) for each in read.rivals)
        return [
            *([told["note_denied"].format(words=denied)] if denied else []),
            *(told["note_rivals"].format(words=words) for words in rivals),
            *map(_no_part, read.no_part),
        ]


def _no_part(found: NoPart) -> str:
    alike = listed(f"“{each}”" for each in found.alike)
    return labels()["note_no_part_alike" if alike else "note_no_part"].format(words=found.text, alike=alike)


def asked_so_far(text: str, unfinished: bool) -> Asked:
    """What a prompt asks for; of a last word that is being typed only what it says already."""
    found = asked(text)
    if not unfinished:
        return found
    end = len(text)
    return replace(
        found,
        denied=tuple(each for each in found.denied if each.names),
        no_part=tuple(each for each in found.no_part if each.span[1] < end or _is_whole(each)),
        unknown=tuple(
            each for each in found.unknown if each.span[1] < end or not may_become_known(each.text)
        ),
    )


def _is_whole(found: NoPart) -> bool:
    """Whether a noun ends it: a word that is not one may yet go before one."""
    return found.text.lower().endswith(tuple(nouns()))
