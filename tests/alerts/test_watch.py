"""A watch gives and takes alerts at a cost that does not grow with how many others it has."""

from alert_market import NOW_MS, AlertMarket, an_alert
from steps import grows_evenly, steps_of
from stocktrack.alerts.conditions import LiveAlert
from stocktrack.alerts.watch import SymbolWatch


def test_many_that_fire_by_one_price_beside_many_of_another_kind_cost_what_each_of_them_costs() -> None:
    def cost_of(many: int) -> int:
        market = AlertMarket()
        market.judge_also(
            *(an_alert("above", 1e6, number=number) for number in range(1, many)),
            *(an_alert("percent_within", 1.0, minutes=5, number=many + number) for number in range(many)),
        )
        market.prices(100)
        cost = steps_of(lambda: market.price(110))
        assert len(market.judge.fired) == many
        return cost

    assert grows_evenly(cost_of)


def test_those_that_rest_are_taken_out_at_the_cost_of_others() -> None:
    def cost_of(many: int) -> int:
        market = AlertMarket()
        market.judge_also(*(an_alert("above", 101, number=number, repeat="every") for number in range(many)))
        market.prices(100, 110)
        market.written()
        market.prices(100, 110)  # now each of them rests
        cost = steps_of(market.judge.clear)
        assert len(market.judge) == 0
        return cost

    assert grows_evenly(cost_of)


def test_crossings_that_wait_for_a_first_price_are_taken_out_at_the_cost_of_others() -> None:
    def cost_of(many: int) -> int:
        market = AlertMarket()
        market.judge_also(*(an_alert("crosses_above", 101, number=number) for number in range(many)))
        return steps_of(market.judge.clear)

    assert grows_evenly(cost_of)


def test_what_rested_and_was_taken_out_fires_no_more_and_is_not_kept() -> None:
    market = AlertMarket()
    market.judge_also(an_alert("above", 1e6), an_alert("above", 101, number=2, repeat="every"))
    market.prices(100, 110)
    market.written()
    market.prices(100, 110)
    market.judge.drop(2)
    market.clock.stand_still(3_600)
    assert market.prices(111, 100, 112) == []


def test_those_that_rest_and_were_taken_out_do_not_pile_up() -> None:
    watch = SymbolWatch("AAPL", None)
    for number in range(1_000):
        alert = LiveAlert(an_alert("above", 101, number=number, repeat="every"))
        watch.add(alert, None)
        watch._cooling.append((NOW_MS + number, number, alert))
        watch.remove(number)
    assert len(watch._cooling) < 200
    assert not watch._of_quantity
