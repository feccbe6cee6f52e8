"""Watch lists on the command line, with a real server: shown and changed by `stocktrack stocks` and by the client."""

import json
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from live_server import PASSWORD
from server_process import Finished, run_stocktrack, server_process


@pytest.fixture
async def home(tmp_path: Path) -> AsyncIterator[Path]:
    """The home of Ann, whose server runs."""
    added = await run_stocktrack(tmp_path, "users", "add", "ann", "--password-stdin", stdin=f"{PASSWORD}\n".encode())
    assert added.code == 0, added.err
    async with server_process(tmp_path) as server:
        (tmp_path / "port").write_text(str(server.port), encoding="utf-8")
        yield tmp_path


async def as_ann(home: Path, *arguments: str, stdin: str = "") -> Finished:
    return await run_stocktrack(
        home,
        *arguments,
        stdin=stdin.encode(),
        STOCKTRACK_PORT=(home / "port").read_text(encoding="utf-8"),
        STOCKTRACK_USER="ann",
        STOCKTRACK_PASSWORD=PASSWORD,
    )


async def test_stocks_shows_and_changes_the_list_it_is_told(home: Path) -> None:
    done = await as_ann(home, "stocks", "--list", "tech")
    assert (done.code, done.out) == (0, "")
    assert (
        "You have no saved stocks in the list tech yet. `stocktrack stocks --list tech --add AAPL` saves one."
        in done.err
    )

    done = await as_ann(home, "stocks", "--list", "tech", "--add", "NVDA,AMD", "--add", "NOPE")
    assert done.code == 3
    assert [row.split("\t")[0] for row in done.out.splitlines()] == ["NVDA", "AMD"]
    assert "NOPE" in done.err
    assert "Your lists" not in done.err  # a script knows its lists

    done = await as_ann(home, "stocks", "--list", "tech", "--remove", "NVDA", "--add", "TSLA", "--json")
    reply = json.loads(done.out)
    assert (reply["list"], reply["lists"], reply["symbols"]) == ("tech", ["main", "tech"], ["AMD", "TSLA"])

    done = await as_ann(home, "stocks")
    assert done.out == ""
    assert "You have no saved stocks yet." in done.err


async def test_a_name_that_no_list_can_have_is_refused_before_anything_is_sent(home: Path) -> None:
    done = await as_ann(home, "stocks", "--list", " tech", "--add", "NVDA")
    assert (done.code, done.out) == (2, "")
    assert "the field 'list' must be printable" in done.err


async def test_the_interactive_client_shows_and_changes_lists(home: Path) -> None:
    script = (
        'subscribe NVDA AMD every 60 --list "big tech"',
        "subscribe AAPL",
        "unsubscribe AMD --list='big tech'",
        'stocks --list "big tech"',
        "stocks --list none",
        "unsubscribe --list 'big tech'",
        "stocks",
    )
    done = await as_ann(home, "client", stdin="\n".join((*script, "exit", "")))
    assert done.code == 0, done.err
    assert "Your lists: main, big tech." in done.out + done.err
    assert "You have no saved stocks in the list none yet" in done.err
    shown = [line.split("\t")[0] for line in done.out.splitlines() if "\t" in line]
    assert "NVDA" in shown
    assert (await as_ann(home, "stocks", "--json")).out.count('"lists":["main"]') == 1


async def test_lists_are_set_renamed_ordered_and_removed_from_a_shell(home: Path) -> None:
    done = await as_ann(home, "stocks", "--list", "tech", "--set", "NVDA,AMD,TSLA", "--first", "TSLA", "--json")
    assert json.loads(done.out)["symbols"] == ["TSLA", "NVDA", "AMD"]
    done = await as_ann(home, "stocks", "--list", "tech", "--set", "AAPL", "--json")
    assert json.loads(done.out)["symbols"] == ["AAPL"]
    done = await as_ann(home, "lists", "rename", "tech", "big tech")
    assert (done.code, done.err) == (0, "stocktrack: The list tech is called big tech now.\n")
    done = await as_ann(home, "lists", "order", "big tech")
    assert done.err == "stocktrack: Your lists: big tech, main.\n"
    done = await as_ann(home, "lists")
    assert (done.code, done.out) == (0, "big tech\t1\nmain\t0\n")
    assert json.loads((await as_ann(home, "lists", "--json")).out)["lists"][0] == {"list": "big tech", "count": 1}
    done = await as_ann(home, "lists", "remove", "nope", "big tech")
    assert done.code == 3
    assert "You have no list 'nope'" in done.err
    assert "The list big tech was removed; in it were AAPL." in done.err
    done = await as_ann(home, "lists", "remove", "main")
    assert done.code != 0
    assert "always there" in done.err
    done = await as_ann(home, "lists", "rename", "tech", " x")
    assert (done.code, "the field 'name' must be printable" in done.err) == (2, True)


async def test_the_interactive_client_changes_the_lists_themselves(home: Path) -> None:
    script = (
        'stocks set NVDA,AMD --list "big tech"',
        'stocks first AMD --list "big tech"',
        "lists rename 'big tech' chips",
        "lists order chips main",
        "lists",
        "lists rename chips",
        "lists throw chips",
        "lists remove chips",
        "stocks sell AAPL",
    )
    done = await as_ann(home, "client", stdin="\n".join((*script, "exit", "")))
    told = done.out + done.err
    for sentence in (
        "The list big tech holds NVDA, AMD.",
        "The list big tech holds AMD, NVDA.",
        "The list big tech is called chips now.",
        "Your lists: chips, main.",
        "chips\t2\nmain\t0\n",
        "`lists` is called alone, or as `lists rename OLD NEW`.",
        "`lists` is called alone, or as `lists rename OLD NEW`, `lists remove NAME`, `lists order NAME…`.",
        "The list chips was removed; in it were AMD, NVDA.",
        "`stocks` takes no 'sell AAPL'",
    ):
        assert sentence in told
    assert done.code == 2
