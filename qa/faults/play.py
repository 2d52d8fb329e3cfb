"""Plays one schedule: a story with its faults, on real bots; then all faults end, and the channels are judged."""

import asyncio
import hashlib
import json
import random
from collections import Counter
from collections.abc import Callable, Coroutine
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import timedelta
from decimal import Decimal
from functools import partial
from pathlib import Path
from typing import Any

import aiohttp

from meterbot.core.deliveries import Destination
from meterbot.demo.simulated_claude_ai import SimulatedOrganization
from meterbot.store import notes
from qa.faults import weather
from qa.faults.bases import Base
from qa.faults.items import (
    EVERY,
    HOOK_SECRET,
    LATE_SECONDS,
    SPARE_CENTS,
    SPARE_SEAT,
    Item,
    Stage,
    choose_item,
)
from qa.faults.oracle import Sighting, Verdict, held_up, judge, on_discord, on_slack
from qa.faults.stage import StormyDiscord, StormySlack, World, free_port
from qa.faults.stories import Standing, Story, tell
from qa.faults.virtual import Page, TrueClock
from qa.faults.weather import Fault, Weather
from qa.faults.zygote import Birth, Zygote
from tests.simulator.claude_ai import ClaudeAi

_TICK_SECONDS = 40.0
_UNREAD_SECONDS = 3 * 3600.0
"""The longest time for which a fault keeps a seat unread."""
_QUIET_SECONDS = 6 * 3600.0
"""This long after the last fault, everything must have been posted."""
_PATIENCE_SECONDS = 900.0
"""Real seconds after which a schedule is stuck."""
_MOST_STARTS = 400
_LAST_LINES = 30
"""Of the log of a bot that failed: enough for a traceback."""
_TOKEN = "push-token-of-the-campaign"


@dataclass(frozen=True, slots=True)
class Schedule:
    """One schedule. Its seed is its name: the same seed gives the same schedule."""

    name: str
    story: Story
    faults: tuple[Fault, ...]
    platforms: tuple[str, ...]
    polled: bool
    bots: int
    item: Fault | None = None
    """The fault of a single item."""

    @classmethod
    def of(cls, seed: int, database: str, *, bots: int) -> "Schedule":
        rng = random.Random(f"{seed} {database}")
        polled = rng.random() < 0.2
        story = tell(rng, most=4 if polled else 7)
        platforms = rng.choice((("slack",), ("slack",), ("discord",), ("slack", "discord")))
        faults = weather.choose(rng, len(story.steps), platforms, database)
        item = None
        if seed % EVERY == 0:
            item = choose_item(rng, story, platforms)
            # At most two others, and often none: then every fact must be posted soon.
            quiet = [fault for fault in faults if fault.kind != "clock jump"]
            faults = tuple(quiet[: rng.choice((0, 0, 1, 2))])
        return cls(str(seed), story, faults, platforms, polled, bots, item)

    def lines(self) -> list[str]:
        what = f"{self.name}: {', '.join(self.story.seats)} on {' and '.join(self.platforms)}"
        how = f"{'polled' if self.polled else 'pushed'}, {self.bots} at once"
        steps = [f"  step {number}: {step}" for number, step in enumerate(self.story.steps)]
        faults = self.faults if self.item is None else (self.item, *self.faults)
        return [f"{what}, {how}", *steps, *(f"  {fault}" for fault in faults)]


@dataclass
class Outcome:
    """The result of a schedule."""

    name: str
    verdict: Verdict = field(default_factory=Verdict)
    problems: list[str] = field(default_factory=list)
    hits: Counter[str] = field(default_factory=Counter)
    item: str | None = None
    """The kind of its bad item."""
    met: bool = False
    """Whether a bot or a platform came upon the bad item."""
    births: int = 0
    kills: int = 0
    messages: int = 0
    facts: int = 0
    seen: list[str] = field(default_factory=list)
    """The channels' contents, if requested."""

    @property
    def good(self) -> bool:
        verdict = self.verdict
        wrong = (verdict.lost, verdict.doubled, verdict.disordered, verdict.held, self.problems)
        return not any(wrong)

    def lines(self) -> list[str]:
        verdict = self.verdict
        return [
            *(f"  lost: {each}" for each in verdict.lost),
            *(f"  doubled: {each}" for each in verdict.doubled),
            *(f"  out of order: {each}" for each in verdict.disordered),
            *(f"  held up: {each}" for each in verdict.held),
            *(f"  problem: {each}" for each in self.problems),
        ]


