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
                for {} gt(place, keys) { place := sub(place, 0x20) } {
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
    /// @param inverse The inverse of the generator's power at the coset's first point.
    function _foldCoset(Layer memory layer, uint256 inverse) private pure returns (uint256) {
        unchecked {
            uint256 coset = layer.coset;
            uint256 quotient = CubicField.scale(layer.alpha, mulmod(inverse, OFFSET_INVERSE, P));
            uint256 factor = quotient;
            for (uint256 k = 0; k < 4; ++k) {
                _halve(coset + 32 * k, coset + 32 * k + 128, factor);
                factor = CubicField.scale(factor, ROOT8_INVERSE);
            }
            quotient = CubicField.mul(quotient, quotient);
            _halve(coset, coset + 64, quotient);
            _halve(coset + 32, coset + 96, CubicField.scale(quotient, mulmod(ROOT8_INVERSE, ROOT8_INVERSE, P)));
            quotient = CubicField.mul(quotient, quotient);
            _halve(coset, coset + 32, quotient);
            return CubicField.scale(_word(coset), INVERSE_OF_8);
        }
    }

    /// @notice Twice the folding of the values at x and -x: a + b + factor (a - b), written over the first.
    function _halve(uint256 first, uint256 second, uint256 factor) private pure {
        unchecked {
            uint256 a = _word(first);
            uint256 b = _word(second);
            _store(first, CubicField.reduce(a + b + CubicField.mul(CubicField.sub(a, b), factor)));
        }
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
        if (uint256(found) & MerkleBatch.DIGEST != uint256(hash)) revert Fri__RemainderHash();
        if (bad != 0) revert Fri__NotCanonical();
        unchecked {
            for (uint256 i = 0; i < points.count; ++i) {
                uint256 power = CubicField.pow(_word(points.inverses + 32 * i), (1 << logDomain) - 1);
                uint256 x = mulmod(OFFSET, power, P);
                if (_evaluate(coefficients, count, x) != _word(points.values + 32 * i)) revert Fri__Remainder();
            }
        }
        return source;
    }

    /// @notice Horner's rule over limbs in memory, highest coefficient first.
    function _evaluate(uint256 coefficients, uint256 count, uint256 x) private pure returns (uint256 value) {
        assembly ("memory-safe") {
            let c0 := 0
            let c1 := 0
            let c2 := 0
            let end := add(coefficients, mul(count, 0x60))
            for {} lt(coefficients, end) { coefficients := add(coefficients, 0x60) } {
                c0 := add(mulmod(c0, x, P), mload(coefficients))
                c1 := add(mulmod(c1, x, P), mload(add(coefficients, 0x20)))
                c2 := add(mulmod(c2, x, P), mload(add(coefficients, 0x40)))
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
