"""Finds the programs that Python files, shell scripts and their instructions call, by reading them.

A call is one of the standard library's that starts or looks for a program, or one of a function of ours that hands an
argument on to it. A call whose program cannot be read off is told as well, and never left out.
"""

import ast
import keyword
import re
import sys
import textwrap
from collections.abc import Iterable, Iterator
from pathlib import Path

# What starts or looks for a program, which is the first argument.
STARTERS = frozenset(
    {
        *("subprocess.run", "subprocess.Popen", "subprocess.call", "subprocess.check_call", "subprocess.check_output"),
        *("asyncio.create_subprocess_exec", "pexpect.spawn", "shutil.which"),
        *("os.execv", "os.execvp", "os.execve", "os.posix_spawn"),
    }
)
# The first argument of these is a line for a shell.
SHELLS = frozenset({"asyncio.create_subprocess_shell", "os.system", "os.popen", "subprocess.getoutput"})
# Called by a name that somebody imported: `run` alone would be anything.
UNMISTAKABLE = frozenset({"create_subprocess_exec", "create_subprocess_shell", "Popen", "check_output", "which"})
PYTHON = "python"  # the interpreter that runs, as sys.executable

_SHELL_WORDS = frozenset(
    {
        *("if", "then", "elif", "else", "fi", "for", "in", "do", "done", "while", "until", "case", "esac", "function"),
        *(
            "return",
            "exit",
            "set",
            "unset",
            "export",
            "local",
            "shift",
            "trap",
            "cd",
            "command",
            "eval",
            "exec",
            "break",
        ),
        *("continue", "read", "wait", "test", "true", "false", "echo", "printf", "kill", "umask", "type"),
    }
)
_PROGRAM = re.compile(r"[a-zA-Z][\w.+-]*")
_HOLE = "\N{OBJECT REPLACEMENT CHARACTER}"  # where an f-string's value stands


