// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import { BlockHeaders } from "./BlockHeaders.sol";
import { L1Header } from "./L1Header.sol";
import { Rollup } from "./Rollup.sol";
import { Validators } from "./Validators.sol";

/// @title Who may commit, and what gets a validator slashed.
/// @notice Every offence is shown by evidence that this contract checks alone: signatures, the rollup's own records, L1's own
/// headers. Nobody votes, and nobody can forgive.
contract Staking is Validators {
    /// @notice Only the rollup may say so.
    error Staking__NotTheRollup(address sender);
    /// @notice The evidence is not of this validator, or it was slashed for its signatures before.
    error Staking__NotGuilty(address operator);
    /// @notice The two headers are not two different ones of one place.
    error Staking__NoEquivocation();
    /// @notice The headers are not those of the batch, or they do not contradict the signed one.
    error Staking__NoContradiction();
    /// @notice The slot's leader is not at fault: `reason` is the number of the condition in [neglect].
    error Staking__NoNeglect(uint256 reason);
    /// @notice It is too late, or too early, to report what happened in this slot.
    error Staking__NotReportable(uint256 slot);

    /// @notice A validator signed two headers of one place, or one that its own commit contradicts.
    event Equivocated(address indexed operator, uint64 slot, uint64 batch, uint32 index);
    /// @notice A leader let a slot pass although the queue was due.
    event Neglected(address indexed operator, uint256 indexed slot, uint256 entry);

    /// @notice The rollup whose commits these validators make.
    Rollup public immutable ROLLUP;

    mapping(uint256 slot => bool) private _neglected;

    /// @param rollup The address that the rollup will have: its constructor checks that it does.
    constructor(Rollup rollup, Parameters memory p) Validators(p) {
        ROLLUP = rollup;
    }

    // WHO COMMITS
    // ============================================================================================

    /// @notice The validator that leads a slot, in office or not; 0 if the epoch has none.
    function leader(uint256 slot) public view returns (address) {
        (bool any, uint256 index) = draw(slot);
        return any ? operators[index] : address(0);
    }

    /// @notice Whether `sender` may commit now.
    /// @param quietSince When somebody last committed, or batches were last pruned.
    function mayCommit(address sender, uint256 quietSince) external view returns (bool) {
        if (block.timestamp >= quietSince + SILENCE) return true;
        Validator storage v = validators[sender];
        if (v.stake < MIN_STAKE || v.ejected || block.timestamp < v.jailedUntil) return false;
        uint256 slot = slotAt(block.timestamp);
        if (leader(slot) == sender) return true;
        uint256 start = slotStart(slot);
        return v.exit == 0 && block.timestamp >= (start > quietSince ? start : quietSince) + STEP_IN;
    }

    /// @notice Keeps a validator from committing for a while: a batch of its was not proven.
    function jail(address operator) external {
        if (msg.sender != address(ROLLUP)) revert Staking__NotTheRollup(msg.sender);
        Validator storage v = validators[operator];
        if (v.beneficiary == address(0)) return;
        v.jailedUntil = uint40(block.timestamp + JAIL);
        emit Jailed(operator, v.jailedUntil);
    }

    // SIGNATURES
    // ============================================================================================

    /// @notice Slashes who signed two different headers for one place in the chain: users of the slot may have believed
    /// either.
    function equivocation(
        BlockHeaders.Header calldata one,
        bytes calldata signatureOfOne,
        BlockHeaders.Header calldata other,
        bytes calldata signatureOfOther
    ) external {
        bool same = one.slot == other.slot && one.batch == other.batch && one.index == other.index;
        if (!same || BlockHeaders.hash(one) == BlockHeaders.hash(other)) revert Staking__NoEquivocation();
        address operator = BlockHeaders.signer(one, signatureOfOne, address(ROLLUP));
        if (BlockHeaders.signer(other, signatureOfOther, address(ROLLUP)) != operator) {
            revert Staking__NoEquivocation();
        }
        _guilty(operator, one);
    }

    /// @notice Slashes who signed a header and then, in the same slot, committed a batch in which that header's place is
    /// another's, or does not exist.
    /// @param committed The headers of the commit, from the place on: the last is the batch's last.
    function contradiction(
        BlockHeaders.Header calldata signed,
        bytes calldata signature,
        BlockHeaders.Header[] calldata committed
    ) external {
        address operator = BlockHeaders.signer(signed, signature, address(ROLLUP));
        uint256 batch = signed.batch;
        if (batch == 0 || batch > ROLLUP.committed() || committed.length == 0) revert Staking__NoContradiction();
        (,, bytes32 head, address committer, uint40 time,) = ROLLUP.batches(batch);
        bool its = committer == operator && slotAt(time) == signed.slot;
        bytes32 first;
        for (uint256 i = 0; i < committed.length; ++i) {
            if (i != 0 && committed[i].parent != first) revert Staking__NoContradiction();
            first = BlockHeaders.hash(committed[i]);
        }
        if (!its || first != head) revert Staking__NoContradiction();
        first = BlockHeaders.hash(committed[0]);
        bool beyond = committed.length == 1 && committed[0].index < signed.index;
        // The chain goes on into the batches before, whose blocks have the same numbers.
        bool differs =
            committed[0].batch == batch && committed[0].index == signed.index && first != BlockHeaders.hash(signed);
        if (!beyond && !differs) revert Staking__NoContradiction();
        _guilty(operator, signed);
    }

    function _guilty(address operator, BlockHeaders.Header calldata header) private {
        if (block.timestamp >= slotStart(uint256(header.slot) + 1) + EVIDENCE_WINDOW) {
            revert Staking__NotReportable(header.slot);
        }
        Validator storage v = validators[operator];
        if (v.stake == 0 || v.guilty) revert Staking__NotGuilty(operator);
        v.guilty = true;
        emit Equivocated(operator, header.slot, header.batch, header.index);
        _slash(operator, v, uint256(v.stake) * EQUIVOCATION / 100, true);
    }

    // THE QUEUE
    // ============================================================================================

    /// @notice Slashes the leader of a slot that passed without a commit although an entry of the queue was due when it
    /// began. A commit cannot pass over a due entry, so the leader either served the queue or did nothing.
    /// @param batch The first batch that was committed after the slot; one more than the last if none was.
    /// @param early The RLP header of an L1 block in the slot.
    /// @param late The RLP header of a later one: L1 had room for a commit.
    function neglect(uint256 slot, uint256 batch, bytes calldata early, bytes calldata late) external {
        uint256 start = slotStart(slot);
        uint256 end = slotStart(slot + 1);
        if (block.timestamp < end || block.timestamp >= end + EVIDENCE_WINDOW || _neglected[slot]) {
            revert Staking__NotReportable(slot);
        }
        uint256 entry = _unserved(start, end, batch);
        _requireBlocks(start, end, early, late);
        address operator = leader(slot);
        Validator storage v = validators[operator];
        if (v.stake == 0 || v.ejected || v.jailedUntil > start) revert Staking__NoNeglect(7);
        _neglected[slot] = true;
        emit Neglected(operator, slot, entry);
        _slash(operator, v, NEGLECT, false);
    }

    /// @notice Two blocks of L1 in the slot, with enough others between them.
    function _requireBlocks(uint256 start, uint256 end, bytes calldata early, bytes calldata late) private view {
        L1Header.Header memory first = L1Header.known(early);
        L1Header.Header memory last = L1Header.known(late);
        bool inside = first.time >= start && last.time < end;
        if (!inside || last.number < first.number + MIN_BLOCKS - 1) revert Staking__NoNeglect(6);
    }

    /// @notice The first entry that was due in the whole slot and that nobody served in it, if the rollup was in a state in
    /// which a leader could have.
    function _unserved(uint256 start, uint256 end, uint256 batch) private view returns (uint256 entry) {
        uint256 committed = ROLLUP.committed();
        if (ROLLUP.frozen() || batch == 0 || batch > committed + 1) revert Staking__NoNeglect(0);
        if (batch <= committed) {
            (,,,, uint40 next,) = ROLLUP.batches(batch);
            if (next < end) revert Staking__NoNeglect(1);
        }
        (,,,, uint40 before, uint48 queueEnd) = ROLLUP.batches(batch - 1);
        if (before >= start) revert Staking__NoNeglect(2);
        entry = queueEnd;
        uint256 queued = ROLLUP.queuedAt(entry);
        if (queued == 0 || queued + ROLLUP.QUEUE_WINDOW() >= start) revert Staking__NoNeglect(3);
        if (ROLLUP.disturbed() >= start) revert Staking__NoNeglect(4);
        // What the leader would have built on might have been garbage: then it is never proven. If it had no room for
        // another batch, none was proven since, or the first proof that made room was a disturbance.
        if (batch > ROLLUP.proven() + 1) revert Staking__NoNeglect(5);
    }
}
