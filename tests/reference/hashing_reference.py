"""Slow twins of the kernels of hashes: Python integers, cut to 64 bits."""

_M = (1 << 64) - 1
_K0, _K1, _K2 = 0xC3A5C85C97CB3127, 0xB492B66FBE98F273, 0x9AE16A3B2F90404F


def _get(text: bytes, at: int, size: int = 8) -> int:
    return int.from_bytes(text[at : at + size], "little")


def _turn(x: int, bits: int) -> int:
    x &= _M
    return (x >> bits | x << (64 - bits)) & _M


def _shift(x: int) -> int:
    return (x & _M) ^ ((x & _M) >> 47)


def _pair(u: int, v: int, mul: int) -> int:
    a = _shift((u ^ v & _M) * mul)
    return _shift((v ^ a) * mul) * mul & _M


def fingerprint64(text: bytes) -> int:
    """Return FarmHash's Fingerprint64."""
    n = len(text)
    mul = (_K2 + 2 * n) & _M
    if n == 0:
        return _K2
    if n < 4:
        y, z = text[0] + (text[n >> 1] << 8), n + (text[-1] << 2)
        return _shift((y * _K2 & _M) ^ (z * _K0 & _M)) * _K2 & _M
    if n < 8:
        return _pair(n + (_get(text, 0, 4) << 3), _get(text, n - 4, 4), mul)
    if n <= 16:
        a, b = (_get(text, 0) + _K2) & _M, _get(text, n - 8)
        return _pair((_turn(b, 37) * mul + a) & _M, (_turn(a, 25) + b) * mul & _M, mul)
    if n <= 64:
        return _middle(text, mul)
    return _long(text)


def _middle(text: bytes, mul: int) -> int:
    n = len(text)
    a = _get(text, 0) * (_K1 if n <= 32 else _K2) & _M
    b, c, d = _get(text, 8), _get(text, n - 8) * mul & _M, _get(text, n - 16) * _K2 & _M
    y = (_turn(a + b, 43) + _turn(c, 30) + d) & _M
    z = _pair(y, (a + _turn(b + _K2, 18) + c) & _M, mul)
    if n <= 32:
        return z
    e, f = _get(text, 16) * mul & _M, _get(text, 24)
    g, h = (y + _get(text, n - 32)) * mul & _M, (z + _get(text, n - 24)) * mul & _M
    first = (_turn(e + f, 43) + _turn(g, 30) + h) & _M
    return _pair(first, (e + _turn(f + a, 18) + g) & _M, mul)


def _weak(text: bytes, at: int, a: int, b: int) -> tuple[int, int]:
    w, x, y, z = (_get(text, at + 8 * i) for i in range(4))
    a += w
    b = _turn(b + a + z, 21)
    c = a
    a += x + y
    return (a + z) & _M, (b + _turn(a, 44) + c) & _M


def _long(text: bytes) -> int:
    n = len(text)
    y, x = 81 * _K1 + 113, 81 * _K2 + _get(text, 0)
    z = _shift(y * _K2 + 113) * _K2 & _M
    v, w = (0, 0), (0, 0)
    mul, nine = _K1, 1
    rounds = (n - 1) // 64
    for i in range(rounds + 1):
        s = 64 * i if i < rounds else n - 64
        if i == rounds:
            mul, nine = _K1 + 2 * (z & 0xFF), 9
            w = (w[0] + ((n - 1) & 63), w[1])
            v = (v[0] + w[0], v[1])
            w = (w[0] + v[0], w[1])
        x = _turn(x + y + v[0] + _get(text, s + 8), 37) * mul & _M
        y = _turn(y + v[1] + _get(text, s + 48), 42) * mul & _M
        x ^= w[1] * nine & _M
        y = (y + v[0] * nine + _get(text, s + 40)) & _M
        z = _turn(z + w[0], 33) * mul & _M
        v = _weak(text, s, v[1] * mul & _M, (x + w[0]) & _M)
        w = _weak(text, s + 32, (z + w[1]) & _M, (y + _get(text, s + 16)) & _M)
        x, z = z, x
    first = (_pair(v[0], w[0], mul) + _shift(y) * _K0 + z) & _M
    return _pair(first, (_pair(v[1], w[1], mul) + x) & _M, mul)


def siphash(text: bytes, key: tuple[int, int]) -> int:
    """Return SipHash-2-4."""
    v = [key[0] ^ 0x736F6D6570736575, key[1] ^ 0x646F72616E646F6D]
    v += [key[0] ^ 0x6C7967656E657261, key[1] ^ 0x7465646279746573]

    def rounds(count: int) -> None:
        for _ in range(count):
            v[0], v[2] = (v[0] + v[1]) & _M, (v[2] + v[3]) & _M
            v[1], v[3] = _turn(v[1], 51) ^ v[0], _turn(v[3], 48) ^ v[2]
            v[0] = _turn(v[0], 32)
            v[2], v[0] = (v[2] + v[1]) & _M, (v[0] + v[3]) & _M
            v[1], v[3] = _turn(v[1], 47) ^ v[2], _turn(v[3], 43) ^ v[0]
            v[2] = _turn(v[2], 32)

    padded = text + bytes(7 - len(text) % 8) + bytes([len(text) & 0xFF])
    for at in range(0, len(padded), 8):
        v[3] ^= _get(padded, at)
        rounds(2)
        v[0] ^= _get(padded, at)
    v[2] ^= 0xFF
    rounds(4)
    return v[0] ^ v[1] ^ v[2] ^ v[3]
