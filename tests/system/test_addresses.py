"""The default address has one home; everything else in the program takes it from there."""

import re
from pathlib import Path

import pytest

from stocktrack.client import StockTrackClient
from stocktrack.client.settings import load_client_settings
from stocktrack.config import Settings
from stocktrack.system import addresses
from stocktrack.system.addresses import (
    DEFAULT_HOST,
    DEFAULT_PORT,
    Host,
    address_group,
    address_text,
    host_of,
    is_loopback,
    plain_address,
)


@pytest.mark.parametrize(
    ("host", "port", "text"),
    [("127.0.0.1", 1, "127.0.0.1:1"), ("quotes.example", 65_535, "quotes.example:65535"), ("::1", 7, "[::1]:7")],
)
def test_an_address_is_written_as_people_write_it(host: str, port: int, text: str) -> None:
    assert address_text(host, port) == text


@pytest.mark.parametrize(
    ("address", "network"),
    [
        ("192.0.2.1", "192.0.2.1"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("fe80::1%eth0", "fe80::/64"),
        ("::ffff:192.0.2.1", "192.0.2.1"),
        ("unknown", "unknown"),
        ("", ""),
    ],
)
def test_an_address_counts_as_itself_or_with_its_network(address: str, network: str) -> None:
    assert address_group(address) == network


def test_server_library_and_commands_have_the_same_default() -> None:
    server, client = Settings.model_fields, load_client_settings(environment={})

    assert (server["host"].default, server["port"].default) == (DEFAULT_HOST, DEFAULT_PORT)
    assert (client.host, client.port) == (DEFAULT_HOST, DEFAULT_PORT)
    assert StockTrackClient().address == address_text(DEFAULT_HOST, DEFAULT_PORT)


def test_no_other_file_of_the_program_writes_the_default_address_down() -> None:
    home = Path(addresses.__file__)
    literal = re.compile(r"\b65_?432\b|\b127\.0\.0\.1\b")

    found = [path.name for path in home.parents[1].rglob("*.py") if literal.search(path.read_text(encoding="utf-8"))]

    assert found == [home.name]


@pytest.mark.parametrize(
    ("text", "host"),
    [
        ("quotes.example", Host("quotes.example", None)),
        ("Quotes.Example.:8080", Host("quotes.example", 8080)),
        ("my_container:80", Host("my_container", 80)),
        ("127.0.0.1:", Host("127.0.0.1", None)),
        ("[::1]:8080", Host("::1", 8080)),
        ("[2001:DB8::7]", Host("2001:db8::7", None)),
        ("", None),
        (":8080", None),
        (".", None),
        ("::1", None),
        ("[::1", None),
        ("[quotes.example]", None),
        ("a..b", None),
        ("quotes.example:99999", None),
        ("quotes.example:80:80", None),
        ("quotes.example:x", None),
        ("quotes.example/", None),
        ("ann@quotes.example", None),
        ("quotes.example, evil.example", None),
        ("b\u00fccher.example", None),
        ("x" * 300, None),
    ],
)
def test_a_host_is_read_as_http_writes_it(text: str, host: Host | None) -> None:
    assert host_of(text) == host


def test_an_address_has_one_spelling() -> None:
    assert plain_address("2001:0DB8::0007") == "2001:db8::7"
    assert plain_address("::ffff:192.0.2.1") == "192.0.2.1"
    assert {plain_address(text) for text in ("", "quotes.example", "192.0.2", "192.0.2.1:80", "[::1]")} == {None}
    assert [is_loopback(text) for text in ("127.9.9.9", "::1", "::ffff:127.0.0.1", "192.0.2.1", "unknown")] == [
        *(True, True, True, False, False),
    ]
