"""Our own mongods let nobody in without the password, and take over the folders of version 0.1."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import pymongo
import pytest
from pymongo.errors import OperationFailure

from goim_edu.errors import StoreConfigError
from goim_edu.mongod import LocalMongod, LocalReplicaSet, find_mongod
from goim_edu.mongod.credentials import Credentials, MongoURI, write_private
from goim_edu.mongod.ports import free_port, listens
from goim_edu.store import open_store
from tests.conftest import require_mongod
from tests.mongod.test_mongod import add_document, documents, until

ROOT = Path(__file__).resolve().parents[2]
VERSION_0_1 = "e8cbb94"
NOT_ALLOWED = 13
NOBODY = 65534


def mode(path: Path) -> int:
    return path.stat().st_mode & 0o777


@pytest.fixture
def needs_mongod() -> None:
    require_mongod()


class TestURI:
    URI = MongoURI("mongodb://goim:s3cret@127.0.0.1:1,127.0.0.1:2/?replicaSet=goim")

    def test_a_notebook_does_not_show_the_password(self) -> None:
        assert repr(self.URI) == "'mongodb://goim:***@127.0.0.1:1,127.0.0.1:2/?replicaSet=goim'"
        assert "s3cret" not in repr([self.URI + "&w=1"])

    def test_it_is_the_whole_address_all_the_same(self) -> None:
        assert "s3cret" in f"{self.URI}"
        with pymongo.MongoClient[Any](self.URI + "&w=1", connect=False) as client:
            credential = client.options.pool_options._credentials
            assert credential is not None
            assert credential.password == "s3cret"

    def test_an_address_without_password(self) -> None:
        assert repr(MongoURI("mongodb://h:1/")) == "'mongodb://h:1/'"


class TestFiles:
    def test_they_are_made_once_and_are_the_owners_alone(self, tmp_path: Path) -> None:
        ours = Credentials(tmp_path)
        assert ours.password == ""
        ours.prepare()
        password, key = ours.password, ours.key_file.read_text()
        Credentials(tmp_path).prepare()
        assert (ours.password, ours.key_file.read_text()) == (password, key)
        assert len(password) >= 32
        assert re.fullmatch(r"[A-Za-z0-9+/=]{6,1024}", key)
        assert {path.name: mode(path) for path in tmp_path.iterdir()} == {
            "password": 0o600,
            "key": 0o600,
        }

    def test_no_two_folders_share_one(self, tmp_path: Path) -> None:
        found = set()
        for name in "ab":
            (tmp_path / name).mkdir()
            ours = Credentials(tmp_path / name)
            ours.prepare()
            found |= {ours.password, ours.key_file.read_text()}
        assert len(found) == 4

    def test_rights_that_a_copy_has_lost_are_put_back(self, tmp_path: Path) -> None:
        ours = Credentials(tmp_path)
        ours.prepare()
        ours.key_file.chmod(0o644)
        ours.prepare()
        assert mode(ours.key_file) == 0o600

    def test_a_private_file_is_private_from_the_first_moment(self, tmp_path: Path) -> None:
        path = tmp_path / "uri"
        path.write_text("old")
        path.chmod(0o666)
        write_private(path, "new")
        assert (path.read_text(), mode(path)) == ("new", 0o600)
        assert list(tmp_path.iterdir()) == [path]


@pytest.mark.usefixtures("needs_mongod")
class TestNobodyElse:
    def test_without_the_password(self, mongod: LocalMongod) -> None:
        address = f"mongodb://{mongod.address}/?directConnection=true"
        with pymongo.MongoClient[Any](address) as stranger:
            assert stranger.admin.command("ping")["ok"] == 1  # it is told that there is a server
            for question in (
                lambda: stranger.GOIM.messages.find_one(),
                lambda: stranger.GOIM.messages.insert_one({"text": "forged"}),
                lambda: stranger.list_database_names(),
                lambda: stranger.admin.command("createUser", "eve", pwd="x", roles=["root"]),
                lambda: stranger.admin.command("shutdown"),
            ):
                with pytest.raises(OperationFailure) as refusal:
                    question()
                assert refusal.value.code == NOT_ALLOWED

    def test_not_even_before_there_is_a_user(self, tmp_path: Path) -> None:
        """The localhost exception would let the first one who comes make a user."""
        member = LocalMongod(tmp_path, replica_set="goim", initiate=False)
        with member:
            address = f"mongodb://{member.address}/?directConnection=true"
            with pymongo.MongoClient[Any](address) as stranger:
                commands: list[dict[str, Any]] = [{"replSetInitiate": {}}, {"replSetGetStatus": 1}]
                for command in commands:
                    with pytest.raises(OperationFailure) as refusal:
                        stranger.admin.command(command)
                    assert refusal.value.code == NOT_ALLOWED

    @pytest.mark.skipif(
        not hasattr(os, "geteuid") or os.geteuid() != 0, reason="only root can be somebody else"
    )
    def test_another_user_of_the_machine_reads_no_file(self) -> None:
        folder = Path(tempfile.mkdtemp())
        folder.chmod(0o755)
        try:
            with LocalMongod(folder / "data", replica_set="goim"):
                pass
            everything = (
                "import os,sys\n"
                f"os.setgid({NOBODY}); os.setuid({NOBODY})\n"
                "for folder, _, files in os.walk(sys.argv[1], onerror=lambda e: None):\n"
                "    for name in files:\n"
                "        path = os.path.join(folder, name)\n"
                "        if os.access(path, os.R_OK): print(path)\n"
            )
            done = subprocess.run(
                ["/usr/bin/env", sys.executable, "-I", "-c", everything, str(folder)],
                capture_output=True,
                text=True,
                check=True,
            )
            readable = {Path(line).name for line in done.stdout.splitlines()}
            assert not readable & {"key", "password", "uri"}
            assert not [name for name in readable if name.endswith(".wt")]
        finally:
            shutil.rmtree(folder)

    def test_a_lost_password_is_made_anew(self, tmp_path: Path) -> None:
        with LocalMongod(tmp_path, replica_set="goim") as server:
            add_document(server.uri)
        for name in ("key", "password"):
            (tmp_path / name).unlink()
        with LocalMongod(tmp_path, replica_set="goim") as server:
            assert documents(server.uri) == 1

    def test_the_address_stands_in_a_file(self, tmp_path: Path) -> None:
        with LocalReplicaSet(members=1, data_dir=tmp_path) as members:
            assert members.uri_file.read_text() == f"{members.uri!s}\n"
            assert mode(members.uri_file) == 0o600
            with open_store(f"@{members.uri_file}") as store:
                assert store.durable


@pytest.mark.parametrize(
    ("content", "word"),
    [(None, "No such file"), (b"\xff\xfe", "not text"), (b"", "first line"), (b"hello\n", "first")],
)
def test_a_file_without_an_address(tmp_path: Path, content: bytes | None, word: str) -> None:
    path = tmp_path / "uri"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(StoreConfigError, match=word):
        open_store(f"@{path}")


MAKE_0_1 = """
import pymongo, sys
from goim_edu.lab.mongo import LocalMongod, LocalReplicaSet
from goim_edu.store import open_store
alone, several = sys.argv[1:]
with open_store("local", data_dir=alone) as store:
    for number in range(100):
        store.submit("lobby", "lisa", f"m{number}", str(number)).result()
