"""Measures the English of the project's texts, and finds the phrases that its style forbids.

    python tools/prose.py [FILES]             sentences of README and the hand-written docs, or of FILES
    python tools/prose.py --phrases [FILES]   forbidden phrases and American spellings in every text

The first prints the number of words, the median and the 95th percentile of words a sentence, and every
sentence over 35 words. The second reads Markdown, Python (docstrings, comments, strings), JavaScript, CSS,
HTML, templates, TOML, YAML, shell scripts and the Makefile. Code in backticks is never prose. Both exit with
1 when they find something to change.
"""

import argparse
import ast
import io
import re
import statistics
import subprocess
import tokenize
from bisect import bisect_right
from collections.abc import Iterable, Iterator
from itertools import accumulate
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parents[1]
MOST_WORDS = 25_000
"""Words of README and of the hand-written pages together."""
MEDIAN, NINETY_FIFTH, LONGEST = 14, 28, 35
"""Words a sentence: the aims, and the most that one sentence may have."""
CELL_WORDS = 6
"""A table's cell with more words counts as a sentence."""

PHRASES: dict[str, str] = {
    r"who(m)?ever": "anyone who, everyone who",
    r"whatsoever|whosoever|whether or no(?!t)": "any, whether",
    r"whatever(?! (?:else )?you)": "any, everything that, regardless of",
    r"thereby|thereof|therein|thereto|whereby|wherein|hereby|hitherto|henceforth|thence|hence": "so, then",
    r"nought|naught|thrice|lest|whilst|amidst|amongst|betwixt|anew|afresh|apiece|aught|thither|hither": (
        "a contemporary word"
    ),
    r"of which|of whom|of whose": "two sentences",
    r"mend(?:s|ed|ing)?": "fix",
    r"beside": "next to, with, together with",
    r"(?:it|that|this|which|one|look|link|key|picture|line|number|value|file|id|type) is (?-i:none)(?! of)": (
        "say what it is: 'expected X, got Y', 'there is no X'"
    ),
    r"(?:is|are) none of": "is not one of, not any of",
    r"(?:is|are) of (?:whole|servers?|rankings?|looks?|those)": "requires, belongs to",
    r"(?:has|have|had) no use": "does not use, does not take",
    r"such (?:an?|one)": "this, a ... like this",
    r"so (?:many|few)(?! (?:\w+ )?that)": "this many, N",
    r"not a one": "none",
    r"(?:is|are|was|were) told of": "is reported",
    r"of which not even|what of (?:it|them|its|a|the)": "say it directly",
    r"(?:can|may|could|cannot) be told": "can be read, is known",
    r"(?<!all )(?<!all the )at once(?! by| with| in)": "immediately, at the same time",
    r"(?:in|for|to|of|on|at|with|from) one's|one's own": "your, its",
    r"(?:that|if|when|as|than|what|where) one (?:would|may|must|wants|can|could|has|likes|knows|does)": "you",
    r"(?:would|could|might|must|will) else": "otherwise",
    r"else (?:put|give|take|say|set|use|make|run|name|ask)(?= )": "otherwise",
    r"(?:its|their|whose|of|of the) patience|patience with|patient(?:ly)?": "timeout, deadline",
    r"(?:get|gets|got|getting) to the point": "say it directly",
    r"begins? so": "starts with",
    r"it is said|is said (?:of|so|while|where)|are said (?:of|so)|what is said": "is reported",
    r"beyond (?:a |any )?doubt|leaves? no doubt": "is better: the interval of the difference is above 0",
    r"those (?:who|for whom)": "people who, clients that",
    r"for whom": "who",
    r"time is up|its time (?:has )?(?:run|ran) out": "timed out after N s",
    r"(?:right to write|lease) (?:has )?(?:run|ran|runs) out": "the write lease expired",
    r"cannot be listened (?:at|on)": "cannot bind to",
    r"of everything random": "random seed",
    r"go(?:es|ing)? on from": "fine-tune, continue from",
    r"own words": "say it directly",
    r"as good as (?:none|nothing|no)": "almost no",
    r"(?:a )?(?:great|good) many": "many",
    r"for want of|in want of|in lieu of": "without",
    r"nobody|somebody": "no one, someone",
    r"shall|ought": "must, should",
    r"need(?:s|ed)? not|dares? not": "does not have to",
    r"for ever": "forever, permanently",
    r"upon": "on",
    r"(?:once )?in its life": "once",
    r"its starting point aside|aside from that|(?:him|it|them)self aside": "except",
    r"no (?:more|less) (?:and|nor) no (?:more|less)": "exactly",
    r"(?<!there )is no (?:link|number|picture|folder|file|catalogue|feed|name|word|date|price|address)": (
        "is not a X; or 'expected X, got Y'"
    ),
    r"(?:it|this|that|which|there) (?:pays|avails)": "it is faster, it helps",
    r"to each its own|as it were|so to speak|if need be|at will|in vain|of old|of late": "say it directly",
    r"there is no place|the house|houses' own": "rejected; say what is meant",
    r"lies? (?:by|hard by|beneath)|lies? beside": "is in, is next to",
    r"(?:asks|asked|asking) anew|once more|yet again": "again",
    r"is right here|is wont": "say it directly",
    r"(?:the )?(?:askers?|sayings?)": "client, text",
    r"(?:come|came|comes) to (?:naught|nothing|grief)": "fails",
    r"goes without": "has no, skips",
    r"in their stead|in its stead|stead": "instead",
    r"likewise": "also",
    r"utmost|outermost of all": "most",
    r"so as not to": "to avoid",
    r"inasmuch|insofar|notwithstanding|nevertheless|nonetheless": "because, although, but",
    r"too (?:few|many|little|small) to tell": "fewer than N pairs, which is too few to compare",
    r"(?:category|product|scene|model|store|catalogue|server|shop)['’]s is": "repeat the noun",
    r"what is \w+ is": "name it",
    r"no longer says?": "no longer returns, no longer reports",
    r"(?:first|one|any|all) of these that there": "the first that",
    r"(?:what|all|everything) that there (?:is|are)|these that there (?:is|are)": "that exist",
    r"(?:is|are) to be (?:passed|seen|made|given|taken|read|found|had|told|written)": "must be, can be",
    r"what is to be": "say what it is",
    r"if at all|and is no more": "say the condition: 'if you ...'",
    r"utili[sz]e[sd]?|leverag(?:e[sd]?|ing)|simply|obviously|of course|please note": "delete it, or 'use'",
}
"""Each forbidden phrase, a regular expression of whole words in any case, and what to write instead."""

