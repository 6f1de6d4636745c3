"""Habits of this repository that a short search can check."""

from __future__ import annotations

import ast
import re
import sys
import tomllib
from collections.abc import Iterable, Iterator
from pathlib import Path

import click
import pytest

from tests.support.typing_names import read_classes, used_at_run_time
from wt_orchestrate.cli.app import app
from wt_orchestrate.domain.effects import EffectKind

ROOT = Path(__file__).resolve().parents[2]
PACKAGE = ROOT / "wt_orchestrate"
TEXTS = {".py", ".md", ".toml", ".yaml", ".yml", ".json", ".sh", ""}
SOURCES = (
    "wt_orchestrate",
    "tests",
    "tools",
    "hooks",
    "templates",
    "docs",
    "benchmarks",
    ".ci",
    "Makefile",
    "README.md",
    "CONTRIBUTING.md",
    "plugin",
)
_WORKPLACE = ("/" + "work/", "../" + "shared", "/" + "tmp/try", "/dev/" + "shm/lead")
MAX_LINES = 500
MAX_MODULES = 14
OVER = {"ports/engine.py": 600, "ports/git.py": 600, "domain/state/run.py": 550}
"""Files that are one list by nature, with their own bound."""


def _files(*names: str) -> list[Path]:
    found: list[Path] = []
    for name in names:
        path = ROOT / name
        found += [path] if path.is_file() else sorted(each for each in path.rglob("*") if each.is_file())
    return [each for each in found if each.suffix in TEXTS and "__pycache__" not in each.parts]


def test_no_test_sleeps() -> None:
    """Tests wait on conditions; only the one helper for that may sleep."""
    asleep = [
        str(path.relative_to(ROOT))
        for path in _files("tests")
        if re.search(r"\btime\.sleep\(|^from time import .*\bsleep\b", path.read_text(encoding="utf-8"), re.MULTILINE)
        and path.name not in {"waiting.py", "stub_model.py", Path(__file__).name}
    ]
    assert asleep == []


def test_files_of_the_package_stay_readable() -> None:
    """A file is one idea and stays under its bound of lines."""
    long = {
        str(path.relative_to(PACKAGE)): lines
        for path in _files("wt_orchestrate")
        if (lines := path.read_text(encoding="utf-8").count("\n")) > OVER.get(str(path.relative_to(PACKAGE)), MAX_LINES)
    }
    assert long == {}


def test_every_module_opens_with_its_contract() -> None:
    """Each module of the package begins with a docstring."""
    bare = [
        str(path.relative_to(PACKAGE))
        for path in _files("wt_orchestrate")
        if path.suffix == ".py" and not path.read_text(encoding="utf-8").startswith('"""')
    ]
    assert bare == []


def test_every_folder_says_what_belongs_in_it() -> None:
    """Each folder of the package opens with three to six lines that say what belongs there and what does not."""
    found = {}
    for path in sorted(PACKAGE.rglob("__init__.py")):
        text = ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) or ""
        lines = [line for line in text.splitlines() if line.strip()]
        if not 3 <= len(lines) <= 6 or "Belongs here:" not in text or "Does not:" not in text:
            found[str(path.relative_to(PACKAGE))] = len(lines)
    assert found == {}


def test_no_folder_has_more_modules_than_can_be_read() -> None:
    """A folder of the package has at most 14 modules, `__init__` included."""
    folders = [path.parent for path in PACKAGE.rglob("__init__.py")]
    counts = {str(each.relative_to(PACKAGE)): len(list(each.glob("*.py"))) for each in folders}
    assert {name: count for name, count in counts.items() if count > MAX_MODULES} == {}


def test_no_two_classes_have_the_same_name() -> None:
    """A class of the package is found by its name alone, which says what it is."""
    places: dict[str, list[str]] = {}
    for path in sorted(PACKAGE.rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ClassDef):
                places.setdefault(node.name, []).append(f"{path.relative_to(PACKAGE)}:{node.lineno}")
    assert {name: found for name, found in places.items() if len(found) > 1} == {}


