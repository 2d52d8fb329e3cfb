import traceback
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from meterbot.app.config import ConfigError, load
from meterbot.app.config.loading import find, load_database_url, load_text
from meterbot.app.config.seats import ClaudeAiSeat
from meterbot.app.config.types import Bind
from meterbot.core import secret
from meterbot.core.models import EventKind, Seat
from meterbot.core.money import Money
from meterbot.rules.settings import Threshold
from tests.app.config.writing import (
    ANA,
    APP_TOKEN,
    BOT_TOKEN,
    DISCORD_TOKEN,
    ENVIRON,
    SECRETS,
    SESSION_KEY,
    SIGNING_SECRET,
    loaded,
    only_seat,
    problems,
)

EVERYWHERE = Bind("", 5000)


def test_one_seat_is_a_configuration_and_the_rest_has_defaults() -> None:
    config = loaded(ANA)
    assert config.timezone == ZoneInfo("UTC")
    assert config.database_url.get_secret_value() == "sqlite:///meterbot.db"
    assert config.console_enabled
    assert config.http is None
    assert config.privacy.rows == "named"
    assert config.seat_list() == (Seat(name="ana", source="claude_ai", interval=60.0),)
    settings = config.rule_settings()
    assert [threshold.level for threshold in settings.thresholds if not threshold.default] == [
        "50%",
        "80%",
        "95%",
    ]
    assert settings.renewal_days == (3,)
    assert settings.source_grace == timedelta(minutes=30)
    assert settings.kinds == frozenset(EventKind) - {EventKind.SPEND_SPIKE, EventKind.WINDOW_RESET}


def test_everything_said_of_a_seat_arrives_but_its_secret() -> None:
    config = loaded(
        ANA
        + """
        organizations = ["00000000-0000-4000-8000-00000000000A"]
        plan = "max_20x"
        plan_price = "180.50"
        plan_currency = "eur"
        poll_interval = "2m"
        owner = { slack = "U0123", discord = 1234, github = "ana-b" }
        """
    )
    assert config.seat_list() == (
        Seat(
            name="ana",
            source="claude_ai",
            organizations=("00000000-0000-4000-8000-00000000000a",),
            plan="max_20x",
            plan_price=Money(Decimal(18050), "EUR", 2),
            owner={"slack": "U0123", "discord": "1234", "github": "ana-b"},
            interval=120.0,
        ),
    )
    key = only_seat(config, ClaudeAiSeat).session_key
    assert key.get_secret_value() == SESSION_KEY


@pytest.mark.parametrize(
    ("plan", "price"),
    [("pro", "$20.00"), ("max_5x", "$100.00"), ("max_20x", "$200.00"), ("free", "$0.00"), ("team", None)],
)
def test_a_plan_has_its_list_price_where_there_is_one(plan: str, price: str | None) -> None:
    held = loaded(f'{ANA}plan = "{plan}"').seats[0].price
    assert (held and str(held)) == price


def test_a_price_may_be_a_toml_number_and_stays_exact() -> None:
    assert loaded(f"{ANA}plan_price = 19.99").seats[0].price == Money(Decimal(1999), "USD", 2)


def test_what_is_watched_for_reaches_the_rules() -> None:
    settings = loaded(
        """
        timezone = "Europe/Berlin"
        [alerts]
        thresholds = ["80%", "$25.00"]
        renewal_days = [5]
        source_grace = "1h"
        cap_forecast = false
        spend_spike = true
        mute = ["window_full"]
        [[alerts.budgets]]
        amount = "500.00"
        currency = "EUR"
        thresholds = ["100%"]
        """
        + ANA
    ).rule_settings()
    hundred = Threshold(percent=Decimal(100))
    assert [threshold.level for threshold in settings.thresholds] == ["80%", "25.00 USD"]
    assert settings.renewal_days == (5,)
    assert settings.source_grace == timedelta(hours=1)
    assert settings.timezone == ZoneInfo("Europe/Berlin")
    assert settings.kinds == frozenset(EventKind) - {
        EventKind.WINDOW_FULL,
        EventKind.WINDOW_RESET,
        EventKind.CAP_FORECAST,
    }
    assert [(budget.amount, budget.thresholds) for budget in settings.budgets] == [
        (Money(Decimal(50000), "EUR", 2), (hundred,))
    ]


# Where it is found


