"""Exact money: minor units as `Decimal`, with a currency and its scale."""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Context, Decimal
from functools import reduce

# No sum of accepted amounts (10^12 minor units each) is ever rounded.
_EXACT = Context(prec=60)

LARGEST_MINOR = Decimal(10) ** 12
"""A larger amount is an error, not money."""

# ISO 4217: the currencies whose minor unit is not a hundredth.
_WHOLE = (
    "BIF", "CLP", "DJF", "GNF", "ISK", "JPY", "KMF", "KRW", "PYG", "RWF", "UGX", "UYI", "VND", "VUV", "XAF", "XOF",
    "XPF",
)  # fmt: skip
_THOUSANDTHS = ("BHD", "IQD", "JOD", "KWD", "LYD", "OMR", "TND")
_EXPONENTS = dict.fromkeys(_WHOLE, 0) | dict.fromkeys(_THOUSANDTHS, 3)

_SYMBOLS = {
    "USD": "$", "EUR": "€", "GBP": "£", "JPY": "¥", "INR": "₹", "KRW": "₩",
    "CAD": "CA$", "AUD": "A$", "NZD": "NZ$", "BRL": "R$", "MXN": "MX$",
}  # fmt: skip
_CURRENCIES = {symbol: currency for currency, symbol in _SYMBOLS.items()}


@dataclass(frozen=True, slots=True)
class Money:
    """`minor` is in units of 10**-exponent of the currency (cents for USD) and may be fractional."""

    minor: Decimal
    currency: str
    exponent: int

    @property
    def major(self) -> Decimal:
        """The amount in whole currency units, exact."""
        return self.minor.scaleb(-self.exponent, _EXACT)

    def __str__(self) -> str:
        return show(self)


def default_exponent(currency: str) -> int | None:
    """The ISO 4217 scale if it is not 2; None if 2 would be an assumption that the caller must mark."""
    return _EXPONENTS.get(currency)


def default_places(currency: str) -> int:
    """The ISO 4217 scale of a currency."""
    return _EXPONENTS.get(currency, 2)


def currency_of(symbol: str) -> str | None:
    """The currency that `show` writes with this symbol: `$` is USD."""
    return _CURRENCIES.get(symbol)


def of_major(amount: Decimal, currency: str) -> Money:
    """An amount written by a person, such as a plan's price of 200.00."""
    exponent = default_places(currency)
    return Money(amount.scaleb(exponent, _EXACT), currency, exponent)


def add(a: Money, b: Money) -> Money:
    """The exact sum of two amounts of one currency, at the finer of the two scales."""
    if a.currency != b.currency:
        raise ValueError(f"cannot add {b.currency} to {a.currency}")
    exponent = max(a.exponent, b.exponent)
    minor = _EXACT.add(_rescaled(a, exponent), _rescaled(b, exponent))
    return Money(minor, a.currency, exponent)


def subtract(a: Money, b: Money) -> Money:
    return add(a, Money(b.minor.copy_negate(), b.currency, b.exponent))


def zero(amount: Money) -> Money:
    """Nothing, in the same currency and scale."""
    return Money(Decimal(0), amount.currency, amount.exponent)


def _rescaled(amount: Money, exponent: int) -> Decimal:
    return amount.minor.scaleb(exponent - amount.exponent, _EXACT)


def totals(amounts: Iterable[Money]) -> dict[str, Money]:
    """Exact sums, one per currency, in alphabetical order of the currency code."""
    parts: defaultdict[tuple[str, int], list[Decimal]] = defaultdict(list)
    for amount in amounts:
        parts[amount.currency, amount.exponent].append(amount.minor)
    sums: dict[str, Money] = {}
    for (currency, exponent), minors in sorted(parts.items()):
        part, total = Money(reduce(_EXACT.add, minors), currency, exponent), sums.get(currency)
        sums[currency] = part if total is None else add(total, part)
    return sums


def split(amount: Money, ways: int) -> list[Money]:
    """As equal parts as whole minor units (or the amount's own fractions) allow; their sum is exact. The first parts
    get the remainder, one unit each."""
    places = max(-int(amount.minor.normalize(_EXACT).as_tuple().exponent), 0)
    each, rest = divmod(int(amount.minor.scaleb(places, _EXACT)), ways)
    units = [each + 1] * rest + [each] * (ways - rest)
    return [Money(Decimal(unit).scaleb(-places, _EXACT), amount.currency, amount.exponent) for unit in units]


def percent(used: Money | None, cap: Money | None) -> Decimal | None:
    """used / cap × 100, not rounded and not limited to 100. None where one is not known, without a positive cap, and
    with two currencies."""
    if used is None or cap is None or cap.minor <= 0 or used.currency != cap.currency:
        return None
    return _EXACT.divide(_EXACT.multiply(used.major, Decimal(100)), cap.major)


def rounded(value: Decimal, places: int) -> Decimal:
    """Half up, the rule for everything that is shown."""
    return value.quantize(Decimal(1).scaleb(-places), rounding=ROUND_HALF_UP, context=_EXACT)


def plain(amount: Money) -> str:
    """The amount for machines: `17.20`, all its digits, at least the currency's own decimals."""
    major = amount.major
    shown = rounded(major, amount.exponent)
    return f"{shown if shown == major else major.normalize(_EXACT):f}"


def show(amount: Money, *, grouped: bool = False) -> str:
    """`$17.20`: symbol or code, the currency's decimals, thousands separated when `grouped`."""
    symbol = _SYMBOLS.get(amount.currency, f"{amount.currency} ")
    number = rounded(amount.major, amount.exponent)
    sign = "-" if number < 0 else ""
    return f"{sign}{symbol}{number.copy_abs():{',' if grouped else ''}f}"
