"""Two Chromium pages at two servers of one chat, and the server of one of them is killed."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from playwright.sync_api import Browser, expect

from goim_edu.mongod import LocalReplicaSet
from tests.browser.test_page import LOST_CONNECTION, Person
from tests.serving import ServerProcess

Pages = tuple[Person, Person]


@pytest.fixture
def servers(replica_set: LocalReplicaSet, tmp_path: Path) -> Iterator[list[ServerProcess]]:
    with ExitStack() as running:
        yield [
            running.enter_context(ServerProcess(tmp_path / name, replica_set.uri))
            for name in ("one", "two")
        ]


@pytest.fixture
def pages(browser: Browser, servers: list[ServerProcess]) -> Iterator[Pages]:
    room = f"room-{secrets.token_hex(4)}"
    people = []
    for name, server in zip(("Lisa", "Bo"), servers, strict=True):
        page = browser.new_context(locale="en-GB").new_page()
        people.append(Person(page, server).enter(name, room))
    lisa, bo = people
    yield lisa, bo
    for person in people:
        person.page.context.close()


def are_both_shown(person: Person) -> None:
    people = person.page.locator("#people")
    for name in ("Lisa", "Bo"):
        expect(people).to_contain_text(name, timeout=30_000)


def test_two_pages_at_two_servers_of_which_one_is_killed(
    pages: Pages, servers: list[ServerProcess]
) -> None:
    lisa, bo = pages
    are_both_shown(lisa)
    are_both_shown(bo)
    lisa.say("hello from the first")
    bo.say("hello from the second")
    for person in pages:
        expect(person.texts).to_have_count(2)
        expect(person.message("hello from the first")).to_be_visible()
        expect(person.message("hello from the second")).to_be_visible()

    servers[0].kill()
    expect(lisa["connection"]).not_to_have_attribute("data-state", "online")
    lisa.say("typed while my server is dead")
    bo.say("the other half goes on")
    bo.stored("the other half goes on")
    bo.say("and on")
    bo.stored("and on")
    servers[0].start()

    lisa.is_connected()
    lisa.stored("typed while my server is dead")
    for person in pages:
        expect(person.texts).to_have_count(5, timeout=30_000)
        assert person.seqs() == [1, 2, 3, 4, 5]
        are_both_shown(person)
    assert lisa.texts.all_inner_texts() == bo.texts.all_inner_texts()
    assert bo.complaints == []
    assert [one for one in lisa.complaints if not LOST_CONNECTION.search(one)] == []


def test_a_page_whose_server_stays_dead_is_told_as_gone(
    pages: Pages, servers: list[ServerProcess]
) -> None:
    _, bo = pages
    are_both_shown(bo)
    servers[0].kill()
    expect(bo.page.locator("#people")).not_to_contain_text("Lisa", timeout=40_000)
    bo.say("alone")
    bo.stored("alone")
    assert bo.complaints == []
