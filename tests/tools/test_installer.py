"""tools/install_system.sh knows every program that tests, tools and benchmarks call, and fails no run."""

import functools
import re
import shutil
import subprocess
from pathlib import Path

import pytest

import stocktrack
from called_programs import PYTHON, Calls, programs_of_instructions, programs_of_shell

ROOT = Path(stocktrack.__file__).parents[2]
INSTALLER = ROOT / "tools" / "install_system.sh"
# In Debian's essential packages, or here because `make` runs: nobody has to install these.
ALWAYS_THERE = frozenset(
    {"apt-get", "bash", "chmod", "dirname", "grep", "head", "id", "make", "mktemp", "pwd", "rm", "sh", "tail"}
)
# What is called and is no program of the system.
NO_PROGRAM = frozenset(
    {
        "node.exe",  # of the wheel for Windows, by its path
        "schemathesis",  # of an environment of its own, by its path
        "esbuild",  # of the page's packages, by its path
        "bean-check",  # of a client that `make clients` installs
    }
)
# Calls whose program the source does not name, and what it is.
UNREADABLE = {
    "self._program",  # tests/support/kafka_broker.py: a broker that a wheel brings, by its path
    "options.drain.resolve()",  # what its user compiled from bench/ws_drain.c
    "Terminal(*arguments, environment=self.environment, columns=columns, rows=rows)",  # the program itself
    *("python", "f'python3.{minor}'"),  # the Pythons that tools/matrix.py looks for
}


def python_files() -> list[Path]:
    folders = (ROOT / "tests", ROOT / "tools", ROOT / "bench")
    found = [file for folder in folders for file in folder.rglob("*.py") if "node_modules" not in file.parts]
    assert len(found) > 50
    return sorted(found)


@functools.cache
def called() -> tuple[set[str], set[str]]:
    """The programs, and the calls that name none."""
    calls = Calls(python_files())
    programs = set(calls.programs)
    for told in calls.docstrings:
        programs |= programs_of_instructions(told)
    for file in (ROOT / "bench").glob("*.c"):
        comments = (line[2:] for line in file.read_text(encoding="utf-8").splitlines() if line.startswith("//"))
        programs |= programs_of_instructions("\n".join(comments))
    scripts = [ROOT / ".ci" / "run", *(ROOT / "tools").glob("*.sh"), *(ROOT / "tests").rglob("*.sh")]
    for file in scripts:
        programs |= programs_of_shell(file.read_text(encoding="utf-8"))
    return programs - {PYTHON}, calls.unreadable


def installed() -> set[str]:
    return set(re.findall(r"^need (\S+) \S+", INSTALLER.read_text(encoding="utf-8"), re.MULTILINE))


def test_every_program_that_is_called_is_installed_or_always_there() -> None:
    programs, unreadable = called()
    assert programs - ALWAYS_THERE - NO_PROGRAM - installed() == set()
    assert unreadable == UNREADABLE


def test_nothing_is_installed_or_excepted_that_nobody_calls() -> None:
    programs, _ = called()
    assert (installed() | ALWAYS_THERE | NO_PROGRAM) - programs == set()


# --- that the reader of calls would find one ---


