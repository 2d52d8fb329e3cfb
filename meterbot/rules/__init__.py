"""What happened between two readings: pure functions of what was known, the new facts, the settings and now.

    merge(known, snapshot, now) -> LastKnown | None                                        None: it changes nothing
    watch_counter(memory, known, snapshot, settings, now) -> CounterUpdate                 per (account, org)
    without_team_total(known, snapshot) -> Snapshot                                        no organization's amounts
    missing_amount_as_drift(known, snapshot, push_silence) -> Snapshot                     noted: its amount is gone
    is_repeated(known, snapshot, now) -> bool                                              by the sender's own clock
    record_late(memory, known, snapshot, settings, now) -> CounterUpdate                   long after: without events
    needs_samples(memory, settings, now) -> bool, needs_hours(...)                         for the pace after a rise
    watch_pace(memory, rise, settings, now) -> (CounterMemory, events)                     per rise
    watch_source(memory, state, seat, settings, now, known=...) -> (SourceMemory, events)  per seat; as time passes
    watch_identity(memory, snapshot, settings, now) -> (SourceMemory, events)              per seat
    stranger(memory, snapshots) -> str | None                                              is one another account's?
    watch_session(memory, end, seat, settings, now) -> (SourceMemory, events)              per seat; as time passes
    is_renewed(alert, end) -> bool, renewed(alert, end, now) -> Event                      a session's alert, and its end
    watch_destinations(memory, problems, settings, now) -> (DestinationMemory, events)     as time passes
    watch_team(memory, readings, settings, now) -> (TeamMemory, events)                    the team's sum
    team_share(counter, memory, fresh=...) -> TeamShare                                    what it adds to that sum
    month_to_report(reported, now) -> str | None
    is_settled(month, memories, now) -> bool
    month_report(month, accounts, now, named=...) -> Event | None
    without_amounts(extra) -> ExtraUsage                                                   what the next month keeps
    remedy(health, source) -> str
    can_be_forgotten(event, counter, source, team, now) -> bool
    dump(memory) -> str, load(kind, text | None) -> memory

A memory is a `CounterMemory`, a `BalanceMemory` (of an organization), a `SourceMemory` (of a seat), a `TeamMemory` or a
`DestinationMemory`. `watch_source` looks in `known` for the last good amount.
`load(CounterMemory, None)` is the memory of a counter never seen.

A fact fires only when everything it rests on was read in this very snapshot: a value that was rejected, not read or
carried over neither causes an event nor resets a level. A condition that already holds at the first reading is reported
once, with `initial`. A late reading moves the period on like any other; the end of a period that it shows is posted
with the next reading in time.

A period ends when `used` falls and a boundary lies between the two readings, or, once the UTC month is another one,
when it falls at all, when there was nothing spent, or when it is higher than before although a late reset (six hours)
is ruled out. A counter that does not change was not reset and stays in its old period. Any other fall is an adjustment:
it is the base of what follows, ends nothing and resets no level. A level is reset with a new period, and a percentage
also when the cap is raised (or removed) so that `used` is below it again. A block ends on evidence from where it began:
if it was in the overage row, only that row can end it.

If two events of one reading say the same, one is posted and mutes the other (`muted_by`): a block mutes the
levels, the first dollar the charge within the plan.

What each event's `facts` hold. Amounts are `money_fact`s, instants ISO strings in UTC, days ISO dates; every key is
always there, null when not known.

| event | facts |
|---|---|
| `spend_started` | used, cap, percent, before_at, period, windows, full_windows, within_plan (it had room all the while) |
| `threshold_crossed` | used, cap, percent, period, level, also (the lower levels crossed with it) |
| `budget_crossed` | used, cap (the budget), percent, period, level, also, complete (False: at least this much) |
| `seat_blocked` | why (`cap`, `balance`, `unknown`), wire_reason, until, hard, used, cap, percent, full_windows |
| `seat_unblocked` | used, cap, percent, since |
| `charged_within_plan` | used, before, before_at, rise, period, windows (all of them) |
| `cap_forecast` | used, cap, percent, period, pace (per hour), over_hours (text), cap_eta, ends, low, likely, high (of the month's forecast) |
| `spend_spike` | used, cap, percent, period, pace (per hour), over_hours (text), usual (the 90th percentile of the busy hours), times (text), hours |
| `balance_low` | balance, level, auto_reload, shared (with the organization), next (`refused`, `plan` or null), full_windows |
| `metering_changed` | changes: list of {what: `metering`, `cap` or `currency`; from, to}, used, cap, wire_reason |
| `window_reset` | window, resets_at (of the next one) |
| `window_full` | window, resets_at, reset_due (a reset that is overdue: then `resets_at` is null), next (`billed`, `refused` or null), used, cap |
| `renewal_near` | date, days, level, also, billing_interval, changes_to, configured, known_at (of an earlier reading; null: read now), post_at (null: at once), used, previous_final |
| `subscription_changed` | changes: list of {what: `status`, `ends_on`, `changes_to` or `paused_until`; from, to} |
| `period_closed` | period, final, final_at, previous_final, used (already spent in the new period) |
| `source_down` | health, since, detail, remedy, last_ok_at, last_used (the last good amount, if it is the only one), last_used_at |
| `source_up` | down_since |
| `destination_down` | chat, channel, reason, since, refused (a person has to change something) |
| `destination_up` | chat, channel |
| `identity_changed` | what (`account`, `email` or `organization`), org |
| `digest` | day, every |
| `session_expiring` | ends_at, estimated (its cookie does not say when), level (`0d`: the estimated end has passed), also (the levels reached with it) |
| `pull_request_merged` | repo, number, shown (False: the rest is null, and for its owner alone), seats, start, end, no_commits (why it is from the opening to the merge), amounts (null: unknown), why, shared (names of others), later (what the next reading after the end rose), settled, read_at |

The team's `period_closed`, of no counter, has instead: period, totals, previous (null where one is not known), seats
(list of {seat, final, previous, blocked_hours}; null where channels may not see them), unknown (accounts that are in no
sum), open (not started again yet), blocked_hours, fees, fees_listed (some are list prices), seat_days, covered_days (of
them those without extra usage).

Whatever a reading of a counter brings also has `plan`, as the account says it, and `readings`: a list of {at, used},
the last one in time before it and the one that brought it. To `threshold_crossed` `ingest` adds `pace` (per hour) and
`cap_eta` where they are known.
An event that says a change of settings as well has the `changes` of `metering_changed`, which it mutes.
`full_windows` and `windows` are lists of {window, utilization (text), resets_at}. `percent` is text, not rounded.
A `threshold_crossed` of the limit of an API organization's member has `member`, an id, and `member_name`
(null where names are not stored).
In `metering` changes from and to are `on`, `off`, `paused` (by an admin) or `unmetered`; in `cap` changes an amount
or null for no cap.
"""