with LocalReplicaSet(3, several) as members, open_store(members.uri) as store:
    for number in range(100):
        store.submit("lobby", "lisa", f"m{number}", str(number)).result()
"""


@contextmanager
def mongod_of_0_1(folder: Path, port: int) -> Iterator[str]:
    """A mongod as version 0.1 started it: open to everybody. Yields its address."""
    folder.joinpath("db").mkdir(parents=True, exist_ok=True)
    process = subprocess.Popen(
        [
            *(str(find_mongod()), "--dbpath", str(folder / "db"), "--logpath", str(folder / "log")),
            *("--bind_ip", "127.0.0.1", "--port", str(port), "--nounixsocket"),
            *("--replSet", "goim", "--oplogSize", "256"),
        ],
        stdout=subprocess.DEVNULL,
    )
    try:
        until(lambda: listens(port), "it listens")
        yield f"127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait(30)
        folder.joinpath("port").write_text(f"{port}\n")


def made_by_0_1(data: Path, tree: Path) -> None:
    """Have version 0.1 itself, from the history of this repository, make both folders."""
    git = ["git", "-C", str(ROOT), "worktree"]
    subprocess.run([*git, "add", "--detach", "-q", tree / "0.1", VERSION_0_1], check=True)
    try:
        subprocess.run(
            [sys.executable, "-c", MAKE_0_1, data / "alone", data / "several"],
            env={**os.environ, "PYTHONPATH": str(tree / "0.1"), "GOIM_MONGOD": str(find_mongod())},
            cwd=tree,
            check=True,
            timeout=120,
        )
    finally:
        subprocess.run([*git, "remove", "--force", tree / "0.1"], check=True)


def made_as_0_1_did(data: Path) -> None:
    """The same where the checkout has no history: mongods with the command line of version 0.1."""
    for folders in ([data / "alone"], [data / "several" / f"member{n}" for n in range(3)]):
        with ExitStack() as stack:
            hosts = [stack.enter_context(mongod_of_0_1(folder, free_port(0))) for folder in folders]
            members = [{"_id": index, "host": host} for index, host in enumerate(hosts)]
            with pymongo.MongoClient[Any](hosts[0], directConnection=True) as client:
                client.admin.command("replSetInitiate", {"_id": "goim", "members": members})
            with open_store(f"mongodb://{','.join(hosts)}/?replicaSet=goim") as store:
                for text in EXPECTED:
                    store.submit("lobby", "lisa", text, client_msg_id=f"m{text}").result()


@pytest.fixture(scope="module")
def folders_of_0_1(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A data folder and a replica set of three, with a hundred messages each."""
    require_mongod()
    data = tmp_path_factory.mktemp("data")
    known = subprocess.run(
        ["git", "-C", str(ROOT), "cat-file", "-e", f"{VERSION_0_1}^{{commit}}"], capture_output=True
    )
    if known.returncode == 0:
        made_by_0_1(data, tmp_path_factory.mktemp("tree"))
    else:
        made_as_0_1_did(data)
    return data / "alone", data / "several"


