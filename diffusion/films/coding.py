"""Films in few bytes: of each step x̂_0 alone, for x_t and ε̂ follow from it by the sampler's update.

A step's code is a quantum (float32, little-endian) and, deflated, for every value of x̂_0 by how many quanta
it differs from the step before: 0, −1, 1, −2, … as 0, 1, 2, 3, …, first the lowest bytes of all, then the
next ones, and where one of the numbers needs it, a third plane of bytes. Of a prediction that guidance
combines it is x̂_0's difference to it that is coded so. The page's `lib/walk.js` makes the rest.
"""

import struct
import zlib

import numpy as np

GREY = 1 / 127.5  # a grey level of x in [−1, 1]; one of ε is three times as much
PLANES = (2, 3)  # bytes of a value
LOWEST, HIGHEST = -(2**23), 2**23 - 1  # in quanta
QUANTUM = struct.Struct("<f")


def quantum(alpha_bar_t: float) -> float:
    """How finely x̂_0 of a step from t is rounded: x̂_0, x_t and ε̂ stay within two grey levels.

    Rounding makes an error of half a quantum in x̂_0, and √ᾱ_t times that in x_t if all steps do so. In ε̂, of
    which a grey level is three times as much, it makes √ᾱ_t / √(1 − ᾱ_t) times that.
    """
    alpha, sigma = alpha_bar_t**0.5, (1 - alpha_bar_t) ** 0.5
    return GREY * min(4, 2 / alpha, 3 * sigma / alpha)


class Coding:
    """One end of a film's way, which encodes or decodes its steps one after the other.

    Args:
        shape: of x̂_0.
        num_predictions: that come with it.
    """

    def __init__(self, shape: tuple[int, ...], num_predictions: int = 0) -> None:
        self.known = np.zeros((1 + num_predictions, *shape), np.float32)  # what both ends have

    def encode(self, alpha_bar_t: float, x_0_hat: np.ndarray, *predictions: np.ndarray) -> bytes:
        """The next step's code; the arrays are float32, not cut off."""
        size = QUANTUM.pack(max(quantum(alpha_bar_t), self._least(x_0_hat, *predictions)))
        wholes = [self._rounded(0, x_0_hat, size)]
        wholes += [self._rounded(i, self.known[0] - x, size) for i, x in enumerate(predictions, 1)]
        numbers = np.stack(wholes)
        coded = np.where(numbers < 0, -2 * numbers - 1, 2 * numbers)
        # Without a search for repetitions, of which there are none but zeros: seventy times as fast.
        deflate = zlib.compressobj(wbits=-zlib.MAX_WBITS, strategy=zlib.Z_RLE)
        number = next(planes for planes in PLANES if coded.max() < 256**planes)
        planes = np.stack([coded >> 8 * i & 255 for i in range(number)]).astype(np.uint8)
        return size + deflate.compress(planes.tobytes()) + deflate.flush()

    def _least(self, x_0_hat: np.ndarray, *predictions: np.ndarray) -> float:
        """The quantum at which the largest difference can just be told: of all that float32 can tell."""
        apart = np.stack([x_0_hat, *(x_0_hat - x for x in predictions)]) - self.known
        largest = np.abs(apart).max(initial=0, where=np.isfinite(apart))
        return float(largest) / (HIGHEST - 1)  # one is left for what x̂_0 itself is rounded by

    def _rounded(self, i: int, x: np.ndarray, size: bytes) -> np.ndarray:
        (step,) = QUANTUM.unpack(size)
        whole = np.rint((x - self.known[i]) / step).clip(LOWEST, HIGHEST).astype(np.int32)
        self.known[i] += whole * np.float32(step)
        return whole

    def decode(self, code: bytes) -> np.ndarray:
        """The next step's x̂_0, float32, of a code without predictions.

        Raises:
            ValueError: the code is broken.
        """
        number = self.known.size
        try:
            (step,) = QUANTUM.unpack(code[: QUANTUM.size])
            inflate = zlib.decompressobj(-zlib.MAX_WBITS)
            content = inflate.decompress(code[QUANTUM.size :], max(PLANES) * number + 1)
        except (struct.error, zlib.error) as error:
            raise ValueError("a film's code is broken") from error
        if not inflate.eof or inflate.unused_data or not np.isfinite(step):
            raise ValueError("a film's code is broken")
        if len(content) not in [planes * number for planes in PLANES]:
            raise ValueError("a film's code has another length")
        planes = np.frombuffer(content, np.uint8).astype(np.int32).reshape(-1, *self.known.shape)
        coded = sum(plane << 8 * i for i, plane in enumerate(planes))
        self.known += ((coded >> 1) ^ -(coded & 1)) * np.float32(step)
        return self.known[0].copy()
