// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import { CubicField } from "./CubicField.sol";
import { Fri } from "./Fri.sol";
import { MerkleBatch } from "./MerkleBatch.sol";

/// @title Openings of the committed tables, combined into values of the DEEP polynomial.
/// @notice Every row is hashed from the very bytes whose limbs are checked and combined.
library Deep {
    /// @notice A limb is not below the modulus.
    error Deep__NotCanonical();
    /// @notice The rows of the table with this root are not those that it commits to.
    error Deep__TableRoot(bytes32 root);

    uint256 private constant P = 0xffffffff00000001;
    uint256 private constant OFFSET = 7;

    /// @notice A committed table.
    /// @param coefficients Its columns' coefficients, a word each, in memory.
    /// @param width Its columns.
    /// @param limbs Limbs of a column's values: 1 or 3.
    /// @param depth The depth of its tree.
    /// @param root The root of its tree.
    struct Table {
        uint256 coefficients;
        uint256 width;
        uint256 limbs;
        uint256 depth;
        bytes32 root;
    }

    /// @notice What is claimed about the combination of all columns.
    /// @param z The out-of-domain point.
    /// @param next The point after it, gz.
    /// @param atZ The value at z.
    /// @param atNext The value at gz.
    struct Claims {
        uint256 z;
        uint256 next;
        uint256 atZ;
        uint256 atNext;
    }

    /// @notice Adds each row's combination to `sums`, and checks the rows against the table's root.
    /// @param positions The rows' positions, ascending.
    /// @param sums A word a row, in memory.
    /// @param source Where the rows start in calldata; the Merkle nodes follow them.
    /// @return Where the nodes end.
    function open(Table memory table, uint256[] memory positions, uint256 sums, uint256 source)
        internal
        pure
        returns (uint256)
    {
        uint256 count = positions.length;
        uint256 entries;
        assembly ("memory-safe") {
            entries := mload(0x40)
            mstore(0x40, add(entries, shl(5, add(count, 1))))
        }
        uint256 size = 8 * table.width * table.limbs;
        for (uint256 i = 0; i < count;) {
            uint256 sum = table.limbs == 1
                ? _base(source, table.coefficients, table.width)
                : _extension(source, table.coefficients, table.width);
            uint256 position = positions[i];
            assembly ("memory-safe") {
                let at := add(sums, shl(5, i))
                mstore(at, add(mload(at), sum))
                // Hash tag and row above the free memory pointer.
                let row := mload(0x40)
                mstore8(row, 0)
                calldatacopy(add(row, 1), source, size)
                let leaf := keccak256(row, add(size, 1))
                mstore(
                    add(entries, shl(5, i)),
                    or(and(leaf, 0xffffffffffffffffffffffffffffffffffffffffffffffffff00000000000000), position)
                )
                source := add(source, size)
                i := add(i, 1)
            }
        }
        bytes32 found;
        (found, source) = MerkleBatch.root(entries, count, table.depth, source);
        if (found != table.root) revert Deep__TableRoot(table.root);
        return source;
    }

    /// @notice The combination of a row of base field elements.
    function _base(uint256 source, uint256 coefficients, uint256 width) private pure returns (uint256) {
        (uint256 c0, uint256 c1, uint256 c2, uint256 sizes) = _baseLimbs(source, coefficients, width);
        if (sizes >> 64 != 0) revert Deep__NotCanonical();
        return CubicField.pack(c0, c1, c2);
    }

    /// @dev `sizes` collects each value plus 2^32 - 1, which reaches 2^64 just when the value is not below the modulus.
    function _baseLimbs(uint256 source, uint256 coefficients, uint256 end)
        private
        pure
        returns (uint256 c0, uint256 c1, uint256 c2, uint256 sizes)
    {
        assembly ("memory-safe") {
            end := add(coefficients, shl(5, end))
            // Four columns at a time, as long as there are four.
            for { } iszero(gt(add(coefficients, 0x80), end)) {
                coefficients := add(coefficients, 0x80)
                source := add(source, 0x20)
            } {
                let word := calldataload(source)
                let value := shr(192, word)
                let coefficient := mload(coefficients)
                sizes := or(sizes, add(value, 0xffffffff))
                c0 := add(c0, mul(value, and(coefficient, 0xffffffffffffffff)))
                c1 := add(c1, mul(value, and(shr(80, coefficient), 0xffffffffffffffff)))
                c2 := add(c2, mul(value, shr(160, coefficient)))
                value := and(shr(128, word), 0xffffffffffffffff)
                coefficient := mload(add(coefficients, 0x20))
                sizes := or(sizes, add(value, 0xffffffff))
                c0 := add(c0, mul(value, and(coefficient, 0xffffffffffffffff)))
                c1 := add(c1, mul(value, and(shr(80, coefficient), 0xffffffffffffffff)))
                c2 := add(c2, mul(value, shr(160, coefficient)))
                value := and(shr(64, word), 0xffffffffffffffff)
                coefficient := mload(add(coefficients, 0x40))
                sizes := or(sizes, add(value, 0xffffffff))
                c0 := add(c0, mul(value, and(coefficient, 0xffffffffffffffff)))
                c1 := add(c1, mul(value, and(shr(80, coefficient), 0xffffffffffffffff)))
                c2 := add(c2, mul(value, shr(160, coefficient)))
                value := and(word, 0xffffffffffffffff)
                coefficient := mload(add(coefficients, 0x60))
                sizes := or(sizes, add(value, 0xffffffff))
                c0 := add(c0, mul(value, and(coefficient, 0xffffffffffffffff)))
                c1 := add(c1, mul(value, and(shr(80, coefficient), 0xffffffffffffffff)))
                c2 := add(c2, mul(value, shr(160, coefficient)))
            }
            for { } lt(coefficients, end) {
                coefficients := add(coefficients, 0x20)
                source := add(source, 8)
            } {
                let value := shr(192, calldataload(source))
                let coefficient := mload(coefficients)
                sizes := or(sizes, add(value, 0xffffffff))
                c0 := add(c0, mul(value, and(coefficient, 0xffffffffffffffff)))
                c1 := add(c1, mul(value, and(shr(80, coefficient), 0xffffffffffffffff)))
                c2 := add(c2, mul(value, shr(160, coefficient)))
            }
        }
    }

    /// @notice The combination of a row of extension elements.
    function _extension(uint256 source, uint256 coefficients, uint256 width) private pure returns (uint256) {
        uint256 target;
        assembly ("memory-safe") {
            target := mload(0x40)
        }
        if (!read(source, target, width)) revert Deep__NotCanonical();
        return CubicField.dot(target, coefficients, width);
    }

    /// @notice Reads `count` extension elements from calldata to words at `target`.
    /// @return canonical Whether all limbs are below the modulus.
    function read(uint256 source, uint256 target, uint256 count) internal pure returns (bool canonical) {
        assembly ("memory-safe") {
            let sizes := 0
            for { let end := add(target, shl(5, count)) } lt(target, end) {
                target := add(target, 0x20)
                source := add(source, 24)
            } {
                let word := calldataload(source)
                let c0 := shr(192, word)
                let c1 := and(shr(128, word), 0xffffffffffffffff)
                let c2 := and(shr(64, word), 0xffffffffffffffff)
                sizes := or(or(sizes, add(c0, 0xffffffff)), or(add(c1, 0xffffffff), add(c2, 0xffffffff)))
                mstore(target, or(c0, or(shl(80, c1), shl(160, c2))))
            }
            canonical := iszero(shr(64, sizes))
        }
    }

    /// @notice Where a proof is queried.
    /// @param positions The positions, ascending.
    /// @param logDomain log2 of the size of their domain.
    /// @param powers The generator's powers at the positions, a word each in memory.
    /// @param inverses Their inverses.
    struct Queries {
        uint256[] positions;
        uint256 logDomain;
        uint256 powers;
        uint256 inverses;
    }

    /// @notice Computes the points of the positions: one table of squares, and one inversion for all.
    function locate(uint256[] memory positions, uint256 logDomain) internal pure returns (Queries memory queries) {
        uint256 count = positions.length;
        uint256 generator = Fri.generator(logDomain);
        uint256 powers;
        uint256 inverses;
        uint256 product = 1;
        assembly ("memory-safe") {
            powers := mload(0x40)
            inverses := add(powers, shl(5, count))
            let table := add(inverses, shl(5, count))
            mstore(0x40, table)
            // The generator's squares stand above the free memory pointer.
            for { let bit := 0 } lt(bit, logDomain) { bit := add(bit, 1) } {
                mstore(add(table, shl(5, bit)), generator)
                generator := mulmod(generator, generator, P)
            }
            for { let offset := 0 } lt(offset, shl(5, count)) { offset := add(offset, 0x20) } {
                let power := 1
                let square := table
                let exponent := mload(add(add(positions, 0x20), offset))
                for { } exponent { exponent := shr(1, exponent) } {
                    if and(exponent, 1) { power := mulmod(power, mload(square), P) }
                    square := add(square, 0x20)
                }
                mstore(add(powers, offset), power)
                // First the product of all powers before this one.
                mstore(add(inverses, offset), product)
                product := mulmod(product, power, P)
            }
        }
        product = CubicField.invBase(product);
        assembly ("memory-safe") {
            for { let offset := shl(5, count) } offset { } {
                offset := sub(offset, 0x20)
                let place := add(inverses, offset)
                mstore(place, mulmod(product, mload(place), P))
                product := mulmod(product, mload(add(powers, offset)), P)
            }
        }
        return Queries(positions, logDomain, powers, inverses);
    }

    /// @notice Turns the rows' combinations into values of the DEEP polynomial, in place.
    /// @param sums The combinations, a word each, in memory.
    /// @param powers The generator's powers at the positions.
    /// @param count How many there are.
    function divide(Claims memory claims, uint256 sums, uint256 powers, uint256 count) internal pure {
        // Numerators and denominators first, then one inversion for all.
        uint256 lists;
        assembly ("memory-safe") {
            lists := mload(0x40)
            mstore(0x40, add(lists, shl(6, add(count, 1))))
        }
        unchecked {
            uint256 product = 1;
            for (uint256 i = 0; i < count; ++i) {
                uint256 d0;
                uint256 d1;
                {
                    uint256 x = mulmod(OFFSET, _word(powers + 32 * i), P);
                    d0 = CubicField.sub(x, claims.z);
                    d1 = CubicField.sub(x, claims.next);
                }
                uint256 sum = _word(sums + 32 * i);
                uint256 numerator = CubicField.mul(CubicField.sub(sum, claims.atZ), d1)
                    + CubicField.mul(CubicField.sub(sum, claims.atNext), d0);
                _store(sums + 32 * i, CubicField.reduce(numerator));
                d0 = CubicField.mul(d0, d1);
                // The denominators, and before each the product of those before it.
                _store(lists + 64 * i, product);
                _store(lists + 64 * i + 32, d0);
                product = CubicField.mul(product, d0);
            }
            product = CubicField.inv(product);
            for (uint256 i = count; i > 0;) {
                --i;
                uint256 inverse = CubicField.mul(product, _word(lists + 64 * i));
                product = CubicField.mul(product, _word(lists + 64 * i + 32));
                _store(sums + 32 * i, CubicField.mul(_word(sums + 32 * i), inverse));
            }
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
