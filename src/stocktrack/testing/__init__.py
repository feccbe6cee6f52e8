"""What every source must keep, as tests: for ours, and for those that others write (`docs/providers.md`).

The test file of a source says which source, and the contracts it names must be exactly the capabilities that it offers:

    class TestAcmeKeepsTheContract(ProviderContract, QuoteContract):
        @pytest.fixture
        async def subject(self) -> AsyncIterator[Subject]:
            provider = AcmeProvider(...)
            await provider.start()
            yield Subject(provider, known=("AAPL", "MSFT"))
            await provider.close()

    class TestAcmeInAnOutage(OutageContract):       # `subject` is a source whose every call fails
    class TestAcmeThatHangs(HangingContract):       # `subject` is a source that takes calls and never answers
    class TestAcmeWithoutAKey(UnusableContract):    # `subject` is a source with a wrong key, not started yet

It needs pytest and pytest-asyncio; nothing of the server imports it.
"""

from stocktrack.errors import extra_hint

try:
    import pytest
    import pytest_asyncio  # noqa: F401 - the contracts are coroutines; without it pytest would skip or refuse them
except ImportError as error:
    raise ImportError(f"stocktrack.testing needs {error.name}. {extra_hint('testing')}.") from error

# Before they are imported: pytest then says of a failed assertion what the values were, as in a test file.
pytest.register_assert_rewrite(
    "stocktrack.testing.subject", "stocktrack.testing.contracts", "stocktrack.testing.failures"
)

from stocktrack.testing.contracts import (  # noqa: E402 - pytest has to know them first
    CompanyContract,
    DividendContract,
    HistoryContract,
    HoursContract,
    NewsContract,
    NotOfferedContract,
    ProviderContract,
    QuoteContract,
    SearchContract,
    StreamContract,
    SymbolNewsContract,
    assert_valid,
)
from stocktrack.testing.failures import (  # noqa: E402
    BrokenStreamContract,
    HangingContract,
    OutageContract,
    UnusableContract,
)
from stocktrack.testing.subject import Collected, Subject  # noqa: E402

__all__ = [
    "BrokenStreamContract",
    "Collected",
    "CompanyContract",
    "DividendContract",
    "HangingContract",
    "HistoryContract",
    "HoursContract",
    "NewsContract",
    "NotOfferedContract",
    "OutageContract",
    "ProviderContract",
    "QuoteContract",
    "SearchContract",
    "StreamContract",
    "Subject",
    "SymbolNewsContract",
    "UnusableContract",
    "assert_valid",
]