SPELLINGS: dict[str, str] = {
    r"colors?|colored|coloring|colorful": "colour",
    r"catalogs?|cataloged": "catalogue",
    r"(?:un)?favorites?|favors?": "favour",
    r"behaviors?": "behaviour",
    r"neighbors?|neighboring|neighborhood": "neighbour",
    r"gray|grays": "grey",
    r"centers?|centered": "centre",
    r"analyz(?:e|es|ed|ing)": "analyse",
    r"(?:re|de|pre|un)?(?:normal|general|optim|minim|maxim|initial|recogn|organ|serial|summar|util|real|custom|"
    r"categor|visual|synchron|quant|random|standard|token|author|vector|regular|parallel|capital|special|"
    r"emphas|apolog|prior|local|modern|local|memor)iz(?:e|es|ed|ing|ation|ations)": "-ise",
    r"(?:un)?label(?:ed|ing)|cancel(?:ed|ing)|travel(?:ed|ing)|model(?:ed|ing)|signal(?:ed|ing)": "double l",
    r"artifacts?": "artefact",
    r"jewelry": "jewellery",
    r"fulfill(?:s|ment)?": "fulfil",
    r"defense|offense": "-ce",
    r"furniture's own": "the furniture's",
    r"meters?(?= (?:wide|high|long|away|above))": "metre",
}
"""American spellings and the British ones. Tests are not searched: their data is a shop's."""

