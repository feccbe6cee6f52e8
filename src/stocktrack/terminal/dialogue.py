"""What the interactive client says and asks: the menu, the sentences about replies and errors, and the questions."""

import sys
import textwrap
from collections.abc import Sequence

from stocktrack.client import ClientError
from stocktrack.messages import (
    AddLotReply,
    AlertReply,
    AlertTestReply,
    AuthReply,
    DividendsReply,
    GetReply,
    HistoryReply,
    HoldingsReply,
    InfoReply,
    ListsReply,
    Missing,
    MyAlertsReply,
    MyStocksReply,
    NewsReply,
    OrderListsReply,
    RemoveListReply,
    RemoveLotReply,
    RenameListReply,
    Reply,
    SayReply,
    SearchReply,
    SetListReply,
    SourcesReply,
    SubscribeReply,
    UnalertReply,
    UnsubscribeReply,
)
from stocktrack.quotes import clean_text
from stocktrack.terminal.alert_text import made_sentence, no_alerts_sentence, removed_sentence
from stocktrack.terminal.connection_report import symbols_named
from stocktrack.terminal.exit_codes import ExitCode, exit_code_of, exit_code_of_missing, missing_sentences, sentence_of
from stocktrack.terminal.fronts import Asker, Front, LineCancelledError
from stocktrack.terminal.holding_table import (
    holdings_sentences,
    lot_row,
    lot_sentence,
    lots_table,
    removed_lot_sentence,
)
from stocktrack.terminal.past import bars_sentence
from stocktrack.terminal.text import (
    has_colour,
    list_names,
    list_row,
    nothing_saved,
    ordered_sentence,
    removed_list_sentence,
    renamed_sentence,
    safe,
    said_to,
    set_sentence,
    tab_separated,
)
from stocktrack.terminal.typed_commands import AT_HOME, MENU, WORDS, UsageError, Word, list_option

MAX_HELP_CELLS = 84


class StopError(Exception):
    """The answer to a question was `stop`."""


