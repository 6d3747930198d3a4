// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import { L1Header } from "./L1Header.sol";
import { StakeTree } from "./StakeTree.sol";

/// @title Slots, epochs, and who leads.
/// @notice The set of an epoch is closed two epochs before it, and a whole epoch before its randomness exists: nobody can choose
/// one after the other is known. Nothing here depends on who calls when, except that a seed must be brought before its epoch.
abstract contract Schedule {
    using StakeTree for StakeTree.Tree;

    /// @notice The epoch's seed can be brought during the epoch before only, once.
    error Schedule__NotNow(uint256 epoch);
    /// @notice The block is not the first of the epoch before.
    error Schedule__NotTheFirstBlock(uint256 number);
    /// @notice The epoch's seed is not known yet.
    error Schedule__NotYet(uint256 epoch);

    /// @notice An epoch's seed was brought.
    event Seeded(uint256 indexed epoch, bytes32 seed);

    /// @notice How many epochs ahead a change of the set counts.
    uint256 internal constant AHEAD = 3;

    /// @notice When slot 0 began.
    uint256 public immutable GENESIS;
    /// @notice Seconds of a slot.
    uint256 public immutable SLOT;
    /// @notice Slots of an epoch.
    uint256 public immutable SLOTS;

    StakeTree.Tree internal _tree;
    mapping(uint256 epoch => bytes32) private _seeds;
    /// @notice The epochs whose seeds were brought, ascending.
    uint256[] private _brought;

    constructor(uint256 slot, uint256 slots) {
        GENESIS = block.timestamp;
        SLOT = slot;
        SLOTS = slots;
        _seeds[0] = keccak256(abi.encode(block.prevrandao, 0));
        _brought.push(0);
    }

    // CLOCK
    // ============================================================================================

    /// @notice The slot at `time`, which is not before the genesis.
    function slotAt(uint256 time) public view returns (uint256) {
        return (time - GENESIS) / SLOT;
    }

    /// @notice When a slot starts.
    function slotStart(uint256 slot) public view returns (uint256) {
        return GENESIS + slot * SLOT;
    }

    /// @notice The epoch now.
    function currentEpoch() public view returns (uint256) {
        return slotAt(block.timestamp) / SLOTS;
    }

    function _epochStart(uint256 epoch) internal view returns (uint256) {
        return slotStart(epoch * SLOTS);
    }

    // SEEDS
    // ============================================================================================

    /// @notice Records the randomness of the first L1 block of the epoch before `epoch`.
    /// @param parentHeader The RLP header of the block before it, which is earlier than that epoch.
    /// @param blockHeader The RLP header of the block.
    function bringSeed(uint256 epoch, bytes calldata parentHeader, bytes calldata blockHeader) external {
        if (currentEpoch() + 1 != epoch || _seeds[epoch] != 0) revert Schedule__NotNow(epoch);
        L1Header.Header memory header = L1Header.known(blockHeader);
        L1Header.Header memory before = L1Header.parse(parentHeader);
        uint256 start = _epochStart(epoch - 1);
        if (before.hash != header.parent || before.time >= start || header.time < start) {
            revert Schedule__NotTheFirstBlock(header.number);
        }
        bytes32 value = keccak256(abi.encode(header.random, epoch));
        _seeds[epoch] = value;
        _brought.push(epoch);
        emit Seeded(epoch, value);
    }

    /// @notice The seed of an epoch: what was brought, or from its start on what follows from the last one that was.
    function seed(uint256 epoch) public view returns (bytes32 value) {
        value = _seeds[epoch];
        if (value != 0) return value;
        if (epoch > currentEpoch()) revert Schedule__NotYet(epoch);
        // The last that was brought before: seeds are brought in ascending order.
        uint256 low = 0;
        uint256 high = _brought.length;
        while (high - low > 1) {
            uint256 middle = (low + high) / 2;
            if (_brought[middle] < epoch) low = middle;
            else high = middle;
        }
        return keccak256(abi.encode(_seeds[_brought[low]], epoch));
    }

    // DRAW
    // ============================================================================================

    /// @notice The number of the leaf that leads a slot, and whether there is any stake in that epoch at all.
    function draw(uint256 slot) public view returns (bool any, uint256 index) {
        uint256 epoch = slot / SLOTS;
        uint256 sum = _tree.total(epoch);
        if (sum == 0) return (false, 0);
        return (true, _tree.find(uint256(keccak256(abi.encode(seed(epoch), slot))) % sum, epoch));
    }
}
