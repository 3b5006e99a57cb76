"""Headless Chromium for tests, where one is installed; nothing is ever downloaded."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from playwright.sync_api import Browser, BrowserType, Page

__all__ = ["SHOTS", "WIDTH", "chromium", "page_of", "shoot"]

INSTALLED = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
SHOTS = Path(__file__).resolve().parent.parent / "build" / "screenshots"
WIDTH, HEIGHT = 1440, 900
PATIENCE_MS = 120_000  # a page of MLflow takes half a minute on a busy machine


@contextmanager
def chromium() -> Iterator[Browser]:
    """Start Chromium for a block; skip where neither the system nor playwright has one."""
    playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    with playwright.sync_playwright() as api:
        path = _executable(api.chromium)
        if path is None:
            pytest.skip("no Chromium is installed: apt-get install chromium, or playwright install chromium")
        arguments = ["--no-sandbox"] if os.geteuid() == 0 else []
        browser = api.chromium.launch(executable_path=path, args=arguments)
        yield browser
        browser.close()


def _executable(api: BrowserType) -> str | None:
    found = next((path for name in INSTALLED if (path := shutil.which(name))), None)
    own = Path(api.executable_path)
    return found or (str(own) if own.exists() else None)


def page_of(browser: Browser, script: str = "") -> Page:
    """Open a page of a fresh profile, where `script` runs before any of a page's own."""
    context = browser.new_context(
        viewport={"width": WIDTH, "height": HEIGHT}, reduced_motion="reduce", locale="en-GB"
    )
    context.set_default_timeout(PATIENCE_MS)
    if script:
        context.add_init_script(script)
    return context.new_page()


def shoot(page: Page, name: str) -> Path:
    """Keep a picture of what the page shows under build/screenshots."""
    SHOTS.mkdir(parents=True, exist_ok=True)
    path = SHOTS / f"{name}.png"
    page.screenshot(path=path)
    return path
