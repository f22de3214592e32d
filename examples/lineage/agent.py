"""An agent that asks three tools at once, and answers from what they say.

What a tool says is another thing than the question (`new_id`), so that one sees in the end which of
them an answer rests on. A tool that fails is no input of it.
"""

from __future__ import annotations

import asyncio

from clew import lineage
from examples.lineage.running import run_traced

STOCK = {"lamp": 3, "chair": 0}
PRICES = {"lamp": 40, "chair": 75}


@lineage.stage("question")
def ask(text: str) -> str:
    """Take a question: with it the lineage begins."""
    return text


@lineage.stage("stock", new_id=True)
async def look_up_stock(question: str) -> str:
    """Say how many there are."""
    await asyncio.sleep(0)
    return f"{STOCK[question]} in stock"


@lineage.stage("price", new_id=True)
async def look_up_price(question: str) -> str:
    """Say what it costs."""
    await asyncio.sleep(0)
    return f"{PRICES[question]} each"


@lineage.stage("reviews", new_id=True)
async def read_reviews(question: str) -> str:
    """Say what people think of it."""
    await asyncio.sleep(0)
    if question not in STOCK:
        raise LookupError(question)
    return f"people like the {question}"


async def answer(question: lineage.Traced[str]) -> lineage.Traced[str]:
    """Answer from what the tools say."""
    tools = (look_up_stock, look_up_price, read_reviews)
    with lineage.join(stage="answer") as out:
        said = await asyncio.gather(*(tool(question) for tool in tools), return_exceptions=True)
        known = [each for each in said if isinstance(each, lineage.Traced)]
        out.add(*known)
        return out.carry("; ".join(each.value for each in known) or "nobody knows")


if __name__ == "__main__":
    with run_traced("agent"):
        print(asyncio.run(answer(ask("lamp"))).trace_id)
