// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

/// @title The cubic extension x^3 - x - 1 of Goldilocks.
/// @notice An element is one word of three 80-bit lanes, constant term lowest. Results are canonical: every lane is
/// below the modulus. Operands may have lanes that grew by additions, up to 80 bits.
library CubicField {
    /// @notice The base field's modulus.
    uint256 internal constant P = 0xffffffff00000001;
    /// @notice One lane.
    uint256 internal constant LANE = 0xffffffffffffffffffff;
    /// @notice The modulus in every lane: added before a subtraction, it keeps lanes from borrowing.
    uint256 internal constant P3 = P | (P << 80) | (P << 160);

    /// @notice The product.
    function mul(uint256 a, uint256 b) internal pure returns (uint256 c) {
        assembly ("memory-safe") {
            let a1 := and(shr(80, a), LANE)
            let a2 := shr(160, a)
            a := and(a, LANE)
            let b1 := and(shr(80, b), LANE)
            let b2 := shr(160, b)
            b := and(b, LANE)
            let c4 := mul(a2, b2)
            let c3 := add(mul(a1, b2), mul(a2, b1))
            c := or(
                mod(add(mul(a, b), c3), P),
                or(
                    shl(80, mod(add(add(mul(a, b1), mul(a1, b)), add(c3, c4)), P)),
                    shl(160, mod(add(add(mul(a, b2), mul(a1, b1)), add(mul(a2, b), c4)), P))
                )
            )
        }
    }

    /// @notice The sum of the products of `count` pairs of canonical elements, a word each in memory.
    /// @dev Lanes are reduced once, at the end: at most 2^16 products of 64-bit limbs fit a word with room to spare.
    function dot(uint256 a, uint256 b, uint256 count) internal pure returns (uint256) {
        (uint256 c0, uint256 c1, uint256 c2) = _dot(a, b, count);
        return pack(c0, c1, c2);
    }

    function _dot(uint256 a, uint256 b, uint256 end) private pure returns (uint256 c0, uint256 c1, uint256 c2) {
        assembly ("memory-safe") {
            end := add(a, shl(5, end))
            for { } lt(a, end) {
                a := add(a, 0x20)
                b := add(b, 0x20)
            } {
                let a2 := mload(a)
                let b2 := mload(b)
                let a0 := and(a2, 0xffffffffffffffff)
                let b0 := and(b2, 0xffffffffffffffff)
                let a1 := and(shr(80, a2), 0xffffffffffffffff)
                let b1 := and(shr(80, b2), 0xffffffffffffffff)
                a2 := shr(160, a2)
                b2 := shr(160, b2)
                c0 := add(c0, mul(a0, b0))
                c1 := add(c1, add(mul(a0, b1), mul(a1, b0)))
                c2 := add(c2, add(mul(a0, b2), add(mul(a1, b1), mul(a2, b0))))
                // x^3 = x + 1 and x^4 = x^2 + x.
                b0 := add(mul(a1, b2), mul(a2, b1))
                c0 := add(c0, b0)
                c1 := add(c1, b0)
                b0 := mul(a2, b2)
                c1 := add(c1, b0)
                c2 := add(c2, b0)
            }
        }
    }

    /// @notice The product with `k`, below 2^128.
    function scale(uint256 a, uint256 k) internal pure returns (uint256 c) {
        assembly ("memory-safe") {
            c := or(
                mod(mul(and(a, LANE), k), P),
                or(shl(80, mod(mul(and(shr(80, a), LANE), k), P)), shl(160, mod(mul(shr(160, a), k), P)))
            )
        }
    }

    /// @notice The element with canonical lanes.
    function reduce(uint256 a) internal pure returns (uint256 c) {
        assembly ("memory-safe") {
            c := or(mod(and(a, LANE), P), or(shl(80, mod(and(shr(80, a), LANE), P)), shl(160, mod(shr(160, a), P))))
        }
    }

    /// @notice `a - b` with lanes that are not reduced; `b` must be canonical.
    function sub(uint256 a, uint256 b) internal pure returns (uint256) {
        unchecked {
            return a + P3 - b;
        }
    }

    /// @notice The element whose lanes are `c0`, `c1` and `c2`, each reduced first.
    function pack(uint256 c0, uint256 c1, uint256 c2) internal pure returns (uint256) {
        return (c0 % P) | ((c1 % P) << 80) | ((c2 % P) << 160);
    }

    /// @notice The inverse, or zero of zero.
    function inv(uint256 a) internal pure returns (uint256) {
        unchecked {
            a = reduce(a);
            uint256 a0 = a & LANE;
            uint256 a1 = (a >> 80) & LANE;
            uint256 a2 = a >> 160;
            // Cofactors of the matrix of multiplication by a.
            uint256 c0 = (a0 + a2) * (a0 + a2) + (P - a1) * (a1 + a2);
            uint256 c1 = (P - a1) * (a0 + a2) + a2 * (a1 + a2);
            uint256 c2 = a1 * a1 + (P - a2) * (a0 + a2);
            uint256 cofactors = pack(c0, c1, c2);
            uint256 det = a0 * (c0 % P) + a2 * (c1 % P) + a1 * (c2 % P);
            return scale(cofactors, invBase(det % P));
        }
    }

    /// @notice The inverse of a base field element, or zero of zero.
    function invBase(uint256 a) internal pure returns (uint256) {
        return pow(a, P - 2);
    }

    /// @notice A power of a base field element.
    function pow(uint256 a, uint256 exponent) internal pure returns (uint256 result) {
        assembly ("memory-safe") {
            result := 1
            for { } exponent { exponent := shr(1, exponent) } {
                if and(exponent, 1) { result := mulmod(result, a, P) }
                a := mulmod(a, a, P)
            }
        }
    }
}
