"""What happened between two readings: pure functions of what was known, the new facts, the settings and now.

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
| `cap_forecast` | used, cap, percent, period, pace (per hour), cap_eta, low, likely, high (of the month's forecast) |
| `spend_spike` | used, cap, percent, period, pace (per hour), usual (the 90th percentile of the busy hours), times (text), hours |
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
