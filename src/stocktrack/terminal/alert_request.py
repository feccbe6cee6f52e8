"""An alert as a person types it, for a shell and for the prompt: conditions, values, how often, and until when not."""

import difflib
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, Final

from stocktrack.alerting import DAY_MINUTES, AlertWhen, Repeat, known_zone, quiet_minutes
from stocktrack.client.time_zone import machine_zone
from stocktrack.messages import MAX_ALERT_MINUTES, MAX_COOLDOWN_SECONDS, MIN_COOLDOWN_SECONDS
from stocktrack.quotes import may_be_negative, shown
from stocktrack.terminal.typed_commands import CONDITIONS, REPEATS, UsageError, split_symbols

# A shell would take `-3%` for an option; its command hands it on with the minus sign of typography.
MINUS: Final = "\N{MINUS SIGN}"

_NUMBER = re.compile(
    rf"(?P<sign>[-+{MINUS}]?)(?P<digits>[0-9]{{1,3}}(?:,[0-9]{{3}})+(?:\.[0-9]*)?|[0-9]+(?:\.[0-9]*)?|\.[0-9]+)"
    r"(?P<unit>[kmb]|bn|t|%)?",
    re.IGNORECASE | re.ASCII,
)
_TIMES: Final = {"k": 10**3, "m": 10**6, "b": 10**9, "bn": 10**9, "t": 10**12}
_DURATION = re.compile(r"([0-9]{1,9})\s*(s|sec|seconds?|m|min|minutes?|h|hours?|d|days?)?", re.IGNORECASE | re.ASCII)
_SECONDS: Final = {"s": 1, "m": 60, "h": 3_600, "d": 86_400}
_HOURS = re.compile(r"([0-9]{1,2})(?::([0-9]{2}))?\s*-\s*([0-9]{1,2})(?::([0-9]{2}))?", re.ASCII)
_ALERT_NAME = re.compile(r"[aA]?([1-9][0-9]{0,17})", re.ASCII)


@dataclass(slots=True)
class WantedAlert:
    """What was typed, word by word; None is what was not."""

    symbol: str
    when: str
    value: str
    targets: Sequence[str] = ()
    repeat: str | None = None
    cooldown: str | None = None
    within: str | None = None
    minutes: str | None = None
    quiet: str | None = None
    timezone: str | None = None


@dataclass(slots=True)
class AlertRequest:
    """The fields of the command ALERT, and what the person should know about them."""

    fields: dict[str, Any]
    remarks: list[str] = field(default_factory=list)


def request_of(wanted: WantedAlert) -> AlertRequest:
    """The command's fields; `UsageError` with what is wrong, in the words of who typed it."""
    when = condition_of(wanted.when)
    minutes = _minutes(wanted, when)
    value = value_of(wanted.value, when)
    if when.is_of_prices and value <= 0 and not may_be_negative(wanted.symbol.upper()):
        typed = shown(wanted.value.replace(MINUS, "-"))
        raise UsageError(f"{typed} is no price of {shown(wanted.symbol)}: that is above 0, as 280.")
    fields: dict[str, Any] = {
        "symbol": wanted.symbol.upper(),
        "when": when.value,
        "value": value,
        "minutes": minutes,
        "targets": split_targets(wanted.targets),
    }
    repeat = Repeat.ONCE if wanted.repeat is None else repeat_of(wanted.repeat)
    fields["repeat"] = repeat.value
    if wanted.cooldown is not None:
        if repeat is not Repeat.EVERY:
            raise UsageError("A cool-down goes with `--repeat every`: it is the least time between two.")
        fields["cooldown_seconds"] = cooldown_of(wanted.cooldown)
    if wanted.quiet is not None:
        fields["quiet_hours"] = quiet_hours_of(wanted.quiet)
    request = AlertRequest(fields)
    if wanted.timezone is not None:
        fields["timezone"] = zone_of(wanted.timezone)
    elif wanted.quiet is not None or repeat is Repeat.DAILY:
        fields["timezone"] = machine_zone()
        if fields["timezone"] is None:
            request.remarks.append(
                "This machine does not say its time zone by name, so that UTC counts; name one by --timezone."
            )
    return request


