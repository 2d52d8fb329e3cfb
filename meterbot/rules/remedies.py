"""What a person can do about an unhealthy source, in one line."""

from meterbot.core.models import Health

_REMEDIES = {
    Health.OK: "Nothing to do.",
    Health.STALE: "Nothing was read for three intervals: look in meterbot's log for the reason.",
    Health.SESSION_EXPIRED: "Sign in again and give meterbot the new credential.",
    Health.CHALLENGED: "claude.ai asks this machine to prove it is a browser: let the seat's own machine push instead.",
    Health.RATE_LIMITED: "Nothing to do: meterbot waits and asks again. Other programs may share the same limit.",
    Health.DRIFTED: "The answer has a new shape: update meterbot; if it is up to date, report the named field.",
    Health.UNREACHABLE: "Check this machine's network and the service's status page.",
    Health.REFUSED: "Waiting will not help: check the kind of credential, the region and the organization.",
    Health.NEVER_SEEN: "Nothing has been read yet: wait for the first reading, or check the seat's configuration.",
}

_REMEDIES_OF_SOURCE = {
    (
        "push",
        Health.STALE,
    ): "Start `meterbot push` on the seat's machine, or wait until that machine is awake.",
    ("push", Health.NEVER_SEEN): (
        "The owner runs `/claude-spend join` in chat and then the line it shows on the seat's machine, or "
        "`meterbot push` there with the push token."
    ),
    ("push", Health.SESSION_EXPIRED): "Sign in to Claude Code again on the seat's machine.",
    ("push", Health.UNREACHABLE): "Run `meterbot push` on the seat's machine: it says what it cannot read.",
    (
        "push",
        Health.DRIFTED,
    ): "Update meterbot here and on the seat's machine; if both are up to date, report the named field.",
    (
        "push",
        Health.REFUSED,
    ): (
        "Sign in to the seat's own account on its machine. If the seat has a new account, the operator runs "
        "`meterbot seat forget --account` for it; if two seats have one account, the operator removes one of them."
    ),
    ("claude_ai", Health.SESSION_EXPIRED): "Sign in to claude.ai and replace the seat's session key.",
    (
        "claude_code",
        Health.SESSION_EXPIRED,
    ): "Run `claude` once on the machine where it is signed in: it renews its token.",
    (
        "claude_code",
        Health.REFUSED,
    ): "Use the token of a signed-in Claude Code: one from `setup-token` cannot read usage.",
    (
        "admin_api",
        Health.REFUSED,
    ): "An admin of the organization makes a new admin key in the Console: other keys cannot read its costs.",
    (
        "admin_api",
        Health.CHALLENGED,
    ): "Something between this machine and the API answers in its place: see to the network.",
}


def remedy(health: Health, source: str) -> str:
    return _REMEDIES_OF_SOURCE.get((source, health), _REMEDIES[health])
