"""Data sets of pictures on the Hub, to train on: files in class folders, or a column of parquet files.

`datasets` reads the latter, and is imported only then. Nothing that a repo brings along is run.
"""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

from diffusion.addresses import RepoAddress, repo_address
from diffusion.data.contents import OTHER_PARTS, is_filling, listed, words_of_part
from diffusion.data.image_formats import looks_like_a_picture, picture_suffixes
from diffusion.data.image_sets import DataError, ImageData
from diffusion.data.images import MAX_PIXELS
from diffusion.data.sources import Picture, load_image_folder, load_listed_pictures
from diffusion.hub.client import HubError, client, reason_of, why_unreachable
from diffusion.hub.loading import fetched, page

MAX_PICTURES, MAX_BYTES = 100_000, 5 * 10**9  # of a data set: what is fetched at most without being asked
BOUNDS = (
    f"at most {MAX_PICTURES:,} pictures of {MAX_PIXELS:,} pixels each are read, "
    f"of at most {MAX_BYTES / 10**9:g} GB of files"
)
CARD = "README.md"
TABLES = ["*.parquet", CARD]  # as globs, in which a * matches a / too
HELD_OUT = [
    f"{before}{part}{after}" for part in OTHER_PARTS for before in ("", "*/") for after in ("/*", "-*")
]
LABELS = ("label", "labels", "class", "classes", "category")  # columns, where none says that it is one
TITLE = "the data set {}"  # of the Hub


def load_hub_pictures(dataset: str, size: int) -> tuple[ImageData, str]:
    """Pictures of a data set of the Hub, fitted as those of a folder are.

    Args:
        dataset: "user/name" or "user/name@revision", or its page's address.
        size: to which they are cropped and scaled.

    Returns:
        The pictures; and "user/name@commit", by which they can be had again.

    Raises:
        DataError: there can be no such data set, it is too large, or holds no pictures that are read.
        HubError: the Hub could not be reached, or has no such data set, or does not give it.
    """
    repo = repo_address(dataset, "dataset")
    if repo is None or repo.kind != "dataset":
        raise DataError(f"{dataset} is no data set of the Hub: name one like user/name.")
    folder, tables = _copy(repo)
    pinned = f"{repo.repo_id}@{folder.name}"
    card = _card(folder)
    if tables:
        title = TITLE.format(repo.repo_id)
        data = load_listed_pictures(title, pinned, _rows(repo.repo_id, tables, card), size)
    else:
        data = _of_files(repo.repo_id, folder, size)
    return replace(data, licence=_licence(card)), pinned


def _pictures() -> list[str]:
    """Files of pictures, as globs."""
    return [*(f"*{each}" for suffix in picture_suffixes() for each in (suffix, suffix.upper())), CARD]


def _copy(repo: RepoAddress) -> tuple[Path, list[Path]]:
    """The local copy of what is read of a data set, and its parquet files, if it has such."""
    if why_unreachable() is None:
        repo, patterns = _checked(repo)
        folder = fetched(repo, patterns, HELD_OUT)
    else:  # all that there is to look at is what was fetched before
        folder = fetched(repo, TABLES, HELD_OUT)
        if not any(folder.rglob(TABLES[0])):
            folder = fetched(repo, _pictures(), HELD_OUT)
    return folder, sorted(folder.rglob(TABLES[0]))


def _checked(repo: RepoAddress) -> tuple[RepoAddress, list[str]]:
    """The data set with its commit, and what to fetch of it (globs), which is not too much."""
    hub = client()
    try:
        info = hub.HfApi().dataset_info(repo.repo_id, revision=repo.revision, files_metadata=True)
    except hub.errors.HFValidationError:
        raise DataError(f"{repo} is no data set of the Hub: name one like user/name.") from None
    except Exception as error:  # the client lets its HTTP library's errors through
        raise HubError(
            f"The data set {repo} could not be loaded from the Hub: {reason_of(error, page(repo))}"
        ) from None
    sizes = {each.rfilename: each.size or 0 for each in info.siblings or ()}

    def chosen(patterns: list[str]) -> dict[str, int]:
        names = hub.utils.filter_repo_objects(sizes, allow_patterns=patterns, ignore_patterns=HELD_OUT)
        return {name: sizes[name] for name in names if name != CARD}

    tables, pictures = chosen(TABLES), chosen(_pictures())
    files = tables or pictures
    if not files:
        raise DataError(
            f"{repo} holds nothing to train on: neither parquet files nor pictures in class folders."
        )
    if not tables and len(files) > MAX_PICTURES:
        raise DataError(f"{repo} has {len(files):,} pictures: {BOUNDS}.")
    if (total := sum(files.values())) > MAX_BYTES:
        raise DataError(f"{repo} has {total / 10**9:,.1f} GB of files: {BOUNDS}.")
    return replace(repo, revision=info.sha), TABLES if tables else _pictures()


def _of_files(name: str, folder: Path, size: int) -> ImageData:
    """Files in class folders, which may lie in one called "data" or much like it."""
    root = folder
    while len(inside := [each for each in root.iterdir() if each.is_dir()]) == 1 and is_filling(
        inside[0].name
    ):
        if any(looks_like_a_picture(each.name) for each in root.iterdir() if each.is_file()):
            break
        (root,) = inside
    try:
        data = load_image_folder(root, size)
    except DataError as error:  # names the data set, not its place in the cache
        raise DataError(str(error).replace(str(folder), name)) from None
    left_out = (line for line in data.skipped if not line.startswith(f"{folder / CARD}: "))
    return replace(
        data,
        title=TITLE.format(name),
        skipped=tuple(line.replace(str(folder), name) for line in left_out),
        notes=tuple(line.replace(str(folder), name) for line in data.notes),
    )


