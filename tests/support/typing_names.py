"""Names that a module imports only for the type checker, and uses at run time all the same.

Neither mypy nor ruff finds them: the first use ends with a `NameError`. Looked for are bodies, decorators, defaults and bases of
classes, and the annotations of classes whose fields msgspec, pydantic or dataclasses may be asked to read. Annotations of
functions and variables are never evaluated (`from __future__ import annotations`), so they are left out; without that import they
are looked at. Names are resolved as Python does it (`symtable`): a function that imports the name itself is right.
"""

from __future__ import annotations

import ast
import symtable
from collections.abc import Iterable, Iterator

_READ = frozenset({"Struct", "BaseModel", "NamedTuple", "TypedDict"})
"""Classes whose subclasses have their annotations evaluated when something is read into them."""


def read_classes(trees: Iterable[ast.Module]) -> frozenset[str]:
    """Names of all classes that inherit, over however many steps, from one whose annotations are read."""
    bases = {
        node.name: {_last(base) for base in node.bases}
        for tree in trees
        for node in ast.walk(tree)
        if isinstance(node, ast.ClassDef)
    }
    found = _READ
    while more := {name for name, above in bases.items() if above & found} - found:
        found |= more
    return found


def used_at_run_time(tree: ast.Module, read: frozenset[str] = _READ) -> list[str]:
    """Each name that is there for the type checker alone and is looked up at run time, with the scope where; changes `tree`.

    With no class in `read`, fields are never evaluated.
    """
    blocks = [node for node in ast.walk(tree) if isinstance(node, ast.If) and _last(node.test) == "TYPE_CHECKING"]
    checked = {name for block in blocks for each in block.body for name in _imported(each)}
    if not checked:
        return []
    for block in blocks:
        block.body = [ast.Pass()]
    postponed = any(
        isinstance(node, ast.ImportFrom) and node.module == "__future__" and "annotations" in _imported(node)
        for node in tree.body
    )
    bare = ast.fix_missing_locations(_Evaluated(read, postponed=postponed).visit(tree))
    module = symtable.symtable(ast.unparse(bare), "module", "exec")
    missing = checked - {each.get_name() for each in module.get_symbols() if each.is_assigned() or each.is_imported()}
    return sorted(f"{name} in {scope}" for name, scope in _looked_up(module) if name in missing)


def _looked_up(table: symtable.SymbolTable) -> Iterator[tuple[str, str]]:
    """Names that a scope and those inside of it look up in the module."""
    outer = table.get_type() == "module"
    for symbol in table.get_symbols():
        if symbol.is_referenced() and (outer or symbol.is_global()):
            yield symbol.get_name(), "module" if outer else table.get_name()
    for child in table.get_children():
        yield from _looked_up(child)


def _imported(node: ast.stmt) -> Iterator[str]:
    for each in ast.walk(node):
        if isinstance(each, ast.Import | ast.ImportFrom):
            yield from (alias.asname or alias.name.partition(".")[0] for alias in each.names)


def _last(node: ast.expr) -> str:
    """The last part of a dotted name: `msgspec.Struct` is Struct, `Struct[T]` too."""
    match node:
        case ast.Name(id=name) | ast.Attribute(attr=name):
            return name
        case ast.Subscript(value=inner) | ast.Call(func=inner):
            return _last(inner)
    return ""


class _Evaluated(ast.NodeTransformer):
    """Takes away what is not evaluated, and leaves a field of a class that is read as the expression that it becomes."""

    def __init__(self, read: frozenset[str], *, postponed: bool) -> None:
        self._read = read
        self._postponed = postponed
        self._scopes = ["module"]

    def visit_ClassDef(self, node: ast.ClassDef) -> ast.AST:
        decorated = any(_last(each) == "dataclass" for each in node.decorator_list)
        reads = self._read and (decorated or {_last(base) for base in node.bases} & self._read)
        return self._inside("read" if reads else "class", node)

    def visit_FunctionDef(self, node: ast.FunctionDef) -> ast.AST:
        if self._postponed:
            node.returns = None
        return self._inside("function", node)

    def visit_AsyncFunctionDef(self, node: ast.AsyncFunctionDef) -> ast.AST:
        if self._postponed:
            node.returns = None
        return self._inside("function", node)

    def visit_arg(self, node: ast.arg) -> ast.AST:
        if self._postponed:
            node.annotation = None
        return node

    def visit_AnnAssign(self, node: ast.AnnAssign) -> ast.AST | list[ast.AST]:
        scope = self._scopes[-1]
        evaluated = scope == "read" or (scope != "function" and not self._postponed)
        kept: list[ast.AST] = [ast.Expr(node.annotation)] if evaluated else []
        if node.value is not None:
            kept.append(ast.Assign([node.target], self.visit(node.value)))
        return kept or ast.Pass()

    def _inside(self, scope: str, node: ast.AST) -> ast.AST:
        self._scopes.append(scope)
        self.generic_visit(node)
        self._scopes.pop()
        return node
