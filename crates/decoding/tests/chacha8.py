"""ChaCha8 in its original form (64-bit counter, 64-bit nonce), from the paper; prints what src/rng.rs expects."""
import struct

MASK = 0xFFFFFFFF


def rotate(value, bits):
    return ((value << bits) | (value >> (32 - bits))) & MASK


def quarter(state, a, b, c, d):
    for first, second, third, bits in ((a, b, d, 16), (c, d, b, 12), (a, b, d, 8), (c, d, b, 7)):
        state[first] = (state[first] + state[second]) & MASK
        state[third] = rotate(state[third] ^ state[first], bits)


def block(seed, stream, counter):
    start = list(struct.unpack("<4I", b"expand 32-byte k"))
    start += struct.unpack("<8I", struct.pack("<Q", seed) + bytes(24))
    start += struct.unpack("<4I", struct.pack("<QQ", counter, stream))
    state = start[:]
    for _ in range(4):
        for column in ((0, 4, 8, 12), (1, 5, 9, 13), (2, 6, 10, 14), (3, 7, 11, 15)):
            quarter(state, *column)
        for diagonal in ((0, 5, 10, 15), (1, 6, 11, 12), (2, 7, 8, 13), (3, 4, 9, 14)):
            quarter(state, *diagonal)
    return struct.pack("<16I", *((after + before) & MASK for after, before in zip(state, start)))


for seed, stream in ((0, 0), (7, 0), (0x0123456789ABCDEF, 3)):
    draws = struct.unpack("<16Q", block(seed, stream, 0) + block(seed, stream, 1))
    print(f"({seed:#x}, {stream}, [{', '.join(f'{draws[i]:#018x}' for i in (0, 1, 9))}])")
