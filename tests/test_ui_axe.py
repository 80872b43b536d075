"""What axe-core finds on the page, in both languages and themes, course open: nothing serious or critical."""

import pytest
from conftest import needs_browser

from tools import look

pytestmark = needs_browser


@pytest.mark.parametrize("code, themes", [("en", ("light", "dark")), ("ko", ("dark", "light"))])
def test_axe_finds_nothing_grave_on_any_tab(browser, whole_server, code, themes):
    """Themes take turns from tab to tab; `tools.look` looks at all of them, and at every lesson."""
    for i, theme in enumerate(themes):
        page = look.open_page(browser, whole_server.url, code, theme, has_touch=i == 1)
        look.open_course(page, code)
        for tab in look.TABS[i::2]:
            look.open_tab(page, tab, code)
            assert look.sideways(page) + look.grave_findings(page) == [], tab
        assert page.errors == []
        page.close()


def test_axe_sees_what_is_wrong(browser, whole_server):
    """Otherwise an empty list would say nothing."""
    page = look.open_page(browser, whole_server.url, "en", "light")
    page.locator(".lab.forward [data-role=back]").evaluate("node => { node.ariaLabel = 'One step back'; }")
    assert [found.partition(":")[0] for found in look.grave_findings(page)] == ["label-content-name-mismatch"]
    page.close()
