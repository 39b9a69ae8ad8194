"""Numbers, levels and contrasts in words: what every sentence of the analysis is made of."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

from teststrip.records import Contrast, LevelRef, Verdict
from teststrip.vocabulary import spoken

MOST_DECIMALS = 6
"""Readers do not count more decimals than these, so that a power of ten is written instead."""
MOST_LETTERS = 40
"""Of a prompt's name inside a sentence."""
RAISED = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")


def number(value: float, *, signed: bool = False) -> str:
    """Three significant digits and a true minus: -0.1234 -> "−0.123"."""
    if not math.isfinite(value):
        return "unknown" if math.isnan(value) else ("∞" if value > 0 else "−∞")
    # Below this it is the rounding of sums of scores, not a score.
    text = f"{abs(value):.3g}" if abs(value) > 1e-12 else "0"
    if "e" in text:
        places = 2 - math.floor(math.log10(abs(value)))
        text = f"{abs(value):,.0f}" if places < 0 else _tiny(abs(value), places)
    sign = "−" if value < 0 and text != "0" else "+" if signed else ""
    return sign + text


def between(low: float, high: float) -> str:
    """An interval in words, with the digits its width deserves: "−0.23 to 0.03"."""
    if math.isnan(low) and math.isnan(high):
        return "unknown"
    digits = digits_of(low, high)
    return f"{fixed(low, digits)} to {fixed(high, digits)}"


def span(low: float, high: float) -> str:
    """An interval of a difference, with both signs: "−0.23 to +0.03"."""
    if math.isnan(low) and math.isnan(high):
        return "unknown"
    digits = digits_of(low, high)
    return f"{fixed(low, digits, signed=True)} to {fixed(high, digits, signed=True)}"


def plus_minus(mean: float, low: float, high: float) -> str:
    """A mean with half its interval: "24.1 ± 0.3"; the mean alone where there is no interval.

    >>> plus_minus(24.123, 23.8, 24.446), plus_minus(3.0, math.nan, math.nan)
    ('24.12 ± 0.32', '3')
    """
    if not (math.isfinite(low) and high > low):
        return number(mean)
    digits = digits_of(low, high)
    return f"{fixed(mean, digits)} ± {fixed((high - low) / 2, digits)}"


def digits_of(low: float, high: float) -> int:
    """Decimals that show two significant digits of the interval's half-width; a number is no surer than that.

    >>> digits_of(-0.234, 0.0274), digits_of(120.0, 180.0), digits_of(1e-10, 3e-10), digits_of(0.001, 0.001)
    (2, 0, 11, 3)
    """
    half, largest = (high - low) / 2, max(abs(low), abs(high))
    if not math.isfinite(half) or largest == 0:
        return 3
    if half <= 1e-9 * largest:  # rounding, not width
        return max(3, -math.floor(math.log10(largest) + 1e-9))
    return max(1 - math.floor(math.log10(half)), 0)


def fixed(value: float, digits: int, *, signed: bool = False) -> str:
    """A number with so many decimals and a true minus; no sign before a zero.

    >>> fixed(-0.234, 2), fixed(1.03e-10, 11, signed=True), fixed(0.0, 12)
    ('−0.23', '+1.0 × 10⁻¹⁰', '0')
    """
    if not math.isfinite(value):
        return number(value)
    text = _tiny(abs(value), digits) if digits > MOST_DECIMALS else f"{abs(value):,.{digits}f}"
    zero = not text.strip("0.,")
    return ("" if zero else "−" if value < 0 else "+" if signed else "") + text


def _tiny(value: float, digits: int) -> str:
    """A number of more decimals than people read, by a power of ten."""
    if value < 0.5 * 10.0**-digits:
        return "0"
    power = math.floor(math.log10(value))
    if power >= -3:
        return f"{value:.{digits}f}"
    mantissa = f"{value / 10.0**power:.{max(digits + power, 0)}f}"
    return f"{mantissa} × 10{str(power).translate(RAISED)}"


def percent(share: float) -> str:
    """A share as people read it: 0.667 -> "67 %"."""
    return f"{fixed(share * 100, 0)} %"


def at_least(share: float) -> str:
    """A share that is promised, rounded down.

    >>> at_least(0.679), percent(0.679)
    ('67 %', '68 %')
    """
    return percent(math.floor(100 * share + 1e-9) / 100)


def listed(words: Sequence[str]) -> str:
    """Words as in a sentence: "8, 16 and 32"."""
    return " and ".join([", ".join(words[:-1]), words[-1]]) if len(words) > 1 else "".join(words)