def condition_of(text: str) -> AlertWhen:
    """The condition that a word means, with hyphens or underscores."""
    word = text.strip().lower().replace("-", "_")
    if word in set(AlertWhen):
        return AlertWhen(word)
    near = difflib.get_close_matches(word, list(AlertWhen), n=1)
    hint = f" Did you mean {near[0].replace('_', '-')}?" if near else ""
    raise UsageError(f"{shown(text)} is no condition.{hint} There are: {', '.join(CONDITIONS)}.")


def value_of(text: str, when: AlertWhen) -> float:
    """The number of `280`, `1,234.50`, `68k`, `-3%` or `30M`, as the condition takes it."""
    found = _NUMBER.fullmatch(text.strip())
    what, example = _what(when)
    if found is None:
        raise UsageError(f"{shown(text)} is not {what}: it is typed as {example}.")
    unit = (found["unit"] or "").lower()
    if unit == "%" and not when.is_percent:
        raise UsageError(
            f"{_word(when)} takes {what}, as {example}; for percent there are percent-from-close and percent-within."
        )
    if unit in _TIMES and when.is_percent:
        raise UsageError(f"{shown(text)} is not percent: it is typed as {example}.")
    value = float(Decimal(found["digits"].replace(",", "")) * _TIMES.get(unit, 1))
    if found["sign"] in {"-", MINUS}:
        value = -value
    if when is AlertWhen.VOLUME_ABOVE and value <= 0:
        raise UsageError(f"{shown(text)} is not a volume: that is above 0, as {example}.")
    if when.is_percent and value == 0:
        raise UsageError(f"{shown(text)} is no move: it is typed as {example}.")
    return value


def _what(when: AlertWhen) -> tuple[str, str]:
    """What a condition compares with, and how that is typed."""
    if when.is_percent:
        return "percent", "5% for a rise or -3% for a fall"
    if when is AlertWhen.VOLUME_ABOVE:
        return "a volume", "30M or 1.5k"
    return "a price", "280 or 1,234.50"


def _word(when: AlertWhen) -> str:
    return when.value.replace("_", "-")


def repeat_of(text: str) -> Repeat:
    """How often, by its word."""
    if text.lower() not in set(Repeat):
        raise UsageError(f"{shown(text)} is not how often: there are {', '.join(REPEATS)}.")
    return Repeat(text.lower())


def cooldown_of(text: str) -> int:
    """The seconds of `10m`, `1h` or `90`."""
    seconds = _seconds(text, bare="s")
    if seconds is None or not MIN_COOLDOWN_SECONDS <= seconds <= MAX_COOLDOWN_SECONDS:
        raise UsageError(f"{shown(text)} is no cool-down: it is from 1m to 7d, as 10m or 1h.")
    return seconds


def quiet_hours_of(text: str) -> str:
    """`22:00-07:00`, also of `22-7`."""
    found = _HOURS.fullmatch(text.strip())
    hours = text
    if found is not None:
        first, first_minute, last, last_minute = (int(part or 0) for part in found.groups())
        hours = f"{first:02}:{first_minute:02}-{last:02}:{last_minute:02}"
    try:
        quiet_minutes(hours)
    except ValueError as error:
        raise UsageError(f"{shown(text)} are no quiet hours: they {error}.") from None
    return hours


def zone_of(text: str) -> str:
    """A time zone of the IANA by its name."""
    try:
        return known_zone(text)
    except ValueError as error:
        raise UsageError(f"{shown(text)} is no time zone: it {error}.") from None


def split_targets(texts: Iterable[str]) -> list[str]:
    """`phone,mail` as its names, each once."""
    return list(dict.fromkeys(split_symbols(texts)))


def alert_names(texts: Iterable[str]) -> list[str]:
    """`a7 a8`, also `7`, each once."""
    names = []
    for text in split_symbols(texts):
        found = _ALERT_NAME.fullmatch(text)
        if found is None:
            raise UsageError(f"{shown(text)} is no alert: they are called as a7, and the list of alerts names them.")
        names.append(f"a{found[1]}")
    return list(dict.fromkeys(names))


