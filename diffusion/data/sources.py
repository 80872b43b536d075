"""Where pictures come from: MNIST, CIFAR-10, or a folder of one's own."""

import gzip
import hashlib
import lzma
import tarfile
import zlib
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from diffusion.data.contents import counted, fingerprint, listed
from diffusion.data.folders import PictureFile, list_pictures
from diffusion.data.image_sets import DataError, ImageData, load_images
from diffusion.data.images import ImageError, centre_crop, open_image
from diffusion.names import is_text, nfc, readable

READ_AT_ONCE = 256  # pictures of a list, whose files are in memory together
DATA_SETS = ("mnist", "cifar10", "folder")
CIFAR10_CLASSES = (
    "airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck",
)  # fmt: skip


def load_data(name: str, data_dir: Path, size: int = 32, train: bool = True) -> ImageData | None:
    """A data set on the CPU, from its `decoded_file` where there is one.

    Args:
        name: one of DATA_SETS.
        data_dir: where it is, or is fetched to.
        size: of a folder's pictures.
        train: the part to train on, or else the held-out part; None where there is none.

    Raises:
        DataError: there is no such data set, or it is neither here nor to be had, or broken.
    """
    if name not in DATA_SETS:
        raise DataError(f"The data set must be one of {', '.join(DATA_SETS)}, not {name!r}.")
    if name == "folder":
        return load_image_folder(data_dir, size) if train else None
    if (decoded := decoded_file(data_dir, name, train)).is_file():
        return load_images(decoded)
    return load_mnist(data_dir, train) if name == "mnist" else load_cifar10(data_dir, train)


def decoded_file(data_dir: Path, name: str, train: bool) -> Path:
    """Where one part of MNIST or CIFAR-10 may be kept by `save_images`, to be read in an instant."""
    return data_dir / f"{name}-{'train' if train else 'test'}.safetensors"


def load_mnist(data_dir: Path, train: bool = True) -> ImageData:
    """MNIST: 60,000 training or 10,000 test digits of 1×28×28; fetched where `data_dir` has none.

    Raises:
        DataError: it is neither there nor to be had, or broken.
    """
    folders = (data_dir / name for name in ("MNIST/raw", "raw", "."))
    folder = next((f for f in folders if list(f.glob("*-ubyte.gz"))), None)
    if folder is None:
        _fetch("MNIST", data_dir)
        folder = data_dir / "MNIST/raw"
    split = "train" if train else "t10k"
    images = _read_idx(folder / f"{split}-images-idx3-ubyte.gz")
    labels = _read_idx(folder / f"{split}-labels-idx1-ubyte.gz")
    if images.ndim != 3 or labels.shape != images.shape[:1] or labels.max() > 9:
        raise DataError(f"{folder} holds something else than MNIST.")
    classes = tuple(str(digit) for digit in range(10))
    return ImageData("MNIST", images[:, None], labels.long(), classes, licence="CC BY-SA 3.0")


def _read_idx(path: Path) -> Tensor:
    """The IDX format: two zero bytes, type 8 (uint8), number of dimensions, big-endian sizes, data."""
    try:
        content = gzip.decompress(path.read_bytes())
        shape = np.frombuffer(content, ">i4", count=content[3], offset=4)
        data = np.frombuffer(content, np.uint8, offset=4 + 4 * content[3]).reshape(shape)
    except FileNotFoundError:
        raise DataError(f"{path.parent} is not complete: it has no {path.name}.") from None
    except (OSError, EOFError, ValueError, IndexError, zlib.error):
        raise DataError(f"{path} is truncated or not an IDX file.") from None
    return torch.from_numpy(data.copy())


