"""Films in few bytes: what they cost, what is lost of them, and what the browser makes of them."""

import base64
import json
import zlib

import numpy as np
import pytest
import torch
from conftest import needs_browser, randomised
from test_class_film import class_request

from diffusion import Model, UNet, UNetConfig, cosine_schedule, make_film
from diffusion.data.images import to_uint8
from diffusion.films.coding import Coding
from diffusion.films.folder import replay
from diffusion.ui.parts.class_film import class_frames
from diffusion.ui.parts.modules import ADDRESS
from diffusion.ui.tabs.reverse import film_messages, shipped_message

SHAPE = (2, 5, 4, 3)
SAMPLERS = [("ddpm", 0.0), ("ddim", 0.0), ("ddim", 0.7), ("dpm++2m", 0.0)]
every_sampler = pytest.mark.parametrize("sampler, eta", SAMPLERS)
MOST = 2  # grey levels by which a picture may differ
NUMBER = 120  # values of SHAPE


def some_steps(seed=0):
    """ᾱ_t and x̂_0 of some steps, in which little changes, or much."""
    generator = np.random.default_rng(seed)
    x = np.zeros(SHAPE, np.float32)
    for alpha_bar, change in ((1e-9, 2), (0.1, 0.5), (0.5, 0.05), (0.9, 40), (0.99, 0.0), (0.9999, 0.01)):
        x = x + change * generator.standard_normal(SHAPE, np.float32)
        yield alpha_bar, x


def test_what_is_coded_is_decoded():
    here, there = Coding(SHAPE), Coding(SHAPE)
    for alpha_bar, x in some_steps():
        decoded = there.decode(here.encode(alpha_bar, x))
        assert np.array_equal(decoded, here.known[0])
        assert np.abs(decoded - x).max() <= (2 + 1e-3) / 127.5
    assert np.abs(decoded - x).max() < 1e-3  # at a small t it is finer


def deflated(content: bytes, end: int = zlib.Z_FINISH) -> bytes:
    deflate = zlib.compressobj(wbits=-15)
    return deflate.compress(content) + deflate.flush(end)


@pytest.mark.parametrize(
    "broken",
    [
        lambda code: b"",
        lambda code: code[:3],
        lambda code: code[:-9],
        lambda code: code[:4] + b"\xff" + code[5:],
        lambda code: code[:4] + deflated(bytes(2 * NUMBER + 1)),
        lambda code: code[:4] + deflated(bytes(10**9)),  # made no larger than a frame
        lambda code: code[:4] + deflated(bytes(2 * NUMBER), zlib.Z_SYNC_FLUSH),  # has no final block
        lambda code: code + b"\0",
        lambda code: b"\x00\x00\x80\x7f" + code[4:],  # an infinite quantum
    ],
)
def test_a_broken_code_is_refused(broken):
    code = Coding(SHAPE).encode(0.5, np.ones(SHAPE, np.float32))
    with pytest.raises(ValueError, match="film"):
        Coding(SHAPE).decode(broken(code))


@every_sampler
def test_x_t_and_the_noise_follow_from_what_is_coded(tiny_model, sampler, eta):
    settings = {"num_images": 3, "num_steps": 20, "sampler": sampler, "eta": eta}
    film = make_film(tiny_model, seed=3, class_labels=torch.tensor([0, 1, 2]), guidance_scale=1.5, **settings)
    info = film.info | {"num_images": 3, "image_shape": [16, 16, 1]}
    apart = np.abs(replay(info, film.codes).astype(int) - film.frames)
    assert apart.max(axis=(2, 3, 4, 5)).max() <= MOST


def far_off(sampler, eta, num_steps=20):
    """A film of a network whose ε̂ at t = T, of which ᾱ_t is nearly zero, says that x̂_0 is some ten thousands.

    Also by how many grey levels its ε̂ may differ at each step: what is a float32's last bit in x̂_0 makes more
    than a grey level of ε̂ at a small t.
    """
    torch.manual_seed(0)
    net = randomised(UNet(UNetConfig(3, 32, (1,), 1, ()))).eval()
    model = Model("far", net, "cosine", cosine_schedule(), "epsilon", (3, 8, 8))
    film = make_film(model, seed=0, num_images=2, num_steps=num_steps, sampler=sampler, eta=eta)
    coding = Coding((2, 8, 8, 3))
    largest = np.array([np.abs(coding.decode(code)).max() for code in film.codes])
    assert (largest > 2e4).all()
    sigma = np.array([1 - row["alphas_cumprod_t"] for row in film.info["steps"]]) ** 0.5
    return model, film, MOST + np.spacing(largest.astype(np.float32)) / sigma * (127.5 / 3)


@every_sampler
def test_a_film_that_goes_far_off_is_coded_as_well(sampler, eta):
    _, film, most = far_off(sampler, eta)
    info = film.info | {"image_shape": [8, 8, 3]}
    apart = np.abs(replay(info, film.codes).astype(int) - film.frames).max(axis=(2, 3, 4, 5))
    assert apart[:, [0, 2]].max() <= MOST and (apart[:-1, 1] <= most).all()
    assert (most[:10] < MOST + 0.6).all()


# ---- in the browser --------------------------------------------------------------------------------------

INFLATED = """async ([path, bytes, length]) =>
  Array.from((await import(path)).inflated(Uint8Array.from(bytes), length))"""
PLANES = """async ([path, messages, wanted]) => {
  const { WalkedFilm } = await import(path);
  let film = new WalkedFilm(messages[0]);
  for (const [i, message] of messages.entries()) {
    film.add(message);
    if (i !== 0) continue;  // and is left here, and found again
    film.plane(film.last, "x_t");
    film = WalkedFilm.from(structuredClone(film.record));
  }
  return wanted.map(([k, name]) => btoa(String.fromCharCode(...film.plane(k, name))));
}"""


