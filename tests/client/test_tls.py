"""Whom the client trusts; tests/doors/test_tls.py has both sides of a connection."""

import ssl
from pathlib import Path

import pytest

from certificates import trusting, write_authority
from stocktrack.client.tls import client_context
from stocktrack.errors import ConfigError


@pytest.mark.parametrize("tls", [False, True])
def test_a_file_of_certificates_means_tls_whether_that_is_said_or_not(tmp_path: Path, tls: bool) -> None:
    context = client_context(tls, write_authority(tmp_path))
    assert context is not None
    assert context.verify_mode is ssl.CERT_REQUIRED
    assert context.check_hostname
    assert len(context.get_ca_certs()) == 1


@pytest.mark.parametrize("content", [None, b"", b"no certificate"])
def test_a_file_of_certificates_that_is_none_is_an_error_that_names_it(tmp_path: Path, content: bytes | None) -> None:
    path = tmp_path / "ca.pem"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(ConfigError, match=r"ca\.pem"):
        client_context(False, path)


def test_a_context_and_a_file_together_are_an_error() -> None:
    with pytest.raises(ConfigError, match="SSLContext"):
        client_context(trusting(), "ca.pem")
