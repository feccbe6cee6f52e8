"""What a person types: the words of the interactive client, and what may follow them: symbols, lists, counts."""

import difflib
import re
import shlex
from collections.abc import Iterable
from dataclasses import dataclass, replace

from stocktrack.alerting import AlertWhen, Repeat
from stocktrack.bars import BarInterval, HistoryRange
from stocktrack.messages import MAIN_LIST, ListChange
from stocktrack.quotes import clean_text, normalise_symbol, shown


@dataclass(frozen=True, slots=True)
class Word:
    """A command word, what may follow it, and what it does."""

    name: str
    usage: str
    help: str
    takes_symbols: bool = False
    then: tuple[str, ...] = ()  # what may follow the symbol, for completion


RANGES = tuple(each.value for each in HistoryRange)
INTERVALS = tuple(each.value for each in BarInterval)
# How the conditions of alerts are typed.
CONDITIONS = tuple(
    each.value.replace("_", "-")
    for each in (AlertWhen.ABOVE, AlertWhen.BELOW, *(each for each in AlertWhen if "_" in each.value))
)
REPEATS = tuple(each.value for each in Repeat)

WORDS: dict[str, Word] = {
    word.name: word
    for word in (
        Word("get", "SYMBOL…", "the latest prices", takes_symbols=True),
        Word("watch", "[SYMBOL…]", "a live board; without symbols your stocks", takes_symbols=True),
        Word("subscribe", "[SYMBOL…] [every SECONDS]", "push prices and save the stocks", takes_symbols=True),
        Word("unsubscribe", "[SYMBOL…]", "end pushes and take the stocks off your list", takes_symbols=True),
        Word("stop", "", "end all pushes and keep your list"),
        Word(
            "stocks",
            "[set|first SYMBOL…]",
            "your saved stocks, or these alone; --list NAME, as for watch and (un)subscribe",
        ),
        Word("lists", "[rename|remove|order NAME…]", 'your lists; `lists rename tech "big tech"` names one anew'),
        Word("news", "[SYMBOL] [COUNT]", "headlines, newest first, of the market or of a symbol", takes_symbols=True),
        Word("info", "SYMBOL", "the company", takes_symbols=True),
        Word("dividends", "SYMBOL [COUNT]", "what it paid, newest first", takes_symbols=True),
        Word(
            "history",
            "SYMBOL [RANGE] [INTERVAL]",
            "past prices, a range of 1d to max",
            takes_symbols=True,
            then=(*RANGES, "--start", "--end", "--interval", "--adjust", "--prepost"),
        ),
        Word(
            "chart",
            "SYMBOL [RANGE] [candles]",
            "a drawing of a day, or of a range",
            takes_symbols=True,
            then=(*RANGES, "candles", "--prepost"),
        ),
        Word(
            "alert",
            "SYMBOL above VALUE [TARGET…]",
            "be told, also when it crosses, by percent, by volume; `alert test` tries the targets",
            takes_symbols=True,
            then=(*CONDITIONS, *REPEATS, "within", "quiet", "--target", "--timezone"),
        ),
        Word("alerts", "[SYMBOL]", "your alerts, and what they told last", takes_symbols=True),
        Word("unalert", "ALERT…", "take alerts out, such as a7"),
        Word("holdings", "[CURRENCY] [--group NAME]", "what you hold and what it is worth"),
        Word(
            "lot",
            "SYMBOL QUANTITY @ COST",
            "keep a purchase, or with -10 a sale; --fee 1, --group NAME",
            takes_symbols=True,
            then=("--fee", "--group"),
        ),
        Word("lots", "[--group NAME]", "your lots, each with its name"),
        Word("unlot", "LOT…", "take lots out, such as l3"),
        Word("search", "TEXT [--segment FO]", "symbols by name, of one segment where it is named"),
        Word("sources", "", "how the market's sources are"),
        Word("say", "TEXT [--symbol AAPL]", "a word to the others, or to those who are pushed a symbol"),
        Word("back", "", "the menu; also the answer to a question that is to be left"),
        Word("help", "", "this list"),
        Word("exit", "", "leave"),
    )
}
# What they do on the board, where nothing is pushed but what it shows, and no menu is.
_HELP_AT_HOME = {
    "watch": "show these in a tab of their own; without symbols your list",
    "subscribe": "add them to the list that is shown, or to --list NAME; every SECONDS for a calmer board",
    "unsubscribe": "take them off the list that is shown, or off --list NAME; without symbols all of them",
    "stocks": "the list that is shown, or --list NAME; or these alone, or these first",
    "back": "close what lies over the board; also the answer to a question that is to be left",
}
AT_HOME: dict[str, Word] = {
    name: replace(word, help=_HELP_AT_HOME.get(name, word.help)) for name, word in WORDS.items() if name != "stop"
}
MENU: tuple[tuple[str, str, str], ...] = (
    ("1", "live board", "watch"),
    ("2", "add to my list", "subscribe"),
    ("3", "news", "news"),
    ("4", "company", "info"),
    ("5", "dividends", "dividends"),
    ("6", "my stocks", "stocks"),
    ("0", "exit", "exit"),
)
_SAME = {
    **{number: word for number, _, word in MENU},
    "quit": "exit",
    "q": "exit",
    "menu": "back",
    "?": "help",
    "h": "help",
    "company": "info",
    "price": "get",
}


