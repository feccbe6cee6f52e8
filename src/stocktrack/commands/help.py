"""The help of the commands: commands in groups, options under headings of their own, examples, lines that fit.

Typer draws such pages by rich, which takes 0.1 s longer to import than a whole `get` may take.
"""

import copy
import re
import shutil
import textwrap
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, TypeVar

import typer
from typer.core import TyperCommand, TyperGroup
from typer.main import get_command_name
from typer.models import CommandInfo

from stocktrack.commands.examples import EXAMPLES, GROUPS

_HELP = "help"
_MOST_COLUMNS = 100
_LEAST_COLUMNS = 24
_MOST_LABEL = 28  # a longer one has a line of its own

# As typer writes an argument that must be there, and the bounds of a number.
_ARGUMENT = re.compile(r"\{([^}]*)\}")
_BOUNDS = re.compile(r"[0-9.]*(<=|<)?x(<=|>=|<|>)[0-9.]+")

Row = tuple[str, str]
Function = TypeVar("Function", bound=Callable[..., Any])


class HelpfulCommand(TyperCommand):
    """A command whose help shows its options under their headings, and examples."""

    def collect_usage_pieces(self, ctx: Any) -> list[str]:
        """What follows the name of the command."""
        return _plain(super().collect_usage_pieces(ctx))

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Read what was typed; where an argument is missing, what to type is told."""
        try:
            return list(super().parse_args(ctx, args))
        except typer.BadParameter as error:
            example = next(iter(EXAMPLES.get(path_of(ctx), ())), None)
            if not error.message and example is not None:  # only what is missing has no sentence of its own
                error.message = f"For example: `stocktrack {example[0]}`."
            raise

    def format_help(self, ctx: Any, formatter: Any) -> None:
        """Write the page into `formatter`."""
        _write_page(self, ctx, formatter)


class HelpfulGroup(TyperGroup):
    """A group of commands with the same help; what is wrong with an option is told without pydantic's words."""

    def collect_usage_pieces(self, ctx: Any) -> list[str]:
        """What follows the name of the group."""
        return _plain(super().collect_usage_pieces(ctx))

    def invoke(self, ctx: Any) -> Any:
        """Run the command that was called."""
        try:
            return super().invoke(ctx)
        except typer.BadParameter as error:
            error.message = error.message.removeprefix("Value error, ").removeprefix("Input ")
            raise

    def format_help(self, ctx: Any, formatter: Any) -> None:
        """Write the page into `formatter`."""
        _write_page(self, ctx, formatter)


class CommandLine(typer.Typer):
    """Typer, whose commands and groups have the help of this file."""

    def __init__(self, **fields: Any) -> None:
        # Help drawn by rich takes 0.1 s longer.
        super().__init__(**{"cls": HelpfulGroup, "rich_markup_mode": None, **fields})

    def command(self, name: str | None = None, **fields: Any) -> Callable[[Function], Function]:
        """As typer's."""
        return super().command(name, **{"cls": HelpfulCommand, **fields})

    def called_by(self, words: Sequence[str]) -> "CommandLine":
        """The same with only the command that the words call, where that is one that needs no other.

        Typer reads the parameters of all commands first, which takes as long as a tenth of a whole `get`.
        """
        called = [each for each in self.registered_commands if words and _name_of(each) == words[0] != _HELP]
        if not called:
            return self
        alone = copy.copy(self)
        alone.registered_commands, alone.registered_groups = called, []
        return alone


def _name_of(command: CommandInfo) -> str | None:
    if command.name is not None or command.callback is None:
        return command.name
    return get_command_name(command.callback.__name__)


def add_to(app: typer.Typer) -> None:
    """Add the command to `app`."""
    app.command(name=_HELP)(show_help)


def _beginning_with(incomplete: str) -> list[str]:
    """The commands that begin as what was typed, for the shell to complete."""
    return [name for _, names in GROUPS for name in names if name.startswith(incomplete)]


def show_help(
    context: typer.Context,
    command: list[str] | None = typer.Argument(  # noqa: B008 - typer's way
        None, metavar="COMMAND", help="such as get, or users add", autocompletion=_beginning_with
    ),
) -> None:
    """Print what a command takes, or all commands."""
    at: Any = context.parent
    for name in command or ():
        if not isinstance(at.command, TyperGroup):
            raise typer.BadParameter(f"`{at.command_path}` has no commands in it.")
        found: Any = at.command.resolve_command(at, [name])[1]  # it says so where there is none
        at = found.context_class(found, info_name=name, parent=at)
    typer.echo(at.get_help())


def path_of(ctx: Any) -> str:
    """The words after `stocktrack` that call the command."""
    names: list[str] = []
    while ctx.parent is not None:
        names.insert(0, ctx.info_name)
        ctx = ctx.parent
    return " ".join(names)


def _write_page(command: Any, ctx: Any, formatter: Any) -> None:
    formatter.write("\n".join(_page(command, ctx, max(_LEAST_COLUMNS, min(_MOST_COLUMNS, _columns())))))


