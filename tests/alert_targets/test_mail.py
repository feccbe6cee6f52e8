"""The kind `email` over real sockets, with STARTTLS, with TLS and without."""

import asyncio
import socket
from pathlib import Path
from typing import Any

import pytest

from alert_messages import NASTY, NOW_MS, message, nasty_messages, no_threads_left, open_descriptors
from certificates import serving, write_authority
from patience import PATIENCE_SECONDS
from smtp_stub import GREETING, SmtpStub, smtp_stub
from stocktrack.alert_targets.base import AlertMessage, TargetError
from stocktrack.alert_targets.mail import EmailTarget
from stocktrack.clock import ManualClock
from stocktrack.target_settings import EmailSettings

THREADS = "email to mail"
# A target closes within a second; a busy machine may take a little longer.
CLOSE_SECONDS = 5.0


def target(server: SmtpStub, **settings: Any) -> EmailTarget:
    values = {
        "kind": "email",
        "host": "127.0.0.1",
        "port": server.port,
        "tls": "none",
        "from": "StockTrack <alerts@quotes.example>",
        "to": ["ann@example.com", "Bob B. <bob@example.com>"],
        **settings,
    }
    return EmailTarget("mail", EmailSettings.model_validate(values), ManualClock(NOW_MS))


async def closed(mail: EmailTarget) -> None:
    """Close it, and see that nothing is left."""
    async with asyncio.timeout(CLOSE_SECONDS):
        await mail.close()
    await no_threads_left(THREADS)
    assert not [task for task in asyncio.all_tasks() if "target" in task.get_name()]


async def refusal(mail: EmailTarget) -> str:
    with pytest.raises(TargetError) as caught:
        await mail.send(message())
    return caught.value.message


async def test_an_email_says_what_happened_to_everybody_it_goes_to() -> None:
    async with smtp_stub() as server:
        mail = target(server)
        await mail.send(message())
        await closed(mail)
    [taken] = server.taken
    assert (taken.sender, taken.recipients) == ("alerts@quotes.example", ("ann@example.com", "bob@example.com"))
    told = taken.message
    assert told["From"] == "StockTrack <alerts@quotes.example>"
    assert told["To"] == 'ann@example.com, "Bob B." <bob@example.com>'
    assert told["Subject"] == "AAPL 200.12 USD rose above 200."
    assert told["Date"] == "Fri, 05 Apr 2024 15:45:00 +0000"
    assert told["Message-ID"] == "<stocktrack.d-7f3a@quotes.example>"
    assert told["Auto-Submitted"] == "auto-generated"
    assert told.get_content().splitlines() == [
        "AAPL 200.12 USD rose above 200.",
        "",
        "Alert a7 of ann, Fri, 05 Apr 2024 15:45:00 GMT.",
    ]
    assert (mail.name, mail.kind, mail.at_once) == ("mail", "email", 2)


async def test_a_double_has_the_same_id_and_a_test_says_for_whom_it_is() -> None:
    async with smtp_stub() as server:
        mail = target(server)
        for _ in range(2):
            await mail.send(message(alert=None, symbol=None, message="This is a test."))
        await closed(mail)
    first, second = (taken.message for taken in server.taken)
    assert first["Message-ID"] == second["Message-ID"]
    assert first.get_content().splitlines()[2] == "For ann, Fri, 05 Apr 2024 15:45:00 GMT."


@pytest.mark.parametrize("tls", ["starttls", "tls"])
async def test_the_login_goes_over_tls_to_whom_this_machine_trusts(tmp_path: Path, tls: str) -> None:
    context, login = serving(tmp_path), {"username": "me", "password": "s3cr3t"}
    async with smtp_stub(starttls=context) if tls == "starttls" else smtp_stub(tls=context) as server:
        stranger = target(server, tls=tls, **login)
        assert (await refusal(stranger)).startswith("The target mail shows a certificate that is not valid here: ")
        await closed(stranger)
        assert "AUTH" not in server.heard
        friend = target(server, tls=tls, ca_file=write_authority(tmp_path), **login)
        await friend.send(message())
        await closed(friend)
    assert [(taken.in_tls, taken.login) for taken in server.taken] == [(True, "me s3cr3t")]


