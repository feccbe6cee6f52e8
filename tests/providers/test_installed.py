"""Sources of installed packages: which are taken, and with which sentence the others are not."""

import importlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from installed_package import install
from stocktrack.clock import ManualClock
from stocktrack.config import Settings
from stocktrack.errors import ConfigError
from stocktrack.providers.base import Provider
from stocktrack.providers.registry import build_providers
from stocktrack.providers.yahoo.provider import YahooProvider

ACME = """
from stocktrack.providers.base import QuoteAnswer, Source

class Acme(Source):
    name = "acme"
    symbols_a_request = 50

    def __init__(self, settings, clock):
        self.key = settings.sources.get("acme", {}).get("api_key")
        self.timeout_seconds = settings.provider_timeout_seconds
        self.clock = clock

    async def quotes(self, symbols, errand=None):
        return QuoteAnswer(unknown=frozenset(symbols))
"""

Install = Callable[..., str]
Build = Callable[..., tuple[Provider, ...]]


@pytest.fixture
def offer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Install:
    """Install a package whose one module has this text; returns the name of the module, which no other test has."""
    count = 0

    def offer(text: str, *, package: str = "acme-quotes", **sources: str) -> str:
        nonlocal count
        count += 1
        module, folder = f"{tmp_path.name.replace('-', '_')}_{count}", tmp_path / f"site-{count}"
        targets = {
            name: target.replace("MODULE", module) for name, target in (sources or {"acme": "MODULE:Acme"}).items()
        }
        install(folder, package, {module: text}, targets)
        monkeypatch.syspath_prepend(folder)
        importlib.invalidate_caches()
        return module

    return offer


@pytest.fixture
def build(tmp_path: Path) -> Build:
    def build(*providers: str, warnings: list[str] | None = None, **settings: Any) -> tuple[Provider, ...]:
        told = Settings(data_dir=tmp_path, providers=providers, **settings)
        warn = print if warnings is None else warnings.append
        return build_providers(told, ManualClock(), warn)

    return build


def complaint(build: Build, *providers: str) -> str:
    with pytest.raises(ConfigError) as caught:
        build(*providers)
    return str(caught.value)


# --- what is taken ----------------------------------------------------------------------------------------------------


def test_a_source_of_an_installed_package_is_made_of_the_settings_and_the_clock(offer: Install, build: Build) -> None:
    offer(ACME)
    acme: Any
    yahoo, acme = build("yahoo", "acme", sources={"acme": {"api_key": "k"}}, provider_timeout_seconds=7)
    assert isinstance(yahoo, YahooProvider)
    assert (acme.name, acme.key, acme.timeout_seconds) == ("acme", "k", 7)
    assert isinstance(acme.clock, ManualClock)


def test_a_function_may_make_the_source(offer: Install, build: Build) -> None:
    offer(f"{ACME}\ndef make(settings, clock):\n    return Acme(settings, clock)\n", acme="MODULE:make")
    [acme] = build("acme")
    assert acme.name == "acme"


def test_a_package_is_imported_only_where_its_source_is_named(offer: Install, build: Build, tmp_path: Path) -> None:
    offer(f"from pathlib import Path\nPath({str(tmp_path / 'imported')!r}).touch()\n{ACME}")
    build("rss")
    assert not (tmp_path / "imported").exists()
    build("acme")
    assert (tmp_path / "imported").exists()


def test_of_two_sources_of_one_name_ours_is_taken_with_a_warning(offer: Install, build: Build) -> None:
    offer(ACME, yahoo="MODULE:Acme")
    warnings: list[str] = []
    [yahoo] = build("yahoo", warnings=warnings)
    assert isinstance(yahoo, YahooProvider)
    assert warnings == [
        "providers = 'yahoo' is StockTrack's own source; the package acme-quotes 1.2 offers another one."
    ]


def test_settings_that_no_source_reads_are_a_warning_without_their_values(offer: Install, build: Build) -> None:
    offer(ACME)
    warnings: list[str] = []
    own = {"api_key": "SeCrEt"}
    build("yahoo", warnings=warnings, sources={"yahoo": own, "acme": own})
    assert len(warnings) == 2
    assert warnings[0].startswith("sources.yahoo is ignored: yahoo is StockTrack's own source")
    assert warnings[1] == "sources.acme is ignored: providers does not name acme."
    assert "SeCrEt" not in "".join(warnings)


# --- what is not ------------------------------------------------------------------------------------------------------


def test_a_source_that_nobody_offers_is_told_with_those_there_are(offer: Install, build: Build) -> None:
    assert complaint(build, "acme").startswith("providers = 'acme': there is no such source; there are yahoo, finnhub,")
    offer(ACME)
    told = complaint(build, "acmee")
    assert told.startswith("providers = 'acmee': there is no such source; did you mean acme? There are yahoo, finnhub,")
    assert "and of installed packages acme. " in told
    assert told.endswith("has to be installed where StockTrack is.")


@pytest.mark.parametrize(("written", "meant"), [("Yahoo", "yahoo"), ("FINNHUB", "finnhub"), ("simulate", "simulated")])
def test_a_source_that_is_nearly_written_right_is_told(build: Build, written: str, meant: str) -> None:
    assert f"there is no such source; did you mean {meant}? There are yahoo, " in complaint(build, written)


