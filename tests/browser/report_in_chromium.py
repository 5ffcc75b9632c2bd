"""`make browser-test`: the pages of a synthetic study in headless Chromium.

Not part of `make test`: it needs Debian's Chromium, and axe-core from npm.
"""

import os
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from pages import Made, make_pages
from selenium.webdriver import Chrome, ChromeOptions
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.remote.webelement import WebElement
from selenium.webdriver.support.select import Select
from selenium.webdriver.support.wait import WebDriverWait

AXE = Path(__file__).parent / "node_modules/axe-core/axe.min.js"
#: A phone, a tablet and a laptop, in CSS pixels.
WIDTHS = (360, 820, 1440)
SCHEMES = ("light", "dark")
#: axe-core's names of WCAG 2.0, 2.1 and 2.2, levels A and AA, and of its own advice.
RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]

OPEN_ALL = "document.querySelectorAll('details').forEach((each) => { each.open = true; })"
#: An element in a few words: enough to find it by.
WORDS = "(e) => e.tagName + '#' + e.id + '.' + e.className + ' ' + e.textContent.slice(0, 40)"


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Made:
    return make_pages(tmp_path_factory.mktemp("study"))


@pytest.fixture(scope="module")
def driver(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Chrome]:
    options = ChromeOptions()
    for flag in (
        *("headless", "disable-gpu", "disable-quic", "no-first-run", "disable-sync"),
        *("disable-background-networking", "disable-component-update"),
        f"user-data-dir={tmp_path_factory.mktemp('profile')}",
        # Chromium has no sandbox for root.
        *(["no-sandbox"] if os.getuid() == 0 else []),
    ):
        options.add_argument(f"--{flag}")
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    started = Chrome(options=options, service=Service("/usr/bin/chromedriver"))
    started.set_script_timeout(60)
    yield started
    started.quit()