async def test_a_certificate_of_another_name_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with smtp_stub(starttls=serving(tmp_path)) as server:
        # The certificate is one of loopback's; this machine is called by a name that it does not have.
        found = [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", server.port))]
        monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: found)
        mail = target(server, host="mail.example", tls="starttls", ca_file=write_authority(tmp_path))
        assert await refusal(mail) == (
            "The target mail shows a certificate that is not valid here: it is another host's."
        )
        await closed(mail)


async def test_nothing_goes_in_plain_text_where_tls_was_asked_for() -> None:
    async with smtp_stub() as server:
        mail = target(server, tls="starttls", username="me", password="s3cr3t")
        assert await refusal(mail) == "The target mail does not offer STARTTLS."
        await closed(mail)
    assert set(server.heard) <= {"EHLO", "QUIT", "RSET"}


@pytest.mark.parametrize(
    ("command", "answer", "says"),
    [
        ("MAIL", "451 try again, s3cr3t", "The target mail answered 451."),
        ("RCPT", "550 no such user s3cr3t", "The target mail answered 550 to everybody it goes to."),
        ("DATA", "554 no s3cr3t", "The target mail answered 554."),
        ("END", "552 too big s3cr3t", "The target mail answered 552."),
        ("AUTH", "535 wrong s3cr3t", "The target mail answered 535: it refuses the login."),
        (GREETING, "421 busy s3cr3t", "The target mail answered 421, which is no greeting of SMTP."),
        (GREETING, "HTTP/1.1 400 s3cr3t", "The target mail "),
        (GREETING, "\0\xff" * 5_000, "The target mail "),
        ("EHLO", "hello s3cr3t", "The target mail "),
        ("EHLO", "250 only the least", "The target mail "),
        ("STARTTLS", "500 what?", "The target mail "),
    ],
)
async def test_a_refusal_is_told_by_its_number(tmp_path: Path, command: str, answer: str, says: str) -> None:
    login = {"username": "me", "password": "s3cr3t"} if command in {"AUTH", "EHLO"} else {}
    async with smtp_stub(starttls=serving(tmp_path)) as server:
        server.say(command, answer)
        mail = target(server, tls="starttls" if command == "STARTTLS" else "none", **login)
        said = await refusal(mail)
        await closed(mail)
        await server.until(lambda: server.open == 0)
    assert said.startswith(says)
    assert "s3cr3t" not in said
    assert server.taken == []


async def test_one_of_two_who_is_refused_does_not_cost_the_other_a_double() -> None:
    async with smtp_stub() as server:
        mail = target(server)
        answers = iter(["250 fine", "550 no"])
        server.say_next("RCPT", answers)
        await mail.send(message())
        await closed(mail)
    assert len(server.taken) == 1


async def test_how_the_server_says_goodbye_does_not_matter() -> None:
    async with smtp_stub() as server:
        server.cut_at = "QUIT"
        mail = target(server)
        await mail.send(message())
        await closed(mail)
    assert len(server.taken) == 1


@pytest.mark.parametrize(("goodbye_seconds", "timeout_seconds"), [(60.0, 2.0), (0.1, 60.0)])
async def test_what_was_taken_is_no_error_where_no_goodbye_comes(
    monkeypatch: pytest.MonkeyPatch, goodbye_seconds: float, timeout_seconds: float
) -> None:
    monkeypatch.setattr("stocktrack.alert_targets.mail.GOODBYE_SECONDS", goodbye_seconds)
    async with smtp_stub() as server:
        server.hang_at = "QUIT"
        mail = target(server, timeout_seconds=timeout_seconds)
        async with asyncio.timeout(PATIENCE_SECONDS):
            await mail.send(message())
        await closed(mail)
    assert len(server.taken) == 1


@pytest.mark.parametrize("at", [GREETING, "EHLO", "MAIL", "DATA", "END", "STARTTLS"])
@pytest.mark.parametrize("how", ["hang_at", "trickle_at"])
async def test_the_time_limit_is_for_all_of_it_and_frees_the_thread(tmp_path: Path, how: str, at: str) -> None:
    before = open_descriptors()
    async with smtp_stub(starttls=serving(tmp_path)) as server:
        setattr(server, how, at)
        mail = target(server, timeout_seconds=0.3, tls="starttls" if at == "STARTTLS" else "none")
        async with asyncio.timeout(PATIENCE_SECONDS):
            assert await refusal(mail) == "The target mail did not answer within 0.3 s."
        await closed(mail)
        await server.until(lambda: server.open == 0)
    assert open_descriptors() <= before


