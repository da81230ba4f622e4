"""Every error that core raises, named for what the caller should do about it.

ConsigndError
├── InvalidInput            what was handed in is wrong: mend it, do not retry
│   ├── UnknownSku / UnknownConsignor / UnknownChannel / UnknownOrder / UnknownListing / UnknownIncident
│   ├── UnknownStatement / UnknownMapping / UnknownDiscrepancy / UnknownSettlement / UnknownCoupon
│   ├── UnreadableFile      the file is not one of the forms we import
│   └── PlanRefused         a split plan or policy contradicts itself
│       └── SaleUnsplit     a sale cannot be split by its plan: park the order, mend plan or facts
│           ├── OverAllocated   the rules ask for more than there is
│           └── FactMissing     a rule needs to know what nobody told, such as what a code cost
├── Conflict                the world moved on: look again
│   ├── ReferenceReused     the same order reference came with other content
│   ├── MoveRefused         the order cannot go from its state to that one
│   ├── SettlementFixed     the settlement cannot make that move: it is paid, withdrawn, or not approved yet
│   ├── AnotherNeeded       who drew a settlement up, or approved it before, cannot be who approves it
│   ├── RateTooOld          no rate of exchange is young enough to pay by: set or fetch one
│   ├── ReferralRefused     somebody else holds as having brought the buyer, or it would be the buyer himself
│   ├── OrderHeld           a person has to look at the order first: ask again later
│   └── StaleVersion        somebody else wrote first
├── Overloaded              too much is waiting already: try again in a moment
├── OutOfStock              not enough codes that the request may have
├── KeyRefused              a sealing key is missing, wrong or retired
├── SealBroken              a sealed payload does not open: corrupt or forged
└── DatabaseRefused         the database is not usable as it is
    ├── SchemaNewer         it was migrated by a newer program
    ├── SchemaOlder         it needs `consignd migrate`
    ├── MigrationChanged    an applied migration differs from the file we ship
    └── ServerUnavailable   the server does not answer or cannot be started
"""

from __future__ import annotations


class ConsigndError(Exception):
    """Root of core's errors; the text says what, where and how to mend it."""


class InvalidInput(ConsigndError):
    """What was handed in is wrong; retrying the same will fail the same."""


class UnknownSku(InvalidInput):
    """No SKU of that reference."""


class UnknownConsignor(InvalidInput):
    """No consignor of that name."""


class UnknownChannel(InvalidInput):
    """No channel of that name."""


class UnknownOrder(InvalidInput):
    """No order of that id or reference."""


class UnknownListing(InvalidInput):
    """The channel names a listing that we never linked to a SKU."""


class UnknownIncident(InvalidInput):
    """No alert of that number."""


class UnknownStatement(InvalidInput):
    """No statement of that number."""


class UnknownMapping(InvalidInput):
    """No mapping of statements was saved under that name."""


class UnknownDiscrepancy(InvalidInput):
    """No discrepancy of that number."""


class UnknownSettlement(InvalidInput):
    """No settlement of that number."""


class UnknownCoupon(InvalidInput):
    """No coupon of that number, or none was ever held for that basket."""


class UnreadableFile(InvalidInput):
    """The file is not one of the forms that can be imported."""


class PlanRefused(InvalidInput):
    """A split plan or policy contradicts itself; the text names the rule."""


class SaleUnsplit(PlanRefused):
    """A sale cannot be split by its plan: its order waits until the plan or the facts are mended.

    Nothing is lost.
    """


class OverAllocated(SaleUnsplit):
    """The rules of a plan ask for more of a sale than there is."""


class FactMissing(SaleUnsplit):
    """A rule needs to know what nobody told, such as what a code cost."""


class Conflict(ConsigndError):
    """The world moved on since the caller looked."""


class ReferenceReused(Conflict):
    """The same order reference came again with other content."""


class MoveRefused(Conflict):
    """An order cannot go from its present state to the one asked for."""


class SettlementFixed(Conflict):
    """A settlement cannot make the move asked for: it is paid, withdrawn, or not approved yet."""


class AnotherNeeded(Conflict):
    """Somebody else has to approve: not who drew a settlement up, and nobody twice."""


class RateTooOld(Conflict):
    """No rate of exchange is known that is young enough to pay by."""


class ReferralRefused(Conflict):
    """Who brought a buyer stands already, or is the buyer himself; the text says which and until when."""


class OrderHeld(Conflict):
    """A person has to look at the order before its codes go out; until then ask again later."""


class StaleVersion(Conflict):
    """Somebody else wrote the row first."""


class Overloaded(ConsigndError):
    """A queue is at its limit; trying again in a moment is safe."""


class OutOfStock(ConsigndError):
    """Not enough codes that this request may have."""


class KeyRefused(ConsigndError):
    """A sealing key is missing, wrong or retired."""


class SealBroken(ConsigndError):
    """A sealed payload does not open under its key: corrupt, or moved to another row."""


class DatabaseRefused(ConsigndError):
    """The database is not usable as it is."""


class SchemaNewer(DatabaseRefused):
    """The schema was migrated by a newer program than this one."""


class SchemaOlder(DatabaseRefused):
    """The schema lacks migrations that this program needs."""


class MigrationChanged(DatabaseRefused):
    """A migration that was applied differs from the file shipped now."""


class ServerUnavailable(DatabaseRefused):
    """The database server does not answer, or could not be started."""
