// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import { Ledger } from "./Ledger.sol";
import { Schedule } from "./Schedule.sol";
import { StakeTree } from "./StakeTree.sol";

/// @title Validators: how stake comes, counts and leaves.
/// @notice A stake leaves only to the beneficiary that was named when it came, only a delay after it last counted, and less
/// what was slashed. What the contract holds is the stakes and what it owes, to the wei.
abstract contract Validators is Schedule, Ledger {
    using StakeTree for StakeTree.Tree;

    // ERRORS
    // ============================================================================================

    /// @notice The parameters contradict each other.
    error Staking__Parameters();
    /// @notice The operator is no validator.
    error Staking__Unknown(address operator);
    /// @notice The operator is a validator already.
    error Staking__Registered(address operator);
    /// @notice The beneficiary is the zero address.
    error Staking__Beneficiary();
    /// @notice The value is less than the minimum, not a whole number of units, or would make the stake too large.
    error Staking__Value(uint256 value);
    /// @notice Only the operator or its beneficiary may ask for this.
    error Staking__NotYours(address sender);
    /// @notice The validator is on its way out.
    error Staking__Leaving(address operator);
    /// @notice Nothing is to be done before this epoch.
    error Staking__NotBefore(uint256 epoch);
    /// @notice The stake is not free before this time; 0: it was not asked for.
    error Staking__Locked(uint256 until);
    /// @notice There is no room for another validator.
    error Staking__Full();

    // EVENTS
    // ============================================================================================

    /// @notice A validator came.
    event Registered(address indexed operator, uint256 indexed index, address beneficiary, uint256 stake);
    /// @notice Where its fees go on L2, and its ed25519 libp2p key.
    event Contact(address indexed operator, uint32 feeAccount, bytes32 peerKey);
    /// @notice Stake was added; what was added counts from `epoch` on, if it is settled by then.
    event ToppedUp(address indexed operator, uint256 stake, uint256 epoch);
    /// @notice The weight of a leaf from `epoch` on.
    event Weight(uint256 indexed index, uint256 weight, uint256 indexed epoch);
    /// @notice A validator asked to leave; it leaves the draw at `epoch`, if it is settled by then.
    event ExitRequested(address indexed operator, uint256 epoch);
    /// @notice A validator is out, or will be at the epoch of its last weight; its stake is free at `time`.
    event Exiting(address indexed operator, uint256 time);
    /// @notice A validator's stake was paid out.
    event Withdrawn(address indexed operator, address beneficiary, uint256 stake);
    /// @notice A validator lost stake.
    event Slashed(address indexed operator, uint256 amount, address reporter, bool ejected);
    /// @notice A validator may not commit until `time`.
    event Jailed(address indexed operator, uint256 time);

    // PARAMETERS
    // ============================================================================================

    /// @notice What the contract is built with; `specs/pos.md` has the reasons.
    struct Parameters {
        uint256 slot;
        uint256 slots;
        uint256 stepIn;
        uint256 silence;
        uint256 minStake;
        uint256 minChurn;
        uint256 churnQuotient;
        uint256 exitDelay;
        uint256 evidenceWindow;
        uint256 equivocation;
        uint256 neglect;
        uint256 reward;
        uint256 jail;
        uint256 minBlocks;
    }

    /// @notice Wei of a unit of stake.
    uint256 public constant UNIT = 1e12;
    /// @notice L1 blocks in the history contract; two of them are at least a second apart.
    uint256 internal constant HISTORY_BLOCKS = 8191;

    /// @notice Seconds in which the leader alone may commit.
    uint256 public immutable STEP_IN;
    /// @notice Seconds of silence after which anyone may commit.
    uint256 public immutable SILENCE;
    /// @notice Wei that a validator has at least.
    uint256 public immutable MIN_STAKE;
    /// @notice Wei that may enter, and leave, an epoch, however small the set is.
    uint256 public immutable MIN_CHURN;
    /// @notice This part of the set may enter, and leave, an epoch.
    uint256 public immutable CHURN_QUOTIENT;
    /// @notice Seconds from the last epoch in which a stake counts until it is paid out. At least [JAIL].
    uint256 public immutable EXIT_DELAY;
    /// @notice Seconds after a slot in which evidence for it is taken.
    uint256 public immutable EVIDENCE_WINDOW;
    /// @notice Hundredths of its stake that a validator loses for signing two things.
    uint256 public immutable EQUIVOCATION;
    /// @notice Wei that a leader loses for looking away from the queue.
    uint256 public immutable NEGLECT;
    /// @notice Hundredths of what is slashed that go to who reports it.
    uint256 public immutable REWARD;
    /// @notice Seconds that a validator may not commit after one of its batches was not proven.
    uint256 public immutable JAIL;
    /// @notice L1 blocks that must have fallen into a slot for its leader to be at fault.
    uint256 public immutable MIN_BLOCKS;

    // STATE
    // ============================================================================================

    /// @notice A validator.
    /// @param stake Wei.
    /// @param waiting Units of it that do not count yet.
    /// @param entry The epoch from which they may.
    /// @param index Its leaf.
    /// @param exit The epoch from which it may be out of the draw; 0 if it did not ask.
    /// @param ejected Whether it was thrown out.
    /// @param beneficiary Who gets the stake back.
    /// @param jailedUntil Until when it may not commit.
    /// @param free When the stake is free; 0 while it counts.
    /// @param guilty Whether it was slashed for its signatures. Who was thrown out for less has still to answer for them.
    struct Validator {
        uint96 stake;
        uint48 waiting;
        uint32 entry;
        uint32 index;
        uint32 exit;
        bool ejected;
        address beneficiary;
        uint40 jailedUntil;
        uint40 free;
        bool guilty;
    }

    /// @notice Room in the epochs ahead: `left` units of `epoch`.
    struct Churn {
        uint32 epoch;
        uint128 left;
    }

    /// @notice By L1 key.
    mapping(address operator => Validator) public validators;
    /// @notice The validator of a leaf, until it has withdrawn.
    mapping(uint256 index => address operator) public operators;
    /// @notice Leaves that were given out, and are free again.
    uint32[] private _free;
    uint32 private _leaves;
    Churn private _entries;
    Churn private _exits;

    constructor(Parameters memory p) Schedule(p.slot, p.slots) {
        bool clock = p.slot != 0 && p.slots != 0 && p.slot < HISTORY_BLOCKS && p.slots <= HISTORY_BLOCKS / p.slot
            && p.stepIn < p.slot && p.silence >= 2 * p.slot && p.silence < 1 << 32 && p.minBlocks > 1;
        bool money = p.minStake != 0 && p.minStake % UNIT == 0 && p.minStake < 1 << 88 && p.neglect != 0
            && p.neglect < 1 << 88 && p.minStake >= 2 * p.neglect && p.minChurn >= p.minStake && p.minChurn < 1 << 96
            && p.churnQuotient != 0;
        bool shares = p.equivocation != 0 && p.equivocation <= 100 && p.reward != 0 && p.reward < 50;
        // To leave and come back under another key is no shorter than to sit in jail.
        bool windows = p.evidenceWindow < 1 << 32 && p.exitDelay < 1 << 32 && p.jail <= p.exitDelay
            && p.exitDelay > p.evidenceWindow + p.slot && p.evidenceWindow >= p.slot * p.slots;
        if (!(clock && money && shares && windows)) revert Staking__Parameters();
        STEP_IN = p.stepIn;
        SILENCE = p.silence;
        MIN_STAKE = p.minStake;
        MIN_CHURN = p.minChurn;
        CHURN_QUOTIENT = p.churnQuotient;
        EXIT_DELAY = p.exitDelay;
        EVIDENCE_WINDOW = p.evidenceWindow;
        EQUIVOCATION = p.equivocation;
        NEGLECT = p.neglect;
        REWARD = p.reward;
        JAIL = p.jail;
        MIN_BLOCKS = p.minBlocks;
    }

    // COMING
    // ============================================================================================

    /// @notice Makes the caller a validator with the value as its stake.
    /// @param beneficiary Who gets the stake back: a key that need not be on the operator's machine. It cannot be changed.
    /// @param feeAccount The L2 account that the operator's fees go to.
    /// @param peerKey The ed25519 key of its libp2p peer id.
    function register(address beneficiary, uint32 feeAccount, bytes32 peerKey) external payable {
        Validator storage v = validators[msg.sender];
        if (v.beneficiary != address(0)) revert Staking__Registered(msg.sender);
        if (beneficiary == address(0)) revert Staking__Beneficiary();
        if (msg.value < MIN_STAKE) revert Staking__Value(msg.value);
        uint32 index;
        if (_free.length != 0) {
            index = _free[_free.length - 1];
            _free.pop();
        } else {
            index = _leaves++;
            if (index >= StakeTree.LEAVES) revert Staking__Full();
        }
        v.beneficiary = beneficiary;
        v.index = index;
        operators[index] = msg.sender;
        emit Registered(msg.sender, index, beneficiary, msg.value);
        emit Contact(msg.sender, feeAccount, peerKey);
        _add(msg.sender, v);
    }

    /// @notice Changes where the caller's fees go, and its libp2p key.
    function setContact(uint32 feeAccount, bytes32 peerKey) external {
        _known(msg.sender);
        emit Contact(msg.sender, feeAccount, peerKey);
    }

    /// @notice Adds the value to a validator's stake, for its operator or beneficiary. What still waits moves to the place of
    /// what is added: a stranger's speck of stake, again and again, would keep a validator out for good.
    function topUp(address operator) external payable {
        Validator storage v = _known(operator);
        if (msg.sender != operator && msg.sender != v.beneficiary) revert Staking__NotYours(msg.sender);
        if (v.exit != 0 || v.ejected) revert Staking__Leaving(operator);
        if (msg.value == 0) revert Staking__Value(0);
        _add(operator, v);
    }

    function _add(address operator, Validator storage v) private {
        uint256 stake = v.stake + msg.value;
        if (msg.value % UNIT != 0 || stake >= 1 << 88) revert Staking__Value(msg.value);
        v.stake = uint96(stake);
        uint256 epoch = _reserve(_entries, msg.value / UNIT);
        v.waiting += uint48(msg.value / UNIT);
        v.entry = uint32(epoch);
        emit ToppedUp(operator, stake, epoch);
        if (epoch == currentEpoch() + AHEAD) {
            v.waiting = 0;
            _weigh(v);
        }
    }

    // LEAVING
    // ============================================================================================

    /// @notice Starts a validator's exit, for its operator or beneficiary. It may still lead until it is out of the draw.
    function requestExit(address operator) external {
        Validator storage v = _known(operator);
        if (msg.sender != operator && msg.sender != v.beneficiary) revert Staking__NotYours(msg.sender);
        if (v.exit != 0 || v.ejected) revert Staking__Leaving(operator);
        // What waits will never count: it leaves nothing.
        uint256 epoch = _reserve(_exits, _counted(v));
        v.exit = uint32(epoch);
        emit ExitRequested(operator, epoch);
        if (epoch == currentEpoch() + AHEAD) _leave(operator, v);
    }

    /// @notice Carries out what a validator has a place for: its stake counts, or it leaves. Anyone may.
    function settle(address operator) external {
        Validator storage v = _known(operator);
        if (v.free != 0) revert Staking__Leaving(operator);
        uint256 reach = currentEpoch() + AHEAD;
        if (v.exit != 0) {
            if (reach < v.exit) revert Staking__NotBefore(v.exit - AHEAD);
            _leave(operator, v);
        } else {
            if (v.waiting == 0 || reach < v.entry) revert Staking__NotBefore(v.entry - AHEAD);
            v.waiting = 0;
            _weigh(v);
        }
    }

    /// @notice Pays a stake to its beneficiary once it is free. Anyone may call.
    function withdraw(address operator) external {
        Validator memory v = _known(operator);
        if (v.free == 0 || block.timestamp < v.free) revert Staking__Locked(v.free);
        delete validators[operator];
        delete operators[v.index];
        _free.push(v.index);
        emit Withdrawn(operator, v.beneficiary, v.stake);
        _pay(v.beneficiary, v.stake);
    }

    /// @dev What the validator did in its last epoch can be reported for as long as its stake is here.
    function _leave(address operator, Validator storage v) private {
        v.waiting = 0;
        v.free = uint40(_epochStart(currentEpoch() + AHEAD) + EXIT_DELAY);
        _weigh(v);
        emit Exiting(operator, v.free);
    }

    // WEIGHT
    // ============================================================================================

    function _known(address operator) internal view returns (Validator storage v) {
        v = validators[operator];
        if (v.beneficiary == address(0)) revert Staking__Unknown(operator);
    }

    /// @notice Writes what a validator's stake weighs into the tree, from the first epoch whose set is open.
    function _weigh(Validator storage v) private {
        uint256 epoch = currentEpoch() + AHEAD;
        uint256 weight = v.free != 0 ? 0 : _counted(v);
        _tree.set(v.index, weight, epoch);
        emit Weight(v.index, weight, epoch);
    }

    /// @notice Units of a validator's stake that do not wait.
    function _counted(Validator storage v) private view returns (uint256) {
        uint256 units = v.stake / UNIT;
        return units < v.waiting ? 0 : units - v.waiting;
    }

    /// @notice Takes room for `units` from the epochs ahead. None needs no room, and waits behind nobody.
    /// @return The first epoch in which there is room for the last of them.
    function _reserve(Churn storage churn, uint256 units) private returns (uint256) {
        uint256 epoch = currentEpoch() + AHEAD;
        if (units == 0) return epoch;
        uint256 room = _tree.total(epoch) / CHURN_QUOTIENT;
        if (room < MIN_CHURN / UNIT) room = MIN_CHURN / UNIT;
        uint256 left = room;
        if (churn.epoch >= epoch) {
            epoch = churn.epoch;
            left = churn.left;
        }
        if (units > left) {
            uint256 more = (units - left + room - 1) / room;
            epoch += more;
            left += more * room;
        }
        churn.epoch = uint32(epoch);
        churn.left = uint128(left - units);
        return epoch;
    }

    /// @notice Takes stake from a validator: a share to the caller, the rest is burned.
    /// @param eject Whether it is thrown out whatever is left.
    function _slash(address operator, Validator storage v, uint256 amount, bool eject) internal {
        if (amount > v.stake) amount = v.stake;
        // Weights are whole units.
        uint256 stake = v.stake - amount;
        v.stake = uint96(stake);
        eject = eject || stake < MIN_STAKE;
        bool leaving = v.free != 0;
        if (eject) v.ejected = true;
        emit Slashed(operator, amount, msg.sender, eject);
        if (!leaving) {
            if (eject) _leave(operator, v);
            else _weigh(v);
        }
        uint256 share = amount * REWARD / 100;
        _credit(msg.sender, share);
        _pay(address(0), amount - share);
    }
}
