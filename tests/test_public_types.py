"""The faces of the package: every public name has its types and its words, and can be imported."""

from __future__ import annotations

import ast
import enum
import importlib
import inspect
import re
import subprocess
import sys
import typing
from collections.abc import Iterable, Iterator, Mapping
from functools import cache, cached_property
from pathlib import Path
from typing import Any

import pytest

from goim_edu.errors import GoimError

FACES = ("errors", "protocol", "transport", "capture", "draw", "lab", "exercises")

# Where ``Any`` says what is true.
MAY_BE_ANY = {
    "draw.Picture.__init__": "each picture has its own data",
    "draw.bson_document": "a document of MongoDB may hold anything",
    "draw.replica_roles": "a document of MongoDB may hold anything",
    "draw.scans": "a document of MongoDB may hold anything",
    "exercises.Function.__init__": "learners write any function",
    "exercises.Function.load": "learners write any function",
    "exercises.Function.show_use": "learners write any function",
    "exercises.Measure.__init__": "learners measure anything",
    "lab.Cluster.client": "the arguments of ChatClient, which refuses all others",
    "lab.GatedServer.__init__": "the fields of ServerConfig, which refuses all others",
    "lab.LearnersServer.__init__": "functions of learners, and the fields of ServerConfig",
    "lab.LiveServer.__init__": "the fields of ServerConfig, which refuses all others",
    "lab.ShardedModel.asked": "a document of MongoDB may hold anything",
    "lab.ShardedModel.insert": "a document of MongoDB may hold anything",
    "lab.ShardedModel.insert_many": "a document of MongoDB may hold anything",
    "lab.ShardedModel.key_of": "a document of MongoDB may hold anything",
    "lab.serve_with": "the fields of ServerConfig, which refuses all others",
}
# Functions whose example would show nothing, or would have to run a course.
NO_EXAMPLE = {
    "exercises.progress": "it differs from learner to learner",
    "exercises.solution": "it would give away the answer",
    "exercises.statement": "it shows what is in the text",
    "lab.fork": "it needs a replica set, and takes five seconds",
    "lab.kill_while_talking": "it needs a replica set, and takes ten seconds",
    "lab.race": "it takes seconds",
}
# What has a life, or is shared: here it is said who may touch it, and what cancelling does.
THREADS = {
    "protocol.Endpoint": "one thread or task at a time",
    "transport.Connection": "Thread safety",
    "transport.WebSocket": "Cancelling",
    "capture.Capture": "Thread safety",
    "lab.LiveServer": "Thread safety",
    "lab.Link": "Thread safety",
}


def public(faces: Iterable[str] = FACES) -> Iterator[tuple[str, Any]]:
    """Each public name of each face with what it names."""
    for face in faces:
        module = importlib.import_module(f"goim_edu.{face}")
        for name in module.__all__:
            yield f"{face}.{name}", getattr(module, name)


def methods(name: str, kind: type) -> Iterator[tuple[str, Any]]:
    """The public methods and properties of a class, as far as we have written them."""
    for base in reversed(kind.__mro__):  # the last one counts
        if not base.__module__.startswith("goim_edu.") or issubclass(kind, enum.Enum):
            continue
        for key, value in vars(base).items():
            if key != "__init__" and key.startswith("_"):
                continue
            if isinstance(value, property):
                yield f"{name}.{key}", value.fget
            elif isinstance(value, cached_property):
                yield f"{name}.{key}", value.func
            elif isinstance(value, staticmethod | classmethod):
                yield f"{name}.{key}", value.__func__
            elif inspect.isfunction(value):
                yield f"{name}.{key}", value


@cache
def imported_to_check(module: str) -> dict[str, Any]:
    """What a module imports for the type checker only, since it takes a while."""
    tree = ast.parse(inspect.getsource(importlib.import_module(module)))
    names: dict[str, Any] = {}
    for node in tree.body:
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING":
            code = compile(ast.Module(node.body, []), module, "exec")
            exec(code, names)
    return names


def hints(function: Any) -> dict[str, Any]:
    """The annotations of a function."""
    return typing.get_type_hints(function, localns=imported_to_check(function.__module__))


def parts(annotation: object) -> Iterator[object]:
    """An annotation and all that it is made of."""
    yield annotation
    inner = annotation if isinstance(annotation, list) else typing.get_args(annotation)
    for one in inner:
        yield from parts(one)


NAMES = dict(public())
CLASSES = {name: value for name, value in NAMES.items() if isinstance(value, type)}
FUNCTIONS = {name: value for name, value in NAMES.items() if inspect.isfunction(value)}
METHODS = {key: one for name, kind in CLASSES.items() for key, one in methods(name, kind)}


def annotated(functions: Mapping[str, Any]) -> list[tuple[str, object]]:
    """Where each annotation of these functions stands, and what it is."""
    return [
        (f"{name} {key}", annotation)
        for name, function in functions.items()
        for key, annotation in hints(function).items()
    ]


ANNOTATED = annotated(FUNCTIONS | METHODS)


def test_there_is_much_to_look_at() -> None:
    assert len(FUNCTIONS) > 35
    assert len(CLASSES) > 60
    assert len(METHODS) > 200


def test_no_public_signature_has_any() -> None:
    with_any = {where.split()[0] for where, found in ANNOTATED if Any in list(parts(found))}
    assert sorted(with_any) == sorted(MAY_BE_ANY)


