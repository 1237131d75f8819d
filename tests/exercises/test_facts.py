"""What the exercises teach is what the package, pymongo and a real MongoDB do."""

from __future__ import annotations

import hashlib
import subprocess
import sys
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from itertools import product
from pathlib import Path
from typing import TYPE_CHECKING, Any

import bson
import pytest
from pymongo import DESCENDING, MongoClient

from goim_edu.chat.gate import Gate
from goim_edu.errors import HandshakeError, IncompleteFrame, RemoteProtocolError
from goim_edu.exercises import chapter_02, chapter_05, chapter_08, chapter_14, chapter_15
from goim_edu.exercises.catalogue import find
from goim_edu.exercises.chapter_11 import Shelf
from goim_edu.exercises.made_up_inputs import made_up
from goim_edu.exercises.model import Function, Measure
from goim_edu.lab.interleavings import Rules, explore, writers
from goim_edu.protocol import (
    TRANSITIONS,
    BinaryMessage,
    Endpoint,
    Failed,
    Opcode,
    Side,
    TextMessage,
)
from goim_edu.store import StoredMessage
from goim_edu.websocket.frames import Frame, build_frame, parse_frame
from goim_edu.websocket.handshake import (
    Headers,
    Request,
    Response,
    check_request,
    check_response,
    parse_extensions,
    select_subprotocol,
)
from goim_edu.websocket.heartbeat import Heartbeat
from goim_edu.websocket.states import State, Step

if TYPE_CHECKING:
    from goim_edu.mongod import LocalMongod

KEY = bytes.fromhex("37 fa 21 3d")


def inputs(name: str, number: int = 200) -> Iterator[tuple[Callable[..., Any], tuple[Any, ...]]]:
    """The reference of an exercise, with all its cases and some made-up inputs."""
    exercise = find(name)
    assert isinstance(exercise, Function)
    for args in exercise.cases:
        yield exercise.reference, args
    if exercise.make is not None:
        for _, args in made_up(exercise.make, "facts", number):
            yield exercise.reference, args


def test_a_client_accepts_what_the_package_accepts() -> None:
    for reference, (status, headers, key) in inputs("02.3"):
        response = Response(status, "", Headers(headers.items()))
        try:
            check_response(response, key, (), ())
            accepts = True
        except HandshakeError:
            accepts = False
        assert reference(status, headers, key) is accepts, (status, headers)


def test_a_server_answers_as_the_package_answers() -> None:
    for reference, (method, version, headers) in inputs("02.4"):
        try:
            check_request(Request(method, "/chat", version, Headers(headers.items())))
            status = 101
        except HandshakeError as error:
            status = error.status
        assert reference(method, version, headers) == status, (method, version, headers)


def test_subprotocols_are_chosen_as_the_package_chooses() -> None:
    for reference, (offer, supported) in inputs("02.5"):
        headers = [] if offer is None else [("Sec-WebSocket-Protocol", offer)]
        request = Request("GET", "/", "HTTP/1.1", Headers(headers))
        assert reference(offer, supported) == select_subprotocol(request, supported)


def test_a_cut_frame_is_cut_for_the_package_too() -> None:
    for reference, (data,) in inputs("03.5"):
        try:
            frame, consumed = parse_frame(data)
        except IncompleteFrame:
            with pytest.raises(IncompleteFrame):
                reference(data)
            continue
        except RemoteProtocolError:
            continue  # 03.6 is about those
        expected = (frame.fin, frame.opcode, frame.payload, consumed)
        assert reference(data) == expected


def test_fragments_are_joined_as_the_endpoint_joins_them() -> None:
    for reference, (frames,) in inputs("05.2"):
        client = Endpoint(Side.CLIENT, already_open=True)
        events = client.receive_data(
            b"".join(build_frame(f.payload, f.opcode, f.fin) for f in frames)
        )
        if isinstance(events[-1] if events else None, Failed):
            with pytest.raises(RemoteProtocolError):
                reference(frames)
            continue
        messages = [
            event.data for event in events if isinstance(event, TextMessage | BinaryMessage)
        ]
        assert reference(frames) == [m.encode() if isinstance(m, str) else m for m in messages]


def test_bad_text_fails_at_the_fragment_that_the_exercise_names() -> None:
    for reference, (pieces,) in inputs("05.4"):
        client = Endpoint(Side.CLIENT, already_open=True)
        failed = None
        for number, piece in enumerate(pieces):
            opcode = Opcode.CONTINUATION if number else Opcode.TEXT
            events = client.receive_data(build_frame(piece, opcode, number == len(pieces) - 1))
            if failed is None and any(isinstance(event, Failed) for event in events):
                failed = number
        assert reference(pieces) == failed, pieces