class Dialogue:
    """Talks to the person, or to the script, behind `front`; `asker` is the same front where it can ask questions.

    Without `has_menu` the board is the home. `exit_code` is what a script learns of its last failure; a person has
    read the sentence.
    """

    def __init__(self, front: Front, asker: Asker | None, *, has_menu: bool = True) -> None:
        self._front = front
        self._has_menu = has_menu
        self._asker = asker
        self.exit_code: int = ExitCode.DONE

    # --- what is said -----------------------------------------------------------------------------------------------

    def greet(self, welcome: AuthReply, *, is_quiet: bool = False) -> None:
        """Say what the server said at the login, unless that `is_quiet`."""
        if not is_quiet:
            # The server adds that the login was successful, which everything here says.
            self._front.confirm(clean_text(welcome.message.removesuffix(" Login successful."), 500))
        self._front.learn(welcome.symbols)

    def show_menu(self) -> None:
        """The menu, on a terminal that has one."""
        if not (self._front.is_terminal and self._has_menu):
            return
        lines = [f"  {number}  {label}" for number, label, _ in MENU]
        self._front.say("\n".join(["", *lines, ""]))
        self._front.confirm("A number, or a command such as `get AAPL`; `help` lists them.")

    def show_help(self) -> None:
        """Every command word with what it takes and does."""
        words = list((WORDS if self._has_menu else AT_HOME).values())
        self._front.lay_out(lambda size: _help_text(words, size.columns))

    def confirm(self, sentence: str) -> None:
        """Say that something was done."""
        self._front.confirm(sentence)

    def confirm_saved(self, reply: SubscribeReply, list_name: str) -> None:
        """Say what a list holds now that was subscribed, where its prices are seen anyhow."""
        added = (*reply.subscribed, *reply.already, *reply.pending)
        if added:
            self.confirm(f"{symbols_named(added)} {'is' if len(added) == 1 else 'are'} on {safe(list_name)}.")

    def fail(self, error: UsageError | ClientError) -> None:
        """Say what is wrong with a command, or what went wrong."""
        if isinstance(error, ClientError):
            self._fail(sentence_of(error), exit_code_of(error))
        else:
            self._fail(str(error), ExitCode.USAGE)

    def note(self, reply: Reply) -> None:
        """Take note of a reply before it is shown: name the symbols it leaves out, remember those it has."""
        missing: tuple[Missing, ...] = ()
        match reply:
            case GetReply() | MyStocksReply():
                missing = reply.missing
                self._front.learn(tuple(quote.symbol for quote in reply.quotes))
            case SubscribeReply() | SetListReply():
                missing = reply.missing
                self._front.learn(reply.symbols)
            case UnsubscribeReply():
                missing = reply.missing
            case HistoryReply():
                self._front.learn((reply.symbol,))
            case MyAlertsReply():
                self._front.learn(tuple(alert.symbol for alert in reply.alerts))
            case AlertReply():
                self._front.learn((reply.alert.symbol,))
            case HoldingsReply():
                missing = reply.missing
                self._front.learn(tuple(holding.symbol for holding in reply.holdings))
            case SearchReply():
                self._front.learn(tuple(match.symbol for match in reply.matches))
            case _:
                pass
        for sentence in missing_sentences(missing):
            self._fail(sentence, exit_code_of_missing(missing))

    def show(self, reply: Reply) -> None:
        """Show a reply, or say that there is nothing in it."""
        match reply:
            case MyStocksReply(symbols=()):
                self._front.warn(f"{nothing_saved(reply)}; `subscribe AAPL{list_option(reply.list)}` saves one.")
            case SearchReply(matches=()):
                self._fail("Nothing was found.", ExitCode.NOT_FOUND)
            case GetReply(quotes=()) | MyStocksReply(quotes=()):
                pass  # `note` has named what is missing
            case GetReply() | MyStocksReply() | NewsReply() | InfoReply() | DividendsReply() | SearchReply():
                self._front.show(reply)
            case SourcesReply():
                self._front.show(reply)
            case AlertReply():
                self._front.confirm(made_sentence(reply.alert))
            case UnalertReply():
                self._front.confirm(removed_sentence(reply))
            case AlertTestReply(delivered=True):
                self._front.confirm(safe(reply.message, 500))
            case AlertTestReply():
                self._fail(safe(reply.message, 500), ExitCode.FAILED)
            case HistoryReply():
                self._front.show(reply)
                self._front.confirm(bars_sentence(reply))
            case HoldingsReply():
                if reply.holdings:
                    self._front.show(reply)
                for sentence in holdings_sentences(reply, adding="lot AAPL 10 @ 146"):
                    self._front.confirm(sentence)
            case AddLotReply():
                self._front.confirm(lot_sentence(reply))
            case RemoveLotReply():
                self._front.confirm(removed_lot_sentence(reply))
            case SubscribeReply():
                self._front.confirm(_subscribed(reply))
            case ListsReply():
                for info in reply.lists:
                    self._front.say(tab_separated(list_row(info)))
            case SetListReply() | RenameListReply() | RemoveListReply() | OrderListsReply():
                self._front.confirm(_list_sentence(reply))
            case SayReply():
                self._front.confirm(said_to(reply))
            case UnsubscribeReply():
                removed = symbols_named(reply.removed)
                self._front.confirm(f"Taken off: {removed}." if removed else "Nothing was left.")
            case _:
                pass
        if isinstance(reply, MyStocksReply) and len(reply.lists) > 1:
            self._front.confirm(f"Your lists: {list_names(reply)}.")

    def show_alerts(self, reply: Reply, *, of: str) -> None:
        """Show the alerts of a reply, or say that there are none; `of` is the symbol that they are of, where one is."""
        if not isinstance(reply, MyAlertsReply):
            return
        if reply.alerts:
            self._front.show(reply)
        else:
            self._front.warn(no_alerts_sentence(of, adding="alert"))

    def show_lots(self, reply: HoldingsReply) -> None:
        """Show the lots of a reply, or say that there are none."""
        if not reply.lots:
            for sentence in holdings_sentences(reply, adding="lot AAPL 10 @ 146"):
                self._front.confirm(sentence)
        elif self._front.is_terminal:
            colour = has_colour(sys.stdout)
            self._front.lay_out(lambda size: lots_table(reply.lots, width=size.columns, colour=colour))
        else:
            for lot in reply.lots:
                self._front.say(tab_separated(lot_row(lot)))

    def _fail(self, sentence: str, code: ExitCode) -> None:
        self._front.warn(sentence)
        if not self._front.is_terminal:
            self.exit_code = code

    # --- what is asked ----------------------------------------------------------------------------------------------

    async def argument(self, arguments: str, question: str) -> str:
        """What was typed, or on a terminal the answer to a question; `UsageError` where there is neither.

        `LineCancelledError` where the answer is `back`, `StopError` where it is `stop`.
        """
        if not arguments and self._asker is not None:
            arguments = await self._asker.ask(question)
            self._leave_if_meant(arguments)
            if not arguments:
                raise UsageError("Cancelled.")
        if not arguments:
            raise UsageError("Nothing was given; `help` shows what each command takes.")
        return arguments

    async def is_sure(self, question: str) -> bool:
        """Whether the person says yes; a script means what it says."""
        if self._asker is None:
            return True
        answer = (await self._asker.ask(f"{question} [y/N] ")).strip().lower()
        self._leave_if_meant(answer)
        if answer in {"y", "yes"}:
            return True
        self._front.confirm("Nothing was changed.")
        return False

    def _leave_if_meant(self, answer: str) -> None:
        match answer.strip().lower():
            case "back":
                self.show_menu()
                raise LineCancelledError
            case "stop":
                raise StopError
            case _:
                pass


def _help_text(words: Sequence[Word], columns: int) -> str:
    usages = [f"{word.name} {word.usage}" for word in words]
    width = max(map(len, usages))
    is_narrow = columns < width + MAX_HELP_CELLS

    def folded(text: str, indent: int) -> str:
        return textwrap.fill(
            text,
            max(20, columns - 1),
            initial_indent=" " * indent,
            subsequent_indent=" " * 6,
            break_on_hyphens=False,
            break_long_words=False,
        )

    lines = [
        f"{folded(usage, 2)}\n{folded(word.help, 6)}" if is_narrow else f"  {usage:<{width}}  {word.help}"
        for usage, word in zip(usages, words, strict=True)
    ]
    return "\n".join([*lines, *folded("A symbol alone is its price: AAPL.", 2).splitlines()])


def _list_sentence(reply: SetListReply | RenameListReply | RemoveListReply | OrderListsReply) -> str:
    match reply:
        case SetListReply():
            return set_sentence(reply)
        case RenameListReply():
            return renamed_sentence(reply)
        case RemoveListReply():
            return removed_list_sentence(reply)
        case OrderListsReply():
            return ordered_sentence(reply)


def _subscribed(reply: SubscribeReply) -> str:
    pace = "as they change" if reply.interval == 0 else f"every {reply.interval:g} s"
    parts = [
        (reply.subscribed, f"Prices come {pace}: {{}}."),
        (reply.already, "Pushed already: {}."),
        (reply.pending, "Not checked yet, the source does not answer: {}."),
    ]
    return " ".join(text.format(symbols_named(names)) for names, text in parts if names)
