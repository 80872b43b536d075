"""The model card, and the measured figures that it shows."""

import json
from hashlib import sha256
from pathlib import Path
from typing import Any

from diffusion.data.cats import AUTHOR, SOURCE
from diffusion.files import to_json, write_atomically
from diffusion.models.diffusers_format import has_expressible_classes, why_not_expressible
from diffusion.models.digit_judge import CLASSIFIER_FILE, draws_digits, stated_accuracy
from diffusion.models.front_matter import front_matter
from diffusion.models.model import STUDENT_CALLS, LatentModel, Model
from diffusion.models.terms import UNKNOWN, other_data, terms_of
from diffusion.nets.step_cost import num_parameters

CARD_FILE, METRICS_FILE = "README.md", "metrics.json"
SAMPLES = "samples.png"  # which the card shows

MARK = "<!-- generated, and renewed until somebody edits it: "


def load_metrics(path: Path) -> dict[str, Any]:
    """The figures in a model's folder; none if it has none, or none that can be read."""
    try:
        metrics = json.loads((path / METRICS_FILE).read_text("utf-8"))
    except (OSError, ValueError):
        return {}
    return metrics if isinstance(metrics, dict) else {}


def write_metrics(path: Path, metrics: dict[str, Any]) -> None:
    """Write metrics.json into a folder."""
    content = to_json(metrics, indent=1, ensure_ascii=False)
    write_atomically(path / METRICS_FILE, content.encode())


def save_metrics(path: Path, model: Model, metrics: dict[str, Any]) -> None:
    """The same into a model's folder, with the model card that shows it."""
    write_metrics(path, metrics)
    write_model_card(path, model, metrics)


def write_model_card(path: Path, model: Model, metrics: dict[str, Any]) -> None:
    """Write README.md into a model's folder: data, licence, settings, metrics, samples and how to use it."""
    about = UNKNOWN | model.about
    parameters = num_parameters(*model.parts().values())
    latent = isinstance(model, LatentModel)
    sampler, num_steps = model.usual_walk
    sprite = next((path / name for name in SPRITES if (path / name).exists()), None)
    card = CARD.format(
        front_matter=front_matter(model, metrics, SAMPLES),
        name=model.name,
        parameters=f"{parameters / 1e6:.2f} million",
        size=_size(model),
        network="UNet, text encoder and autoencoder" if latent else "a UNet",
        film=FILM if (path / "film.dat").exists() else "",
        conditions=f", class-conditional ({len(model.classes)} classes)" if model.classes else "",
        conditioning=_conditioning(model),
        schedule=model.schedule_name,
        where=f" on {about['device']}" if "device" in about else "",
        training=_training(model),
        student=STUDENT.format(teacher=model.teacher) if model.teacher else "",
        sampler=sampler,
        num_steps=num_steps,
        prediction=PREDICTED[model.prediction],
        settings="\n".join(f"| {name} | {value} |" for name, value in about["settings"].items()),
        metrics="\n".join(f"- {name}: {value}" for name, value in metrics.items()) or "- nothing yet",
        data_and_licence=data_and_licence(model),
        diffusers=_diffusers(model),
        cats=_cats(model),
        judged=JUDGED if model.cats else "",
        classifier=_classifier(path, model),
        history=HISTORY.format(sprite=sprite.name) if sprite else "",
        **{k: about[k] for k in ("data", "images_seen")},
    )
    write_atomically(path / CARD_FILE, _marked(card).encode())


def exported_card(model: Model) -> str:
    """README.md of the folder that diffusers gets of a model: whose it is, and how to use it there."""
    front = front_matter(model, {}, None, library="diffusers")
    return EXPORTED.format(
        front_matter=front,
        name=model.name,
        steps=_steps_there(model),
        data_and_licence=data_and_licence(model),
    )


def data_and_licence(model: Model) -> str:
    """What it was trained on, and on which terms its weights can be had."""
    about = UNKNOWN | model.about
    weights = terms_of(model).weights
    return f"Data: {about['data']} ({about['licence']}). Weights: {weights}.{_beginnings(model)}"


def _training(model: Model) -> str:
    """How its weights came about."""
    if model.teacher:
        return f"distilled from {model.teacher}"
    start = (UNKNOWN | model.about)["settings"].get("init")
    return f"begun with the weights of {start} and trained" if start else "trained from scratch"


def _diffusers(model: Model) -> str:
    """How to use it in diffusers; nothing of what has no place there."""
    steps = _steps_there(model)
    if why_not_expressible(model) is None:
        return DIFFUSERS.format(name=model.name, flag="", steps=steps)
    if has_expressible_classes(model):
        return DIFFUSERS.format(name=model.name, flag=" --any-class", steps=steps)
    return ""


def _steps_there(model: Model) -> str:
    """Arguments of a DDIMPipeline: of a student its calls, and DDPM's fresh noise between them."""
    return f"num_inference_steps={max(STUDENT_CALLS)}, eta=1.0" if model.teacher else "num_inference_steps=50"


def _beginnings(model: Model) -> str:
    """A sentence for each of the other data."""
    return "".join(
        f"\nBegun with the weights of {of['name']}, trained on {of['data']} ({of['licence']})."
        for of in other_data(model)
    )


