"""Files that hold a secret or settle a setting: read with care, written whole or not at all, wrong in a sentence."""

import contextlib
import errno
import os
import secrets
import stat
from pathlib import Path

from stocktrack.errors import ConfigError

_MAX_BYTES = 8_192


def read_private_file(path: Path, named: str) -> str:
    """The text of the file, which `named` calls in an error; `ConfigError` says what is wrong and how to mend it."""
    try:
        with open(path, "rb", opener=_opened_at_once) as file:
            # The open file is asked, not its name: a name can point to another file a moment later.
            mode = os.fstat(file.fileno()).st_mode
            if stat.S_ISREG(mode) and mode & 0o077:
                raise ConfigError(f"{named} can be read by others. Change that with: chmod 600 {path}")
            content = file.read(_MAX_BYTES)
    except OSError as error:
        raise ConfigError(f"{named} cannot be read: {error.strerror}.") from None
    try:
        return content.decode()
    except UnicodeDecodeError:
        raise ConfigError(f"{named} is not UTF-8 text.") from None


def _opened_at_once(path: str, flags: int) -> int:
    """The open file, also where it is a pipe: one that nobody writes to is empty, and a shell's <(…) is read."""
    handle = os.open(path, flags | os.O_NONBLOCK)
    os.set_blocking(handle, True)
    return handle


def write_private_file(path: Path, named: str, content: str, *, replaces: bool) -> bool:
    """Write a file for its owner alone, whole or not at all, on disk when this returns; says whether it was written.

    With `replaces` it takes the place of a file of this name. Without, one that is there stays, also one that another
    process makes at the same moment, and the answer is False. `ConfigError` says what is wrong with what `named` names.
    """
    draft = path.with_name(f"{path.name}.{secrets.token_hex(8)}")
    try:
        handle = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        try:
            with os.fdopen(handle, "w", encoding="utf-8") as file:
                file.write(content)
                file.flush()
                # Before it gets its name: after a power cut the name could stand for an empty file.
                os.fsync(file.fileno())
            if replaces:
                draft.replace(path)
            else:
                # Unlike a rename, a link never takes the place of what is there.
                path.hardlink_to(draft)
                draft.unlink()
        except BaseException:
            with contextlib.suppress(FileNotFoundError):
                draft.unlink()
            raise
        _sync_folder(path.parent)
    except FileExistsError:
        return False
    except OSError as error:
        raise ConfigError(f"{named} cannot be written: {error.strerror}.") from None
    return True


def _sync_folder(folder: Path) -> None:
    """Have the names in the folder on disk, too."""
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(handle)
    except OSError as error:
        if error.errno != errno.EINVAL:  # there are file systems that cannot do this for a folder
            raise
    finally:
        os.close(handle)


def check_private_key(name: str, path: Path) -> None:
    """`ConfigError` where others can read the private key that the setting `name` names.

    The rule is PostgreSQL's: one of this user is for this user alone; one of root may be readable by a group, as
    Debian's `ssl-cert` is.
    """
    try:
        found = path.stat()
    except OSError:
        return  # who reads it says what is wrong
    mode = stat.S_IMODE(found.st_mode)
    if stat.S_ISREG(found.st_mode) and mode & (0o037 if found.st_uid == 0 else 0o077):
        raise ConfigError(
            f"{name} = {str(path)!r} can be used by others (mode {mode:04o}). Change that with: chmod 600 {path}; "
            "and where others had a chance to read it, get a new key and certificate."
        )


def check_readable(name: str, path: Path) -> None:
    """`ConfigError` that names the file where it cannot be read; OpenSSL's own error does not say which one it is."""
    try:
        with path.open("rb") as file:
            file.read(1)
    except OSError as error:
        raise ConfigError(f"{name} = {str(path)!r} cannot be read: {error.strerror}.") from None
