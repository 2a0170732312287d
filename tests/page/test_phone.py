"""Every view on a phone, in dark and light: what matters is in sight, and the page scrolls one way."""

import pytest
from playwright.sync_api import expect
from serving import file_input

pytestmark = pytest.mark.slow


def assert_it_scrolls_one_way(page):
    for theme in ("light", "dark"):
        page.evaluate("(dark) => document.body.classList.toggle('dark', dark)", theme == "dark")
        assert page.evaluate("document.documentElement.scrollWidth") <= 390, theme


def test_a_phone_shows_what_matters_first_and_scrolls_one_way_in_every_view(browser, address, photo):
    page = browser.new_page(viewport={"width": 390, "height": 844})
    page.goto(f"{address}?__theme=dark")
    expect(page.locator("#clean .score")).to_be_in_viewport()
    expect(page.locator("#corrupted .score")).to_be_in_viewport()
    assert_it_scrolls_one_way(page)
    page.locator("#why summary").click()
    expect(page.locator("#why .reading")).to_have_count(4)
    assert_it_scrolls_one_way(page)
    page.get_by_role("tab", name="Robustness", exact=True).click()
    expect(page.locator("#set-run")).to_be_in_viewport()
    assert_it_scrolls_one_way(page)
    page.get_by_role("tab", name="One picture", exact=True).click()
    expect(page.locator("#sweep")).to_be_in_viewport()
    assert_it_scrolls_one_way(page)
    page.get_by_role("tab", name="Batch", exact=True).click()
    file_input(page, "batch-upload").set_input_files(photo)
    expect(page.locator("#batch-result tbody tr")).to_have_count(1)
    assert_it_scrolls_one_way(page)
    page.close()
