"""The build hook: brings the page's JavaScript modules into the wheel, and into the source tree of an editable install.

They come from npm (tools/vendor_page.py says how), and are joined with our own (tools/bundle_page.py); where there is
no npm, the wheel is built without them.
"""

import os
import shutil
import sys
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

sys.path.insert(0, str(Path(__file__).parent / "tools"))

import bundle_page
import npm
import vendor_page


class PageHook(BuildHookInterface):  # type: ignore[type-arg] # its argument is the builder's configuration, unused here
    """Runs before each build."""

    def dependencies(self) -> list[str]:
        """Npm for this build, where the machine has none."""
        return [npm.WHEEL] if npm.has_wheel() and not shutil.which("npm") else []

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Fetch what is not there yet, unless STOCKTRACK_PAGE_LATER is set: `make` has a step of its own for it."""
        if os.environ.get("STOCKTRACK_PAGE_LATER"):
            return
        try:
            vendor_page.vendor()
            bundle_page.bundle()
        except vendor_page.CannotVendorError as why:
            self.app.display_warning(f"The page's JavaScript modules are left out. {why}")
        except bundle_page.CannotBundleError as why:
            self.app.display_warning(f"The page is served module by module. {why}")
