"""The user's own networks: imported from the workspace, checked, wrapped."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import Any

import torch
from torch import nn

from tasks.errors import EspalierError, closest
from tasks.models.network import Network

__all__ = [
    "UserNetwork",
    "build_user",
    "check_covered",
    "check_declared",
    "gives_probabilities",
    "load_builder",
    "nearest",
    "scripted",
    "source_file",
]


class UserNetwork(Network):
    """A user's module together with how to build it again.

    Attributes
    ----------
    pruned_steps
        What structured pruning removed, in order: {"module": name below this network, "dim": "out" | "in",
        "kept": indices before the step}; replayed when the network is rebuilt.
    built_shape
        Input shape that the builder was called with; `input_shape` is what is left of it.
    """

    kind = "user"

    def __init__(
        self,
        body: nn.Module,
        builder: str,
        input_shape: Sequence[int],
        outputs: int,
        pruned: Iterable[Mapping[str, Any]] = (),
    ) -> None:
        super().__init__(input_shape)
        self.builder, self.outputs, self.built_shape = builder, outputs, tuple(input_shape)
        self.pruned_steps: list[dict[str, Any]] = [dict(step) for step in pruned]
        self.body = body

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Answer rows in their own type; they stay as they are: the module gets its own to write into."""
        out: torch.Tensor = self.body(x.clone())
        return out.to(x.dtype)

    def sizes(self) -> dict[str, Any]:
        """Return how to build the network again, not its layers."""
        return {
            "builder": self.builder,
            "input_shape": list(self.built_shape),
            "outputs": self.outputs,
            "pruned": [dict(step) for step in self.pruned_steps],
        }


def nearest(name: str, known: Iterable[str]) -> str:
    """Name the known name nearest to a misspelt one, as ' (did you mean ...?)'; empty when none is near."""
    match = closest(name, known)
    return f" (did you mean {match!r}?)" if match else ""


def source_file(builder: str, root: Path) -> Path | None:
    """Path below `root` of the builder's module, relative to it; None when it is not in the workspace."""
    relative = Path(*builder.partition(":")[0].split("."))
    for candidate in (relative.with_suffix(".py"), relative / "__init__.py"):
        if (root / candidate).is_file():
            return candidate
    return None


def check_declared(builder: str, declared_deps: Iterable[str], root: Path) -> None:
    """Refuse a builder that the stage does not depend on: editing it would not retrain.

    Parameters
    ----------
    builder
        ``module:function``.
    declared_deps
        `deps` of the stage in dvc.yaml, relative to `root`.

    Raises
    ------
    EspalierError
        When the module's file is neither a dependency nor below one; names the line to add.
    """
    file = source_file(builder, root)
    if file is None:
        raise EspalierError(_missing_module(builder, root))
    check_covered(f"model.builder: {builder}", file, declared_deps, root)


def check_covered(what: str, file: Path, declared_deps: Iterable[str], root: Path) -> None:
    """Refuse a file, relative to `root`, that is neither one of the declared dependencies nor below one.

    Raises
    ------
    EspalierError
        Naming `what` is in it and the line to add to dvc.yaml.
    """
    place = (root / file).resolve()
    if any(place.is_relative_to((root / dep).resolve()) for dep in declared_deps):
        return
    line = Path(file.parts[0]) if file.suffix == ".py" else file
    raise EspalierError(
        f"{what} is in {file}, which no dependency in dvc.yaml covers, so changing it would not train again; "
        f"add '- {line.as_posix()}' under deps of stages reference, reduce, train and prune, "
        "or move it to nets/"
    )


def _missing_module(builder: str, root: Path) -> str:
    module = builder.partition(":")[0]
    known = sorted(
        ".".join(file.relative_to(root).with_suffix("").parts)
        for file in (root / module.split(".")[0]).rglob("*.py")
        if file.stem != "__init__"
    ) + sorted(f"nets.{file.stem}" for file in (root / "nets").glob("*.py") if file.stem != "__init__")
    return (
        f"model.builder: no module {module} in the workspace{nearest(module, known)}; "
        f"put the network's code in {Path(*module.split('.')).with_suffix('.py').as_posix()}"
    )


@contextmanager
def _workspace_first(root: Path, top: str) -> Iterator[None]:
    """Import `top` afresh from `root`: another workspace's package of that name may be loaded already."""
    for name in [name for name in sys.modules if name == top or name.startswith(f"{top}.")]:
        del sys.modules[name]
    importlib.invalidate_caches()
    write, sys.dont_write_bytecode = sys.dont_write_bytecode, True  # its cache misses edits within a second
    path, here = sys.path.copy(), str(root.resolve())
    # A folder without __init__.py loses against a package of its name anywhere on the path.
    sys.path[:] = [here, *(entry for entry in path if not Path(entry, top).is_dir())]
    try:
        yield
    finally:
        sys.path[:] = path
        sys.dont_write_bytecode = write


