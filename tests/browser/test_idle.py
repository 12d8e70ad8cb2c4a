"""A page that nobody looks at tells before its idle server is ended, and can keep it."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from typing import Any

import pytest

from .conftest import Lab, open_page

pytestmark = [pytest.mark.browser, pytest.mark.integration, pytest.mark.usefixtures("light")]

# Chromium without a window takes every page for visible.
HIDEABLE = """
let hidden = false;
Object.defineProperty(document, 'hidden', { get: () => hidden });
Object.defineProperty(document, 'visibilityState', { get: () => hidden ? 'hidden' : 'visible' });
window.hide = value => { hidden = value; document.dispatchEvent(new Event('visibilitychange')); };
"""


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    """A JupyterLab whose hub ends it after half a minute of idleness, and tells 15 s before."""
    options = ("--LeptonApp.cull_minutes=0.5", "--LeptonApp.cull_warning=0.25")
    lab = Lab(tmp_path_factory.mktemp("culled"), secrets.token_hex(16), options=options)
    lab.start()
    yield lab
    lab.stop()


def test_a_hidden_page_warns_and_keeps(browser: Any, lab: Lab) -> None:
    context = browser.new_context(viewport={"width": 1280, "height": 900})
    context.add_init_script(HIDEABLE)
    page = open_page(context, lab)
    try:
        page.evaluate("hide(true)")
        notice = page.locator(".Toastify__toast", has_text="this session ends within a minute")
        notice.wait_for()
        assert page.title().startswith("⏳ ")
        notice.get_by_text("Keep it running").click()
        notice.wait_for(state="detached")
        assert not page.title().startswith("⏳ ")
        assert page.faults == []
    finally:
        context.close()
