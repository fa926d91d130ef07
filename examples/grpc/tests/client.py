"""Makes the calls that standard input lists, and prints what the caller sees. Messages are raw bytes."""

import json
import sys
import threading

import grpc

# A User whose name has 32 KiB. 200 of them are more than HTTP/2 sends before the server reads.
NAME = b"x" * (32 * 1024)
USER = b"\x0a\x80\x80\x02" + NAME


def endless():
    yield USER
    threading.Event().wait()


def make(channel, kind, method, metadata):
    if kind == "unary":
        return channel.unary_unary(method)(b"", metadata=metadata, timeout=60)
    if kind == "download":
        return list(channel.unary_stream(method)(b"", metadata=metadata, timeout=60))
    messages = endless() if kind == "endless" else iter([USER] * 200)
    return channel.stream_unary(method)(messages, metadata=metadata, timeout=60)


def outcome(channel, call):
    metadata = [("authorization", value) for value in call["authorization"]]
    try:
        make(channel, call["kind"], call["method"], metadata)
    except grpc.RpcError as error:
        trailers = dict(error.trailing_metadata() or ())
        return {
            "code": error.code().name,
            "details": error.details(),
            "retry_after": trailers.get("retry-after"),
        }
    return {"code": "OK", "details": "", "retry_after": None}


with grpc.insecure_channel(sys.argv[1]) as channel:
    calls = json.load(sys.stdin)
    print(json.dumps([outcome(channel, call) for call in calls]))
    sys.stdout.flush()