def test_fragments_that_are_cut_come_out_whole() -> None:
    for reference, (data, size) in inputs("05.7"):
        frames = reference(data, size)
        assert chapter_05.join(frames) == [data]


def test_a_ping_is_answered_as_the_endpoint_answers() -> None:
    for reference, (data,) in inputs("06.2"):
        server = Endpoint(Side.SERVER, already_open=True)
        server.receive_data(data)
        assert reference(data) == server.data_to_send()


def test_round_trips_are_those_of_the_heartbeat() -> None:
    """Where pongs answer in order; the heartbeat also counts older pings as answered."""
    heartbeat = Heartbeat(1, 100)
    heartbeat.next_event_at(0)
    assert heartbeat.ping_due(1) == b"hb1"
    assert heartbeat.ping_due(2) == b"hb2"
    assert heartbeat.received_pong(b"hb1", 2.5) == 1.5
    assert heartbeat.received_pong(b"hb1", 9) is None


def test_offers_are_read_as_the_package_reads_them() -> None:
    for reference, (text,) in inputs("07.4"):
        [offer] = parse_extensions(text)
        names = [name for name, _ in offer.params]
        if len(set(names)) < len(names):
            with pytest.raises(ValueError, match="twice"):
                reference(text)
            continue
        assert reference(text) == (offer.name, dict(offer.params))


def test_events_are_answered_as_the_endpoint_answers() -> None:
    for code in (1000, 1001, 3000, 4999):
        server = Endpoint(Side.SERVER, already_open=True)
        body = code.to_bytes(2)
        events = server.receive_data(build_frame(body, Opcode.CLOSE, mask_key=KEY))
        assert chapter_08.reply(events[0]) == server.data_to_send()
    server = Endpoint(Side.SERVER, already_open=True)
    events = server.receive_data(build_frame(b"", Opcode.CLOSE, mask_key=KEY))
    assert chapter_08.reply(events[0]) == server.data_to_send()


def test_the_life_of_a_connection_is_that_of_the_table() -> None:
    """The exercise has no state for the moment between their Close and our answer to it."""
    steps = {
        "handshake done": Step.AGREE,
        "handshake refused": Step.REFUSE,
        "we say Close": Step.SAY_CLOSE,
        "they say Close": Step.HEAR_CLOSE,
        "they break a rule": Step.FAIL,
        "TCP ends": Step.END,
    }
    for state in ("connecting", "open", "closing", "closed"):
        for name, step in steps.items():
            target = TRANSITIONS[State(state)].get(step)
            if target is None:
                with pytest.raises(ValueError, match="cannot happen"):
                    chapter_08.next_state(state, name)
            else:
                expected = "closed" if target is State.ENDING else target.value
                assert chapter_08.next_state(state, name) == expected


def test_documents_are_those_of_pymongo() -> None:
    for reference, (name, value) in inputs("10.2"):
        assert reference(name, value) == bson.encode({name: value})
    for reference, (text,) in inputs("10.3"):
        seconds, random, counter = reference(text)
        object_id = bson.ObjectId(text)
        assert object_id.generation_time == datetime(1970, 1, 1, tzinfo=UTC) + timedelta(
            seconds=seconds
        )
        assert text == f"{seconds:08x}{random}{counter:06x}"
    for reference, (document,) in inputs("10.5"):
        assert reference(document) == next(iter(bson.decode(document).items()))


def test_a_time_is_cut_as_pymongo_cuts_it() -> None:
    for reference, (when,) in inputs("10.4"):
        stored = bson.decode(bson.encode({"at": when}))["at"].replace(tzinfo=UTC)
        assert datetime(1970, 1, 1, tzinfo=UTC) + timedelta(milliseconds=reference(when)) == stored


def test_the_shelf_looks_at_as_much_as_a_real_mongod(mongod: LocalMongod) -> None:
    shelf = Shelf(rooms=10, each=100)
    with MongoClient[dict[str, Any]](mongod.uri) as client:
        collection = client["exercises"]["shelf"]
        collection.drop()
        collection.insert_many([{"room_id": room, "seq": seq} for room, seq in shelf.documents])

        def examined(query: dict[str, Any], skip: int = 0) -> int:
            cursor = collection.find(query).sort("seq", DESCENDING).skip(skip).limit(20)
            stats = cursor.explain()["executionStats"]
            return max(int(stats["totalKeysExamined"]), int(stats["totalDocsExamined"]))

        room: dict[str, Any] = {"room_id": "room 7"}
        shelf.newest("room 7", 20, use_index=False)
        assert examined(room) == shelf.examined == 1_000
        collection.create_index([("room_id", 1), ("seq", 1)])
        shelf.newest("room 7", 20, use_index=True)
        assert examined(room) == shelf.examined == 20
        shelf.newest("room 7", 20, use_index=True, skip=60)
        assert examined(room, skip=60) == shelf.examined == 80
        page = shelf.newest("room 7", 20, use_index=True, before_seq=41)
        assert examined({**room, "seq": {"$lt": 41}}) == shelf.examined == 20
        assert page == list(range(40, 20, -1))
        client.drop_database("exercises")


