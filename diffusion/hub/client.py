"""The Hub's client, imported when it is needed; what went wrong with it, in half a sentence."""

from typing import Any

CONNECT_SECONDS = 10
LOG_IN = "run `hf auth login` or set HF_TOKEN"


class HubError(RuntimeError):
    """The Hub could not be used; the message is one plain sentence saying why."""


def client() -> Any:
    """The package huggingface_hub. Raises HubError: it is not installed."""
    try:
        import huggingface_hub
        import huggingface_hub.errors
    except ImportError:
        raise HubError("The Hub needs the package huggingface_hub, which is not installed.") from None
    return huggingface_hub


def why_not_pushable(repo_id: str) -> str | None:
    """None, or what a push to this repo lacks, as far as it is known without asking the Hub."""
    if repo_id.count("/") != 1 or "@" in repo_id:
        return "that cannot be a repo's name, use user/name."
    if not client().get_token():
        return f"there is no Hugging Face token, {LOG_IN}."
    return None


def why_unreachable() -> str | None:
    """None, or within seconds why there is no connection: the client itself would try for minutes."""
    hub = client()
    try:
        hub.get_session().head(hub.constants.ENDPOINT, timeout=CONNECT_SECONDS)
    except hub.errors.OfflineModeIsEnabled:
        return "HF_HUB_OFFLINE is set."
    except Exception:  # of whatever HTTP library this version of the client uses
        return f"{hub.constants.ENDPOINT} cannot be reached; check the network."
    return None


def reason_of(error: BaseException, page: str) -> str:
    """What went wrong, in half a sentence.

    Args:
        error: of the client, or of its HTTP library.
        page: the address of the repo's page.
    """
    hub = client()
    while getattr(error, "response", None) is None and error.__cause__ is not None:
        error = error.__cause__
    response, known = getattr(error, "response", None), bool(hub.get_token())
    if response is None:
        return getattr(error, "strerror", None) or str(error).partition("\n")[0] or type(error).__name__
    if isinstance(error, hub.errors.GatedRepoError):
        if known:
            return f"it is gated, and this token's owner was not let in: ask for access at {page}."
        return f"it is gated: ask for access at {page}, then {LOG_IN}."
    if isinstance(error, hub.errors.RevisionNotFoundError):
        return "the repo has no such revision."
    if response.status_code in (401, 403):
        if not known:
            return f"it is private, or there is no such repo; to use a private one {LOG_IN}."
        return "the Hub does not accept the token for this repo, or there is no such repo."
    if response.status_code == 404:
        return "there is no such repo, or it is private and this token may not read it."
    return f"the Hub answered with status {response.status_code}."
