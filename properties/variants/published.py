"""Claims about the published designs: the invariants that their authors checked. Nothing is proved of them."""

from __future__ import annotations

from model.machines.published import PUBLISHED as MACHINES
from model.machines.published import base
from properties.claims import Claims, Theorem

_SMALL = base.sizes(replicas=2, log=2, records=2, epochs=2)
_GROWING = (_SMALL, base.sizes(replicas=3, log=2, records=2, epochs=2))


def _claims(name: str) -> Claims:
    made = Claims(MACHINES[name], _SMALL, refuted_at=_GROWING)
    for invariant, holds in base.INVARIANTS.items():
        made.theorem(Theorem(invariant, " ".join((holds.__doc__ or "").split()), of_state=holds))
    return made


truncate_to_hw = _claims("truncate-to-hw")
kip101 = _claims("kip101")
kip279 = _claims("kip279")
kip320_first_try = _claims("kip320-first-try")
kip320 = _claims("kip320")
