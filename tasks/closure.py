"""Holds dvc.yaml to the modules that each stage's code reaches; `python -m tasks.closure --write` updates it.

DVC cannot see imports, so each stage lists its modules as dependencies. The closure is read off the source:
imports at the top of a module count always, imports inside a function count for those who reach that function
by name.
"""

from __future__ import annotations

import argparse
import ast
import re
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from io import StringIO
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

from tasks.artifacts import write_text

__all__ = ["Sources", "code_deps", "copied_graph", "copies", "main", "synchronised", "wanted_graphs"]

_EVERYTHING = "*"


@dataclass(frozen=True)
class _Module:
    """A parsed module: what its top imports, and what each of its definitions imports and mentions."""

    path: Path
    tree: ast.Module

    @cached_property
    def definitions(self) -> dict[str, list[ast.stmt]]:
        """Statements that define each top-level name."""
        found: dict[str, list[ast.stmt]] = {}
        for statement in self.tree.body:
            for name in _defined(statement):
                found.setdefault(name, []).append(statement)
        return found

    @property
    def top(self) -> list[ast.stmt]:
        """Statements that run at import: everything but function and class bodies."""
        return [node for node in self.tree.body if not isinstance(node, ast.FunctionDef | ast.ClassDef)]

    @property
    def is_empty(self) -> bool:
        """Whether nothing but a docstring stands in it."""
        return all(
            isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) for node in self.tree.body
        )


def _defined(statement: ast.stmt) -> list[str]:
    match statement:
        case ast.FunctionDef(name=name) | ast.ClassDef(name=name):
            return [name]
        case ast.Assign(targets=targets):
            return [node.id for target in targets for node in ast.walk(target) if isinstance(node, ast.Name)]
        case ast.AnnAssign(target=ast.Name(id=name)):
            return [name]
    return []


def _never_runs_on_import(node: ast.AST) -> bool:
    """Recognise `if TYPE_CHECKING:` and `if __name__ == "__main__":`."""
    return isinstance(node, ast.If) and any(
        isinstance(part, ast.Name) and part.id in ("TYPE_CHECKING", "__name__")
        for part in ast.walk(node.test)
    )


def _nodes(statements: Sequence[ast.AST], *, into_functions: bool) -> Iterator[ast.AST]:
    """Walk statements, leaving out blocks that no import runs and, when asked, function bodies."""
    for node in statements:
        if _never_runs_on_import(node):
            continue
        yield node
        if into_functions or not isinstance(node, ast.FunctionDef | ast.Lambda):
            yield from _nodes(list(ast.iter_child_nodes(node)), into_functions=into_functions)
        else:
            yield from _nodes(
                [*node.args.defaults, *getattr(node, "decorator_list", ())], into_functions=False
            )