def load_cifar10(data_dir: Path, train: bool = True) -> ImageData:
    """CIFAR-10: 50,000 training or 10,000 test pictures of 3×32×32.

    `data_dir` may hold torchvision's own copy, or a JPEG copy (`cifar10-jpeg`, an archive or a folder of
    train|test/<class>/*.jpg), which is labelled as such; otherwise it is fetched.

    Raises:
        DataError: it is neither there nor to be had, or broken.
    """
    split = "train" if train else "test"
    for folder in (data_dir / "cifar10-jpeg", data_dir):
        if (folder / "train" / CIFAR10_CLASSES[0]).is_dir():
            paths = sorted((folder / split).glob("*/*.jpg"))
            return _cifar10_from_jpegs(folder, [(p.parent.name, str(p), p.read_bytes()) for p in paths])
        if (archive := folder / "cifar10-jpeg.tar.xz").is_file():
            return _cifar10_from_jpegs(archive, _archived_jpegs(archive, split))
    data = _fetch("CIFAR10", data_dir, train=train)
    images = torch.from_numpy(data.data).permute(0, 3, 1, 2).contiguous()
    return ImageData("CIFAR-10", images, torch.tensor(data.targets), CIFAR10_CLASSES, flip=True)


def _fetch(name: str, data_dir: Path, **options: bool) -> Any:
    """Have torchvision fetch one of its data sets into `data_dir`, unless it is there."""
    try:
        from torchvision import datasets

        return getattr(datasets, name)(data_dir, download=True, **options)
    except (ImportError, OSError, RuntimeError) as error:  # a failed download is a RuntimeError
        reason = str(error).partition("\n")[0]
        raise DataError(f"{name} is not in {data_dir}, and could not be fetched: {reason}") from None


def _archived_jpegs(archive: Path, split: str) -> list[tuple[str, str, bytes]]:
    """Class name, file name and content of each picture of the split, in the archive's order."""
    files = []
    try:
        with tarfile.open(archive) as tar:
            for member in tar:
                parts = Path(member.name).parts
                wanted = member.isfile() and parts[-3:-2] == (split,) and parts[-1].endswith(".jpg")
                if wanted and (content := tar.extractfile(member)):
                    files.append((parts[-2], member.name, content.read()))
    except (OSError, EOFError, tarfile.TarError, lzma.LZMAError):
        raise DataError(f"{archive} is truncated or not an archive.") from None
    return files


def _cifar10_from_jpegs(source: Path, files: list[tuple[str, str, bytes]]) -> ImageData:
    chosen = (file for file in files if file[0] in CIFAR10_CLASSES)
    examples = ((class_name, name, _cropped(content, 32)) for class_name, name, content in chosen)
    data = _collect("CIFAR-10 (JPEG copy)", source, examples)
    absent = [name for name in CIFAR10_CLASSES if name not in (data.classes or ())]
    if absent:
        raise DataError(f"{source} is not complete: it has no {', '.join(absent)}.")
    return data


def load_image_folder(data_dir: Path, size: int) -> ImageData:
    """Any folder of pictures, cropped and scaled to 3×size×size; its sub-folders, if any, are the classes.

    Raises:
        DataError: there is no such folder, or no readable picture in it, or a class's name is not readable.
    """
    listing = list_pictures(data_dir)
    with ThreadPoolExecutor() as readers:
        pictures = readers.map(partial(_cropped, size=size), (file.path for file in listing.files))
        read = dict(zip(listing.files, pictures))
        whole = [file for file, picture in read.items() if not isinstance(picture, ImageError)]
        if any(file.class_name for file in whole):
            loose = ImageError("It is in none of the class folders.")
            read |= {file: loose for file in whole if not file.class_name}
            whole = [file for file in whole if file.class_name]
        digests = dict(zip(whole, readers.map(_digest, whole)))
    examples = ((file.class_name, readable(file.path), picture) for file, picture in read.items())
    title = f"the folder {readable(data_dir.resolve().name)}"
    data = _collect(title, listing.root, examples, listing.skipped)
    return replace(
        data,
        notes=(*listing.notes, *_notes(listing.classes, digests)),
        files=tuple(fingerprint((file.name_in_class, digest)) for file, digest in digests.items()),
    )


class Picture(NamedTuple):
    """A picture of a list: what it is called there, its class ("" for none, None where it should have one),
    and the bytes of its file, none where there is none."""

    name: str
    class_name: str | None
    content: bytes