BEGIN = "providers = 'acme': the package acme-quotes 1.2 offers this source, and "


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (
            "import no_such_library",
            "MODULE:Acme cannot be imported: ModuleNotFoundError: No module named 'no_such_library'.",
        ),
        ("1 / 0", "MODULE:Acme cannot be imported: ZeroDivisionError: division by zero."),
        ("raise SystemExit('no licence')", "MODULE:Acme cannot be imported: SystemExit: no licence."),
        ("def Acme(:", "MODULE:Acme cannot be imported: SyntaxError: "),
        ("", "MODULE:Acme cannot be imported: AttributeError: "),
        ("Acme = 5", "MODULE:Acme is no function and no class: it has to take (settings, clock)."),
        ("class Acme: pass", "MODULE:Acme(settings, clock) failed: TypeError: Acme() takes no arguments."),
        ("def Acme(s, c):\n    return s.sources['acme']", "MODULE:Acme(settings, clock) failed: KeyError: 'acme'."),
        ("def Acme(s, c):\n    raise ValueError", "MODULE:Acme(settings, clock) failed: ValueError."),
        ("def Acme(s, c):\n    exit('no licence')", "MODULE:Acme(settings, clock) failed: SystemExit: no licence."),
        ("def Acme(s, c): pass", "its NoneType is no source: it lacks name, is_free, budget, serves, start, close."),
        (f"{ACME}    budget = None", "its budget is None, and has to be a Budget of whole numbers above zero."),
        (
            f"from stocktrack.providers.base import Budget\n{ACME}    budget = Budget(requests_per_minute=0)",
            "its budget is Budget(requests_per_minute=0, requests_per_second=None), and has to be a Budget of whole",
        ),
        (
            f"{ACME}    @property\n    def budget(self): return self.plan",
            "its Acme is no source: it lacks budget.",
        ),
        (
            f"{ACME}    @property\n    def budget(self): return {{}}['plan']",
            "its budget failed: KeyError: 'plan'.",
        ),
        (f"{ACME}    symbols_a_request = 0", "its symbols_a_request is 0, and has to be a whole number above zero."),
        (f"{ACME}    symbols_a_request = 'ten'", "its symbols_a_request is 'ten', and has to be a whole number"),
        (
            f"{ACME}    stream_places = True\n    async def stream(self, w, s): pass",
            "its stream_places is True, and has to be a whole number, or None.",
        ),
        (f"{ACME}    quotes = {{}}", "its quotes is {}, and has to be a coroutine method."),
        (f"{ACME}    @property\n    def news(self): 1 / 0", "its news failed: ZeroDivisionError: division by zero."),
        (f"{ACME}    serves = 'AAPL'", "its serves is 'AAPL', and has to be a method."),
        (f"{ACME}    def serves(self, s): return {{}}[s]", "its serves('AAPL') failed: KeyError: 'AAPL'."),
        (
            f"{ACME}    async def serves(self, s): return True",
            "its serves is a coroutine, and has to be a plain method",
        ),
        (f"{ACME}    def serves(self, s): pass", "its serves('AAPL') is None, and has to be True or False."),
        (f"{ACME}    name = 'other'", "it calls itself 'other': its `name` has to be that of its entry point."),
        (f"{ACME}    name = None", "its name is None, and has to be a text."),
        (
            ACME.replace("    symbols_a_request = 50\n", ""),
            "it has quotes and lacks symbols_a_request: quotes takes both.",
        ),
        (f"{ACME}    async def stream(self, w, s): pass", "it has stream and lacks stream_places: stream takes both."),
        (
            ACME.partition("    symbols_a_request")[0] + "    def __init__(self, settings, clock): pass",
            (
                "it offers nothing: it has none of quotes, stream, news, symbol_news, company, dividends, search, "
                "hours, history."
            ),
        ),
        (
            "from stocktrack.errors import SourceUnusable\ndef Acme(s, c):\n    raise SourceUnusable('Set a key.')",
            "it cannot be used: Set a key.",
        ),
    ],
)
def test_a_package_whose_source_will_not_do_is_named_with_what_is_wrong(
    offer: Install, build: Build, text: str, says: str
) -> None:
    module = offer(text)
    told = complaint(build, "acme")
    assert told.startswith(BEGIN + says.replace("MODULE", module))
    assert "\n" not in told


def test_a_module_that_is_not_there_is_named(offer: Install, build: Build) -> None:
    offer(ACME, acme="no_such_module_of_acme:Acme")
    assert complaint(build, "acme").startswith(
        f"{BEGIN}no_such_module_of_acme:Acme cannot be imported: ModuleNotFoundError: "
    )


def test_what_a_source_says_of_its_settings_is_told_as_it_is(offer: Install, build: Build) -> None:
    offer("from stocktrack.errors import ConfigError\ndef Acme(s, c):\n    raise ConfigError('sources.acme.url: no.')")
    assert complaint(build, "acme") == "sources.acme.url: no."


def test_two_packages_with_a_source_of_one_name_are_both_named(offer: Install, build: Build) -> None:
    offer(ACME)
    offer(ACME, package="acme-lite")
    told = complaint(build, "acme")
    assert "the package acme-lite 1.2 and the package acme-quotes 1.2 offer this source." in told


def test_prices_of_others_beside_invented_ones_are_refused_and_news_are_not(offer: Install, build: Build) -> None:
    offer(ACME)
    for order in (("simulated", "acme"), ("acme", "simulated")):
        assert "invented prices beside those of acme" in complaint(build, *order)
    news = (
        "from stocktrack.providers.base import Source\nclass Wire(Source):\n    name = 'wire'\n"
        "    def __init__(self, settings, clock): pass\n    async def news(self): return []\n"
    )
    offer(news, package="wire-news", wire="MODULE:Wire")
    assert [provider.name for provider in build("simulated", "wire")] == ["simulated", "wire"]
