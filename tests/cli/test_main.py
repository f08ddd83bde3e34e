"""The command line as a whole: help, version, exit codes, no traceback for failures that a user can fix."""

import io
import os
import subprocess
import sys

import pytest

import perfectlook
from perfectlook.cli import main as main_module
from perfectlook.cli.main import build_app, main
from perfectlook.errors import PictureError, UsageError


def command_that_raises(error: BaseException):
    """Return a group with one command, `fail`, which raises an error."""

    def fail() -> int:
        raise error

    class Group:
        @staticmethod
        def register(app) -> None:
            app.command(fail)

    return (Group,)


@pytest.mark.parametrize(
    ("error", "code", "says"),
    [
        (PictureError("a.jpg: is empty. Replace it."), 1, "perfectlook: error: a.jpg: is empty. Replace it."),
        (UsageError("k is 0"), 2, "perfectlook: error: k is 0"),
        (
            OSError(28, "No space left on device", "out.json"),
            1,
            "out.json: No space left on device. Check the path",
        ),
        (KeyboardInterrupt(), 130, "interrupted"),
    ],
)
def test_a_failure_is_one_line_and_an_exit_code(error, code, says, monkeypatch, capsys):
    monkeypatch.setattr(main_module, "GROUPS", command_that_raises(error))
    assert main(["fail"]) == code
    captured = capsys.readouterr()
    assert says in captured.err
    assert "Traceback" not in captured.err


def test_a_bug_keeps_its_traceback(monkeypatch):
    monkeypatch.setattr(main_module, "GROUPS", command_that_raises(ZeroDivisionError()))
    with pytest.raises(ZeroDivisionError):
        main(["fail"])


def test_any_text_can_be_printed_to_any_output():
    code = (
        "import sys\n"
        "from perfectlook.cli import main\n"
        "class Group:\n"
        "    def register(app): app.command(say)\n"
        "def say(): print('\\u6728 caf\\udce9'); return 0\n"
        "main.GROUPS = (Group,)\n"
        "sys.exit(main.main(['say']))\n"
    )
    for encoding, said in (("ascii", b"\\u6728 caf\\udce9"), ("utf-8", "木 caf\\udce9".encode())):
        environment = os.environ | {"PYTHONIOENCODING": encoding}
        done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, check=True)
        assert done.stdout.rstrip() == said


def test_it_runs_without_standard_output(monkeypatch):
    monkeypatch.setattr(main_module, "GROUPS", command_that_raises(UsageError("k is 0")))
    monkeypatch.setattr(sys, "stdout", None)
    monkeypatch.setattr(sys, "stderr", io.StringIO())
    assert main(["fail"]) == 2
    assert "k is 0" in sys.stderr.getvalue()


def test_every_command_has_help():
    app = build_app()
    names = {name for name in app if not name.startswith("-")}
    assert names == {
        "train", "adapt", "evaluate", "compare", "catalogue", "embed", "complete", "similar", "explain",
        "categories", "data", "demo", "report", "backbones", "serve", "keys", "feedback", "mcp",
    }  # fmt: skip
    assert all(app[name].help for name in names)


@pytest.mark.parametrize(("words", "listed"), [([], "complete"), (["keys"], "new"), (["data"], "make")])
def test_a_group_without_a_command_lists_its_commands(words, listed, capsys):
    assert main(words) == 2
    captured = capsys.readouterr()
    assert not captured.out
    assert listed in captured.err


@pytest.mark.parametrize("words", [["--help"], ["keys", "--help"], ["serve", "--help"], ["--version"]])
def test_help_goes_to_standard_output(words, capsys):
    assert main(words) == 0
    captured = capsys.readouterr()
    assert captured.out
    assert not captured.err


def test_unexpected_arguments_are_named(capsys):
    assert main(["backbones", "x", "y"]) == 2
    assert "unexpected arguments: x y. Leave them out." in capsys.readouterr().err


def test_a_lone_hyphen_is_wrong_use(capsys):
    assert main(["complete", "-", "--model", "m", "--catalogue", "c"]) == 2
    assert "-: standard input is not read. Give the path of a file." in capsys.readouterr().err


def test_the_module_runs_as_a_program():
    done = subprocess.run(
        [sys.executable, "-m", "perfectlook", "--version"], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == f"perfectlook {perfectlook.__version__}"


def test_the_changelog_knows_this_version(pytestconfig):
    changelog = (pytestconfig.rootpath / "CHANGELOG.md").read_text(encoding="utf-8")
    assert f"## [{perfectlook.__version__}]" in changelog