def written(path: Path, zone: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f'timezone = "{zone}"\n{ANA}')
    return path


def test_the_places_are_tried_in_order(tmp_path: Path) -> None:
    written(tmp_path / "named.toml", "Asia/Tokyo")
    written(tmp_path / "variable.toml", "Asia/Seoul")
    here = written(tmp_path / "config.toml", "Asia/Dhaka")
    own = written(tmp_path / "xdg/meterbot/config.toml", "Asia/Kabul")
    everything = {
        **ENVIRON,
        "METERBOT_CONFIG": "variable.toml",
        "METERBOT_CONFIG_TOML": f'timezone = "Asia/Hanoi"\n{ANA}'.replace("Hanoi", "Bangkok"),
        "XDG_CONFIG_HOME": str(own.parent.parent),
    }

    def zone(path_arg: str | None = None) -> str:
        return str(load(path_arg, everything, tmp_path).timezone)

    assert zone("named.toml") == "Asia/Tokyo"
    assert zone() == "Asia/Seoul"
    del everything["METERBOT_CONFIG"]
    assert zone() == "Asia/Bangkok"
    del everything["METERBOT_CONFIG_TOML"]
    assert zone() == "Asia/Dhaka"
    here.unlink()
    assert zone() == "Asia/Kabul"


def test_without_xdg_the_home_directory_is_looked_in(tmp_path: Path) -> None:
    own = written(tmp_path / ".config/meterbot/config.toml", "Asia/Kabul")
    assert find(None, {"HOME": str(tmp_path)}, tmp_path / "elsewhere").path == own


def test_a_named_file_that_is_not_there_is_not_replaced_by_another(tmp_path: Path) -> None:
    written(tmp_path / "config.toml", "UTC")
    for path_arg, environ in (("gone.toml", {}), (None, {"METERBOT_CONFIG": "gone.toml"})):
        with pytest.raises(ConfigError, match=r"^gone\.toml: cannot be read: No such file or directory$"):
            load(path_arg, environ, tmp_path)


def test_no_configuration_at_all_says_where_it_was_looked_for(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"--config or METERBOT_CONFIG \(neither config\.toml nor .*exists"):
        load(None, {"HOME": str(tmp_path)}, tmp_path)


def test_a_file_that_is_not_text_is_a_problem(tmp_path: Path) -> None:
    (tmp_path / "config.toml").write_bytes(b"timezone = \xff")
    with pytest.raises(ConfigError, match=r"^config\.toml: is not UTF-8 text \(byte 12\)$"):
        load(None, {}, tmp_path)


def test_a_byte_order_mark_is_no_problem(tmp_path: Path) -> None:
    (tmp_path / "config.toml").write_bytes(b"\xef\xbb\xbf" + ANA.encode())
    assert load(None, ENVIRON, tmp_path).seats[0].name == "ana"


# What is wrong


def test_a_problem_has_file_line_and_column(tmp_path: Path) -> None:
    (tmp_path / "team.toml").write_text(
        f'{ANA}{ANA.replace("ana", "bo")}{ANA.replace("ana", "cy")}  plan_price = "abc"'
    )
    with pytest.raises(ConfigError) as caught:
        load("team.toml", ENVIRON, tmp_path)
    assert str(caught.value) == (
        'team.toml:16:3 seats[2].plan_price: must be an amount like "50.00", got "abc"'
    )


