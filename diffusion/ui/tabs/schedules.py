"""The Schedules tab: the Forward tab's picture under both schedules, and networks trained with each.

The first part needs only the tables for its T: picture and noise are there.
"""

from itertools import combinations
from typing import Any

from diffusion.films.film import Film
from diffusion.films.quality_curves import quality_over_steps
from diffusion.models.model import Model
from diffusion.schedules import SCHEDULES
from diffusion.ui.parts.animation import animation
from diffusion.ui.parts.class_film import only_codes, shipped_film, shipped_frames, walk_of
from diffusion.ui.parts.files import in_a_file
from diffusion.ui.parts.noised_picture import tables
from diffusion.ui.parts.own_picture import open_picture, picture_row
from diffusion.ui.parts.scrubber import Scrubber, fill, inline, static
from diffusion.ui.parts.streaming import whole_film
from diffusion.ui.text import labels, shown_name


def trained_pair(models: dict[str, Model]) -> dict[str, Model] | None:
    """Two models that were trained alike in all but the schedule, by schedule; None if there are none."""

    def rest(model: Model) -> Any:
        settings = {k: v for k, v in model.about.get("settings", {}).items() if k != "schedule"}
        return settings and (settings, model.about.get("data"), model.about.get("images_seen"))

    for one, other in combinations(models.values(), 2):
        if rest(one) and rest(one) == rest(other) and one.schedule_name != other.schedule_name:
            pair = {model.schedule_name: model for model in (one, other)}
            return {name: pair[name] for name in SCHEDULES if name in pair}
    return None


def trained_message(pair: dict[str, Model]) -> dict[str, Any] | None:
    """Both models' films and curves for the page; None if there are no two films of one shape."""
    loaded = {name: shipped_film(model) for name, model in pair.items()}
    films = {name: film for name, film in loaded.items() if film is not None}
    if len(films) < len(pair) or len({film.frames.shape for film in films.values()}) > 1:
        return None
    first, film = next(iter(pair.values())), next(iter(films.values()))
    curves = {name: quality_over_steps(model.folder) for name, model in pair.items()}
    text = labels()
    lead = text["trained_lead"].format(
        images=f"{first.about['images_seen']:,}",
        data=shown_name(first.about["data"]),
        steps=len(film.info["steps"]),
        sampler=film.info["sampler"],
    )
    samples = max((row["num_samples"] for rows in curves.values() for row in rows), default=0)
    return {
        "films": {name: samples_film(pair[name], film) for name, film in films.items()},
        "curves": curves,
        "lead": lead,
        "note": text["trained_note"].format(samples=f"{samples:,}") if samples else "",
    }


def samples_film(model: Model, film: Film) -> dict[str, Any]:
    """The shipped film for the page."""
    return whole_film(f"{model.name}-samples", walk_of(film), only_codes(shipped_frames(film)))


def build(models: dict[str, Model]) -> None:
    """Lay out the tab inside the current gr.Blocks, over models by name."""
    text = labels()
    panels = [fill(static("tabs/panel.html"), {"name": name, "title": text[name]}) for name in SCHEDULES]
    parts = {"panels": "".join(panels), "fact": inline("fact"), **picture_row(text["presets"])}
    Scrubber("schedules", None, [tables, open_picture, animation], parts)
    pair = trained_pair(models)
    message = trained_message(pair) if pair else None
    if message:
        parts = {"slider": text["trained_slider"], "position": text["film_position"]}
        Scrubber("trained", in_a_file(message), [animation], parts)
