"""The page /docs: complete, of the address it was asked by, and safe in a shell and in a browser."""

import html
import re
import shlex
from html.parser import HTMLParser
from pathlib import Path
from typing import Literal

import pytest

from browser import chromium
from fakes import ScriptedProvider
from live_server import live_server
from patient_http import patient_http
from stocktrack.clock import ManualClock
from stocktrack.web.asgi import IS_FORWARDED
from stocktrack.web.rest import application  # noqa: F401 - it puts the operations into the router
from stocktrack.web.rest import documents as documents_module
from stocktrack.web.rest.docs_page import curl, docs_page, docs_style
from stocktrack.web.rest.documents import documents
from stocktrack.web.rest.openapi import openapi

BASE = "http://localhost:8080"


def commands(page: str) -> list[str]:
    """The commands that the page shows."""
    return [html.unescape(text) for text in re.findall(r'<pre class="command"><code>(.*?)</code></pre>', page)]


def test_every_operation_stands_in_its_part_with_its_parameters_and_answers() -> None:
    page = docs_page(openapi(), BASE)
    for path, methods in openapi()["paths"].items():
        for method, operation in methods.items():
            article = page.partition(f'<article id="operation/{operation["operationId"]}">')[2].partition("</article>")[
                0
            ]
            assert f"<code>{path}</code>" in article, (method, path)
            for parameter in operation.get("parameters", ()):
                assert f"<code>{parameter['name']}</code>" in article
            for status in operation["responses"]:
                assert f"<b>{status}</b>" in article
            assert "<summary>Example</summary>" in article


def test_whoever_asks_by_ever_other_addresses_does_not_have_the_page_made_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    page_for = documents()["/docs"]
    hosts = [f"127.0.0.1:{port}" for port in range(1, 20)] + ["[::1]:443", 'it\'s<b>&"odd"']
    whole = [docs_page(openapi(), f"http://{host}").encode() for host in hosts]

    def made_anew(*_: object) -> str:
        raise AssertionError("it takes ten milliseconds and more, in which no price goes out")

    monkeypatch.setattr(documents_module, "docs_page", made_anew)
    told = [
        page_for({"type": "http", "scheme": "http", "headers": [(b"host", host.encode())], IS_FORWARDED: False}).content
        for host in hosts
    ]
    assert told == whole


def test_its_html_is_whole_and_has_no_script() -> None:
    opened: list[str] = []
    wrong: list[str] = []
    ids: list[str] = []

    class Parser(HTMLParser):
        def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
            ids.extend(str(value) for name, value in attrs if name == "id")
            wrong.extend(name for name, _ in attrs if name.startswith("on") or name == "style")
            if tag not in {"meta", "link", "img", "wbr"}:
                opened.append(tag)

        def handle_endtag(self, tag: str) -> None:
            if opened.pop() != tag:
                wrong.append(tag)

    page = docs_page(openapi(), BASE)
    Parser().feed(page)
    assert (opened, wrong) == ([], [])
    assert len(ids) == len(set(ids))
    assert set(re.findall(r'href="#([^"]+)"', page)) <= set(ids)
    assert "<script" not in page


def test_a_command_is_quoted_for_every_shell() -> None:
    operation = {
        "parameters": [
            {"name": "symbol", "in": "path", "example": "BTC/USD"},
            {"name": "query", "in": "query", "example": "it's [a] & b?"},
            {"name": "limit", "in": "query", "example": 5},
            {"name": "unused", "in": "query"},
        ],
        "security": [{"bearer": []}],
        "requestBody": {"content": {"application/json": {"example": {"text": "it's $HOME `id`"}}}},
    }
    command = curl("/api/v1/company/{symbol}", "post", operation, BASE)
    words = shlex.split(command.replace("$TOKEN", "TOKEN"))
    assert words[:4] == ["curl", "-s", "-X", "POST"]
    assert words[4] == f"{BASE}/api/v1/company/BTC%2FUSD?query=it%27s%20%5Ba%5D%20%26%20b%3F&limit=5"
    assert words[5:9] == ["-H", "Authorization: Bearer TOKEN", "-H", "Content-Type: application/json"]
    assert words[-1] == '{"text": "it\'s $HOME `id`"}'


def test_a_command_without_an_example_says_what_is_to_be_put_in() -> None:
    assert curl("/api/v1/lots/{lot}", "delete", {}, BASE) == f"curl -s -X DELETE '{BASE}/api/v1/lots/{{lot}}'"