def test_every_problem_is_reported_at_once_in_the_order_of_the_file() -> None:
    assert problems(
        """timezone = "Europe/Berlim"
poll_interval = "1s"
[slack]
channel = "#general"
[discord]
guild_id = 1
[alerts]
thresholds = ["50%", "half", "800%"]
[[seats]]
name = "Ana"
source = "claude-ai"
[[seats]]
source = "claude_ai"
session_key_env = "BO_KEY"
plan_price = -1
[privcy]
rows = "self"
""",
        {},
    ) == [
        '1:1 timezone: must be an IANA time zone like "Europe/Berlin", got "Europe/Berlim"; did you mean "Europe/Berlin"?',
        '2:1 poll_interval: must be at least "10s": claude.ai refuses more frequent requests, got "1s"',
        (
            "3:2 slack.bot_token: is missing: the environment variable SLACK_BOT_TOKEN is not set, and there is none of"
            " bot_token_env, bot_token_file"
        ),
        (
            "3:2 slack.app_token: is missing: the environment variable SLACK_APP_TOKEN is not set, and there is none of"
            " app_token_env, app_token_file"
        ),
        '4:1 slack.channel: must be the id of a channel, like "C0123456789" (at the end of its details), got "#general"',
        "5:2 discord.channel_id: is missing",
        (
            "5:2 discord.bot_token: is missing: the environment variable DISCORD_TOKEN is not set, and there is none of"
            " bot_token_env, bot_token_file"
        ),
        '8:22 alerts.thresholds[1]: must be a percentage like "80%" or an amount like "$25.00" or "25.00 EUR", got "half"',
        '8:30 alerts.thresholds[2]: must be at most 100% of a seat\'s cap, where it is blocked (a budget may have more), got "800%"',
        '10:1 seats[0].name: must be 1 to 64 of a-z, 0-9, dot, underscore and hyphen, got "Ana"',
        (
            '11:1 seats[0].source: must be one of "claude_ai", "claude_code", "admin_api", "push", got "claude-ai";'
            ' did you mean "claude_ai"?'
        ),
        "12:3 seats[1].name: is missing",
        "14:1 seats[1].session_key_env: the environment variable BO_KEY is not set",
        '15:1 seats[1].plan_price: must be an amount like "50.00", got -1',
        '16:2 privcy: is not a known key; did you mean "privacy"?',
    ]


def test_where_people_can_be_invited_no_seat_is_needed() -> None:
    for seats in ("", "seats = []\n"):
        text = f'{seats}[http]\npublic_url = "https://meterbot.example.com"\n'
        assert load_text(text, "config.toml", {}, Path()).seat_list() == ()


