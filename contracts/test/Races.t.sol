// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import { Inbox } from "../src/Inbox.sol";
import { Ledger } from "../src/Ledger.sol";
import { Rollup } from "../src/Rollup.sol";
import { RacesFixture } from "./RacesFixture.sol";
import { Moody, Reentrant, Refuser } from "./RollupFixture.sol";

/// @notice A proof that the verifier has seen against the freeze that lands before or after the rollup hears of it.
contract ExitRacesTest is RacesFixture {
    bytes4 private constant FROZEN = Inbox.Inbox__Frozen.selector;
    address private constant FIRST = address(0xa1);
    address private constant SECOND = address(0xa2);

    /// @notice A forced exit, the batch that serves it in the last second before anyone can freeze, and its proof, verified.
    function _exitInFlight() private returns (uint64[9] memory words, bytes[] memory operations) {
        words = _queueExit();
        vm.warp(block.timestamp + FREEZE_LIMIT);
        operations = _list(_entry(words, 70));
        _commit(1, operations);
        _learn(rollup.statement(1, 2, _root(0), PAYEE));
        _refusedFreeze();
        vm.warp(block.timestamp + 1);
    }

    function test_TheFreezeLandsBeforeTheProof() external {
        (uint64[9] memory words, bytes[] memory operations) = _exitInFlight();
        rollup.freeze();
        _refusedProof(2, _root(0), FROZEN);
        _refusedPrune(FROZEN);
        assert(rollup.proven() == 1 && rollup.committed() == 1 && rollup.roots(2) == 0);
        // Nothing of the batch counts: not its exit, not the state after it.
        _refusedClaim(2, operations, 0, Rollup.Rollup__BatchNotProven.selector);
        _refusedEscape(0, Rollup.Rollup__NoSuchAccount.selector);
        _escape(70);
        _refund(1, words);
        assert(OWNER.balance == 70 gwei + FEE);
        _requireOwed(BOND, 0, 0, 0, 0);
        _drain();
    }

    function test_TheProofLandsBeforeTheFreezeAndIsClaimedBefore() external {
        _proofLandsFirst(false);
    }

    function test_TheProofLandsBeforeTheFreezeAndIsClaimedAfter() external {
        _proofLandsFirst(true);
    }

    function _proofLandsFirst(bool claimedLate) private {
        (uint64[9] memory words, bytes[] memory operations) = _exitInFlight();
        rollup.prove(2, _root(0), PAYEE);
        // The entry that waited is served: nothing is abandoned.
        _refusedFreeze();
        if (!claimedLate) _claim(2, operations, 0);
        _abandon();
        // What the exit paid, the account does not have any more.
        _refusedEscape(70, Rollup.Rollup__NoSuchAccount.selector);
        _refusedEscape(0, Rollup.Rollup__NothingToPay.selector);
        _refusedRefund(1, words);
        if (claimedLate) _claim(2, operations, 0);
        else _refusedClaim(2, operations, 0, Rollup.Rollup__AlreadyPaid.selector);
        assert(OWNER.balance == 70 gwei);
        _requireOwed(0, 0, BOND + FEE, 0, 0);
        _drain();
    }

    function test_WhoWithdrewAndClaimedEscapesWithTheRestOnly() external {
        _withdrawn(false);
    }

    function test_WhoWithdrewAndClaimsLaterEscapesWithTheRestOnly() external {
        _withdrawn(true);
    }

    function _withdrawn(bool claimedLate) private {
        bytes[] memory operations = _list(_withdraw(0, OWNER, 30));
        _commit(0, operations);
        _prove(2, _root(40), PAYEE);
        if (!claimedLate) _claim(2, operations, 0);
        _abandon();
        _refusedEscape(70, Rollup.Rollup__NoSuchAccount.selector);
        _escape(40);
        if (claimedLate) _claim(2, operations, 0);
        _refusedEscape(70, Rollup.Rollup__NoSuchAccount.selector);
        assert(OWNER.balance == 70 gwei);
        _requireOwed(0, 0, BOND, 0, 0);
        _drain();
    }

    /// @notice Of two batches in flight one is proven when the freeze lands: the line between paid and given back goes between
    /// them.
    function test_TheFreezeLandsBetweenTwoProofs() external {
        uint64[9] memory one = _queueDeposit(SENDER, 5);
        uint64[9] memory two = _queueDeposit(address(0x5e4e), 6);
        bytes[] memory first = _list(_entry(one, 5), _withdraw(0, FIRST, 30));
        bytes[] memory second = _list(_entry(two, 6), _withdraw(0, SECOND, 20));
        _commit(1, first);
        vm.warp(block.timestamp + FREEZE_LIMIT);
        _commit(1, second);
        _learn(rollup.statement(1, 2, _root(45), PAYEE));
        _learn(rollup.statement(1, 3, _root(31), PAYEE));
        vm.warp(block.timestamp + 1);
        rollup.prove(2, _root(45), PAYEE);
        _learn(rollup.statement(2, 3, _root(31), PAYEE));
        rollup.freeze();
        _refusedProof(3, _root(31), FROZEN);

        _refusedEscape(70, Rollup.Rollup__NoSuchAccount.selector);
        _refusedEscape(31, Rollup.Rollup__NoSuchAccount.selector);
        _escape(45);
        _claim(2, first, 1);
        _refusedClaim(2, first, 0, Rollup.Rollup__NothingToPay.selector);
        _refusedClaim(3, second, 1, Rollup.Rollup__BatchNotProven.selector);
        _refusedClaim(2, second, 1, Rollup.Rollup__NotIncluded.selector);
        _refusedRefund(1, one);
        _refund(2, two);
        assert(OWNER.balance == 45 gwei && FIRST.balance == 30 gwei && SECOND.balance == 0);
        assert(SENDER.balance == 0 && address(0x5e4e).balance == 6 gwei + FEE);
        _requireOwed(BOND, 0, BOND + FEE, 0, 0);
        _drain();
    }

    /// @notice Nobody is to blame for a broken proof system, not even for a batch that is overdue.
    function test_AContradictionLandsBeforeTheProof() external {
        uint64[9] memory words = _queueExit();
        bytes[] memory operations = _list(_entry(words, 70));
        _commit(1, operations);
        _learn(rollup.statement(1, 2, _root(0), PAYEE));
        _learn(rollup.statement(0, 1, _root(71), PAYEE));
        vm.warp(block.timestamp + PROVE_WINDOW + 1);
        vm.prank(FREEZER);
        rollup.reportContradiction(0, 1, _root(71), PAYEE);
        _refusedProof(2, _root(0), FROZEN);
        _refusedPrune(FROZEN);
        _refusedEscape(71, Rollup.Rollup__NoSuchAccount.selector);
        _refusedClaim(2, operations, 0, Rollup.Rollup__BatchNotProven.selector);
        _escape(70);
        _refund(1, words);
        assert(OWNER.balance == 70 gwei + FEE && address(0).balance == 0);
        assert(staking.mayCommit(OPERATOR, block.timestamp));
        _requireOwed(BOND, 0, 0, 0, 0);
        _drain();
    }
}

