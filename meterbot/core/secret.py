"""What counts as a secret, and how secrets are removed from texts before a person or a log sees them."""

import re
from urllib.parse import quote

HIDDEN = "[hidden]"

# The form of each service's secrets, in any text.
_TOKENS = re.compile(
    r"""sk-ant-[\w-]+                                # Anthropic: session keys, OAuth tokens, API and admin keys
      | mbpush_[\w-]+                               # our own, with which a machine pushes
      | xox[a-z]-[\w-]+ | xapp-[\w-]+                # Slack
      | \b[\w-]{23,30}\.[\w-]{6,7}\.[\w-]{27,}       # Discord bots
      | \beyJ[\w-]{8,}\.[\w-]+\.[\w-]+               # JSON web tokens
    """,
    re.VERBOSE,
)
_OURS = re.compile(r"(sk-ant-|mbpush_)[\w-]+", re.ASCII)
# Secret because of its place: the first group stays, the rest is removed.
_PLACES = re.compile(
    r"""(\bsessionKey\w*=)[^;\s"']+                                    # a cookie
      | (\bAuthorization['"]?\s*[:=,]\s*['"]?(?:\w+\s+)?)[^\s"',)]+    # a header
      | (\b(?:Bearer|Bot)\s+)[\w.~+/=-]{20,}
      | (\w://[^\s/:@"']*:)[^\s/@"']+(?=@)                             # a password in an address
      | (\bpassword['"]?\s*[:=]\s*['"]?)[^\s'",)&]+
      | (/join/)[\w-]{20,}                                            # a code to join
      | ([?&]ticket=)[^&\s"']+                                         # Slack's WebSocket address
      | (\bhooks\.slack\.com/\w+/)[^\s"']+                             # Slack's address for one answer
      | (/(?:webhooks|interactions)/\d+/)[^\s/?"']+                    # Discord's, too
    """,
    re.VERBOSE | re.IGNORECASE,
)
_EMAIL = re.compile(r"(?<![\w.+/-])[\w.+-]+@[\w-]+(?:\.[\w-]+)+")

_SHORTEST = 6  # hiding a shorter value would hide ordinary words

_known: set[str] = set()


def remember(value: str) -> None:
    """Makes `hide` remember this value while the process lives. Keys of a known form need not be remembered."""
    if len(value) >= _SHORTEST and not _OURS.fullmatch(value):
        _known.update({value, quote(value, safe="")})


def forget_all() -> None:
    """Forgets the remembered values, for tests that load many configurations in one process."""
    _known.clear()


def hide(text: str) -> str:
    """The text with every remembered value, everything with the form of a secret, and every e-mail address replaced."""
    for value in sorted(_known, key=len, reverse=True):
        text = text.replace(value, HIDDEN)
    text = _PLACES.sub(lambda found: "".join(filter(None, found.groups())) + HIDDEN, text)
    return _EMAIL.sub("[e-mail]", _TOKENS.sub(HIDDEN, text))


def looks_secret(text: str) -> bool:
    """Whether a text contains something with the form of a known service's secret."""
    return _TOKENS.search(text) is not None or "sessionKey=" in text