def test_no_signature_of_the_client_has_any() -> None:
    names = dict(public(["client"]))
    found = {name: value for name, value in names.items() if inspect.isfunction(value)}
    for name, value in names.items():
        if isinstance(value, type):
            found |= dict(methods(name, value))
    assert len(found) > 30
    assert [where for where, one in annotated(found) if Any in list(parts(one))] == []


# The same of the server and the store, whose other rules are looser.
MAY_BE_ANY_THERE = {
    "server.ServerConfig.of": "its fields and those of ChatLimits, and no others",
    "server.ServerStore.submit_async": "a future of one class of Saved is not one of another",
    "store.Change.__init__": "the driver alone knows what a resume token is",
    "store.MemoryBackend.insert": "a document of MongoDB may hold anything",
    "store.MessageStore.moment": "the driver alone knows what a moment of the set is",
    "store.MessageStore.reach": "the driver alone knows what a moment of the set is",
    "store.MessageStore.database": "a database of pymongo, whose documents may hold anything",
    "store.MongoBackend.__init__": "a client of pymongo, whose documents may hold anything",
    "store.MongoBackend.insert": "a document of MongoDB may hold anything",
    "store.connect_mongodb": "a client of pymongo, whose documents may hold anything",
    "store.create_indexes": "a database of pymongo, whose documents may hold anything",
    "store.get_mongo": "a client of pymongo, whose documents may hold anything",
    "store.open_store": "a client of pymongo, whose documents may hold anything",
}


def test_the_server_and_the_store_say_what_they_take() -> None:
    names = dict(public(["server", "store"]))
    found = {name: value for name, value in names.items() if inspect.isfunction(value)}
    for name, value in names.items():
        if isinstance(value, type):
            found |= dict(methods(name, value))
    assert len(found) > 100
    with_any = {where.split()[0] for where, one in annotated(found) if Any in list(parts(one))}
    assert sorted(with_any) == sorted(MAY_BE_ANY_THERE)


def test_a_tooltip_of_the_configuration_names_its_fields() -> None:
    names = dict(public(["server"]))
    parameters = inspect.signature(names["server.ServerConfig"]).parameters
    assert {"host", "port", "limits"} <= set(parameters)


def test_everything_public_is_annotated() -> None:
    for name, function in (FUNCTIONS | METHODS).items():
        found = hints(function)
        for parameter in inspect.signature(function).parameters:
            assert parameter in found or parameter in ("self", "cls"), f"{name}({parameter})"
        assert "return" in found, name


@pytest.mark.parametrize("name", [*FUNCTIONS, *CLASSES])
def test_everything_public_says_what_it_is_and_what_it_takes(name: str) -> None:
    value = NAMES[name]
    words = inspect.getdoc(value) or ""
    assert words, name
    if isinstance(value, type) and (
        issubclass(value, enum.Enum)
        or typing.is_typeddict(value)
        or (issubclass(value, GoimError) and "__init__" not in vars(value))  # one for all of them
    ):
        return
    for parameter in inspect.signature(value).parameters:
        assert re.search(rf"^\s+{parameter}: ", words, re.MULTILINE), f"{name}: {parameter}"


@pytest.mark.parametrize("name", FUNCTIONS)
def test_every_function_shows_how_to_use_it(name: str) -> None:
    shown = ">>>" in (inspect.getdoc(FUNCTIONS[name]) or "")
    assert shown != (name in NO_EXAMPLE)


@pytest.mark.parametrize("name", METHODS)
def test_every_method_says_what_it_does(name: str) -> None:
    assert name.endswith(".__init__") or inspect.getdoc(METHODS[name])


@pytest.mark.parametrize("name", CLASSES)
def test_a_tooltip_can_be_read(name: str) -> None:
    if typing.is_typeddict(CLASSES[name]):
        return
    shown = str(inspect.signature(CLASSES[name]))
    assert "ForwardRef" not in shown
    assert "*args" not in shown


def test_every_type_in_a_public_signature_is_public() -> None:
    for where, annotation in ANNOTATED:
        for part in parts(annotation):
            module = getattr(part, "__module__", "")
            if isinstance(part, type) and module.startswith("goim_edu."):
                assert part.__name__ in importlib.import_module(module).__all__, f"{where}: {part}"


@pytest.mark.parametrize("name", THREADS)
def test_it_is_said_which_thread_may_use_it(name: str) -> None:
    assert THREADS[name] in (inspect.getdoc(NAMES[name]) or "")


def checked(tool: str, path: Path) -> subprocess.CompletedProcess[str]:
    """What a type checker says of a program."""
    return subprocess.run(
        [sys.executable, "-m", tool, *(["--strict"] if tool == "mypy" else []), str(path)],
        capture_output=True,
        text=True,
        check=False,
    )


def test_a_misspelt_name_of_the_lab_is_found_by_a_type_checker(tmp_path: Path) -> None:
    path = tmp_path / "mine.py"
    path.write_text("from goim_edu.lab import LiveServer, LiveSever\n", "utf-8")
    done = checked("mypy", path)
    assert 'has no attribute "LiveSever"' in done.stdout
    assert '"LiveServer"' not in done.stdout.replace('maybe "LiveServer"', "")