def test_what_never_ends_is_printed_as_it_comes() -> None:
    (stream,) = [command for command in commands(docs_page(openapi(), BASE)) if "/stream?" in command]
    assert stream.startswith(f"curl -sN '{BASE}/api/v1/stream?symbols=")


def test_no_command_has_anything_unquoted_that_a_shell_takes_for_its_own() -> None:
    first_steps, *others = commands(docs_page(openapi(), BASE))
    assert first_steps.startswith("export TOKEN=$(curl ")
    for command in others:
        bare = re.sub(r"'[^']*'", "", command.replace('"Authorization: Bearer $TOKEN"', "")).replace(r"\'", "")
        assert not re.search(r"[?&\[\]{}$`*;|<>()!]", bare), command


def test_the_colours_of_the_dark_theme_are_those_of_the_site() -> None:
    style = docs_style(':root {\n --page: #fff;\n}\n:root[data-theme="dark"] {\n --page: #000;\n}\n', ".docs {}\n")
    assert style == "@media (prefers-color-scheme: dark) {\n:root {\n --page: #000;\n}\n}\n\n.docs {}\n"


async def test_the_page_is_of_the_address_by_which_it_was_asked_for(tmp_path: Path) -> None:
    clock = ManualClock()
    async with (
        live_server(
            tmp_path, ScriptedProvider(clock), clock=clock, web=True, public_names=["quotes.example"]
        ) as server,
        patient_http(base_url=server.web_url) as http,
    ):
        own = (await http.get("/docs")).text
        assert f"'{server.web_url}/api/v1/login'" in html.unescape(own)
        named = {"Host": "quotes.example", "X-Forwarded-For": "192.0.2.1", "X-Forwarded-Proto": "https"}
        assert "'https://quotes.example/api/v1/login'" in html.unescape((await http.get("/docs", headers=named)).text)
        for number in range(20):
            other = await http.get("/docs", headers={"Host": f"127.0.0.{number}:1"})
            assert f"http://127.0.0.{number}:1/api/v1/" in other.text
        hostile = await http.get("/docs", headers={"Host": "localhost'><script>"})
        assert hostile.status_code == 400


@pytest.mark.parametrize(
    ("width", "scheme", "colour"),
    [
        (320, "dark", "rgb(11, 14, 21)"),
        (390, "dark", "rgb(11, 14, 21)"),
        (1440, "light", "rgb(245, 246, 249)"),
    ],
)
async def test_it_fits_a_telephone_and_a_desk_and_follows_the_colours_of_the_system(
    tmp_path: Path, width: int, scheme: Literal["dark", "light"], colour: str
) -> None:
    clock = ManualClock()
    async with live_server(tmp_path, ScriptedProvider(clock), clock=clock, web=True) as server, chromium() as browser:
        context = await browser.new_context(viewport={"width": width, "height": 900}, color_scheme=scheme)
        page = await context.new_page()
        complaints: list[str] = []
        page.on("console", lambda message: complaints.append(message.text))
        await page.goto(f"{server.web_url}/docs")
        assert await page.evaluate("document.documentElement.scrollWidth") == width
        assert await page.evaluate("getComputedStyle(document.body).backgroundColor") == colour
        await page.locator(".command code").first.click()
        assert (await page.evaluate("getSelection().toString()")).startswith("export TOKEN=")
        assert complaints == []
        await context.close()


@pytest.mark.parametrize("width", [320, 390, 1280])
async def test_who_goes_back_by_keys_finds_the_focus_below_what_stays_at_the_top(tmp_path: Path, width: int) -> None:
    clock = ManualClock()
    async with live_server(tmp_path, ScriptedProvider(clock), clock=clock, web=True) as server, chromium() as browser:
        context = await browser.new_context(viewport={"width": width, "height": 700})
        page = await context.new_page()
        await page.goto(f"{server.web_url}/docs")
        await page.locator("summary").nth(30).focus()
        for _ in range(40):
            await page.keyboard.press("Shift+Tab")
            is_seen = await page.evaluate(
                """() => {
                    const box = document.activeElement.getBoundingClientRect();
                    const top = document.elementFromPoint(box.left + 2, box.top + 2);
                    return document.activeElement.contains(top);
                }"""
            )
            assert is_seen, await page.evaluate("document.activeElement.textContent")
        await context.close()
