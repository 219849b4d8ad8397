"""Messages that no application may send to a WebSocket, by name."""

# Sent after accept.
BAD = {
    "code-999": {"type": "websocket.close", "code": 999},
    "code-1004": {"type": "websocket.close", "code": 1004},
    "code-1005": {"type": "websocket.close", "code": 1005},
    "code-1006": {"type": "websocket.close", "code": 1006},
    "code-1015": {"type": "websocket.close", "code": 1015},
    "code-2999": {"type": "websocket.close", "code": 2999},
    "code-5000": {"type": "websocket.close", "code": 5000},
    "code-65536": {"type": "websocket.close", "code": 65536},
    "code-negative": {"type": "websocket.close", "code": -1},
    "code-str": {"type": "websocket.close", "code": "1000"},
    "reason-long": {"type": "websocket.close", "code": 1000, "reason": "x" * 124},
    "reason-wide": {"type": "websocket.close", "code": 1000, "reason": "\u00e9" * 62},
    "reason-int": {"type": "websocket.close", "code": 1000, "reason": 5},
    "send-nothing": {"type": "websocket.send"},
    "send-none": {"type": "websocket.send", "text": None, "bytes": None},
    "send-both": {"type": "websocket.send", "text": "a", "bytes": b"a"},
    "send-text-bytes": {"type": "websocket.send", "text": b"a"},
    "send-bytes-str": {"type": "websocket.send", "bytes": "a"},
    "send-text-surrogate": {"type": "websocket.send", "text": "\ud800"},
    "accept-again": {"type": "websocket.accept"},
    "response-start": {"type": "websocket.http.response.start", "status": 200, "headers": []},
    "http-start": {"type": "http.response.start", "status": 200, "headers": []},
    "unknown": {"type": "websocket.nonsense"},
}

# Sent instead of an answer.
BAD_BEFORE = {
    "send": {"type": "websocket.send", "text": "a"},
    "body": {"type": "websocket.http.response.body", "body": b""},
    "header-value-lf": {"type": "websocket.accept", "headers": [(b"x-a", b"v\nset-cookie: a=b")]},
    "header-value-crlf": {"type": "websocket.accept", "headers": [(b"x-a", b"v\r\nset-cookie: a=b")]},
    "header-value-end": {"type": "websocket.accept", "headers": [(b"x-a", b"v\r\n\r\n\x81\x01x")]},
    "header-value-nul": {"type": "websocket.accept", "headers": [(b"x-a", b"\x00")]},
    "header-name-crlf": {"type": "websocket.accept", "headers": [(b"x-a\r\nset-cookie: a=b\r\nx", b"v")]},
    "header-name-space": {"type": "websocket.accept", "headers": [(b"x a", b"v")]},
    "header-name-empty": {"type": "websocket.accept", "headers": [(b"", b"v")]},
    "header-str": {"type": "websocket.accept", "headers": [("x-a", "v")]},
    "subprotocol-crlf": {"type": "websocket.accept", "subprotocol": "a\r\nset-cookie: a=b"},
    "subprotocol-bytes": {"type": "websocket.accept", "subprotocol": b"a"},
    "subprotocol-wide": {"type": "websocket.accept", "subprotocol": "\u00e9"},
    "deny-value-crlf": {
        "type": "websocket.http.response.start", "status": 403, "headers": [(b"x-a", b"v\r\nset-cookie: a=b")],
    },
    "deny-status": {"type": "websocket.http.response.start", "status": 99, "headers": []},
    "close-code": {"type": "websocket.close", "code": 1005},
}
