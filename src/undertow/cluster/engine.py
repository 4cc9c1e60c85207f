"""Which program computes what models say, as settings that round-trip YAML."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field, model_validator

from undertow.frozen import Frozen

Argument = bool | int | float | str | list[str | int | float] | dict[str, Any]
"""Of a program's command line."""


class TransformersEngine(Frozen):
    """Transformers, in this process."""

    kind: Literal["transformers"] = "transformers"


class ParityConfig(Frozen):
    """How another engine is compared with transformers before each use, and when it is refused."""

    rows: int = Field(default=32, ge=1, description="Rows of the sample, for each teacher.")
    most_differing: float = Field(
        default=0.002,
        ge=0,
        le=1,
        description="Largest share of tokens where the two choose otherwise although transformers' "
        "margin is at least `margin`. The default is under a sixth of the share of divergence "
        "tokens that one counterfactual gives (1.4-3.7 % published).",
    )
    margin: float | None = Field(
        default=None,
        ge=0,
        description="What rounding may change of a margin, in logits: changes are accepted up to "
        "this in the median. None: twice the scan's tolerance, since each of the two may be off by "
        "it.",
    )


class VllmEngine(Frozen):
    """A vLLM server: one that is started from an environment of its own, or one that is there."""

    kind: Literal["vllm"] = "vllm"
    python: str | None = Field(
        default=None,
        min_length=1,
        description="Python interpreter of an environment with vLLM; a server is started with it, "
        "and ended with the command.",
    )
    url: str | None = Field(
        default=None,
        pattern=r"^https?://\S+$",
        description="Instead: a server that is there, as in 'http://localhost:8000/v1'.",
    )
    model: str | None = Field(
        default=None,
        min_length=1,
        description="Name of the base model at that server; none: the first that it lists.",
    )
    api_key_env: str | None = Field(
        default=None,
        min_length=1,
        description="Environment variable with that server's API key; none: no key is sent.",
    )
    more: dict[str, Argument] = Field(
        default={},
        description="Further arguments of `vllm serve` for a server that is started, as in "
        "{gpu-memory-utilization: 0.8, max-model-len: 4096, enforce-eager: true}.",
    )
    environment: dict[str, str] = Field(
        default={}, description="Environment variables for it, as in {CUDA_VISIBLE_DEVICES: '1'}."
    )
    start_timeout: float = Field(
        default=1800.0, gt=0, description="Longest wait until it is ready, in seconds."
    )
    concurrency: int = Field(default=128, ge=1, description="Requests that run at once.")
    timeout: float = Field(default=600.0, gt=0, description="Longest wait for a reply, in seconds.")
    attempts: int = Field(default=4, ge=1, description="Times that a request is sent.")
    backoff: float = Field(
        default=2.0, ge=0, description="Seconds before the second attempt; doubled for each after."
    )
    parity: ParityConfig = Field(
        default=ParityConfig(), description="The comparison with transformers."
    )

    @model_validator(mode="after")
    def _one_server(self) -> VllmEngine:
        if (self.python is None) == (self.url is None):
            raise ValueError("name either python, to start a server, or url, of one that is there")
        wrong = ("model", "api_key_env") if self.url is None else ("more", "environment")
        if given := [name for name in wrong if name in self.model_fields_set]:
            goes = "url" if self.url is None else "python"
            raise ValueError(f"{given[0]} goes with {goes}")
        return self


EngineConfig = Annotated[TransformersEngine | VllmEngine, Field(discriminator="kind")]
