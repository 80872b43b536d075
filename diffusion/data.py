"""Pictures as uint8 tensors that live on the device, in an order that depends on (seed, images_seen) alone."""

import gzip
import io
import tarfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path

import numpy as np
import torch
from PIL import Image, ImageOps
from torch import Tensor

MAX_PIXELS = 50_000_000
MIN_SIDE = 8
IMAGE_FORMATS = ("JPEG", "PNG", "GIF", "WEBP", "BMP", "TIFF", "PPM")
CIFAR10_CLASSES = (
    "airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck",
)  # fmt: skip


class ImageError(ValueError):
    """A picture that cannot be used; the message is one plain sentence for its owner."""


@dataclass(frozen=True, eq=False)
class ImageData:
    """A data set in memory.

    Args:
        title: what it is, for titles and model cards.
        images: (N, C, H, W) uint8.
        labels: (N,) int64, or None.
        classes: the name of each label, or None.
        flip: whether a mirrored picture is as good as the original.
        licence: of the pictures, for model cards.
        skipped: files that could not be read, each with its reason.
    """

    title: str
    images: Tensor
    labels: Tensor | None = None
    classes: tuple[str, ...] | None = None
    flip: bool = False
    licence: str = "see the data's own source"
    skipped: tuple[str, ...] = ()

    def to(self, device: torch.device | str) -> "ImageData":
        """The same data on another device."""
        labels = None if self.labels is None else self.labels.to(device)
        return replace(self, images=self.images.to(device), labels=labels)

    def batch(self, positions: range, seed: int, generator: torch.Generator) -> tuple[Tensor, Tensor | None]:
        """The examples at these positions of an endless stream of shuffled epochs.

        Args:
            positions: B positions, counted in images seen.
            seed: of the order.
            generator: on the images' device, for the flips.

        Returns:
            x_0 (B, C, H, W) float32 in [−1, 1] and class labels (B,) or None.
        """
        size = len(self.images)
        index = torch.stack([_epoch_order(size, seed, p // size)[p % size] for p in positions])
        index = index.to(self.images.device)
        x_0 = to_signed(self.images[index])
        if self.flip:
            mirrored = torch.rand(len(x_0), 1, 1, 1, generator=generator, device=x_0.device) < 0.5
            x_0 = torch.where(mirrored, x_0.flip(-1), x_0)
        return x_0, None if self.labels is None else self.labels[index]


@lru_cache(maxsize=2)
def _epoch_order(size: int, seed: int, epoch: int) -> Tensor:
    """A permutation of 0..size − 1 that only (seed, epoch) decides."""
    return torch.randperm(size, generator=step_generator(seed, epoch, "cpu"))


def step_generator(seed: int, position: int, device: torch.device | str) -> torch.Generator:
    """Randomness that depends on (seed, position) alone, so that a resumed run continues the same stream."""
    mixed = np.random.SeedSequence([seed, position]).generate_state(1)[0]
    return torch.Generator(device).manual_seed(int(mixed))


def to_signed(images: Tensor) -> Tensor:
    """uint8 in 0..255 → float32 in [−1, 1]."""
    return images.float() / 127.5 - 1


def to_uint8(x: Tensor, value_range: float = 1.0) -> Tensor:
    """What is shown of x: [−value_range, value_range] → uint8 0..255, values beyond it cut off."""
    return (127.5 * ((x / value_range).clamp(-1, 1) + 1)).round().to(torch.uint8)


def open_image(source: str | Path | bytes) -> Image.Image:
    """Open a stranger's picture: upright, first frame, 8-bit RGB, transparency on white.

    Args:
        source: a path, or the file's bytes.

    Raises:
        ImageError: it is no picture, is broken, or is too large or too small; says which.
    """
    stream = io.BytesIO(source) if isinstance(source, bytes) else Path(source)
    try:
        with Image.open(stream, formats=IMAGE_FORMATS) as image:
            _check_size(*image.size)
            return _to_rgb(ImageOps.exif_transpose(image))
    except ImageError:
        raise
    except Image.DecompressionBombError:
        raise ImageError(f"This picture has more than {MAX_PIXELS:,} pixels.") from None
    except Exception:  # Pillow's decoders raise anything, from SyntaxError to struct.error
        raise ImageError(
            "This file is not a readable picture: use a complete JPEG, PNG, WebP, GIF, BMP or TIFF."
        ) from None


def _check_size(width: int, height: int) -> None:
    if width * height > MAX_PIXELS:
        raise ImageError(
            f"This picture is {width:,} × {height:,}; at most {MAX_PIXELS:,} pixels are accepted."
        )
    if min(width, height) < MIN_SIDE:
        raise ImageError(
            f"This picture is {width:,} × {height:,}; its shorter side needs at least {MIN_SIDE} pixels."
        )


def _to_rgb(image: Image.Image) -> Image.Image:
    if image.mode.startswith("I"):  # 16 bits of grey
        grey = np.asarray(image).astype(np.float64) / 257
        return Image.fromarray(grey.round().clip(0, 255).astype(np.uint8)).convert("RGB")
    if image.has_transparency_data:
        rgba = image.convert("RGBA")
        image = Image.alpha_composite(Image.new("RGBA", rgba.size, "white"), rgba)
    return image.convert("RGB")


def centre_crop(image: Image.Image, size: int) -> Image.Image:
    """The middle square, `size` pixels wide."""
    return ImageOps.fit(image, (size, size), Image.Resampling.LANCZOS)


def letterbox(image: Image.Image, size: int) -> Image.Image:
    """The whole picture on a mid-grey square, `size` pixels wide."""
    return ImageOps.pad(image, (size, size), Image.Resampling.LANCZOS, color=(128, 128, 128))


def load_mnist(data_dir: Path, train: bool = True) -> ImageData:
    """MNIST: 60,000 training or 10,000 test digits of 1×28×28; fetched where `data_dir` has none."""
    prefix = "train" if train else "t10k"
    folder = _first_folder(data_dir, f"{prefix}-images-idx3-ubyte.gz", ("MNIST/raw", "raw", "."))
    if folder is None:
        from torchvision.datasets import MNIST

        MNIST(data_dir, download=True)
        folder = data_dir / "MNIST/raw"
    images = _read_idx(folder / f"{prefix}-images-idx3-ubyte.gz")
    labels = _read_idx(folder / f"{prefix}-labels-idx1-ubyte.gz")
    classes = tuple(str(digit) for digit in range(10))
    return ImageData("MNIST", images[:, None], labels.long(), classes, licence="CC BY-SA 3.0")


def _read_idx(path: Path) -> Tensor:
    """The IDX format: two zero bytes, type 8 (uint8), number of dimensions, big-endian sizes, data."""
    content = gzip.decompress(path.read_bytes())
    shape = np.frombuffer(content, ">i4", count=content[3], offset=4)
    data = np.frombuffer(content, np.uint8, offset=4 + 4 * content[3]).reshape(shape)
    return torch.from_numpy(data.copy())


def load_cifar10(data_dir: Path, train: bool = True) -> ImageData:
    """CIFAR-10: 50,000 training or 10,000 test pictures of 3×32×32.

    `data_dir` may hold torchvision's own copy, or a JPEG copy (`cifar10-jpeg`, an archive or a folder of
    train|test/<class>/*.jpg), which is labelled as such; otherwise it is fetched.
    """
    split = "train" if train else "test"
    archive = _first_folder(data_dir, "cifar10-jpeg.tar.xz", ("cifar10-jpeg", "."))
    folder = _first_folder(data_dir, f"{split}/{CIFAR10_CLASSES[0]}", ("cifar10-jpeg", "."))
    if folder is not None:
        paths = sorted((folder / split).glob("*/*.jpg"))
        return _cifar10_from_jpegs((path.parent.name, path.read_bytes()) for path in paths)
    if archive is not None:
        return _cifar10_from_jpegs(_archived_jpegs(archive / "cifar10-jpeg.tar.xz", split))
    from torchvision.datasets import CIFAR10

    data = CIFAR10(data_dir, train=train, download=True)
    images = torch.from_numpy(data.data).permute(0, 3, 1, 2).contiguous()
    return ImageData("CIFAR-10", images, torch.tensor(data.targets), CIFAR10_CLASSES, flip=True)


def _archived_jpegs(archive: Path, split: str) -> Iterator[tuple[str, bytes]]:
    """(class name, file content) of each picture of the split, in the archive's order."""
    with tarfile.open(archive) as tar:
        for member in tar:
            parts = Path(member.name).parts
            if member.isfile() and len(parts) >= 3 and parts[-3] == split and parts[-1].endswith(".jpg"):
                yield parts[-2], tar.extractfile(member).read()


def _cifar10_from_jpegs(files: Iterable[tuple[str, bytes]]) -> ImageData:
    labels, pixels = [], []
    for class_name, content in files:
        labels.append(CIFAR10_CLASSES.index(class_name))
        pixels.append(np.asarray(Image.open(io.BytesIO(content)).convert("RGB")))
    images = torch.from_numpy(np.stack(pixels)).permute(0, 3, 1, 2).contiguous()
    return ImageData("CIFAR-10 (JPEG copy)", images, torch.tensor(labels), CIFAR10_CLASSES, flip=True)


def _first_folder(data_dir: Path, entry: str, candidates: Iterable[str]) -> Path | None:
    """The first of `data_dir`'s candidate folders that holds `entry`."""
    return next((data_dir / c for c in candidates if (data_dir / c / entry).exists()), None)


def load_folder(data_dir: Path, size: int) -> ImageData:
    """Any folder of pictures, cropped and scaled to 3×size×size; its sub-folders, if any, are the classes.

    Raises:
        ImageError: no picture could be read.
    """
    folders = sorted(p for p in data_dir.iterdir() if p.is_dir() and not p.name.startswith("."))
    pixels, labels, skipped = [], [], []
    for label, folder in enumerate(folders or [data_dir]):
        for path in sorted(p for p in folder.rglob("*") if p.is_file() and not p.name.startswith(".")):
            try:
                pixels.append(np.asarray(centre_crop(open_image(path), size)))
                labels.append(label)
            except ImageError as error:
                skipped.append(f"{path}: {error}")
    if not pixels:
        raise ImageError(f"{data_dir} holds no readable picture ({len(skipped)} files skipped).")
    images = torch.from_numpy(np.stack(pixels)).permute(0, 3, 1, 2).contiguous()
    classes = tuple(folder.name for folder in folders) or None
    return ImageData(
        f"the folder {data_dir.name}",
        images,
        torch.tensor(labels) if classes else None,
        classes,
        flip=True,
        skipped=tuple(skipped),
    )
