"""A client of UDF that asks what the Charting Library's own asks, in its order and in its writing.

It follows what is published of the library's datafeed (https://www.tradingview.com/charting-library-docs/): an answer
is parsed as JSON whatever its status, `s` says how it went, and bars are asked for in steps back until there are none.
"""

import json
from typing import Any
from urllib.parse import quote

import httpx2

Told = dict[str, Any]


class UdfError(Exception):
    """What the library would hand to its error callback."""


class UdfClient:
    """Reads a datafeed at `url`, which ends in `/udf`."""

    def __init__(self, http: httpx2.AsyncClient, url: str, *, token: str | None = None) -> None:
        self._http = http
        self._url = url
        self._token = token
        self.requests: list[str] = []

    async def ask(self, path: str, **parameters: object) -> Any:
        """One request, with its parameters encoded one by one."""
        if self._token is not None:
            parameters["token"] = self._token
        query = "&".join(f"{quote(name, safe='')}={quote(str(value), safe='')}" for name, value in parameters.items())
        self.requests.append(f"/{path}?{query}")
        answer = await self._http.get(f"{self._url}/{path}?{query}" if query else f"{self._url}/{path}")
        return json.loads(answer.text)

    async def resolve(self, name: str) -> Told:
        """What a symbol is; the library takes any `s` for an unknown one."""
        told: Told = await self.ask("symbols", symbol=name)
        if "s" in told:
            raise UdfError(told["errmsg"])
        return told

    async def bars(self, symbol: Told, resolution: str, start: int, end: int, count: int | None) -> Told:
        """One stretch of bars; with no data, its `nextTime` where there is one."""
        counted = {} if count is None else {"countback": count}
        told: Told = await self.ask(
            "history",
            symbol=symbol["ticker"],
            resolution=resolution,
            **{"from": start, "to": end},
            **counted,
            currencyCode=symbol["currency_code"],
        )
        if told["s"] not in {"ok", "no_data"}:
            raise UdfError(told["errmsg"])
        return told

    async def all_bars(
        self, symbol: Told, resolution: str, end: int, step: int, count: int | None
    ) -> tuple[list[int], int]:
        """The times of all bars before `end`, in steps back until there are no more, and how many steps that took."""
        times: list[int] = []
        for steps in range(1, 200):
            told = await self.bars(symbol, resolution, end - step, end, count)
            if told["s"] == "ok":
                assert len({len(told[column]) for column in "tohlc"}) == 1
                assert told["t"] == sorted(set(told["t"]))
                assert told["t"][-1] < end
                times = told["t"] + times
                end = told["t"][0] if count is not None else end - step
            elif "nextTime" in told:
                assert told["nextTime"] < end
                end = told["nextTime"] + 1
            else:
                return times, steps
        raise AssertionError("there is no end to the past")