class Calls:
    """The calls in some Python files, which are read together: what one file defines the other calls."""

    def __init__(self, files: Iterable[Path]) -> None:
        self.programs: set[str] = set()
        # The argument's source, as `command[0]`.
        self.unreadable: set[str] = set()
        self.docstrings: list[str] = []
        self._modules: list[ast.Module] = []
        self._parents: dict[ast.AST, ast.AST] = {}
        self._calls: list[ast.Call] = []
        self._functions: dict[str, list[ast.FunctionDef]] = {}
        for file in files:
            self._read(ast.parse(file.read_text(encoding="utf-8")))
        self._followed: set[tuple[str, str]] = set()
        for call in self._calls:
            name = _dotted(call.func)
            if name in STARTERS or (name in UNMISTAKABLE and "shell" not in name):
                self._start(call.args[0] if call.args else None, call)
            elif name in SHELLS or name == "create_subprocess_shell":
                self._shell(call.args[0], call)
            if name in STARTERS | SHELLS:
                for argument in call.keywords:
                    if argument.arg in {"executable", "args"}:
                        self._start(argument.value, call)

    def _read(self, module: ast.Module) -> None:
        self._modules.append(module)
        self.docstrings.append(ast.get_docstring(module, clean=False) or "")
        for node in ast.walk(module):
            self._parents.update(dict.fromkeys(ast.iter_child_nodes(node), node))
            if isinstance(node, ast.Call):
                self._calls.append(node)
            elif isinstance(node, ast.FunctionDef):
                self._functions.setdefault(node.name, []).append(node)

    def _start(self, program: ast.expr | None, where: ast.AST) -> None:
        """Take in what `program` names: one expression, or a list whose first element it is."""
        match program:
            case None:  # a call without arguments
                self.unreadable.add(ast.unparse(where))
            case ast.Constant(value=str(text)):
                self.programs.add(Path(text).name)
            case ast.Attribute(value=ast.Name("sys"), attr="executable"):
                self.programs.add(PYTHON)
            case ast.Starred(value=value):
                self._start(value, where)
            case ast.List(elts=[first, *rest]) | ast.Tuple(elts=[first, *rest]):
                self._start(first, where)
                if len(rest) == 2 and isinstance(rest[0], ast.Constant) and rest[0].value == "-c":
                    match first:
                        case ast.Constant(value="sh" | "bash"):
                            self._shell(rest[1], where)
            case ast.BinOp(left=left, op=ast.Add()):
                self._start(left, where)
            case ast.BinOp(op=ast.Div(), right=name):  # a file in a folder
                self._start(name, where)
            case ast.IfExp(body=one, orelse=other):
                self._start(one, where)
                self._start(other, where)
            case ast.Call(func=ast.Name("str" | "Path" | "require_program"), args=[argument]):
                self._start(argument, where)
            case ast.Call(func=function) if _dotted(function) == "shutil.which":
                pass  # it is a call of its own
            case ast.Call(func=function) if returned := self._returned(_dotted(function).rpartition(".")[2]):
                for value in returned:
                    self._start(value, value)
            case ast.Constant(value=None):  # there is none, said by a function that looks for one
                pass
            case ast.Name(name):
                self._named(name, where)
            case _:
                self.unreadable.add(ast.unparse(program))

    def _returned(self, name: str) -> list[ast.expr]:
        """What our functions of that name return."""
        return [
            node.value
            for function in self._functions.get(name, [])
            for node in ast.walk(function)
            if isinstance(node, ast.Return) and node.value is not None
        ]

    def _named(self, name: str, where: ast.AST) -> None:
        """Take in what the name stands for: a variable, a parameter, or a constant of any of the files."""
        function = self._function_around(where)
        if function is not None:
            if values := list(_assigned(function, name)):
                for value in values:
                    self._start(value, where)
                return
            if name in _parameters(function):
                self._follow(function, name)
                return
        constants = [value for module in self._modules for value in _assigned(module, name, deep=False)]
        for value in constants:
            self._start(value, where)
        if not constants:
            self.unreadable.add(name)

    def _follow(self, function: ast.FunctionDef | ast.AsyncFunctionDef, parameter: str) -> None:
        """The function hands its parameter on: its callers, and its default, name the program."""
        if (function.name, parameter) in self._followed:
            return
        self._followed.add((function.name, parameter))
        default = _default(function, parameter)
        if default is not None:
            self._start(default, self._parents[function])
        positional = _positional(function)
        index = positional.index(parameter) if parameter in positional else sys.maxsize
        index -= positional[:1] in (["self"], ["cls"])
        for call in self._calls:
            if _dotted(call.func).rpartition(".")[2] != function.name:
                continue
            given = {argument.arg: argument.value for argument in call.keywords}
            if parameter in given:
                self._start(given[parameter], call)
            elif index < len(call.args):
                self._start(call.args[index], call)
            elif default is None:
                self.unreadable.add(ast.unparse(call))

    def _shell(self, line: ast.expr, where: ast.AST) -> None:
        """Take in a line for a shell."""
        match line:
            case ast.Constant(value=str(text)):
                self.programs |= programs_of_shell(text)
            case ast.JoinedStr(values=parts):
                text = "".join(str(part.value) if isinstance(part, ast.Constant) else _HOLE for part in parts)
                holes = [part.value for part in parts if isinstance(part, ast.FormattedValue)]
                for word in _first_words(text):
                    if word == _HOLE:
                        # Which of the holes it is the quotes may hide: those before it are text.
                        self._holes(holes, where)
                    elif _PROGRAM.fullmatch(word):
                        self.programs.add(word)
            case ast.Name(name) if (function := self._function_around(where)) is not None:
                for value in _assigned(function, name):
                    self._shell(value, where)
            case _:
                self.unreadable.add(ast.unparse(line))

    def _holes(self, holes: list[ast.expr], where: ast.AST) -> None:
        """Of the values in a line those that are programs: this interpreter, or one that was looked for."""
        for hole in holes:
            match hole:
                case ast.Attribute(value=ast.Name("sys"), attr="executable"):
                    self.programs.add(PYTHON)
                case ast.Name(name) if (function := self._function_around(where)) is not None:
                    for value in _assigned(function, name):
                        if isinstance(value, ast.Call) and _dotted(value.func) == "require_program":
                            self._start(value, where)

    def _function_around(self, node: ast.AST) -> ast.FunctionDef | ast.AsyncFunctionDef | None:
        while (parent := self._parents.get(node)) is not None:
            if isinstance(parent, ast.FunctionDef | ast.AsyncFunctionDef):
                return parent
            node = parent
        return None


