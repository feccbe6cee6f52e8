"""Who sent a request: what proxies add to its headers, and how far each is believed."""

import pytest

from stocktrack.doors.proxies import TrustedProxies
from stocktrack.web.forwarding import MAX_HEADER_BYTES, Sender, sender_of

PROXY, NEAR, FAR = "10.0.0.1", "10.0.0.2", "192.0.2.7"
TRUSTED = TrustedProxies(("10.0.0.0/8", "::1/128"))


def sent(peer: str, **headers: str | tuple[str, ...]) -> Sender:
    """The sender of a request from `peer` with these headers."""
    pairs = [
        (name.replace("_", "-").encode(), value.encode("latin-1"))
        for name, values in headers.items()
        for value in ((values,) if isinstance(values, str) else values)
    ]
    return sender_of(peer, pairs, TRUSTED)


@pytest.mark.parametrize(
    ("told", "client"),
    [
        (FAR, FAR),
        (f"{FAR}, {NEAR}", FAR),
        (f"203.0.113.9, {FAR}", FAR),
        (f"203.0.113.9,{FAR} ,{NEAR},\t{NEAR}", FAR),
        (f"nonsense, {FAR}", FAR),
        (f"{FAR}:4711", FAR),
        ("[2001:db8::7]:4711", "2001:db8::7"),
        ("2001:DB8::7", "2001:db8::7"),
        (f"::ffff:{FAR}", FAR),
        ((f"203.0.113.9, {FAR}", NEAR), FAR),
        (f"{NEAR}", NEAR),
        # What can't be read is not believed, nor what stands before it.
        ("nonsense", PROXY),
        ("unknown", PROXY),
        ("", PROXY),
        (f"{FAR}, ", PROXY),
        (f"{FAR}, nonsense", PROXY),
        (f"{FAR}, nonsense, {NEAR}", NEAR),
        (f"{FAR};", PROXY),
        ("999.0.2.7", PROXY),
        (f"{FAR}," * MAX_HEADER_BYTES, PROXY),
    ],
)
def test_x_forwarded_for_is_believed_from_its_end_as_far_as_proxies_are_trusted(
    told: str | tuple[str, ...], client: str
) -> None:
    assert sent(PROXY, x_forwarded_for=told) == Sender(client, is_forwarded=True)


@pytest.mark.parametrize(
    ("told", "client"),
    [
        (f"for={FAR}", FAR),
        (f"For={FAR};proto=https;by=203.0.113.43", FAR),
        (f'by=203.0.113.43; host="a;b,c" ;for="{FAR}:4711"', FAR),
        ('for="[2001:db8:cafe::17]:4711"', "2001:db8:cafe::17"),
        ('for="\\[2001:db8:cafe::17\\]"', "2001:db8:cafe::17"),
        (f"for=203.0.113.9, for={FAR}", FAR),
        (f"for=203.0.113.9, for={FAR},for={NEAR}", FAR),
        ((f"for=203.0.113.9, for={FAR}", f"for={NEAR}"), FAR),
        ("for=unknown", PROXY),
        ("for=_hidden", PROXY),
        (f"for={FAR}, for=_hidden", PROXY),
        ("proto=https", PROXY),
        (f"for={FAR};for=203.0.113.9", PROXY),
        (f"for = {FAR}", PROXY),
        (f'for="{FAR}', PROXY),
        (f"for={FAR}; nonsense", PROXY),
        (FAR, PROXY),
        (f"for={FAR}," * MAX_HEADER_BYTES, PROXY),
    ],
)
def test_forwarded_is_read_as_rfc_7239_says(told: str | tuple[str, ...], client: str) -> None:
    assert sent(PROXY, forwarded=told) == Sender(client, is_forwarded=True)


def test_two_headers_that_name_different_clients_are_both_not_believed() -> None:
    assert sent(PROXY, x_forwarded_for=FAR, forwarded=f"for={FAR}").address == FAR
    assert sent(PROXY, x_forwarded_for=FAR, forwarded="for=203.0.113.9") == Sender(PROXY, is_forwarded=True)
    assert sent(PROXY, x_forwarded_for="nonsense", forwarded=f"for={FAR}").address == PROXY


@pytest.mark.parametrize("name", ["x_forwarded_for", "forwarded", "via", "x_real_ip", "x_forwarded_proto"])
def test_a_peer_that_is_not_trusted_is_not_believed_but_no_longer_local(name: str) -> None:
    assert sent("127.0.0.1", **{name: FAR}) == Sender("127.0.0.1", is_forwarded=True)
    assert sent("127.0.0.1", host="localhost", origin="http://localhost") == Sender("127.0.0.1")


def test_a_trusted_proxy_is_never_local_whatever_it_says() -> None:
    assert sent("::1") == Sender("::1", is_forwarded=True)
    assert sent("::1", x_forwarded_for="127.0.0.1") == Sender("127.0.0.1", is_forwarded=True)
