// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import { Ledger } from "./Ledger.sol";
import { Poseidon2 } from "./Poseidon2.sol";
import { Records } from "./Records.sol";
import { StateTree } from "./StateTree.sol";
import { RecordTable } from "./generated/RecordTable.sol";

/// @title The queue of forced operations.
/// @notice What stands here must be consumed, in order, by the batches; nobody can remove it, and no operator can look away
/// from it for longer than the windows allow. Every entry has an outcome in the kernel, so none can make a batch
/// unprovable: what L1 can check is checked before an entry is queued.
abstract contract Inbox is Ledger {
    /// @notice The rollup is frozen.
    error Inbox__Frozen();
    /// @notice The value is not the queue fee, and for a deposit a whole positive number of gwei below 2^63.
    error Inbox__Value(uint256 value);
    /// @notice Entry number `entry` is not what stands there, or was consumed already.
    error Inbox__Entry(uint256 entry);
    /// @notice An entry would stay behind past its window.
    error Inbox__Overdue(uint256 entry);

    /// @notice An entry was queued: its words, the fee for whoever settles it, and when a commit must have consumed it.
    event Enqueued(uint256 indexed entry, uint64[9] words, uint256 fee, uint256 due);

    uint256 private constant TIME_BITS = 40;

    /// @notice Wei that an entry pays to the prover who settles it.
    uint256 public immutable QUEUE_FEE;
    /// @notice Seconds until a commit must consume an entry.
    uint256 public immutable QUEUE_WINDOW;
    /// @notice Seconds until an entry that no proven batch consumed lets anyone freeze the rollup.
    uint256 public immutable FREEZE_WINDOW;
    /// @notice Most entries that a batch must consume. It may consume more.
    uint256 public immutable QUEUE_CAP;

    /// @notice An entry: the first 216 bits of its words' hash, and when it was queued. Zero once it was refunded.
    mapping(uint256 entry => uint256 content) private _entries;
    /// @notice Entries that were ever queued: the number of the next one.
    uint64 public queueLength;
    /// @notice Whether the rollup is frozen: for good.
    bool public frozen;

    constructor(uint256 fee, uint256 window, uint256 freezeWindow, uint256 cap) {
        QUEUE_FEE = fee;
        QUEUE_WINDOW = window;
        FREEZE_WINDOW = freezeWindow;
        QUEUE_CAP = cap;
    }

    modifier whileRunning() {
        if (frozen) revert Inbox__Frozen();
        _;
    }

    // QUEUEING
    // ============================================================================================

    /// @notice Queues a deposit to a new account with the address `auth`. If the kernel cannot serve it, the sender can
    /// claim the money back.
    function deposit(bytes32 auth) external payable {
        _deposit(RecordTable.DEPOSIT_NEW, 0, auth);
    }

    /// @notice Queues a deposit to the account `index`, if its address is `auth`: an index alone could be somebody else's by
    /// the time the entry is consumed.
    function depositTo(uint32 index, bytes32 auth) external payable {
        _deposit(RecordTable.DEPOSIT, index, auth);
    }

    /// @notice Queues the exit of the account `index`, whose address must be that of `key` and the caller: an exit is the
    /// owner's, and no operator can refuse it.
    function forceExit(uint32 index, uint64[5] calldata key) external payable whileRunning {
        if (msg.value != QUEUE_FEE) revert Inbox__Value(msg.value);
        bytes32 auth = StateTree.auth(key, msg.sender);
        _enqueue(Records.entry(RecordTable.EXIT, index, msg.sender, 0, auth));
    }

    function _deposit(uint256 tag, uint256 index, bytes32 auth) private whileRunning {
        Poseidon2.check(auth);
        uint256 amount = msg.value > QUEUE_FEE ? msg.value - QUEUE_FEE : 0;
        if (amount == 0 || amount % 1 gwei != 0 || amount >= (1 << 63) * 1 gwei) revert Inbox__Value(msg.value);
        _enqueue(Records.entry(tag, index, msg.sender, amount / 1 gwei, auth));
    }

    function _enqueue(uint64[9] memory words) private {
        uint64 entry = queueLength;
        queueLength = entry + 1;
        bytes32 hash = keccak256(Records.packed(words));
        _entries[entry] = ((uint256(hash) >> TIME_BITS) << TIME_BITS) | block.timestamp;
        emit Enqueued(entry, words, QUEUE_FEE, block.timestamp + QUEUE_WINDOW);
    }

    // SERVING
    // ============================================================================================

    /// @notice When an entry was queued; 0 if it is not there.
    function queuedAt(uint256 entry) public view returns (uint256) {
        return _entries[entry] & ((1 << TIME_BITS) - 1);
    }

    /// @notice Compares `count` entries of a batch with the queue from entry number `next` on, and checks that none that
    /// is past its window stays behind, unless the batch has consumed as many as it must.
    /// @param source Where the entries start in memory.
    /// @return The number of the entry after the last.
    function _consume(uint256 source, uint256 count, uint256 next) internal view returns (uint256) {
        uint256 size = 8 * RecordTable.ENTRY_WORDS;
        for (uint256 end = next + count; next < end; ++next) {
            bytes32 hash;
            assembly ("memory-safe") {
                // Without the last word, which the batch adds.
                hash := keccak256(source, sub(size, 8))
            }
            // An entry that is not there is zero, which no hash is.
            if ((_entries[next] ^ uint256(hash)) >> TIME_BITS != 0) revert Inbox__Entry(next);
            source += size;
        }
        if (count < QUEUE_CAP && next < queueLength && queuedAt(next) + QUEUE_WINDOW < block.timestamp) {
            revert Inbox__Overdue(next);
        }
        return next;
    }

    /// @notice Whether entry number `entry` is there and has waited for more than `time` seconds.
    function _waited(uint256 entry, uint256 time) internal view returns (bool) {
        return entry < queueLength && queuedAt(entry) + time < block.timestamp;
    }

    /// @notice Removes an entry whose words are `words`.
    function _remove(uint256 entry, uint64[9] memory words) internal {
        uint256 content = _entries[entry];
        uint256 hash = uint256(keccak256(Records.packed(words)));
        if (content == 0 || (content ^ hash) >> TIME_BITS != 0) revert Inbox__Entry(entry);
        delete _entries[entry];
    }
}