def test_a_one_line_comment_explains_the_lost_line_breaks() -> None:
    lost = f"# mine\n{ANA}".replace("\n", " ")
    with pytest.raises(ConfigError) as caught:
        load(None, {**ENVIRON, "METERBOT_CONFIG_TOML": lost}, Path())
    assert str(caught.value) == (
        "METERBOT_CONFIG_TOML: is a single line that starts with #, so all of it is a comment. "
        'Set the variable with its line breaks: METERBOT_CONFIG_TOML="$(cat config.toml)"'
    )


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "[::1]"])
def test_machines_reach_a_bot_on_their_own_machine_over_http(host: str) -> None:
    http = loaded(f'[http]\npublic_url = "http://{host}:8080/"\n{ANA}').http
    assert http is not None
    assert http.public_url == f"http://{host}:8080"


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("seats = []", "1:1 seats: is empty: add a [[seats]] table for each person, or [http] with a public_url to invite them"),
        ('timezone = "UTC"', "1:1 seats: is missing: add a [[seats]] table for each person, or [http] with a public_url to invite them"),
        ('seats = { name = "ana" }', "1:1 seats: must be tables, each under [[seats]], got a table"),
        ("slack = 5\n" + ANA, "1:1 slack: must be a table, got 5"),
        ("timezone = 1\n" + ANA, '1:1 timezone: must be an IANA time zone like "Europe/Berlin", got 1'),
        (
            '[alerts.quiet]\nstart = "07:00"\nend = "07:00"\n' + ANA,
            '3:1 alerts.quiet.end: must differ from start, got "07:00". For whole days, remove start and end and set days = ["sat", "sun"]',
        ),
        (
            '[alerts]\nthresholds = ["$99999999999999999999999999.00"]\n' + ANA,
            "2:15 alerts.thresholds[0]: is too large: use a smaller amount",
        ),
        ('timezone = "localtime"\n' + ANA, '1:1 timezone: must be an IANA time zone like "Europe/Berlin", got "localtime"'),
        (
            'timezone = "right/UTC"\n' + ANA,
            '1:1 timezone: must be an IANA time zone like "Europe/Berlin", got "right/UTC"; did you mean "Etc/UTC"?',
        ),
        ('timezone = "../etc"\n' + ANA, '1:1 timezone: must be an IANA time zone like "Europe/Berlin", got "../etc"'),
        ("poll_interval = 60\n" + ANA, '1:1 poll_interval: must be a time like "60s", "15m", "1h" or "2d", got 60'),
        ('poll_interval = "0s"\n' + ANA, '1:1 poll_interval: must be a time like "60s", "15m", "1h" or "2d", got "0s"'),
        ('poll_interval = "-60s"\n' + ANA, '1:1 poll_interval: must be a time like "60s", "15m", "1h" or "2d", got "-60s"'),
        ("[console]\nenabled = 1\n" + ANA, "2:1 console.enabled: must be true or false, got 1"),
        ('[alerts]\nthresholds = "80%"\n' + ANA, '2:1 alerts.thresholds: must be a list in square brackets, got "80%"'),
        ("[alerts]\nrenewal_days = [true]\n" + ANA, "2:17 alerts.renewal_days[0]: must be a number from 0 to 365, got true"),
        ('[[alerts.budgets]]\namount = "0"\n' + ANA, '2:1 alerts.budgets[0].amount: must be more than 0, got "0"'),
        ("[[alerts.budgets]]\namount = nan\n" + ANA, '2:1 alerts.budgets[0].amount: must be an amount like "50.00", got NaN'),
        ('[[alerts.budgets]]\ncurrency = "USD"\n' + ANA, "1:10 alerts.budgets[0].amount: is missing"),
        (
            '[[alerts.budgets]]\namount = "10.50"\ncurrency = "JPY"\n' + ANA,
            '2:1 alerts.budgets[0].amount: must have at most 0 decimals in JPY, got "10.50"',
        ),
        ('[storage]\nkeep_changes = "3d"\n' + ANA, '2:1 storage.keep_changes: must be at least 14 days, got "3d"'),
        (
            '[storage]\nkeep_changes = "400d"\n' + ANA,
            '2:1 storage.keep_changes: must not be longer than keep_hours, which is 365 days by default, got "400d"',
        ),
        ('[http]\nbind = "8080"\n' + ANA, '2:1 http.bind: must be "host:port", like "127.0.0.1:8080", got "8080"'),
        ('[http]\nbind = "x:65536"\n' + ANA, '2:1 http.bind: must be "host:port", like "127.0.0.1:8080", got "x:65536"'),
        (
            '[endpoints]\nclaude_ai = "claude.ai"\n' + ANA,
            '2:1 endpoints.claude_ai: must be an address like "https://relay.example", without a user, got "claude.ai"',
        ),
        (
            '[endpoints]\nclaude_ai = "https://h:port"\n' + ANA,
            ('2:1 endpoints.claude_ai: must be an address like "https://relay.example", without a user,'
            ' got "https://h:port"'),
        ),
        ("[alerts]\nrenewal_days = [366]\n" + ANA, "2:17 alerts.renewal_days[0]: must be a number from 0 to 365, got 366"),
        (
            '[http]\npublic_url = "http://bot.example.com"\n' + ANA,
            "2:1 http.public_url: must begin with https://, because over http anyone on the way could read the token",
        ),
        (
            '[http]\npublic_url = "https://bot.example.com/a b"\n' + ANA,
            "2:1 http.public_url: must be a plain address like https://meterbot.example.com",
        ),
        (
            '[http]\ntrusted_proxies = ["proxy"]\n' + ANA,
            '2:20 http.trusted_proxies[0]: must be an address or a network, like "127.0.0.1" or "10.0.0.0/8", got "proxy"',
        ),
        ('[alerts]\nmute = ["spend_spik"]\n' + ANA, 'got "spend_spik"; did you mean "spend_spike"?'),
        ("[alerts]\nliving = true\n" + ANA, "2:1 alerts.living: is not a known key"),
        (ANA + ANA, "8:1 seats[1].name: is already the name of seats[0]"),
        (ANA + 'organizations = ["mine"]', '6:18 seats[0].organizations[0]: must be the UUID of an organization, got "mine"'),
        (ANA + 'owner = { slak = "U1" }', '6:11 seats[0].owner.slak: is not a known key; did you mean "slack"?'),
        (ANA + 'session_keyenv = "X"', '6:1 seats[0].session_keyenv: is not a known key; did you mean "session_key_env"?'),
        (ANA + 'session_key_file = "x"', "6:1 seats[0].session_key_file: is set together with session_key_env: keep one of the two"),
        (ANA + 'token_env = "X"', "6:1 seats[0].token_env: is not for claude_ai seats"),
        (ANA + 'poll_interval = "5s"', '6:1 seats[0].poll_interval: must be at least "10s": claude.ai refuses more frequent requests, got "5s"'),
        (
            ANA + 'plan = "max20x"',
            ('6:1 seats[0].plan: must be one of "free", "pro", "max_5x", "max_20x", "team", "team_premium", "enterprise",'
            ' or come with a plan_price, got "max20x"; did you mean "max_20x"?'),
        ),
        (ANA.replace('"ANA_SESSION_KEY"', "5"), "5:1 seats[0].session_key_env: must be a text in quotes"),
        (
            '[[seats]]\nname = "ana"\nsource = "claude_ai"\n',
            "1:3 seats[0].session_key: is missing: there is none of session_key_env, session_key_file",
        ),
        (
            '[slack]\nchannel = "C01"\nmode = "http"\n' + ANA,
            "3:1 slack.mode: needs a listener that Slack can reach: add [http] with a bind, or set PORT",
        ),
        ('"odd key" = 1\n' + ANA, '1:1 "odd key": is not a known key'),
        ("timezone = \n", "1:12: is not TOML: the value of timezone is missing"),
        ("console = 1\nconsole = 2\n", "2:1: is not TOML: console is set twice, first on line 1: delete one of them"),
        ("a = " + "[" * 500 + "]" * 500, "is nested too deeply"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_said_with_what_is_there(text: str, problem: str) -> None:
    assert any(problem in found for found in problems(text))


@pytest.mark.parametrize(
    "number", ["1" * 5000, "1_" * 5000 + "1", "0x" + "f" * 5000, "1e99999999999999999999"], ids=len
)
def test_a_number_that_python_cannot_read_or_write_has_a_line_and_a_column(number: str) -> None:
    before = f"# {number}\ntimezone = '{number}'\n"
    for value in (number, f"-{number}"):
        (said,) = problems(f"{before}port = {value}\n")
        assert said == "3:8: is a number that is too large"
    (said,) = problems(f'{before}port = ["{number}", {number}]\n')
    assert said == f"3:{len(number) + 13}: is a number that is too large"


def test_one_mistake_is_one_problem() -> None:
    assert len(problems(ANA + 'poll_interval = "soon"')) == 1
    assert len(problems('[slack]\nchannel = "C01"\nbot_token_env = "NOT_SET"\n' + ANA)) == 1


def test_an_interval_for_a_relay_may_be_short() -> None:
    text = f'poll_interval = "1s"\n[endpoints]\nclaude_ai = "http://127.0.0.1:1/"\n{ANA}'
    assert loaded(text).seat_list()[0].interval == 1.0
    assert loaded(text).endpoints.claude_ai == "http://127.0.0.1:1"


def test_a_plan_without_a_list_price_may_have_any_name_and_a_price_of_its_own() -> None:
    assert str(loaded(f'{ANA}plan = "max_40x"\nplan_price = "400"').seats[0].price) == "$400.00"


# The environment


def test_the_environment_says_where_the_database_is_and_what_to_listen_on() -> None:
    text = f'database_url = "sqlite:///file.db"\n[http]\nbind = "127.0.0.1:1"\n{ANA}'
    config = loaded(text, {**ENVIRON, "DATABASE_URL": "postgres://u:p@h/d", "PORT": "5000"})
    assert config.database_url.get_secret_value() == "postgres://u:p@h/d"
    assert config.http is not None
    assert config.http.addresses == (EVERYWHERE, Bind("127.0.0.1", 1))
    config = loaded(text)
    assert config.database_url.get_secret_value() == "sqlite:///file.db"
    assert config.http is not None
    assert config.http.addresses == (Bind("127.0.0.1", 1),)


def test_one_port_is_listened_on_once() -> None:
    http = loaded(f'[http]\nbind = "127.0.0.1:5000"\nport = 1\n{ANA}', {**ENVIRON, "PORT": "5000"}).http
    assert http is not None
    assert http.addresses == (EVERYWHERE,)


def test_a_port_is_enough_to_listen() -> None:
    http = loaded(ANA, {**ENVIRON, "PORT": "5000"}).http
    assert http is not None
    assert http.addresses == (EVERYWHERE,)


def test_what_the_environment_says_wrong_is_reported_as_its_own() -> None:
    assert problems(ANA, {**ENVIRON, "DATABASE_URL": "mysql://u:hunter22@h/d", "PORT": "http"}) == [
        'environment PORT: must be a port number, like "8080", got "http"',
        'environment DATABASE_URL: must be like "sqlite:///meterbot.db" or "postgresql://user@host/name"',
    ]
    assert problems(ANA, {**ENVIRON, "PORT": "65536"}) == [
        'environment PORT: must be a port number, like "8080", got "65536"'
    ]


def test_a_threshold_that_is_written_twice_is_reported_once() -> None:
    text = f"""
        [alerts]
        thresholds = ["80%", "$25", "80.0%", "25.00 USD", "50%"]
        [[alerts.budgets]]
        amount = "100"
        thresholds = ["90%", "90%"]
        {ANA}"""
    settings = loaded(text).rule_settings()
    assert [threshold.level for threshold in settings.thresholds] == ["80%", "25.00 USD", "50%"]
    assert [threshold.level for threshold in settings.budgets[0].thresholds] == ["90%"]


def test_a_seat_that_nobody_could_ask_for_is_refused() -> None:
    for word in ("team", "me", "default", "share"):
        assert problems(ANA.replace('"ana"', f'"{word}"')) == [
            f'3:1 seats[0].name: cannot be "{word}", which is a word of /claude-spend: choose another name'
        ]
    for dots in (".", "..", "-_."):
        assert problems(ANA.replace('"ana"', f'"{dots}"')) == [
            f'3:1 seats[0].name: must contain a letter or a digit, got "{dots}"'
        ]


def test_a_currency_has_one_budget() -> None:
    budget = '[[alerts.budgets]]\namount = "5"\n'
    assert len(loaded(f'{budget}{budget}currency = "EUR"\n{ANA}').rule_settings().budgets) == 2
    assert problems(f"{budget}{budget}{ANA}") == [
        "1:10 alerts.budgets: has 2 budgets in USD: keep one per currency"
    ]


def test_the_database_alone_needs_no_file(tmp_path: Path) -> None:
    assert (
        load_database_url(None, {"DATABASE_URL": "postgres://h/d"}, tmp_path).get_secret_value()
        == "postgres://h/d"
    )
    with pytest.raises(ConfigError, match=r"^environment DATABASE_URL: must be like"):
        load_database_url(None, {"DATABASE_URL": "nonsense"}, tmp_path)
    written(tmp_path / "config.toml", "UTC")
    assert load_database_url(None, ENVIRON, tmp_path).get_secret_value() == "sqlite:///meterbot.db"


@pytest.mark.parametrize("url", ["sqlite://", "sqlite:///:memory:", "postgresql://h:port/d", "", "x"])
def test_a_database_that_cannot_be_kept_or_read_is_refused(url: str) -> None:
    (problem,) = problems(f'database_url = "{url}"\n{ANA}')
    assert problem.startswith("1:1 database_url: must ")


# Chats


def test_platforms_find_their_tokens_in_their_usual_variables() -> None:
    config = loaded(f'[slack]\nchannel = "C01"\n[discord]\nguild_id = 1\nchannel_id = "2"\n{ANA}')
    assert config.slack is not None
    assert config.slack.app_token is not None
    assert config.discord is not None
    assert config.slack.bot_token.get_secret_value() == BOT_TOKEN
    assert config.slack.app_token.get_secret_value() == APP_TOKEN
    assert config.discord.bot_token.get_secret_value() == DISCORD_TOKEN
    assert config.discord.channel_id == 2
    assert not config.console_enabled


def test_slack_over_http_needs_a_signing_secret_and_no_app_token() -> None:
    text = f'[slack]\nchannel = "C01"\nmode = "http"\n[http]\n{ANA}'
    environ = {key: value for key, value in ENVIRON.items() if key != "SLACK_APP_TOKEN"}
    slack = loaded(text, environ).slack
    assert slack is not None
    assert slack.signing_secret is not None
    assert slack.signing_secret.get_secret_value() == SIGNING_SECRET
    del environ["SLACK_SIGNING_SECRET"]
    (problem,) = problems(text, environ)
    assert problem.startswith(
        "1:2 slack.signing_secret: is missing: the environment variable SLACK_SIGNING_SECRET"
    )


def test_discord_s_command_may_be_on_every_server() -> None:
    config = loaded(f"[discord]\nchannel_id = 2\n{ANA}")
    assert config.discord is not None
    assert config.discord.guild_id is None


@pytest.mark.parametrize(
    ("text", "enabled"), [("", True), ("[console]\n", True), ("[console]\nenabled = false\n", False)]
)
def test_the_console_is_on_unless_something_else_is(text: str, *, enabled: bool) -> None:
    assert loaded(text + ANA).console_enabled is enabled
    assert loaded(f"{text}[discord]\nguild_id = 1\nchannel_id = 2\n{ANA}").console_enabled is (
        enabled and text != ""
    )


# Secrets


def shown(text: str, environ: dict[str, str], cwd: Path = Path("/nowhere")) -> str:
    """Everything a person or a log could get to see of loading this."""
    try:
        config = loaded(text, environ, cwd)
    except ConfigError as error:
        return (
            "".join(traceback.format_exception(error))
            + repr(error)
            + repr(error.problems)
            + repr(error.__context__)
        )
    return repr(config) + str(config) + repr(config.model_dump(warnings=False)) + repr(config.seat_list())


def test_no_secret_is_shown_by_a_configuration() -> None:
    text = f'[slack]\nchannel = "C01"\n[discord]\nguild_id = 1\nchannel_id = 2\n{ANA}'
    seen = shown(text, {**ENVIRON, "DATABASE_URL": "postgres://u:planted-password@h/d"})
    assert "channel='C01'" in seen
    assert not [planted for planted in (*SECRETS, "planted-password") if planted in seen]


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        (
            f'[[seats]]\nname = "ana"\nsource = "claude_ai"\nsession_key = "{SESSION_KEY}"',
            "a secret is never written",
        ),
        (f'[slack]\nchannel = "C01"\nbot_token = "{BOT_TOKEN}"\n{ANA}', "a secret is never written"),
        (f'[discord]\nguild_id = 1\nchannel_id = 2\ntoken = "{DISCORD_TOKEN}"\n{ANA}', "holds a secret"),
        (
            f'[[seats]]\nname = "ana"\nsource = "claude_ai"\nsession_key_env = "{SESSION_KEY}"',
            "holds a secret",
        ),
        (
            f'[[seats]]\nname = "ana"\nsource = "claude_ai"\nsession_key_file = "{SESSION_KEY}"',
            "holds a secret",
        ),
        (
            f'[slack]\nchannel = "C01"\nmode = "http"\nsigning_secret_env = "{SIGNING_SECRET}"\n[http]\n{ANA}',
            "is not set",
        ),
        (f'[slack]\nchannel = "{SIGNING_SECRET}"\n{ANA}', "id of a channel"),
        (f'timezone = "{SESSION_KEY}"\n{ANA}', "holds a secret, which is never written in this file"),
        (
            f'[[seats]]\nname = "ana"\nsource = "push"\nsession_key = "{SESSION_KEY}"',
            "name its variable with session_key_env, or its file with session_key_file",
        ),
        (f'{ANA}organizations = ["{SESSION_KEY}"]', "holds a secret"),
        (f'{ANA}owner = {{ slack = "{APP_TOKEN}" }}', "holds a secret"),
        (f'"{SESSION_KEY}" = 1\n{ANA}', "is not a known key"),
        (f"{SESSION_KEY}\n{ANA}", "is not TOML"),
        (f'a = "{SESSION_KEY}\n', "is not TOML"),
        (f'database_url = "mysql://u:{SIGNING_SECRET}@h/d"\n{ANA}', "must be like"),
    ],
)
def test_a_secret_in_the_wrong_place_is_refused_and_not_repeated(text: str, sentence: str) -> None:
    assert any(sentence in problem for problem in problems(text))
    seen = shown(text, ENVIRON)
    assert not [planted for planted in SECRETS if planted in seen]


