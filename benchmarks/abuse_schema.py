"""Requests that schemathesis makes of the server's own OpenAPI description, fitting it and breaking it."""

from collections.abc import Callable
from typing import Any

from benchmarks.abuse_requests import Sent

WHERE = "/gradio_api/openapi.json"


def missing_package() -> str | None:
    """None, or a sentence saying what to install."""
    try:
        import schemathesis  # noqa: F401
    except ImportError:
        return "Run `pip install schemathesis` first: it makes requests of the API's own description."
    return None


def try_schema(url: str, examples: int, seed: int, judge: Callable[[Sent, int, bytes], None]) -> int:
    """Send what schemathesis makes of every operation; returns how many requests that were.

    Args:
        url: of the server.
        examples: of each operation, as many that fit its description and as many that do not.
        seed: of them.
        judge: is told each request, and the status and the body of its answer.
    """
    import schemathesis
    from hypothesis.errors import Unsatisfiable
    from schemathesis import GenerationMode

    sent = 0
    for operation in (each.ok() for each in schemathesis.openapi.from_url(url + WHERE).get_all_operations()):
        for mode in (GenerationMode.POSITIVE, GenerationMode.NEGATIVE):
            cases: list[Any] = []
            try:
                _collect(operation.as_strategy(generation_mode=mode), examples, seed, cases)
            except Unsatisfiable:  # there is nothing that such an operation could be sent amiss
                continue
            for case in cases:
                answer = case.call(base_url=url, timeout=60)
                asked = answer.request
                judge(Sent(asked.method, asked.url, _bytes(asked.body)), answer.status_code, answer.content)
            sent += len(cases)
    return sent


def _collect(strategy: Any, examples: int, seed: int, cases: list[Any]) -> None:
    import hypothesis

    @hypothesis.seed(seed)
    @hypothesis.settings(
        max_examples=examples,
        deadline=None,
        database=None,
        phases=[hypothesis.Phase.generate],
        suppress_health_check=list(hypothesis.HealthCheck),
    )
    @hypothesis.given(case=strategy)
    def collect(case: Any) -> None:
        cases.append(case)

    collect()


def _bytes(body: Any) -> bytes:
    return body if isinstance(body, bytes) else str(body or "").encode("utf-8", "replace")
