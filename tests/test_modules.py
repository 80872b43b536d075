"""The page's modules: how they are served, and their arithmetic, in a browser, against Python's."""

import base64

import httpx
import numpy as np
import pytest
import torch
from conftest import needs_browser

from diffusion import cosine_schedule, linear_schedule
from diffusion.ui.parts.modules import ADDRESS, MODULES, STATIC, address_of, imports_of
from diffusion.ui.parts.noised_picture import tables
from diffusion.ui.parts.scrubber import fill, static
from diffusion.ui.text import Phrase, labels

# ---- serving ---------------------------------------------------------------------------------------------


def test_a_module_is_kept_for_ever(site):
    answer = httpx.get(f"{site}{ADDRESS}/lib/state.js")
    assert answer.content == (STATIC / "lib/state.js").read_bytes()
    assert answer.headers["cache-control"] == "public, max-age=31536000, immutable"
    assert answer.headers["content-type"].startswith("text/javascript")


@pytest.mark.parametrize(
    "name", ["lib/none.js", "style/page.css", "../page.py", "%2e%2e/page.py", "lib/../on_load.js", ""]
)
def test_nothing_else_is_served(site, name):
    assert httpx.get(f"{site}{ADDRESS}/{name}").status_code == 404


def test_other_texts_have_another_address():
    assert address_of(dict(MODULES)) == ADDRESS
    assert address_of(MODULES | {"lib/state.js": b""}) != ADDRESS
    assert address_of(MODULES | {"lib/new.js": b""}) != ADDRESS


@pytest.mark.parametrize("name", MODULES)
def test_imports_exist_and_lib_knows_no_tab(name):
    assert len(imports_of(name)) == MODULES[name].count(b"import ")
    for imported in imports_of(name):
        assert imported in MODULES
        assert imported.startswith("lib/") or name.startswith("tabs/")


# ---- arithmetic ------------------------------------------------------------------------------------------

CALL = """async ([path, name, parameters]) => {
  const result = (await import(path))[name](...parameters);
  return ArrayBuffer.isView(result) ? Array.from(result) : result;
}"""


@pytest.fixture(scope="module")
def call(browser, site):
    """A function that calls one of a module's: call("lib/numbers.js", "fixed", 0.5)."""
    page = browser.new_page()
    page.goto(site)

    def call(module, name, *parameters):
        return page.evaluate(CALL, [f"{ADDRESS}/{module}", name, parameters])

    call.page = page
    yield call
    page.close()


@needs_browser
def test_every_half_float_is_decoded_exactly(call):
    """All 65536: ±0, subnormal numbers, the largest, ±∞, and NaN."""
    halves = np.arange(65536, dtype=np.uint16).view(np.float16)
    decoded = np.array(call("lib/decode.js", "halfFloats", base64.b64encode(halves.tobytes()).decode()))
    assert np.array_equal(decoded, halves.astype(float), equal_nan=True)
    assert np.array_equal(np.signbit(decoded[:0x7C01]), np.zeros(0x7C01)) and np.signbit(decoded[0x8000])
    for bits, value in ((0x0001, 2**-24), (0x03FF, 1023 * 2**-24), (0x7BFF, 65504), (0xFC00, -np.inf)):
        assert call("lib/decode.js", "halfValue", bits) == value


@needs_browser
def test_bytes_survive_base64(call):
    text = base64.b64encode(bytes(range(256))).decode()
    assert call("lib/decode.js", "bytesFrom", text) == list(range(256))
    assert call("lib/decode.js", "base64From", list(range(256))) == text


@needs_browser
@pytest.mark.parametrize("names", [("linear", "cosine"), ("cosine", "linear")])
def test_t_at_the_same_snr_is_pythons(call, names):
    schedules = {"linear": linear_schedule(60), "cosine": cosine_schedule(60)}
    table = tables({"num_timesteps": 60})
    leader, follower = (schedules[name] for name in names)
    t = torch.arange(1, 61)
    wanted = leader.half_log_snr(t)
    for half_log_snr, expected in zip(wanted.tolist(), follower.timestep_at(wanted).tolist()):
        found = call("lib/schedules.js", "timestepAt", table[names[1]], half_log_snr)
        assert found["t"] == pytest.approx(expected, abs=1e-6)
        low, high = follower.half_log_snr(torch.tensor([60, 1])).tolist()
        assert found["held"] == (not low <= half_log_snr <= high)