def _minutes(wanted: WantedAlert, when: AlertWhen) -> int | None:
    """How far back percent-within looks."""
    typed = [text for text in (wanted.within, wanted.minutes) if text is not None]
    if not typed:
        if when is AlertWhen.PERCENT_WITHIN:
            raise UsageError("percent-within needs how far back it looks, as --within 15m.")
        return None
    if when is not AlertWhen.PERCENT_WITHIN:
        raise UsageError(f"{_word(when)} does not look back: only percent-within has --within.")
    found = {_seconds(text, bare="m") for text in typed}
    seconds = found.pop()
    if found:
        raise UsageError("--within and --minutes say the same: give one of them.")
    if seconds is None or seconds % 60 or not 1 <= seconds // 60 <= MAX_ALERT_MINUTES:
        raise UsageError(f"{shown(typed[0])} is not how far back: that is from 1m to {DAY_MINUTES // 60}h, as 15m.")
    return seconds // 60


def _seconds(text: str, *, bare: str) -> int | None:
    """A duration in seconds; `bare` is the unit where none was typed, and None stands for what is no duration."""
    found = _DURATION.fullmatch(text.strip())
    if found is None:
        return None
    return int(found[1]) * _SECONDS[(found[2] or bare)[0].lower()]


# --- the line of the prompt -------------------------------------------------------------------------------------------

_OPTIONS: Final = ("target", "repeat", "cooldown", "within", "minutes", "quiet", "timezone")
_BARE_OPTIONS: Final = frozenset({"within", "quiet", "cooldown"})
NO_TARGETS: Final = (
    "The operator of this server has defined no targets; docs/alerts.md says how. Alerts are told to your sessions."
)
LINE_WORDS: Final = (*REPEATS, *(f"--{name}" for name in _OPTIONS))


def split_alert(arguments: str) -> WantedAlert:
    """`AAPL above 280 phone`, `BTC-USD percent-within -3% within 15m every 10m`: other words are targets."""
    words = re.sub(r"(?<=\s)(--\w+)=", r"\1 ", arguments).split()
    if len(words) < 3:
        raise UsageError(
            f"`alert` needs a symbol, a condition and a value, as in `alert AAPL above 280`. "
            f"The conditions are {', '.join(CONDITIONS)}."
        )
    wanted = WantedAlert(words[0], words[1], words[2])
    targets: list[str] = []
    rest = words[3:]
    while rest:
        word = rest.pop(0)
        name = word.lower().removeprefix("--")
        if name in REPEATS and not word.startswith("--"):
            wanted.repeat = name
            if name == Repeat.EVERY and rest and _DURATION.fullmatch(rest[0]):
                wanted.cooldown = rest.pop(0)
        elif name in _OPTIONS and (word.startswith("--") or name in _BARE_OPTIONS):
            if not rest:
                raise UsageError(f"`{word}` needs a value, as in `alert AAPL {_EXAMPLES[name]}`.")
            if name == "target":
                targets.append(rest.pop(0))
            else:
                setattr(wanted, name, rest.pop(0))
        elif word.startswith("-"):
            raise UsageError(f"`alert` takes no {shown(word)}; it takes {', '.join(LINE_WORDS)}.")
        else:
            targets.append(word)
    wanted.targets = targets
    return wanted


def targets_to_try(arguments: str) -> list[str] | None:
    """The targets of `test phone`, none where all are meant; None where the line is an alert."""
    word, *rest = re.sub(r"(?<=\s)--target[=\s]", "", arguments).split() or [""]
    if word.lower() != "test" or (len(rest) > 1 and rest[0].lower().replace("_", "-") in CONDITIONS):
        return None  # there may be a symbol that is called so
    return split_targets(rest)


_EXAMPLES: Final = {
    "target": "above 280 --target phone",
    "repeat": "above 280 --repeat daily",
    "cooldown": "above 280 every 10m",
    "within": "percent-within -3% within 15m",
    "minutes": "percent-within -3% --minutes 15",
    "quiet": "above 280 quiet 22:00-07:00",
    "timezone": "above 280 daily --timezone Europe/Berlin",
}