class Play:
    """A schedule that is being played."""

    def __init__(
        self,
        schedule: Schedule,
        base: Base,
        zygote: Zygote,
        folder: Path,
        http: aiohttp.ClientSession,
        *,
        naive: bool = False,
        show: bool = False,
    ) -> None:
        self._show = show
        self._schedule, self._base, self._folder, self._http = schedule, base, folder, http
        self._naive = naive
        self._crashes = base.crashes
        self._rng = random.Random(schedule.name)
        page = Page(folder / "page", new=True)
        self._world = World(page, zygote)
        self._weather = Weather(self._world)
        clock = TrueClock(page)
        self._slack = StormySlack(self._weather, clock=lambda: clock.now().timestamp())
        self._discord = StormyDiscord(self._weather, clock=clock)
        self._claude = ClaudeAi()
        self._ports = [free_port() for _ in range(schedule.bots)]
        self._toml = ""
        self._began: list[float] = []
        """When each step began, in seconds since 1970 by the true clock."""
        self._clock = clock
        self._item = None if schedule.item is None else Item(schedule.item, schedule.story, self._stage())
        self._over = False
        self._troubles: set[asyncio.Task[None]] = set()
        self._lives_to_cut = [fault for fault in schedule.faults if fault.step < 0 and _cuts_life(fault)]
        self.outcome = Outcome(schedule.name)

    async def run(self) -> Outcome:
        supervisors: list[asyncio.Task[None]] = []
        try:
            async with (
                asyncio.timeout(_PATIENCE_SECONDS),
                self._slack,
                self._discord,
                self._claude,
                self._world,
            ):
                self._toml = self._configuration()
                supervisors = [
                    asyncio.create_task(self._supervise(number)) for number in range(self._schedule.bots)
                ]
                await self._tell_story()
                await self._become_quiet()
                await self._end(supervisors)
                self._judge()
        except TimeoutError:
            self.outcome.problems.append(f"it is not over after {_PATIENCE_SECONDS:.0f} real seconds")
        finally:
            for task in (*supervisors, *self._troubles):
                task.cancel()
            await asyncio.gather(*supervisors, *self._troubles, return_exceptions=True)
        self.outcome.births = self._world.births
        self.outcome.kills = sum(status == -9 for status in self._world.exits)
        self.outcome.hits = self._weather.hits
        return self.outcome

    # The story.

    async def _tell_story(self) -> None:
        await self._arm(-1)
        if self._has_spare_seat:
            self._enroll(SPARE_SEAT)
        for seat in self._schedule.story.seats:
            self._enroll(seat)
            await self._reach(seat, Standing())
        if self._item is not None:
            await self._prepare_item(self._item)
        for number, step in enumerate(self._schedule.story.steps):
            await self._arm(number)
            if self._item is not None and self._item.fault.step == number:
                await self._begin_item(self._item)
            self._began.append(self._clock.now().timestamp())
            await self._reach(step.seat, step.standing)
            await self._world.sleep(step.pause)

    def _enroll(self, seat: str) -> None:
        if self._schedule.polled:
            organization = SimulatedOrganization(_org(self._number(seat)))
            self._claude.add_account(_session_key(seat), organizations=[organization])

    async def _reach(self, seat: str, standing: Standing) -> None:
        """Returns once a bot has stored this state of the seat."""
        if self._schedule.polled:
            await self._let_read(seat, standing)
        else:
            await self._push(seat, standing)

    async def _push(self, seat: str, standing: Standing) -> None:
        headers = {"Authorization": f"Bearer {_TOKEN}-{seat}", "Content-Type": "application/json"}
        number = self._number(seat)

        def body() -> bytes:
            return json.dumps(_document(number, standing, self._world.page)).encode()

        await self._deliver("/api/v1/snapshots", body, headers)

    def _number(self, seat: str) -> int:
        return [*self._schedule.story.seats, SPARE_SEAT].index(seat) + 1

    async def _deliver(self, path: str, body: Callable[[], bytes], headers: dict[str, str]) -> None:
        """Sends a request until a bot takes it."""
        for attempt in range(400):
            if (url := self._some_bot()) is not None and await self._sent(url + path, body(), headers):
                return
            await self._world.sleep(min(2 * 1.2**attempt, 60))
        self.outcome.problems.append(f"what was sent to {path} was never stored")

    def _some_bot(self) -> str | None:
        living = sorted(self._world.bots)
        return f"http://127.0.0.1:{self._ports[self._rng.choice(living)]}" if living else None

    async def _sent(self, url: str, body: bytes, headers: dict[str, str]) -> bool:
        try:
            async with self._http.post(url, data=body, headers=headers) as response:
                return response.status == 202
        except (aiohttp.ClientError, TimeoutError):
            return False

    async def _ask(self, path: str) -> str:
        """The answer to a request, once a bot gives one."""
        for _ in range(400):
            if (url := self._some_bot()) is not None:
                with suppress(aiohttp.ClientError, TimeoutError):
                    async with self._http.get(url + path) as response:
                        return await response.text()
            await self._world.sleep(5)
        return ""

    async def _let_read(self, seat: str, standing: Standing) -> None:
        """Waits until a process has read the seat twice, because that proves that its first reading is stored."""
        organization = self._stand(seat, standing)
        until = self._world.now + round(_UNREAD_SECONDS * 1e6)
        while self._world.now < until:
            if await self._read_twice(organization.uuid):
                return
        self.outcome.problems.append(f"{seat} was not read for {_UNREAD_SECONDS / 3600:.0f} hours")

    def _stand(self, seat: str, standing: Standing) -> SimulatedOrganization:
        """Sets claude.ai's numbers of the seat from now on."""
        organization = next(
            each for each in self._claude.accounts if each.session_key == _session_key(seat)
        ).organizations[0]
        organization.used, organization.cap = Decimal(standing.used), standing.cap
        organization.disabled_reason = _REASON if standing.blocked else None
        organization.five_hour = Decimal(100)
        return organization

    async def _read_twice(self, organization: str) -> bool:
        births, before = self._world.births, len(self._claude.requests)
        for _ in range(40):
            await self._world.sleep(10)
            if self._world.births != births or not self._world.bots:
                return False
            reads = [
                one
                for one in self._claude.requests[before:]
                if (one.organization, one.route) == (organization, "usage")
            ]
            if len(reads) > self._schedule.bots:
                return True
        return False

    # What goes wrong.

    def _stage(self) -> Stage:
        return Stage(
            self._base,
            self._world,
            self._weather,
            self._slack,
            self._discord,
            self._places(),
            self._deliver,
            self._ask,
        )

    def _places(self) -> tuple[Destination, ...]:
        channels = {"slack": self._slack.channel, "discord": self._discord.channel_id}
        return tuple(Destination(name, channels[name]) for name in self._schedule.platforms)

    @property
    def _has_spare_seat(self) -> bool:
        return self._item is not None and self._item.kind == "unstorable reading"

    async def _prepare_item(self, item: Item) -> None:
        item.note_start()
        # What has just been read stands before what comes: instants of GitHub have whole seconds.
        await self._world.sleep(2)

    async def _begin_item(self, item: Item) -> None:
        await item.begin()
        if self._has_spare_seat:
            standing = Standing(SPARE_CENTS)
            if self._schedule.polled:
                self._stand(SPARE_SEAT, standing)
            else:
                self._start(self._push(SPARE_SEAT, standing))

    async def _arm(self, step: int) -> None:
        for fault in self._schedule.faults:
            if fault.step == step and not (step < 0 and _cuts_life(fault)):
                self._start_trouble(fault)

    def _start_trouble(self, fault: Fault) -> None:
        if fault.platform and (fault.kind in weather.CALL_FAULTS or fault.kind.startswith("outage")):
            self._weather.arm(fault)
            return
        if fault.kind == "clock jump":
            # Immediately: the seats' machines have the same time as the bot's.
            self._world.page.move_wall(timedelta(seconds=fault.number))
        self._start(self._trouble(fault))

    def _start(self, trouble: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(trouble)
        self._troubles.add(task)
        task.add_done_callback(self._trouble_is_over)

    def _trouble_is_over(self, task: asyncio.Task[None]) -> None:
        """Reports a fault that could not be applied: the bot has not survived it."""
        self._troubles.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            self.outcome.problems.append(f"a fault was not done: {error!r}")

    async def _trouble(self, fault: Fault) -> None:
        self._weather.hits[fault.kind] += 1
        if fault.kind.startswith(("kill", "term")):
            await self._end_a_bot(fault)
        elif fault.kind.startswith(("socket", "handshake")):
            await self._shake_slack(fault.kind)
        elif fault.kind.startswith("gateway"):
            await self._shake_discord(fault.kind)
        elif fault.kind == "clock jump":
            if fault.times == 2:
                await self._world.sleep(200)
                await self._correct_the_clock()
        else:
            await self._base.trouble(fault, self._world)

    async def _correct_the_clock(self) -> None:
        """Corrects the machine's clock. After more than a day ahead, the bot asks its operator, who then types
        `meterbot db clock-is-right`."""
        page = self._world.page
        ahead = page.wall - page.true_time
        page.right_wall()
        if ahead > timedelta(days=1):
            await self._base.run(partial(notes.confirm_clock, now=page.wall), self._world)

    async def _end_a_bot(self, fault: Fault) -> None:
        world, point = self._world, fault.kind.startswith("kill ")
        if not point:
            await world.sleep(fault.number)
        number = min(world.bots, default=None)
        if number is None:
            return
        if fault.kind == "kill point":
            world.bots[number].slot.kill_after(int(fault.number))
        elif fault.kind == "kill commit":
            world.bots[number].slot.kill_at_commit(int(fault.number))
        else:
            (world.kill if fault.kind == "kill" else world.terminate)(number)

    async def _shake_slack(self, kind: str) -> None:
        if kind == "socket refresh":
            with suppress(ConnectionError):  # another fault of the same moment was the first
                await self._slack.refresh()
            return
        if kind == "handshake refused":
            self._slack.refuse_handshakes = 2
        self._slack.drop_sockets()

    async def _shake_discord(self, kind: str) -> None:
        gateway = self._discord.gateway
        with suppress(ConnectionError):  # another fault of the same moment was the first
            if kind == "gateway reconnect":
                await gateway.ask_to_reconnect()
            elif kind == "gateway drop":
                gateway.drop()
            elif kind == "gateway close":
                await gateway.close()
            else:
                await gateway.invalidate(resumable=kind == "gateway resumable")

    async def _supervise(self, number: int) -> None:
        """Starts a bot again whenever it has ended, as systemd does."""
        while not self._over:
            kill = self._next_cut() if number == 0 else {}
            status = await self._world.start(number, self._birth(number), **kill).ended
            if status > 0:
                self._weather.hits["start failed"] += 1
            if self._world.births > _MOST_STARTS:
                self.outcome.problems.append("it does not stay up")
                return
            if not self._over:
                await self._world.sleep(self._rng.choice((1.0, 5.0, 90.0)))

    def _ending(self) -> bool:
        return self._over

    def _next_cut(self) -> dict[str, int]:
        """The point at which the next process is killed, as in `Slot.clear`."""
        if not self._lives_to_cut:
            return {}
        fault = self._lives_to_cut.pop(0)
        self._weather.hits[fault.kind] += 1
        return {"kill_at" if fault.kind == "kill point" else "kill_commit": int(fault.number)}

    # The end.

    async def _become_quiet(self) -> None:
        """Ends all faults, and returns once nothing is left to post."""
        self._weather.heal()
        self._lives_to_cut.clear()
        for bot in self._world.bots.values():
            bot.slot.spare()
        if self._item is not None:
            await self._item.settle()
        until = self._world.now + round(_QUIET_SECONDS * 1e6)
        quiet = 0
        while quiet < 2 and self._world.now < until:
            await self._world.sleep(60)
            waiting = await self._base.waiting()
            quiet = quiet + 1 if waiting == 0 else 0
        if quiet < 2:
            self.outcome.verdict.held.append(
                f"{waiting} deliveries still wait after {_QUIET_SECONDS / 3600:.0f} hours"
            )
        if self._item is not None:
            await self._item.judge_failed()

    async def _end(self, supervisors: list[asyncio.Task[None]]) -> None:
        self._over = True
        for number in list(self._world.bots):
            self._world.terminate(number)
        await asyncio.gather(*supervisors)
        if self._world.exits and self._world.exits[-1] != 0:
            said = (self._folder / "log").read_text().splitlines()[-_LAST_LINES:]
            self.outcome.problems.append(
                "\n".join([f"the last bot ended with {self._world.exits[-1]}", *said])
            )

    def _judge(self) -> None:
        story = self._schedule.story
        if "slack" in self._schedule.platforms:
            seen = on_slack(self._slack.channels[self._slack.channel].messages, self._slack.bot["user"])
            self._take("slack", seen)
        if "discord" in self._schedule.platforms:
            seen = on_discord(self._discord.messages(), self._discord.edits, self._discord.bot["id"])
            self._take("discord", seen)
        log = (self._folder / "log").read_text().splitlines()
        if self._item is not None:
            self._item.judge_log(log, alone=self._undisturbed)
            self.outcome.problems += self._item.problems
            self.outcome.item, self.outcome.met = self._item.kind, self._item.met
        self.outcome.facts = len(story.facts) * len(self._schedule.platforms)
        self.outcome.problems += [
            f"unexpected: {each}" for each in (*self._slack.unexpected, *self._discord.unexpected)
        ]
        for line in log:
            if any(words in line for words in ("a chat failed", "a reader failed", "was never retrieved")):
                self.outcome.problems.append(line[:600])

    def _take(self, platform: str, seen: list[Sighting]) -> None:
        story = self._schedule.story
        verdict = judge(story, seen)
        if self._item is not None:
            self._item.judge(platform, verdict, seen)
            if self._undisturbed:
                for step, began in zip(story.steps, self._began, strict=True):
                    verdict.held += held_up(step.facts, began, LATE_SECONDS, seen)
        self.outcome.verdict.add(verdict)
        self.outcome.messages += len(seen)
        if self._show:
            self.outcome.seen += [str(each) for each in sorted(seen, key=lambda each: each.at)]

    @property
    def _undisturbed(self) -> bool:
        """Whether nothing but the bad item was wrong. A server that another schedule has crashed starts again in real
        time, and in the schedule's time that takes long."""
        return not self._schedule.faults and self._base.crashes == self._crashes

    # The bots' configuration and input.

    def _birth(self, number: int) -> Birth:
        environ = {
            "METERBOT_CONFIG_TOML": self._toml.replace("PORT", str(self._ports[number])),
            "SLACK_BOT_TOKEN": self._slack.bot_token,
            "SLACK_APP_TOKEN": self._slack.app_token,
            "DISCORD_TOKEN": self._discord.token,
            "GITHUB_WEBHOOK_SECRET": HOOK_SECRET,
            **{f"KEY_{seat.upper()}": _session_key(seat) for seat in self._seats()},
        }
        page, log = str(self._folder / "page"), str(self._folder / "log")
        return Birth(page, number, environ, log, _TICK_SECONDS, naive=self._naive)

    def _configuration(self) -> str:
        chats = {
            "slack": f'[slack]\nchannel = "{self._slack.channel}"',
            "discord": f"[discord]\nguild_id = {self._discord.guild_id}\nchannel_id = {self._discord.channel_id}",
        }
        return "\n".join(
            [
                f'database_url = "{self._base.url}"\npoll_interval = "1m"',
                *(chats[platform] for platform in self._schedule.platforms),
                '[alerts]\nthresholds = ["50%", "80%", "95%"]\nmute = ["window_full", "charged_within_plan"]',
                '[http]\nbind = "127.0.0.1:PORT"',
                f'[endpoints]\nslack_api = "{self._slack.api_url}"\ndiscord_api = "{self._discord.api_url}"',
                f'claude_ai = "{self._claude.url}"',
                *(["[github]"] if self._has_pulls else []),
                *(self._seat(seat) for seat in self._seats()),
            ]
        )

    @property
    def _has_pulls(self) -> bool:
        return self._item is not None and self._item.kind.endswith("pull request")

    def _seats(self) -> list[str]:
        return [*self._schedule.story.seats, *([SPARE_SEAT] if self._has_spare_seat else [])]

    def _seat(self, seat: str) -> str:
        owner = f'\nowner = {{ github = "{seat}" }}' if self._has_pulls else ""
        if self._schedule.polled:
            return f'[[seats]]\nname = "{seat}"\nsource = "claude_ai"\nsession_key_env = "KEY_{seat.upper()}"{owner}'
        digest = hashlib.sha256(f"{_TOKEN}-{seat}".encode()).hexdigest()
        return f'[[seats]]\nname = "{seat}"\nsource = "push"\npush_token_sha256 = "{digest}"{owner}'


_REASON = "self_selected_spend_limit_reached"


def _cuts_life(fault: Fault) -> bool:
    return fault.kind in {"kill point", "kill commit"}


def _session_key(seat: str) -> str:
    return f"sk-ant-sid01-campaign-{seat}"


def _org(number: int) -> str:
    return f"bbbbbbbb-0000-4000-8000-{number:012d}"


def _document(number: int, standing: Standing, page: Page) -> dict[str, Any]:
    """What the seat's machine pushes. Its clock agrees with the bot's."""
    return {
        "org_uuid": _org(number),
        "account_uuid": f"aaaaaaaa-0000-4000-8000-{number:012d}",
        "fetched_at": page.wall.isoformat(),
        "stale": False,
        "usage": {
            "five_hour": {"utilization": 100.0, "resets_at": None},
            "seven_day": {"utilization": 12.5, "resets_at": None},
            "extra_usage": {
                "is_enabled": True,
                "used_credits": standing.used,
                "monthly_limit": standing.cap,
                "currency": "USD",
                "decimal_places": 2,
                "disabled_reason": _REASON if standing.blocked else None,
                "spend_limit_reached": standing.blocked,
            },
        },
        "overage": None,
        "subscription": None,
        "errors": [],
    }
