"""Asked and drawn: the parts that a prompt names, which of them are in its pictures, and where.

The page asks for the latter two when it has all of a film.
"""

from dataclasses import dataclass
from typing import Any
from zlib import crc32

import numpy as np
import torch

from diffusion.data.cat_judge import visible
from diffusion.data.cat_prompts import Asked, Denied, Named, NoPart, Unknown, asked
from diffusion.data.cats import KINDS, MOUTH
from diffusion.models.model import LatentModel
from diffusion.ui.parts.emoji_names import listed
from diffusion.ui.parts.prompt_films import PROMPT_FILMS
from diffusion.ui.parts.prompts import Prompt
from diffusion.ui.parts.streaming import encode
from diffusion.ui.parts.verdicts import DrawnCats
from diffusion.ui.text import in_each_language, labels


@dataclass(frozen=True, eq=False)
class DrawnPrompt:
    """What is judged of the pictures of a prompt.

    Args:
        asked: of the prompt.
        drawn: the pictures.
    """

    asked: Asked
    drawn: DrawnCats

    @property
    def pictures(self) -> list[dict[str, Any]]:
        """For each what `DrawnCats.verdicts` tells; of what is between two cats what it is "either_way"; a
        "name", the same for the same picture; and "asked", for each named part what `_part` tells."""
        return [
            verdict
            | {
                "either_way": self._either_way(i) if verdict["outcome"] == "cat_unsharp" else "",
                "name": crc32(self.drawn.result[i].tobytes()),
                "asked": [self._part(i, verdict, named) for named in self.asked.named],
            }
            for i, verdict in enumerate(self.drawn.verdicts)
        ]

    def _either_way(self, i: int) -> str:
        """The outcome of every cat that the picture may show; empty if they differ."""
        cats, judged = self.drawn.cats, self.drawn.judged
        both = torch.stack([judged.cats[i], judged.rivals[i]], dim=1)
        known = cats.is_trained_on(torch.cartesian_prod(*(parts[parts >= 0] for parts in both)))
        return "cat_known" if known.all() else "" if known.any() else "cat_new"

    def _part(self, i: int, verdict: dict[str, Any], named: Named) -> dict[str, Any]:
        """Of a named part: whether it is "as_asked", None where that cannot be told; in words what was
        "drawn", if the name does not say it; and where it is "seen"."""
        kind, possible = named.name.kind, verdict["outcome"] != "cat_impossible"
        judged = self.drawn.judged
        as_asked = judged.cats[i, kind].item() in named.name.parts
        hidden = kind == MOUTH and verdict["hidden"]
        plain = as_asked and not hidden and len(named.name.parts) == 1 and judged.rivals[i, kind] < 0
        return {
            "as_asked": as_asked if possible and not hidden else None,
            "drawn": verdict["parts"][kind] if possible and not plain else "",
            "seen": self._seen(i, kind) if possible else "",
        }

    def _seen(self, i: int, kind: int) -> str:
        """In base64 a bit for each pixel, (S, S); empty if it is nowhere."""
        seen = visible(self.drawn.cats, self.drawn.judged.cats[i][None], kind)
        return encode(np.packbits(seen.cpu().numpy())) if seen.any() else ""


def asked_for(model: LatentModel, prompt: Prompt) -> dict[str, Any] | None:
    """What a prompt asks of cats; None if the model draws others.

    Returns:
        For each of the "parts" that it names the "kind" and the "words"; a "remark", by language, on what
        cannot be ticked; and for each of the "tokens" the number of the part to which it belongs.
    """
    if model.cats is None:
        return None
    found = asked(prompt.text)
    parts = [{"kind": KINDS[each.name.kind], "words": found.text[slice(*each.span)]} for each in found.named]
    return {
        "parts": parts,
        "remark": in_each_language(lambda: remark(found)),
        "tokens": named_by(model, prompt, found),
    }


def remark(prompt: Asked) -> str:
    """A sentence on what of a prompt cannot be ticked, its notes say why; empty if there is nothing."""
    text = labels()
    rivals = (named for each in prompt.rivals for named in each.named)
    within = [
        (each, named) for each in prompt.no_part for named in prompt.named if _overlap(each.span, named.span)
    ]  # the green hat that there is not, and the hat that is ticked
    untold: tuple[Denied | Named | NoPart | Unknown, ...] = (
        *prompt.denied,
        *rivals,
        *(each for each in prompt.no_part if all(each is not whole for whole, _ in within)),
        *prompt.unknown,
    )
    spans = sorted(each.span for each in untold)
    words = listed(f"“{prompt.text[slice(*span)]}”" for span in spans)
    sentences = [text["asked_not"].format(words=words)] if spans else []
    sentences += [
        text["asked_within"].format(words=each.text, named=prompt.text[slice(*named.span)])
        for each, named in within
    ]
    return " ".join(sentences if prompt.named else [text["asked_nothing"], *sentences])


def _overlap(one: tuple[int, int], other: tuple[int, int]) -> bool:
    return one[0] < other[1] and other[0] < one[1]


def named_by(model: LatentModel, prompt: Prompt, found: Asked) -> list[int | None]:
    """For each token of a prompt the number of the named part to which it belongs."""
    offsets = model.tokenizer.encode(prompt.text).offsets
    spans = [each.span for each in found.named]
    return [
        next((i for i, (first, last) in enumerate(spans) if start < last and first < end), None)
        for start, end in (offsets[token.position] for token in prompt.tokens)
    ]


def judged_prompts(request: dict[str, Any]) -> dict[str, Any]:
    """Asked by the page, in line: of a "film" of cats what is "judged", for each variant what `DrawnPrompt`
    tells of its pictures.

    Raises:
        InputError: the film is not known any more.
    """
    film = PROMPT_FILMS.named(request.get("film"))
    cats = film.model.cats
    if cats is None:
        return {"judged": []}
    drawn = (
        DrawnPrompt(asked(variant.prompt.text), DrawnCats(cats, {}, pictures, film.request.num_steps))
        for variant, pictures in zip(film.request.variants, film.pictures)
    )
    return {"judged": [each.pictures for each in drawn]}