@needs_browser
def test_what_a_table_says(call):
    schedule, table = cosine_schedule(50), tables({"num_timesteps": 50})["cosine"]
    for t in (1, 2, 49, 50):
        level = call("lib/schedules.js", "levelAt", table, t)
        assert level["beta"] == pytest.approx(schedule.betas[t - 1].item(), rel=1e-6)
        assert level["alpha"] ** 2 + level["sigma"] ** 2 == pytest.approx(1)
        assert call("lib/schedules.js", "snr", table[t]) == pytest.approx(
            schedule.snr(torch.tensor([t])).item()
        )
    assert call("lib/schedules.js", "levelAt", table, 0) == {
        "t": 0, "alphaBar": 1, "previous": 1, "beta": 0, "alpha": 1, "sigma": 0,
    }  # fmt: skip


@needs_browser
def test_density_and_moments_of_a_mixture(call):
    random = np.random.default_rng(0)
    x, y, z = (random.normal(size=40_000) for _ in range(3))
    values = (0.6 * x + 0.8 * y)[::4]
    counts, _ = np.histogram(values, bins=80, range=(-3.2, 3.2))
    found = call("lib/statistics.js", "density", x.tolist(), 0.6, y.tolist(), 0.8)
    assert found == pytest.approx((counts / len(values) / 0.08).tolist(), abs=1.5 / len(values) / 0.08)
    assert sum(found) * 0.08 == pytest.approx(np.mean(np.abs(values) < 3.2), abs=1e-4)
    values = (0.1 * x - 0.2 * y + 3 * z)[::4]
    found = call("lib/statistics.js", "moments", x.tolist(), 0.1, y.tolist(), -0.2, z.tolist(), 3)
    assert found == pytest.approx({"mean": values.mean(), "variance": values.var()})


@needs_browser
def test_grids_are_square_or_have_no_empty_places(call):
    columns = [call("lib/pictures.js", "columnsFor", count) for count in range(1, 17)]
    assert columns == [1, 2, 3, 2, 5, 3, 3, 4, 3, 5, 4, 4, 4, 7, 5, 4]


@needs_browser
def test_pixels_become_values_and_values_pixels(call):
    rgba = [0, 255, 51, 255, 102, 153, 204, 255]
    assert call("lib/pictures.js", "signedPixels", rgba) == pytest.approx(
        [-1, 1, -0.6, -0.2, 0.2, 0.6], abs=1e-6
    )
    assert call("lib/pictures.js", "toBytes", [-9, -3, 0, 1.5, 3, 9], 3) == [0, 0, 128, 191, 255, 255]
    assert call("lib/pictures.js", "differenceOf", [10, 200, 7], [10, 100, 90], 2) == [128, 255, 0]
    typed = "async ([path, rgba, n]) => [...(await import(path)).withChannels(Uint8Array.from(rgba), n)]"
    grey = [round(0.299 * r + 0.587 * g + 0.114 * b) for r, g, b in ((0, 255, 51), (102, 153, 204))]
    for channels, expected in ((3, [0, 255, 51, 102, 153, 204]), (1, grey)):
        assert call.page.evaluate(typed, [f"{ADDRESS}/lib/pictures.js", rgba, channels]) == expected
    picture = np.arange(8 * 8 * 3).reshape(8, 8, 3)
    thinned = call("lib/pictures.js", "thinned", picture.ravel().tolist(), 2)
    assert thinned == picture[::4, ::4].ravel().tolist()


@needs_browser
@pytest.mark.parametrize("channels", [1, 3])
def test_a_grid_shows_each_picture_in_its_place(call, channels):
    pictures = np.random.default_rng(1).integers(0, 256, (5, 2, 3, channels), dtype=np.uint8)
    shown = call.page.evaluate(
        """async ([path, shape, values]) => {
          const { Grid } = await import(path);
          const canvas = document.createElement("canvas");
          const grid = new Grid(canvas);
          grid.resize(5, shape, 2);
          grid.show(Uint8Array.from(values));
          return [...canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height).data];
        }""",
        [f"{ADDRESS}/lib/pictures.js", pictures.shape[1:], pictures.ravel().tolist()],
    )
    shown = np.array(shown).reshape(3, 2, 2, 3, 4).transpose(0, 2, 1, 3, 4).reshape(6, 2, 3, 4)
    assert np.array_equal(shown[:5, ..., :3], np.broadcast_to(pictures, (5, 2, 3, 3)))
    assert (shown[:5, ..., 3] == 255).all() and (shown[5] == 0).all()