from meterbot.rules.counter_rules import CounterUpdate, record_late, watch_counter
from meterbot.rules.destinations import DestinationProblem, watch_destinations
from meterbot.rules.fact_json import fact_money, money_fact
from meterbot.rules.forgettable import can_be_forgotten
from meterbot.rules.identity import stranger, watch_identity
from meterbot.rules.memory import (
    CounterMemory,
    DestinationMemory,
    SourceMemory,
    TeamMemory,
    dump,
    load,
)
from meterbot.rules.merging import (
    is_repeated,
    merge,
    missing_amount_as_drift,
    without_amounts,
    without_team_total,
)
from meterbot.rules.month_report import (
    AccountMonth,
    is_settled,
    month_report,
    month_report_key,
    month_to_report,
)
from meterbot.rules.pace_alerts import RisenCounter, needs_hours, needs_samples, watch_pace
from meterbot.rules.remedies import remedy
from meterbot.rules.session import ends_soon, is_renewed, renewed, watch_session
from meterbot.rules.settings import Budget, RuleSettings, Threshold, parse_threshold
from meterbot.rules.source_health import watch_source
from meterbot.rules.team import TeamShare, team_share, watch_team

__all__ = [
    "AccountMonth",
    "Budget",
    "CounterMemory",
    "CounterUpdate",
    "DestinationMemory",
    "DestinationProblem",
    "RisenCounter",
    "RuleSettings",
    "SourceMemory",
    "TeamMemory",
    "TeamShare",
    "Threshold",
    "can_be_forgotten",
    "dump",
    "ends_soon",
    "fact_money",
    "is_renewed",
    "is_repeated",
    "is_settled",
    "load",
    "merge",
    "missing_amount_as_drift",
    "money_fact",
    "month_report",
    "month_report_key",
    "month_to_report",
    "needs_hours",
    "needs_samples",
    "parse_threshold",
    "record_late",
    "remedy",
    "renewed",
    "stranger",
    "team_share",
    "watch_counter",
    "watch_destinations",
    "watch_identity",
    "watch_pace",
    "watch_session",
    "watch_source",
    "watch_team",
    "without_amounts",
    "without_team_total",
]