def _import(builder: str, root: Path) -> ModuleType:
    module = builder.partition(":")[0]
    if source_file(builder, root) is None:
        raise EspalierError(_missing_module(builder, root))
    with _workspace_first(root, module.split(".")[0]):
        try:
            return importlib.import_module(module)
        except Exception as error:
            raise EspalierError(f"model.builder: importing {module} raised {_named(error)}") from error


def load_builder(builder: str, root: Path) -> Callable[[tuple[int, ...], int], nn.Module]:
    """Import the function a builder ``module:function`` names, from the workspace `root`.

    Raises
    ------
    EspalierError
        When there is no such module or function, or importing it raises.
    """
    module, name = _import(builder, root), builder.partition(":")[2]
    function = getattr(module, name, None)
    if not callable(function):
        names = [
            known for known, value in vars(module).items() if callable(value) and not known.startswith("_")
        ]
        raise EspalierError(
            f"model.builder: {module.__name__} has no function {name!r}{nearest(name, names)}; "
            "it is called as build(input_shape, outputs) and returns a torch.nn.Module"
        )
    return function  # type: ignore[no-any-return]  # checked by what it returns


def build_user(builder: str, input_shape: Sequence[int], outputs: int, root: Path) -> UserNetwork:
    """Call the user's builder and check that (rows, *input_shape) comes out as (rows, outputs).

    Raises
    ------
    EspalierError
        When the builder or its network raises, or what it returns is not a module of that shape.
    """
    function, shape = load_builder(builder, root), tuple(input_shape)
    try:
        body = function(shape, outputs)
    except Exception as error:
        raise EspalierError(
            f"model.builder: {builder}({list(shape)}, {outputs}) raised {_named(error)}; "
            "take the input_shape it is given, or set model.input to flat or grid"
        ) from error
    if not isinstance(body, nn.Module):
        raise EspalierError(
            f"model.builder: {builder} returned {type(body).__name__}, needed: a torch.nn.Module"
        )
    if why := scripted(body):
        raise EspalierError(f"model.builder: the network of {builder} {why}")
    _check_output(builder, body, shape, outputs)
    return UserNetwork(body, builder, shape, outputs)


def _check_output(builder: str, body: nn.Module, shape: tuple[int, ...], outputs: int) -> None:
    """Refuse a network of another output than logits (rows, outputs), one row included."""
    for rows in (2, 1):
        out = _tried(builder, body, shape, rows)
        got = tuple(out.shape) if isinstance(out, torch.Tensor) else type(out).__name__
        if got != (rows, outputs):
            raise EspalierError(
                f"model.builder: the network of {builder} turns {rows} rows of shape {list(shape)} into "
                f"{got}, needed ({rows}, {outputs}); end it with a Linear of `outputs` units and no softmax"
            )
        if gives_probabilities(out):
            raise EspalierError(
                f"model.builder: the network of {builder} gives probabilities; leave its softmax out, "
                "the loss and the exported graph have their own"
            )


def scripted(network: nn.Module) -> str:
    """Say what speaks against a network of compiled modules, or one that holds some; empty of others."""
    if not any(isinstance(module, torch.jit.ScriptModule) for module in network.modules()):
        return ""
    return "is TorchScript, whose layers cannot be cut; give the module that it was made of"


def gives_probabilities(out: torch.Tensor) -> bool:
    """Whether outputs (n, K) look like those of a softmax.

    Examples
    --------
    >>> gives_probabilities(torch.tensor([[0.2, 0.8]])), gives_probabilities(torch.tensor([[0.2, 0.9]]))
    (True, False)
    """
    return (
        out.shape[1] > 1 and bool((out >= 0).all()) and torch.allclose(out.sum(dim=1), out.new_ones(len(out)))
    )


def _tried(builder: str, body: nn.Module, shape: tuple[int, ...], rows: int) -> Any:
    training = body.training
    body.eval()
    try:
        with torch.no_grad():
            return body(torch.zeros(rows, *shape))
    except Exception as error:
        raise EspalierError(
            f"model.builder: the network of {builder} raised on rows of shape {list(shape)}: "
            f"{_named(error)}; "
            "read the shape from input_shape, or set model.input to flat or grid"
        ) from error
    finally:
        body.train(training)


def _named(error: Exception) -> str:
    return f"{type(error).__name__}: {' '.join(str(error).split())}"
