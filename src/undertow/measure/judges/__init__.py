"""Judges: how well-meant and how coherent an answer is, by rule, local model or endpoint."""

from undertow.measure.judges.config import JudgeConfig, open_judge
from undertow.measure.judges.endpoint import EndpointJudge, EndpointJudgeConfig
from undertow.measure.judges.judge import Judge, Judgement
from undertow.measure.judges.model import ModelJudge, ModelJudgeConfig
from undertow.measure.judges.rules import RuleJudge, RuleJudgeConfig

__all__ = [
    "EndpointJudge",
    "EndpointJudgeConfig",
    "Judge",
    "JudgeConfig",
    "Judgement",
    "ModelJudge",
    "ModelJudgeConfig",
    "RuleJudge",
    "RuleJudgeConfig",
    "open_judge",
]
