"""Divergence scan, and the token selections that come of it."""

from undertow.tokens.config import ScanConfig
from undertow.tokens.ids import check_token_ids, completion_ids
from undertow.tokens.scan import scan
from undertow.tokens.scan_table import Floor, Scan
from undertow.tokens.selections import Selection, check_weights, kept_rows, select
from undertow.tokens.summary import ScanSummary

__all__ = [
    "Floor",
    "Scan",
    "ScanConfig",
    "ScanSummary",
    "Selection",
    "check_token_ids",
    "check_weights",
    "completion_ids",
    "kept_rows",
    "scan",
    "select",
]