def _root(folder: Path) -> Path:
    """The folder itself, or the one inside it that says nothing but that the pictures are there."""
    inside = list(folder.iterdir())
    folders = [each for each in inside if each.is_dir()]
    loose = any(looks_like_a_picture(each.name) for each in inside if each not in folders)
    if loose or len(folders) != 1 or not is_filling(folders[0].name):
        return folder
    return _root(folders[0])


def _rows(name: str, tables: list[Path], card: dict[str, Any]) -> Iterator[Picture]:
    """What stands in the rows of parquet files: of each its class, and the bytes of its picture's file."""
    datasets = _reader(name)
    _check_one_table(name, tables)
    files = list(map(str, tables))
    try:
        table = datasets.load_dataset("parquet", data_files=files, split="train", streaming=True)
        features = table.features or {}
        image, label = _image_column(datasets, features), _label_column(datasets, features)
        if image is None:
            raise DataError(f"{name} holds no pictures: its columns are {', '.join(features) or 'unknown'}.")
        if isinstance(features[image], datasets.Image):
            table = table.cast_column(image, datasets.Image(decode=False))
        names = _class_names(features, label, card)
        for i, row in enumerate(table.select_columns([image, *([label] if label else [])])):
            if i == MAX_PICTURES:
                raise DataError(f"{name} has more pictures: {BOUNDS}.")
            known = _class_of(row[label], names) if label else ""
            yield Picture(f"row {i:,} of {name}", known, _content(row[image]))
    except (DataError, HubError):
        raise
    except Exception as error:  # pyarrow and datasets raise anything
        reason = str(error).strip().partition("\n")[0] or type(error).__name__
        raise DataError(f"The parquet files of {name} cannot be read: {reason}") from None


def _check_one_table(name: str, tables: list[Path]) -> None:
    """Raises DataError if the files are those of several tables, each in a folder of its own."""
    folders = {file.parent.parent if words_of_part(file.parent.name) else file.parent for file in tables}
    if len(folders) > 1:
        names = listed(sorted(folder.name for folder in folders))
        raise DataError(f"{name} has several tables ({names}): only data sets with one are read.")


def _reader(name: str) -> Any:
    """The package datasets. Raises HubError: it is not installed."""
    try:
        import datasets
    except ImportError:
        raise HubError(
            f"{name} holds parquet files: run `pip install datasets` first, the package that reads them."
        ) from None
    return datasets


def _image_column(datasets: Any, features: dict[str, Any]) -> str | None:
    """The column of pictures: one that says so, or one of bytes and paths."""
    kinds = (
        [key for key, kind in features.items() if isinstance(kind, datasets.Image)],
        [key for key, kind in features.items() if isinstance(kind, dict) and "bytes" in kind],
    )
    return next((keys[0] for keys in kinds if keys), None)


def _label_column(datasets: Any, features: dict[str, Any]) -> str | None:
    """The column of classes: one that says so, or one that is called so."""
    classes = [key for key, kind in features.items() if isinstance(kind, datasets.ClassLabel)]
    called = [key for key in LABELS if isinstance(features.get(key), datasets.Value)]
    return next(iter(classes + called), None)


def _class_names(features: dict[str, Any], label: str | None, card: dict[str, Any]) -> list[str]:
    """What the numbers of a column of classes are called: its files say it, or the card; [] if neither."""
    if named := list(getattr(features.get(label or ""), "names", None) or ()):
        return named
    about = card.get("dataset_info")
    tables = [each for each in (about if isinstance(about, list) else [about]) if isinstance(each, dict)]
    columns = [
        column for table in tables for column in table.get("features") or () if isinstance(column, dict)
    ]
    kinds = [column.get("dtype") for column in columns if column.get("name") == label]
    for kind in kinds:
        names = (kind.get("class_label") or {}).get("names") if isinstance(kind, dict) else None
        if isinstance(names, dict) and all(str(key).isdigit() for key in names):
            return [str(names[key]) for key in sorted(names, key=int)]
    return []


def _class_of(value: Any, names: list[str]) -> str | None:
    """The name of the class that a row says; None if it says none."""
    if value is None or (names and isinstance(value, int) and not 0 <= value < len(names)):
        return None
    return names[value] if names and isinstance(value, int) else str(value)


def _content(value: Any) -> bytes:
    """The bytes of a picture's file; none of one that is elsewhere, which is not looked for."""
    content = value.get("bytes") if isinstance(value, dict) else value
    return content if isinstance(content, bytes) else b""


def _card(folder: Path) -> dict[str, Any]:
    """What the data set's card says in its front matter; nothing if it has none that can be read."""
    hub = client()
    try:
        return hub.DatasetCard((folder / CARD).read_text("utf-8")).data.to_dict()
    except Exception:  # no card, or one of somebody's own making
        return {}


def _licence(card: dict[str, Any]) -> str:
    """Of the pictures, as the card has it."""
    licence: Any = card.get("license")
    if licence == "other" and card.get("license_name"):
        licence = card["license_name"]
    names = licence if isinstance(licence, list) else [licence]
    return ", ".join(str(name) for name in names if name) or "its card names no licence"
