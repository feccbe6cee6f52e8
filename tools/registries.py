"""How long the set-up waits for a registry that does not answer: a minute in all, whatever the machine's settings say.

A registry that answers slowly is waited for; what is bounded is its silence.
"""

import os

# pip's own patience for a try, and fewer tries than its six. Both names of the time-out, because pip takes either.
_PIP = {"PIP_DEFAULT_TIMEOUT": "15", "PIP_TIMEOUT": "15", "PIP_RETRIES": "2"}
# npm's are minutes. Two tries are over in half a minute.
NPM_ARGUMENTS = ("--fetch-timeout=12000", "--fetch-retries=1", "--fetch-retry-mintimeout=1000")
# npm gets a handful of small packages, asking for several at once: an end for what the line above does not see.
NPM_SECONDS = 45


def pip_environment() -> dict[str, str]:
    """The environment for a pip that gives up on an index that stays silent."""
    return {**os.environ, **_PIP}