/// @notice A prune, a late proof and a freeze that are all possible in one second, and the freeze's clock.
contract PruneRacesTest is RacesFixture {
    /// @notice An entry of 5 gwei in a batch of the operator's, and a stranger's batch behind it, both overdue `time` seconds
    /// after the entry came.
    function _overdue(uint256 time) private returns (uint64[9] memory words, bytes[] memory operations) {
        uint256 queued = block.timestamp;
        words = _queueDeposit(SENDER, 5);
        operations = _list(_entry(words, 5));
        _commit(1, operations);
        _commitAsStranger();
        _learn(rollup.statement(1, 2, _root(75), PAYEE));
        vm.warp(queued + time);
    }

    function _prune() private {
        vm.prank(KEEPER);
        rollup.prune();
    }

    function _freeze() private {
        vm.prank(FREEZER);
        rollup.freeze();
    }

    /// @notice What is left after prune and freeze in any order.
    function _leave(uint64[9] memory words) private {
        assert(rollup.committed() == 1 && rollup.proven() == 1 && rollup.frozen());
        assert(address(0).balance == BOND - BOND / 2);
        _refusedPrune(Inbox.Inbox__Frozen.selector);
        _refund(1, words);
        _escape(70);
        assert(SENDER.balance == 5 gwei + FEE && OWNER.balance == 70 gwei);
        _drain();
    }

    function test_ThePruneComesBeforeTheFreeze() external {
        (uint64[9] memory words,) = _overdue(FREEZE_LIMIT + 1);
        _prune();
        _requireOwed(0, BOND, 0, BOND / 2, 0);
        _refusedPrune(Rollup.Rollup__NothingToPrune.selector);
        _freeze();
        _requireOwed(0, BOND, 0, BOND / 2, 0);
        assert(!staking.mayCommit(OPERATOR, block.timestamp));
        _leave(words);
    }

    function test_TheFreezeComesBeforeThePrune() external {
        (uint64[9] memory words,) = _overdue(FREEZE_LIMIT + 1);
        _freeze();
        _requireOwed(0, BOND, 0, 0, BOND / 2);
        _refusedPrune(Inbox.Inbox__Frozen.selector);
        _requireOwed(0, BOND, 0, 0, BOND / 2);
        assert(!staking.mayCommit(OPERATOR, block.timestamp));
        _leave(words);
    }

    function test_ALateProofMovesTheBlameOfThePrune() external {
        _lateProof(false);
    }

    function test_ALateProofMovesTheBlameOfTheFreeze() external {
        _lateProof(true);
    }

    /// @notice A late proof of the first batch alone: the second is the first that waits then, and its committer pays, but not
    /// before it has had its share of time.
    function _lateProof(bool frozen) private {
        (uint64[9] memory words,) = _overdue(FREEZE_LIMIT);
        uint64[9] memory next = _queueDeposit(address(0x5e4e), 6);
        rollup.prove(2, _root(75), PAYEE);
        _refusedFreeze();
        if (frozen) {
            // The next entry's limit: the stranger's batch still waits.
            vm.warp(block.timestamp + FREEZE_LIMIT);
            _refusedFreeze();
            vm.warp(block.timestamp + 1);
            _freeze();
            _requireOwed(0, 0, BOND + FEE, 0, BOND / 2);
        } else {
            vm.warp(block.timestamp + PROVE_WINDOW / rollup.SETTLE_SHARE());
            _refusedPrune(Rollup.Rollup__NothingToPrune.selector);
            vm.warp(block.timestamp + 1);
            _prune();
            _requireOwed(0, 0, BOND + FEE, BOND / 2, 0);
            vm.warp(block.timestamp + FREEZE_WINDOW + 1);
            _freeze();
            _requireOwed(0, 0, BOND + FEE, BOND / 2, 0);
        }
        assert(address(0).balance == BOND - BOND / 2);
        assert(staking.mayCommit(OPERATOR, block.timestamp));
        _refusedRefund(1, words);
        _refund(2, next);
        _refusedEscape(70, Rollup.Rollup__NoSuchAccount.selector);
        _escape(75);
        assert(OWNER.balance == 75 gwei && SENDER.balance == 0 && address(0x5e4e).balance == 6 gwei + FEE);
        _drain();
    }

    /// @notice The proof that comes a moment after the prune settles nothing, until its batch is committed again: it earns one
    /// bond and one fee, not two.
    function test_AProofAfterThePruneIsForTheNextCommit() external {
        (, bytes[] memory operations) = _overdue(PROVE_WINDOW + SILENCE + 1);
        _prune();
        _refusedProof(2, _root(75), Rollup.Rollup__NotWaiting.selector);
        // The queue is back at the entry, which is due: it cannot be left out, nor the one before come again.
        _silence();
        _refusedCommit(0, new bytes[](0), Inbox.Inbox__Overdue.selector);
        bytes[] memory served = _list(_entry(_words(6, 0, SENDER, 70, auth), 70));
        _refusedCommit(1, served, Inbox.Inbox__Entry.selector);
        _commit(1, operations);
        rollup.prove(2, _root(75), PAYEE);
        _refusedProof(2, _root(75), Rollup.Rollup__NotWaiting.selector);
        _refusedPrune(Rollup.Rollup__NothingToPrune.selector);
        _requireOwed(0, BOND, BOND + FEE, BOND / 2, 0);
        assert(address(0).balance == BOND - BOND / 2);
        _drainTo(75 gwei);
    }

    function test_AProofBeforeThePruneLeavesNothingToPrune() external {
        _overdue(PROVE_WINDOW + SILENCE + 1);
        _learn(rollup.statement(1, 3, _root(75), PAYEE));
        rollup.prove(3, _root(75), PAYEE);
        _refusedPrune(Rollup.Rollup__NothingToPrune.selector);
        _requireOwed(0, BOND, BOND + FEE, 0, 0);
        assert(address(0).balance == 0 && staking.mayCommit(OPERATOR, block.timestamp));
        _drainTo(75 gwei);
    }

    function test_AFreezeInTheWindowsLastSecondReturnsTheBond() external {
        _freezeAtTheDeadline(false);
    }

    function test_AFreezeASecondLaterTakesTheBond() external {
        _freezeAtTheDeadline(true);
    }

    function _freezeAtTheDeadline(bool late) private {
        uint256 freeze = block.timestamp + FREEZE_LIMIT + 1;
        uint64[9] memory words = _queueDeposit(SENDER, 5);
        vm.warp(freeze - PROVE_WINDOW - (late ? 1 : 0));
        _commit(1, _list(_entry(words, 5)));
        vm.warp(freeze);
        if (!late) _refusedPrune(Rollup.Rollup__NothingToPrune.selector);
        _freeze();
        if (late) _requireOwed(0, 0, 0, 0, BOND / 2);
        else _requireOwed(BOND, 0, 0, 0, 0);
        assert(address(0).balance == (late ? BOND - BOND / 2 : 0));
        assert(staking.mayCommit(OPERATOR, block.timestamp) != late);
        _refund(1, words);
        _escape(70);
        _drain();
    }

    // CLOCK
    // ============================================================================================

    /// @notice An entry whose batch is pruned so many seconds after it was queued; nobody serves it again.
    function _firstSecond(uint256 pruned) private {
        uint256 queued = block.timestamp;
        uint64[9] memory words = _queueDeposit(SENDER, 5);
        _commit(1, _list(_entry(words, 5)));
        vm.warp(queued + pruned);
        // A batch waits: up to the limit, that is as good as a proof.
        if (pruned <= FREEZE_LIMIT) _refusedFreeze();
        _prune();
        uint256 first = pruned + QUEUE_WINDOW + 1;
        if (first < FREEZE_WINDOW + 1) first = FREEZE_WINDOW + 1;
        if (first > FREEZE_LIMIT + 1) first = FREEZE_LIMIT + 1;
        if (first > pruned) {
            _refusedFreeze();
            vm.warp(queued + first - 1);
            _refusedFreeze();
            vm.warp(queued + first);
        }
        _freeze();
        _requireOwed(0, 0, 0, BOND / 2, 0);
        assert(rollup.prunedAt() == queued + pruned);
        _leave(words);
    }

    function test_AFreezeWaitsForAQueueWindowAfterThePrune() external {
        _firstSecond(FREEZE_WINDOW + 1);
    }

    function test_TheLimitDoesNotWait() external {
        _firstSecond(FREEZE_LIMIT - QUEUE_WINDOW + 1);
    }

    function test_AnEarlyPruneDoesNotHasten() external {
        _firstSecond(PROVE_WINDOW + 1);
    }

    function testFuzz_TheFreezesFirstSecond(uint256 pruned) external {
        _firstSecond(PROVE_WINDOW + 1 + pruned % FREEZE_LIMIT);
    }
}

