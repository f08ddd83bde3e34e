"""The public API: documented, and loaded on first use."""

import inspect
import subprocess
import sys

import pytest

import perfectlook as pl


@pytest.mark.parametrize("name", [each for each in pl.__all__ if each != "__version__"])
def test_every_name_is_there_and_documented(name: str) -> None:
    found = getattr(pl, name)
    assert inspect.getdoc(found)
    assert found.__name__ == name
    assert name in dir(pl)
    if inspect.isfunction(found):
        signature = inspect.signature(found)
        assert signature.return_annotation is not inspect.Signature.empty
        assert all(each.annotation is not inspect.Parameter.empty for each in signature.parameters.values())


def test_a_name_that_is_not_there_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="no attribute 'complete'"):
        _ = pl.complete


def test_importing_the_package_loads_nothing_heavy() -> None:
    code = (
        "import sys; before = set(sys.modules); import perfectlook\n"
        "loaded = {name.split('.')[0] for name in set(sys.modules) - before}\n"
        "sys.exit(', '.join(sorted(loaded - sys.stdlib_module_names - {'perfectlook'})))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert not done.stderr.strip()


def test_help_works_without_the_extra_and_a_call_says_what_is_missing() -> None:
    code = (
        "import sys; sys.modules['torch'] = None\n"
        "import importlib.util as util; found = util.find_spec\n"
        "util.find_spec = lambda name, *more: None if name == 'torch' else found(name, *more)\n"
        "import perfectlook as pl\n"
        "assert hasattr(pl, 'train') and 'pip install' in pl.train.__doc__\n"
        "try: pl.train('showroom')\n"
        "except pl.PerfectLookError as error: print(error)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert "needs the extra 'train'" in done.stdout, done.stderr