@pytest.mark.parametrize(("contract", "bound"), [("domain", 12), ("gitrepo", 8)])
def test_the_contracts_of_districts_stay_short(contract: str, bound: int) -> None:
    """Who may import whom is a list of few lines that names every district."""
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    (found,) = [each for each in settings["tool"]["importlinter"]["contracts"] if each["id"] == contract]
    assert len(found["layers"]) <= bound
    assert found["exhaustive"]


_PATH = re.compile(r"`((?:[a-z_]+/)+[a-z_]+(?:\.py)?|[a-z_]+\.py)(?=[`,])")
"""A path of ours in a text: `folder/module`, `folder/module.py` or `module.py`."""
_FLOORS = ("cli", "mcp_server", "wiring", "engine", "adapters", "ports", "domain", "gitrepo", "tests", "tools")
_OUTSIDE = {"docs/guide"}
"""Folders whose texts name files of the reader's repository."""


def test_every_path_that_is_named_exists() -> None:
    """Texts about the code name no module that was moved or renamed."""
    names = [str(path.relative_to(ROOT)) for top in SOURCES for path in (ROOT / top).rglob("*")]
    ends = {name[at:] for each in names for name in (each, each.removesuffix(".py")) for at in _starts(name)}
    missing = [
        f"{path.relative_to(ROOT)}: {match[1]}"
        for path in _files("wt_orchestrate", "docs", "benchmarks", "tools", "CONTRIBUTING.md")
        if not any(str(path.relative_to(ROOT)).startswith(each) for each in _OUTSIDE)
        for match in _PATH.finditer(path.read_text(encoding="utf-8"))
        if (match[1].endswith(".py") or match[1].startswith(_FLOORS)) and match[1] not in ends
    ]
    assert missing == []


def _starts(name: str) -> list[int]:
    return [0, *(at + 1 for at, letter in enumerate(name) if letter == "/")]


_ODD = re.compile(r"\b(anew|mend(?:s|ed|ing)?|walls|upon|behold|whereupon)\b", re.IGNORECASE)
"""Words that have a plain one: again, fix, sandbox, on."""


def test_texts_use_plain_words() -> None:
    """What people read says fix, again, sandbox and on, in the code as well as in the documents."""
    texts = ("wt_orchestrate", "docs", "templates", "hooks", "plugin", "README.md", "CONTRIBUTING.md", "CHANGELOG.md")
    found = [
        f"{path.relative_to(ROOT)}: {match[0]}"
        for path in _files(*texts)
        if path.name != "packet.py"  # it knows the verbs of agents' handoffs
        for match in _ODD.finditer(path.read_text(encoding="utf-8"))
    ]
    assert found == []


def test_every_promise_has_its_tests_and_every_test_its_promise() -> None:
    """The ids of docs/reliability.md are those in the names of tests."""
    page = (ROOT / "docs" / "reliability.md").read_text(encoding="utf-8")
    promised = set(re.findall(r"^\| ([A-Z]\d+) \|", page, re.MULTILINE))
    tests = "\n".join(path.read_text(encoding="utf-8") for path in _files("tests"))
    assert promised == {*re.findall(r"_?([A-Z]\d+)_", "\n".join(re.findall(r"def test_((?:[A-Z]\d+_)+)", tests)))}


def test_every_test_states_its_promise() -> None:
    """Each test has a docstring."""
    silent = [
        f"{path.relative_to(ROOT)}: {match.group(1)}"
        for path in _files("tests")
        for match in re.finditer(
            r'^ *def (test_\w+)\((?:[^()]|\([^()]*\))*\)[^:]*:\n(?! *[rf]?""")',
            path.read_text(encoding="utf-8"),
            re.MULTILINE,
        )
    ]
    assert silent == []


