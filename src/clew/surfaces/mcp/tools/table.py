"""Every tool in one tuple, in the order of the work: from the whole to the single record."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from clew.surfaces.mcp.tools import (
    changes,
    comments,
    correlate,
    details,
    find,
    genai,
    lineage,
    metrics,
    overview,
    processes,
    sessions,
    skill,
    sql,
    teams,
    timeline,
    trace,
    tree,
    twin,
    vocabulary,
)

if TYPE_CHECKING:
    from clew.surfaces.mcp.tool import Tool

TOOLS: Final[tuple[Tool, ...]] = (
    overview.SUMMARY,
    changes.ANOMALIES,
    changes.DIFF,
    overview.TOPOLOGY,
    overview.SERVICES,
    find.FIND_TRACES,
    find.FIND_SPANS,
    trace.TRACE_OUTLINE,
    details.SPAN_DETAILS,
    correlate.CORRELATE,
    find.FIND_LOGS,
    changes.LOG_PATTERNS,
    metrics.METRICS,
    metrics.METRIC_SERIES,
    vocabulary.ATTRIBUTES,
    vocabulary.ATTRIBUTE_VALUES,
    genai.CONVERSATIONS,
    genai.AGENTS,
    genai.TRANSCRIPT,
    sql.SQL,
    sql.SQL_SCHEMA,
    tree.TREE,
    tree.APP,
    tree.SEND,
    tree.CANCEL,
    twin.FIND_OBJECTS,
    twin.OBJECT_STATE,
    timeline.OBJECT_TIMELINE,
    timeline.FIELD_HISTORY,
    timeline.OBJECT_DIFF,
    twin.OBJECT_GRAPH,
    twin.TOUCHED_OBJECTS,
    processes.FIND_PROCESSES,
    processes.PROCESS,
    timeline.REJECTED_EVENTS,
    lineage.LINEAGE,
    comments.COMMENTS,
    comments.ADD_COMMENT,
    sessions.SESSION_START,
    sessions.SESSION_NOTE,
    sessions.SESSION_STOP,
    teams.TEAM,
    skill.READ_SKILL,
)
"""The list is answered in this order, always."""

BY_NAME: Final[dict[str, Tool]] = {tool.name: tool for tool in TOOLS}
