"""Settings: flags override the environment, which overrides the file. Secrets are not printed."""

import tomllib
from pathlib import Path

import pytest

from perfectlook.errors import UsageError
from perfectlook.service.settings import PREFIX, Settings

NEEDED = {"model": "m", "catalogue": "c"}


@pytest.fixture(autouse=True)
def without_variables(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in Settings.model_fields:
        monkeypatch.delenv(PREFIX + name.upper(), raising=False)


def test_flags_override_the_environment_and_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    file = tmp_path / "serve.toml"
    file.write_text(
        'model = "m"\ncatalogue = "c"\nport = 1\nqueue = 2\nrate = 3\nallow_origin = ["https://a"]\n'
    )
    variables = {
        "PORT": "10",
        "QUEUE": "20",
        "KEYED_READING": "true",
        "KEYS": "keys",
        "ALLOW_ORIGIN": "https://b, https://c",
    }
    for name, text in variables.items():
        monkeypatch.setenv(PREFIX + name, text)
    settings = Settings.of({"port": 100, "host": None, "keys": "keys"}, str(file))
    assert (settings.port, settings.queue, settings.rate) == (100, 20, 3.0)
    assert settings.keyed_reading
    assert settings.allow_origin == ("https://b", "https://c")
    assert settings.host == "127.0.0.1"


def test_the_printed_settings_can_be_read_as_a_file(tmp_path: Path):
    settings = Settings.of({**NEEDED, "allow_origin": ("https://a", 'b"'), "samples": "C:\\photos"})
    (tmp_path / "again.toml").write_text(settings.as_toml())
    assert Settings.of({}, str(tmp_path / "again.toml")) == settings


def test_secrets_are_not_printed():
    settings = Settings.of({"model": "m", "catalogue": "milvus+https://me:secret@host/c?api_key=hush&x=1"})
    printed = settings.as_toml()
    assert "secret" not in printed
    assert "hush" not in printed
    assert tomllib.loads(printed)["catalogue"] == "milvus+https://***@host/c?api_key=***&x=1"


@pytest.mark.parametrize(
    ("flags", "environment", "named"),
    [
        ({}, {}, "--model"),
        ({"model": "m"}, {}, "--catalogue"),
        (NEEDED, {"PERFECTLOOK_PORT": "many"}, "PERFECTLOOK_PORT 'many': must be a whole number"),
        (
            NEEDED,
            {"PERFECTLOOK_RATE": "-1"},
            "PERFECTLOOK_RATE -1.0: must be 0 or more",
        ),
        (NEEDED, {"PERFECTLOOK_KEYED_READING": "perhaps"}, "PERFECTLOOK_KEYED_READING"),
        ({**NEEDED, "port": 70_000}, {}, "--port 70000: must be at most 65535"),
        ({**NEEDED, "burst": 0}, {}, "--burst 0: must be at least 1"),
        ({**NEEDED, "keyed_reading": True}, {}, "--keyed-reading requires --keys"),
        ({**NEEDED, "queue": -1}, {}, "--queue"),
        ({**NEEDED, "read_seconds": 0.0}, {}, "--read-seconds"),
    ],
)
def test_wrong_settings_are_named(
    flags: dict[str, object], environment: dict[str, str], named: str, monkeypatch: pytest.MonkeyPatch
):
    for name, text in environment.items():
        monkeypatch.setenv(name, text)
    with pytest.raises(UsageError, match=named):
        Settings.of(flags)


def test_wrong_values_of_a_file_are_named_by_key(tmp_path: Path):
    file = tmp_path / "serve.toml"
    file.write_text("port = 'abc'\n")
    with pytest.raises(UsageError, match=r"serve\.toml: port 'abc': must be a whole number\.$"):
        Settings.of(NEEDED, str(file))
    file.write_text("port\n")
    with pytest.raises(UsageError, match=r"serve\.toml: not valid TOML \(.*\)\. Correct the file\.$"):
        Settings.of(NEEDED, str(file))


@pytest.mark.parametrize("text", ["prot = 1", 'port = "1"', "port = true", "port 1", "allow_origin = [1]"])
def test_wrong_files_are_named(tmp_path: Path, text: str):
    (tmp_path / "serve.toml").write_text(text)
    with pytest.raises(UsageError, match=r"serve\.toml"):
        Settings.of(NEEDED, str(tmp_path / "serve.toml"))
    with pytest.raises(UsageError, match="absent: no such file"):
        Settings.of(NEEDED, str(tmp_path / "absent"))
