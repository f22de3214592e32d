"""How to work with clew, for an agent whose client does not read skills by itself."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from clew.surfaces.mcp.answers import Answer, Draft
from clew.surfaces.mcp.pages import read_skill
from clew.surfaces.mcp.tool import Asked, Tool, call

if TYPE_CHECKING:
    from clew.surfaces.mcp.questions import Questions


class SkillAsked(Asked, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Nothing is to be chosen."""


class SkillAnswer(Answer, frozen=True, kw_only=True, omit_defaults=True):
    """The skill as markdown."""

    is_recorded: ClassVar[bool] = False

    skill: str


def _read_skill(_questions: Questions, _asked: SkillAsked) -> Draft:
    text = read_skill()
    answer = SkillAnswer(skill=text, next=[call("summary", "begin here")])
    return Draft(most=0, write=lambda _: answer, least=0, text_chars=len(text))


READ_SKILL = Tool(
    name="read_skill",
    title="How to work with clew",
    description="The order of work, filters, times, and the command line, on one page.",
    parameters=SkillAsked,
    answer=SkillAnswer,
    run=_read_skill,
)
