"""`Config`: everything the file and the environment say, and the settings that the rooms of the bot take from it."""

from collections import defaultdict
from collections.abc import Iterable
from datetime import UTC, datetime, time, timedelta
from typing import Annotated, get_args
from zoneinfo import ZoneInfo

from pydantic import SecretStr, ValidationInfo, field_validator

from meterbot.app.config.alerts import AlertsConfig, DigestConfig, PrivacyConfig, QuietConfig
from meterbot.app.config.chats import ConsoleConfig, DiscordConfig, SlackConfig
from meterbot.app.config.infrastructure import (
    EndpointsConfig,
    GithubConfig,
    HttpConfig,
    PushConfig,
    StorageConfig,
    WatchConfig,
)
from meterbot.app.config.seats import AnySeat, ClaudeAiSeat, SeatConfig, SeatDigestConfig
from meterbot.app.config.secrets import SecretKeys, Table, Usual
from meterbot.app.config.types import DatabaseUrl, Duration, Many, Weekday, Zone
from meterbot.commands.digest import DigestReader, Schedule
from meterbot.core import money
from meterbot.core.deliveries import Destination
from meterbot.core.models import EventKind, Seat
from meterbot.core.operators import Operators
from meterbot.delivery.redaction import Redaction
from meterbot.delivery.routing import Quiet, Route, RoutingSettings, Silence
from meterbot.rules.settings import Budget, RuleSettings

_WEEKDAYS = get_args(Weekday)


