from pathlib import Path

import pytest

import run_tests

# The first fails as often as the file `left` says.
UNSTEADY = """
from pathlib import Path
def test_unsteady():
    left = Path("left")
    times = int(left.read_text())
    left.write_text(str(times - 1))
    assert times <= 0
def test_steady():
    assert True
"""


def a_project(folder: Path, failures: int, tests: str = UNSTEADY) -> Path:
    (folder / "pytest.ini").write_text("[pytest]\nasyncio_default_fixture_loop_scope = function\n")
    (folder / "left").write_text(str(failures))
    (folder / "test_it.py").write_text(tests)
    return folder


@pytest.fixture(autouse=True)
def one_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Four processes for two tests take seconds; one test has them."""
    monkeypatch.setattr(run_tests, "SEVERAL_AT_ONCE", ("-n", "0"))


def test_what_passes_is_run_once(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    root = a_project(tmp_path, failures=0)
    assert run_tests.main([], root) == 0
    assert "alone" not in capfd.readouterr().out
    assert (root / "left").read_text() == "-1"


def test_what_fails_beside_others_and_passes_alone_is_named_and_fails_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(run_tests, "SEVERAL_AT_ONCE", ("-n", "2", "--dist", "loadfile"))
    assert run_tests.main([], a_project(tmp_path, failures=1)) == 0
    said = capfd.readouterr().out
    assert "1 failed. Once more, alone:\n  test_it.py::test_unsteady\n" in said
    assert "Unsteady, failed beside other tests and passed alone:\n  test_it.py::test_unsteady\n" in said
    assert "rerun previous 1 failure" in said


def test_what_fails_twice_fails_the_run(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    root = a_project(tmp_path, failures=2)
    assert run_tests.main(["test_it.py"], root) == 1
    assert "Unsteady" not in capfd.readouterr().out
    assert (root / "left").read_text() == "0"


def test_many_that_fail_are_no_accident_and_are_not_run_again(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    many = "import pytest\n@pytest.mark.parametrize('n', range(11))\ndef test_it(n):\n    assert n < 0\n"
    assert run_tests.main([], a_project(tmp_path, 0, many)) == 1
    assert "Once more" not in capfd.readouterr().out


def test_a_file_that_cannot_be_read_fails_the_run_at_once(tmp_path: Path) -> None:
    assert run_tests.main([], a_project(tmp_path, 0, "import nothing_of_this_name\n")) == pytest.ExitCode.INTERRUPTED
    assert run_tests.main(["nowhere"], tmp_path) == pytest.ExitCode.USAGE_ERROR
