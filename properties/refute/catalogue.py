"""All variants by name: the named ones, and those that are made by machine of the guards.

`expand-without-epoch-start` has a name of its own; `n-1/it_never_lags` is a theorem without an assumption;
`controller_elects.it_is_in_the_isr` leaves out a guard of the replication machine, with `.2` at its end a conjunct;
`kip320/become_follower.the_epoch_is_newer` one of a published machine, `durability/log_is_opened.it_is_down` one of the
log on a disk.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from difflib import get_close_matches
from functools import cache

from model.machines.durability import durability as log_on_a_disk
from model.machines.replication import replication
from properties.prove.engine import MACHINES
from properties.prove.obligations import claims_in
from properties.refute import recorded
from properties.refute.variants import UnknownVariantError, variants
from properties.variants import assumptions, designs, durability
from properties.variants.changes import LeftOut
from properties.variants.searching import KNOWN, SETTINGS, usual_searches
from properties.variants.variant import PUBLISHED, Kind, Search, Variant

KIP320 = f"{PUBLISHED}:kip320"


@cache
def catalogue() -> Mapping[str, Variant]:
    """Every variant by name: designs, assumptions, guards, conjuncts."""
    named = (*designs.DESIGNS, *durability.DESIGNS, *assumptions.ASSUMPTIONS)
    found = [*named, *_guards_of_replication(), *_guards_of_kip320(), *_guards_of_durability()]
    order = list(Kind)
    return {each.name: each for each in sorted(found, key=lambda each: order.index(each.kind))}


def variant_named(name: str) -> Variant:
    """The variant of that name.

    Raises:
        UnknownVariantError: there is none; names those alike.
    """
    known = catalogue()
    if name in known:
        return known[name]
    if same := [each for each in known if each.lower() == name.lower()]:
        return known[same[0]]
    prefix = re.split("[./]", name, maxsplit=1)[0]
    alike = (
        get_close_matches(name, known, 5, 0.6)
        or [each for each in known if each.startswith((f"{prefix}.", f"{prefix}/"))][:5]
    )
    meant = f"did you mean {', '.join(alike)}? " if alike else ""
    raise UnknownVariantError(f"no variant {name!r}: {meant}`tidegauge refute --list` names them all")


def _guards_of_replication() -> Iterator[Variant]:
    for left_out in variants(replication).values():
        groups = ([each for each in group if left_out.action in claims_in(each).machine.actions] for group in SETTINGS)
        settings = next(filter(None, groups))
        known = KNOWN.get(left_out.name, KNOWN.get(f"{left_out.action}.{left_out.guard}"))
        usual = usual_searches(settings, left_out.action)
        tried = usual if known is None else (known, *(each for each in usual if each != known))
        proved_in = recorded.SETTINGS if left_out.name in recorded.NOT_NEEDED else MACHINES["replication"]
        yield _leaving_out(left_out, left_out.name, tried, proved_in)


def _guards_of_kip320() -> Iterator[Variant]:
    machine = claims_in(KIP320).machine
    tried = tuple(Search(KIP320, each) for each in claims_in(KIP320).refuted_at)
    for left_out in variants(machine).values():
        if left_out.safety_critical and left_out.conjunct is None:
            yield _leaving_out(left_out, f"kip320/{left_out.name}", tried, ())


def _guards_of_durability() -> Iterator[Variant]:
    for left_out in variants(log_on_a_disk).values():
        name = f"durability/{left_out.name}"
        proved_in = (durability.PROVED_IN.get(name, durability.ANYTHING),)
        yield _leaving_out(left_out, name, durability.GROWING, proved_in)


def _leaving_out(left_out: LeftOut, name: str, tried: Iterable[Search], proved_in: tuple[str, ...]) -> Variant:
    action, guard = left_out.action.replace("_", " "), left_out.guard.replace("_", " ")
    what = "" if left_out.conjunct is None else f"conjunct {left_out.conjunct} of "
    about = f"{action.capitalize()}, and {what}“{guard}” is not asked for."
    kind = Kind.GUARD if left_out.conjunct is None else Kind.CONJUNCT
    return Variant(name, about, kind, (left_out,), tuple(tried), left_out.safety_critical, proved_in)