@needs_browser
def test_a_mixture_is_rounded_and_cut_off(call):
    mix = """async (path) => {
      const { Picture } = await import(path);
      const canvas = document.createElement("canvas");
      new Picture(canvas, 1).mix([0.5, -1, 1], 0.5, [1, -1, -1], 1);
      return [...canvas.getContext("2d").getImageData(0, 0, 1, 1).data];
    }"""
    assert call.page.evaluate(mix, f"{ADDRESS}/lib/pictures.js") == [255, 0, 64, 255]


@needs_browser
@pytest.mark.parametrize(
    "name, parameters, text",
    [
        ("fixed", [-0.12345], "−0.1235"),
        ("fixed", [1.5, 0], "2"),
        ("decibels", [100], "20.0"),
        ("decibels", [0.001], "−30.0"),
        ("decibels", [float("inf")], "∞"),
        ("scientific", [0.00012345], "1.23e−4"),
        ("scientific", [0.5], "0.5000"),
        ("percent", [0.1234], "12"),
        ("percent", [0.1234, 1], "12.3"),
        ("digits", [1234.5], "1235"),
        ("digits", [0.012345], "0.0123"),
        ("time", [1.5], "1.50 s"),
        ("time", [0.0123], "12.3 ms"),
        ("milliseconds", [0.0126], "13"),
        ("short", [999], "999"),
        ("short", [8192], "8.2 k"),
        ("short", [25_000], "25 k"),
        ("short", [2_000_000], "2 M"),
        ("decades", [-2], [[0, "1"], [-1, "0.1"], [-2, "0.01"]]),
    ],
)
def test_numbers_as_text(call, name, parameters, text):
    assert call("lib/numbers.js", name, *parameters) == text


@needs_browser
def test_texts_are_filled_in_as_they_are(call):
    phrase = "{a} of {b}, {a}"
    assert call("lib/dom.js", "phrase", phrase, {"a": "$& {b}", "b": 5}) == "$& {b} of 5, $& {b}"
    assert call("lib/dom.js", "phrase", phrase, {"b": 5}) == "{a} of 5, {a}"


def test_a_word_follows_its_number(call):
    """On the page as in Python."""
    text = "{n} {n:image|images} in {m} {m:step|steps}, {0}, {T:.1f}"
    for n, m, told in ((1, "1,000", "1 image in 1,000 steps"), (0, "1", "0 images in 1 step")):
        assert Phrase(text).format("a", n=n, m=m, T=2) == f"{told}, a, 2.0"
        filled = call("lib/dom.js", "phrase", text, {"n": n, "m": m})
        assert filled == f"{told}, {{0}}, {{T:.1f}}"


@needs_browser
def test_a_film_hands_out_its_planes(call):
    info = {"planes": [{"name": "x", "shape": [2, 1, 2]}, {"name": "file", "shape": [-1]}]}
    frames = [{"k": 2, "pixels": base64.b64encode(bytes(range(7))).decode(), "row": {"t": 5}}]
    found = call.page.evaluate(
        """async ([path, message, more]) => {
          const { Film } = await import(path);
          const film = Film.whole(message);
          const before = [film.id, film.last, film.has(1), film.shape("x")];
          film.add(more);
          return [...before, film.has(1), film.rows, [...film.plane(2, "x")], [...film.plane(2, "file")],
            [...film.plane(1, "file")]];
        }""",
        [
            f"{ADDRESS}/lib/film.js",
            {"film": "f", "info": info, "frames": frames},
            {"frames": [{"k": 1, "pixels": base64.b64encode(bytes(5)).decode(), "row": None}]},
        ],
    )
    assert found[:4] == ["f", 2, False, [2, 1, 2]]
    assert found[4] is True and found[5][2] == {"t": 5}
    assert found[6:] == [[0, 1, 2, 3], [4, 5, 6], [0]]


