"""Divergence scan, entangled tokens, entropies, and the token selections that come of them."""

from undertow.tokens.config import ScanConfig
from undertow.tokens.entangled import EntangledConfig, EntangledTable, entangled_scores, matches
from undertow.tokens.entropy import Entropies, completion_entropies
from undertow.tokens.floor import FloorReport, measure_floor
from undertow.tokens.ids import check_token_ids, completion_ids
from undertow.tokens.points import Counted, count_points, matrices_of, points_of
from undertow.tokens.scan import scan
from undertow.tokens.scan_table import Floor, Scan
from undertow.tokens.selections import Selection, check_weights, kept_rows, select
from undertow.tokens.summary import ScanSummary
from undertow.tokens.values import TokenPushes, TokenValues

__all__ = [
    "Counted",
    "EntangledConfig",
    "EntangledTable",
    "Entropies",
    "Floor",
    "FloorReport",
    "Scan",
    "ScanConfig",
    "ScanSummary",
    "Selection",
    "TokenPushes",
    "TokenValues",
    "check_token_ids",
    "check_weights",
    "completion_entropies",
    "completion_ids",
    "count_points",
    "entangled_scores",
    "kept_rows",
    "matches",
    "matrices_of",
    "measure_floor",
    "points_of",
    "scan",
    "select",
]