def _plain(pieces: Sequence[str]) -> list[str]:
    """The pieces of a usage line with `SYMBOL` in place of typer's `{symbol}`."""
    return [_ARGUMENT.sub(lambda found: found[1].upper(), piece) for piece in pieces]


def _columns() -> int:
    return shutil.get_terminal_size().columns - 1


def _page(command: Any, ctx: Any, width: int) -> Iterator[str]:
    usage = f"Usage: {ctx.command_path} "
    if len(usage) + 16 > width:
        yield usage.rstrip()
        usage = " " * 7
    yield from _wrapped(" ".join(command.collect_usage_pieces(ctx)), width, begin=usage, indent=" " * 7)
    yield ""
    for paragraph in _paragraphs(command.help or ""):
        yield from _wrapped(paragraph, width, indent="  ")
        yield ""
    for heading, rows in (*_parameters(command, ctx), *_commands(command, ctx)):
        yield f"{heading}:"
        yield from _definitions(rows, width)
        yield ""
    yield from _examples(path_of(ctx), width)


def _paragraphs(text: str) -> list[str]:
    paragraphs = textwrap.dedent(text).strip().split("\n\n")
    return [paragraph if paragraph.startswith("\b") else " ".join(paragraph.split()) for paragraph in paragraphs]


def _parameters(command: Any, ctx: Any) -> Iterator[tuple[str, list[Row]]]:
    """Arguments, the command's own options, and those of each heading that options name."""
    sections: dict[str, list[Row]] = {"Arguments": [], "Options": []}
    for parameter in command.get_params(ctx):
        record = parameter.get_help_record(ctx)
        if record is None:
            continue
        is_argument = parameter.param_type_name == "argument"
        heading = "Arguments" if is_argument else getattr(parameter, "rich_help_panel", None) or "Options"
        sections.setdefault(heading, []).append((_label(parameter, record[0]), _without_bounds(record[1])))
    return ((heading, rows) for heading, rows in sections.items() if rows)


def _label(parameter: Any, label: str) -> str:
    """The names of an option and what it takes, in words that are no programmer's."""
    if parameter.param_type_name == "argument":
        return str(
            parameter.make_metavar_name() if hasattr(parameter, "make_metavar_name") else label.partition(" <")[0]
        )
    for typers, ours in (
        ("<str>", "TEXT"),
        ("<int range>", "N"),
        ("<float range>", "N"),
        ("<int>", "N"),
        ("<float>", "N"),
        ("<path>", "FILE"),
    ):
        label = label.replace(typers, ours)
    return label


def _without_bounds(text: str) -> str:
    """The text without typer's `[1<=x<=65535]`; what is wrong with a number is told when it is given."""
    said, mark, brackets = text.rpartition("[")
    if not mark or not brackets.endswith("]"):
        return text
    kept = [part for part in brackets[:-1].split("; ") if not _BOUNDS.fullmatch(part)]
    return f"{said.rstrip()}  [{'; '.join(kept)}]" if kept else said.rstrip()


def _commands(command: Any, ctx: Any) -> Iterator[tuple[str, list[Row]]]:
    if not isinstance(command, TyperGroup):
        return
    names = [name for name in command.list_commands(ctx) if not command.commands[name].hidden]
    groups = GROUPS if ctx.parent is None else (("Commands", names),)
    for heading, listed in groups:
        yield heading, [(name, _in_short(command.commands[name].help or "")) for name in listed if name in names]


def _in_short(text: str) -> str:
    """The first sentence of a command's help, whole."""
    first = _paragraphs(text)[0]
    return first.partition(". ")[0].rstrip(".") + "."


def _definitions(rows: Sequence[Row], width: int) -> Iterator[str]:
    column = min(_MOST_LABEL, max(len(label) for label, _ in rows)) + 4
    if width < column + 24:  # a narrow terminal: below one another
        for label, text in rows:
            yield from _wrapped(label, width, indent="  ")
            yield from _wrapped(text, width, indent="      ")
        return
    for label, text in rows:
        begin = f"  {label}"
        if len(begin) > column - 2:
            yield begin
            begin = ""
        yield from _wrapped(text, width, begin=begin.ljust(column), indent=" " * column)


def _examples(path: str, width: int, examples: Mapping[str, Sequence[tuple[str, str]]] = EXAMPLES) -> Iterator[str]:
    told = examples.get(path, ())
    if not told:
        return
    yield "Examples:"
    for line, what in told:
        # Never broken: people copy it.
        yield f"  stocktrack {line}"
        yield from _wrapped(what, width, indent="      ")


def _wrapped(text: str, width: int, *, begin: str | None = None, indent: str) -> list[str]:
    if text.startswith("\b"):
        return [f"{indent}{line}" for line in text.split("\n")[1:]]
    return textwrap.wrap(
        text,
        width,
        initial_indent=indent if begin is None else begin,
        subsequent_indent=indent,
        break_on_hyphens=False,
        break_long_words=False,
    ) or ([] if begin is None else [begin.rstrip()])
