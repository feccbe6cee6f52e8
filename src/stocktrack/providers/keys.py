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
    """The key of a source: the source's name, which is in the names of its two settings, and where people get one."""

    source: str
    how_to_get_one: str

    def find(self, given: SecretStr | None, file: Path | None) -> SecretStr:
        """The key given, or else the one in the file; `SourceUnusable` says what to set, and never repeats what was."""
        setting = f"{self.source}_api_key"
        if given is not None:
            return self._checked(given.get_secret_value(), setting)
        if file is not None:
            named = f"{setting}_file = {str(file)!r}"
            try:
                text = read_private_file(file, named)
            except ConfigError as error:
                raise SourceUnusable(f"{self.source} cannot be used: {error}") from None
            return self._checked(text, named)
        raise SourceUnusable(
            f"{self.source} needs a key: set STOCKTRACK_{setting.upper()}, or {setting}_file to a file that holds it; "
            f"{self.how_to_get_one}."
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
