"""The keys of sources: what the settings give, checked before it is sent anywhere."""

import re
from dataclasses import dataclass
from pathlib import Path

from pydantic import SecretStr

from stocktrack.errors import ConfigError, SourceUnusable
from stocktrack.system.files import read_private_file

# What one line of a header can hold. Vendors' own are letters and digits; the rest is for them to judge.
_KEY = re.compile(r"[\x21-\x7e]{1,256}")


@dataclass(frozen=True, slots=True)
class KeyOf:
    """The key of a source: whose it is, and where people get one; the source's name is in those of its two settings."""

    source: str
    vendor: str
    how_to_get_one: str

    @property
    def setting(self) -> str:
        """The setting that holds it."""
        return f"{self.source}_api_key"

    def find(self, given: SecretStr | None, file: Path | None) -> SecretStr:
        """The key given, or else the one in the file; `SourceUnusable` says what to set, and never repeats what was."""
        if given is not None:
            return self._checked(given.get_secret_value(), self.setting)
        if file is not None:
            named = f"{self.setting}_file = {str(file)!r}"
            try:
                text = read_private_file(file, named)
            except ConfigError as error:
                raise SourceUnusable(f"{self.source} cannot be used: {error}") from None
            return self._checked(text, named)
        raise SourceUnusable(
            f"{self.source} needs a key: set STOCKTRACK_{self.setting.upper()}, or {self.setting}_file to a file that "
            f"holds it; {self.how_to_get_one}."
        )

    def refused(self, *, retry_after_ms: int | None = None) -> SourceUnusable:
        """The error where the vendor does not accept it."""
        return SourceUnusable(
            f"{self.vendor} refuses the key of {self.setting}: set the right one; {self.how_to_get_one}.",
            retry_after_ms=retry_after_ms,
        )

    def _checked(self, text: str, named: str) -> SecretStr:
        key = text.removeprefix("\ufeff").strip()
        # Docker's --env-file hands on the quotes that shells and .env files take off.
        if len(key) > 1 and key[0] == key[-1] and key[0] in "\"'":
            key = key[1:-1].strip()
        if not _KEY.fullmatch(key):
            what = "is empty" if not key else "holds no key: one line of letters and digits, without spaces"
            raise SourceUnusable(f"{self.source} cannot be used: {named} {what}; {self.how_to_get_one}.")
        return SecretStr(key)
