"""What stands in the page's head before Gradio's."""

import re
from urllib.parse import urlsplit

import httpx
import pytest
from conftest import DRAWN, needs_browser
from pages import until
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.responses import HTMLResponse, JSONResponse, StreamingResponse
from starlette.routing import Route
from web import serving

from diffusion.ui.parts.modules import ADDRESS, MODULES, ROUTE, STYLE, needed_by
from diffusion.ui.parts.page_head import FIRST, PageHead, head
from diffusion.ui.text import LANGUAGES

VARIES = "Accept-Encoding, Accept-Language, Cookie"
PAGE = "<html><head><base href='./'><script>first</script></head><body><script>second</script></body></html>"


async def pieces():
    yield PAGE[:50]
    yield PAGE[50:]


def test_every_page_gets_it_once_and_nothing_else_does():
    routes = [
        ROUTE,
        Route("/", lambda request: HTMLResponse(PAGE)),
        Route("/pieces", lambda request: StreamingResponse(pieces(), media_type="text/html")),
        Route("/data", lambda request: JSONResponse({"page": PAGE})),
    ]
    with serving(Starlette(routes=routes, middleware=[Middleware(PageHead)])) as address:
        for path in ("/", "/pieces"):
            answer = httpx.get(address + path)
            assert answer.text == PAGE.replace("<script>first", head("en") + "<script>first")
            assert answer.headers["content-encoding"] == "gzip"
            assert int(answer.headers["content-length"]) == answer.num_bytes_downloaded
            plain = httpx.get(address + path, headers={"accept-encoding": "identity"})
            assert plain.text == answer.text and "content-encoding" not in plain.headers
            assert int(plain.headers["content-length"]) == len(plain.content)
            assert plain.headers["vary"] == answer.headers["vary"] == VARIES
        assert httpx.head(address).status_code == 200
        assert httpx.get(f"{address}/data").json() == {"page": PAGE}
        for name in re.findall(rf'href="\.{ADDRESS}/([^"]+\.css)"', head("en")):
            answer = httpx.get(f"{address}{ADDRESS}/{name}")
            assert answer.headers["content-type"].startswith("text/css") and answer.content == MODULES[name]


@pytest.mark.parametrize("code", LANGUAGES)
def test_it_names_the_language_the_style_and_all_modules(code):
    text, first = head(code), needed_by(FIRST)
    assert text.startswith("<script>") and f'value: "{code}"' in text and f'lang = "{code}"' in text
    assert text.count("stylesheet") == text.count(f'"stylesheet" href=".{ADDRESS}/{STYLE}"') == 1
    for name in MODULES.keys() - {STYLE}:
        assert text.count(f'"modulepreload" fetchpriority="low" href=".{ADDRESS}/{name}"') == (name in first)
        assert text.count(f'"later" fetchpriority="low" href=".{ADDRESS}/{name}"') == (name not in first)


@needs_browser
def test_the_first_picture_needs_no_other_module(browser, server):
    """The others are asked for when it is there."""
    context, others = browser.new_context(reduced_motion="reduce"), []
    page = context.new_page()
    first = {f"{ADDRESS}/{name}" for name in (*needed_by(FIRST), STYLE)}

    def answer(route) -> None:
        path = urlsplit(route.request.url).path
        if path.startswith(ADDRESS) and path not in first:
            others.append(path)
            route.abort()
        else:
            route.continue_()

    page.route("**", answer)
    page.goto(server.url)
    page.wait_for_selector(DRAWN)
    until(page, lambda: len(others) >= len(MODULES) - len(first))
    context.close()


# ---- which language --------------------------------------------------------------------------------------


def echo(request):
    return HTMLResponse(f"<script>@{request.url.path}@</script>")


@pytest.fixture(scope="module")
def echoing():
    routes = [Route(path, echo) for path in ("/", "/ko", "/other", "/en")]
    with serving(Starlette(routes=routes, middleware=[Middleware(PageHead)])) as address:
        yield address


def page_for(address: str, **headers: str) -> str:
    """The address to which a request leads, and what the head there says that its language is."""
    answer = httpx.get(address, headers=headers, follow_redirects=True)
    assert all(step.headers["vary"] == VARIES for step in (answer, *answer.history))
    code = re.search(r'navigator, "language", { value: "(\w+)" }', answer.text)[1]
    assert f'documentElement.lang = "{code}"' in answer.text
    return f"{answer.url.raw_path.decode()} {code}"


@pytest.mark.parametrize(
    "accepted, code",
    [
        ("ko-KR,ko;q=0.9,en-US;q=0.8,en;q=0.7", "ko"),
        ("en-US,en;q=0.9,ko;q=0.8", "en"),
        ("fr-FR, fr;q=0.9, KO;q=0.5, en;q=0.4", "ko"),
        ("en;q=0.3,ko;q=0.7", "ko"),
        ("ja", "en"),
        ("*", "en"),
        ("", "en"),
        (";;q=,ko;q=9.9.9", "ko"),
    ],
)
def test_without_a_choice_it_is_what_the_browser_likes_best(echoing, accepted, code):
    assert page_for(echoing, **{"accept-language": accepted}) == {"en": "/ en", "ko": "/ko ko"}[code]


def test_the_address_comes_before_the_choice_and_that_before_the_browser(echoing):
    korean = {"accept-language": "ko", "cookie": "language=en"}
    assert page_for(echoing, **korean) == "/ en"
    assert page_for(f"{echoing}/?lang=ko&t=3", **korean) == "/ko?lang=ko&t=3 ko"
    assert page_for(f"{echoing}/?lang=xx", **korean) == "/?lang=xx en"
    assert page_for(echoing, cookie="language=ko") == "/ko ko"
    assert page_for(echoing, cookie="language=../x") == "/ en"


def test_who_comes_to_the_page_of_a_language_wants_that(echoing):
    assert page_for(f"{echoing}/ko", cookie="language=en") == "/ko ko"
    assert page_for(f"{echoing}/ko?lang=xx") == "/ko?lang=xx ko"
    assert page_for(f"{echoing}/ko?lang=en&t=3") == "/?lang=en&t=3 en"
    assert page_for(f"{echoing}/other?lang=ko") == "/other?lang=ko en"
    assert page_for(f"{echoing}/en?lang=ko") == "/en?lang=ko en"
