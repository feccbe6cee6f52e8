"""The default address has one home; everything else in the program takes it from there."""

import re
from pathlib import Path

import pytest

from stocktrack.client import StockTrackClient
from stocktrack.client.settings import load_client_settings
from stocktrack.config import Settings
from stocktrack.system import addresses
from stocktrack.system.addresses import DEFAULT_HOST, DEFAULT_PORT, address_text, network_of


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
    assert network_of(address) == network


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
