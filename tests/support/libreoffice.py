"""LibreOffice without a window, with a profile of its own: what formulas come to, and files of one kind as another.

assert await reckoned(tmp_path, ["=1+1"]) == ["2"]
"""

import asyncio
import contextlib
import csv
import io
import os
import shutil
import signal
from pathlib import Path

from patience import PATIENCE_SECONDS
from real_clients import PROGRAMS
from requirements import require_program
from server_process import environment

_LIBRARIES = """<?xml version="1.0" encoding="UTF-8"?>
<!DOCTYPE library:libraries PUBLIC "-//OpenOffice.org//DTD OfficeDocument 1.0//EN" "libraries.dtd">
<library:libraries xmlns:library="http://openoffice.org/2000/library" xmlns:xlink="http://www.w3.org/1999/xlink">
<library:library library:name="Standard" xlink:href="$(USER)/basic/Standard/script.xlb/" xlink:type="simple"
 library:link="false"/></library:libraries>
"""
_LIBRARY = """<?xml version="1.0" encoding="UTF-8"?>
<!DOCTYPE library:library PUBLIC "-//OpenOffice.org//DTD OfficeDocument 1.0//EN" "library.dtd">
<library:library xmlns:library="http://openoffice.org/2000/library" library:name="Standard" library:readonly="false"
 library:passwordprotected="false"><library:element library:name="Cells"/></library:library>
"""


def profile(home: Path) -> str:
    """The option that has LibreOffice live in `home`, and not where the person who runs the tests does."""
    return f"-env:UserInstallation={(home / 'libreoffice').as_uri()}"


async def reckoned(home: Path, cells: list[str]) -> list[str]:
    """What the cells of a column come to, each as it would be saved; formulas may read from the network."""
    lines, target = home / "cells.txt", home / "reckoned.csv"
    lines.write_text("\n".join(cells), encoding="utf-8")
    # Its first start makes the profile, and runs no macro.
    said = await _run(home, "--terminate_after_init")
    basic = home / "libreoffice" / "user" / "basic"
    (basic / "Standard").mkdir(parents=True, exist_ok=True)
    (basic / "script.xlc").write_text(_LIBRARIES, encoding="utf-8")
    (basic / "Standard" / "script.xlb").write_text(_LIBRARY, encoding="utf-8")
    shutil.copyfile(PROGRAMS / "Cells.xba", basic / "Standard" / "Cells.xba")
    said += await _run(home, f"macro:///Standard.Cells.Reckon({lines},{target.as_uri()})")
    assert target.exists(), said
    return [row[0] for row in csv.reader(io.StringIO(target.read_text(encoding="utf-8")))]


async def _run(home: Path, *arguments: str) -> str:
    process = await asyncio.create_subprocess_exec(
        str(require_program("soffice")),
        *(profile(home), "--headless", *arguments),
        env=environment(home),
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
        start_new_session=True,  # it is a script, which starts the program
    )
    try:
        async with asyncio.timeout(2 * PATIENCE_SECONDS):
            said, _ = await process.communicate()
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        await process.wait()
    return said.decode()
