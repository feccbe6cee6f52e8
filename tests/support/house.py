"""The house: on which step each folder of `src/stocktrack` stands, and the files of each in the order to read them in.

`test_stairs.py` holds the imports to it, `test_architecture.py` the page for newcomers.
"""

from dataclasses import dataclass
from enum import Enum
from pathlib import Path

import stocktrack

ROOT = Path(stocktrack.__file__).parent


class Side(Enum):
    """Who uses a row of the house."""

    SHARED = "shared"
    SERVER = "server"
    CLIENT = "client"
    BOTH = "both"  # it may use everything


MAY_USE = {
    Side.SHARED: {Side.SHARED},
    Side.SERVER: {Side.SHARED, Side.SERVER},
    Side.CLIENT: {Side.SHARED, Side.CLIENT},
    Side.BOTH: set(Side),
}


@dataclass(frozen=True, slots=True)
class Row:
    """A step, a folder on it, and what the folder holds in reading order: a file imports only from those before it.

    The root's own files stand on several steps. A folder within a folder has a place in its list and a row of its own,
    and the `__init__.py` of a folder stands above everything in it.
    """

    step: int
    side: Side
    folder: str
    holds: tuple[str, ...]


def row(step: int, side: Side, folder: str, holds: str) -> Row:
    """A row with the names of what the folder holds in one line."""
    return Row(step, side, folder, tuple(holds.split()))


HOUSE = (
    row(0, Side.SHARED, "", "__init__ errors scopes quotes bars segments alerting clock"),
    row(
        1,
        Side.SHARED,
        "system",
        "addresses files setting_sources data_folder running_servers blocking logs acts trail change_notes supervised "
        "processes",
    ),
    row(2, Side.SHARED, "", "messages holdings"),
    row(3, Side.SHARED, "wire", "connection lines schema"),
    row(
        3,
        Side.SHARED,
        "recording",
        "rows csv_rows json_rows names append_file text_file parquet_file diary recording reading summary progress "
        "wanted recorder",
    ),
    row(4, Side.SHARED, "", "holding_rows"),
    row(3, Side.SERVER, "", "target_settings config"),
    row(3, Side.SERVER, "engine", "names shards client subscriber lease asking words"),
    row(
        3,
        Side.SERVER,
        "storage",
        "tables migrations groups database sqlite postgres shared_reads bars owners alerts lots store late_store "
        "late_bars",
    ),
    row(3, Side.SERVER, "storage.migrations", "env runner versions"),
    row(
        3,
        Side.SERVER,
        "storage.migrations.versions",
        "0001_first 0002_admins_and_tokens 0003_longer_symbols 0004_tokens_and_ended_sessions 0005_minute_bars "
        "0006_alerts_and_lots",
    ),
    row(
        4,
        Side.SERVER,
        "providers",
        "base reading published symbol_names instrument_file instrument_search keys http streaming rss yahoo openalgo "
        "finnhub kafka redis simulated replay instruments installed registry",
    ),
    row(4, Side.SERVER, "providers.redis", "prices link provider"),
    row(4, Side.SERVER, "providers.openalgo", "addresses symbols answers calendar rest stream provider"),
    row(4, Side.SERVER, "providers.rss", "fetch parse publishers text times provider"),
    row(4, Side.SERVER, "providers.yahoo", "payload answers bars ticks session provider stream"),
    row(4, Side.SERVER, "providers.simulated", "instruments walk past provider"),
    row(4, Side.SERVER, "providers.kafka", "topic library table reader provider"),
    row(4, Side.SERVER, "providers.finnhub", "symbols key_lock answers candles rest day stream provider"),
    row(5, Side.SERVER, "testing", "subject contracts failures"),
    row(4, Side.SERVER, "accounts", "identity passwords remembered places throttle line logins tokens accounts"),
    row(5, Side.SERVER, "alert_targets", "base under_way posting webhook ntfy mail command apprise registry"),
    row(
        5,
        Side.SERVER,
        "market",
        "events plausibility board demand refusals bills batching ceiling upstream shapes leads routes answer_cache "
        "hours shelves windows adjusting archive history minutes own_bars questions outage merging polls streams feed",
    ),
    row(6, Side.SERVER, "sinks", "base backlog outlet publisher redis kafka files registry"),
    row(
        6, Side.SERVER, "alerts", "times sentences conditions ladder window watch judge writer courier turn alerts desk"
    ),
    row(6, Side.SERVER, "", "metronome subscriptions"),
    row(
        7,
        Side.SERVER,
        "sessions",
        "life bucket names budgets contracts pages answering answers alert_answers rates holding_answers chat_answers "
        "every_answer session administration strangers chat open_sessions alert_words",
    ),
    row(8, Side.SERVER, "cluster", "presence envelopes bus seats administration chat counting figures cluster"),
    row(8, Side.SERVER, "doors", "socket_options turns reading first_bytes proxies tls line_stream listening serving"),
    row(9, Side.SERVER, "", "server"),
    row(
        9,
        Side.SERVER,
        "web",
        "origins forwarding asgi assets site tls slots request_parser exchange http websocket server "
        "websocket_sessions asgi_sockets rest_sessions guest_sessions accept bar_bodies statuses "
        "rest_parts rest_own rest dialects together sink_figures bar_figures alert_figures metrics health composition",
    ),
    row(9, Side.SERVER, "web.dialects", "live_price socketio udf_terms udf_bars udf"),
    row(10, Side.SERVER, "feeding", "demand publisher answering part feed health process"),
    row(10, Side.SERVER, "", "app"),
    row(11, Side.SERVER, "workers", "talk brief ports offspring child parent"),
    row(
        4,
        Side.CLIENT,
        "client",
        "errors state wire bars prices server_connection reconnecting tls client tokens time_zone settings",
    ),
    row(
        5,
        Side.CLIENT,
        "terminal",
        "exit_codes connection_report status_line run screen_settings attention text alert_text alert_news alert_table"
        " facts axes canvas chart chart_request past holding_table tables typed_commands alert_request course"
        " board_row board_alerts board_holdings board_view day_courses held board_screen fronts prompt dialogue",
    ),
    row(6, Side.CLIENT, "", "cli_client"),
    row(
        7,
        Side.CLIENT,
        "commands",
        "options at_server watch one_shot history alerts ticker_file lot_import holdings account chat admin "
        "interactive protocol",
    ),
    row(
        12,
        Side.BOTH,
        "operations",
        "options users demo serve feed publishing publish settings database price_sources server_prices "
        "provider_prices recording_run record replay",
    ),
    row(13, Side.BOTH, "", "cli __main__"),
)


def module_name(path: Path, root: Path = ROOT) -> str:
    """`providers.base` for providers/base.py, `web` for web/__init__.py, and the empty name for the package."""
    parts = path.relative_to(root).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


MODULES = {module_name(path): path for path in sorted(ROOT.rglob("*.py"))}
FOLDERS = {row.folder: row for row in HOUSE if row.folder}
