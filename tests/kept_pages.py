"""Pages that are kept when they are closed: where it has been, the program comes in half the time."""

from collections.abc import Callable
from typing import Any
from urllib.parse import urlsplit

from playwright.sync_api import Browser, Error, Page

SIZE = {"width": 1280, "height": 720}  # where a test asks for none: Playwright's own
LASTING = ("add_init_script", "expose_binding", "expose_function")  # what cannot be taken from a page again
FORGET = """async () => {
  sessionStorage.clear();
  localStorage.clear();
  const gone = ({ name }) => new Promise((done) => {
    Object.assign(indexedDB.deleteDatabase(name), { onsuccess: done, onerror: done });
  });
  await Promise.all((await indexedDB.databases()).map(gone));
}"""


class KeptPages:
    """A browser in which `page.close()` empties the page, so that `new_page` can return it.

    What a page stored, what listens to it, and what its context was told is gone then; what the browser has
    in its cache is not. A test that needs a page without a past, or changes one for good by its context or
    clock, takes it from a context of its own: `new_context` and all else are the browser's.
    """

    def __init__(self, browser: Browser) -> None:
        self.browser = browser
        self.free: dict[str, list[Page]] = {}

    def __getattr__(self, name: str) -> Any:
        return getattr(self.browser, name)

    def new_page(self, *, viewport: dict[str, int] = SIZE, **options: Any) -> Page:
        """A page as `Browser.new_page` makes one, perhaps one that was closed."""
        free = self.free.setdefault(repr(sorted(options.items())), [])
        while free and free[-1].is_closed():
            free.pop()
        page = free.pop() if free else self.browser.new_page(viewport=viewport, **options)
        page.set_viewport_size(viewport)
        self._borrow(page, options, free)
        return page

    def _borrow(self, page: Page, options: dict[str, Any], free: list[Page]) -> None:
        """Note what a test does with the page, until it closes it."""
        heard: list[tuple[str, Callable]] = []
        origins: set[str] = set()
        changed: list[str] = []

        def listen(event: str, handler: Callable) -> None:
            heard.append((event, handler))
            type(page).on(page, event, handler)

        def lasting(name: str) -> Callable:
            def change(*args: Any, **kwargs: Any) -> Any:
                changed.append(name)
                return getattr(type(page), name)(page, *args, **kwargs)

            return change

        def close() -> None:
            for name in ("on", "close", *LASTING):
                delattr(page, name)
            if page.is_closed():
                return
            try:
                if changed:
                    raise Error(f"A page keeps what {changed[0]} does.")
                for event, handler in heard:
                    page.remove_listener(event, handler)
                empty(page, options, origins)
                free.append(page)
            except Error:
                page.close()

        page.on, page.close = listen, close
        for name in LASTING:
            setattr(page, name, lasting(name))
        page.on("framenavigated", lambda frame: origins.add(frame.url))


def empty(page: Page, options: dict[str, Any], urls: set[str]) -> None:
    """Let the page be as one that was made with these options, and has not been at these addresses."""
    context = page.context
    page.goto("about:blank")
    page.unroute_all()
    context.set_offline(options.get("offline", False))
    context.clear_cookies()
    context.clear_permissions()
    if granted := options.get("permissions"):
        context.grant_permissions(granted)
    page.emulate_media(
        media="null",
        color_scheme=options.get("color_scheme", "light"),
        reduced_motion=options.get("reduced_motion", "no-preference"),
        forced_colors=options.get("forced_colors", "none"),
    )
    origins = {f"{url.scheme}://{url.netloc}" for url in map(urlsplit, urls) if url.netloc}
    for origin in origins:
        page.goto(f"{origin}/nothing")
        page.evaluate(FORGET)
    page.goto("about:blank")