def is_generated(card: bytes) -> bool:
    """Whether `write_model_card` wrote this, and nobody edited it since."""
    text = card.decode(errors="replace")
    return text == _marked(text.rpartition(MARK)[0])


def _marked(text: str) -> str:
    """A card with the line from which `is_generated` knows it."""
    return f"{text}{MARK}{sha256(text.encode()).hexdigest()} -->\n"


def _size(model: Model) -> str:
    channels, height, width = model.sample_shape
    if not isinstance(model, LatentModel):
        return f"{width}×{height}, {channels} channel{'s' * (channels > 1)}"
    _, rows, columns = model.image_shape
    return f"{columns}×{rows}, drawn as latents of {width}×{height} with {channels} channels"


def _conditioning(model: Model) -> str:
    """The arguments of `denoiser` in the card's example."""
    if isinstance(model, LatentModel):
        return CAT_PROMPTS if model.cats else EMOJI_PROMPTS
    return "class_labels=torch.arange(4)" if len(model.classes or ()) >= 4 else ""


def _cats(model: Model) -> str:
    """What is special about a model of cats; nothing of any other."""
    if not model.cats:
        return ""
    return CATS + WORDS if isinstance(model, LatentModel) else CATS


def _classifier(path: Path, model: Model) -> str:
    """What the folder of a model of digits has to judge them; nothing of any other."""
    accuracy = stated_accuracy(path) if draws_digits(model) else None
    return "" if accuracy is None else CLASSIFIER.format(file=CLASSIFIER_FILE, accuracy=accuracy)


EMOJI_PROMPTS = 'prompts=["red heart", "고양이 얼굴", "chien", "车"], guidance_scale=3.0'

CAT_PROMPTS = """
    prompts=["a grey cat with green eyes and a red hat", "a cat with a bow", "웃는 고양이", "a cat"],
    guidance_scale=2.0,
"""

PREDICTED = {"epsilon": "the noise ε", "v": "v = √ᾱ_t ε − √(1 − ᾱ_t) x_0", "sample": "the picture x_0"}

SPRITES = ("training.png", "training.webp")  # of a history; the second is the lighter one

STUDENT = """
It is a student of {teacher}, by consistency distillation (Song et al. 2023, Algorithm 2): at T, 3T/4, T/2 and
T/4 it says in one call where a walk of its teacher ends, which takes many. So it draws in 1, 2 or 4 calls,
with fresh noise between them (DDPM). Other t it was not taught.
"""

FILM = """`film.dat` is such a walk, x̂_0 of every step: for the page, and `diffusion.load_film`. Its numbers
are in `film.json`.
"""

HISTORY = """`{sprite}` shows what the network drew from the same noise while it learned, a column for
each of the moments in `training.json`.
"""

CLASSIFIER = """`{file}` tells which digit a picture shows: a small network, which recognises
{accuracy:.2%} of the 10,000 test images of MNIST.
"""

JUDGED = """
from diffusion.data.cat_judge import judge

seen = judge(model.cats, images)  # of all cats that there can be the nearest ones
print(seen.sharp, model.cats.is_trained_on(seen.cats))  # surely these? ever seen before?
"""

CATS = f"""`parts.png` holds the drawn parts of which every such cat is made, `parts.json` their names, and
which combinations were trained on. The drawings are from {AUTHOR}'s [cat avatar generator]({SOURCE}),
scaled down.
"""

WORDS = """
A prompt names some of the parts, in English or Korean, and leaves the others open. A name may stand for
several parts, as “a hat” for either hat. There is no word for other things.
"""

DIFFUSERS = """
### In diffusers

```sh
python -m diffusion.models.export user/{name} {name}-diffusers{flag}
```

```python
from diffusers import DDIMPipeline

pipeline = DDIMPipeline.from_pretrained("{name}-diffusers")
pictures = pipeline(batch_size=4, {steps}).images
```
"""

EXPORTED = """---
{front_matter}---
# {name}

{name} as a UNet2DModel and a DDIMScheduler of diffusers, to be used as a DDIMPipeline.

```python
from diffusers import DDIMPipeline

pipeline = DDIMPipeline.from_pretrained(".")  # this folder
pictures = pipeline(batch_size=4, {steps}).images
```

{data_and_licence}
"""

CARD = """---
{front_matter}---
# {name}

A diffusion model {training} on {data}: {network} of {parameters} parameters for pictures of
{size}{conditions}.
It predicts {prediction} on the {schedule} schedule
and has seen {images_seen:,} images{where}. Its weights are averages (EMA).
{student}
![Samples from fixed noise](samples.png)

## Use

```python
import torch
from diffusion import draw_noise, load_model, sample, timesteps

model = load_model("user/{name}")  # or this folder
x_T = draw_noise((4, *model.sample_shape), torch.Generator().manual_seed(0))
denoise = model.denoiser({conditioning})
for step in sample(denoise, model.schedule, x_T, timesteps(model.schedule, {num_steps}), sampler="{sampler}"):
    images = model.decode(step.x_s)  # (4, C, H, W) in [−1, 1]
{judged}```
{diffusers}
The losses of the run are in `log.jsonl`.
{film}{history}{cats}{classifier}
## Measured

{metrics}

## Data and licence

{data_and_licence}

## Settings

| setting | value |
| --- | --- |
{settings}
"""
