// SPDX-License-Identifier: MIT OR Apache-2.0
// Generated from the constraints in `air`. Do not edit: change the constraints and generate again.
pragma solidity 0.8.37;

/// @title Part 1 of 1 of the constraints of the Toy AIR, at a point outside the domain.
/// @notice Takes the frame, the challenges and the coefficients as words of three 80-bit lanes, and returns this part's
/// share of the combinations of the transition, first-row and last-row constraints. It keeps no state and trusts its
/// caller to pass canonical values: only the verifier that was built for it gives its answer a meaning.
contract ToyEvaluator0 {
    fallback() external {
        assembly {
            if iszero(eq(calldatasize(), 0x640)) { revert(0, 0) }
            // a * b modulo x^3 - x - 1
            function m(a, b) -> c {
                let a1 := and(shr(80, a), 0xffffffffffffffffffff)
                let a2 := shr(160, a)
                a := and(a, 0xffffffffffffffffffff)
                let b1 := and(shr(80, b), 0xffffffffffffffffffff)
                let b2 := shr(160, b)
                b := and(b, 0xffffffffffffffffffff)
                let c4 := mul(a2, b2)
                let c3 := add(mul(a1, b2), mul(a2, b1))
                c := or(
                    mod(add(mul(a, b), c3), 0xffffffff00000001),
                    or(
                        shl(80, mod(add(add(mul(a, b1), mul(a1, b)), add(c3, c4)), 0xffffffff00000001)),
                        shl(160, mod(add(add(mul(a, b2), mul(a1, b1)), add(mul(a2, b), c4)), 0xffffffff00000001))
                    )
                )
            }
            // a * a
            function q(a) -> c {
                let a1 := and(shr(80, a), 0xffffffffffffffffffff)
                let a2 := shr(160, a)
                a := and(a, 0xffffffffffffffffffff)
                let c4 := mul(a2, a2)
                let c3 := shl(1, mul(a1, a2))
                c := or(
                    mod(add(mul(a, a), c3), 0xffffffff00000001),
                    or(
                        shl(80, mod(add(shl(1, mul(a, a1)), add(c3, c4)), 0xffffffff00000001)),
                        shl(160, mod(add(shl(1, mul(a, a2)), add(mul(a1, a1), c4)), 0xffffffff00000001))
                    )
                )
            }
            // a * k for k in the base field
            function s(a, k) -> c {
                c := or(
                    mod(mul(and(a, 0xffffffffffffffffffff), k), 0xffffffff00000001),
                    or(
                        shl(80, mod(mul(and(shr(80, a), 0xffffffffffffffffffff), k), 0xffffffff00000001)),
                        shl(160, mod(mul(shr(160, a), k), 0xffffffff00000001))
                    )
                )
            }
            // a with reduced lanes
            function r(a) -> c {
                c := or(
                    mod(and(a, 0xffffffffffffffffffff), 0xffffffff00000001),
                    or(
                        shl(80, mod(and(shr(80, a), 0xffffffffffffffffffff), 0xffffffff00000001)),
                        shl(160, mod(shr(160, a), 0xffffffff00000001))
                    )
                )
            }
            mstore(0x40, 0)
            mstore(0x60, 0xffffffff000000010000ffffffff000000010000ffffffff00000001)
            mstore(0x80, 0x1fffffffe000000020001fffffffe000000020001fffffffe00000002)
            mstore(0xa0, 0x3fffffffc000000040003fffffffc000000040003fffffffc00000004)
            mstore(0xc0, 0x7fffffff8000000080007fffffff8000000080007fffffff800000008)
            mstore(0x0, add(mload(0x0), m(calldataload(0x480), add(sub(add(calldataload(0x200), mload(0x60)), calldataload(0x0)), 0xffffffff00000000))))
            mstore(0x0, add(mload(0x0), m(calldataload(0x4a0), m(calldataload(0x20), sub(add(0x1, mload(0x60)), calldataload(0x20))))))
            mstore(0x260, q(calldataload(0x440)))
            mstore(0x280, q(mload(0x260)))
            mstore(0x0, add(mload(0x0), m(calldataload(0x4c0), sub(add(calldataload(0x20), mload(0x80)), sub(add(0x7fffffff80000001, mload(0x60)), s(mload(0x280), 0x7fffffff80000001))))))
            mstore(0x2a0, s(mload(0x280), 0xdfffffff20000001))
            mstore(0x280, add(mload(0x2a0), 0xdfffffff20000001))
            mstore(0x2c0, m(mload(0x260), mload(0x280)))
            mstore(0x2e0, add(mload(0x280), mload(0x2c0)))
            mstore(0x300, m(calldataload(0x440), mload(0x2e0)))
            mstore(0x320, add(mload(0x2e0), mload(0x300)))
            mstore(0x340, sub(add(0xdfffffff20000001, mload(0x60)), mload(0x2a0)))
            mstore(0x2a0, m(mload(0x340), s(mload(0x260), 0xfffeffff00000001)))
            mstore(0x260, sub(add(mload(0x340), mload(0x60)), mload(0x2a0)))
            mstore(0x360, m(mload(0x260), s(calldataload(0x440), 0xfffffffeff000001)))
            mstore(0x380, sub(add(mload(0x260), mload(0x60)), mload(0x360)))
            mstore(0x3a0, add(mload(0x320), mload(0x380)))
            mstore(0x3c0, add(mload(0x340), mload(0x2a0)))
            mstore(0x2a0, m(mload(0x3c0), s(calldataload(0x440), 0xfffffeff00000101)))
            mstore(0x340, sub(add(mload(0x280), mload(0x60)), mload(0x2c0)))
            mstore(0x2c0, m(mload(0x340), s(calldataload(0x440), 0xfffeffff00000001)))
            mstore(0x280, sub(add(add(add(add(add(add(add(mul(mload(0x320), 0x7), mul(add(mload(0x3c0), mload(0x2a0)), 0xb)), s(add(mload(0x340), mload(0x2c0)), 0x8000000000000000)), mul(add(mload(0x260), mload(0x360)), 0xd)), mul(sub(add(mload(0x2e0), mload(0x60)), mload(0x300)), 0x11)), mul(sub(add(mload(0x3c0), mload(0x60)), mload(0x2a0)), 0x13)), mul(sub(add(mload(0x340), mload(0x60)), mload(0x2c0)), 0x17)), mload(0xa0)), mload(0x380)))
            mstore(0x380, add(calldataload(0x140), mload(0x280)))
            mstore(0x2c0, m(mload(0x380), q(mload(0x380))))
            mstore(0x0, add(mload(0x0), m(calldataload(0x4e0), sub(add(calldataload(0x340), mload(0xc0)), add(m(mload(0x3a0), m(calldataload(0x160), m(mload(0x380), q(mload(0x2c0))))), mul(add(calldataload(0x140), calldataload(0x160)), 0x3))))))
            mstore(0x0, add(mload(0x0), m(calldataload(0x500), sub(add(calldataload(0x360), mload(0xa0)), sub(add(sub(add(calldataload(0x160), mload(0x60)), q(calldataload(0x140))), mload(0x60)), calldataload(0x0))))))
            mstore(0x2c0, add(calldataload(0x180), mload(0x280)))
            mstore(0x280, m(mload(0x2c0), q(mload(0x2c0))))
            mstore(0x0, add(mload(0x0), m(calldataload(0x520), sub(add(calldataload(0x380), mload(0xc0)), add(m(mload(0x3a0), m(calldataload(0x1a0), m(mload(0x2c0), q(mload(0x280))))), mul(add(calldataload(0x180), calldataload(0x1a0)), 0x3))))))
            mstore(0x0, add(mload(0x0), m(calldataload(0x540), sub(add(calldataload(0x3a0), mload(0xa0)), sub(add(sub(add(calldataload(0x1a0), mload(0x60)), q(calldataload(0x180))), mload(0x60)), calldataload(0x0))))))
            mstore(0x280, add(calldataload(0x80), m(calldataload(0x420), add(calldataload(0xa0), m(calldataload(0x420), add(calldataload(0xc0), m(calldataload(0x420), add(calldataload(0xe0), m(calldataload(0x420), add(calldataload(0x100), m(calldataload(0x120), calldataload(0x420))))))))))))
            mstore(0x0, add(mload(0x0), m(calldataload(0x560), sub(add(m(calldataload(0x1c0), sub(add(calldataload(0x400), mload(0x80)), add(calldataload(0x60), m(calldataload(0x420), mload(0x280))))), mload(0x60)), calldataload(0x40)))))
            mstore(0x0, add(mload(0x0), m(calldataload(0x580), sub(add(sub(add(calldataload(0x3e0), mload(0x60)), calldataload(0x1e0)), mload(0x60)), calldataload(0x1c0)))))
            mstore(0x20, add(mload(0x20), m(calldataload(0x5a0), calldataload(0x0))))
            mstore(0x20, add(mload(0x20), m(calldataload(0x5c0), calldataload(0x20))))
            mstore(0x40, add(mload(0x40), m(calldataload(0x5e0), add(calldataload(0x20), 0xffffffff00000000))))
            mstore(0x20, add(mload(0x20), m(calldataload(0x600), calldataload(0x1e0))))
            mstore(0x40, add(mload(0x40), m(calldataload(0x620), sub(add(calldataload(0x1e0), mload(0x60)), calldataload(0x460)))))
            mstore(0x00, r(mload(0x00)))
            mstore(0x20, r(mload(0x20)))
            mstore(0x40, r(mload(0x40)))
            return(0x00, 0x60)
        }
    }
}