WHERE_PHRASES: tuple[str, ...] = (
    *(
        "README.md",
        "CONTRIBUTING.md",
        "CHANGELOG.md",
        "docs",
        "Makefile",
        "pyproject.toml",
        "mkdocs.yml",
        ".ci",
    ),
    *("src", "tests", "tools", "research", "benchmarks", "examples", "packages", ".ci"),
)
KINDS = {".md", ".py", ".js", ".html", ".css", ".toml", ".yml", ".sh"}
NOT_READ = {
    *("docs/assets/iframe-worker.js", "tools/prose.py", "tests/tools/test_prose.py"),
    "src/perfectlook/fashion.toml",
}
"""Code of third parties, the words of shops, and the files that quote forbidden phrases."""
OLD_DATA = "tests/compatibility/before/"
"""Files that an earlier version wrote. They stay as they are."""
GENERATED_MARK = "<!-- Generated by "
"""How a page begins that nobody writes."""
GENERATED_PAGES = {"docs/results.md", "docs/cross-validation.md"}

_FORBIDDEN = [
    (re.compile(rf"(?<![\w'’/.-])(?:{pattern})(?![\w-])", re.IGNORECASE), remedy)
    for pattern, remedy in PHRASES.items()
]
_AMERICAN = [
    (re.compile(rf"(?<![\w'’/.\"-])(?:{pattern})(?![\w\"=:-])"), f"British: {british}")
    for pattern, british in SPELLINGS.items()
]
_ABBREVIATIONS = re.compile(r"\b(e\.g|i\.e|etc|cf|vs|et al|Fig|No|approx|St)\.", re.IGNORECASE)
_END = re.compile(r"(?<=[.!?])(?<!\.\.\.)[\"'”’)*_]*\s+")
_SCRIPT = re.compile(
    r"/\*.*?\*/|(?<![:'\"`])//[^\n]*|'(?:[^'\\\n]|\\.)*'|\"(?:[^\"\\\n]|\\.)*\"|`(?:[^`\\]|\\.)*`", re.DOTALL
)
"""Comments and strings of JavaScript."""
_SETTINGS = re.compile(
    r"\"{3}.*?\"{3}|\"(?:[^\"\\\n]|\\.)*\"|(?<![\w\\])'[^'\n]*'|(?<![\w$\\])\#[^\n]*", re.DOTALL
)
"""Comments and strings of TOML, YAML, shell scripts and Makefiles."""
_JINJA = re.compile(r"\{\{.*?\}\}|\{%.*?%\}", re.DOTALL)
_QUOTED = re.compile(r"\"[^\"]*\"|'[^']*'")
_WORD = re.compile(r"[^\W_][\w'’.,/%-]*")


class Text(NamedTuple):
    """A piece of prose and where it begins."""

    path: str
    line: int
    text: str


class Found(NamedTuple):
    """A forbidden phrase in a text."""

    path: str
    line: int
    phrase: str
    remedy: str

    def __str__(self) -> str:
        return f"{self.path}:{self.line}: '{self.phrase}' -> {self.remedy}"


def sentences(markdown: str, path: str = "") -> list[Text]:
    """The sentences of a Markdown page: paragraphs, list items, long table cells; no headings, no code."""
    found = []
    for block in _blocks(markdown, path):
        text = _ABBREVIATIONS.sub(lambda m: m[0].replace(".", "\u2024"), _plain(block.text))
        found += [Text(path, block.line, each.strip()) for each in _END.split(text) if words(each)]
    return found


def words(text: str) -> int:
    """The number of words; a figure is a word, a dash is not."""
    return len(_WORD.findall(text))


def percentile(lengths: list[int], share: float) -> float:
    """The length that `share` of the sentences do not exceed; 0 where there is none."""
    ordered = sorted(lengths)
    return float(ordered[min(len(ordered) - 1, int(share * len(ordered)))]) if ordered else 0.0


def texts(path: Path, name: str) -> Iterator[Text]:
    """The prose of a file: everything but its code."""
    source = path.read_text(encoding="utf-8")
    if path.suffix == ".md":
        yield from _paragraphs(_plain(_without_code(_without_jinja(source))), name)
    elif path.suffix == ".py":
        yield from _of_python(source, name)
    elif path.suffix == ".html":
        plain = re.sub(r"<(script|style)\b.*?</\1>|<[^>]*>", _blank, _without_jinja(source), flags=re.S)
        yield from _paragraphs(plain, name)
    elif path.suffix == ".css":
        yield from _matches(re.compile(r"/\*.*?\*/", re.S), source, name)
    elif path.suffix == ".js":
        yield from _matches(_SCRIPT, source, name)
    else:
        yield from _matches(_SETTINGS, source, name)