@pytest.mark.parametrize("word", _WORKPLACE, ids=("folder", "neighbour", "scratch", "memory"))
def test_nothing_names_the_machine_it_was_written_on(word: str) -> None:
    """No committed file mentions where it was written."""
    found = [str(path.relative_to(ROOT)) for path in _files(*SOURCES) if word in path.read_text(encoding="utf-8")]
    assert found == []


def test_a_request_has_one_way_into_the_log() -> None:
    """Whatever a face asks of a run goes through `wiring/requests.py`, which brings a refusal back to who asked."""
    ways = {"wiring/requests.py", "engine/requests.py"}
    round_it = [
        f"{path.relative_to(PACKAGE)}:{number}"
        for path in _files("wt_orchestrate")
        if str(path.relative_to(PACKAGE)) not in ways
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1)
        if re.search(r"\brequests\.ask\w*\(|\blog\.ask\(|import ask\b", line)
    ]
    assert round_it == []


def test_keys_of_effects_are_taken_apart_in_one_place() -> None:
    """Only `domain/effects.py` knows how a key is written: nowhere else stands one as text, or is one cut into pieces."""
    kinds = "|".join(kind.value for kind in EffectKind)
    written = re.compile(
        rf"""["'](?:{kinds}):(?:["'{{]|[a-z]+["'])|\bkey\.(?:startswith|removeprefix|r?partition|split)\("""
    )
    found = [
        f"{path.relative_to(PACKAGE)}:{number}"
        for path in _files("wt_orchestrate/domain", "wt_orchestrate/engine")
        if path.name != "effects.py"
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1)
        if written.search(line)
    ]
    assert found == []


_NAMED = re.compile(r"(?<![\w./-])wto((?: +(?:-C +\S+|[a-z][a-z|\\-]*(?![\w./:=])))+)(?P<rest>[^\n`\"'#;()]*)")
"""`wto` with the words behind it that may be commands (`a|b` is either), and the rest up to where a phrase may end."""
_OPTION = re.compile(r"(?<![\w-])(--?[a-z][a-z-]*)")


def _told(path: Path) -> Iterator[str]:
    """What of the commands that a text names does not exist."""
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1):
        if path.suffix == ".md":
            line = re.sub(r'"[^"]*"', "WORDS", line)
        for named in _NAMED.finditer(line):
            for missing in _missing(named[1].split(), named["rest"]):
                yield f"{path.relative_to(ROOT)}:{number}: {missing}"


def _missing(words: list[str], rest: str) -> Iterator[str]:
    commands: list[click.Command] = [app]
    for word in words[2:] if words[0] == "-C" else words:
        groups = [command for command in commands if isinstance(command, click.Group)]
        if not groups:
            break  # an argument, or prose that goes on
        found = [_of(group, name) for group in groups for name in re.split(r"\\?\|", word)]
        if None in found:
            yield f"wto {' '.join(words)}: there is no {word!r}"
            return
        commands = [command for command in found if command is not None]
    for option in _OPTION.findall(rest.partition(" wto ")[0]):
        known = {name for command in commands for each in command.params for name in (*each.opts, *each.secondary_opts)}
        if option not in {*known, "-h", "--help"}:
            yield f"wto {' '.join(words)}: there is no {option}"


def _of(group: click.Group, name: str) -> click.Command | None:
    return group.get_command(click.Context(group), name)


def test_every_command_that_is_named_exists() -> None:
    """Hints and documents name no command, and no option of one, that there is not."""
    sources = _files(
        "wt_orchestrate",
        "templates",
        "hooks",
        "docs",
        "README.md",
        "CONTRIBUTING.md",
        "CHANGELOG.md",
        "benchmarks",
        "plugin",
    )
    assert [missing for path in sources for missing in _told(path)] == []


