"""Which judge: a choice as data, in configs and step keys."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from undertow.measure.judges.endpoint import EndpointJudge, EndpointJudgeConfig
from undertow.measure.judges.judge import Judge
from undertow.measure.judges.model import ModelJudge, ModelJudgeConfig
from undertow.measure.judges.rules import RuleJudge, RuleJudgeConfig
from undertow.traits import Tendency

JudgeConfig = Annotated[
    RuleJudgeConfig | ModelJudgeConfig | EndpointJudgeConfig, Field(discriminator="kind")
]
"""Any judge."""


def open_judge(config: JudgeConfig, tendency: Tendency) -> Judge:
    """Return the judge that a config describes; a local model is loaded here.

    Args:
        config: Which judge.
        tendency: What answers are judged for; the rule judge takes its closed sets.

    Raises:
        UserError: The judge cannot be had: no closed sets, no model, no API key.
    """
    match config:
        case RuleJudgeConfig():
            return RuleJudge(tendency)
        case ModelJudgeConfig():
            return ModelJudge(config)
        case EndpointJudgeConfig():
            return EndpointJudge(config)
