"""The README's pictures: docs/film.gif from the shipped film, the others from the running app.

    python -m tools.pictures

They are written into docs/. Chromium must be installed.
"""

import shutil
from pathlib import Path

from PIL import Image
from playwright.sync_api import Page, sync_playwright

from benchmarks.common import serving
from diffusion import load_film
from diffusion.data.grids import image_grid
from diffusion.films.film import KINDS

ROOT = Path(__file__).parent.parent
DOCS = ROOT / "docs"
WIDTH, SCALE, GAP, HOLD = 560, 2, 6, 6


def film_gif(checkpoint: Path) -> None:
    """x_t, ε̂ and x̂_0 of the first images above each other, for every second step; the last is held."""
    film = load_film(checkpoint)
    number = WIDTH // (SCALE * film.frames.shape[4])
    frames = []
    for k in range(0, len(film.frames), 2):
        of = {"eps_hat": min(k, len(film.frames) - 2)}  # in the end the last prediction stays
        rows = [image_grid(film.frames[of.get(name, k), i, :number], number) for i, name in enumerate(KINDS)]
        width, height = rows[0].size
        canvas = Image.new(rows[0].mode, (width, 3 * height + 2 * GAP), "white")
        for i, row in enumerate(rows):
            canvas.paste(row, (0, i * (height + GAP)))
        frames.append(canvas.resize((canvas.width * SCALE, canvas.height * SCALE), Image.Resampling.NEAREST))
    frames += [frames[-1]] * HOLD
    frames[0].save(DOCS / "film.gif", save_all=True, append_images=frames[1:], duration=300, loop=0)


def forward(page: Page) -> None:
    """The Forward tab at t = 250."""
    page.get_by_role("button", name="Cat", exact=True).click()
    page.locator(".lab.forward input[data-role=number]").fill("250")
    page.keyboard.press("Enter")
    page.wait_for_timeout(4500)
    page.screenshot(path=DOCS / "screenshot.png")


def text_to_image(page: Page) -> None:
    """The tab Text to image after its first drawing."""
    page.get_by_role("tab", name="Text to image").click()
    page.get_by_role("img", name="as asked").first.wait_for(timeout=60_000)
    page.screenshot(path=DOCS / "text_to_image.png")


def screenshots() -> None:
    """Of the running app, in the light theme."""
    with serving("app.py") as (url, _), sync_playwright() as playwright:
        chromium = shutil.which("chromium") or shutil.which("google-chrome")
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox", "--disable-gpu"])
        page = browser.new_page(viewport={"width": 1280, "height": 1000})
        page.goto(f"{url}/?__theme=light")
        page.wait_for_selector(".lab.forward .preset[aria-pressed=true]")
        forward(page)
        text_to_image(page)
        browser.close()


if __name__ == "__main__":
    DOCS.mkdir(exist_ok=True)
    film_gif(ROOT / "checkpoints/cats")
    screenshots()
