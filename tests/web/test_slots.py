"""Who gets a slot and who gives one up."""

from stocktrack.web.slots import Admission, Slot, Slots


class Connection:
    """Keeps whether it had to give way."""

    def __init__(self, address: str = "192.0.2.1") -> None:
        self.address = address
        self.gave_way = False

    def give_way(self) -> None:
        self.gave_way = True


def entered(slots: Slots, count: int, address: str = "192.0.2.1", slot: Slot = Slot.WAITING) -> list[Connection]:
    connections = [Connection(address) for _ in range(count)]
    for connection in connections:
        assert slots.enter(connection) is not Admission.NONE
        slots.change(connection, slot)
    return connections


def who_gave_way(connections: list[Connection]) -> list[int]:
    return [number for number, connection in enumerate(connections) if connection.gave_way]


def test_the_one_that_is_idle_for_longest_gives_way_when_all_are_taken() -> None:
    slots = Slots(3, lambda _: 3)
    first, second, third = held = entered(slots, 3)
    slots.change(third, Slot.IDLE)
    slots.change(second, Slot.IDLE)
    assert slots.enter(Connection("192.0.2.2")) is Admission.SLOT
    assert who_gave_way(held) == [2]
    assert len(slots) == 3
    slots.change(first, Slot.IDLE)
    assert slots.enter(Connection("192.0.2.2")) is Admission.SLOT
    assert who_gave_way(held) == [1, 2]


def test_one_that_works_never_gives_way() -> None:
    slots = Slots(3, lambda _: 3)
    held = entered(slots, 3, slot=Slot.AT_WORK)
    assert slots.enter(Connection("192.0.2.2")) is Admission.NONE
    assert who_gave_way(held) == []
    slots.leave(held[0])
    assert slots.enter(Connection("192.0.2.2")) is Admission.SLOT


def test_where_nobody_is_idle_the_address_with_the_most_gives_up_the_one_that_waits_for_longest() -> None:
    slots = Slots(10, lambda _: 10)
    many, few = entered(slots, 7, "192.0.2.1"), entered(slots, 3, "192.0.2.2")
    assert slots.enter(Connection("192.0.2.3")) is Admission.SLOT
    assert (who_gave_way(many), who_gave_way(few)) == ([0], [])
    assert slots.enter(Connection("192.0.2.2")) is Admission.SLOT
    assert (who_gave_way(many), who_gave_way(few)) == ([0, 1], [])


def test_an_address_that_has_no_less_than_others_gets_only_what_is_its_own() -> None:
    slots = Slots(4, lambda _: 4)
    own, others = entered(slots, 2, "192.0.2.1"), entered(slots, 2, "192.0.2.2")
    assert slots.enter(Connection("192.0.2.1")) is Admission.SLOT
    assert (who_gave_way(own), who_gave_way(others)) == ([0], [])
    slots.change(own[1], Slot.AT_WORK)
    [third] = [each for each in slots._holders if isinstance(each, Connection) and each not in own + others]
    slots.change(third, Slot.AT_WORK)
    assert slots.enter(Connection("192.0.2.1")) is Admission.NONE
    assert who_gave_way(others) == []
    assert slots.enter(Connection("192.0.2.3")) is Admission.SLOT


def test_an_address_that_has_its_share_gets_slots_for_a_short_time_while_there_are_any() -> None:
    slots = Slots(10, lambda _: 2)
    held = entered(slots, 2)
    third = Connection()
    assert slots.enter(third) is Admission.SHORT
    assert slots.enter(Connection("192.0.2.2")) is Admission.SLOT
    # An idle one of its own gives way, and it has its share again.
    slots.leave(third)
    slots.change(held[1], Slot.IDLE)
    assert slots.enter(Connection()) is Admission.SLOT
    assert who_gave_way(held) == [1]


def test_a_network_of_ipv6_is_one_address_and_a_mapped_one_is_its_ipv4() -> None:
    slots = Slots(10, lambda _: 1)
    assert slots.enter(Connection("2001:db8::1")) is Admission.SLOT
    assert slots.enter(Connection("2001:db8::ffff:1")) is Admission.SHORT
    assert slots.enter(Connection("2001:db8:0:1::1")) is Admission.SLOT
    assert slots.enter(Connection("192.0.2.1")) is Admission.SLOT
    assert slots.enter(Connection("::ffff:192.0.2.1")) is Admission.SHORT


def test_nothing_is_left_of_those_who_went() -> None:
    slots = Slots(10, lambda _: 10)
    held = entered(slots, 4) + entered(slots, 4, "192.0.2.2", Slot.IDLE) + entered(slots, 2, slot=Slot.AT_WORK)
    for connection in held:
        slots.leave(connection)
        slots.leave(connection)
        slots.change(connection, Slot.IDLE)
    assert (len(slots), slots._addresses) == (0, {})
    assert held[0] not in slots