def texts(uri: str) -> list[str]:
    with open_store(uri) as store:
        return [message.text for message in store.history("lobby", limit=1000)]


EXPECTED = [str(number) for number in range(100)]

# The kill comes at each step of the taking over.
STEPS = (
    "credentials._draft",
    "credentials.os.link",
    "mongod.WatchedProcess",
    "mongod.ensure_user",
    "credentials.pymongo.MongoClient",
)
KILLED = """
import os, signal, sys
from goim_edu.mongod import LocalMongod, credentials, mongod
module, _, name = sys.argv[2].partition(".")
place = {"credentials": credentials, "mongod": mongod}[module]
*path, name = name.split(".")
for part in path:
    place = getattr(place, part)
setattr(place, name, lambda *a, **k: os.kill(os.getpid(), signal.SIGKILL))
LocalMongod(sys.argv[1], replica_set="goim").start()
"""


@pytest.mark.usefixtures("needs_mongod")
class TestFoldersOfVersion01:
    def test_one_is_taken_over_and_opens_twice(
        self, folders_of_0_1: tuple[Path, Path], tmp_path: Path
    ) -> None:
        folder = shutil.copytree(folders_of_0_1[0], tmp_path / "data")
        for _ in range(2):
            with LocalMongod(folder, replica_set="goim") as server:
                assert texts(server.uri) == EXPECTED
                address = f"mongodb://{server.address}/?directConnection=true"
                with (
                    pymongo.MongoClient[Any](address) as stranger,
                    pytest.raises(OperationFailure),
                ):
                    stranger.GOIM.messages.find_one()

    @pytest.mark.parametrize("step", STEPS)
    def test_a_kill_in_the_middle_loses_nothing(
        self, folders_of_0_1: tuple[Path, Path], tmp_path: Path, step: str
    ) -> None:
        folder = shutil.copytree(folders_of_0_1[0], tmp_path / "data")
        done = subprocess.run(
            [sys.executable, "-c", KILLED, folder, step], capture_output=True, timeout=60
        )
        assert done.returncode == -9, done.stderr
        with LocalMongod(folder, replica_set="goim") as server:
            assert texts(server.uri) == EXPECTED

    def test_several_members(self, folders_of_0_1: tuple[Path, Path], tmp_path: Path) -> None:
        folder = shutil.copytree(folders_of_0_1[1], tmp_path / "data")
        for _ in range(2):
            with LocalReplicaSet(3, folder) as members:
                assert texts(members.uri) == EXPECTED
                for member in members.members:
                    assert len(texts_at(member)) == len(EXPECTED)

    def test_the_way_back(self, folders_of_0_1: tuple[Path, Path], tmp_path: Path) -> None:
        """Version 0.1 opens what this version has taken over: it asks nobody for a password."""
        folder = shutil.copytree(folders_of_0_1[0], tmp_path / "data")
        with LocalMongod(folder, replica_set="goim") as server:
            assert texts(server.uri) == EXPECTED
        port = int((folder / "port").read_text())
        with mongod_of_0_1(folder, port) as address:
            assert texts(f"mongodb://{address}/?replicaSet=goim") == EXPECTED


def texts_at(member: LocalMongod) -> list[dict[str, Any]]:
    """What this one member has, whether primary or not."""
    with pymongo.MongoClient[Any](member.uri, readPreference="secondaryPreferred") as client:
        return list(client.GOIM.messages.find())
