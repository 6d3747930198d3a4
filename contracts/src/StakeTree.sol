// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

/// @title Stakes that count from an epoch on, and a draw in proportion to them.
/// @notice A tree with four children a node. A node is one word: the sums below its four children, the epoch from which
/// they hold, and the epoch of the version before, which is kept. A draw in an epoch reads a version that no later change can
/// touch; its cost does not depend on how many validators there are.
library StakeTree {
    /// @notice No leaf has this number.
    error StakeTree__Index(uint256 index);
    /// @notice A weight does not fit.
    error StakeTree__Weight(uint256 weight);

    uint256 private constant SUM_BITS = 48;
    uint256 private constant SUM = (1 << SUM_BITS) - 1;
    uint256 private constant EPOCH_BITS = 32;
    uint256 private constant EPOCH = (1 << EPOCH_BITS) - 1;
    uint256 private constant EPOCH_AT = 4 * SUM_BITS;
    uint256 private constant BEFORE_AT = EPOCH_AT + EPOCH_BITS;
    /// @notice Levels of nodes; the lowest ones' sums are the leaves.
    uint256 private constant LEVELS = 8;
    /// @notice How many leaves there are.
    uint256 internal constant LEAVES = 1 << (2 * LEVELS);

    /// @notice A tree. Nodes are numbered from 1, the children of node n from 4 n - 2.
    struct Tree {
        mapping(uint256 node => uint256 word) newest;
        mapping(uint256 node => mapping(uint256 epoch => uint256 word)) older;
    }

    /// @notice Gives leaf `index` the weight `weight` from `epoch` on.
    /// @param epoch Not before that of any earlier call.
    function set(Tree storage tree, uint256 index, uint256 weight, uint256 epoch) internal {
        if (index >= LEAVES) revert StakeTree__Index(index);
        if (weight > SUM) revert StakeTree__Weight(weight);
        uint256 level = LEVELS;
        // The first node of the lowest level: 1 + 4^0 + .. + 4^(LEVELS - 2).
        uint256 first = (LEAVES / 4 - 1) / 3 + 1;
        uint256 place = index;
        while (true) {
            uint256 shift = (place & 3) * SUM_BITS;
            place >>= 2;
            uint256 node = first + place;
            uint256 word = tree.newest[node];
            uint256 since = (word >> EPOCH_AT) & EPOCH;
            if (since != epoch) {
                if (since != 0) tree.older[node][since] = word;
                word = (word & ((1 << EPOCH_AT) - 1)) | (epoch << EPOCH_AT) | (since << BEFORE_AT);
            }
            word = (word & ~(SUM << shift)) | (weight << shift);
            tree.newest[node] = word;
            if (--level == 0) return;
            weight = _total(word);
            if (weight > SUM) revert StakeTree__Weight(weight);
            first = (first - 2) / 4 + 1;
        }
    }

    /// @notice The sum of all weights in `epoch`.
    function total(Tree storage tree, uint256 epoch) internal view returns (uint256) {
        return _total(_at(tree, 1, epoch));
    }

    /// @notice The weight of leaf `index` in `epoch`.
    function weightOf(Tree storage tree, uint256 index, uint256 epoch) internal view returns (uint256) {
        uint256 word = _at(tree, (LEAVES / 4 - 1) / 3 + 1 + (index >> 2), epoch);
        return (word >> ((index & 3) * SUM_BITS)) & SUM;
    }

    /// @notice The leaf in which the running sum of the weights of `epoch` passes `point`.
    /// @param point Below the sum of all weights.
    function find(Tree storage tree, uint256 point, uint256 epoch) internal view returns (uint256 index) {
        uint256 node = 1;
        for (uint256 level = 0; level < LEVELS; ++level) {
            uint256 word = _at(tree, node, epoch);
            uint256 child = 0;
            uint256 sum = word & SUM;
            while (point >= sum) {
                point -= sum;
                word >>= SUM_BITS;
                sum = word & SUM;
                ++child;
            }
            index = 4 * index + child;
            node = 4 * node - 2 + child;
        }
    }

    function _at(Tree storage tree, uint256 node, uint256 epoch) private view returns (uint256 word) {
        word = tree.newest[node];
        while ((word >> EPOCH_AT) & EPOCH > epoch) {
            word = tree.older[node][word >> BEFORE_AT];
        }
    }

    function _total(uint256 word) private pure returns (uint256) {
        return
            (word & SUM) + ((word >> SUM_BITS) & SUM) + ((word >> (2 * SUM_BITS)) & SUM)
                + ((word >> (3 * SUM_BITS)) & SUM);
    }
}
