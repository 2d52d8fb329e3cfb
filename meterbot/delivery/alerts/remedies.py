"""What a person can do: one table for every alert.

On individual plans the person changes the cap or buys credits; on Team and Enterprise plans an owner or admin of the
organization does.
"""

from enum import Enum

from meterbot.core.inline import link

_OWN = link("https://claude.ai/settings/usage", "Settings → Usage")
_ORG = link("https://claude.ai/admin-settings/usage", "Organization settings → Usage")
_BILLING = link("https://claude.ai/settings/billing", "Settings → Billing")
_ORG_BILLING = link("https://claude.ai/admin-settings/billing", "Organization settings → Billing")
_ADMIN = "an owner or admin of the organization"


class Remedy(Enum):
    """What to do on a person's own plan, and what on an organization's."""

    CAP_REACHED = (
        f"To continue now, raise the cap ({_OWN}).",
        f"To continue now, ask {_ADMIN} to raise the spend limit ({_ORG}).",
    )
    CAP_AHEAD = (
        f"Raise the cap ({_OWN}) if work must continue; otherwise extra usage stops at the cap.",
        f"Ask {_ADMIN} to raise the spend limit ({_ORG}) if work must continue; otherwise extra usage stops at the limit.",
    )
    NO_CAP = (
        f"No cap limits extra usage. Set one ({_OWN}) if this is too much.",
        f"No spend limit is set. Ask {_ADMIN} to set one ({_ORG}) if this is too much.",
    )
    BALANCE_EMPTY = (
        f"To continue now, buy credits ({_OWN}).",
        f"To continue now, ask {_ADMIN} to buy credits ({_ORG}).",
    )
    BALANCE_LOW = (
        f"Buy credits ({_OWN}) if work must continue; otherwise extra usage stops at 0.",
        f"Ask {_ADMIN} to buy credits ({_ORG}) if work must continue; otherwise extra usage stops at 0.",
    )
    BLOCKED = (
        f"Check the cap and the credits ({_OWN}).",
        f"Ask {_ADMIN} to check the spend limit and the credits ({_ORG}).",
    )
    """Anthropic does not say by what."""
    PAUSED = (
        f"Check who paused it ({_OWN}).",
        f"Ask {_ADMIN} if work must continue when a plan window is full.",
    )
    SWITCHED_OFF = (
        f"Switch it on again ({_OWN}) if work must continue when a plan window is full.",
        f"Ask {_ADMIN} to switch it on again ({_ORG}) if work must continue when a plan window is full.",
    )
    UNPAID = (
        f"Check the payment method ({_BILLING}).",
        f"Ask {_ADMIN} to check the payment method ({_ORG_BILLING}).",
    )

    def on(self, plan: str | None) -> str:
        """For a plan as the account says it or as it is configured, such as `max_20x`."""
        own, organization = self.value
        word = (plan or "").lower().partition("_")[0]
        if word in {"free", "pro", "max"}:
            return own
        if word in {"team", "enterprise"}:
            return organization
        return f"{own} On Team and Enterprise plans, an owner or admin does this."