_IN_QUOTES_OR_NOT = r"""(?:"([^"]*)"|'([^']*)'|(\S+))"""
_OPTIONS = {
    option: re.compile(rf"(?:^|(?<=\s)){option}(?:=|\s+){value}")
    for option, value in (("--list", _IN_QUOTES_OR_NOT), ("--group", _IN_QUOTES_OR_NOT), ("--segment", r"(\S+)"))
}
_FEE = re.compile(r"(?:^|(?<=\s))--fee(?:=|\s+)(\S+)")
_NUMBER = re.compile(r"[+-]?(?:[0-9]{1,30}(?:\.[0-9]{0,30})?|\.[0-9]{1,30})(?:[eE][+-]?[0-9]{1,2})?", re.ASCII)
_CURRENCY = re.compile(r"[A-Z]{3}", re.ASCII)
_LOT_NAME = re.compile(r"l[1-9][0-9]{0,17}", re.ASCII)
_SAID_OF = re.compile(r"^--symbol(?:=|\s+)(\S+)\s+(?P<after>.*)$|^(?P<before>.*)\s--symbol(?:=|\s+)(\S+)$", re.DOTALL)


# What the shell's commands are called here.
_OF_THE_SHELL = {
    ("alert", "add"): "alert",
    ("alert", "list"): "alerts",
    ("alert", "remove"): "unalert",
    ("lots", "add"): "lot",
    ("lots", "list"): "lots",
    ("lots", "remove"): "unlot",
}


class UsageError(Exception):
    """A typed line that is not a command; the message says what would be one."""


@dataclass(frozen=True, slots=True)
class Typed:
    """A line as its word and what follows; `from_menu` where a number was typed, which asks for what is missing.

    `is_guess` where no word was typed but what may be a symbol, of which the price is meant.
    """

    word: str
    arguments: str
    from_menu: bool = False
    is_guess: bool = False


def parse(line: str) -> Typed | None:
    """The command on a typed line, None for an empty one; `UsageError` where there is no such command."""
    first, _, rest = line.strip().partition(" ")
    if not first:
        return None
    word = _SAME.get(first.lower(), first.lower())
    if word not in WORDS:
        return _guessed(line, first)
    second, _, third = rest.strip().partition(" ")
    here = _OF_THE_SHELL.get((word, second.lower()))
    # There may be a symbol that is called ADD or LIST.
    if here is not None and third.strip().partition(" ")[0].lower().replace("_", "-") not in CONDITIONS:
        raise UsageError(
            f"`{word} {second.lower()}` is for the shell; here it is `{clean_text(f'{here} {third}', 200)}`."
        )
    return Typed(word, rest.strip(), from_menu=first.isdigit())