def phrases(found: Iterable[Text]) -> Iterator[Found]:
    """Every forbidden phrase in texts, also where a line ends inside it; code in backticks is left out."""
    for each in found:
        lines = re.sub(r"`[^`\n]*`", "``", each.text).splitlines()
        # a comment or a string that goes on in the next line is one text
        parts = [f"{re.sub(r'[ #*|>]*', '', line, count=1)} ".replace("\\ ", " ") for line in lines]
        parts = [re.sub(r"\s+", " ", part) for part in parts]
        starts = [0, *accumulate(map(len, parts))]
        text = "".join(parts)
        for pattern, remedy in [*_FORBIDDEN, *([] if each.path.startswith("tests/") else _AMERICAN)]:
            for match in pattern.finditer(text):
                line = each.line + bisect_right(starts, match.start()) - 1
                yield Found(each.path, line, match[0], remedy)


def tracked(roots: Iterable[str] = WHERE_PHRASES) -> list[str]:
    """The files of the repository under `roots` that hold prose."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard", "--", *roots],
        cwd=ROOT,
        capture_output=True,
        check=True,
        text=True,
    ).stdout.split("\0")
    return [
        each
        for each in listed
        if (Path(each).suffix in KINDS or Path(each).name == "Makefile" or each.startswith(".ci/"))
        and each not in NOT_READ
        and not each.startswith(OLD_DATA)
        and (ROOT / each).is_file()
    ]


def is_generated(name: str) -> bool:
    """Whether a page of the documentation is made by a program."""
    return name in GENERATED_PAGES or GENERATED_MARK in (ROOT / name).read_text(encoding="utf-8")[:400]


def handwritten() -> list[str]:
    """README and the pages of the documentation that people write."""
    pages = [each for each in tracked(("docs",)) if each.endswith(".md") and not is_generated(each)]
    return ["README.md", *pages]


def _blocks(markdown: str, path: str) -> Iterator[Text]:
    """Paragraphs, list items and long cells of a page with the line at which each begins."""
    held: list[str] = []
    begun = 0
    for number, line in enumerate([*_without_code(markdown).splitlines(), ""], 1):
        text = re.sub(r"^[>\s]+", "", line)
        item = re.match(r"(?:[-*+]|\d+[.)])\s+(?:\[[ x]\]\s+)?", text)
        is_break = not text or item or text.startswith(("#", "|", "<!--", "!!!", "???", "---", ":::"))
        if is_break and held:
            yield Text(path, begun, " ".join(held))
            held = []
        if text.startswith("|"):
            for cell in re.split(r"(?<!\\)\|", text):
                if words(_plain(cell)) > CELL_WORDS:
                    yield Text(path, number, cell)
        elif item or (text and not is_break):
            if not held:
                begun = number
            held.append(text[item.end() :] if item else text)


def _without_code(markdown: str) -> str:
    """A page without code, generated parts and comments; the lines keep their numbers.

    Indented lines after a blank line are code, except in a list item or an admonition.
    """
    text = re.sub(r"\A---\n.*?\n---\n", _blank, markdown, flags=re.S)
    text = re.sub(r"<!-- begin: ([^>]*) -->.*?<!-- end: \1 -->", _blank, text, flags=re.S)
    text = re.sub(r"<!--.*?-->", _blank, text, flags=re.S)
    text = re.sub(r"^([ >\t]*)(`{3,}|~{3,}).*?^[ >\t]*\2[ \t]*$", _blank, text, flags=re.S | re.M)
    text = re.sub(r"<(picture|svg|pre|script|style)\b.*?</\1>", _blank, text, flags=re.S)
    text = re.sub(r"^\[[^\]]+\]:.*$", "", text, flags=re.M)
    lines, is_code, outer = text.split("\n"), False, ""
    for number, line in enumerate(lines):
        if not line.startswith("    "):
            is_code = not line.strip() and is_code
            outer = line if line.strip() else outer
        elif is_code or (
            not lines[number - 1].strip() and not re.match(r"[-*+] |\d+[.)] |!!!|\?\?\?", outer)
        ):
            is_code, lines[number] = True, ""
    return "\n".join(lines)


def _plain(text: str) -> str:
    """Markdown as it reads: links without targets, no images, no tags."""
    text = re.sub(r"!\[[^\]]*\]\([^)]*\)(?:\{[^}]*\})?", "", text)
    text = re.sub(r"\[((?:[^\[\]]|\[[^\]]*\])*)\](?:\([^)]*\)|\[[^\]]*\])", r"\1", text)
    return re.sub(r"</?[a-zA-Z][^>]*>", "", text).replace("**", "")


def _paragraphs(plain: str, name: str) -> Iterator[Text]:
    """The lines of a text, joined up to the next empty line, heading, list item or table row."""
    held: list[str] = []
    begun = 1
    for number, line in enumerate([*plain.splitlines(), ""], 1):
        if held and (not line.strip() or re.match(r"\s*(?:[-*+#|]|\d+[.)])\s?", line)):
            yield Text(name, begun, "\n".join(held))
            held = []
        if line.strip():
            begun = begun if held else number
            held.append(line)


def _matches(pattern: re.Pattern[str], source: str, name: str) -> Iterator[Text]:
    """The parts of a source that match, if they contain a space."""
    for match in pattern.finditer(source):
        if " " in match[0]:
            yield Text(name, source.count("\n", 0, match.start()) + 1, match[0])


def _without_jinja(source: str) -> str:
    """A template with only the texts of its expressions; comments of the template are texts."""

    def texts_of(match: re.Match[str]) -> str:
        return " ".join(each[1:-1] for each in _QUOTED.findall(match[0]) if " " in each) + _blank(match)

    return _JINJA.sub(texts_of, source)


def _blank(match: re.Match[str]) -> str:
    return "\n" * match[0].count("\n")


def _of_python(source: str, name: str) -> Iterator[Text]:
    """Docstrings, comments, and string literals with a space; docstrings are strings too."""
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type == tokenize.COMMENT:
            yield Text(name, token.start[0], token.string)
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and " " in node.value:
            yield Text(name, node.lineno, node.value)
        elif isinstance(node, ast.FunctionDef) and node.name.startswith("test_"):
            yield Text(name, node.lineno, node.name.replace("_", " "))


def _print_measures(names: list[str]) -> bool:
    lengths, total, too_long = [], 0, []
    for name in names:
        for each in sentences((ROOT / name).read_text(encoding="utf-8"), name):
            length = words(each.text)
            lengths.append(length)
            total += length
            if length > LONGEST:
                too_long.append((length, each))
    for length, each in too_long:
        print(f"{each.path}:{each.line}: {length} words: {each.text}")
    median, high = statistics.median(lengths or [0]), percentile(lengths, 0.95)
    print(
        f"{len(names)} files, {total:,} words (at most {MOST_WORDS:,}), {len(lengths):,} sentences; words a "
        f"sentence: median {median:g} (aim {MEDIAN}), 95th percentile {high:g} (aim {NINETY_FIFTH}); "
        f"{len(too_long)} sentences over {LONGEST}"
    )
    return total <= MOST_WORDS and median <= MEDIAN and high <= NINETY_FIFTH and not too_long


def _print_phrases(names: list[str]) -> bool:
    found = [each for name in names for each in phrases(texts(ROOT / name, name))]
    for each in found:
        print(each)
    print(f"{len(found)} forbidden phrases in {len(names)} files")
    return not found


def main() -> int:
    """Print what the arguments ask for; 0 where nothing is left to change."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("files", nargs="*", help="files or folders (default: the whole project)")
    parser.add_argument("--phrases", action="store_true", help="list forbidden phrases instead")
    given = parser.parse_args()
    roots = [str(Path(each).resolve().relative_to(ROOT)) for each in given.files]
    if given.phrases:
        good = _print_phrases(tracked(roots or WHERE_PHRASES))
    else:
        good = _print_measures(
            [each for each in tracked(roots) if each.endswith(".md")] if roots else handwritten()
        )
    return 0 if good else 1


if __name__ == "__main__":
    raise SystemExit(main())
