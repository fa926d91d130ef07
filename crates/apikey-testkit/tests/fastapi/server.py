"""An API on FastAPI with Kinde's API keys: server.py unawaited|mended

With "unawaited", a route has the mistake of a published sample: its dependency returns a coroutine that nobody awaits.
"""

import asyncio
import json
import os
import socket
import sys
import urllib.request

import uvicorn
from fastapi import Depends, FastAPI, Header, HTTPException

KINDE = os.environ["KINDE_DOMAIN"]
MISTAKE = {"unawaited": True, "mended": False}[sys.argv[1]]


def ask_kinde(key):
    request = urllib.request.Request(
        f"{KINDE}/api/v1/api_keys/verify",
        data=json.dumps({"api_key": key}).encode(),
        headers={"content-type": "application/json"},
    )
    with urllib.request.urlopen(request, timeout=5) as response:
        return json.load(response)


async def verify(authorization, scopes):
    if authorization is None:
        raise HTTPException(401, {"error": "No authorization header", "code": "MISSING_KEY"})
    scheme, _, key = authorization.partition(" ")
    if scheme.lower() != "bearer" or not key:
        raise HTTPException(401, {"error": "Invalid authorization format", "code": "INVALID_FORMAT"})
    verified = await asyncio.to_thread(ask_kinde, key)
    if verified.get("is_valid") is not True or verified.get("status") != "active":
        raise HTTPException(401, {"error": "Invalid API key", "code": "INVALID_KEY"})
    held = verified.get("scopes") or []
    if not all(scope in held for scope in scopes):
        refusal = {"code": "INSUFFICIENT_SCOPE", "required_scopes": scopes, "available_scopes": held}
        raise HTTPException(403, refusal)
    return verified


def requires(*scopes):
    async def dependency(authorization: str | None = Header(None, include_in_schema=False)):
        return await verify(authorization, list(scopes))

    return Depends(dependency)


def forgets(*scopes):
    # A lambda is no coroutine function, so FastAPI does not await what it returns.
    return Depends(lambda: verify(None, list(scopes)))


def secured(*scopes):
    """What the document says about a route."""
    return {"security": [{"kinde": list(scopes)}]}


app = FastAPI(docs_url=None, redoc_url=None)


@app.get("/health")
async def health():
    return {"status": "ok"}


@app.get("/api/data", openapi_extra=secured("read:users"))
async def read_data(key=requires("read:users")):
    return {"data": [], "key_id": key["key_id"]}


guard = forgets if MISTAKE else requires


@app.post("/api/data", openapi_extra=secured("read:users", "write:users"))
async def write_data(data: dict, key=guard("read:users", "write:users")):
    return {"result": data}


def document():
    if app.openapi_schema is None:
        described = FastAPI.openapi(app)
        scheme = {"type": "http", "scheme": "bearer"}
        described.setdefault("components", {})["securitySchemes"] = {"kinde": scheme}
    return app.openapi_schema


app.openapi = document

listener = socket.socket()
listener.bind(("127.0.0.1", 0))
listener.listen()
print(listener.getsockname()[1], flush=True)
uvicorn.Server(uvicorn.Config(app, log_level="error")).run(sockets=[listener])