async def test_a_server_that_takes_no_tls_handshake_is_left_at_the_time_limit() -> None:
    async with smtp_stub() as server:
        server.hang_at = GREETING
        mail = target(server, timeout_seconds=0.3, tls="tls")
        async with asyncio.timeout(PATIENCE_SECONDS):
            assert await refusal(mail) == "The target mail did not answer within 0.3 s."
        await closed(mail)


@pytest.mark.parametrize("at", [GREETING, "EHLO", "MAIL"])
async def test_an_answer_without_end_is_left_long_before_the_time_limit(at: str) -> None:
    async with smtp_stub() as server:
        server.flood_at = at
        mail = target(server, timeout_seconds=60)
        async with asyncio.timeout(PATIENCE_SECONDS):
            assert "did not answer" not in await refusal(mail)
        await closed(mail)
        await server.until(lambda: server.open == 0)


@pytest.mark.parametrize("at", [GREETING, "EHLO", "MAIL", "RCPT", "DATA", "END"])
async def test_a_connection_that_breaks_is_an_error(at: str) -> None:
    async with smtp_stub() as server:
        server.cut_at = at
        mail = target(server)
        assert await refusal(mail) in {
            "The target mail broke the connection off.",
            "The target mail cannot be reached, or broke the connection off.",
        }
        await closed(mail)
    assert server.taken == []


async def test_a_port_where_nothing_listens_and_a_host_that_there_is_not() -> None:
    async with smtp_stub() as server:
        pass
    mail = target(server)
    assert await refusal(mail) == "The target mail cannot be reached: its port refuses connections."
    await closed(mail)
    mail = target(server, host="nobody.invalid")
    assert await refusal(mail) == "The target mail has a host that no name server knows."
    await closed(mail)


@pytest.mark.parametrize("how", ["cancelled", "closed"])
async def test_whatever_breaks_it_off_leaves_no_thread_task_or_socket(how: str) -> None:
    before = open_descriptors()
    async with smtp_stub() as server:
        server.hang_at = "DATA"
        mail = target(server, timeout_seconds=60)
        # The third waits for a thread.
        sending = [asyncio.create_task(mail.send(message(id=f"d-{number}"))) for number in range(3)]
        await server.until(lambda: server.heard.count("DATA") == 2)
        if how == "cancelled":
            for task in sending:
                task.cancel()
            assert all(
                isinstance(each, asyncio.CancelledError)
                for each in await asyncio.gather(*sending, return_exceptions=True)
            )
        await closed(mail)
        if how == "closed":
            said = await asyncio.gather(*sending, return_exceptions=True)
            assert {str(each) for each in said} == {"The target mail was not told: the server is closing."}
        await server.until(lambda: server.open == 0)
    assert server.taken == []
    assert open_descriptors() <= before


@pytest.mark.parametrize("nasty", nasty_messages(), ids=range(len(NASTY)))
async def test_no_text_of_a_user_becomes_a_header_a_recipient_or_a_command(nasty: AlertMessage) -> None:
    async with smtp_stub() as server:
        mail = target(server)
        await mail.send(nasty)
        await closed(mail)
    [taken] = server.taken
    assert (taken.sender, taken.recipients) == ("alerts@quotes.example", ("ann@example.com", "bob@example.com"))
    told = taken.message
    assert [name.lower() for name in told] == [
        *("from", "to", "subject", "date", "message-id", "auto-submitted", "x-mailer"),
        *("content-type", "content-transfer-encoding", "mime-version"),
    ]
    assert server.heard == ["EHLO", "MAIL", "RCPT", "RCPT", "DATA", "QUIT"]
    assert told["Subject"].isprintable()
    assert len(told.get_content().splitlines()) == 3
    assert max(map(len, taken.data.split(b"\r\n"))) <= 998
