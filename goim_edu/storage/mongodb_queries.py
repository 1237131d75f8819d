"""The questions of a store in MongoDB's query language, and the plan that answers them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from goim_edu.storage.backend import Page, Plan, Span
from goim_edu.storage.mongodb_client import Document

__all__ = ["page_filter", "page_options", "span_filter", "to_plan"]


def page_filter(page: Page) -> Document:
    """The filter of a page: the room, and the bounds of its numbers.

    >>> page_filter(Page("lobby", above=7, below=None, limit=50, newest_first=False))
    {'room_id': 'lobby', 'seq': {'$gt': 7}}
    """
    bounds = {}
    if page.above is not None:
        bounds["$gt"] = page.above
    if page.below is not None:
        bounds["$lt"] = page.below
    return {"room_id": page.room_id, "seq": bounds} if bounds else {"room_id": page.room_id}


def page_options(page: Page) -> Document:
    """Order and size of a page."""
    return {"sort": [("seq", -1 if page.newest_first else 1)], "limit": page.limit}


def span_filter(span: Span) -> Document:
    """The filter of a part of time; all rooms and all users where none is named."""
    query: Document = {}
    if span.room_id is not None:
        query["room_id"] = span.room_id
    if span.user_id is not None:
        query["user_id"] = span.user_id
    bounds = {}
    if span.since is not None:
        bounds["$gte"] = span.since
    if span.until is not None:
        bounds["$lt"] = span.until
    if bounds:
        query["created_at"] = bounds
    return query


def to_plan(answer: Mapping[str, Any]) -> Plan:
    """The plan of an explain answer; behind mongos, that of the first shard."""
    planner = answer["queryPlanner"]["winningPlan"]
    planner = planner.get("queryPlan", planner)
    if "shards" in planner:
        planner = planner["shards"][0]["winningPlan"]
        planner = planner.get("queryPlan", planner)
    stages, index = [], None
    while planner:
        stages.append(planner["stage"])
        index = planner.get("indexName", index)
        planner = planner.get("inputStage")
    stats = answer["executionStats"]
    return Plan(
        tuple(stages),
        index,
        stats["totalKeysExamined"],
        stats["totalDocsExamined"],
        stats["nReturned"],
    )