def plural(name: str) -> bool:
    """Whether a verb after this spoken name stands in the plural: "steps make", "guidance makes"."""
    return name.endswith("s") and not name.endswith("ss")


def count(number: int, word: str) -> str:
    """So many of something: "1 prompt", "1,200 prompts"."""
    return f"{number:,} {word}{'' if number == 1 else 's'}"


def seeds(number: int, *, paired: bool) -> str:
    """Seeds as units of evidence: "30 paired seeds"; "32 pictures each" where seeds pair no pictures."""
    return count(number, "paired seed") if paired else f"{count(number, 'picture')} each"


def duration(seconds: float) -> str:
    """A time as people say it, rounded to what they would notice.

    >>> duration(0.123), duration(42.4), duration(318), duration(9000)
    ('0.12 s', '42 s', '5 min', '2.5 h')
    """
    if seconds < 10:
        return f"{number(float(f'{seconds:.2g}'))} s"
    if seconds < 100:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"


def stopwatch(seconds: float) -> str:
    """A time that a person waits for, to the second.

    >>> stopwatch(4.23), stopwatch(75), stopwatch(7300), stopwatch(400_000)
    ('4.2 s', '1 min 15 s', '2 h 1 min', '4 d 15 h')
    """
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(int(seconds), 60)
    if minutes < 60:
        return f"{minutes} min {rest} s"
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes} min" if hours < 48 else f"{hours // 24} d {hours % 24} h"


def money(amount: float, currency: str) -> str:
    """An amount as people write it; below one unit with what is worth saying.

    >>> money(1234.5, "USD"), money(0.2107, "USD"), money(0.00588, "USD"), money(0, "USD")
    ('1,234.50 USD', '0.211 USD', '0.00588 USD', '0.00 USD')
    >>> money(0.4, "USD"), money(0.72, "USD")
    ('0.40 USD', '0.72 USD')
    """
    digits = 2 if amount >= 1 or not amount else max(2, 2 - math.floor(math.log10(amount)))
    whole, _, part = f"{amount:,.{digits}f}".partition(".")
    return f"{whole}.{part.rstrip('0'):0<2} {currency}"


def capital(text: str) -> str:
    """A text that begins a sentence."""
    return text[:1].upper() + text[1:]


def prompt(name: str) -> str:
    """A prompt by name, in quotation marks and not too long for a sentence."""
    return f"“{name if len(name) <= MOST_LETTERS else name[: MOST_LETTERS - 1].rstrip() + '…'}”"


def setting(levels: Sequence[LevelRef], name: Callable[[str], str] = spoken) -> str:
    """A whole setting: "guidance 7, steps 50"; `name` says how an axis is called."""
    return ", ".join(f"{name(level.axis)} {level.label}" for level in levels) or "the only setting"


def contrast(asked: Contrast) -> str:
    """What is compared, as a table says it: "8 against 6", "linear trend, 6 to 9"."""
    if asked.kind == "settings":
        return f"{setting(asked.plus)} against {setting(asked.minus)}"
    if asked.kind == "share":
        return f"converged at {asked.plus[0].label} (share of prompts)"
    if asked.kind == "interaction":
        return " by ".join(
            f"{plus.axis} ({'trend' if plus.axis in asked.trends else against(plus, minus)})"
            for plus, minus in zip(asked.plus, asked.minus, strict=True)
        )
    (plus,), (minus,) = asked.plus, asked.minus
    if asked.kind == "pair":
        return against(plus, minus)
    name = "linear trend" if asked.kind == "trend" else "quadratic trend (bend)"
    return f"{name}, {from_to(asked)}{' on a log scale' if asked.logarithmic else ''}"


def against(plus: LevelRef, minus: LevelRef) -> str:
    """Two levels in words: "8 against 6"."""
    return f"{plus.label} against {minus.label}"


def from_to(asked: Contrast) -> str:
    """The ends of a trend in words: "6 to 9"."""
    return f"{asked.minus[0].label} to {asked.plus[0].label}"


def with_group(group: str) -> str:
    """The group that a finding of convergence is about, to stand after a word: " with UniPC"; "" = all."""
    return f" with {group}" if group else ""


VERDICTS: dict[Verdict, str] = {
    "different": "different",
    "equivalent": "no difference that matters",
    "inconclusive": "cannot tell yet",
    "insufficient design": "this design cannot tell",
}
"""Verdicts as table cells say them."""
