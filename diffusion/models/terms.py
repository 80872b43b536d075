"""On which terms a model's weights can be had: whose pictures they were trained on."""

import re
from typing import Any, NamedTuple

from diffusion.data.cats import Cats
from diffusion.models.model import Model

UNKNOWN: dict[str, Any] = {"data": "unknown data", "licence": "unknown", "images_seen": 0, "settings": {}}
OF_THE_HUB = re.compile(r"the data set ([^/\s]+/[^/\s]+)")  # a title of data that are trained on from there
LICENCE_NAME = re.compile(r"[a-z][a-z0-9.-]*")  # as the Hub has them


class Published(NamedTuple):
    """Data that everybody may have.

    Args:
        dataset: the Hub's name of it; None where it has none.
        licence: the Hub's name of the licence that weights trained on it have.
        weights: the same for a reader.
    """

    dataset: str | None
    licence: str
    weights: str


PUBLISHED = {  # by how the data's titles begin
    "MNIST": Published("ylecun/mnist", "apache-2.0", "Apache-2.0"),
    "CIFAR-10": Published("uoft-cs/cifar10", "apache-2.0", "Apache-2.0"),
    Cats.title: Published(None, "cc-by-4.0", "[CC BY 4.0](https://creativecommons.org/licenses/by/4.0/)"),
}
UNPUBLISHED = Published(None, "other", "as the data allows")


def published_data(model: Model) -> Published | None:
    """The data that a model was trained on; None if they are not published."""
    return published(model.about)


def other_data(model: Model) -> list[dict[str, Any]]:
    """What else its weights were trained on: "name", "data" and "licence" of each model that it began with,
    itself or by way of another, unless it has the data and licence of one before, or of this one."""
    told: dict[tuple[str, str], dict[str, Any]] = {}
    for about in (model.about, *model.about.get("began_with", [])):
        about = UNKNOWN | about
        told.setdefault((str(about["data"]), str(about["licence"])), about)
    return list(told.values())[1:]


def published(about: dict[str, Any]) -> Published | None:
    """The data that a config's "about" tells of; None if they are not published."""
    data = str(about.get("data", ""))
    return next((known for title, known in PUBLISHED.items() if data.startswith(title)), None)


def terms_of(model: Model) -> Published:
    """On which its weights can be had: those of its data, if what it began with has the same."""
    terms = {_known(about) for about in (model.about, *model.about.get("began_with", []))}
    return (terms.pop() if len(terms) == 1 else None) or UNPUBLISHED


def _known(about: dict[str, Any]) -> Published | None:
    """Of published data, and of a data set of the Hub, whoever may have that: its card's licence."""
    found, licence = OF_THE_HUB.fullmatch(str(about.get("data", ""))), str(about.get("licence", ""))
    if found is None:
        return published(about)
    named = LICENCE_NAME.fullmatch(licence) is not None
    return Published(found[1], licence if named else "other", licence if named else UNPUBLISHED.weights)