class Config(Table):
    """A whole configuration, checked, with every secret fetched."""

    timezone: Zone = ZoneInfo("UTC")
    poll_interval: Duration = timedelta(seconds=60)
    database_url: DatabaseUrl = SecretStr("sqlite:///meterbot.db")
    secret_key: Annotated[SecretKeys | None, Usual("METERBOT_SECRET_KEY")] = None
    """The keys that encrypt stored session keys, the newest first."""
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
    seats: Many[AnySeat]

    @field_validator("poll_interval")
    @classmethod
    def _is_not_too_short(cls, value: timedelta, info: ValidationInfo) -> timedelta:
        return ClaudeAiSeat.long_enough(value, info)

    @field_validator("github", mode="before")
    @classmethod
    def _can_be_reached(cls, value: object, info: ValidationInfo) -> object:
        if value is not None and info.context is not None and "http" not in info.context.document:
            raise ValueError("needs a listener that GitHub can reach: add [http] with a bind, or set PORT")
        return value

    @property
    def console_enabled(self) -> bool:
        """As `[console]` says; without it, whether there is no other chat."""
        return self.console.enabled if self.console else self.slack is None and self.discord is None

    @property
    def push_approvers(self) -> dict[str, frozenset[str]] | None:
        """Platform → ids of those who may approve; None: no approval is needed."""
        if not self.push.approval:
            return None
        return {platform: frozenset(map(str, ids)) for platform, ids in self.push.approvers}

    @property
    def secret_keys(self) -> tuple[str, ...]:
        """The newest first; empty where there is none."""
        return () if self.secret_key is None else self.secret_key.values

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
        """The time between two reads of a seat, or between two pushes that are expected from it."""
        return seat.poll_interval or seat.usual_interval or self.poll_interval

    def seat_list(self) -> tuple[Seat, ...]:
        """The seats without their secrets, in the order of the file."""
        return tuple(
            Seat(
                name=seat.name,
                source=seat.source,
                organizations=seat.organizations,
                plan=getattr(seat, "plan", None),
                plan_price=seat.price,
                owner={platform: str(who) for platform, who in seat.owner if who is not None},
                interval=self.interval(seat).total_seconds(),
                renews_on=getattr(seat, "renews_on", None),
            )
            for seat in self.seats
        )

    def destinations(self) -> tuple[Destination, ...]:
        found = [] if self.slack is None else [Destination("slack", self.slack.channel)]
        found += [] if self.discord is None else [Destination("discord", str(self.discord.channel_id))]
        found += [Destination("console", "terminal")] if self.console_enabled else []
        return tuple(found)

    def digest_readers(
        self, destinations: Iterable[Destination], invited: Iterable[Seat] = ()
    ) -> tuple[DigestReader, ...]:
        """Who gets a digest, and when: channels, owners, operators. A person gets one on each chat; the first of their
        seats with a `digest` says when."""
        destinations, invited = tuple(destinations), tuple(invited)
        to = () if self.digest is None else self.digest.to
        readers = [DigestReader(each, self._schedule(None)) for each in destinations if "channel" in to]
        for chat in [each.chat for each in destinations if each.chat != "console"]:
            readers += self._owners_digests(chat, invited, everybody="owner" in to)
            if "operators" in to:
                readers += [
                    DigestReader(Destination(chat, f"@{who}"), self._schedule(None), operator=True)
                    for who in sorted(self.operators().people.get(chat, ()))
                ]
        return tuple(readers)

    def _owners_digests(
        self, chat: str, invited: Iterable[Seat], *, everybody: bool
    ) -> Iterable[DigestReader]:
        schedules = {seat.name: seat.digest for seat in self.seats}
        owned: defaultdict[str, list[str]] = defaultdict(list)
        for seat in [*self.seat_list(), *invited]:
            if chat in seat.owner:
                owned[seat.owner[chat]].append(seat.name)
        for who, names in owned.items():
            own = next((schedules[name] for name in names if schedules.get(name) is not None), None)
            if everybody if own is None else own.every != "never":
                yield DigestReader(Destination(chat, f"@{who}"), self._schedule(own), tuple(names))

    def _schedule(self, own: SeatDigestConfig | None) -> Schedule:
        """A seat's schedule; what it leaves out is as in `[digest]`."""
        table = self.digest or DigestConfig()
        if own is not None:
            table = table.model_copy(update={name: getattr(own, name) for name in own.model_fields_set})
        zone = table.timezone or self.timezone
        return Schedule(table.every, table.at, _WEEKDAYS.index(table.weekday), zone)

    def routing_settings(self) -> RoutingSettings:
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
            update_in_place=alerts.update_in_place,
            send_resolved=alerts.send_resolved,
            broadcast_from=alerts.broadcast_from,
            repeat_interval=alerts.repeat_interval,
            group_threshold=alerts.group_threshold,
            redaction=Redaction(self.privacy.rows, self.operators()),
        )

    def _quiet(self, quiet: QuietConfig | None) -> Quiet | None:
        if quiet is None:
            return None
        zone = quiet.timezone or self.timezone
        days = frozenset(map(_WEEKDAYS.index, quiet.days))
        return Quiet(quiet.start or time(0), quiet.end or time(0), days, zone, quiet.allow)

    def _instant(self, written: datetime) -> datetime:
        """An instant of the file, which is in `timezone` unless it names another zone."""
        local = written if written.tzinfo is not None else written.replace(tzinfo=self.timezone)
        return local.astimezone(UTC)

    def rule_settings(self) -> RuleSettings:
        alerts = self.alerts
        budgets = (
            Budget(money.of_major(each.amount, each.currency), each.thresholds) for each in alerts.budgets
        )
        optional = (
            (EventKind.CAP_FORECAST, alerts.cap_forecast),
            (EventKind.SPEND_SPIKE, alerts.spend_spike),
            (EventKind.WINDOW_RESET, alerts.window_reset),
        )
        off = {kind for kind, wanted in optional if not wanted}
        return RuleSettings(
            thresholds=alerts.thresholds,
            balance_levels=alerts.balance_levels,
            renewal_days=alerts.renewal_days,
            budgets=tuple(budgets),
            source_grace=alerts.source_grace,
            push_silence=alerts.push_silence,
            timezone=self.timezone,
            kinds=frozenset(EventKind) - {*alerts.mute} - off,
        )