def test_a_hash_is_the_same_in_every_process() -> None:
    expected = int.from_bytes(hashlib.md5(b"lobby").digest()[:8])
    assert chapter_14.hash_number("lobby") == expected


def test_every_refusal_is_the_same_in_every_process(tmp_path: Path) -> None:
    """Notebooks are compared letter by letter, so nothing may depend on chance or addresses."""
    code = (
        "from goim_edu.exercises import check\n"
        "from goim_edu.exercises.catalogue import all_exercises\n"
        "from goim_edu.exercises.model import Function, Measure, Predict\n"
        "for one in all_exercises():\n"
        "    if isinstance(one, Function):\n"
        "        card = check(one.id, one.load(one.start))\n"
        "    elif isinstance(one, Measure):\n"
        "        card = check(one.id, one.wrong[0][0])\n"
        "    else:\n"
        "        card = check(one.id, 'nonsense')\n"
        "    print(card._repr_mimebundle_())\n"
    )
    runs = set()
    for seed in ("1", "2"):
        environment = {
            "PYTHONHASHSEED": seed,
            "GOIM_PROGRESS": str(tmp_path / "file"),
            "PYTHONPATH": str(Path(__file__).resolve().parents[2]),
        }
        done = subprocess.run(
            [sys.executable, "-c", code],
            capture_output=True,
            text=True,
            check=True,
            env=environment,
            cwd=tmp_path,
        )
        runs.add(done.stdout)
    assert len(runs) == 1


def test_the_first_refusal_of_02_4_and_the_example_of_the_rfc_agree() -> None:
    assert chapter_02.accept_for("dGhlIHNhbXBsZSBub25jZQ==") == "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="
    frame, consumed = parse_frame(build_frame("Hello", mask_key=KEY))
    assert (frame, consumed) == (Frame(Opcode.TEXT, b"Hello", mask_key=KEY), 11)


def test_steps_are_counted_from_the_first_call_on() -> None:
    """Python 3.12 lets the first tracing of a process see no instruction, if it is not told to."""
    program = (
        "from goim_edu.exercises.chapter_04 import count_steps\n"
        "print(*(count_steps(lambda n: [i for i in range(n)], 1000) for _ in range(2)))"
    )
    done = subprocess.run([sys.executable, "-c", program], stdout=-1, text=True, check=True)
    first, second = map(int, done.stdout.split())
    assert first == second > 1000


def test_the_rules_that_mend_the_model_are_those_in_which_nothing_goes_wrong() -> None:
    """15.4 judges by a table; the model checker has the last word on each of its rows."""
    exercise = find("15.4")
    assert isinstance(exercise, Measure)
    good = []
    for numbers, ordered, fence, once, head in product(
        ("insert", "counter"), *[(False, True)] * 3, ("majority", "local")
    ):
        rules = Rules(numbers, ordered, fence, once, head, batch=1, faults=2)  # type: ignore[arg-type]
        said = exercise.judge(rules)
        if explore(writers([["a1", "a2"], ["b1"]], rules)).wrong is None:
            good.append(rules.ordered)
            assert said is None or "does nothing here" in said
        else:
            assert said is not None
            assert "does nothing here" not in said
    assert good == [False, True]


def handed_on(last: int, arrived: list[int]) -> list[int]:
    """What the real gate lets pass."""
    passed: list[int] = []
    real = Gate(lambda message: passed.append(message.seq), lambda why: None)
    real.open(last)
    for seq in arrived:
        real.arrived(StoredMessage("r", seq, "u", str(seq), "", datetime.now(UTC)))
    return passed


def test_the_gate_of_the_exercise_hands_on_what_the_real_one_does() -> None:
    exercise = find("15.2")
    assert isinstance(exercise, Function)
    assert exercise.make is not None
    for _, (last, arrived) in made_up(exercise.make, "facts", 300):
        numbers = [step for step in chapter_15.gate(last, arrived) if step != "fill"]
        assert numbers == handed_on(last, arrived)
