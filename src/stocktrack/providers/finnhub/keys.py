"""The key for Finnhub: what the settings give, checked before it is sent anywhere."""

import re
from pathlib import Path

from pydantic import SecretStr

from stocktrack.errors import ConfigError, SourceUnusable
from stocktrack.system.files import read_private_file

# Finnhub's own are 20 or 40 letters and digits. What else a header can hold is for Finnhub to judge.
_KEY = re.compile(r"[\x21-\x7e]{1,256}")
_HOW_TO_GET_ONE = "a free one is at https://finnhub.io/register"


def find_key(given: SecretStr | None, file: Path | None) -> SecretStr:
    """The key itself, or else the one in the file; `SourceUnusable` says what to set, and never repeats what was."""
    if given is not None:
        return _checked(given.get_secret_value(), "finnhub_api_key")
    if file is not None:
        named = f"finnhub_api_key_file = {str(file)!r}"
        try:
            text = read_private_file(file, named)
        except ConfigError as error:
            raise SourceUnusable(f"finnhub cannot be used: {error}") from None
        return _checked(text, named)
    raise SourceUnusable(
        "finnhub needs a key: set STOCKTRACK_FINNHUB_API_KEY, or finnhub_api_key_file to a file that holds it; "
        f"{_HOW_TO_GET_ONE}."
    )


def refused_key() -> SourceUnusable:
    """The error where Finnhub does not accept the key."""
    return SourceUnusable(f"Finnhub refuses the key of finnhub_api_key: set the right one; {_HOW_TO_GET_ONE}.")


def _checked(text: str, named: str) -> SecretStr:
    key = text.removeprefix("\ufeff").strip()
    # Docker's --env-file hands on the quotes that shells and .env files take off.
    if len(key) > 1 and key[0] == key[-1] and key[0] in "\"'":
        key = key[1:-1].strip()
    if not _KEY.fullmatch(key):
        what = "is empty" if not key else "holds no key: one line of letters and digits, without spaces"
        raise SourceUnusable(f"finnhub cannot be used: {named} {what}; {_HOW_TO_GET_ONE}.")
    return SecretStr(key)