def _guessed(line: str, first: str) -> Typed:
    """The prices of what was typed, where it is symbols and no word with a slip of the pen; else `UsageError`."""
    names = split_symbols(line)
    is_near = bool(_near(first))
    are_capitals = all(name.isupper() for name in names)
    if all(map(_is_symbol, names)) and (are_capitals if len(names) == 1 else are_capitals and not is_near):
        return Typed("get", line.strip(), is_guess=True)
    if len(names) == 1 and _is_symbol(first) and not is_near:
        return Typed("get", first, is_guess=True)
    raise UsageError(no_command_sentence(first))


def no_command_sentence(word: str, *, was_asked_for: bool = False) -> str:
    """That there is no such command, and which one may be meant; `was_asked_for` where it was taken for a symbol."""
    near = _near(word)
    hint = f"Did you mean {near[0]!r}?" if near else "`help` lists the commands."
    nor = f", and no source knows a symbol {shown(word.upper())}" if was_asked_for else ""
    return f"There is no command {shown(word)}{nor}. {hint}"


def _near(word: str) -> list[str]:
    return difflib.get_close_matches(word.lower(), WORDS, n=1)


def _is_symbol(text: str) -> bool:
    try:
        normalise_symbol(text)
    except ValueError:
        return False
    return any(character.isalpha() for character in text)


def split_symbols(texts: str | Iterable[str]) -> list[str]:
    """`AAPL,MSFT TSLA` as its symbols, however they are separated."""
    joined = texts if isinstance(texts, str) else " ".join(texts)
    return [part for part in re.split(r"[,\s]+", joined) if part]


def split_interval(arguments: str) -> tuple[list[str], float | None]:
    """The symbols and the seconds of `AAPL,MSFT every 5`."""
    words = split_symbols(arguments)
    if "every" not in words:
        return words, None
    at = words.index("every")
    return words[:at], seconds_of(" ".join(words[at + 1 :]))


def split_list(arguments: str) -> tuple[str, str | None]:
    """What else was typed, and the name in `NVDA AMD --list tech`; a name with spaces stands in quotes."""
    return _split_option(arguments, "--list", "the name of a list, as in `stocks --list tech`")


_SPECIAL_IN_QUOTES = frozenset('"$`\\!')


def list_option(list_name: str | None) -> str:
    """` --list tech` as it has to be typed, here and in a shell; nothing for the main list."""
    if list_name is None or list_name == MAIN_LIST:
        return ""
    named = shlex.quote(clean_text(list_name, 200))
    if named != list_name and not _SPECIAL_IN_QUOTES.intersection(list_name):
        named = f'"{clean_text(list_name, 200)}"'  # an apostrophe can stand in these
    return f" --list {named}"


# What may follow `stocks`, and how SET_LIST says it.
_STOCKS_CHANGES = {"set": ListChange.REPLACE, "first": ListChange.ORDER}
_LISTS_USES = {"rename": "rename OLD NEW", "remove": "remove NAME", "order": "order NAME…"}


@dataclass(frozen=True, slots=True)
class TypedStocks:
    """What is to be seen of a saved list, or changed in it."""

    list_name: str | None
    change: ListChange | None = None  # None: nothing is
    symbols: tuple[str, ...] = ()


def split_stocks(arguments: str) -> TypedStocks:
    """The change and the list of `set AAPL,MSFT --list tech`, `first TSLA`, or nothing at all."""
    rest, list_name = split_list(arguments)
    word, *symbols = split_symbols(rest) or [""]
    if not word:
        return TypedStocks(list_name)
    change = _STOCKS_CHANGES.get(word.lower())
    if change is None or not symbols:
        raise UsageError(
            f"`stocks` takes no {shown(rest)}; a list is named as in `stocks --list tech`, and changed as in "
            "`stocks set AAPL MSFT` or `stocks first MSFT`."
        )
    return TypedStocks(list_name, change, tuple(symbols))


def split_lists(arguments: str) -> tuple[str, list[str]]:
    """What to do with the lists, nothing or a word, and their names; one with spaces stands in quotes."""
    try:
        what, *names = shlex.split(arguments) or [""]
    except ValueError:
        raise UsageError("A quote has no second one: a name with spaces stands in quotes, as 'big tech'.") from None
    what = what.lower()
    fits = {"": not names, "rename": len(names) == 2, "remove": len(names) == 1, "order": bool(names)}
    if not fits.get(what, False):
        how = _LISTS_USES.get(what)
        uses = f"`lists {how}`" if how else ", ".join(f"`lists {use}`" for use in _LISTS_USES.values())
        raise UsageError(f"`lists` is called alone, or as {uses}.")
    return what, names


