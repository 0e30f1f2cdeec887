"""A client of WebSockets that sends what the test says: frames (RFC 6455, section 5) as bytes,
whole or broken, and reads the server's strictly."""
import base64
import os
import struct

from harness import wire

CONTINUATION, TEXT, BINARY, CLOSE, PING, PONG = 0, 1, 2, 8, 9, 10
KEY = "dGhlIHNhbXBsZSBub25jZQ=="  # of RFC 6455, section 1.3
ACCEPT = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="


def handshake(key=None):
    """The fields of a handshake, to be changed by the test."""
    return {"Upgrade": "websocket", "Connection": "Upgrade", "Sec-WebSocket-Version": "13",
            "Sec-WebSocket-Key": key or base64.b64encode(os.urandom(16)).decode()}


def masked(payload, mask):
    return bytes(byte ^ mask[i % 4] for i, byte in enumerate(payload)) if len(payload) < 4096 else \
        (int.from_bytes(payload, "big") ^
         int.from_bytes((mask * (len(payload) // 4 + 1))[:len(payload)], "big")).to_bytes(len(payload), "big")


def frame(opcode, payload=b"", *, fin=True, rsv=0, mask=b"\x11\x22\x33\x44", length=None):
    """mask None: as no client may send it; length: what it announces instead of the truth."""
    payload = payload.encode() if isinstance(payload, str) else payload
    n = len(payload) if length is None else length
    head = bytes([fin << 7 | rsv << 4 | opcode])
    bit = 0 if mask is None else 128
    if n < 126:
        head += bytes([bit | n])
    elif n < 65536:
        head += bytes([bit | 126]) + struct.pack(">H", n)
    else:
        head += bytes([bit | 127]) + struct.pack(">Q", n)
    return head + (payload if mask is None else mask + masked(payload, mask))


def close(code=None, reason=""):
    return frame(CLOSE, b"" if code is None else struct.pack(">H", code) + reason.encode())


class WebSocket(wire.Connection):
    """Open, or `response` says why not."""

    def __init__(self, address, target, headers=None, timeout_s=30, host="test"):
        super().__init__(address, timeout_s)
        self.response_head = self.request("GET", target, {"Host": host, **handshake(), **(headers or {})})

    @property
    def status(self):
        return self.response_head.status

    def text(self, message):
        self.send(frame(TEXT, message))

    def frame(self):
        """The next frame: its opcode and payload.  A server sends them whole and unmasked."""
        first, n = self.exactly(2)
        assert first & 0x70 == 0 and n < 128, f"reserved bits or a mask: {first:#x} {n:#x}"
        assert first & 0x80, "a fragment"
        if n == 126:
            n = struct.unpack(">H", self.exactly(2))[0]
            assert n > 125
        elif n == 127:
            n = struct.unpack(">Q", self.exactly(8))[0]
            assert n > 65535
        return first & 15, self.exactly(n)

    def message(self):
        """The next message: text as str; pings are answered on the way."""
        while True:
            opcode, payload = self.frame()
            if opcode == PING:
                self.send(frame(PONG, payload))
                continue
            assert opcode in (TEXT, BINARY), (opcode, payload)
            return payload.decode() if opcode == TEXT else payload

    def closed(self):
        """The code of the close frame that comes next, None when it has none; then the
        server closes the connection, and sends nothing more."""
        opcode, payload = self.frame()
        assert opcode == CLOSE, (opcode, payload[:200])
        return struct.unpack(">H", payload[:2])[0] if payload else None

    def is_over(self):
        return self.rest() == b""
