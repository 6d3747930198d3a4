// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import { CubicField } from "./CubicField.sol";
import { MerkleBatch } from "./MerkleBatch.sol";

/// @title The low-degree test: FRI with folding by 8.
/// @notice Checks that values at given positions are those of a polynomial of bounded degree. Every folded value comes
/// from a committed coset; a value that the layer before determines is not read but inserted, so it cannot disagree.
library Fri {
    /// @notice A limb is not below the modulus.
    error Fri__NotCanonical();
    /// @notice A layer's cosets are not those that its root commits to.
    error Fri__LayerRoot(uint256 layer);
    /// @notice The remainder is not the one that the transcript absorbed.
    /// @dev Without this check a prover would choose the remainder after the queries, and any values would pass.
    error Fri__RemainderHash();
    /// @notice The last layer's values are not those of the remainder.
    error Fri__Remainder();

    uint256 private constant P = 0xffffffff00000001;
    /// @dev The root of unity of order 2^32 whose powers generate every domain.
    uint256 private constant ROOT = 7277203076849721926;
    /// @dev The domain's offset and its inverse.
    uint256 private constant OFFSET = 7;
    uint256 private constant OFFSET_INVERSE = 2635249152773512046;
    /// @dev The root of unity of order 8, 2^24, and its inverse.
    uint256 private constant ROOT8 = 16777216;
    uint256 private constant ROOT8_INVERSE = 18446742969902956801;
    uint256 private constant INVERSE_OF_8 = 16140901060737761281;

    /// @notice What a layer knows of its points: parallel lists in memory.
    /// @param count Points.
    /// @param positions Their positions in the layer's domain.
    /// @param inverses The inverses of the generator's powers at these positions.
    /// @param values The polynomial's values there.
    struct Points {
        uint256 count;
        uint256 positions;
        uint256 inverses;
        uint256 values;
    }

    /// @notice A layer being folded.
    /// @param logFolded log2 of the size of the folded domain.
    /// @param alpha The layer's challenge.
    /// @param keys The points' folded positions and their places in the list, sorted.
    /// @param coset The values of the coset being read, and room for its bytes.
    /// @param entries The leaves' hashes.
    struct Layer {
        uint256 logFolded;
        uint256 alpha;
        uint256 keys;
        uint256 coset;
        uint256 entries;
    }

    /// @notice Runs the test over all layers.
    /// @param points The points of the first layer; overwritten.
    /// @param logDomain log2 of the size of their domain.
    /// @param roots The layers' roots, a word each, in memory, and their challenges after them.
    /// @param layers How many layers.
    /// @param source Where the layers start in calldata.
    /// @return Where they end; the remainder follows there.
    function fold(Points memory points, uint256 logDomain, uint256 roots, uint256 layers, uint256 source)
        internal
        pure
        returns (uint256)
    {
        unchecked {
            Layer memory layer;
            layer.entries = _allocate(points.count);
            layer.coset = _allocate(16);
            for (uint256 i = 0; i < layers; ++i) {
                logDomain -= 3;
                layer.logFolded = logDomain;
                layer.alpha = _word(roots + 32 * (layers + i));
                layer.keys = _sortedKeys(points, (1 << logDomain) - 1);
                source = _layer(points, layer, source);
                bytes32 root;
                (root, source) = MerkleBatch.root(layer.entries, points.count, logDomain, source);
                if (root != bytes32(_word(roots + 32 * i))) revert Fri__LayerRoot(i);
            }
        }
        return source;
    }

    /// @notice Reads one layer's cosets, folds them, and leaves the folded points and the leaves' hashes.
    function _layer(Points memory points, Layer memory layer, uint256 source) private pure returns (uint256) {
        unchecked {
            uint256 total = points.count;
            uint256 folded = _allocate(3 * total);
            uint256 count = 0;
            for (uint256 i = 0; i < total;) {
                uint256 place = folded + 32 * count;
                _store(place, _word(layer.keys + 32 * i) >> 16);
                uint256 known;
                uint256 inverse;
                (i, known, inverse) = _insertKnown(points, layer, i);
                bytes32 leaf;
                (leaf, source) = _readCoset(layer.coset, known, source);
                _store(layer.entries + 32 * count, (uint256(leaf) & MerkleBatch.DIGEST) | _word(place));
                _store(place + 32 * total, _pow8(inverse));
                _store(place + 64 * total, _foldCoset(layer, inverse));
                ++count;
            }
            points.count = count;
            points.positions = folded;
            points.inverses = folded + 32 * total;
            points.values = folded + 64 * total;
        }
        return source;
    }

    /// @notice Inserts into the coset what the layer before has determined.
    /// @param i The first key of the coset.
    /// @return next The first key of the next coset.
    /// @return known A bit for every value that was inserted.
    /// @return inverse The inverse of the generator's power at the coset's first point.
    function _insertKnown(Points memory points, Layer memory layer, uint256 i)
        private
        pure
        returns (uint256 next, uint256 known, uint256 inverse)
    {
        unchecked {
            uint256 position = _word(layer.keys + 32 * i) >> 16;
            for (next = i; next < points.count; ++next) {
                uint256 key = _word(layer.keys + 32 * next);
                if (key >> 16 != position) break;
                uint256 from = 32 * (key & 0xffff);
                uint256 index = _word(points.positions + from) >> layer.logFolded;
                known |= 1 << index;
                _store(layer.coset + 32 * index, _word(points.values + from));
                inverse = mulmod(_word(points.inverses + from), CubicField.pow(ROOT8, index), P);
            }
        }
    }

    /// @notice The positions modulo the folded domain, ascending, each with its place in the list in the low 16 bits.
    function _sortedKeys(Points memory points, uint256 mask) private pure returns (uint256 keys) {
        keys = _allocate(points.count);
        uint256 positions = points.positions;
        uint256 count = points.count;
        assembly ("memory-safe") {
            let end := keys
            for { let i := 0 } lt(i, count) { i := add(i, 1) } {
                let key := or(shl(16, and(mload(add(positions, shl(5, i))), mask)), i)
                let place := end
                for { } gt(place, keys) { place := sub(place, 0x20) } {
                    let before := mload(sub(place, 0x20))
                    if lt(before, key) { break }
                    mstore(place, before)
                }
                mstore(place, key)
                end := add(end, 0x20)
            }
        }
    }

    /// @notice Completes a coset from calldata and hashes it as the prover did: a tag, then 24 bytes a value.
    function _readCoset(uint256 coset, uint256 known, uint256 source) private pure returns (bytes32 leaf, uint256) {
        uint256 bad;
        assembly ("memory-safe") {
            // After the eight values: the tag's word, then the bytes.
            let bytesAt := add(coset, 0x120)
            mstore(add(coset, 0x100), 0)
            for { let k := 0 } lt(k, 8) { k := add(k, 1) } {
                switch and(shr(k, known), 1)
                case 0 {
                    let word := calldataload(source)
                    source := add(source, 24)
                    let c0 := shr(192, word)
                    let c1 := and(shr(128, word), 0xffffffffffffffff)
                    let c2 := and(shr(64, word), 0xffffffffffffffff)
                    bad := or(bad, iszero(and(and(lt(c0, P), lt(c1, P)), lt(c2, P))))
                    mstore(add(coset, shl(5, k)), or(c0, or(shl(80, c1), shl(160, c2))))
                    mstore(add(bytesAt, mul(k, 24)), word)
                }
                default {
                    let value := mload(add(coset, shl(5, k)))
                    mstore(
                        add(bytesAt, mul(k, 24)),
                        or(
                            shl(192, value),
                            or(
                                shl(128, and(shr(80, value), 0xffffffffffffffff)),
                                shl(64, and(shr(160, value), 0xffffffffffffffff))
                            )
                        )
                    )
                }
            }
            leaf := keccak256(sub(bytesAt, 1), 193)
        }
        if (bad != 0) revert Fri__NotCanonical();
        return (leaf, source);
    }

    /// @notice The value at alpha of the polynomial through the layer's coset, by halving three times.
    /// @dev Halving takes the values a and b at x and -x to a + b + factor (a - b), which is twice the folded value.
    /// Lanes are reduced by multiplications only: after three halvings they are below 15 times the modulus.
    /// @param inverse The inverse of the generator's power at the coset's first point.
    function _foldCoset(Layer memory layer, uint256 inverse) private pure returns (uint256 result) {
        uint256 coset = layer.coset;
        uint256 factor = CubicField.scale(layer.alpha, mulmod(inverse, OFFSET_INVERSE, P));
        uint256 square = CubicField.mul(factor, factor);
        uint256 fourth = CubicField.mul(square, square);
        assembly ("memory-safe") {
            // (a - b) * f, where a and b may have grown to 8 times the modulus.
            function m(a, b, f) -> c {
                // Eight times the modulus in every lane keeps lanes from borrowing.
                a := sub(add(a, 0x7fffffff8000000080007fffffff8000000080007fffffff800000008), b)
                let a1 := and(shr(80, a), 0xffffffffffffffffffff)
                let a2 := shr(160, a)
                a := and(a, 0xffffffffffffffffffff)
                b := and(shr(80, f), 0xffffffffffffffffffff)
                let f2 := shr(160, f)
                f := and(f, 0xffffffffffffffffffff)
                c := add(mul(a1, f2), mul(a2, b))
                let c4 := mul(a2, f2)
                c := or(
                    mod(add(mul(a, f), c), P),
                    or(
                        shl(80, mod(add(add(mul(a, b), mul(a1, f)), add(c, c4)), P)),
                        shl(160, mod(add(add(mul(a, f2), mul(a1, b)), add(mul(a2, f), c4)), P))
                    )
                )
            }
            // a / w, where w is the root of unity of order 8.
            function s(a) -> c {
                c := or(
                    mod(mul(and(a, 0xffffffffffffffffffff), ROOT8_INVERSE), P),
                    or(
                        shl(80, mod(mul(and(shr(80, a), 0xffffffffffffffffffff), ROOT8_INVERSE), P)),
                        shl(160, mod(mul(shr(160, a), ROOT8_INVERSE), P))
                    )
                )
            }
            for { let end := add(coset, 0x80) } lt(coset, end) { coset := add(coset, 0x20) } {
                let a := mload(coset)
                let b := mload(add(coset, 0x80))
                mstore(coset, add(add(a, b), m(a, b, factor)))
                factor := s(factor)
            }
            coset := sub(coset, 0x80)
            factor := s(s(square))
            let a := mload(coset)
            let b := mload(add(coset, 0x40))
            square := add(add(a, b), m(a, b, square))
            a := mload(add(coset, 0x20))
            b := mload(add(coset, 0x60))
            b := add(add(a, b), m(a, b, factor))
            result := add(add(square, b), m(square, b, fourth))
        }
        return CubicField.scale(result, INVERSE_OF_8);
    }

    /// @notice Checks the values of the last layer against the remainder.
    /// @param hash What the transcript absorbed as the remainder.
    /// @param count Coefficients of the remainder, highest first.
    /// @param logDomain log2 of the size of the last layer's domain.
    /// @param source Where they start in calldata.
    /// @return Where they end.
    function checkRemainder(Points memory points, bytes32 hash, uint256 count, uint256 logDomain, uint256 source)
        internal
        pure
        returns (uint256)
    {
        uint256 coefficients = _allocate(3 * count + 1);
        uint256 bad;
        bytes32 found;
        assembly ("memory-safe") {
            // Hash first, from the same memory that then takes the coefficients, a word a limb.
            mstore8(coefficients, 0)
            calldatacopy(add(coefficients, 1), source, mul(count, 24))
            found := keccak256(coefficients, add(1, mul(count, 24)))
            let end := add(source, mul(count, 24))
            for { let target := coefficients } lt(source, end) { source := add(source, 8) } {
                let limb := shr(192, calldataload(source))
                bad := or(bad, iszero(lt(limb, P)))
                mstore(target, limb)
                target := add(target, 0x20)
            }
        }
        if (bad != 0) revert Fri__NotCanonical();
        if (uint256(found) & MerkleBatch.DIGEST != uint256(hash)) revert Fri__RemainderHash();
        unchecked {
            for (uint256 i = 0; i < points.count; ++i) {
                uint256 power = CubicField.pow(_word(points.inverses + 32 * i), (1 << logDomain) - 1);
                uint256 x = mulmod(OFFSET, power, P);
                if (_evaluate(coefficients, count, x) != _word(points.values + 32 * i)) revert Fri__Remainder();
            }
        }
        return source;
    }

    /// @notice Horner's rule over limbs in memory, highest coefficient first, four at a time.
    /// @param end How many coefficients: a multiple of four.
    function _evaluate(uint256 coefficients, uint256 end, uint256 x) private pure returns (uint256 value) {
        assembly ("memory-safe") {
            let c0 := 0
            let c1 := 0
            let c2 := 0
            let x2 := mulmod(x, x, P)
            let x3 := mulmod(x, x2, P)
            let x4 := mulmod(x2, x2, P)
            end := add(coefficients, mul(end, 0x60))
            for { } lt(coefficients, end) { coefficients := add(coefficients, 0x180) } {
                c0 := add(
                    add(mulmod(c0, x4, P), mul(mload(coefficients), x3)),
                    add(
                        add(mul(mload(add(coefficients, 0x60)), x2), mul(mload(add(coefficients, 0xc0)), x)),
                        mload(add(coefficients, 0x120))
                    )
                )
                c1 := add(
                    add(mulmod(c1, x4, P), mul(mload(add(coefficients, 0x20)), x3)),
                    add(
                        add(mul(mload(add(coefficients, 0x80)), x2), mul(mload(add(coefficients, 0xe0)), x)),
                        mload(add(coefficients, 0x140))
                    )
                )
                c2 := add(
                    add(mulmod(c2, x4, P), mul(mload(add(coefficients, 0x40)), x3)),
                    add(
                        add(mul(mload(add(coefficients, 0xa0)), x2), mul(mload(add(coefficients, 0x100)), x)),
                        mload(add(coefficients, 0x160))
                    )
                )
            }
            value := or(mod(c0, P), or(shl(80, mod(c1, P)), shl(160, mod(c2, P))))
        }
    }

    /// @notice The generator of the domain of size 2^`logDomain`.
    function generator(uint256 logDomain) internal pure returns (uint256) {
        return CubicField.pow(ROOT, 1 << (32 - logDomain));
    }

    function _pow8(uint256 a) private pure returns (uint256) {
        a = mulmod(a, a, P);
        a = mulmod(a, a, P);
        return mulmod(a, a, P);
    }

    function _allocate(uint256 words) private pure returns (uint256 pointer) {
        assembly ("memory-safe") {
            pointer := mload(0x40)
            mstore(0x40, add(pointer, shl(5, words)))
        }
    }

    function _word(uint256 pointer) private pure returns (uint256 value) {
        assembly ("memory-safe") {
            value := mload(pointer)
        }
    }

    function _store(uint256 pointer, uint256 value) private pure {
        assembly ("memory-safe") {
            mstore(pointer, value)
        }
    }
}
