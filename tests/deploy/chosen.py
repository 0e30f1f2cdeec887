"""Cases that are left out of the quick run."""
import pytest


def some(first, *others):
    """The first case always, the others where SX_TEST_THOROUGH is set: they cost as much each."""
    return [first, *(pytest.param(other, marks=pytest.mark.thorough) for other in others)]
