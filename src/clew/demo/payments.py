"""`payments`: charges cards, declines some, and has one bank that is slow."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any, Final

from opentelemetry import metrics, trace
from opentelemetry.trace import Status, StatusCode

from clew import lineage
from clew.demo.chance import Chance
from clew.demo.service import Answer, Refusal, Service, describe_traced, work

if TYPE_CHECKING:
    from clew.demo.service import Call

BANKS: Final = ("north", "harbour", "alpine")
SLOW_BANK: Final = "harbour"

logger = logging.getLogger(__name__)


class CardDeclined(Exception):  # noqa: N818 - a business outcome, not a fault
    """The bank said no."""


class BankTimeout(Exception):  # noqa: N818 - named as a bank's client would
    """The bank said nothing."""


def make_payments(seed: int) -> Service:
    """Return the service."""
    meter = metrics.get_meter("clew.demo.payments")
    charges = meter.create_counter("payments.charges", "{charge}", "Charges by outcome")
    amounts = meter.create_histogram("payments.amount", "EUR", "Amounts charged")
    score = meter.create_gauge("payments.fraud.score", "1", "Fraud score of the last charge")

    def charge(call: Call) -> Answer:
        # It carries the id of the quote that is to be paid, which what is made here is made of.
        wished = call.body
        chance = Chance(seed, str(wished["order_id"]))
        amount = float(wished["amount"])
        bank = chance.pick("bank", BANKS)
        call.span.set_attribute("payment.bank", bank)
        checked = check_fraud(chance, bank, wished)
        score.set(checked.value, {"payment.bank": bank})
        try:
            charged = authorise_card(chance, bank, wished, checked)
        except CardDeclined as error:
            charges.add(1, {"outcome": "declined", "payment.bank": bank})
            raise Refusal(402, str(error)) from error
        except BankTimeout as error:
            charges.add(1, {"outcome": "timeout", "payment.bank": bank})
            raise Refusal(504, str(error)) from error
        charges.add(1, {"outcome": "charged", "payment.bank": bank})
        amounts.record(amount, {"payment.bank": bank})
        logger.info("charged", extra={"amount": amount, "payment.bank": bank})
        return Answer(200, describe_traced(charged))

    return Service("payments", {("POST", "/charge"): charge})


@lineage.stage("check fraud", new_id=True)
def check_fraud(chance: Chance, bank: str, wished: dict[str, Any]) -> float:
    """Return how much what is wished looks like fraud, 0 to 1."""
    work(chance.between("fraud time", 0.001, 0.004))
    found = chance.between("fraud", 0.0, 0.3)
    told: dict[str, str | float] = {"fraud.score": found, "fraud.model": "rules-7"}
    trace.get_current_span().add_event("fraud.scored", told)
    return found


@lineage.stage("authorise card")
def authorise_card(
    chance: Chance, bank: str, wished: dict[str, Any], fraud: float
) -> dict[str, Any]:
    """Ask the bank, which sees the score; return the charge.

    Raises:
        CardDeclined: the bank says no.
        BankTimeout: the bank says nothing.
    """
    span = trace.get_current_span()
    told = {"payment.bank": bank, "payment.amount": wished["amount"], "fraud.score": fraud}
    span.set_attributes(told)
    slow = bank == SLOW_BANK and chance.happens("slow", 0.35)
    work(chance.between("bank time", 0.15, 0.3) if slow else chance.between("bank", 0.004, 0.02))
    if chance.happens("timeout", 0.04):
        logger.error("bank %s does not answer", bank)
        # The span records the exception by itself when it leaves.
        raise BankTimeout(f"bank {bank} did not answer in time")
    if chance.happens("declined", 0.08):
        span.set_status(Status(StatusCode.ERROR, "card declined"))
        raise CardDeclined("card declined: insufficient funds")
    return {"charge_id": f"ch_{wished['order_id']}"}
