import pytest

from stocktrack.system.banner import banner


def test_a_server_without_users_says_where_it_is_and_how_to_add_one() -> None:
    assert banner("0.1.0", ("yahoo", "rss"), "127.0.0.1", 65_432, "http://127.0.0.1:8080", has_users=False) == (
        "StockTrack 0.1.0 is ready. Ctrl-C stops it.\n"
        "  clients  127.0.0.1:65432\n"
        "  page     http://127.0.0.1:8080\n"
        "  sources  yahoo, rss\n"
        "There are no users yet. Add one from another terminal: stocktrack users add NAME\n"
    )


@pytest.mark.parametrize(
    ("port", "line"),
    [(65_432, "stocktrack watch AAPL TSLA\n"), (7_000, "stocktrack watch AAPL TSLA --port 7000\n")],
)
def test_a_server_with_users_says_how_to_see_its_prices(port: int, line: str) -> None:
    told = banner("0.1.0", ("simulated",), "::1", port, has_users=True)
    assert told.endswith(line)
    assert f"[::1]:{port}" in told
    assert "page" not in told
