"""What a test needs besides Python: missing, it is a skip that names its reason on a laptop, and a failure under CI."""

import os
import shutil
from pathlib import Path

import pytest


def require(is_there: bool, what: str) -> None:
    """Go on where `is_there`; else skip, or fail where `CI=true` says that everything should be there."""
    if is_there:
        return
    if os.environ.get("CI") == "true":
        pytest.fail(f"this test needs {what}, which is missing", pytrace=False)
    pytest.skip(f"this test needs {what}")


def require_program(name: str) -> Path:
    """The program's path, looked for on PATH."""
    found = shutil.which(name)
    require(found is not None, f"the program {name!r} on PATH")
    return Path(str(found))
