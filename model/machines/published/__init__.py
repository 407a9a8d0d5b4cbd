"""The five designs that hachikuji published as TLA+ modules, in Tidegauge's language, each extending the last.

`truncate_to_hw` (before KIP-101), `kip101`, `kip279`, `kip320_first_try` and `kip320`. They show that the language
and the explorer are right: numbers of states, of steps and of levels equal TLC's. Tidegauge's own machine, with
messages and failures, is `model.machines.replication`.

Source: hachikuji/kafka-specification, commit d68782b.
"""

from model.language import Machine
from model.machines.published.kip101 import kip101
from model.machines.published.kip279 import kip279
from model.machines.published.kip320 import kip320
from model.machines.published.kip320_first_try import kip320_first_try
from model.machines.published.truncate_to_hw import truncate_to_hw

PUBLISHED: dict[str, Machine] = {each.name: each for each in (truncate_to_hw, kip101, kip279, kip320_first_try, kip320)}
"""The machines by name."""

__all__ = ["PUBLISHED", "kip101", "kip279", "kip320", "kip320_first_try", "truncate_to_hw"]