def load_listed_pictures(title: str, source: str, pictures: Iterable[Picture], size: int) -> ImageData:
    """The same of pictures that are no files, read as they come.

    Args:
        title: of the data set.
        source: where it is.
        pictures: in an order that is always the same.
        size: of the result, as of a folder's pictures.

    Raises:
        DataError: none of them can be read.
    """
    digests: dict[PictureFile, bytes] = {}
    examples = []
    with ThreadPoolExecutor() as readers:
        listed_pictures = iter(pictures)
        while some := list(islice(listed_pictures, READ_AT_ONCE)):
            for picture, pixels in zip(some, readers.map(lambda each: _read(each, size), some)):
                class_name = " ".join(nfc(picture.class_name or "").split())
                examples.append((class_name, picture.name, pixels))
                if not isinstance(pixels, ImageError):
                    file = PictureFile(Path(picture.name), (picture.name,), class_name)
                    digests[file] = hashlib.sha256(picture.content).digest()
    data = _collect(title, Path(source), examples)
    prints = tuple(fingerprint((file.name_in_class, digest)) for file, digest in digests.items())
    return replace(data, notes=tuple(_notes((), digests)), files=prints)


def _read(picture: Picture, size: int) -> np.ndarray | ImageError:
    """As `_cropped`."""
    if picture.class_name is None or not is_text(picture.class_name):
        return ImageError("It has no label that is a class.")
    if not picture.content:
        return ImageError("It is not in the data set, which only says where it lies.")
    return _cropped(picture.content, size)


def _notes(class_folders: Iterable[str], digests: Mapping[PictureFile, bytes]) -> Iterator[str]:
    """What is odd among the pictures that are read of these folders, a sentence each."""
    classes = {file.class_name for file in digests}
    if empty := sorted({*class_folders} - classes) if any(classes) else []:
        yield f"Without a picture, and so no class: {listed(empty)}."
    if len(classes) == 1 and any(classes) and all(len(file.parts) > 1 for file in digests):
        yield f"The one class, {next(iter(classes))}, holds folders: if they are the classes, name it."
    first: dict[bytes, PictureFile] = {}
    copies = [
        (file, first[digest]) for file, digest in digests.items() if first.setdefault(digest, file) != file
    ]
    if copies:
        number = counted(len(copies), "picture is a copy", "pictures are copies")
        copy, original = (readable(file.path) for file in copies[0])
        yield f"{number} of another one, such as {copy} of {original}."


def _digest(file: PictureFile) -> bytes:
    """Of a file's content; of one that cannot be read, nothing."""
    digest = hashlib.sha256()
    try:
        with open(file.path, "rb") as content:
            while piece := content.read(2**20):
                digest.update(piece)
    except OSError:
        return b""
    return digest.digest()


def _cropped(source: Path | bytes, size: int) -> np.ndarray | ImageError:
    """(size, size, 3) uint8, or why there is no picture."""
    try:
        return np.asarray(centre_crop(open_image(source), size))
    except ImageError as error:
        return error


def _collect(
    title: str,
    source: Path,
    examples: Iterable[tuple[str, str, np.ndarray | ImageError]],
    skipped: Iterable[str] = (),
) -> ImageData:
    """A data set of the pictures that could be read.

    Args:
        title: of the data set.
        source: where it is.
        examples: of each picture its class ("" for none), its name, and its pixels, or why it has none.
        skipped: what was left out before.
    """
    read, left_out = [], list(skipped)
    for class_name, name, picture in examples:
        if isinstance(picture, ImageError):
            left_out.append(f"{name}: {picture}")
        else:
            read.append((class_name, picture))
    if not read:
        such = f", such as {left_out[-1]}" if left_out else "."
        raise DataError(f"{source} holds no readable picture (files skipped: {len(left_out)}){such}")
    height, width, channels = read[0][1].shape
    images = np.empty((len(read), channels, height, width), np.uint8)
    for place, (_, picture) in zip(images, read):  # without a third copy: a folder's pictures may be many
        place[...] = picture.transpose(2, 0, 1)
    pictures = torch.from_numpy(images)
    classes = tuple(sorted({class_name for class_name, _ in read}))
    label = {class_name: i for i, class_name in enumerate(classes)}
    labels = torch.tensor([label[class_name] for class_name, _ in read])
    if classes == ("",):
        return ImageData(title, pictures, flip=True, skipped=tuple(left_out))
    return ImageData(title, pictures, labels, classes, flip=True, skipped=tuple(left_out))
