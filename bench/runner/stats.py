"""Medians, ranges and ratios of samples taken in the same rounds."""
import statistics


def median(values):
    return statistics.median(values) if values else None


def ratio(of, to):
    """The median of the ratios, round by round, so that a slow moment hits both."""
    pairs = [a / b for a, b in zip(of or [], to or []) if a is not None and b]
    return median(pairs)


def text(value, digits=2):
    return "–" if value is None else f"{value:.{digits}f}"


def spread(values, digits=2):
    return f"{min(values):.{digits}f}–{max(values):.{digits}f}" if values else "–"
