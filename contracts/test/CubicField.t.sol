// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import { CubicField } from "../src/CubicField.sol";

/// @notice The field's laws, on arbitrary elements. The products themselves are compared with the prover's field by the
/// tests of the evaluators.
contract CubicFieldTest {
    uint256 private constant ONE = 1;

    function _element(uint64 a, uint64 b, uint64 c) private pure returns (uint256) {
        return CubicField.pack(a, b, c);
    }

    function testFuzz_InverseTimesElementIsOne(uint64 a, uint64 b, uint64 c) external pure {
        uint256 x = _element(a, b, c);
        uint256 product = CubicField.mul(x, CubicField.inv(x));
        assert(product == (x == 0 ? 0 : ONE));
    }

    function testFuzz_ProductDistributes(uint64[3] calldata a, uint64[3] calldata b, uint64[3] calldata c)
        external
        pure
    {
        uint256 x = _element(a[0], a[1], a[2]);
        uint256 y = _element(b[0], b[1], b[2]);
        uint256 z = _element(c[0], c[1], c[2]);
        assert(CubicField.mul(x, y + z) == CubicField.reduce(CubicField.mul(x, y) + CubicField.mul(x, z)));
        assert(CubicField.mul(x, y) == CubicField.mul(y, x));
        assert(CubicField.mul(x, CubicField.mul(y, z)) == CubicField.mul(CubicField.mul(x, y), z));
        assert(CubicField.reduce(CubicField.sub(x, y) + y) == x);
    }

    function testFuzz_ScaleIsProductWithBaseElement(uint64[3] calldata a, uint64 k) external pure {
        uint256 x = _element(a[0], a[1], a[2]);
        assert(CubicField.scale(x, k) == CubicField.mul(x, uint256(k) % CubicField.P));
    }

    function testFuzz_DotIsSumOfProducts(uint64[3] calldata a, uint64[3] calldata b) external pure {
        uint256[3] memory x = [_element(a[0], a[1], a[2]), _element(b[0], b[1], b[2]), CubicField.P3 - 1 - (1 << 80)];
        uint256[3] memory y =
            [_element(b[1], a[0], b[2]), CubicField.reduce(CubicField.P3 - 1), _element(a[2], 1, b[0])];
        x[2] = CubicField.reduce(x[2]);
        uint256 sum = 0;
        for (uint256 i = 0; i < 3; ++i) {
            sum += CubicField.mul(x[i], y[i]);
        }
        uint256 left;
        uint256 right;
        assembly ("memory-safe") {
            left := x
            right := y
        }
        assert(CubicField.dot(left, right, 3) == CubicField.reduce(sum));
    }

    function test_TheGeneratorSatisfiesItsEquation() external pure {
        uint256 x = 1 << 80;
        uint256 cube = CubicField.mul(x, CubicField.mul(x, x));
        assert(cube == x + 1);
    }
}