def split_group(arguments: str) -> tuple[str, str | None]:
    """What else was typed, and the name in `--group pension`; a name with spaces stands in quotes."""
    return _split_option(arguments, "--group", "the name of a group, as in `holdings --group pension`")


def split_segment(arguments: str) -> tuple[str, str | None]:
    """What else was typed, and the segment in `RELIANCE --segment FO`."""
    rest, segment = _split_option(arguments, "--segment", "a word, as in `search RELIANCE --segment FO`")
    return (rest if segment is None else " ".join(rest.split())), segment


def _split_option(arguments: str, option: str, needed: str) -> tuple[str, str | None]:
    """What else was typed, and the value of the option; `UsageError` where it stands there without one."""
    found = _OPTIONS[option].search(arguments)
    if found is None:
        if re.search(rf"(^|\s){option}\b", arguments):
            raise UsageError(f"`{option}` needs {needed}.")
        return arguments, None
    value = next(group for group in found.groups() if group is not None)
    return f"{arguments[: found.start()]} {arguments[found.end() :]}".strip(), value


def lot_names(texts: str | Iterable[str]) -> list[str]:
    """`l3,L4` as the names of lots, each once."""
    names = [name.lower() for name in split_symbols(texts)]
    for name in names:
        if not _LOT_NAME.fullmatch(name):
            raise UsageError(f"{shown(name)} is no lot: they are called as l3, and the list of lots names them.")
    return list(dict.fromkeys(names))


@dataclass(frozen=True, slots=True)
class TypedLot:
    """A lot as it was typed."""

    symbol: str
    quantity: float
    unit_cost: float
    fixed_cost: float = 0.0
    group: str | None = None


def split_lot(arguments: str, *, fee: float | None = None, group: str | None = None) -> TypedLot:
    """The lot of `AAPL 10 @ 146`, `AAPL -5 @180.5 --fee 1 --group pension` or `AAPL 10 146`."""
    rest, typed_group = split_group(arguments)
    if (found := _FEE.search(rest)) is not None:
        fee = _number_of("--fee", found[1])
        rest = f"{rest[: found.start()]} {rest[found.end() :]}"
    words = rest.replace("@", " @ ").split()
    if option := next((word for word in words if word.startswith("--")), None):
        raise UsageError(f"There is no {shown(option)} here; there are --fee and --group.")
    if len(words) == 4 and words[2] == "@":
        del words[2]
    if len(words) != 3 or "@" in words:
        raise UsageError("A lot is a symbol, a quantity and what one cost, as in `AAPL 10 @ 146`.")
    symbol, *numbers = words
    quantity, unit_cost = _number_of("The quantity", numbers[0]), _number_of("The cost", numbers[1])
    if quantity == 0:
        raise UsageError("The quantity must not be 0; a sale has one below it, as in `AAPL -10 @ 146`.")
    if unit_cost < 0:
        raise UsageError("The cost must not be below 0; a sale has a quantity below 0, as in `AAPL -10 @ 146`.")
    return TypedLot(
        symbol,
        quantity,
        unit_cost,
        0.0 if fee is None else fee,
        typed_group if typed_group is not None else group,
    )


def split_holdings(arguments: str) -> tuple[str | None, str | None]:
    """The currency and the group of `EUR --group pension`, of which either may be left out."""
    rest, group = split_group(arguments)
    words = rest.split()
    if len(words) > 1:
        raise UsageError(
            "`holdings` takes the currency of the totals and a group, as in `holdings EUR --group pension`."
        )
    if words and not _CURRENCY.fullmatch(words[0].upper()):
        raise UsageError(f"{shown(words[0])} is no currency; one is typed as EUR, and a group as --group {words[0]}.")
    return (words[0].upper() if words else None), group


