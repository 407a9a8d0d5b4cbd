"""Between operations and the wire: a request for each operation, and the sections of an answer from what came.

A family's module registers a `Translation` for each operation class. `decode` gives a mapping of fields for the
request as a whole and one for each part, in the order of the model's sections; a part that the answer lacks is an
empty mapping, which the judge reports as an absent error code.
"""

from conformance.translate import (  # noqa: F401  importing them registers their translations
    api_versions,
    configs,
    deletion,
    disk,
    epochs,
    framing,
    groups,
    housekeeping,
    log,
    offsets,
    partition_counts,
    partitioning,
    producer_ids,
    sessions,
    topics,
    unanswered,
)
from conformance.translate.base import Conversation, Translation, Unsayable, conversation_of, translation_of

__all__ = ["Conversation", "Translation", "Unsayable", "conversation_of", "translation_of"]
