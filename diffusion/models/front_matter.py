"""What the Hub reads of a card: licence, task, data sets, results and pictures, as YAML."""

import re
import unicodedata
from collections.abc import Iterator
from typing import Any

from diffusion.files import to_json
from diffusion.models.model import LatentModel, Model
from diffusion.models.terms import UNKNOWN, terms_of

TAGS = ("diffusion", "ddpm", "unet", "education")
# A figure's text that begins with one number, and is about that: its error and how it was measured follow.
FIGURE = re.compile(r"(\d{1,3}(?:,\d{3})+|\d+)(\.\d+)?(?: ?(%|dB))?(?=[ ;,(]|$)")


def front_matter(model: Model, metrics: dict[str, Any], samples: str | None, library: str = "pytorch") -> str:
    """The lines between the dashes of a card.

    Args:
        model: whose card it is.
        metrics: figures by name, as metrics.json has them.
        samples: a picture beside the card of what the model draws, if there is one.
        library: the Hub's name of what loads it.
    """
    terms, task = terms_of(model), _task(model)
    lines = [f"license: {terms.licence}", f"library_name: {library}", f"pipeline_tag: {task}"]
    if terms.dataset:
        lines += ["datasets:", f"- {terms.dataset}"]
    lines += ["tags:", *(f"- {tag}" for tag in TAGS)]
    if samples is not None:
        lines += ["widget:", "- example_title: Samples from fixed noise", "  output:", f"    url: {samples}"]
    if results := list(_results(metrics)):
        lines += [*_index(model, task, terms.dataset), *results]
    return "".join(f"{line}\n" for line in lines)


def _task(model: Model) -> str:
    return "text-to-image" if isinstance(model, LatentModel) else "unconditional-image-generation"


def _index(model: Model, task: str, dataset: str | None) -> Iterator[str]:
    """The beginning of the Hub's list of results, up to the figures."""
    data = str((UNKNOWN | model.about)["data"])
    yield from ("model-index:", f"- name: {_quoted(model.name)}", "  results:", "  - task:")
    yield from (f"      type: {task}", "    dataset:", f"      type: {_quoted(dataset or _identifier(data))}")
    yield from (f"      name: {_quoted(data)}", "    metrics:")


def _results(metrics: dict[str, Any]) -> Iterator[str]:
    """Those of the figures that are one number, each with its unit and its error where it is told."""
    for name, text in metrics.items():
        if (found := FIGURE.match(str(text))) is None:
            continue
        whole, fraction, unit = found.groups()
        value = f"{whole.replace(',', '')}{fraction or ''}"
        yield f"    - type: {_quoted(_identifier(name))}"
        yield f"      value: {value}"
        yield f"      name: {_quoted(f'{name} ({unit})' if unit else name)}"


def _identifier(name: str) -> str:
    """A name in letters without accents, digits and dashes."""
    plain = "".join(each for each in unicodedata.normalize("NFKD", name) if not unicodedata.combining(each))
    return re.sub(r"[^a-z0-9]+", "-", plain.lower()).strip("-") or "unnamed"


def _quoted(text: str) -> str:
    """A string as JSON has it, and so YAML."""
    return to_json(text, ensure_ascii=False)
