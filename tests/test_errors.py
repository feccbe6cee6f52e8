import pytest

from stocktrack import errors
from stocktrack.errors import REASON_CODES, Code, CommandError, ProviderError, Reason, StockTrackError, StorageError

# The table of the protocol, section 2 of the design: code, status, reasons. 200 and 2000 have no reasons.
TABLE: dict[int, tuple[str, str]] = {
    100: ("CONTINUE", "provider_restored announcement alert lists_changed"),
    200: ("OK", ""),
    2000: ("OK", ""),
    400: (
        "BAD_REQUEST",
        """malformed_json invalid_command unknown_command line_too_long already_authenticated symbol_limit
        too_many_errors range_limit""",
    ),
    401: ("UNAUTHORIZED", "not_authenticated bad_credentials auth_timeout not_permitted"),
    404: (
        "NOT_FOUND",
        """unknown_symbol not_subscribed no_news no_dividends no_company_info no_history not_offered unknown_alert
        unknown_lot unknown_list""",
    ),
    429: ("TOO_MANY_REQUESTS", "rate_limited session_limit login_throttled"),
    500: (
        "SERVER_ERROR",
        "provider_error provider_timeout provider_blocked storage_error server_unreachable slow_client internal_error",
    ),
    501: ("SERVER_SHUTDOWN", "shutdown"),
}
CURABLE = """
auth_timeout rate_limited session_limit login_throttled provider_error provider_timeout provider_blocked storage_error
server_unreachable slow_client shutdown no_news
"""


def test_there_are_the_codes_of_the_protocol_and_no_others() -> None:
    assert sorted(Code) == sorted(TABLE)


@pytest.mark.parametrize("code", Code)
def test_each_code_has_the_status_of_the_protocol(code: Code) -> None:
    assert code.status == TABLE[code][0]


@pytest.mark.parametrize("code", Code)
def test_each_code_has_the_reasons_of_the_protocol(code: Code) -> None:
    assert {reason.value for reason in Reason if reason.code is code} == set(TABLE[code][1].split())


def test_each_reason_of_the_protocol_stands_under_exactly_one_code() -> None:
    listed = [reason for _, reasons in TABLE.values() for reason in reasons.split()]

    assert sorted(listed) == sorted(reason.value for reason in Reason)
    assert REASON_CODES.keys() == set(Reason)


@pytest.mark.parametrize("reason", Reason)
def test_what_the_client_did_wrong_is_not_worth_a_second_try(reason: Reason) -> None:
    if reason.code is Code.BAD_REQUEST:
        assert not reason.retryable
    if reason.code in {Code.TOO_MANY_REQUESTS, Code.SERVER_SHUTDOWN}:
        assert reason.retryable


def test_the_reasons_that_a_second_try_can_cure_are_these() -> None:
    assert {reason.value for reason in Reason if reason.retryable} == set(CURABLE.split())


def test_an_error_tells_its_code_its_reason_and_its_sentence() -> None:
    error = ProviderError(Reason.PROVIDER_BLOCKED, "Yahoo refuses requests.", retry_after_ms=30_000)

    assert (error.code, error.reason, error.retry_after_ms) == (500, "provider_blocked", 30_000)
    assert str(error) == error.message == "Yahoo refuses requests."


def test_an_error_says_nothing_of_a_time_it_does_not_know() -> None:
    assert CommandError(Reason.NOT_SUBSCRIBED, "AAPL is not subscribed.").retry_after_ms is None


def test_a_storage_error_has_its_own_reason() -> None:
    assert StorageError("The disk is full.").reason is Reason.STORAGE_ERROR


def test_what_a_storage_error_says_is_the_operator_s_and_clients_are_told_no_more_than_was_meant_for_them() -> None:
    silent = StorageError("The database /srv/x.db broke.")
    plain = StorageError("The database /srv/x.db is locked.", told="The database is locked.")
    assert [str(error) for error in (silent, plain)] == [
        "The database /srv/x.db broke.",
        "The database /srv/x.db is locked.",
    ]
    assert "/srv" not in silent.message
    assert plain.message == "The database is locked."


def test_the_tree_drawn_at_the_top_of_the_file_is_the_tree() -> None:
    drawn = errors.__doc__ or ""
    children = {line.split()[1] for line in drawn.splitlines() if line.startswith(("├", "└"))}

    assert children == {
        child.__name__ for child in StockTrackError.__subclasses__() if child.__module__ == errors.__name__
    }
    assert not issubclass(errors.ConfigError, StockTrackError)
