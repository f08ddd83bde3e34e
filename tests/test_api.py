"""One import gives the public API: typed, documented, and loaded only when it is used."""

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