@dataclass
class Sources:
    """Modules of the packages under `root`, parsed when asked for.

    Parameters
    ----------
    root : Path
        Folder that holds the packages.
    packages : tuple of str
        Top-level packages whose imports are followed.
    """

    root: Path
    packages: tuple[str, ...] = ("tasks",)
    _parsed: dict[str, _Module | None] = field(default_factory=dict)

    def module(self, name: str) -> _Module | None:
        """Return the parsed module, or None when `name` is not one of ours."""
        if name not in self._parsed:
            self._parsed[name] = self._parse(name) if name.split(".")[0] in self.packages else None
        return self._parsed[name]

    def _parse(self, name: str) -> _Module | None:
        base = self.root.joinpath(*name.split("."))
        for path in (base.with_suffix(".py"), base / "__init__.py"):
            if path.is_file():
                return _Module(path, ast.parse(path.read_text(encoding="utf-8")))
        return None

    def _imports(self, node: ast.AST) -> Iterator[tuple[str, str]]:
        """Yield (module, name in it) for an import statement; a whole module is named '*'."""
        if isinstance(node, ast.Import):
            yield from ((alias.name, _EVERYTHING) for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            for alias in node.names:
                submodule = f"{node.module}.{alias.name}"
                yield (submodule, _EVERYTHING) if self.module(submodule) else (node.module, alias.name)

    def closure(self, start: str) -> tuple[Path, ...]:
        """Return the files that module `start` reaches, itself included, sorted, relative to the root."""
        seen: set[tuple[str, str]] = set()
        waiting = [(start, _EVERYTHING)]
        while waiting:
            reached = waiting.pop()
            if reached not in seen and self.module(reached[0]):
                seen.add(reached)
                waiting += self._reached(*reached)
        modules = [module for name in {name for name, _ in seen} if (module := self.module(name))]
        return tuple(sorted(m.path.relative_to(self.root) for m in modules if not m.is_empty))

    def _reached(self, name: str, wanted: str) -> Iterator[tuple[str, str]]:
        """Yield what one name of a module leads to."""
        module = self.module(name)
        if module is None:
            return
        if wanted == _EVERYTHING:
            yield from ((name, other) for other in module.definitions)
        parents = name.split(".")[:-1]
        yield from ((".".join(parents[: depth + 1]), "") for depth in range(len(parents)))
        bodies = [*module.definitions.get(wanted, ())]
        inside = [*_nodes(module.tree.body, into_functions=False), *_nodes(bodies, into_functions=True)]
        for node in inside:
            yield from self._imports(node)
        for node in [*_nodes(module.top, into_functions=False), *_nodes(bodies, into_functions=True)]:
            if isinstance(node, ast.Name) and node.id in module.definitions:
                yield name, node.id


def _module_of(command: str) -> str:
    """Return the module that `python -m MODULE ...` runs."""
    words = command.split()
    return words[words.index("-m") + 1]


def code_deps(root: Path, command: str) -> list[str]:
    """Return the source files that a stage's command reaches, as dvc.yaml lists them."""
    return [path.as_posix() for path in Sources(root).closure(_module_of(command))]


def _is_code(dep: str) -> bool:
    return dep.endswith(".py") and dep.split("/", 1)[0] == "tasks"


def synchronised(root: Path, text: str) -> str:
    """Return dvc.yaml's text with every stage's code dependencies brought up to date, the rest kept."""
    yaml = YAML()
    yaml.width = 4096
    yaml.indent(mapping=2, sequence=4, offset=2)
    document: Mapping[str, Any] = yaml.load(text)
    for stage in document["stages"].values():
        deps = stage["deps"]
        wanted = [dep for dep in deps if not _is_code(dep)] + code_deps(root, stage["cmd"])
        if list(deps) != wanted:
            deps[:] = wanted
    stream = StringIO()
    yaml.dump(document, stream)
    return stream.getvalue()


def copied_graph(text: str, root: Path, directory: Path) -> str:
    """Return the dvc.yaml of the workspace `directory`: the root's, its code where it is seen from there."""
    up = "/".join([".."] * len(directory.relative_to(root).parts))
    return re.sub(r"(?m)^(\s*- )(tasks/\S+\.py)$", rf"\g<1>{up}/\g<2>", text)


def copies(root: Path) -> list[Path]:
    """Return the workspaces below `root` that hold a copy of its dvc.yaml."""
    found = [path.parent for path in root.rglob("dvc.yaml") if (path.parent / ".dvc").is_dir()]
    return sorted(path for path in found if path != root and not _is_hidden(path.relative_to(root)))


def _is_hidden(path: Path) -> bool:
    return any(part.startswith(".") for part in path.parts)


def wanted_graphs(root: Path) -> dict[Path, str]:
    """Return what dvc.yaml should read, of the root and of every workspace below it."""
    text = synchronised(root, (root / "dvc.yaml").read_text(encoding="utf-8"))
    below = {directory / "dvc.yaml": copied_graph(text, root, directory) for directory in copies(root)}
    return {root / "dvc.yaml": text, **below}


def main() -> None:
    """Check dvc.yaml in the current folder, and its copies, against the code, or `--write` them."""
    parser = argparse.ArgumentParser(description="hold dvc.yaml to the modules its stages import")
    parser.add_argument("--write", action="store_true", help="bring dvc.yaml up to date")
    write = parser.parse_args().write
    wanted = wanted_graphs(Path.cwd())
    stale = [path for path, text in wanted.items() if path.read_text(encoding="utf-8") != text]
    if stale and not write:
        names = ", ".join(str(path.relative_to(Path.cwd())) for path in stale)
        sys.exit(f"{names}: not what the stages import; run `python -m tasks.closure --write`")
    for path in stale:
        write_text(path, wanted[path])


if __name__ == "__main__":
    main()
