"""Requests as no page sends them: what cannot be read is answered by a sentence, and leaves no traceback."""

from collections.abc import Callable
from typing import Any, cast

import gradio as gr
from fastapi import Depends, HTTPException, Request
from fastapi.exceptions import RequestValidationError
from gradio.components.api_component import Api
from gradio_client.utils import construct_args, is_http_url_like, traverse
from starlette.responses import JSONResponse

from diffusion.names import is_text
from diffusion.ui.parts.inputs import refusal
from diffusion.ui.text import DEFAULT, LANGUAGES, labels, speaking

MAX_QUEUE = 32  # calls that wait; those for a network wait in a line of their own
NOT_FOUND, UNREADABLE, FAILED = 404, 422, 500  # HTTP's numbers
MAX_SESSION = 200  # characters of a session's name, of which the page and Gradio's clients take at most 36


class LastArgument(Api):
    """An endpoint's argument, one of the last, that has its default if it is left out."""

    def get_block_name(self) -> str:
        return "api"


class Page(gr.Blocks):
    """A page whose events refuse arguments that they cannot read, at whichever address these arrive.

    Its routes are the codes of languages, and the events of each speak that one.

    Attributes:
        when_shown: what to do once a browser has it.
    """

    when_shown: Callable[[], None] = staticmethod(lambda: None)

    def queue(self, *arguments: Any, **options: Any) -> Any:
        """What Gradio calls before anything is laid out, and again whoever wants another queue."""
        return super().queue(*arguments, **{"max_size": MAX_QUEUE, **options})

    async def process_api(self, block_fn: Any, *arguments: Any, **options: Any) -> dict[str, Any]:
        """What Gradio calls for each event, and for each message of one that sends several."""
        event = self.fns[block_fn] if isinstance(block_fn, int) else block_fn
        with speaking(event.page or DEFAULT):
            return await super().process_api(block_fn, *arguments, **options)

    async def preprocess_data(
        self, block_fn: Any, inputs: list[Any], state: Any, explicit_call: bool = False
    ) -> list[Any]:
        """What Gradio calls before a handler.

        Raises:
            InputError: too few or too many arguments, or one that is not of its component's form.
        """
        left_out = block_fn.inputs[len(inputs) :]
        if all(isinstance(block, LastArgument) for block in left_out):
            inputs = [*inputs, *(block.value for block in left_out)]
        takes, sent = len(block_fn.inputs), len(inputs)
        if takes != sent and not block_fn.cancels:  # to one that cancels Gradio sends the session
            raise refusal("wrong_number_of_arguments", name=block_fn.name, takes=str(takes), sent=str(sent))
        try:
            traverse(inputs, _refuse_address, _has_address)
            return await super().preprocess_data(block_fn, inputs, state, explicit_call)
        except Exception:  # nothing is written or computed here: whatever goes wrong is about what was sent
            raise refusal("unreadable_arguments", name=block_fn.name) from None


def _has_address(value: Any) -> bool:
    """Whether it is a file that lies elsewhere: Gradio would go and fetch it."""
    return isinstance(value, dict) and isinstance(value.get("path"), str) and is_http_url_like(value["path"])


def _refuse_address(value: dict[str, Any]) -> None:
    raise ValueError(value["path"])


async def _check_names(request: Request) -> None:
    """What a request to one of Gradio's routes names must be there, and be something for programs.

    Raises:
        HTTPException: it is not; says what.
    """
    page, path, named = request.app.get_blocks(), request.url.path, request.path_params
    if request.query_params.get("page", "") not in {"", *LANGUAGES}:
        raise HTTPException(NOT_FOUND, labels()["unknown_address"])
    sent = await _json_sent(request)
    _check_session(sent.get("session_hash"))
    index, endpoint = sent.get("fn_index"), named.get("api_name")
    public = {fn.api_name for fn in page.fns.values() if fn.api_visibility == "public"}
    handled = {str(id_) for id_, fn in page.fns.items() if fn.fn}  # the others are scripts of the page
    if endpoint not in {None, *public} if index is None else str(index) not in handled:
        raise HTTPException(NOT_FOUND, labels()["unknown_endpoint"].format(names=", ".join(sorted(public))))
    if "/component_server" in path and str(sent.get("component_id")) not in map(str, page.blocks):
        raise HTTPException(NOT_FOUND, labels()["unknown_component"])
    awaited = page._queue.pending_event_ids_session.values()  # calls of which the answer has not been read
    if "event_id" in named and not any(named["event_id"] in calls for calls in awaited):
        raise HTTPException(NOT_FOUND, labels()["unknown_call"])
    session = request.query_params.get("session_hash")
    if path.endswith("/queue/data") and session not in {None, *page._queue.pending_messages_per_session}:
        raise HTTPException(NOT_FOUND, labels()["unknown_call"])
    if "/call/v2/" in path and request.method == "POST":
        try:
            construct_args(page.get_api_info()["named_endpoints"][f"/{endpoint}"]["parameters"], (), sent)
        except TypeError:
            raise HTTPException(UNREADABLE, labels()["unreadable_arguments"].format(name=endpoint)) from None


def _check_session(name: Any) -> None:
    """Gradio counts calls by their sessions' names: one that is no text would break its counting for all.

    Raises:
        HTTPException: it is none, or too long.
    """
    if isinstance(name, str) and (len(name) > MAX_SESSION or not is_text(name)):
        wrong = f"Input should be text of at most {MAX_SESSION} characters"
        said = labels()["unreadable_request"].format(place="body.session_hash", wrong=wrong)
        raise HTTPException(UNREADABLE, said)


async def _json_sent(request: Request) -> dict[str, Any]:
    """The JSON object in a request's body; empty where there is none."""
    if request.method != "POST" or request.headers.get("content-type", "").startswith("multipart/"):
        return {}
    try:
        body = await request.json()
    except (ValueError, RecursionError):
        return {}
    return body if isinstance(body, dict) else {}


async def _say_what_is_wrong(_: Request, error: Exception) -> JSONResponse:
    """The answer to an address or a body that is not of the right form."""
    first = cast(RequestValidationError, error).errors()[0]
    said = labels()["unreadable_request"].format(place=".".join(map(str, first["loc"])), wrong=first["msg"])
    return JSONResponse({"detail": said}, UNREADABLE)


async def _say_that_it_failed(_: Request, error: Exception) -> JSONResponse:
    """The answer where nothing else caught an error, which the log has."""
    return JSONResponse({"detail": labels()["failed"]}, FAILED)


APP_OPTIONS = {  # of Gradio's FastAPI application
    "dependencies": [Depends(_check_names)],
    "exception_handlers": {RequestValidationError: _say_what_is_wrong, Exception: _say_that_it_failed},
}
