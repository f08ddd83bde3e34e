"""The tool that measures the project's English, on hand-made text."""

import statistics
from pathlib import Path

import pytest

import prose
from printed import ROOT

PAGE = """# A heading is not a sentence. At all.

Two sentences e.g. this one. And [this one](https://example.org/a.b) is the
second, on two lines.

- An item
  goes on here
- Another item

```sh
perfectlook complete photo.jpg. This is code.
```

| short cell | This cell has more than six words in it |
|---|---|
| no | no |

<!-- a comment. -->
> bf16 is fast. fp32 is exact.
"""


def test_indented_code_is_not_prose_but_a_list_item_goes_on() -> None:
    page = "Type this:\n\n    perfectlook sync\n\n    ls\n\nThen stop.\n\n- An item.\n\n    It goes on.\n"
    found = [(each.line, each.text) for each in prose.sentences(page)]
    assert found == [(1, "Type this:"), (7, "Then stop."), (9, "An item."), (11, "It goes on.")]


def test_sentences_of_markdown() -> None:
    assert [(each.line, each.text) for each in prose.sentences(PAGE)] == [
        (3, "Two sentences e․g․ this one."),
        (3, "And this one is the second, on two lines."),
        (6, "An item goes on here"),
        (8, "Another item"),
        (14, "This cell has more than six words in it"),
        (19, "bf16 is fast."),
        (19, "fp32 is exact."),
    ]


def test_words_count_figures_and_no_dashes() -> None:
    assert prose.words("At most 24,000 words – in `--k 5`, don't count the dash.") == 11


def test_percentile() -> None:
    assert prose.percentile(list(range(1, 101)), 0.95) == 96
    assert prose.percentile([], 0.95) == 0


def _found(tmp_path: Path, name: str, text: str) -> list[tuple[int, str]]:
    (tmp_path / name).write_text(text, encoding="utf-8")
    return [(each.line, each.phrase) for each in prose.phrases(prose.texts(tmp_path / name, name))]


def test_phrases_of_markdown(tmp_path: Path) -> None:
    text = "Fine.\nWhoever asks, waits.\n\n```\nwhoever\n```\n`whoever` is code. The color is wrong.\n"
    assert _found(tmp_path, "page.md", text) == [(2, "Whoever"), (7, "color")]


def test_phrases_of_python(tmp_path: Path) -> None:
    text = (
        '"""Docs.\n\nA key beside a lock."""\n\n'
        'whoever = 1  # mend this\nraise ValueError(f"{whoever} is none of them")\n'
    )
    assert sorted(_found(tmp_path, "a.py", text)) == [(3, "beside"), (5, "mend"), (6, "is none of")]


@pytest.mark.parametrize(
    ("name", "text", "line"),
    [
        ("a.js", "const a = 1;\n/* such a\nthing */\n", 2),
        ("a.js", 'const a = "b"; // x\nsay("not at once");\n', 2),
        ("a.css", "/* fine */\n.a { color: red; } /* whoever */\n", 2),
        ("a.html", "<p class='upon'>Fine\n<b>so many</b></p>\n", 2),
    ],
)
def test_phrases_of_the_page(tmp_path: Path, name: str, text: str, line: int) -> None:
    assert [each[0] for each in _found(tmp_path, name, text)] == [line]


@pytest.mark.parametrize(
    ("name", "text", "line"),
    [
        ("a.toml", 'a = 1\n# fine\nb = "whoever pays"  # fine\n', 3),
        ("a.toml", 'terms = """\\\nFine. It is to be passed \\\non with a card."""\n', 2),
        ("Makefile", "# fine\nhelp: ## mend the targets\n\ttouch $@\n", 2),
        ("Makefile", 'a:\n\techo "ask whoever made it"\n', 2),
        ("run.sh", "set -e\n# such a thing\nfor a in $#; do echo whoever; done\n", 2),
        ("card.md", "# {{ name }}\n\n{{ 'a model' if a else 'such a model' }} of {{ whoever }}.\n", 3),
        ("a.html", "<p>Fine\n<b>{{ 'so many pairs' }}</b></p>\n", 2),
        ("page.md", "Fine.\n\nA key that is\nnone of them.\n", 3),
        ("a.py", '"""Docs of such\n    a thing."""\n', 1),
    ],
)
def test_phrases_of_other_files(tmp_path: Path, name: str, text: str, line: int) -> None:
    assert [each[0] for each in _found(tmp_path, name, text)] == [line]


@pytest.mark.parametrize(
    "name",
    [
        "Makefile",
        ".ci/run",
        "src/perfectlook/data/fetch/sets.toml",
        "src/perfectlook/training/templates/model_card.md",
        "src/perfectlook/pretrained/rooms/MODEL_CARD.md",
        "src/perfectlook/evaluation/templates/words.html",
    ],
)
def test_files_that_are_read(name: str) -> None:
    assert name in prose.tracked()


@pytest.mark.parametrize(
    "text",
    [
        "in five-fold cross-validation on the two whose test scenes are too few to tell",
        "shrunk to the mean of all the products, where a known category's is shrunk to its own",
        "fewer where photos take so long that one would wait for more than `--queue-seconds`",
        "callers who ask again at once would else take the processors from them",
        "give people one only where they may, else put your own page before the API",
        "What is usual is the mean of both parts over a sample of 16 or fewer products",
        "to name the category of something in the picture is right here",
        "Its own starting point aside, it beats every baseline beyond doubt on ccp-looks",
        "A row of which not even the id can be told",
        "each with its `reason`: whoever may ask reads them",
        "its patience with those who do not get to the point",
        "the right to write has run out",
        "an empty or partial look no longer says 'no look is better'",
        "--spread is of rankings, and a look is none",
        "go on from this model on new pairs",
        "--budget is of whole looks",
        "the API key is none",
        "A model trained on them is to be passed on, if at all, with a card that says so.",
        "the first of these that there is",
        "what an earlier installation left in its folders and is no more is removed",
        "note what is to be seen in each",
    ],
)
def test_sentences_that_need_a_second_reading_are_found(tmp_path: Path, text: str) -> None:
    assert _found(tmp_path, "page.md", f"{text}.\n")


@pytest.mark.parametrize(
    "text", ["All at once, none of them moved.", "Google Merchant Center", "There is no folder.", "besides"]
)
def test_phrases_that_are_fine(tmp_path: Path, text: str) -> None:
    assert not _found(tmp_path, "page.md", text)


def test_generated_pages_and_parts_are_not_measured() -> None:
    assert "docs/results.md" not in prose.handwritten()
    assert "docs/reference/errors.md" not in prose.handwritten()
    assert "README.md" in prose.handwritten()
    page = "One.\n<!-- begin: showroom -->\nTwo.\n<!-- end: showroom -->\nThree.\n"
    assert [(each.line, each.text) for each in prose.sentences(page)] == [(1, "One."), (5, "Three.")]


def test_no_text_has_a_forbidden_phrase() -> None:
    assert not [
        str(each) for name in prose.tracked() for each in prose.phrases(prose.texts(ROOT / name, name))
    ]


def test_readme_and_docs_are_short_enough_and_so_are_their_sentences() -> None:
    names = prose.handwritten()
    found = [each for name in names for each in prose.sentences((ROOT / name).read_text("utf-8"), name)]
    lengths = [prose.words(each.text) for each in found]
    assert sum(lengths) <= prose.MOST_WORDS
    assert statistics.median(lengths) <= prose.MEDIAN
    assert prose.percentile(lengths, 0.95) <= prose.NINETY_FIFTH