def programs_of_shell(text: str) -> set[str]:
    """The programs that a shell script calls; its own functions are none."""
    joined = text.replace("\\\n", " ")
    own = set(re.findall(r"^\s*(\w+)\(\)", joined, re.MULTILINE))
    return {word for word in _first_words(joined) if _PROGRAM.fullmatch(word)} - own


def programs_of_instructions(text: str) -> set[str]:
    """The programs in the indented blocks of a docstring or a comment that are command lines, not Python."""
    found: set[str] = set()
    for block in re.findall(r"(?:^ {3,}\S.*\n?)+", text, re.MULTILINE):
        lines = textwrap.dedent(block)
        try:
            ast.parse(lines)
        except SyntaxError:
            found |= {word for line in lines.splitlines() for word in _first_words(line.partition("#")[0])[:1]}
    return {word for word in found if _PROGRAM.fullmatch(word) and not keyword.iskeyword(word)}


def _first_words(shell: str) -> list[str]:
    """The first word of each command in a shell's text, variables that are set before it left out."""
    lines = "\n".join(line for line in shell.splitlines() if not line.lstrip().startswith("#"))
    # What is quoted is no command, but for those inside `"$(…)"`.
    bare = re.sub(r"'[^']*'", "''", lines)
    bare = re.sub(
        r'"((?:[^"\\]|\\.)*)"', lambda quoted: " ".join(["''", *re.findall(r"\$\([^)]*\)?", quoted[1])]), bare
    )
    words: list[str] = []
    for command in re.split(r"\$\(|[|;&\n(){}!]+|\b(?:then|do|else|elif|if|while)\b", bare):
        rest = [word for word in command.split() if not re.fullmatch(r"\w+=\S*", word)]
        if rest and rest[0] not in _SHELL_WORDS:
            words.append(rest[0])
    return words


def _dotted(function: ast.expr) -> str:
    match function:
        case ast.Name(name):
            return name
        case ast.Attribute(value=value, attr=attribute):
            return f"{_dotted(value)}.{attribute}"
    return ""


def _assigned(scope: ast.AST, name: str, *, deep: bool = True) -> Iterator[ast.expr]:
    """What is assigned to the name in a function, or at a module's top."""
    for node in ast.walk(scope) if deep else ast.iter_child_nodes(scope):
        match node:
            case ast.Assign(targets=targets, value=value):
                if any(isinstance(target, ast.Name) and target.id == name for target in targets):
                    yield value
            case ast.AnnAssign(target=ast.Name(id), value=ast.expr() as value) if id == name:
                yield value
            case ast.For(target=ast.Name(id), iter=ast.Tuple(elts=each) | ast.List(elts=each)) if id == name:
                yield from each
            case ast.NamedExpr(target=ast.Name(id), value=value) if id == name:
                yield value


def _parameters(function: ast.FunctionDef | ast.AsyncFunctionDef) -> list[str]:
    arguments = function.args
    return [*_positional(function), *(argument.arg for argument in arguments.kwonlyargs)]


def _positional(function: ast.FunctionDef | ast.AsyncFunctionDef) -> list[str]:
    return [argument.arg for argument in (*function.args.posonlyargs, *function.args.args)]


def _default(function: ast.FunctionDef | ast.AsyncFunctionDef, parameter: str) -> ast.expr | None:
    arguments = function.args
    defaults = dict(zip(reversed(_positional(function)), reversed(arguments.defaults), strict=False))
    by_name = zip((argument.arg for argument in arguments.kwonlyargs), arguments.kw_defaults, strict=True)
    return {**defaults, **dict(by_name)}.get(parameter)
