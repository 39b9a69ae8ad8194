"""Text is text: nothing that stands in a study can act on the page, and the page asks nobody for anything."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from playwright.sync_api import Browser, Page, expect
from tests.browser.boards import rows_of, study_of
from tests.browser.conftest import Visitor
from tests.browser.payloads import corpus

from teststrip.records import Finding
from teststrip.views import board, page

WATCH = (
    "addEventListener('securitypolicyviolation', e => console.error('CSP ' + e.violatedDirective + ' ' + e.blockedURI))"
)


def hostile_page(folder: Path) -> Path:
    """A page with 500 hostile strings among its prompts, tags, labels, failures and findings."""
    texts = corpus()
    study = study_of(texts[:20], texts[20:30])
    rows = list(rows_of(study, folder, failure=texts[30:330]))
    findings = [
        Finding(text, text, text, 1.0, 0.0, 2.0, 0.95, 0.2, 0.01, 5, 10, "different", text, 3, text)
        for text in texts[330:]
    ]
    made = board.build(study, rows, findings=findings)
    made["study"]["name"] = texts[0]
    made["study"]["settings"] = {texts[1]: texts[2]}
    made["metrics"][0]["unit"] = texts[3]
    return page.write_board(made, folder, folder / "page")


def test_500_hostile_strings_do_nothing(visitors: Callable[..., Visitor], tmp_path: Path) -> None:
    visitor = visitors(hostile_page(tmp_path).as_uri())
    visitor.page.add_init_script(WATCH)
    asked: list[str] = []
    visitor.page.on("request", lambda request: asked.append(request.url))
    visitor.open()
    browse = visitor.page
    browse.get_by_role("button", name=re.compile("All .* findings")).click()
    expect(browse.locator(".every .finding")).to_have_count(170)
    browse.get_by_role("button", name="Charts").click()
    for view in (
        "",
        "layout=wall&sort=-score",
        "rows=prompt&cols=style&by=&flip=num_inference_steps",
        "by=style&rows=prompt",
    ):
        visitor.open(view)
        for _ in range(4):
            browse.mouse.wheel(200, 700)
            browse.wait_for_timeout(60)
        browse.evaluate("() => scrollTo(0, 0)")
    browse.locator("[role=gridcell]").first.hover()
    browse.wait_for_timeout(200)
    browse.locator("[role=gridcell]").first.click()
    for name in ("Diffusers snippet", "Command line", "Link"):
        browse.get_by_role("button", name=name).click()
    browse.keyboard.press("Escape")
    browse.get_by_role("button", name="Filter").click()
    for summary in browse.locator("summary").all():
        summary.click()
    visitor.open("cmp=300,310&mode=side")
    expect(browse.locator("figcaption")).to_have_count(2)
    outside = [url for url in asked if not url.startswith(("file:", "data:", "blob:", "about:"))]
    assert outside == []
    beside = {url.rsplit("/", 1)[0] for url in asked if url.startswith("file:")}
    assert all(url.startswith(tmp_path.as_uri()) for url in beside)


def test_a_prompt_is_shown_letter_by_letter(visitors: Callable[..., Visitor], tmp_path: Path) -> None:
    text = "<img src=x onerror=alert(1)> & \"quotes\" 'and' </script>"
    study = study_of([text, "another"], ["a", "b"])
    index = page.write_board(board.build(study, list(rows_of(study, tmp_path))), tmp_path, tmp_path / "page")
    visitor = visitors(index.as_uri()).open()
    assert visitor.page.locator(".block-part").first.evaluate("part => part.textContent") == text


def test_no_code_or_style_stands_inside_the_page(tmp_path: Path) -> None:
    html = hostile_page(tmp_path).read_text(encoding="utf-8")
    assert "unsafe" not in html
    assert re.findall(r"<script(?![^>]*\bsrc=)", html) == []
    assert "<style" not in html
    assert re.findall(r"\son\w+=", html) == []


def test_a_policy_keeps_the_page_to_itself(visitors: Callable[..., Visitor], tmp_path: Path) -> None:
    visitor = visitors(hostile_page(tmp_path).as_uri()).open()
    blocked = visitor.page.evaluate(
        """async () => {
             const seen = [];
             addEventListener('securitypolicyviolation', event => seen.push(event.effectiveDirective));
             const add = (name, values) => document.head.append(Object.assign(document.createElement(name), values));
             add('img', { src: 'http://attacker.test/a.png' });
             add('script', { textContent: 'window.ran = 1' });
             add('style', { textContent: '*{color:red}' });
             await fetch('http://attacker.test/').catch(() => {});
             await new Promise(done => setTimeout(done, 200));
             return [seen.sort().join(), typeof window.ran];
           }"""
    )
    visitor.troubles.clear()  # the console says so too
    assert blocked == ["connect-src,img-src,script-src-elem,style-src-elem", "undefined"]


@pytest.fixture(scope="module")
def blank(browser: Browser) -> Iterator[Page]:
    """An empty page, for all the examples of a law."""
    with browser.new_page() as page:
        yield page


@settings(max_examples=200, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(texts=st.lists(st.text() | st.sampled_from(["\\", "'", "\\'", "\\u0027", "\n", "\u2028", "</script>"])))
def test_a_browser_reads_of_data_js_what_the_board_holds(blank: Page, texts: list[str]) -> None:
    script = page.data_script({"texts": texts}).decode()
    read = blank.evaluate("(code) => { (0, eval)(code); return teststripBoard.texts; }", script)
    assert read == texts