@given(
    st.sampled_from(SECRETS),
    st.sampled_from(["timezone", "poll_interval", "seats", "slack", "x", "privacy.rows"]),
)
def test_no_key_repeats_a_secret_that_was_fetched(planted: str, key: str) -> None:
    text = f'{key} = "{planted}"\n'
    secret.remember(planted)
    assert planted not in shown(text, ENVIRON)


def test_secrets_come_from_files_beside_the_configuration(tmp_path: Path) -> None:
    (tmp_path / "team").mkdir()
    (tmp_path / "team/key").write_text(SESSION_KEY + "\r\n")
    text = ANA.replace('session_key_env = "ANA_SESSION_KEY"', 'session_key_file = "key"')
    (tmp_path / "team/config.toml").write_text(text)
    key = only_seat(load("team/config.toml", {}, tmp_path), ClaudeAiSeat).session_key
    assert key.get_secret_value() == SESSION_KEY


def test_a_byte_order_mark_is_no_part_of_a_secret(tmp_path: Path) -> None:
    (tmp_path / "key").write_bytes(b"\xef\xbb\xbf" + SESSION_KEY.encode() + b"\r\n")
    text = ANA.replace('session_key_env = "ANA_SESSION_KEY"', 'session_key_file = "key"')
    key = only_seat(loaded(text, {}, tmp_path), ClaudeAiSeat).session_key
    assert (key.get_secret_value(), key.file) == (SESSION_KEY, tmp_path / "key")


