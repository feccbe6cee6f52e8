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
    row(0, Side.SHARED, "", "__init__ errors scopes quotes csv_cells bars segments alerting clock"),
    row(
        1,
        Side.SHARED,
        "system",
        "addresses banner files setting_sources data_folder running_servers blocking logs acts trail change_notes "
        "supervised processes",
    ),
    row(2, Side.SHARED, "", "messages holdings"),
    row(3, Side.SHARED, "wire", "connection lines schema asyncapi"),
    row(
        3,
        Side.SHARED,
        "recording",
        "rows csv_rows json_rows names append_file text_file parquet_file diary recording reading summary progress "
        "wanted recorder",
    ),
    row(4, Side.SHARED, "", "holding_rows"),
    row(3, Side.SERVER, "", "setting_values target_settings config"),
    row(3, Side.SERVER, "engine", "names shards client subscriber lease asking words"),
    row(
        3,
        Side.SERVER,
        "storage",
        "tables migrations groups database sqlite postgres shared_reads bars owners alerts lots watch_lists store "
        "late_store late_bars",
    ),
    row(3, Side.SERVER, "storage.migrations", "env runner versions"),
    row(
        3,
        Side.SERVER,
        "storage.migrations.versions",
        "0001_first 0002_admins_and_tokens 0003_longer_symbols 0004_tokens_and_ended_sessions 0005_minute_bars "
        "0006_alerts_and_lots 0007_order_of_lists 0008_kept_lists",
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
        "life bucket names budgets contracts pages answering answers admin_answers alert_answers rates holding_answers "
        "chat_answers list_answers every_answer session administration strangers chat list_news open_sessions "
        "alert_words",
    ),
    row(
        8, Side.SERVER, "cluster", "presence envelopes bus seats administration chat list_news counting figures cluster"
    ),
    row(8, Side.SERVER, "doors", "socket_options turns reading first_bytes proxies tls line_stream listening serving"),
    row(9, Side.SERVER, "", "server"),
    row(
        9,
        Side.SERVER,
        "web",
        "absent origins forwarding asgi accept compression cors queries statuses problems built_page assets site tls "
        "slots request_parser exchange http handed_over websocket event_text event_stream server websocket_sessions "
        "asgi_sockets csv_tables bar_bodies credentials rest event_streams guest_sessions dialects together "
        "sink_figures bar_figures alert_figures metrics health composition",
    ),
    row(
        9,
        Side.SERVER,
        "web.rest",
        "sessions parts problems account admin market lists own stream manners catalogue openapi docs_page documents "
        "application",
    ),
    row(
        9,
        Side.SERVER,
        "web.dialects",
        "prices told speaking live_price socketio finnhub yahoo alpaca_codec alpaca_messages alpaca_channels "
        "alpaca_bars alpaca udf_terms udf_bars udf",
    ),
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
        "encodings words drawings exit_codes connection_report status_line run logging_in board_choice "
        "screen_settings attention remembered text alert_text alert_news alert_table facts axes canvas chart "
        "chart_request past price_directives columns holding_table tables typed_commands alert_request course "
        "conversion board_row cells board_cells board_rows board_columns board_keys board_alerts board_holdings "
        "board_table column_chooser board_detail tabs board_head symbol_picker text_page board_view day_courses held "
        "snapshots pair_rates details links line_cutter fronts interrupting pace foot_line board_window board_mouse "
        "board_screen live_board price_block plain_front line_completer line_history prompt board_front dialogue "
        "typed_questions typed_lists",
    ),
    row(6, Side.CLIENT, "", "cli_client"),
    row(
        7,
        Side.CLIENT,
        "commands",
        "examples help completion options row_forms at_server watch price_directives one_shot history alerts "
        "ticker_file lot_import holdings account chat admin lists interactive protocol",
    ),
    row(
        12,
        Side.BOTH,
        "operations",
        "options users demo private_server serve feed publishing publish settings database price_sources server_prices "
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