@pytest.mark.parametrize(
    ("source", "programs"),
    [
        ("import subprocess\nsubprocess.run(['tcpdump', '-i', 'lo'], check=True)", {"tcpdump"}),
        ("import asyncio\nasync def f(): await asyncio.create_subprocess_exec('/usr/bin/socat', '-')", {"socat"}),
        ("import asyncio\nasync def f(): await asyncio.create_subprocess_exec(*('ab', '-n', '1'))", {"ab"}),
        ("A = ('redis-server', '--port')\nimport subprocess\ndef f(): subprocess.Popen([*A, '0'])", {"redis-server"}),
        ("def f(p):\n  command = [p, '-x']\n  subprocess.run(command)\nf(p='jq')\nf('yq')", {"jq", "yq"}),
        ("def f(program=('openssl', 'req')):\n  subprocess.run([*program])\nf()", {"openssl"}),
        ("class C:\n  def f(self, a, p): pexpect.spawn(p)\nC().f(1, 'vi')", {"vi"}),
        ("def g(): return ['faketime']\ndef f(): subprocess.run(g())", {"faketime"}),
        ("def f(folder): subprocess.run([folder / 'initdb', 'x'])", {"initdb"}),
        (
            "def f():\n  script = 'cat x | jq . && A=1 curl y'\n  subprocess.run(['sh', '-c', script])",
            {"sh", *("cat", "jq"), "curl"},
        ),
        ("import sys\nasyncio.create_subprocess_shell(f'{sys.executable} -m x | head -n 1; echo 1')", {PYTHON, "head"}),
        ("subprocess.run('x', executable='/bin/zsh')", {"x", "zsh"}),
        ("shutil.which('chromium')", {"chromium"}),
    ],
)
def test_the_program_of_a_call_is_found(tmp_path: Path, source: str, programs: set[str]) -> None:
    (tmp_path / "calls.py").write_text(source)
    calls = Calls([tmp_path / "calls.py"])
    assert (calls.programs, calls.unreadable) == (programs, set())


def test_a_call_whose_program_cannot_be_read_off_is_told(tmp_path: Path) -> None:
    (tmp_path / "calls.py").write_text("import subprocess, json\nsubprocess.run(json.loads('[]'))\n")
    assert Calls([tmp_path / "calls.py"]).unreadable == {"json.loads('[]')"}


def test_the_programs_of_a_script_are_found_and_its_own_functions_are_not() -> None:
    script = 'own() {\n  X=1 tar -x "$1"\n}\n# gzip\nif id -u; then own; fi\nall=$(git log | wc -l) "a | b"\n'
    assert programs_of_shell(script) == {"tar", "id", "git", "wc"}


def test_the_programs_of_instructions_are_found_and_python_is_none() -> None:
    told = (
        "How:\n\n    gcc -O2 x.c\n    PYTHONPATH=tests python x.py\n\n"
        "    async with served() as it:\n        await it.x()\n"
    )
    assert programs_of_instructions(told) == {"gcc", "python"}


# --- the installer on a machine that has nothing ---


def run_installer(folder: Path) -> subprocess.CompletedProcess[str]:
    """Run it where the programs in `folder` are all that there is."""
    return subprocess.run(  # noqa: S603 - our own script
        ["/bin/sh", INSTALLER],
        env={"PATH": str(folder), "POLICY_RC_D": str(folder / "policy-rc.d")},
        capture_output=True,
        text=True,
        check=False,
        timeout=30,
    )


def executable(file: Path, script: str) -> None:
    file.write_text(f"#!/bin/sh\n{script}\n")
    file.chmod(0o700)


def test_without_apt_the_installer_says_in_one_sentence_what_is_left_out_and_fails_nothing(tmp_path: Path) -> None:
    executable(tmp_path / "id", "echo 0")
    done = run_installer(tmp_path)
    assert (done.returncode, done.stdout, len(done.stderr.splitlines())) == (0, "", 1)
    assert "only root on a machine with apt can install them" in done.stderr
    assert {"netcat-openbsd", "npm", "nodejs", "iproute2", "gcc", "chromium"} <= set(done.stderr.split())


def test_one_package_that_cannot_be_had_keeps_no_other_away_and_is_named(tmp_path: Path) -> None:
    for name in ("chmod", "mktemp", "grep", "tail", "rm"):
        (tmp_path / name).symlink_to(str(shutil.which(name)))
    executable(tmp_path / "id", "echo 0")
    executable(
        tmp_path / "apt-get",
        f"""echo "$*" >>{tmp_path}/asked
        case "$*" in *chromium*) echo "E: Unable to locate package chromium"; exit 100 ;; esac""",
    )
    done = run_installer(tmp_path)
    _, sentence = done.stderr.splitlines()
    assert done.returncode == 0
    assert sentence == (
        "These could not be installed, and the tests that need them will say so: chromium "
        "(E: Unable to locate package chromium)"
    )
    asked = (tmp_path / "asked").read_text().splitlines()
    assert "install --yes --no-install-recommends netcat-openbsd" in asked
    assert not (tmp_path / "policy-rc.d").exists()
