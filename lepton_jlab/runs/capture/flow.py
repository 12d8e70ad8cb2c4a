"""Follow a cell from its first statement to its last: what it reads before it has bound it."""

# ruff: noqa: N815  -- ast.NodeVisitor names its methods after the classes of nodes
from __future__ import annotations

import ast
import symtable
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

from lepton_jlab.runs.capture.reach import reach_of

_COMPREHENSIONS = frozenset({"listcomp", "setcomp", "dictcomp", "genexpr"})


@dataclass
class _Place:
    """What is bound at one place of the cell."""

    bound: set[str] = field(default_factory=set)
    likely: set[str] = field(default_factory=set)  # … if loops ran and nothing was caught
    ended: bool = False  # after raise, return, break, continue

    def copy(self) -> _Place:
        return _Place(set(self.bound), set(self.likely), self.ended)


def _joined(places: Sequence[_Place]) -> _Place:
    """Where the paths that did not end come together."""
    open_ = [place for place in places if not place.ended] or list(places)
    return _Place(
        set.intersection(*(place.bound for place in open_)),
        set.intersection(*(place.likely for place in open_)),
        all(place.ended for place in places),
    )


class Flow(ast.NodeVisitor):
    """The names of a cell, found by visiting its statements in the order in which they run.

    Parameters
    ----------
    parse
        Turns the source under a magic such as ``%%time`` and the number of lines above it into
        a module.
    """

    def __init__(self, parse: Callable[[str, int], ast.Module]) -> None:
        self.used: dict[str, int] = {}
        self.perhaps: set[str] = set()
        self.assigned: dict[str, int] = {}
        self.opaque = False
        self._parse = parse
        self._here = _Place()
        self._later: dict[str, int] = {}  # read by functions, whenever those are called
        self._globals: set[str] = set()  # bound by functions through `global`
        self._breaks: set[str] = set()  # likely bound where the loop at hand is left
        self._in_class = False
        self._future = ""

    def follow(self, tree: ast.Module) -> None:
        """Visit the whole cell, then settle what its functions will find when they are called."""
        self._visit_all(tree.body)
        for name, line in self._later.items():
            if name in self.assigned:
                if name not in self._here.bound:
                    self.perhaps.add(name)
            else:
                self.used.setdefault(name, line)
        for name in self._globals & self.used.keys():
            del self.used[name]
            self.perhaps.add(name)

    # what happens to a name

    def _read(self, name: str, line: int) -> None:
        if name in self._here.bound:
            return
        if name in self._here.likely:
            self.perhaps.add(name)
        else:
            self.used.setdefault(name, line)

    def _bind(self, name: str, line: int) -> None:
        self._here.bound.add(name)
        self._here.likely.add(name)
        if not self._in_class:
            self.assigned.setdefault(name, line)

    def _unbind(self, name: str) -> None:
        self._here.bound.discard(name)
        self._here.likely.discard(name)

    # ways through the cell

    def _visit_all(self, nodes: Iterable[ast.AST | None]) -> None:
        for node in nodes:
            if node is not None:
                self.visit(node)

    @contextmanager
    def _path(self) -> Iterator[_Place]:
        """Visit one of several ways on; what it ends with is what the block is given."""
        before, self._here = self._here, self._here.copy()
        path = self._here
        try:
            yield path
        finally:
            self._here = before

    def visit_If(self, node: ast.If) -> None:
        self.visit(node.test)
        with self._path() as then:
            self._visit_all(node.body)
        with self._path() as otherwise:
            self._visit_all(node.orelse)
        self._here = _joined([then, otherwise])

    def _loop(self, node: ast.For | ast.AsyncFor | ast.While) -> None:
        outer, self._breaks = self._breaks, set()
        with self._path() as body:
            if not isinstance(node, ast.While):
                self.visit(node.target)
            self._visit_all(node.body)
        self._here.likely |= body.likely | self._breaks
        self._breaks = outer
        with self._path() as after:
            self._visit_all(node.orelse)
        self._here.likely |= after.likely

    def visit_For(self, node: ast.For | ast.AsyncFor) -> None:
        self.visit(node.iter)
        self._loop(node)

    visit_AsyncFor = visit_For

    def visit_While(self, node: ast.While) -> None:
        self.visit(node.test)
        self._loop(node)

    def visit_Try(self, node: ast.Try | ast.TryStar) -> None:
        with self._path() as body:
            self._visit_all([*node.body, *node.orelse])
        ends = [body]
        for handler in node.handlers:
            with self._path() as caught:
                self._visit_all([handler.type])
                if handler.name:
                    self._bind(handler.name, handler.lineno)
                self._visit_all(handler.body)
                if handler.name:
                    self._unbind(handler.name)
            ends.append(caught)
        self._here = _joined(ends)
        self._here.likely |= body.likely
        self._visit_all(node.finalbody)

    visit_TryStar = visit_Try

    def visit_Match(self, node: ast.Match) -> None:
        self.visit(node.subject)
        ends = []
        for case in node.cases:
            with self._path() as way:
                self._visit_all([case.pattern, case.guard, *case.body])
            ends.append(way)
        last = node.cases[-1]
        certain = isinstance(last.pattern, ast.MatchAs) and last.pattern.pattern is None
        if not certain or last.guard:
            ends.append(self._here)
        self._here = _joined(ends)

    def _end(self, node: ast.AST) -> None:
        self.generic_visit(node)
        self._here.ended = True

    visit_Raise = visit_Return = visit_Continue = _end

    def visit_Break(self, node: ast.Break) -> None:
        self._breaks |= self._here.likely
        self._end(node)

    # statements that bind

    def visit_Assign(self, node: ast.Assign) -> None:
        self._visit_all([node.value, *node.targets])

    def visit_AugAssign(self, node: ast.AugAssign) -> None:
        if isinstance(node.target, ast.Name):
            self._read(node.target.id, node.lineno)
        self._visit_all([node.value, node.target])

    def visit_AnnAssign(self, node: ast.AnnAssign) -> None:
        self._visit_all([None if self._future else node.annotation, node.value])
        if node.value or not isinstance(node.target, ast.Name):
            self.visit(node.target)

    def visit_NamedExpr(self, node: ast.NamedExpr) -> None:
        self._visit_all([node.value, node.target])

    def visit_Name(self, node: ast.Name) -> None:
        if isinstance(node.ctx, ast.Store):
            self._bind(node.id, node.lineno)
            return
        self._read(node.id, node.lineno)
        if isinstance(node.ctx, ast.Del):
            self._unbind(node.id)

    def visit_Import(self, node: ast.Import) -> None:
        for alias in node.names:
            self._bind(alias.asname or alias.name.partition(".")[0], node.lineno)

    def visit_ImportFrom(self, node: ast.ImportFrom) -> None:
        if node.module == "__future__" and any(n.name == "annotations" for n in node.names):
            self._future = "from __future__ import annotations\n"
        for alias in node.names:
            if alias.name == "*":
                self.opaque = True
            else:
                self._bind(alias.asname or alias.name, node.lineno)

    def visit_MatchAs(self, node: ast.MatchAs | ast.MatchStar) -> None:
        self.generic_visit(node)
        if node.name:
            self._bind(node.name, node.lineno)

    visit_MatchStar = visit_MatchAs

    def visit_MatchMapping(self, node: ast.MatchMapping) -> None:
        self.generic_visit(node)
        if node.rest:
            self._bind(node.rest, node.lineno)

    # scopes inside the cell; Python's own symbol table knows their rules

    def _scope(self, node: ast.expr | ast.stmt) -> None:
        for call in ast.walk(node):
            if isinstance(call, ast.Call):
                self._notice(call)
        source = self._future + ast.unparse(node)
        lines = {n.id: n.lineno for n in ast.walk(node) if isinstance(n, ast.Name)}
        tables = [(symtable.symtable(source, "<cell>", "exec"), True)]
        while tables:
            table, now = tables.pop()
            for symbol in table.get_symbols():
                name = symbol.get_name()
                line = lines.get(name, node.lineno)
                if not symbol.is_global() or name == "__class__":
                    continue
                # Python takes a function called `top` for the module, and its names for globals.
                inner = table.get_type() != "module"
                if inner and symbol.is_local() and not symbol.is_declared_global():
                    continue
                if symbol.is_referenced() and now:
                    self._read(name, line)
                elif symbol.is_referenced():
                    self._later.setdefault(name, line)
                if symbol.is_assigned() and inner:
                    if now:  # a walrus in a comprehension binds in the cell
                        self._bind(name, line)
                    else:
                        self._globals.add(name)
            tables += [
                (child, now and child.get_name() in _COMPREHENSIONS)
                for child in table.get_children()
            ]

    visit_ListComp = visit_SetComp = visit_DictComp = visit_GeneratorExp = visit_Lambda = _scope

    def visit_FunctionDef(self, node: ast.FunctionDef | ast.AsyncFunctionDef) -> None:
        self._scope(node)
        self._bind(node.name, node.lineno)

    visit_AsyncFunctionDef = visit_FunctionDef

    def visit_TypeAlias(self, node: ast.stmt) -> None:
        self._scope(node)
        self._bind(node.name.id, node.lineno)  # type: ignore[attr-defined]

    def visit_ClassDef(self, node: ast.ClassDef) -> None:
        """A class body runs at once, and what it binds stays in it."""
        self._visit_all(node.decorator_list)
        outer, self._in_class = self._in_class, True
        with self._path() as body:
            for parameter in getattr(node, "type_params", ()):
                body.bound.add(parameter.name)
            self._visit_all([*node.bases, *node.keywords, *node.body])
        self._in_class = outer
        self._bind(node.name, node.lineno)

    # calls that reach further than their arguments

    def visit_Call(self, node: ast.Call) -> None:
        self._notice(node)
        self.generic_visit(node)

    def _notice(self, node: ast.Call) -> None:
        reach = reach_of(node)
        self.opaque |= reach.opaque
        self.perhaps |= reach.perhaps
        if reach.code:
            self._visit_all(self._parse(reach.code, reach.above).body)