@pytest.mark.parametrize(
    ("text", "missing"),
    [
        ("run wto logs {name} -f, or wto pr open --run", []),
        ("`wto train add|run|status`, `wto -C folder land -n`", []),
        ("run wto log {name}", ["wto log: there is no 'log'"]),
        ("`wto train add|walk`", ["wto train add|walk: there is no 'add|walk'"]),
        ("`wto land --allow-all`", ["wto land: there is no --allow-all"]),
    ],
)
def test_a_command_that_is_missing_is_found(text: str, missing: list[str]) -> None:
    """The search above sees groups, alternatives and options, and stops where the phrase does."""
    found = [each for named in _NAMED.finditer(text) for each in _missing(named[1].split(), named["rest"])]
    assert found == missing


def _all_commands(words: tuple[str, ...], command: click.Command) -> Iterator[tuple[str, click.Command]]:
    yield " ".join(words), command
    if isinstance(command, click.Group):
        for name in command.list_commands(click.Context(command)):
            found = _of(command, name)
            assert found is not None
            yield from _all_commands((*words, name), found)


_COMMANDS = dict(_all_commands(("wto",), app))


@pytest.mark.parametrize("name", _COMMANDS)
def test_help_says_what_a_command_and_each_option_does(name: str) -> None:
    """Each command's line in a list of 80 columns is a whole clause, and each option has a help text."""
    command = _COMMANDS[name]
    cut = [command.get_short_help_str(63)] if command.get_short_help_str(63).endswith("...") else []
    silent = [each.name for each in command.params if isinstance(each, click.Option) and not each.help]
    assert (cut, silent) == ([], [])


_OLD_WORDS = re.compile(
    r"\b(mend(s|ed|ing)?|anew|walls|rides?|riding|rungs?|hears?|heard|hearing|whom|wish(es|ed)?|lets? go|begins?|began|begun"
    r"|taken up|takes? up|at work|drawn together|foresee|foresees|foreseen|goes on|go on|gone on|given up"
    r"|somebody|made again)\b",
    re.IGNORECASE,
)
"""Words with a plainer one: fix, start, sandbox, wait, step, continue, resume, predict, give up or cancel, get, someone."""
_NAMES = frozenset({"at work", "being drawn together", "BEGIN IMMEDIATE"})
"""Texts that programs read: values of `--json` and statements."""


def _documented(node: ast.AST) -> bool:
    return isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef)


def _literals(source: str) -> Iterator[tuple[int, str]]:
    """The texts of a module, without its docstrings; those of functions inside of functions are what tools say of themselves."""
    tree = ast.parse(source)
    inner = {
        id(node)
        for outer in ast.walk(tree)
        if isinstance(outer, ast.FunctionDef)
        for node in ast.walk(outer)
        if node is not outer and _documented(node)
    }
    told = set()
    for node in ast.walk(tree):
        for field in getattr(node, "body", ()) if isinstance(getattr(node, "body", None), list) else ():
            if isinstance(field, ast.Expr) and isinstance(field.value, ast.Constant) and id(node) not in inner:
                told.add(id(field.value))
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in told:
            yield node.lineno, node.value


def _old(path: Path, found: Iterable[tuple[int, str]]) -> Iterator[str]:
    for number, text in found:
        if " " in text.strip() and text not in _NAMES and "PRIVATE KEY" not in text:
            for match in _OLD_WORDS.finditer(text):
                yield f"{path.relative_to(ROOT)}:{number}: {match.group()} in {text.strip()[:60]!r}"


def _lines(path: Path) -> Iterator[tuple[int, str]]:
    """The lines of a file that people read: not the comments of hooks or names of code, and of a schema its descriptions."""
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1):
        if "hooks" in path.parts and line.lstrip().startswith("#"):
            continue
        if path.suffix != ".json" or '"description"' in line:
            yield number, re.sub(r"`\S+`", "", line)


def test_the_program_speaks_plain_english() -> None:
    """No help, message, template, hook or page says with a word of its own what a usual word says."""
    found = [
        each for path in _files("wt_orchestrate") for each in _old(path, _literals(path.read_text(encoding="utf-8")))
    ]
    for path in _files("templates", "hooks", "plugin", "docs", "README.md", "CONTRIBUTING.md"):
        found += _old(path, _lines(path))
    assert found == []


