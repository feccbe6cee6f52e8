from stocktrack.accounts.remembered import MAX_REMEMBERED, REMEMBER_SECONDS, RememberedPasswords
from stocktrack.clock import ManualClock


async def test_the_memory_of_passwords_is_bounded_and_forgets_the_longest_unused(clock: ManualClock) -> None:
    remembered = RememberedPasswords(clock)
    for number in range(MAX_REMEMBERED + 5):
        remembered.add(number.to_bytes(4))
    assert len(remembered) == MAX_REMEMBERED
    assert not remembered.has((4).to_bytes(4))
    assert remembered.has((5).to_bytes(4))
    await clock.advance(REMEMBER_SECONDS)
    remembered.add(b"fresh")
    assert len(remembered) == 1
    assert remembered.has(b"fresh")
