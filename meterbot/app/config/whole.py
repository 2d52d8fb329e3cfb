"""The one `Config` that the tables make, and what the rooms of the bot are told of it."""

from collections.abc import Iterable
from datetime import UTC, datetime, time, timedelta
from typing import Annotated, Self
from zoneinfo import ZoneInfo

from pydantic import (
    PrivateAttr,
    SecretStr,
)

from meterbot.app.config.problems import Problem
from meterbot.app.config.seat import SeatConfig, SeatDigestConfig
from meterbot.app.config.surroundings import (
    EndpointsConfig,
    GithubConfig,
    HttpConfig,
    PushConfig,
    StorageConfig,
    WatchConfig,
)
from meterbot.app.config.table import Table, Unstrict
from meterbot.app.config.telling import (
    AlertsConfig,
    ConsoleConfig,
    DigestConfig,
    DiscordConfig,
    PrivacyConfig,
    QuietConfig,
    SlackConfig,
)
from meterbot.app.config.values import DatabaseUrl, Duration, SecretKeys, Zone
from meterbot.commands.digest import DigestReader, Schedule
from meterbot.core import money
from meterbot.core.deliveries import Destination
from meterbot.core.models import EventKind, Seat
from meterbot.core.privacy import Operators
from meterbot.delivery.redaction import Redaction
from meterbot.delivery.routing import Quiet, Route, RoutingSettings, Silence
from meterbot.rules.settings import Budget, RuleSettings

INTERVALS = dict.fromkeys(("push", "claude_code", "admin_api"), timedelta(minutes=15))
"""How often a seat is read, or expected to report, when it does not say; `claude_ai` has `poll_interval`."""