@pytest.fixture(scope="module")
def page(browser, site):
    page = browser.new_page()
    page.goto(site)
    yield page
    page.close()


def in_browser(page, messages, wanted) -> dict:
    """These planes of the film that the messages bring, each a (step, name), as the browser makes them."""
    path = f"{ADDRESS}/lib/walked_film.js"
    sent = page.evaluate(PLANES, [path, json.loads(json.dumps(messages)), wanted])
    planes = [np.frombuffer(base64.b64decode(plane), np.uint8).astype(int) for plane in sent]
    return dict(zip(wanted, planes, strict=True))


@needs_browser
@pytest.mark.parametrize("level", [0, 1, 6, 9])
@pytest.mark.parametrize("strategy", [zlib.Z_DEFAULT_STRATEGY, zlib.Z_RLE, zlib.Z_HUFFMAN_ONLY, zlib.Z_FIXED])
def test_the_browser_inflates(page, level, strategy):
    generator = np.random.default_rng(level)
    skewed = (generator.exponential(3, 70_000) * (generator.random(70_000) < 0.5)).astype(np.uint8)
    for content in (b"", b"a", b"abcabcabcabcabc" * 5000, skewed.tobytes(), generator.bytes(70_000)):
        deflate = zlib.compressobj(level, wbits=-15, strategy=strategy)
        packed = deflate.compress(content) + deflate.flush()
        path = f"{ADDRESS}/lib/inflate.js"
        assert bytes(page.evaluate(INFLATED, [path, list(packed), len(content)])) == content


@needs_browser
@pytest.mark.parametrize(
    "broken",
    [
        b"",
        deflated(b"a" * 100)[:-1],
        deflated(b"a" * 100, zlib.Z_SYNC_FLUSH),
        deflated(b"a" * 100) + b"\0",
        deflated(b"a" * 101),
        deflated(bytes(range(101))),
        zlib.compress(bytes(101), 0, wbits=-15),
        b"\x07" + bytes(100),  # of a kind of block that there is not
        b"\x03\x02\x00",  # fixed symbols: a copy of what comes before the first byte
        b"\x05" + bytes(100),  # symbols of its own, of which none has a code
    ],
)
def test_the_browser_refuses_what_is_broken(page, broken):
    call = f"(sent) => ({INFLATED})(sent).then(String, (error) => error.name)"
    assert page.evaluate(call, [f"{ADDRESS}/lib/inflate.js", list(broken), 100]) == "RangeError"


@needs_browser
def test_the_browser_makes_the_frames_of_a_film_that_goes_far_off(page):
    model, film, most = far_off("dpm++2m", 0.0)
    kinds = {"x_t": np.full(20, MOST), "eps_hat": most, "x_0_hat": np.full(20, MOST)}
    wanted = [(k, name) for k in range(20) for name in kinds]
    for (k, name), plane in in_browser(page, [shipped_message(model, film)], wanted).items():
        shown = film.frames[k, [*kinds].index(name)].ravel()
        assert np.abs(plane - shown).max() <= kinds[name][k], (k, name)


@needs_browser
@every_sampler
def test_the_browser_makes_the_frames_of_a_film(page, tiny_model, sampler, eta):
    settings = {"num_images": 3, "num_steps": 20, "sampler": sampler, "eta": eta}
    film = make_film(tiny_model, seed=2**32 - 1, class_labels=torch.tensor([0, 1, 2]), **settings)
    kinds = ("x_t", "eps_hat", "x_0_hat")
    wanted = [(k, name) for k in range(20) for name in kinds] + [(20, "x_t"), (20, "x_0_hat")]
    planes = in_browser(page, [shipped_message(tiny_model, film)], wanted)
    for (k, name), plane in planes.items():
        assert np.abs(plane - film.frames[k, kinds.index(name)].ravel()).max() <= MOST, (k, name)


@needs_browser
@pytest.mark.parametrize("scale", [0.0, 0.4, 0.6, 1.5, 7.0])
def test_of_guidance_the_browser_has_both_predictions(page, tiny_model, scale, monkeypatch):
    monkeypatch.setattr("diffusion.ui.parts.streaming.MESSAGE_SECONDS", 0)
    asked = class_request(tiny_model, guidance_scale=scale, num_steps=6, sampler="dpm++2m", class_label="*")
    names = ("x_0_hat", "with", "without")
    wanted = [(k, name) for k in range(6) for name in names]
    planes = in_browser(page, list(film_messages(tiny_model, asked)), wanted)
    for k, (arrays, _) in enumerate([*class_frames(tiny_model, asked)][:-1]):
        for name in names:
            shown = to_uint8(torch.from_numpy(arrays[name])).numpy().ravel()
            most = MOST if name == "x_0_hat" else 3 * MOST  # one of two follows from the other
            assert np.abs(planes[k, name] - shown).max() <= most, (k, name)


@needs_browser
def test_what_comes_after_a_gap_is_not_shown(page, tiny_model):
    message = shipped_message(tiny_model, make_film(tiny_model, seed=0, num_images=1, num_steps=4))
    missing = message | {"frames": [frame for frame in message["frames"] if frame["k"] != 2]}
    told = page.evaluate(
        """async ([path, missing, whole]) => {
          const { WalkedFilm } = await import(path);
          const film = WalkedFilm.whole(missing);
          return [film.last, film.has(3), film.add(whole).last, film.has(3)];
        }""",
        [f"{ADDRESS}/lib/walked_film.js", json.loads(json.dumps(missing)), json.loads(json.dumps(message))],
    )
    assert told == [1, False, 4, True]
