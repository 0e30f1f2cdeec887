"""The fixtures of the system tests for other folders: pytest shows a conftest to its own only."""
import importlib.util
import pathlib

SYSTEM = pathlib.Path(__file__).resolve().parents[1]


def load():
    """The module tests/system/conftest.py; a conftest takes from it what it wants to show."""
    spec = importlib.util.spec_from_file_location("system_conftest", SYSTEM / "conftest.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
