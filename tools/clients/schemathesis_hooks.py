"""How schemathesis logs in: with a token that is made anew when an operation has ended those there were.

The address and the two users come from the environment, as tests/e2e/test_openapi.py sets it.
"""

import json
import os
import urllib.request
from typing import Any

import schemathesis


def _token(user: str) -> str:
    body = {"username": user, "password": os.environ["STOCKTRACK_TEST_PASSWORD"]}
    request = urllib.request.Request(  # noqa: S310 - the test's own server
        os.environ["STOCKTRACK_TEST_URL"] + "/api/v1/login",
        data=json.dumps(body).encode(),
        headers={"Content-Type": "application/json"},
    )
    with urllib.request.urlopen(request) as answer:  # noqa: S310 - the test's own server
        token: str = json.load(answer)["token"]
        return token


class _Bearer:
    """A token of one user."""

    user = os.environ["STOCKTRACK_TEST_USER"]

    def get(self, case: Any, context: Any) -> str:
        """Log in."""
        return _token(self.user)

    def set(self, case: Any, data: str, context: Any) -> None:
        """Send the token."""
        case.headers["Authorization"] = f"Bearer {data}"


# What ends tokens is done as another user, each time with a new one: else all that follows would be a 401.
@schemathesis.auth(refresh_interval=None).apply_to(path_regex="/(tokens|password|logout)")
class _Spent(_Bearer):
    user = os.environ["STOCKTRACK_TEST_OTHER_USER"]


@schemathesis.auth().skip_for(path_regex="/(tokens|password|logout|login)")
class _Kept(_Bearer):
    pass