def _number_of(what: str, text: str) -> float:
    """The plain number that `text` is; `UsageError` where it is none, or one that nobody could mean."""
    if not _NUMBER.fullmatch(text):
        hint = ", without a comma" if "," in text else ""
        raise UsageError(f"{what} must be a number such as 12.5{hint}, and is {shown(text)}.")
    return float(text)


def split_said(arguments: str) -> tuple[str, str | None]:
    """The text, and the symbol in `What a day! --symbol AAPL`, which stands before the text or after it."""
    found = _SAID_OF.match(arguments)
    if found is not None:
        return (found["after"] or found["before"] or "").strip(), found[1] or found[4]
    if arguments.split()[:1] == ["--symbol"] or arguments.split()[-1:] == ["--symbol"]:
        raise UsageError("`say` takes a text and a symbol, as in `say What a day! --symbol AAPL`.")
    return arguments, None


def seconds_of(text: str) -> float:
    """The number of seconds; `UsageError` where the text is not one."""
    try:
        return float(text.strip().removesuffix("s"))
    except ValueError:
        raise UsageError(f"{shown(text)} is not a number of seconds.") from None


def split_news(arguments: str) -> tuple[str | None, int | None]:
    """The symbol and the count of `AAPL 5`, of which either may be left out: digits alone are a count."""
    words = split_symbols(arguments)
    if len(words) > 2:
        raise UsageError("`news` takes one symbol and a count, as in `news AAPL 5`.")
    if len(words) == 2:
        try:
            return words[0], count_of(words[1])
        except UsageError as error:
            told = str(error).rstrip(".")
            raise UsageError(f"{told}: `news` takes one symbol and a count, as in `news AAPL 5`.") from None
    word = words[0] if words else ""
    return (None, count_of(word)) if not word or (word.isascii() and word.isdigit()) else (word, None)


def count_of(text: str) -> int | None:
    """The count, None where nothing was typed; `UsageError` where the text is not one."""
    if not text:
        return None
    if not (text.isascii() and text.isdigit()):
        raise UsageError(f"{shown(text)} is not a count.")
    return int(text[:9])


@dataclass(slots=True)
class Past:
    """What is asked for by `history` and `chart`, as it was typed; None is what was not."""

    symbol: str
    range: str | None = None
    start: str | None = None
    end: str | None = None
    interval: str | None = None
    adjust: str | None = None
    prepost: bool = False
    candles: bool = False


_PAST_OPTIONS = ("range", "start", "end", "interval", "adjust")
_EXAMPLES = {"range": "1y", "start": "2024-02-09", "end": "2024-02-16", "interval": "1h", "adjust": "all"}
_PAST_SWITCHES = ("prepost", "candles")


def split_past(arguments: str, *, is_chart: bool = False) -> Past:
    """The symbol and what follows it in `AAPL 1y 1wk`, `AAPL --start 2024-02-09`, `AAPL 5d candles --prepost`."""
    symbol, *words = split_symbols(re.sub(r"(?<=\s)(--\w+)=", r"\1 ", arguments))
    past = Past(symbol)
    word_name = "chart" if is_chart else "history"
    taken = ("range",) if is_chart else _PAST_OPTIONS
    rest = iter(words)
    for word in rest:
        name = word.lower().removeprefix("--")
        if name in _PAST_SWITCHES and (is_chart or name != "candles"):
            setattr(past, name, True)
        elif word.startswith("--") and name in taken:
            value = next(rest, None)
            if value is None:
                raise UsageError(f"`--{name}` needs a value, as in `{word_name} AAPL --{name} {_EXAMPLES[name]}`.")
            setattr(past, name, value)
        elif name in RANGES and past.range is None and past.start is None:
            past.range = name
        elif name in INTERVALS and past.interval is None and not is_chart:
            past.interval = name
        else:
            raise UsageError(f"`{word_name}` takes no {shown(word)}; the ranges are {' '.join(RANGES)}.")
    if past.range is not None and past.range.lower() in RANGES:
        past.range = past.range.lower()
    elif past.range is not None:
        raise UsageError(f"{shown(past.range)} is no range; there are {' '.join(RANGES)}.")
    return past
