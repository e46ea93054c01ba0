"""The autoscaler's signature: RSASSA-PKCS1-v1_5 with SHA-256 (RFC 8017, 8.2), on the standard library alone.

The key is a multi-prime one (RFC 8017, 3.2) of eight primes: made in a few hundredths of a second, and signing with it
takes less than 1 ms, in pure Python. To whoever verifies, it is an RSA key of 2048 bits like any other. Primes of 256
bits are too small to protect anything; between the parts of one process on loopback there is nothing to protect.
"""

from __future__ import annotations

import base64
import hashlib
import math
import random
import threading

__all__ = ["SigningKey"]

_BITS = 2048
_PRIMES = 8
_EXPONENT = 65537
_SMALL_PRIMES = [n for n in range(3, 400) if all(n % d for d in range(2, int(n**0.5) + 1))]
# DER of DigestInfo for SHA-256, up to the digest (RFC 8017, 9.2, note 1).
_DIGEST_INFO = bytes.fromhex("3031300d060960864801650304020105000420")
# DER of the AlgorithmIdentifier rsaEncryption with NULL parameters (RFC 8017, A.1).
_ALGORITHM = bytes.fromhex("300d06092a864886f70d0101010500")


class SigningKey:
    """A key pair, made anew for each object."""

    def __init__(self) -> None:
        primes: set[int] = set()
        while len(primes) < _PRIMES:
            primes.add(_make_prime(_BITS // _PRIMES))
        self._modulus = math.prod(primes)
        # The Chinese remainder theorem: each prime with its exponent and its weight in the sum.
        self._parts = [
            (prime, pow(_EXPONENT, -1, prime - 1), rest * pow(rest, -1, prime))
            for prime, rest in ((prime, self._modulus // prime) for prime in primes)
        ]
        self._lock = threading.Lock()  # guards _latest
        self._latest = ("", "")

    def __repr__(self) -> str:
        return "<SigningKey>"

    def sign(self, text: str) -> str:
        """The signature over the text's UTF-8, in base64."""
        with self._lock:
            if self._latest[0] == text:  # PyWorker's text is the worker's url, the same each time
                return self._latest[1]
        message = _encode(text)
        signature = sum(pow(message, exponent, prime) * weight for prime, exponent, weight in self._parts)
        encoded = base64.b64encode((signature % self._modulus).to_bytes(_BITS // 8, "big")).decode()
        with self._lock:
            self._latest = (text, encoded)
        return encoded

    def verify(self, text: str, signature: str) -> bool:
        """Whether ``signature``, in base64, is this key's over the text."""
        try:
            raw = base64.b64decode(signature, validate=True)
        except ValueError:
            return False
        return len(raw) == _BITS // 8 and pow(int.from_bytes(raw, "big"), _EXPONENT, self._modulus) == _encode(text)

    def public_pem(self) -> str:
        """The public key as PEM of a SubjectPublicKeyInfo (RFC 5280, 4.1)."""
        key = _der(0x30, _der_integer(self._modulus) + _der_integer(_EXPONENT))
        info = _der(0x30, _ALGORITHM + _der(0x03, b"\0" + key))
        encoded = base64.b64encode(info).decode()
        lines = [encoded[start : start + 64] for start in range(0, len(encoded), 64)]
        return "\n".join(["-----BEGIN PUBLIC KEY-----", *lines, "-----END PUBLIC KEY-----", ""])


def _encode(text: str) -> int:
    """EMSA-PKCS1-v1_5 (RFC 8017, 9.2) as a number."""
    info = _DIGEST_INFO + hashlib.sha256(text.encode()).digest()
    return int.from_bytes(b"\0\1" + b"\xff" * (_BITS // 8 - len(info) - 3) + b"\0" + info, "big")


def _der(tag: int, content: bytes) -> bytes:
    size = len(content)
    if size < 0x80:
        return bytes([tag, size]) + content
    length = size.to_bytes((size.bit_length() + 7) // 8, "big")
    return bytes([tag, 0x80 | len(length)]) + length + content


def _der_integer(number: int) -> bytes:
    # One bit more than it needs: the sign, which is plus.
    return _der(0x02, number.to_bytes(number.bit_length() // 8 + 1, "big"))


def _make_prime(bits: int) -> int:
    """A probable prime whose four highest bits are set, so that the product of eight of them has all of its bits."""
    source = random.SystemRandom()
    while True:
        candidate = source.getrandbits(bits) | 0b1111 << (bits - 4) | 1
        if (candidate - 1) % _EXPONENT and all(candidate % small for small in _SMALL_PRIMES) and _is_prime(candidate):
            return candidate


def _is_prime(candidate: int) -> bool:
    """Miller and Rabin's test, ten rounds."""
    twos = (candidate - 1 & 1 - candidate).bit_length() - 1
    odd = candidate - 1 >> twos
    for _ in range(10):
        power = pow(random.randrange(2, candidate - 1), odd, candidate)
        if power in (1, candidate - 1):
            continue
        for _ in range(twos - 1):
            power = power * power % candidate
            if power == candidate - 1:
                break
        else:
            return False
    return True
