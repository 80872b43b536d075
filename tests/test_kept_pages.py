"""A page that was closed comes again as if it were new."""

import pytest
from conftest import needs_browser

pytestmark = needs_browser
STORE = """async () => {
  sessionStorage.a = localStorage.a = document.cookie = "a=1";
  const asked = indexedDB.open("a", 1);
  await new Promise((done) => { asked.onsuccess = done; });
}"""
STORED = """async () => ({
  session: sessionStorage.length,
  local: localStorage.length,
  databases: (await indexedDB.databases()).length,
  cookie: document.cookie,
  clipboard: (await navigator.permissions.query({ name: "clipboard-read" })).state,
  still: matchMedia("(prefers-reduced-motion: reduce)").matches,
  width: innerWidth,
})"""
BLANK = {"session": 0, "local": 0, "databases": 0, "cookie": "", "still": False, "width": 1280}


def test_nothing_is_left_of_what_was_done_with_it(browser, site):
    page, heard = browser.new_page(), []
    page.goto(site)
    blank = page.evaluate(STORED)
    assert BLANK.items() <= blank.items()
    page.on("console", lambda message: heard.append(message.text))
    page.evaluate(STORE)
    page.emulate_media(reduced_motion="reduce")
    page.set_viewport_size({"width": 390, "height": 800})
    page.context.grant_permissions(["clipboard-read"])
    assert not BLANK.items() & page.evaluate(STORED).items()
    page.route("**", lambda route: route.abort())
    page.context.set_offline(True)
    page.close()
    again = browser.new_page()
    assert again is page
    again.goto(site)
    assert again.evaluate(STORED) == blank
    again.evaluate("console.log('not for the test before')")
    assert heard == []
    again.close()


@pytest.mark.parametrize("change", ["add_init_script", "expose_function"])
def test_one_that_is_changed_for_good_does_not_come_again(browser, change):
    page = browser.new_page()
    getattr(page, change)(*{"add_init_script": ["window.a = 1"]}.get(change, ["a", lambda: 1]))
    page.close()
    other = browser.new_page()
    assert page.is_closed() and other is not page
    other.close()
    assert not other.is_closed()


def test_other_options_make_another_page(browser):
    page = browser.new_page()
    page.close()
    other = browser.new_page(reduced_motion="reduce")
    assert other is not page
    other.close()