def show(driver: Chrome, page: Path, width: int = 1440, scheme: str = "light") -> None:
    """Open a page from its file, in a window of a width and a colour scheme."""
    size = {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": False}
    driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
    # Without motion a click doesn't miss what a smooth scroll still moves.
    wishes = {"prefers-color-scheme": scheme, "prefers-reduced-motion": "reduce"}
    features = [{"name": name, "value": value} for name, value in wishes.items()]
    driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": features})
    driver.get(page.as_uri())


def opened(driver: Chrome, made: Made, name: str = "changes") -> WebElement:
    """A table of the report, opened."""
    show(driver, made.report)
    driver.find_element(By.CSS_SELECTOR, f"#table-{name} > summary").click()
    return driver.find_element(By.ID, f"table-{name}")


def wait(driver: Chrome, true: Callable[[], object]) -> None:
    """Wait until it is true; a test fails after some seconds."""
    WebDriverWait(driver, 10).until(lambda _: true())


def cells(table: WebElement, column: str) -> list[str]:
    """The visible rows' values in a column."""
    names = [head.text.split()[0] for head in table.find_elements(By.CSS_SELECTOR, "thead th")]
    place = names.index(column) + 1
    found = table.find_elements(By.CSS_SELECTOR, f"tbody td:nth-child({place})")
    return [cell.text for cell in found]


def head_of(table: WebElement, column: str) -> WebElement:
    return table.find_element(By.XPATH, f".//thead//th[normalize-space(.)='{column}']")


def shown_rows(table: WebElement) -> int:
    """How many rows match the filters."""
    found = re.search(r"of ([\d,]+)|No rows", table.find_element(By.CLASS_NAME, "dt-info").text)
    assert found is not None
    return int(found[1].replace(",", "")) if found[1] else 0


def first(values: pd.Series, rows: int = 10) -> list[float]:
    return [float(f"{value:.4g}") for value in values.head(rows)]


def test_the_console_stays_silent_and_nothing_else_is_read(driver: Chrome, made: Made) -> None:
    for page in (made.report, made.findings):
        show(driver, page)
        driver.execute_script(OPEN_ALL)
        script = "return performance.getEntriesByType('resource').map((each) => each.name)"
        read = driver.execute_script(script)
        assert [name for name in read if not name.startswith("data:")] == []
    assert driver.get_log("browser") == []


def test_every_figure_loads(driver: Chrome, made: Made) -> None:
    for page in (made.report, made.findings):
        show(driver, page)
        widths = driver.execute_async_script("""
            const done = arguments[0], images = [...document.images];
            images.forEach((image) => { image.loading = "eager"; });
            Promise.all(images.map((image) => image.decode()))
              .then(() => done(images.map((image) => image.naturalWidth)), (why) => done(`${why}`));
        """)
        assert isinstance(widths, list), widths
        assert widths
        assert all(width > 0 for width in widths)
        assert len(widths) == len(made.figures) or page == made.findings


@pytest.mark.parametrize("scheme", SCHEMES)
@pytest.mark.parametrize("width", [WIDTHS[0], WIDTHS[-1]])
def test_axe_finds_nothing(driver: Chrome, made: Made, width: int, scheme: str) -> None:
    for page in (made.report, made.findings):
        show(driver, page, width, scheme)
        driver.execute_script(OPEN_ALL)
        driver.execute_script(AXE.read_text(encoding="utf-8"))
        found: dict[str, Any] = driver.execute_async_script(
            """
            const done = arguments[1];
            axe.run(document, {runOnly: arguments[0], resultTypes: ["violations"]}).then((all) =>
              done({violations: all.violations.map((each) => each.id + ": " + each.help + " "
                + each.nodes.slice(0, 3).map((node) => node.html + node.failureSummary).join("; ")),
                passes: all.passes.length}));
            """,
            RULES,
        )
        assert found["violations"] == []
        assert found["passes"] > 20


@pytest.mark.parametrize("width", WIDTHS)
def test_the_page_never_scrolls_sideways(driver: Chrome, made: Made, width: int) -> None:
    for page in (made.report, made.findings):
        show(driver, page, width)
        driver.execute_script(OPEN_ALL)
        assert driver.execute_script("return document.documentElement.scrollWidth") <= width


def test_a_table_sorts_by_mouse_and_by_keyboard(driver: Chrome, made: Made) -> None:
    table = opened(driver, made)
    changes = made.tables["changes"]["change"]
    head = head_of(table, "change")
    assert head.get_attribute("aria-sort") is None
    head.click()
    wait(driver, lambda: head.get_attribute("aria-sort") == "ascending")
    assert [float(text) for text in cells(table, "change")] == first(changes.sort_values())
    head.find_element(By.CSS_SELECTOR, "[role=button]").send_keys(Keys.ENTER)
    wait(driver, lambda: head.get_attribute("aria-sort") == "descending")
    ordered = changes.sort_values(ascending=False)
    assert [float(text) for text in cells(table, "change")] == first(ordered)


def test_a_table_filters_by_choice_and_by_search(driver: Chrome, made: Made) -> None:
    table, changes = opened(driver, made), made.tables["changes"]
    assert shown_rows(table) == len(changes)
    field = table.find_element(By.XPATH, ".//label[starts-with(normalize-space(.), 'role')]/select")
    Select(field).select_by_visible_text("cross")
    assert shown_rows(table) == (changes["role"] == "cross").sum() > 0
    assert set(cells(table, "role")) == {"cross"}
    Select(field).select_by_visible_text("all")
    search = table.find_element(By.CSS_SELECTOR, "input[type=search]")
    search.send_keys("nli_places")
    found = (changes[["train_set", "eval_set"]] == "nli_places").any(axis=1)
    assert shown_rows(table) == found.sum() > 0
    search.send_keys("nothing like it")
    assert shown_rows(table) == 0


def test_text_of_a_table_is_text(driver: Chrome, made: Made) -> None:
    table = opened(driver, made, "findings")
    assert "No cell has two seeds: <b>none</b>." in cells(table, "sentence")


def test_a_link_to_a_table_opens_it(driver: Chrome, made: Made) -> None:
    show(driver, made.report)
    driver.find_element(By.CSS_SELECTOR, "main a[href='#table-cost']").click()
    assert driver.find_element(By.ID, "table-cost").get_attribute("open") is not None


def test_the_keyboard_reaches_all_and_shows_where_it_is(driver: Chrome, made: Made) -> None:
    show(driver, made.report)
    driver.execute_script("document.getElementById('table-changes').open = true")
    visited: list[str] = []
    for _ in range(400):
        driver.switch_to.active_element.send_keys(Keys.TAB)
        state = driver.execute_script(f"""
            const now = document.activeElement;
            if (now === document.body || now.dataset.visited) return null;
            now.dataset.visited = "yes";
            return [({WORDS})(now), getComputedStyle(now).outlineStyle];
        """)
        if state is None:
            break
        visited.append(state[0])
        assert state[1] != "none", f"no focus is seen on {state[0]}"
    assert visited[0].startswith("A#.skip")
    missed = driver.execute_script(f"""
        const all = "a[href], summary, select, input, [tabindex='0'], button:not([disabled])";
        return [...document.querySelectorAll(all)]
          .filter((e) => e.checkVisibility() && !e.dataset.visited && e.tabIndex >= 0)
          .map({WORDS});
    """)
    assert missed == []


def test_the_link_past_the_contents_leads_to_them(driver: Chrome, made: Made) -> None:
    show(driver, made.report)
    driver.find_element(By.TAG_NAME, "body").send_keys(Keys.TAB, Keys.ENTER)
    assert driver.switch_to.active_element.get_attribute("id") == "main"


def test_without_scripts_the_page_says_where_its_tables_are(driver: Chrome, made: Made) -> None:
    driver.execute_cdp_cmd("Emulation.setScriptExecutionDisabled", {"value": True})
    try:
        show(driver, made.report)
        assert "folder tables next to it" in driver.find_element(By.TAG_NAME, "main").text
    finally:
        driver.execute_cdp_cmd("Emulation.setScriptExecutionDisabled", {"value": False})


def test_pages_stay_below_ten_mebibytes(made: Made) -> None:
    for page in (made.report, made.findings):
        assert page.stat().st_size < 10 * 2**20
