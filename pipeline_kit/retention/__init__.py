"""Which images of a repository are kept, and why (design D9). Pure: what is used is told by the caller."""

from pipeline_kit.retention.decision import Decided, Rules, StoredImage, decide, deletion_waves
from pipeline_kit.retention.uses import Uses, uses_in_documents, uses_of_reference

__all__ = [
    "Decided",
    "Rules",
    "StoredImage",
    "Uses",
    "decide",
    "deletion_waves",
    "uses_in_documents",
    "uses_of_reference",
]