/// @notice An entry is consumed by a proven batch, or it is given back.
contract RefundRacesTest is RacesFixture {
    function test_EntriesOfAProvenBatchAreClaimed() external {
        _entries(true, false, false);
    }

    function test_EntriesOfAProvenBatchAreClaimedAfterTheFreeze() external {
        _entries(true, false, true);
    }

    function test_EntriesOfABatchThatTheFreezeDropsAreGivenBack() external {
        _entries(false, false, false);
    }

    function test_EntriesOfAPrunedBatchAreGivenBack() external {
        _entries(false, true, false);
    }

    /// @notice A refused deposit, a served one, and an exit that found nothing: each has one way out.
    function _entries(bool proven, bool pruned, bool claimedLate) private {
        uint64[9][3] memory words = [_queueDeposit(SENDER, 5), _queueDeposit(STRANGER, 6), _queueExit()];
        bytes[] memory operations = new bytes[](3);
        operations[0] = _entry(words[0], 0);
        operations[1] = _entry(words[1], 6);
        operations[2] = _entry(words[2], 0);
        vm.expectPartialRevert(Rollup.Rollup__NotFrozen.selector);
        rollup.refund(1, words[0]);
        _commit(3, operations);
        if (proven) _prove(2, _root(76), PAYEE);
        vm.expectPartialRevert(Rollup.Rollup__NotFrozen.selector);
        rollup.refund(1, words[0]);
        if (proven && !claimedLate) _claim(2, operations, 0);
        if (!proven && pruned) {
            vm.warp(block.timestamp + PROVE_WINDOW + 1);
            vm.prank(KEEPER);
            rollup.prune();
        }
        if (proven) {
            _abandon();
        } else {
            vm.warp(block.timestamp + FREEZE_LIMIT + 1);
            vm.prank(KEEPER);
            rollup.freeze();
        }

        if (proven) {
            for (uint256 i = 0; i < 3; ++i) {
                _refusedRefund(1 + i, words[i]);
            }
            if (claimedLate) _claim(2, operations, 0);
            _refusedClaim(2, operations, 1, Rollup.Rollup__NothingToPay.selector);
            _refusedClaim(2, operations, 2, Rollup.Rollup__NothingToPay.selector);
            // The fee was the prover's.
            assert(SENDER.balance == 5 gwei && STRANGER.balance == 0 && OWNER.balance == 0);
            _requireOwed(0, 0, BOND + 3 * FEE, 0, 0);
        } else {
            for (uint256 i = 0; i < 3; ++i) {
                _refusedClaim(2, operations, i, Rollup.Rollup__BatchNotProven.selector);
                // One entry's words are not another's.
                _refusedRefund(1 + i, words[(i + 1) % 3]);
                _refund(1 + i, words[i]);
            }
            assert(SENDER.balance == 5 gwei + FEE && STRANGER.balance == 6 gwei + FEE && OWNER.balance == FEE);
            _requireOwed(0, 0, 0, BOND / 2, 0);
        }
        _refusedRefund(0, _words(6, 0, SENDER, 70, auth));
        _escape(proven ? 76 : 70);
        _drain();
    }

    /// @notice What was given back cannot be asked for again in the name of an entry that never was.
    function test_OnlyEntriesThatWereQueuedAreGivenBack() external {
        uint64[9] memory words = _queueDeposit(SENDER, 5);
        vm.warp(block.timestamp + FREEZE_WINDOW + 1);
        rollup.freeze();
        _refusedRefund(2, words);
        _refusedRefund(2, _words(0, 0, address(0), 0, 0));
        _refusedRefund(1 << 64 | 1, words);
        _refund(1, words);
        _refusedRefund(1, _words(0, 0, address(0), 0, 0));
        _drainTo(70 gwei);
    }

    // RECEIVERS
    // ============================================================================================

    /// @notice The state with one account of 70 gwei whose owner is `owner`; it has queued 5 gwei, and all is frozen.
    function _frozenFor(address owner) private returns (uint64[9] memory words) {
        auth = _auth(key, owner);
        _commit(0, new bytes[](0));
        _prove(2, _root(70), PAYEE);
        words = _queueDeposit(owner, 5);
        vm.warp(block.timestamp + FREEZE_WINDOW + 1);
        rollup.freeze();
    }

    function _call(address owner) private view returns (bytes memory) {
        return abi.encodeCall(rollup.escape, (0, key, owner, 0, 70, 1, _siblings()));
    }

    function test_WhoEscapesAgainWhileItIsPaidIsPaidOnce() external {
        Reentrant owner = new Reentrant(address(rollup));
        uint64[9] memory words = _frozenFor(address(owner));
        // While the entry is given back it escapes, which it may; while it escapes it tries to again.
        owner.set(_call(address(owner)));
        rollup.refund(1, words);
        assert(owner.entered() == 2 && owner.succeeded() == 1);
        assert(address(owner).balance == 75 gwei + FEE && rollup.owed(address(owner)) == 0);
        _refusedRefund(1, words);
        _drain();
    }

    function test_WhoAsksForAnEntryAgainWhileItIsPaidIsPaidOnce() external {
        Reentrant owner = new Reentrant(address(rollup));
        uint64[9] memory words = _frozenFor(address(owner));
        owner.set(abi.encodeCall(rollup.refund, (1, words)));
        (bool success,) = address(rollup).call(_call(address(owner)));
        assert(success && owner.entered() == 2 && owner.succeeded() == 1);
        (success,) = address(rollup).call(_call(address(owner)));
        assert(!success);
        assert(address(owner).balance == 75 gwei + FEE && rollup.owed(address(owner)) == 0);
        _drain();
    }

    /// @notice Who takes no money is owed it, once, and nobody else waits for that.
    function test_WhoRefusesIsOwedOnce() external {
        Moody owner = new Moody();
        uint64[9] memory words = _frozenFor(address(owner));
        (bool success,) = address(rollup).call(_call(address(owner)));
        assert(success);
        _refund(1, words);
        (success,) = address(rollup).call(_call(address(owner)));
        assert(!success);
        assert(rollup.owed(address(owner)) == 75 gwei + FEE && address(owner).balance == 0);
        vm.expectPartialRevert(Ledger.Ledger__Refused.selector);
        rollup.collect(address(owner));
        _drainTo(75 gwei + FEE);
        owner.set(true);
        rollup.collect(address(owner));
        vm.expectPartialRevert(Ledger.Ledger__NothingOwed.selector);
        rollup.collect(address(owner));
        assert(address(owner).balance == 75 gwei + FEE);
        _drain();
    }

    function test_WhoNeverTakesMoneyHoldsNobodyUp() external {
        address sender = address(new Refuser());
        uint64[9] memory words = _queueDeposit(sender, 5);
        vm.warp(block.timestamp + FREEZE_WINDOW + 1);
        rollup.freeze();
        _refund(1, words);
        _escape(70);
        assert(rollup.owed(sender) == 5 gwei + FEE);
        _drainTo(5 gwei + FEE);
    }
}
