"""What the simulated market trades: the instruments of a table, and ten thousand synthetic ones."""

import re
from dataclasses import dataclass

SYNTHETIC = re.compile(r"S\d{4}", re.ASCII)
SYNTHETIC_COUNT = 10_000

# symbol | name | exchange | currency | first price, in the source's precision | volatility, % a year | volume, millions
# a day | dividend a quarter | sector | industry | web site. A dash is "none"; the levels are those of spring 2024.
_TABLE = """
AAPL        | Apple Inc.              | NASDAQ   | USD | 189.45   | 25 | 58    | 0.24  | Technology | Consumer Electronics | apple.com
MSFT        | Microsoft Corporation   | NASDAQ   | USD | 421.90   | 22 | 22    | 0.75  | Technology | Software - Infrastructure | microsoft.com
GOOG        | Alphabet Inc. Class C   | NASDAQ   | USD | 156.37   | 28 | 20    | 0.20  | Communication Services | Internet Content & Information | abc.xyz
GOOGL       | Alphabet Inc. Class A   | NASDAQ   | USD | 154.85   | 28 | 28    | 0.20  | Communication Services | Internet Content & Information | abc.xyz
AMZN        | Amazon.com, Inc.        | NASDAQ   | USD | 185.07   | 30 | 42    | -     | Consumer Cyclical | Internet Retail | amazon.com
NVDA        | NVIDIA Corporation      | NASDAQ   | USD | 121.44   | 48 | 280   | 0.01  | Technology | Semiconductors | nvidia.com
META        | Meta Platforms, Inc.    | NASDAQ   | USD | 511.90   | 36 | 15    | 0.50  | Communication Services | Internet Content & Information | meta.com
TSLA        | Tesla, Inc.             | NASDAQ   | USD | 171.11   | 52 | 95    | -     | Consumer Cyclical | Auto Manufacturers | tesla.com
NFLX        | Netflix, Inc.           | NASDAQ   | USD | 617.14   | 34 | 4     | -     | Communication Services | Entertainment | netflix.com
AMD         | Advanced Micro Devices  | NASDAQ   | USD | 170.42   | 46 | 62    | -     | Technology | Semiconductors | amd.com
INTC        | Intel Corporation       | NASDAQ   | USD | 39.73    | 36 | 45    | 0.125 | Technology | Semiconductors | intel.com
CSCO        | Cisco Systems, Inc.     | NASDAQ   | USD | 48.51    | 20 | 18    | 0.40  | Technology | Communication Equipment | cisco.com
ADBE        | Adobe Inc.              | NASDAQ   | USD | 485.12   | 32 | 3     | -     | Technology | Software - Application | adobe.com
ORCL        | Oracle Corporation      | NYSE     | USD | 124.33   | 28 | 8     | 0.40  | Technology | Software - Infrastructure | oracle.com
IBM         | IBM Corporation         | NYSE     | USD | 189.14   | 20 | 4     | 1.67  | Technology | IT Services | ibm.com
CRM         | Salesforce, Inc.        | NYSE     | USD | 301.38   | 32 | 5     | 0.40  | Technology | Software - Application | salesforce.com
JPM         | JPMorgan Chase & Co.    | NYSE     | USD | 197.45   | 21 | 9     | 1.15  | Financial Services | Banks - Diversified | jpmorganchase.com
BAC         | Bank of America Corp.   | NYSE     | USD | 37.09    | 25 | 38    | 0.24  | Financial Services | Banks - Diversified | bankofamerica.com
V           | Visa Inc.               | NYSE     | USD | 277.14   | 17 | 6     | 0.52  | Financial Services | Credit Services | visa.com
BRK-B       | Berkshire Hathaway Inc. | NYSE     | USD | 413.93   | 15 | 3     | -     | Financial Services | Insurance - Diversified | berkshirehathaway.com
JNJ         | Johnson & Johnson       | NYSE     | USD | 152.19   | 15 | 7     | 1.24  | Healthcare | Drug Manufacturers - General | jnj.com
PFE         | Pfizer Inc.             | NYSE     | USD | 26.57    | 25 | 38    | 0.42  | Healthcare | Drug Manufacturers - General | pfizer.com
PG          | Procter & Gamble Co.    | NYSE     | USD | 156.20   | 15 | 6     | 1.01  | Consumer Defensive | Household & Personal Products | pg.com
KO          | Coca-Cola Company       | NYSE     | USD | 59.26    | 14 | 13    | 0.485 | Consumer Defensive | Beverages - Non-Alcoholic | coca-colacompany.com
WMT         | Walmart Inc.            | NYSE     | USD | 59.87    | 18 | 17    | 0.207 | Consumer Defensive | Discount Stores | walmart.com
MCD         | McDonald's Corporation  | NYSE     | USD | 267.25   | 17 | 4     | 1.67  | Consumer Cyclical | Restaurants | mcdonalds.com
NKE         | NIKE, Inc.              | NYSE     | USD | 89.42    | 29 | 9     | 0.37  | Consumer Cyclical | Footwear & Accessories | nike.com
DIS         | Walt Disney Company     | NYSE     | USD | 118.39   | 27 | 10    | 0.225 | Communication Services | Entertainment | thewaltdisneycompany.com
XOM         | Exxon Mobil Corporation | NYSE     | USD | 121.37   | 24 | 17    | 0.95  | Energy | Oil & Gas Integrated | exxonmobil.com
BA          | Boeing Company          | NYSE     | USD | 183.83   | 32 | 7     | -     | Industrials | Aerospace & Defense | boeing.com
F           | Ford Motor Company      | NYSE     | USD | 13.37    | 34 | 48    | 0.15  | Consumer Cyclical | Auto Manufacturers | ford.com
T           | AT&T Inc.               | NYSE     | USD | 17.26    | 22 | 33    | 0.278 | Communication Services | Telecom Services | att.com
UBER        | Uber Technologies, Inc. | NYSE     | USD | 76.91    | 40 | 18    | -     | Technology | Software - Application | uber.com
SPY         | SPDR S&P 500 ETF Trust  | NYSEArca | USD | 518.43   | 13 | 70    | 1.60  | - | - | ssga.com
QQQ         | Invesco QQQ Trust       | NASDAQ   | USD | 440.47   | 18 | 44    | 0.57  | - | - | invesco.com
^GSPC       | S&P 500                 | SNP      | USD | 5204.34  | 13 | -     | -     | - | - | -
^IXIC       | NASDAQ Composite        | NASDAQ   | USD | 16248.52 | 18 | -     | -     | - | - | -
^DJI        | Dow Jones Industrial Average | DJI | USD | 38904.04 | 12 | -     | -     | - | - | -
^SOX        | PHLX Semiconductor      | NASDAQ   | USD | 4847.71  | 32 | -     | -     | - | - | -
^FTSE       | FTSE 100                | LSE      | GBP | 7911.16  | 12 | -     | -     | - | - | -
EURUSD=X    | EUR/USD                 | CCY      | USD | 1.08420  | 7  | -     | -     | - | - | -
GBPUSD=X    | GBP/USD                 | CCY      | USD | 1.26380  | 8  | -     | -     | - | - | -
USDJPY=X    | USD/JPY                 | CCY      | JPY | 151.620  | 9  | -     | -     | - | - | -
USDCHF=X    | USD/CHF                 | CCY      | CHF | 0.90480  | 7  | -     | -     | - | - | -
USDCAD=X    | USD/CAD                 | CCY      | CAD | 1.35940  | 6  | -     | -     | - | - | -
USDHKD=X    | USD/HKD                 | CCY      | HKD | 7.82910  | 5  | -     | -     | - | - | -
USDINR=X    | USD/INR                 | CCY      | INR | 83.2950  | 5  | -     | -     | - | - | -
BTC-USD     | Bitcoin USD             | CCC      | USD | 67837.64 | 55 | 0.4   | -     | - | - | bitcoin.org
ETH-USD     | Ethereum USD            | CCC      | USD | 3318.88  | 65 | 4     | -     | - | - | ethereum.org
DOGE-USD    | Dogecoin USD            | CCC      | USD | 0.17852  | 90 | 7000  | -     | - | - | dogecoin.com
GC=F        | Gold                    | COMEX    | USD | 2345.4   | 14 | 0.2   | -     | - | - | -
CL=F        | Crude Oil               | NYMEX    | USD | 86.91    | 32 | 0.3   | -     | - | - | -
OCDO.L      | Ocado Group plc         | LSE      | GBp | 445.60   | 52 | 3     | -     | Consumer Defensive | Grocery Stores | ocadogroup.com
VOD.L       | Vodafone Group plc      | LSE      | GBp | 68.22    | 26 | 75    | 1.125 | Communication Services | Telecom Services | vodafone.com
SAP.DE      | SAP SE                  | XETRA    | EUR | 177.44   | 24 | 2     | 0.55  | Technology | Software - Application | sap.com
MC.PA       | LVMH SE                 | Paris    | EUR | 806.50   | 26 | 0.4   | 3.25  | Consumer Cyclical | Luxury Goods | lvmh.com
NESN.SW     | Nestlé S.A.             | SIX      | CHF | 94.86    | 15 | 4     | 0.75  | Consumer Defensive | Packaged Foods | nestle.com
7203.T      | Toyota Motor Corp.      | Tokyo    | JPY | 3652     | 28 | 28    | 18.75 | Consumer Cyclical | Auto Manufacturers | global.toyota
6758.T      | Sony Group Corporation  | Tokyo    | JPY | 12690    | 29 | 5     | 21.25 | Technology | Consumer Electronics | sony.com
0700.HK     | Tencent Holdings Ltd.   | HKSE     | HKD | 307.20   | 33 | 18    | 0.85  | Communication Services | Internet Content & Information | tencent.com
RELIANCE.NS | Reliance Industries Ltd | NSE      | INR | 2920.20  | 22 | 6     | 2.50  | Energy | Oil & Gas Refining & Marketing | ril.com
INFY.NS     | Infosys Limited         | NSE      | INR | 1478.85  | 24 | 6     | 9.50  | Technology | IT Services | infosys.com
SHOP.TO     | Shopify Inc.            | TSX      | CAD | 102.94   | 48 | 2     | -     | Technology | Software - Application | shopify.com
"""  # noqa: E501 - a table is read by its columns