@pytest.mark.parametrize(
    ("source", "found"),
    [
        ("print('mend it, then start')", ["mend"]),
        ("print(f'{name} rides again')", ["rides"]),
        ('def f() -> None:\n    """Mend it."""\n', []),
        ('def f() -> None:\n    def tool() -> None:\n        """Begin anew."""\n', ["Begin", "anew"]),
        ("print('fix it, then start')", []),
    ],
)
def test_an_old_word_is_found(source: str, found: list[str]) -> None:
    """The search above sees literals, parts of f-strings and the texts of tools, and no docstring of ours."""
    assert [each.split(": ")[1].split(" in ")[0] for each in _old(ROOT / "x.py", _literals(source))] == found


def test_no_name_for_the_type_checker_is_used_at_run_time() -> None:
    """What a module imports only under `TYPE_CHECKING` stands in annotations that nobody evaluates, and nowhere else.

    The values of `wiring` are handed to a face in memory and never decoded, so their fields may name such a type.
    """
    trees = {
        path: ast.parse(path.read_text(encoding="utf-8"))
        for path in _files("wt_orchestrate", "tests", "tools", "benchmarks")
        if path.suffix == ".py"
    }
    read = read_classes(trees.values())
    found = {
        str(path.relative_to(ROOT)): used_at_run_time(tree, frozenset() if PACKAGE / "wiring" in path.parents else read)
        for path, tree in trees.items()
    }
    assert {name: names for name, names in found.items() if names} == {}


_POSTPONED = "from __future__ import annotations\n"
_CHECKED = "if TYPE_CHECKING:\n    from a import Name\n"


@pytest.mark.parametrize(
    ("source", "found"),
    [
        (_POSTPONED + _CHECKED + "def f():\n    return Name()\n", ["Name in f"]),
        (_POSTPONED + _CHECKED + "@Name\ndef f(): ...\n", ["Name in module"]),
        (_POSTPONED + _CHECKED + "def f(a: int = Name): ...\n", ["Name in module"]),
        (_POSTPONED + _CHECKED + "class C(Name): ...\n", ["Name in module"]),
        (_POSTPONED + _CHECKED + "class C(Struct):\n    a: list[Name]\n", ["Name in C"]),
        (_POSTPONED + _CHECKED + "class B(msgspec.Struct): ...\nclass C(B):\n    a: Name = 1\n", ["Name in C"]),
        (_POSTPONED + _CHECKED + "@dataclass(frozen=True)\nclass C:\n    a: Name\n", ["Name in C"]),
        # Python 3.14 evaluates these when they are asked for
        (
            _CHECKED + "def f(a: Name) -> int: ...\n",
            ["Name in module" if sys.version_info < (3, 14) else "Name in __annotate__"],
        ),
        (_POSTPONED + _CHECKED + "a: Name = [Name]\n", ["Name in module"]),
        (_POSTPONED + _CHECKED + "def f(a: Name, *b: Name) -> Name:\n    c: Name = a\n    return c\n", []),
        (_POSTPONED + _CHECKED + "def f():\n    from a import Name\n    return [Name() for _ in '']\n", []),
        (_POSTPONED + _CHECKED + "else:\n    Name = object\nclass C(Name): ...\n", []),
        (_POSTPONED + _CHECKED + "class C:\n    a: Name\n", []),
        (_POSTPONED + "from a import Name\nclass C(Name): ...\n", []),
    ],
)
def test_a_name_for_the_type_checker_is_found(source: str, found: list[str]) -> None:
    """The search above sees bodies, decorators, defaults, bases and fields that are read, and no annotation or local import."""
    tree = ast.parse(source)
    assert used_at_run_time(tree, read_classes([tree])) == found
