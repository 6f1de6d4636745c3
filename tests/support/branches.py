"""Random sets of branches of one small repository, written by one `git fast-import`: edits, renames of files and folders,
deletions, modes, links, binary files, files and folders that change places, submodules, odd names.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from random import Random

from tests.support.repos import START, TestRepository
from wt_orchestrate.domain.ids import CommitId

Tree = dict[str, tuple[str, bytes]]
"""Paths, each with mode and content (for a submodule: its commit id)."""
FOLDERS = ("", "a/", "a/b/", "c/", "c/d/", "e/", "ü/")
ODD = ('quo"te', "new\nline", " space ", "back\\slash", "\udcff\udcfe", "#hash", "-dash")


def beginning(random: Random) -> Tree:
    """Some files of twenty different lines, a link and a binary file."""
    tree: Tree = {}
    for folder in FOLDERS:
        for number in range(random.randint(1, 3)):
            name = random.choice(ODD) if random.random() < 0.2 else f"f{number}"
            lines = "".join(f"{folder}{number} line {each}\n" for each in range(20))
            tree[folder + name] = ("100644", lines.encode("utf-8", "surrogateescape"))
    tree["link"] = ("120000", b"a/f0")
    tree["c/binary"] = ("100644", b"\0binary\n" * 20)
    return tree


def changed(random: Random, tree: Tree, *, steps: int, rough: float) -> Tree:
    """The tree after some random steps; `rough` is how likely one is more than an edit or a new file."""
    tree = dict(tree)
    for _ in range(steps):
        step = random.choice(_ROUGH) if random.random() < rough else random.choice((_edit, _edit, _add))
        step(random, tree)
    return tree


def _file(random: Random, tree: Tree) -> str:
    return random.choice(sorted(tree))


def _edit(random: Random, tree: Tree) -> None:
    path = _file(random, tree)
    mode, content = tree[path]
    if mode == "160000":
        return
    lines = content.split(b"\n")
    at = random.randrange(max(1, len(lines) - 1))
    lines[at : at + 1] = random.choice(([b"edited %d" % random.randrange(3)], [], [lines[at], b"added"]))
    tree[path] = (mode, b"\n".join(lines))


def _put(tree: Tree, path: str, entry: tuple[str, bytes]) -> None:
    """Put something at a path; whatever is in its way goes."""
    for other in [each for each in tree if each.startswith(f"{path}/") or path.startswith(f"{each}/")]:
        del tree[other]
    tree[path] = entry


def _add(random: Random, tree: Tree) -> None:
    name = random.choice((*ODD, "new0", "new1", "x/new2"))
    _put(tree, random.choice(FOLDERS) + name, ("100644", b"new %d\n" % random.randrange(2) * 9))


def _delete(random: Random, tree: Tree) -> None:
    if len(tree) > 2:
        del tree[_file(random, tree)]


def _rename(random: Random, tree: Tree) -> None:
    path = _file(random, tree)
    entry = tree.pop(path)
    _put(tree, random.choice(FOLDERS) + random.choice(("moved", "f0", "f9")), entry)


def _move(random: Random, tree: Tree) -> None:
    """A file goes to another folder under its name: several such may empty a folder together."""
    path = _file(random, tree)
    entry = tree.pop(path)
    _put(tree, random.choice(FOLDERS) + path.rpartition("/")[2], entry)


def _rename_folder(random: Random, tree: Tree) -> None:
    folder, other = random.sample(FOLDERS[1:], 2)
    for path in [each for each in sorted(tree) if each.startswith(folder)]:
        if path in tree:
            _put(tree, other + path.removeprefix(folder), tree.pop(path))


def _delete_folder(random: Random, tree: Tree) -> None:
    folder = random.choice(FOLDERS[1:])
    for path in [each for each in tree if each.startswith(folder)]:
        if len(tree) > 2:
            del tree[path]


def _mode(random: Random, tree: Tree) -> None:
    path = _file(random, tree)
    mode, content = tree[path]
    if mode.startswith("100"):
        tree[path] = ("100755" if mode == "100644" else "100644", content)


def _kind(random: Random, tree: Tree) -> None:
    _put(tree, _file(random, tree), random.choice((("120000", b"to"), ("160000", b"1" * 40), ("100644", b"\0bin"))))


def _swap(random: Random, tree: Tree) -> None:
    """A file becomes a folder, or a folder a file."""
    path = _file(random, tree)
    if random.random() < 0.5:
        _put(tree, f"{path}/inside", tree.pop(path))
    elif "/" in path:
        _put(tree, path.rpartition("/")[0], tree.pop(path))


_ROUGH = (_delete, _rename, _move, _move, _rename_folder, _delete_folder, _mode, _kind, _swap)


@dataclass(slots=True)
class Scribe:
    """Collects commits and writes them all at once."""

    stream: list[bytes] = field(default_factory=list)
    count: int = 0

    def commit(self, tree: Tree, *parents: int, words: str = "work") -> int:
        """Another commit; returns its number."""
        self.count += 1
        text = words.encode()
        head = b"commit refs/heads/written\nmark :%d\ncommitter Ada <ada@example.org> %d +0000\ndata %d\n%s\n"
        self.stream.append(head % (self.count, START, len(text), text))
        if not parents:
            self.stream.insert(-1, b"reset refs/heads/written\n")
        for place, parent in enumerate(parents):
            self.stream.append(b"%s :%d\n" % (b"merge" if place else b"from", parent))
        self.stream.append(b"deleteall\n")
        for path, (mode, content) in tree.items():
            name = path.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
            quoted = f'"{name}"'.encode("utf-8", "surrogateescape")
            if mode == "160000":
                self.stream.append(b"M 160000 %s %s\n" % (content, quoted))
            else:
                self.stream.append(b"M %s inline %s\ndata %d\n%s\n" % (mode.encode(), quoted, len(content), content))
        return self.count

    def write(self, repository: TestRepository) -> list[CommitId]:
        """The commits, in the order of their numbers."""
        asked = b"".join(b"get-mark :%d\n" % number for number in range(1, self.count + 1))
        said = repository.git("fast-import", "--quiet", "--force", stdin=b"".join(self.stream) + asked)
        return [CommitId(line) for line in said.split()]


def random_set(random: Random, scribe: Scribe, *, count: int, rough: float) -> tuple[int, list[int]]:
    """A beginning that went on a little, and branches from there or from before; by their numbers."""
    old = beginning(random)
    trees = [old, changed(random, old, steps=random.randint(0, 4), rough=rough)]
    mains = [scribe.commit(old)]
    mains.append(scribe.commit(trees[1], mains[0]))
    heads: list[int] = []
    grown: list[tuple[int, Tree]] = []
    for _ in range(count):
        at = int(random.random() < 0.6)
        parents, tree = [mains[at]], trees[at]
        if grown and random.random() < 0.08:  # a branch upon a branch
            parents, tree = [random.choice(grown)[0]], dict(random.choice(grown)[1])
        elif random.random() < 0.08 and at == 0:  # the beginning merged into a branch
            parents = [scribe.commit(changed(random, old, steps=1, rough=0), mains[0]), mains[1]]
        tree = changed(random, tree, steps=random.randint(0, 4), rough=rough)
        heads.append(scribe.commit(tree, *parents))
        grown.append((heads[-1], tree))
    return mains[1], heads