@dataclass(frozen=True, slots=True)
class Instrument:
    """What the simulated market knows of a symbol."""

    symbol: str
    name: str
    exchange: str
    currency: str
    first_price: float
    digits: int
    volatility_percent: float
    daily_volume: float | None
    quarterly_dividend: float | None
    sector: str | None
    industry: str | None
    website: str | None

    @property
    def has_spread(self) -> bool:
        """Whether somebody bids and asks: an index cannot be traded."""
        return not self.symbol.startswith("^")


def _read(line: str) -> Instrument:
    cells = [cell.strip() for cell in line.split("|")]
    symbol, name, exchange, currency, price, volatility, volume, dividend, sector, industry, website = cells
    return Instrument(
        symbol=symbol,
        name=name,
        exchange=exchange,
        currency=currency,
        first_price=float(price),
        digits=len(price.partition(".")[2]),
        volatility_percent=float(volatility),
        daily_volume=None if volume == "-" else float(volume) * 1e6,
        quarterly_dividend=None if dividend == "-" else float(dividend),
        sector=None if sector == "-" else sector,
        industry=None if industry == "-" else industry,
        website=None if website == "-" else f"https://{website}",
    )


INSTRUMENTS: dict[str, Instrument] = {
    instrument.symbol: instrument for instrument in map(_read, _TABLE.strip().splitlines())
}
COMPANIES = tuple(instrument for instrument in INSTRUMENTS.values() if instrument.sector)


def instrument_of(symbol: str) -> Instrument | None:
    """The instrument behind `symbol`: one of the table, or a synthetic one for S0000 to S9999."""
    if SYNTHETIC.fullmatch(symbol):
        return synthetic(int(symbol[1:]))
    return INSTRUMENTS.get(symbol)


def synthetic(number: int) -> Instrument:
    """The instrument of this number, below `SYNTHETIC_COUNT`."""
    return Instrument(
        symbol=f"S{number:04}",
        name=f"Synthetic {number:04}",
        exchange="Simulated",
        currency="USD",
        # 37 shares no factor with either modulus: neighbours get prices and volatilities that look unrelated.
        first_price=10.0 + number * 37 % 490,
        digits=2,
        volatility_percent=15.0 + number * 37 % 40,
        daily_volume=1e6,
        quarterly_dividend=None,
        sector="Synthetic",
        industry=None,
        website=None,
    )