class Config(Table):
    """Everything meterbot was told, checked: the file's keys, and the secrets they point to."""

    timezone: Zone = ZoneInfo("UTC")
    poll_interval: Duration = timedelta(seconds=60)
    database_url: DatabaseUrl = SecretStr("sqlite:///meterbot.db")
    secret_key_env: str | None = None
    secret_key_file: str | None = None
    secret_key: SecretKeys = ()
    """What the stored session keys are encrypted with, the newest key first; empty where there is none."""
    slack: SlackConfig | None = None
    discord: DiscordConfig | None = None
    console: ConsoleConfig | None = None
    alerts: AlertsConfig = AlertsConfig()
    digest: DigestConfig | None = None
    privacy: PrivacyConfig = PrivacyConfig()
    storage: StorageConfig = StorageConfig()
    http: HttpConfig | None = None
    watch: WatchConfig = WatchConfig()
    push: PushConfig = PushConfig()
    github: GithubConfig | None = None
    endpoints: EndpointsConfig = EndpointsConfig()
    seats: Annotated[tuple[SeatConfig, ...], Unstrict]
    _old_keys: tuple[Problem, ...] = PrivateAttr(default=())

    def with_old_keys(self, old_keys: Iterable[Problem]) -> Self:
        self._old_keys = (*old_keys,)
        return self

    @property
    def old_keys(self) -> tuple[Problem, ...]:
        """Keys of the file that the next minor version refuses, in the order of the file."""
        return self._old_keys

    @property
    def console_enabled(self) -> bool:
        """As told; untold, when there is no other chat."""
        return self.console.enabled if self.console else self.slack is None and self.discord is None

    @property
    def push_approvers(self) -> dict[str, frozenset[str]] | None:
        """Platform → ids of those who may approve; None: nobody has to."""
        if not self.push.approval:
            return None
        return {platform: frozenset(map(str, ids)) for platform, ids in self.push.approvers}

    def operators(self) -> Operators:
        """Who sees every seat under its name."""
        listed = self.privacy.operators
        people = {
            "slack": frozenset(listed.slack),
            "discord": frozenset(map(str, listed.discord)),
            "console": frozenset([listed.console] if listed.console else []),
        }
        groups = {
            "slack": frozenset(listed.slack_groups),
            "discord": frozenset(map(str, listed.discord_roles)),
        }
        return Operators(people, groups)

    def interval(self, seat: SeatConfig) -> timedelta:
        """Between two reads of a seat, or two arrivals expected from it."""
        return seat.poll_interval or INTERVALS.get(seat.source, self.poll_interval)

    def seat_list(self) -> tuple[Seat, ...]:
        """The seats without their secrets, in the order of the file."""
        return tuple(
            Seat(
                name=seat.name,
                source=seat.source,
                organizations=seat.organizations,
                plan=seat.plan,
                plan_price=seat.price,
                owner={platform: str(who) for platform, who in seat.owner if who is not None},
                interval=self.interval(seat).total_seconds(),
                renews_on=seat.renews_on,
            )
            for seat in self.seats
        )

    def places(self) -> tuple[Destination, ...]:
        """Where alerts go."""
        found = [] if self.slack is None else [Destination("slack", self.slack.channel)]
        found += [] if self.discord is None else [Destination("discord", str(self.discord.channel_id))]
        found += [Destination("console", "terminal")] if self.console_enabled else []
        return tuple(found)

    def digest_readers(self, places: Iterable[Destination]) -> tuple[DigestReader, ...]:
        """Who gets a digest, and when: channels, owners, operators. A person has one on each chat, by the first of their
        seats that says when."""
        places = tuple(places)
        readers = [
            DigestReader(place, self._schedule(None))
            for place in places
            if self.digest and "channel" in self.digest.to
        ]
        chats = [place.chat for place in places if place.chat != "console"]
        for chat in chats:
            owned: dict[str, list[SeatConfig]] = {}
            for seat in self.seats:
                if (who := getattr(seat.owner, chat)) is not None:
                    owned.setdefault(str(who), []).append(seat)
            for who, seats in owned.items():
                own = next((seat.digest for seat in seats if seat.digest is not None), None)
                wanted = own is not None or (self.digest is not None and "owner" in self.digest.to)
                if wanted and (own is None or own.every != "never"):
                    names = tuple(seat.name for seat in seats)
                    readers.append(DigestReader(Destination(chat, f"@{who}"), self._schedule(own), names))
            if self.digest is not None and "operators" in self.digest.to:
                people = sorted(self.operators().people.get(chat, ()))
                readers += [
                    DigestReader(Destination(chat, f"@{who}"), self._schedule(None), operator=True)
                    for who in people
                ]
        return tuple(readers)

    def _schedule(self, own: SeatDigestConfig | None) -> Schedule:
        """A seat's, with what it does not say taken from the table."""
        table, own = self.digest or DigestConfig(), own or SeatDigestConfig()
        every = table.every if own.every is None or own.every == "never" else own.every
        return Schedule(
            every,
            table.at if own.at is None else own.at,
            table.weekday if own.weekday is None else own.weekday,
            own.timezone or table.timezone or self.timezone,
        )

    def routing_settings(self) -> RoutingSettings:
        """How much is said, where and when."""
        alerts = self.alerts
        return RoutingSettings(
            routes=tuple(
                Route(route.to, frozenset(route.seats), frozenset(route.kinds), route.severity)
                for route in alerts.routes
            ),
            quiet=self._quiet(alerts.quiet),
            silences=tuple(
                Silence(self._instant(each.start), self._instant(each.end), frozenset(each.seats))
                for each in alerts.silences
            ),
            update_in_place=alerts.living,
            send_resolved=alerts.send_resolved,
            broadcast_from=alerts.loud_from,
            repeat_interval=alerts.remind_blocked,
            group_threshold=alerts.group_from,
            redaction=Redaction(self.privacy.rows, self.operators()),
        )

    def _quiet(self, quiet: QuietConfig | None) -> Quiet | None:
        if quiet is None:
            return None
        zone = quiet.timezone or self.timezone
        return Quiet(quiet.start or time(0), quiet.end or time(0), frozenset(quiet.days), zone, quiet.allow)

    def _instant(self, moment: datetime) -> datetime:
        """A moment of the file, in the file's zone unless it names one."""
        local = moment if moment.tzinfo is not None else moment.replace(tzinfo=self.timezone)
        return local.astimezone(UTC)

    def rule_settings(self) -> RuleSettings:
        """What the rules watch for."""
        budgets = (
            Budget(money.of_major(budget.amount, budget.currency), budget.thresholds)
            for budget in self.alerts.budgets
        )
        return RuleSettings(
            thresholds=self.alerts.thresholds,
            renewal_days=self.alerts.renewal_days,
            budgets=tuple(budgets),
            source_grace=self.alerts.source_grace,
            timezone=self.timezone,
            kinds=frozenset(EventKind) - {*self.alerts.mute} - self._switched_off,
        )

    @property
    def _switched_off(self) -> frozenset[EventKind]:
        on = {
            EventKind.CAP_FORECAST: self.alerts.cap_forecast,
            EventKind.SPEND_SPIKE: self.alerts.spend_spike,
        }
        return frozenset(kind for kind, told in on.items() if not told)
