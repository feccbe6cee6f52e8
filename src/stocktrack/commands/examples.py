"""Two examples of each command, as its help shows them, and the groups in which the main help lists the commands."""

from collections.abc import Mapping, Sequence

Example = tuple[str, str]  # a command line without `stocktrack`, and what it does

GROUPS: Sequence[tuple[str, Sequence[str]]] = (
    ("Prices", ("watch", "get", "chart", "history", "client", "demo")),
    ("About a symbol", ("search", "news", "info", "dividends")),
    ("What is yours", ("stocks", "lists", "holdings", "lots", "alert", "say")),
    ("Logins", ("login", "logout", "password", "token", "tokens", "revoke")),
    ("Servers", ("serve", "users", "config", "db", "feed", "sources")),
    ("For administrators", ("sessions", "accounts", "kick", "announce", "mute")),
    ("Other programs", ("record", "replay", "publish", "protocol")),
    ("Help", ("help",)),
)

EXAMPLES: Mapping[str, Sequence[Example]] = {
    "": (
        ("watch AAPL TSLA", "a live board"),
        ("demo", "the same on a simulated market, without a server"),
        ("help get", "what one command takes"),
    ),
    "help": (("help get", "what `get` takes"), ("help users add", "the same of a command in a group")),
    "serve": (
        ("serve", "Yahoo's prices for this machine; users come by `stocktrack users add NAME`"),
        ("serve --provider simulated --port 7000 --no-web", "an invented market at another port"),
    ),
    "demo": (("demo", "an invented market, until you leave"), ("demo --seconds 60", "for a minute")),
    "feed": (
        ("feed --redis-url redis://10.0.0.5", "ask Yahoo once for any number of servers"),
        ("feed --provider finnhub --metrics-port 9100", "another source, and how it is"),
    ),
    "client": (
        ("client", "the server of this machine"),
        ("client --host quotes.example.org --tls --user ann", "another one, encrypted"),
    ),
    "get": (
        ("get AAPL EURUSD=X", "a table"),
        ("get AAPL --format csv --header --fields symbol,price", "for a spreadsheet"),
        ("get AAPL VOD.L --format beancount", "for your books"),
    ),
    "watch": (
        ("watch AAPL TSLA", "a live board on a terminal"),
        ("watch AAPL --json | jq .price", "a JSON document for each price"),
    ),
    "stocks": (
        ("stocks --add NVDA,AMD --list tech", "add to the list tech, then print it"),
        ("stocks --format csv --header", "your main list for a spreadsheet"),
    ),
    "news": (("news 5", "five headlines of the market"), ("news AAPL --limit 3", "three of one symbol")),
    "info": (("info AAPL", "the company"), ("info AAPL --json", "the same as JSON")),
    "dividends": (
        ("dividends AAPL MSFT", "of two companies"),
        ("dividends KO --limit 20 --format csv --header", "the last twenty for a spreadsheet"),
    ),
    "search": (("search apple", "by a name"), ("search nifty --segment FO --limit 20", "contracts alone")),
    "sources": (("sources", "how each source is"), ("sources --json", "for a monitor")),
    "history": (
        ("history AAPL --range 1y --csv", "a year for a spreadsheet"),
        ("history AAPL --start 2024-01-01 --end 2024-02-01 --interval 1d", "a month of days"),
    ),
    "chart": (("chart AAPL", "today"), ("chart AAPL --range 1y --candles", "a year as candles")),
    "holdings": (("holdings", "what you own"), ("holdings --currency EUR --csv", "in euros for a spreadsheet")),
    "lots add": (
        ("lots add AAPL 10 @ 146 --fee 1", "ten shares at 146 each"),
        ("lots add AAPL -5 @ 180", "five of them sold"),
    ),
    "lots list": (("lots list", "all lots"), ("lots list --group pension --csv", "those of a group, as CSV")),
    "lots remove": (("lots remove l3", "one lot"), ("lots remove l3 l4", "several")),
    "lots import": (
        ("lots import ~/.ticker.yaml", "what `ticker` knows"),
        ("lots import ~/.ticker.yaml --watchlist", "its watch lists, too"),
    ),
    "login": (
        ("login", "asks for name and password once; then no command does"),
        ("login --user ann --password-stdin < secret", "from a script"),
    ),
    "logout": (("logout", "forget the stored token"), ("logout --port 7000", "that of another server")),
    "token": (
        ("token --name laptop --days 90", "for a program of yours"),
        ("token --scope read", "one that changes nothing"),
    ),
    "tokens": (("tokens", "those that are valid"), ("tokens --json", "the same as JSON")),
    "revoke": (("revoke k2", "one token"), ("revoke --all", "all of them")),
    "password": (
        ("password", "asks for the old one and the new one"),
        ("password --password-stdin < two-lines", "from a script"),
    ),
    "say": (('say "What a day!"', "to all"), ('say "Sold." --symbol AAPL', "to those who watch AAPL")),
    "sessions": (("sessions", "who is connected"), ("sessions --json", "the same as JSON")),
    "accounts": (("accounts", "who may log in, and who is there"), ("accounts --format csv", "for a spreadsheet")),
    "kick": (("kick s7", "end one session"), ("kick --all-of ann", "end all of a user")),
    "announce": (
        ('announce "Restart at 18:00."', "tell everybody"),
        ('announce "Back again." --port 7000', "at another server"),
    ),
    "mute": (("mute ann", "for an hour"), ("mute ann --minutes 0", "let ann talk again")),
    "publish": (
        ("publish AAPL TSLA --to redis://localhost:6379", "from your server to Redis"),
        ("publish AAPL --provider yahoo --to file:///tmp/ticks.csv", "from Yahoo to a file, without a server"),
    ),
    "record": (
        ("record AAPL TSLA --out ticks.csv", "every change that the server pushes"),
        ("record --symbols-file mine.txt --out ticks.parquet --rotate day", "what a file lists; a file a day"),
        ("record AAPL --from provider --provider yahoo --out ticks.jsonl", "from the sources, without a server"),
    ),
    "replay": (("replay ticks.csv --summary", "what is in it"), ("replay ticks.csv --json", "the same as JSON")),
    "protocol": (("protocol", "the commands"), ("protocol --schema", "the JSON Schema of all messages")),
    "config show": (("config show", "every setting and where it comes from"), ("config show --json", "as JSON")),
    "config check": (
        ("config check", "those of this folder"),
        ("config check --config server.toml", "those of a file"),
    ),
    "alert add": (
        ("alert add AAPL above 280", "once"),
        ("alert add TSLA percent-within -3% --within 15m --repeat every", "each time it falls fast"),
    ),
    "alert list": (("alert list", "all of yours"), ("alert list AAPL --json", "those of a symbol, as JSON")),
    "alert remove": (("alert remove a7", "one alert"), ("alert remove a7 a8", "several")),
    "alert test": (("alert test", "try all targets"), ("alert test phone", "try one")),
    "lists": (("lists", "their names and lengths"), ("lists rename tech chips", "give one another name")),
    "lists rename": (("lists rename tech chips", "tech is called chips"), ("lists rename main core", "so is main")),
    "lists remove": (("lists remove chips", "with all that is in it"), ("lists remove chips crypto", "several")),
    "lists order": (("lists order crypto main", "these two first"), ("lists order chips", "one first")),
    "users add": (
        ("users add ann", "asks for the password"),
        ("users add root --admin --password-stdin < secret", "an administrator, from a script"),
    ),
    "users list": (("users list", "a table"), ("users list --json", "as JSON")),
    "users passwd": (
        ("users passwd ann", "asks for the new password"),
        ("users passwd ann --keep-tokens", "tokens go on"),
    ),
    "users remove": (
        ("users remove ann", "for good"),
        ("users remove ann --config server.toml", "elsewhere"),
    ),
    "users disable": (
        ("users disable ann", "until `stocktrack users enable ann`"),
        ("users disable ann --config server.toml", "elsewhere"),
    ),
    "users enable": (
        ("users enable ann", "let in again"),
        ("users enable ann --config server.toml", "elsewhere"),
    ),
    "users token": (
        ("users token ann --days 90 --name laptop", "for a program"),
        ("users token ann --scope read", "one that changes nothing"),
    ),
    "users tokens": (("users tokens ann", "those that are valid"), ("users tokens ann --json", "as JSON")),
    "users revoke": (("users revoke ann k2", "one token"), ("users revoke ann", "all, and every login")),
    "users admin": (("users admin ann on", "an administrator"), ("users admin ann off", "an ordinary user")),
    "db upgrade": (
        ("db upgrade", "of this machine's server"),
        ("db upgrade --config server.toml", "of that in a file"),
    ),
}
