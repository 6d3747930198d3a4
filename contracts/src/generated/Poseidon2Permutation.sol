// SPDX-License-Identifier: MIT OR Apache-2.0
// Generated from the constants in `vm`. Do not edit: change the generator in `air` and generate again.
pragma solidity 0.8.37;

/// @title The Poseidon2 permutation over Goldilocks, width 8.
library Poseidon2Permutation {
    /// @notice Permutes the eight lanes at `state`. They must be below 2^64; the results are below 2^69 and not reduced.
    function permute(uint256[8] memory state) internal pure {
        assembly ("memory-safe") {
            let p := 0xffffffff00000001
            let s0 := mload(state)
            let s1 := mload(add(state, 0x20))
            let s2 := mload(add(state, 0x40))
            let s3 := mload(add(state, 0x60))
            let s4 := mload(add(state, 0x80))
            let s5 := mload(add(state, 0xa0))
            let s6 := mload(add(state, 0xc0))
            let s7 := mload(add(state, 0xe0))
            { let t0 := add(s0, s1) let t1 := add(s2, s3)
            let t2 := add(add(t0, t1), s1) let t3 := add(add(t0, t1), s3)
            s3 := add(t3, shl(1, s0)) s1 := add(t2, shl(1, s2))
            s0 := add(t2, t0) s2 := add(t3, t1) }
            { let t0 := add(s4, s5) let t1 := add(s6, s7)
            let t2 := add(add(t0, t1), s5) let t3 := add(add(t0, t1), s7)
            s7 := add(t3, shl(1, s4)) s5 := add(t2, shl(1, s6))
            s4 := add(t2, t0) s6 := add(t3, t1) }
            { let t := add(s0, s4) s0 := add(s0, t) s4 := add(s4, t) }
            { let t := add(s1, s5) s1 := add(s1, t) s5 := add(s5, t) }
            { let t := add(s2, s6) s2 := add(s2, t) s6 := add(s6, t) }
            { let t := add(s3, s7) s3 := add(s3, t) s7 := add(s7, t) }
            { let x := add(s0, 0xdd5743e7f2a5a5d9) let y := mulmod(x, x, p) s0 := mulmod(mul(x, y), mul(y, y), p) }
            { let x := add(s1, 0xcb3a864e58ada44b) let y := mulmod(x, x, p) s1 := mulmod(mul(x, y), mul(y, y), p) }
            { let x := add(s2, 0xffa2449ed32f8cdc) let y := mulmod(x, x, p) s2 := mulmod(mul(x, y), mul(y, y), p) }
            { let x := add(s3, 0x42025f65d6bd13ee) let y := mulmod(x, x, p) s3 := mulmod(mul(x, y), mul(y, y), p) }
            { let x := add(s4, 0x7889175e25506323) let y := mulmod(x, x, p) s4 := mulmod(mul(x, y), mul(y, y), p) }
            { let x := add(s5, 0x34b98bb03d24b737) let y := mulmod(x, x, p) s5 := mulmod(mul(x, y), mul(y, y), p) }
            { let x := add(s6, 0xbdcc535ecc4faa2a) let y := mulmod(x, x, p) s6 := mulmod(mul(x, y), mul(y, y), p) }
            { let x := add(s7, 0x5b20ad869fc0d033) let y := mulmod(x, x, p) s7 := mulmod(mul(x, y), mul(y, y), p) }
            { let t0 := add(s0, s1) let t1 := add(s2, s3)
            let t2 := add(add(t0, t1), s1) let t3 := add(add(t0, t1), s3)
            s3 := add(t3, shl(1, s0)) s1 := add(t2, shl(1, s2))
            s0 := add(t2, t0) s2 := add(t3, t1) }
            { let t0 := add(s4, s5) let t1 := add(s6, s7)
            let t2 := add(add(t0, t1), s5) let t3 := add(add(t0, t1), s7)
            s7 := add(t3, shl(1, s4)) s5 := add(t2, shl(1, s6))
            s4 := add(t2, t0) s6 := add(t3, t1) }
            { let t := add(s0, s4) s0 := add(s0, t) s4 := add(s4, t) }
            { let t := add(s1, s5) s1 := add(s1, t) s5 := add(s5, t) }
            { let t := add(s2, s6) s2 := add(s2, t) s6 := add(s6, t) }
            { let t := add(s3, s7) s3 := add(s3, t) s7 := add(s7, t) }
            { let x := add(s0, 0xf1dda5b9259dfcb4) let y := mulmod(x, x, p) s0 := mulmod(mul(x, y), mul(y, y), p) }
            { let x := add(s1, 0x27515210be112d59) let y := mulmod(x, x, p) s1 := mulmod(mul(x, y), mul(y, y), p) }
            { let x := add(s2, 0x4227d1718c766c3f) let y := mulmod(x, x, p) s2 := mulmod(mul(x, y), mul(y, y), p) }
            { let x := add(s3, 0x26d333161a5bd794) let y := mulmod(x, x, p) s3 := mulmod(mul(x, y), mul(y, y), p) }
            { let x := add(s4, 0x49b938957bf4b026) let y := mulmod(x, x, p) s4 := mulmod(mul(x, y), mul(y, y), p) }
            { let x := add(s5, 0x4a56b5938b213669) let y := mulmod(x, x, p) s5 := mulmod(mul(x, y), mul(y, y), p) }
            { let x := add(s6, 0x1120426b48c8353d) let y := mulmod(x, x, p) s6 := mulmod(mul(x, y), mul(y, y), p) }
            { let x := add(s7, 0x6b323c3f10a56cad) let y := mulmod(x, x, p) s7 := mulmod(mul(x, y), mul(y, y), p) }
            { let t0 := add(s0, s1) let t1 := add(s2, s3)
            let t2 := add(add(t0, t1), s1) let t3 := add(add(t0, t1), s3)
            s3 := add(t3, shl(1, s0)) s1 := add(t2, shl(1, s2))
            s0 := add(t2, t0) s2 := add(t3, t1) }
            { let t0 := add(s4, s5) let t1 := add(s6, s7)
            let t2 := add(add(t0, t1), s5) let t3 := add(add(t0, t1), s7)
            s7 := add(t3, shl(1, s4)) s5 := add(t2, shl(1, s6))
            s4 := add(t2, t0) s6 := add(t3, t1) }
            { let t := add(s0, s4) s0 := add(s0, t) s4 := add(s4, t) }
            { let t := add(s1, s5) s1 := add(s1, t) s5 := add(s5, t) }
            { let t := add(s2, s6) s2 := add(s2, t) s6 := add(s6, t) }
            { let t := add(s3, s7) s3 := add(s3, t) s7 := add(s7, t) }
            { let x := add(s0, 0xce57d6245ddca6b2) let y := mulmod(x, x, p) s0 := mulmod(mul(x, y), mul(y, y), p) }
            { let x := add(s1, 0xb1fc8d402bba1eb1) let y := mulmod(x, x, p) s1 := mulmod(mul(x, y), mul(y, y), p) }
            { let x := add(s2, 0xb5c5096ca959bd04) let y := mulmod(x, x, p) s2 := mulmod(mul(x, y), mul(y, y), p) }
            { let x := add(s3, 0x6db55cd306d31f7f) let y := mulmod(x, x, p) s3 := mulmod(mul(x, y), mul(y, y), p) }
            { let x := add(s4, 0xc49d293a81cb9641) let y := mulmod(x, x, p) s4 := mulmod(mul(x, y), mul(y, y), p) }
            { let x := add(s5, 0x1ce55a4fe979719f) let y := mulmod(x, x, p) s5 := mulmod(mul(x, y), mul(y, y), p) }
            { let x := add(s6, 0xa92e60a9d178a4d1) let y := mulmod(x, x, p) s6 := mulmod(mul(x, y), mul(y, y), p) }
            { let x := add(s7, 0x2cc64973bcfd8c) let y := mulmod(x, x, p) s7 := mulmod(mul(x, y), mul(y, y), p) }
            { let t0 := add(s0, s1) let t1 := add(s2, s3)
            let t2 := add(add(t0, t1), s1) let t3 := add(add(t0, t1), s3)
            s3 := add(t3, shl(1, s0)) s1 := add(t2, shl(1, s2))
            s0 := add(t2, t0) s2 := add(t3, t1) }
            { let t0 := add(s4, s5) let t1 := add(s6, s7)
            let t2 := add(add(t0, t1), s5) let t3 := add(add(t0, t1), s7)
            s7 := add(t3, shl(1, s4)) s5 := add(t2, shl(1, s6))
            s4 := add(t2, t0) s6 := add(t3, t1) }
            { let t := add(s0, s4) s0 := add(s0, t) s4 := add(s4, t) }
            { let t := add(s1, s5) s1 := add(s1, t) s5 := add(s5, t) }
            { let t := add(s2, s6) s2 := add(s2, t) s6 := add(s6, t) }
            { let t := add(s3, s7) s3 := add(s3, t) s7 := add(s7, t) }
            { let x := add(s0, 0xcea721cce82fb11b) let y := mulmod(x, x, p) s0 := mulmod(mul(x, y), mul(y, y), p) }
            { let x := add(s1, 0xe5b55eb8098ece81) let y := mulmod(x, x, p) s1 := mulmod(mul(x, y), mul(y, y), p) }
            { let x := add(s2, 0x4e30525c6f1ddd66) let y := mulmod(x, x, p) s2 := mulmod(mul(x, y), mul(y, y), p) }
            { let x := add(s3, 0x43c6702827070987) let y := mulmod(x, x, p) s3 := mulmod(mul(x, y), mul(y, y), p) }
            { let x := add(s4, 0xaca68430a7b5762a) let y := mulmod(x, x, p) s4 := mulmod(mul(x, y), mul(y, y), p) }
            { let x := add(s5, 0x3674238634df9c93) let y := mulmod(x, x, p) s5 := mulmod(mul(x, y), mul(y, y), p) }
            { let x := add(s6, 0x88cee1c825e33433) let y := mulmod(x, x, p) s6 := mulmod(mul(x, y), mul(y, y), p) }
            { let x := add(s7, 0xde99ae8d74b57176) let y := mulmod(x, x, p) s7 := mulmod(mul(x, y), mul(y, y), p) }
            { let t0 := add(s0, s1) let t1 := add(s2, s3)
            let t2 := add(add(t0, t1), s1) let t3 := add(add(t0, t1), s3)
            s3 := add(t3, shl(1, s0)) s1 := add(t2, shl(1, s2))
            s0 := add(t2, t0) s2 := add(t3, t1) }
            { let t0 := add(s4, s5) let t1 := add(s6, s7)
            let t2 := add(add(t0, t1), s5) let t3 := add(add(t0, t1), s7)
            s7 := add(t3, shl(1, s4)) s5 := add(t2, shl(1, s6))
            s4 := add(t2, t0) s6 := add(t3, t1) }
            { let t := add(s0, s4) s0 := add(s0, t) s4 := add(s4, t) }
            { let t := add(s1, s5) s1 := add(s1, t) s5 := add(s5, t) }
            { let t := add(s2, s6) s2 := add(s2, t) s6 := add(s6, t) }
            { let t := add(s3, s7) s3 := add(s3, t) s7 := add(s7, t) }
            { let x := add(s0, 0x488897d85ff51f56) let y := mulmod(x, x, p) s0 := mulmod(mul(x, y), mul(y, y), p) }
            { let t := add(add(add(s1, s2), add(s3, s4)), add(add(s5, s6), s7))
            let r := add(t, s0)
            s0 := add(t, sub(p, s0))
            s1 := add(r, s1)
            s2 := add(r, shl(1, s2))
            s4 := add(r, add(s4, shl(1, s4)))
            s3 := add(r, mulmod(s3, 0x7fffffff80000001, p))
            s5 := add(r, mulmod(s5, 0x7fffffff80000000, p))
            s6 := add(r, mulmod(s6, 0xfffffffefffffffe, p))
            s7 := add(r, mulmod(s7, 0xfffffffefffffffd, p))
            }
            { let x := add(s0, 0x1140737ccb162218) let y := mulmod(x, x, p) s0 := mulmod(mul(x, y), mul(y, y), p) }
            { let t := add(add(add(s1, s2), add(s3, s4)), add(add(s5, s6), s7))
            let r := add(t, s0)
            s0 := add(t, sub(p, s0))
            s1 := add(r, s1)
            s2 := add(r, shl(1, s2))
            s4 := add(r, add(s4, shl(1, s4)))
            s3 := add(r, mulmod(s3, 0x7fffffff80000001, p))
            s5 := add(r, mulmod(s5, 0x7fffffff80000000, p))
            s6 := add(r, mulmod(s6, 0xfffffffefffffffe, p))
            s7 := add(r, mulmod(s7, 0xfffffffefffffffd, p))
            }
            { let x := add(s0, 0xa7eeb9215866ed35) let y := mulmod(x, x, p) s0 := mulmod(mul(x, y), mul(y, y), p) }
            { let t := add(add(add(s1, s2), add(s3, s4)), add(add(s5, s6), s7))
            let r := add(t, s0)
            s0 := add(t, sub(p, s0))
            s1 := add(r, s1)
            s2 := add(r, shl(1, s2))
            s4 := add(r, add(s4, shl(1, s4)))
            s3 := add(r, mulmod(s3, 0x7fffffff80000001, p))
            s5 := add(r, mulmod(s5, 0x7fffffff80000000, p))
            s6 := add(r, mulmod(s6, 0xfffffffefffffffe, p))
            s7 := add(r, mulmod(s7, 0xfffffffefffffffd, p))
            }
            { let x := add(s0, 0x9bd2976fee49fcc9) let y := mulmod(x, x, p) s0 := mulmod(mul(x, y), mul(y, y), p) }
            { let t := add(add(add(s1, s2), add(s3, s4)), add(add(s5, s6), s7))
            let r := add(t, s0)
            s0 := add(t, sub(p, s0))
            s1 := add(r, s1)
            s2 := add(r, shl(1, s2))
            s4 := add(r, add(s4, shl(1, s4)))
            s3 := add(r, mulmod(s3, 0x7fffffff80000001, p))
            s5 := add(r, mulmod(s5, 0x7fffffff80000000, p))
            s6 := add(r, mulmod(s6, 0xfffffffefffffffe, p))
            s7 := add(r, mulmod(s7, 0xfffffffefffffffd, p))
            }
            { let x := add(s0, 0xc0c8f0de580a3fcc) let y := mulmod(x, x, p) s0 := mulmod(mul(x, y), mul(y, y), p) }
            { let t := add(add(add(s1, s2), add(s3, s4)), add(add(s5, s6), s7))
            let r := add(t, s0)
            s0 := add(t, sub(p, s0))
            s1 := add(r, s1)
            s2 := add(r, shl(1, s2))
            s4 := add(r, add(s4, shl(1, s4)))
            s3 := add(r, mulmod(s3, 0x7fffffff80000001, p))
            s5 := add(r, mulmod(s5, 0x7fffffff80000000, p))
            s6 := add(r, mulmod(s6, 0xfffffffefffffffe, p))
            s7 := add(r, mulmod(s7, 0xfffffffefffffffd, p))
            }
            { let x := add(s0, 0x4fb2dae6ee8fc793) let y := mulmod(x, x, p) s0 := mulmod(mul(x, y), mul(y, y), p) }
            { let t := add(add(add(s1, s2), add(s3, s4)), add(add(s5, s6), s7))
            let r := add(t, s0)
            s0 := add(t, sub(p, s0))
            s1 := add(r, s1)
            s2 := add(r, shl(1, s2))
            s4 := add(r, add(s4, shl(1, s4)))
            s3 := add(r, mulmod(s3, 0x7fffffff80000001, p))
            s5 := add(r, mulmod(s5, 0x7fffffff80000000, p))
            s6 := add(r, mulmod(s6, 0xfffffffefffffffe, p))
            s7 := add(r, mulmod(s7, 0xfffffffefffffffd, p))
            }
            { let x := add(s0, 0x343a89f35f37395b) let y := mulmod(x, x, p) s0 := mulmod(mul(x, y), mul(y, y), p) }
            { let t := add(add(add(s1, s2), add(s3, s4)), add(add(s5, s6), s7))
            let r := add(t, s0)
            s0 := add(t, sub(p, s0))
            s1 := add(r, s1)
            s2 := add(r, shl(1, s2))
            s4 := add(r, add(s4, shl(1, s4)))
            s3 := add(r, mulmod(s3, 0x7fffffff80000001, p))
            s5 := add(r, mulmod(s5, 0x7fffffff80000000, p))
            s6 := add(r, mulmod(s6, 0xfffffffefffffffe, p))
            s7 := add(r, mulmod(s7, 0xfffffffefffffffd, p))
            }
            { let x := add(s0, 0x223b525a77ca72c8) let y := mulmod(x, x, p) s0 := mulmod(mul(x, y), mul(y, y), p) }
            { let t := add(add(add(s1, s2), add(s3, s4)), add(add(s5, s6), s7))
            let r := add(t, s0)
            s0 := add(t, sub(p, s0))
            s1 := add(r, s1)
            s2 := add(r, shl(1, s2))
            s4 := add(r, add(s4, shl(1, s4)))
            s3 := add(r, mulmod(s3, 0x7fffffff80000001, p))
            s5 := add(r, mulmod(s5, 0x7fffffff80000000, p))
            s6 := add(r, mulmod(s6, 0xfffffffefffffffe, p))
            s7 := add(r, mulmod(s7, 0xfffffffefffffffd, p))
            }
            { let x := add(s0, 0x56ccb62574aaa918) let y := mulmod(x, x, p) s0 := mulmod(mul(x, y), mul(y, y), p) }
            { let t := add(add(add(s1, s2), add(s3, s4)), add(add(s5, s6), s7))
            let r := add(t, s0)
            s0 := add(t, sub(p, s0))
            s1 := add(r, s1)
            s2 := add(r, shl(1, s2))
            s4 := add(r, add(s4, shl(1, s4)))
            s3 := add(r, mulmod(s3, 0x7fffffff80000001, p))
            s5 := add(r, mulmod(s5, 0x7fffffff80000000, p))
            s6 := add(r, mulmod(s6, 0xfffffffefffffffe, p))
            s7 := add(r, mulmod(s7, 0xfffffffefffffffd, p))
            }
            { let x := add(s0, 0xc4d507d8027af9ed) let y := mulmod(x, x, p) s0 := mulmod(mul(x, y), mul(y, y), p) }
            { let t := add(add(add(s1, s2), add(s3, s4)), add(add(s5, s6), s7))
            let r := add(t, s0)
            s0 := add(t, sub(p, s0))
            s1 := add(r, s1)
            s2 := add(r, shl(1, s2))
            s4 := add(r, add(s4, shl(1, s4)))
            s3 := add(r, mulmod(s3, 0x7fffffff80000001, p))
            s5 := add(r, mulmod(s5, 0x7fffffff80000000, p))
            s6 := add(r, mulmod(s6, 0xfffffffefffffffe, p))
            s7 := add(r, mulmod(s7, 0xfffffffefffffffd, p))
            }
            { let x := add(s0, 0xa080673cf0b7e95c) let y := mulmod(x, x, p) s0 := mulmod(mul(x, y), mul(y, y), p) }
            { let t := add(add(add(s1, s2), add(s3, s4)), add(add(s5, s6), s7))
            let r := add(t, s0)
            s0 := add(t, sub(p, s0))
            s1 := add(r, s1)
            s2 := add(r, shl(1, s2))
            s4 := add(r, add(s4, shl(1, s4)))
            s3 := add(r, mulmod(s3, 0x7fffffff80000001, p))
            s5 := add(r, mulmod(s5, 0x7fffffff80000000, p))
            s6 := add(r, mulmod(s6, 0xfffffffefffffffe, p))
            s7 := add(r, mulmod(s7, 0xfffffffefffffffd, p))
            }
            { let x := add(s0, 0xf0184884eb70dcf8) let y := mulmod(x, x, p) s0 := mulmod(mul(x, y), mul(y, y), p) }
            { let t := add(add(add(s1, s2), add(s3, s4)), add(add(s5, s6), s7))
            let r := add(t, s0)
            s0 := add(t, sub(p, s0))
            s1 := add(r, s1)
            s2 := add(r, shl(1, s2))
            s4 := add(r, add(s4, shl(1, s4)))
            s3 := add(r, mulmod(s3, 0x7fffffff80000001, p))
            s5 := add(r, mulmod(s5, 0x7fffffff80000000, p))
            s6 := add(r, mulmod(s6, 0xfffffffefffffffe, p))
            s7 := add(r, mulmod(s7, 0xfffffffefffffffd, p))
            }
            { let x := add(s0, 0x44f10b0cb3d5c69) let y := mulmod(x, x, p) s0 := mulmod(mul(x, y), mul(y, y), p) }
            { let t := add(add(add(s1, s2), add(s3, s4)), add(add(s5, s6), s7))
            let r := add(t, s0)
            s0 := add(t, sub(p, s0))
            s1 := add(r, s1)
            s2 := add(r, shl(1, s2))
            s4 := add(r, add(s4, shl(1, s4)))
            s3 := add(r, mulmod(s3, 0x7fffffff80000001, p))
            s5 := add(r, mulmod(s5, 0x7fffffff80000000, p))
            s6 := add(r, mulmod(s6, 0xfffffffefffffffe, p))
            s7 := add(r, mulmod(s7, 0xfffffffefffffffd, p))
            }
            { let x := add(s0, 0xe9e3f7993938f186) let y := mulmod(x, x, p) s0 := mulmod(mul(x, y), mul(y, y), p) }
            { let t := add(add(add(s1, s2), add(s3, s4)), add(add(s5, s6), s7))
            let r := add(t, s0)
            s0 := add(t, sub(p, s0))
            s1 := add(r, s1)
            s2 := add(r, shl(1, s2))
            s4 := add(r, add(s4, shl(1, s4)))
            s3 := add(r, mulmod(s3, 0x7fffffff80000001, p))
            s5 := add(r, mulmod(s5, 0x7fffffff80000000, p))
            s6 := add(r, mulmod(s6, 0xfffffffefffffffe, p))
            s7 := add(r, mulmod(s7, 0xfffffffefffffffd, p))
            }
            { let x := add(s0, 0x1b761c80e772f459) let y := mulmod(x, x, p) s0 := mulmod(mul(x, y), mul(y, y), p) }
            { let t := add(add(add(s1, s2), add(s3, s4)), add(add(s5, s6), s7))
            let r := add(t, s0)
            s0 := add(t, sub(p, s0))
            s1 := add(r, s1)
            s2 := add(r, shl(1, s2))
            s4 := add(r, add(s4, shl(1, s4)))
            s3 := add(r, mulmod(s3, 0x7fffffff80000001, p))
            s5 := add(r, mulmod(s5, 0x7fffffff80000000, p))
            s6 := add(r, mulmod(s6, 0xfffffffefffffffe, p))
            s7 := add(r, mulmod(s7, 0xfffffffefffffffd, p))
            }
            { let x := add(s0, 0x606cec607a1b5fac) let y := mulmod(x, x, p) s0 := mulmod(mul(x, y), mul(y, y), p) }
            { let t := add(add(add(s1, s2), add(s3, s4)), add(add(s5, s6), s7))
            let r := add(t, s0)
            s0 := add(t, sub(p, s0))
            s1 := add(r, s1)
            s2 := add(r, shl(1, s2))
            s4 := add(r, add(s4, shl(1, s4)))
            s3 := add(r, mulmod(s3, 0x7fffffff80000001, p))
            s5 := add(r, mulmod(s5, 0x7fffffff80000000, p))
            s6 := add(r, mulmod(s6, 0xfffffffefffffffe, p))
            s7 := add(r, mulmod(s7, 0xfffffffefffffffd, p))
            }
            { let x := add(s0, 0x14a0c2e1d45f03cd) let y := mulmod(x, x, p) s0 := mulmod(mul(x, y), mul(y, y), p) }
            { let t := add(add(add(s1, s2), add(s3, s4)), add(add(s5, s6), s7))
            let r := add(t, s0)
            s0 := add(t, sub(p, s0))
            s1 := add(r, s1)
            s2 := add(r, shl(1, s2))
            s4 := add(r, add(s4, shl(1, s4)))
            s3 := add(r, mulmod(s3, 0x7fffffff80000001, p))
            s5 := add(r, mulmod(s5, 0x7fffffff80000000, p))
            s6 := add(r, mulmod(s6, 0xfffffffefffffffe, p))
            s7 := add(r, mulmod(s7, 0xfffffffefffffffd, p))
            }
            { let x := add(s0, 0x4eace8855398574f) let y := mulmod(x, x, p) s0 := mulmod(mul(x, y), mul(y, y), p) }
            { let t := add(add(add(s1, s2), add(s3, s4)), add(add(s5, s6), s7))
            let r := add(t, s0)
            s0 := add(t, sub(p, s0))
            s1 := add(r, s1)
            s2 := add(r, shl(1, s2))
            s4 := add(r, add(s4, shl(1, s4)))
            s3 := add(r, mulmod(s3, 0x7fffffff80000001, p))
            s5 := add(r, mulmod(s5, 0x7fffffff80000000, p))
            s6 := add(r, mulmod(s6, 0xfffffffefffffffe, p))
            s7 := add(r, mulmod(s7, 0xfffffffefffffffd, p))
            }
            { let x := add(s0, 0xf905ca7103eff3e6) let y := mulmod(x, x, p) s0 := mulmod(mul(x, y), mul(y, y), p) }
            { let t := add(add(add(s1, s2), add(s3, s4)), add(add(s5, s6), s7))
            let r := add(t, s0)
            s0 := add(t, sub(p, s0))
            s1 := add(r, s1)
            s2 := add(r, shl(1, s2))
            s4 := add(r, add(s4, shl(1, s4)))
            s3 := add(r, mulmod(s3, 0x7fffffff80000001, p))
            s5 := add(r, mulmod(s5, 0x7fffffff80000000, p))
            s6 := add(r, mulmod(s6, 0xfffffffefffffffe, p))
            s7 := add(r, mulmod(s7, 0xfffffffefffffffd, p))
            }
            { let x := add(s0, 0xf8c8f8d20862c059) let y := mulmod(x, x, p) s0 := mulmod(mul(x, y), mul(y, y), p) }
            { let t := add(add(add(s1, s2), add(s3, s4)), add(add(s5, s6), s7))
            let r := add(t, s0)
            s0 := add(t, sub(p, s0))
            s1 := add(r, s1)
            s2 := add(r, shl(1, s2))
            s4 := add(r, add(s4, shl(1, s4)))
            s3 := add(r, mulmod(s3, 0x7fffffff80000001, p))
            s5 := add(r, mulmod(s5, 0x7fffffff80000000, p))
            s6 := add(r, mulmod(s6, 0xfffffffefffffffe, p))
            s7 := add(r, mulmod(s7, 0xfffffffefffffffd, p))
            }
            { let x := add(s0, 0xb524fe8bdd678e5a) let y := mulmod(x, x, p) s0 := mulmod(mul(x, y), mul(y, y), p) }
            { let t := add(add(add(s1, s2), add(s3, s4)), add(add(s5, s6), s7))
            let r := add(t, s0)
            s0 := add(t, sub(p, s0))
            s1 := add(r, s1)
            s2 := add(r, shl(1, s2))
            s4 := add(r, add(s4, shl(1, s4)))
            s3 := add(r, mulmod(s3, 0x7fffffff80000001, p))
            s5 := add(r, mulmod(s5, 0x7fffffff80000000, p))
            s6 := add(r, mulmod(s6, 0xfffffffefffffffe, p))
            s7 := add(r, mulmod(s7, 0xfffffffefffffffd, p))
            }
            { let x := add(s0, 0xfbb7865901a1ec41) let y := mulmod(x, x, p) s0 := mulmod(mul(x, y), mul(y, y), p) }
            { let t := add(add(add(s1, s2), add(s3, s4)), add(add(s5, s6), s7))
            let r := add(t, s0)
            s0 := add(t, sub(p, s0))
            s1 := add(r, s1)
            s2 := add(r, shl(1, s2))
            s4 := add(r, add(s4, shl(1, s4)))
            s3 := add(r, mulmod(s3, 0x7fffffff80000001, p))
            s5 := add(r, mulmod(s5, 0x7fffffff80000000, p))
            s6 := add(r, mulmod(s6, 0xfffffffefffffffe, p))
            s7 := add(r, mulmod(s7, 0xfffffffefffffffd, p))
            }
            { let x := add(s0, 0x14ef1197d341346) let y := mulmod(x, x, p) s0 := mulmod(mul(x, y), mul(y, y), p) }
            { let x := add(s1, 0x9725e20825d07394) let y := mulmod(x, x, p) s1 := mulmod(mul(x, y), mul(y, y), p) }
            { let x := add(s2, 0xfdb25aef2c5bae3b) let y := mulmod(x, x, p) s2 := mulmod(mul(x, y), mul(y, y), p) }
            { let x := add(s3, 0xbe5402dc598c971e) let y := mulmod(x, x, p) s3 := mulmod(mul(x, y), mul(y, y), p) }
            { let x := add(s4, 0x93a5711f04cdca3d) let y := mulmod(x, x, p) s4 := mulmod(mul(x, y), mul(y, y), p) }
            { let x := add(s5, 0xc45a9a5b2f8fb97b) let y := mulmod(x, x, p) s5 := mulmod(mul(x, y), mul(y, y), p) }
            { let x := add(s6, 0xfe8946a924933545) let y := mulmod(x, x, p) s6 := mulmod(mul(x, y), mul(y, y), p) }
            { let x := add(s7, 0x2af997a27369091c) let y := mulmod(x, x, p) s7 := mulmod(mul(x, y), mul(y, y), p) }
            { let t0 := add(s0, s1) let t1 := add(s2, s3)
            let t2 := add(add(t0, t1), s1) let t3 := add(add(t0, t1), s3)
            s3 := add(t3, shl(1, s0)) s1 := add(t2, shl(1, s2))
            s0 := add(t2, t0) s2 := add(t3, t1) }
            { let t0 := add(s4, s5) let t1 := add(s6, s7)
            let t2 := add(add(t0, t1), s5) let t3 := add(add(t0, t1), s7)
            s7 := add(t3, shl(1, s4)) s5 := add(t2, shl(1, s6))
            s4 := add(t2, t0) s6 := add(t3, t1) }
            { let t := add(s0, s4) s0 := add(s0, t) s4 := add(s4, t) }
            { let t := add(s1, s5) s1 := add(s1, t) s5 := add(s5, t) }
            { let t := add(s2, s6) s2 := add(s2, t) s6 := add(s6, t) }
            { let t := add(s3, s7) s3 := add(s3, t) s7 := add(s7, t) }
            { let x := add(s0, 0xaa62c88e0b294011) let y := mulmod(x, x, p) s0 := mulmod(mul(x, y), mul(y, y), p) }
            { let x := add(s1, 0x58eb9d810ce9f74) let y := mulmod(x, x, p) s1 := mulmod(mul(x, y), mul(y, y), p) }
            { let x := add(s2, 0xb3cb23eced349ae4) let y := mulmod(x, x, p) s2 := mulmod(mul(x, y), mul(y, y), p) }
            { let x := add(s3, 0xa3648177a77b4a84) let y := mulmod(x, x, p) s3 := mulmod(mul(x, y), mul(y, y), p) }
            { let x := add(s4, 0x43153d905992d95d) let y := mulmod(x, x, p) s4 := mulmod(mul(x, y), mul(y, y), p) }
            { let x := add(s5, 0xf4e2a97cda44aa4b) let y := mulmod(x, x, p) s5 := mulmod(mul(x, y), mul(y, y), p) }
            { let x := add(s6, 0x5baa2702b908682f) let y := mulmod(x, x, p) s6 := mulmod(mul(x, y), mul(y, y), p) }
            { let x := add(s7, 0x82923bdf4f750d1) let y := mulmod(x, x, p) s7 := mulmod(mul(x, y), mul(y, y), p) }
            { let t0 := add(s0, s1) let t1 := add(s2, s3)
            let t2 := add(add(t0, t1), s1) let t3 := add(add(t0, t1), s3)
            s3 := add(t3, shl(1, s0)) s1 := add(t2, shl(1, s2))
            s0 := add(t2, t0) s2 := add(t3, t1) }
            { let t0 := add(s4, s5) let t1 := add(s6, s7)
            let t2 := add(add(t0, t1), s5) let t3 := add(add(t0, t1), s7)
            s7 := add(t3, shl(1, s4)) s5 := add(t2, shl(1, s6))
            s4 := add(t2, t0) s6 := add(t3, t1) }
            { let t := add(s0, s4) s0 := add(s0, t) s4 := add(s4, t) }
            { let t := add(s1, s5) s1 := add(s1, t) s5 := add(s5, t) }
            { let t := add(s2, s6) s2 := add(s2, t) s6 := add(s6, t) }
            { let t := add(s3, s7) s3 := add(s3, t) s7 := add(s7, t) }
            { let x := add(s0, 0x98ae09a325893803) let y := mulmod(x, x, p) s0 := mulmod(mul(x, y), mul(y, y), p) }
            { let x := add(s1, 0xf8a6475077968838) let y := mulmod(x, x, p) s1 := mulmod(mul(x, y), mul(y, y), p) }
            { let x := add(s2, 0xceb0735bf00b2c5f) let y := mulmod(x, x, p) s2 := mulmod(mul(x, y), mul(y, y), p) }
            { let x := add(s3, 0xa1a5d953888e072) let y := mulmod(x, x, p) s3 := mulmod(mul(x, y), mul(y, y), p) }
            { let x := add(s4, 0x2fcb190489f94475) let y := mulmod(x, x, p) s4 := mulmod(mul(x, y), mul(y, y), p) }
            { let x := add(s5, 0xb5be06270dec69fc) let y := mulmod(x, x, p) s5 := mulmod(mul(x, y), mul(y, y), p) }
            { let x := add(s6, 0x739cb934b09acf8b) let y := mulmod(x, x, p) s6 := mulmod(mul(x, y), mul(y, y), p) }
            { let x := add(s7, 0x537750b75ec7f25b) let y := mulmod(x, x, p) s7 := mulmod(mul(x, y), mul(y, y), p) }
            { let t0 := add(s0, s1) let t1 := add(s2, s3)
            let t2 := add(add(t0, t1), s1) let t3 := add(add(t0, t1), s3)
            s3 := add(t3, shl(1, s0)) s1 := add(t2, shl(1, s2))
            s0 := add(t2, t0) s2 := add(t3, t1) }
            { let t0 := add(s4, s5) let t1 := add(s6, s7)
            let t2 := add(add(t0, t1), s5) let t3 := add(add(t0, t1), s7)
            s7 := add(t3, shl(1, s4)) s5 := add(t2, shl(1, s6))
            s4 := add(t2, t0) s6 := add(t3, t1) }
            { let t := add(s0, s4) s0 := add(s0, t) s4 := add(s4, t) }
            { let t := add(s1, s5) s1 := add(s1, t) s5 := add(s5, t) }
            { let t := add(s2, s6) s2 := add(s2, t) s6 := add(s6, t) }
            { let t := add(s3, s7) s3 := add(s3, t) s7 := add(s7, t) }
            { let x := add(s0, 0xe9dd318bae1f3961) let y := mulmod(x, x, p) s0 := mulmod(mul(x, y), mul(y, y), p) }
            { let x := add(s1, 0xf7462137299efe1a) let y := mulmod(x, x, p) s1 := mulmod(mul(x, y), mul(y, y), p) }
            { let x := add(s2, 0xb1f6b8eee9adb940) let y := mulmod(x, x, p) s2 := mulmod(mul(x, y), mul(y, y), p) }
            { let x := add(s3, 0xbdebcc8a809dfe6b) let y := mulmod(x, x, p) s3 := mulmod(mul(x, y), mul(y, y), p) }
            { let x := add(s4, 0x40fc1f791b178113) let y := mulmod(x, x, p) s4 := mulmod(mul(x, y), mul(y, y), p) }
            { let x := add(s5, 0x3ac1c3362d014864) let y := mulmod(x, x, p) s5 := mulmod(mul(x, y), mul(y, y), p) }
            { let x := add(s6, 0x9a016184bdb8aeba) let y := mulmod(x, x, p) s6 := mulmod(mul(x, y), mul(y, y), p) }
            { let x := add(s7, 0x95f2394459fbc25e) let y := mulmod(x, x, p) s7 := mulmod(mul(x, y), mul(y, y), p) }
            { let t0 := add(s0, s1) let t1 := add(s2, s3)
            let t2 := add(add(t0, t1), s1) let t3 := add(add(t0, t1), s3)
            s3 := add(t3, shl(1, s0)) s1 := add(t2, shl(1, s2))
            s0 := add(t2, t0) s2 := add(t3, t1) }
            { let t0 := add(s4, s5) let t1 := add(s6, s7)
            let t2 := add(add(t0, t1), s5) let t3 := add(add(t0, t1), s7)
            s7 := add(t3, shl(1, s4)) s5 := add(t2, shl(1, s6))
            s4 := add(t2, t0) s6 := add(t3, t1) }
            { let t := add(s0, s4) s0 := add(s0, t) s4 := add(s4, t) }
            { let t := add(s1, s5) s1 := add(s1, t) s5 := add(s5, t) }
            { let t := add(s2, s6) s2 := add(s2, t) s6 := add(s6, t) }
            { let t := add(s3, s7) s3 := add(s3, t) s7 := add(s7, t) }
            mstore(state, s0)
            mstore(add(state, 0x20), s1)
            mstore(add(state, 0x40), s2)
            mstore(add(state, 0x60), s3)
            mstore(add(state, 0x80), s4)
            mstore(add(state, 0xa0), s5)
            mstore(add(state, 0xc0), s6)
            mstore(add(state, 0xe0), s7)
        }
    }
}