def test_the_environment_may_name_the_file_of_any_usual_secret(tmp_path: Path) -> None:
    (tmp_path / "token").write_text(DISCORD_TOKEN)
    environ = {"ANA_SESSION_KEY": SESSION_KEY, "DISCORD_TOKEN_FILE": "token"}
    config = loaded(f"[discord]\nchannel_id = 2\n{ANA}", environ, tmp_path)
    assert config.discord is not None
    assert config.discord.bot_token.get_secret_value() == DISCORD_TOKEN


def test_systemds_credentials_are_tried_by_name_and_unasked(tmp_path: Path) -> None:
    (tmp_path / "anas-key").write_text(SESSION_KEY)
    (tmp_path / "bo.session_key").write_text(SESSION_KEY + "-bo")
    (tmp_path / "discord.bot_token").write_text(DISCORD_TOKEN)
    text = """
        [discord]
        guild_id = 1
        channel_id = 2
        [[seats]]
        name = "ana"
        source = "claude_ai"
        session_key_file = "anas-key"
        [[seats]]
        name = "bo"
        source = "claude_ai"
        """
    config = loaded(text, {"CREDENTIALS_DIRECTORY": str(tmp_path)})
    keys = [seat.session_key.get_secret_value() for seat in config.seats if isinstance(seat, ClaudeAiSeat)]
    assert keys == [SESSION_KEY, SESSION_KEY + "-bo"]
    assert config.discord is not None
    assert config.discord.bot_token.get_secret_value() == DISCORD_TOKEN


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (None, "the file it names cannot be read: No such file or directory"),
        (b"", "the file it names is empty"),
        (b"\n", "the file it names is empty"),
        (b"\xff\xfe", "the file it names is not text"),
        (b"two words", "the file it names has a space, a line break or an unusual character in it"),
        (b"two\nlines", "the file it names has a space, a line break or an unusual character in it"),
    ],
)
def test_a_secret_that_cannot_be_used_is_fatal(tmp_path: Path, content: bytes | None, problem: str) -> None:
    if content is not None:
        (tmp_path / "key").write_bytes(content)
    text = ANA.replace('session_key_env = "ANA_SESSION_KEY"', 'session_key_file = "key"')
    assert problems(text, {}, tmp_path) == [f"5:1 seats[0].session_key_file: {problem}"]


@pytest.mark.parametrize(
    ("value", "problem"),
    [("", "is empty"), ("a b", "has a space, a line break or an unusual character in it")],
)
def test_a_variable_that_cannot_be_used_is_fatal(value: str, problem: str) -> None:
    assert problems(ANA, {"ANA_SESSION_KEY": value}) == [
        f"5:1 seats[0].session_key_env: the environment variable ANA_SESSION_KEY {problem}"
    ]


def test_a_token_with_a_line_break_is_reported_by_its_variable() -> None:
    (problem,) = problems(
        f"[discord]\nguild_id = 1\nchannel_id = 2\n{ANA}", {**ENVIRON, "DISCORD_TOKEN": "a\nb"}
    )
    assert problem == (
        "1:2 discord.bot_token: the environment variable DISCORD_TOKEN has a space, a line break or an unusual"
        " character in it"
    )


def test_a_loaded_secret_is_hidden_from_then_on() -> None:
    loaded(
        f"[discord]\nguild_id = 1\nchannel_id = 2\n{ANA}", {**ENVIRON, "DISCORD_TOKEN": "like-no-known-shape"}
    )
    assert secret.hide("token like-no-known-shape!") == "token [hidden]!"