FILM_TRANSPORT = """async ([folder, planes, strings]) => {
  const words = `data:application/json,${encodeURIComponent(JSON.stringify({ strings }))}`;
  window.gradio_config = { components: [{ props: { props: { words } } }] };
  const { FilmTransport } = await import(`${folder}/film_transport.js`);
  const { View } = await import(`${folder}/view.js`);
  const view = new View({ element: document.body, props: {} });
  const transport = new FilmTransport(view, { onFilm() {}, onChange() {} });
  const info = { planes, num_steps: 9, num_timesteps: 9, made: { [document.documentElement.lang]: "" } };
  window.send = (film, k) => {
    transport.receive({ film, info, frames: [{ k, pixels: "", row: { t: 9 - k } }] });
    return transport.value;
  };
}"""


@needs_browser
@pytest.mark.parametrize("touched", ["stage key", "slider key", "slider hand", "play", "none"])
def test_a_film_is_followed_until_a_hand_or_a_key_is_on_it(browser, site, touched):
    page = browser.new_page(reduced_motion="reduce")
    page.goto(site)
    page.set_content(
        '<section class="lab"><div class="stage" tabindex="0">x</div>'
        + fill(static("lib/transport.html") + static("lib/progress_line.html"), {})
        + '<p data-role="made"></p></section>'
    )
    page.evaluate(FILM_TRANSPORT, [f"{ADDRESS}/lib", [{"name": "x", "shape": [1]}], labels()])
    assert [page.evaluate("k => send('a', k)", k) for k in range(4)] == [0, 1, 2, 3]
    if touched == "stage key":
        page.locator(".stage").press("Home")
    elif touched == "slider key":
        page.locator("[data-role=t]").press("Home")
    elif touched == "slider hand":
        page.locator("[data-role=t]").click(position={"x": 2, "y": 5})
    elif touched == "play":
        page.locator(".stage").press(" ")
        page.locator(".stage").press(" ")
    shown = int(page.locator("[data-role=t]").input_value())
    assert page.evaluate("send('a', 4)") == (4 if touched == "none" else shown)
    assert page.evaluate("send('b', 0)") == 0 and page.evaluate("send('b', 1)") == 1  # the next is followed
    page.close()


NAMES = [
    {"kind": kind, "things": things, "traits": traits, "verbs": verbs}
    for kind, things, traits, verbs in (
        (0, [], ["회색"], []),
        (0, [], ["파란색", "파란"], []),
        (1, [], ["줄무늬"], []),
        (2, ["초록 눈"], [], ["가진", "가지고"]),
        (4, ["빨간 모자"], [], ["쓴", "쓰고"]),
        (4, ["방울"], [], ["단", "달고"]),
        (4, ["왕관"], [], ["있는", "있고"]),
    )
]


@needs_browser
@pytest.mark.parametrize(
    "prompt, chosen, becomes",
    [
        ("", 4, "빨간 모자를 쓴 고양이"),
        ("", 5, "방울을 단 고양이"),
        ("", 6, "왕관이 있는 고양이"),
        ("고양이", 0, "회색 고양이"),
        ("빨간 모자를 쓴 고양이", 0, "빨간 모자를 쓴 회색 고양이"),
        ("빨간 모자를 쓴 회색 고양이", 3, "초록 눈을 가진 빨간 모자를 쓴 회색 고양이"),
        ("초록 눈을 가지고 빨간 모자를 쓴 회색 고양이", 3, "빨간 모자를 쓴 회색 고양이"),
        ("초록눈을가진회색고양이", 0, "초록눈을가진고양이"),
        ("초록 눈을 가진 회색 고양이", 1, "초록 눈을 가진 파란색 고양이"),
        ("빨간 모자를 쓴 회색 고양이", 5, "방울을 단 회색 고양이"),
        ("빨간 모자를 쓴 고양이", 4, "고양이"),
        ("빨간 모자", 4, "고양이"),
        ("달리는 고양이 그림", 2, "줄무늬 달리는 고양이 그림"),
    ],
)
def test_a_korean_prompt_with_another_name_in_it(call, prompt, chosen, becomes):
    call.page.evaluate(
        "async ([path, names]) => { window.found = names; window.korean = await import(path); }",
        [f"{ADDRESS}/lib/wording_ko.js", NAMES],
    )
    toggled = "([prompt, i]) => window.korean.toggled(prompt, window.found, window.found[i])"
    assert call.page.evaluate(toggled, [prompt, chosen]) == becomes
