"""The two hashes of the protocol, from their definitions: keccak256 and Poseidon2 over Goldilocks with width 8.

Nothing is copied from the sources that are checked: round constants are computed by the generators that the two papers give.
"""

# KECCAK
# ==================================================================================================================

_MASK = (1 << 64) - 1


def _keccak_tables():
    """Round constants, and for each lane where rho and pi move it and by how much it turns (FIPS 202, sections 3.2.2-3.2.5)."""
    constants, register = [], 1
    for _ in range(24):
        constant = 0
        for j in range(7):
            register = (register << 1) ^ ((register >> 7) * 0x171)
            if register & 2:
                constant |= 1 << ((1 << j) - 1)
        constants.append(constant)
    moves, x, y = [(0, 0)] * 25, 1, 0
    for t in range(24):
        moves[x + 5 * y] = (y + 5 * ((2 * x + 3 * y) % 5), (t + 1) * (t + 2) // 2 % 64)
        x, y = y, (2 * x + 3 * y) % 5
    return constants, moves


_ROUNDS, _MOVES = _keccak_tables()


def _keccak_f(a):
    for constant in _ROUNDS:
        c = [a[x] ^ a[x + 5] ^ a[x + 10] ^ a[x + 15] ^ a[x + 20] for x in range(5)]
        d = [c[x - 1] ^ ((c[(x + 1) % 5] << 1 | c[(x + 1) % 5] >> 63) & _MASK) for x in range(5)]
        b = [0] * 25
        for i, (target, turn) in enumerate(_MOVES):
            lane = a[i] ^ d[i % 5]
            b[target] = (lane << turn | lane >> (64 - turn)) & _MASK
        a = [b[i] ^ (~b[i - i % 5 + (i + 1) % 5] & b[i - i % 5 + (i + 2) % 5]) for i in range(25)]
        a[0] ^= constant
    return a


def keccak256(data):
    """Keccak with rate 136 and the padding of Ethereum, which is not that of SHA-3."""
    padded = bytearray(data)
    padded += b"\x01" + bytes(-(len(data) + 1) % 136)
    padded[-1] |= 0x80
    state = [0] * 25
    for start in range(0, len(padded), 136):
        for i in range(17):
            state[i] ^= int.from_bytes(padded[start + 8 * i : start + 8 * i + 8], "little")
        state = _keccak_f(state)
    return b"".join(lane.to_bytes(8, "little") for lane in state[:4])


# POSEIDON2
# ==================================================================================================================

P = 2**64 - 2**32 + 1
_WIDTH, _EXTERNAL_ROUNDS, _INTERNAL_ROUNDS = 8, 8, 22
_HALF = (P + 1) // 2
# The diagonal of the internal matrix, less the all-ones matrix, as the Plonky3 parameters of this field have it.
_DIAGONAL = [-2, 1, 2, _HALF, 3, -_HALF, -3, -4]


def _grain(count):
    """Elements of the Grain LFSR in its self-shrinking mode (Poseidon2, eprint 2023/323, section 6)."""
    fields = [(1, 2), (0, 4), (64, 12), (_WIDTH, 12), (_EXTERNAL_ROUNDS, 10), (_INTERNAL_ROUNDS, 10), ((1 << 30) - 1, 30)]
    register = [int(bit) for value, width in fields for bit in f"{value:0{width}b}"]

    def step():
        register.append(register[62] ^ register[51] ^ register[38] ^ register[23] ^ register[13] ^ register[0])
        del register[0]
        return register[-1]

    def bit():
        while step() == 0:
            step()
        return step()

    for _ in range(160):
        step()
    elements = []
    while len(elements) < count:
        element = 0
        for _ in range(64):
            element = element << 1 | bit()
        if element < P:
            elements.append(element)
    return elements


def _round_constants():
    drawn = iter(_grain(_WIDTH * _EXTERNAL_ROUNDS + _INTERNAL_ROUNDS))
    rows = lambda count, width: [[next(drawn) for _ in range(width)] for _ in range(count)]  # noqa: E731
    first = rows(_EXTERNAL_ROUNDS // 2, _WIDTH)
    internal = rows(_INTERNAL_ROUNDS, 1)
    return first, internal, rows(_EXTERNAL_ROUNDS // 2, _WIDTH)


_FIRST, _INTERNAL, _LAST = _round_constants()


def _external_layer(s):
    """circ(2 M, M) with M = circ(2, 3, 1, 1), for two halves: M on both, then the sum of the halves added to each."""
    halves = []
    for h in (s[:4], s[4:]):
        halves.append([2 * h[i] + 3 * h[(i + 1) % 4] + h[(i + 2) % 4] + h[(i + 3) % 4] for i in range(4)])
    return [(halves[i // 4][i % 4] + halves[0][i % 4] + halves[1][i % 4]) % P for i in range(8)]


def _permute(s):
    s = _external_layer(s)
    for constants in _FIRST:
        s = _external_layer([pow(x + c, 7, P) for x, c in zip(s, constants)])
    for (constant,) in _INTERNAL:
        s[0] = pow(s[0] + constant, 7, P)
        total = sum(s)
        s = [(total + x * d) % P for x, d in zip(s, _DIAGONAL)]
    for constants in _LAST:
        s = _external_layer([pow(x + c, 7, P) for x, c in zip(s, constants)])
    return s


def compress(left, right):
    """Two words of four elements to one: the first half of the permutation, plus `left`."""
    return [(x + y) % P for x, y in zip(_permute(left + right), left)]


def hash_elements(domain, elements):
    """The overwrite-mode sponge; its capacity starts as [domain, length, 0, 0]."""
    state = [0] * 4 + [domain, len(elements), 0, 0]
    for start in range(0, max(len(elements), 1), 4):
        word = elements[start : start + 4]
        state = _permute(word + [0] * (4 - len(word)) + state[4:])
    return state[:4]


def word_bytes(word):
    """Four elements as a bytes32, the first on top."""
    return b"".join(element.to_bytes(8, "big") for element in word)


def bytes_word(data):
    """The four elements of a bytes32."""
    return [int.from_bytes(data[i : i + 8], "big") for i in range(0, 32, 8)]
