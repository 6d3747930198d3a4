// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import { BatchData } from "./BatchData.sol";
import { BlockHeaders } from "./BlockHeaders.sol";
import { Inbox } from "./Inbox.sol";
import { Operations } from "./Operations.sol";
import { Poseidon2 } from "./Poseidon2.sol";
import { Records } from "./Records.sol";
import { Staking } from "./Staking.sol";
import { StarkVerifier } from "./StarkVerifier.sol";
import { StateTree } from "./StateTree.sol";
import { RecordTable } from "./generated/RecordTable.sol";

/// @title The rollup on L1: the money, the queue, the order of the batches, the proven state.
/// @notice It has no owner and no upgrade. Money leaves only by an operation of a proven batch, as a debt of the contract
/// itself (bonds, fees), or, once frozen, by the last proven state and the entries that never reached it. What the contract
/// holds is at least what it owes in all these ways.
///
/// A batch is **committed** (its data is public and in order), then **proven** (the kernel ran on exactly that data). The
/// contract checks nothing that the kernel checks: nonsense can be committed, at the price of a bond, and never proven.
contract Rollup is Inbox {
    // ERRORS
    // ============================================================================================

    /// @notice The parameters contradict each other.
    error Rollup__Parameters();
    /// @notice A commit is a transaction to the rollup itself, from an account without code.
    error Rollup__NotDirect(address sender);
    /// @notice It is somebody else's turn to commit.
    error Rollup__NotYourTurn(address sender);
    /// @notice The slot has not begun.
    error Rollup__Slot(uint256 slot);
    /// @notice A commit posts the bond, no more and no less.
    error Rollup__Bond(uint256 expected, uint256 found);
    /// @notice The last committed batch is not the one that the sender built on.
    error Rollup__Parent(bytes32 expected, bytes32 found);
    /// @notice Too many batches are waiting for a proof.
    error Rollup__TooManyUnproven();
    /// @notice The batch is not one that waits for a proof.
    error Rollup__NotWaiting(uint256 batch);
    /// @notice Until `time` only a statement that pays the batch's committer settles it.
    error Rollup__Exclusive(uint256 batch, uint256 time);
    /// @notice The verifier does not know the statement.
    error Rollup__NotProven(bytes32 statement);
    /// @notice No batch is past its deadline.
    error Rollup__NothingToPrune();
    /// @notice The batch is not proven.
    error Rollup__BatchNotProven(uint256 batch);
    /// @notice The words are not the operation at this position of the batch.
    error Rollup__NotIncluded(uint256 batch, uint256 position);
    /// @notice The operation pays nothing on L1.
    error Rollup__NothingToPay();
    /// @notice It was paid already.
    error Rollup__AlreadyPaid();
    /// @notice The proven state does not end a batch there, or the roots agree.
    error Rollup__NoContradiction();
    /// @notice No entry has waited past the freeze window.
    error Rollup__NothingAbandoned();
    /// @notice The rollup is not frozen.
    error Rollup__NotFrozen();
    /// @notice The account is not in the proven state as claimed.
    error Rollup__NoSuchAccount(uint32 index);

    // EVENTS
    // ============================================================================================

    /// @notice A batch was committed; the data is in the transaction.
    event Committed(
        uint256 indexed batch,
        address indexed committer,
        bytes32 digest,
        bytes32 operationsRoot,
        bytes32 head,
        uint256 deadline
    );
    /// @notice The batches from `first` to `last` were proven.
    event Proven(uint256 indexed first, uint256 indexed last, bytes32 root, address payee);
    /// @notice The batches from `first` to `last` were dropped.
    event Pruned(uint256 indexed first, uint256 indexed last);
    /// @notice An operation's payment was made.
    event Claimed(uint256 indexed batch, uint256 indexed position, address to, uint256 gweiPaid);
    /// @notice The rollup was frozen; `provenBatch` is its last.
    event Frozen(uint256 provenBatch);
    /// @notice An account left a frozen rollup.
    event Escaped(uint32 indexed index, address to, uint256 gweiPaid);
    /// @notice An entry that no proven batch consumed was given back.
    event Refunded(uint256 indexed entry, address to, uint256 amount);

    // PARAMETERS
    // ============================================================================================

    /// @notice What a rollup is built with.
    /// @param verifier Verifies the kernel's proofs. It cannot be changed, and neither can what it accepts.
    /// @param kernel The kernel's program hash: the rules.
    /// @param staking Says whose turn it is to commit.
    /// @param bond Wei that a commit posts: what it costs to commit what cannot be proven.
    /// @param proveWindow Seconds from a commit to its deadline, if the batch before it was proven in time.
    /// @param exclusiveWindow Seconds from a commit in which only its committer can be paid for its proof.
    /// @param queueFee Wei that an entry pays to the prover who settles it: what it costs to fill the queue.
    /// @param queueWindow Seconds until a commit must consume an entry.
    /// @param freezeWindow Seconds until an unserved entry lets anyone freeze the rollup. An entry may be consumed at the end
    /// of its window by a batch that is pruned, and again: two proofs must fit.
    /// @param freezeLimit Seconds until it does so whatever happened in between.
    /// @param queueCap Most entries that a batch must consume.
    struct Parameters {
        StarkVerifier verifier;
        bytes32 kernel;
        Staking staking;
        uint256 bond;
        uint256 proveWindow;
        uint256 exclusiveWindow;
        uint256 queueFee;
        uint256 queueWindow;
        uint256 freezeWindow;
        uint256 freezeLimit;
        uint256 queueCap;
    }

    /// @notice Most batches that wait for a proof: pruning and proving go through all of them in one transaction.
    uint256 public constant MAX_UNPROVEN = 256;
    /// @notice The part of the prove window that a batch has at least from the proof of the batch before it on: until that
    /// comes it cannot be settled, however early it was proven, and who proves late shall cost nobody else a bond.
    uint256 public constant SETTLE_SHARE = 8;

    /// @notice Verifies the kernel's proofs.
    StarkVerifier public immutable VERIFIER;
    /// @notice The kernel's program hash.
    bytes32 public immutable KERNEL;
    /// @notice Says whose turn it is to commit.
    Staking public immutable STAKING;
    /// @notice Wei that a commit posts.
    uint256 public immutable BOND;
    /// @notice Seconds from a commit to its deadline, which is not earlier than a share of it after the last proof.
    uint256 public immutable PROVE_WINDOW;
    /// @notice Seconds from a commit in which only its committer can be paid for its proof.
    uint256 public immutable EXCLUSIVE_WINDOW;
    /// @notice Seconds until an unserved entry lets anyone freeze the rollup, whatever happened in between.
    uint256 public immutable FREEZE_LIMIT;
    /// @notice Names chain and rollup in signatures and statements: a proof or a signature for another deployment is none
    /// for this one.
    bytes32 public immutable DOMAIN;

    // STATE
    // ============================================================================================

    /// @notice A batch.
    /// @param digest The chain digest after it: binds the data of all batches up to it, and their order.
    /// @param operationsRoot The root of its operations.
    /// @param head The hash of its last block's header.
    /// @param committer Who posted its bond.
    /// @param committedAt When.
    /// @param queueEnd The queue's next entry after it.
    struct Batch {
        bytes32 digest;
        bytes32 operationsRoot;
        bytes32 head;
        address committer;
        uint40 committedAt;
        uint48 queueEnd;
    }

    /// @notice The batch that was committed last.
    uint64 public committed;
    /// @notice The batch that was proven last.
    uint64 public proven;
    /// @notice When somebody last committed, or batches were last pruned.
    uint40 public quietSince;
    /// @notice When operators were last kept from their work: batches were pruned, a proof came after its deadline, or one
    /// made room where no more batches could wait.
    uint40 public disturbed;
    /// @notice When batches were last pruned.
    uint40 public prunedAt;
    /// @notice When batches were last proven.
    uint40 public provenAt;

    /// @notice The batches. Those above [committed] were pruned and mean nothing.
    mapping(uint256 batch => Batch) public batches;
    /// @notice The state root after a batch, for each batch with which a proof ended.
    mapping(uint256 batch => bytes32 root) public roots;
    mapping(uint256 batch => mapping(uint256 word => uint256 bits)) private _claimed;
    mapping(uint256 word => uint256 bits) private _escaped;

    constructor(Parameters memory p) Inbox(p.queueFee, p.queueWindow, p.freezeWindow, p.queueCap) {
        bool parties = address(p.verifier).code.length != 0 && p.kernel != 0 && address(p.staking).code.length != 0
            && address(p.staking.ROLLUP()) == address(this);
        bool money = p.bond != 0 && p.bond < 1 << 96 && p.queueFee < 1 << 96;
        bool windows = p.proveWindow != 0 && p.queueWindow != 0 && p.queueWindow < 1 << 32 && p.freezeWindow < 1 << 32
            && p.proveWindow < 1 << 32 && p.freezeWindow > p.queueWindow + 2 * p.proveWindow
            && p.exclusiveWindow < p.proveWindow && p.freezeLimit >= 2 * p.freezeWindow && p.freezeLimit < 1 << 33;
        // An entry that is consumed behind as many batches as can wait, each proven as late as it can be, is no reason to freeze.
        uint256 share = p.proveWindow / SETTLE_SHARE;
        windows = windows && share >= 2 && p.freezeLimit > p.queueWindow + p.proveWindow + MAX_UNPROVEN * share;
        // Entries that must be consumed fit a batch.
        uint256 most = (BatchData.MAX_WORDS - BatchData.HEADER_WORDS) / RecordTable.ENTRY_WORDS;
        bool queue = p.queueCap != 0 && p.queueCap <= most;
        if (!(parties && money && windows && queue && block.chainid < 1 << 63)) revert Rollup__Parameters();
        // Who is pruned is not back for the next two windows, nor gone: no exit is shorter than a jail.
        if (p.staking.JAIL() < 2 * p.proveWindow) revert Rollup__Parameters();
        Poseidon2.check(p.kernel);
        VERIFIER = p.verifier;
        KERNEL = p.kernel;
        STAKING = p.staking;
        BOND = p.bond;
        PROVE_WINDOW = p.proveWindow;
        EXCLUSIVE_WINDOW = p.exclusiveWindow;
        FREEZE_LIMIT = p.freezeLimit;
        quietSince = uint40(block.timestamp);
        (uint256 a0, uint256 a1, uint256 a2) = StateTree.cut(address(this));
        DOMAIN = Poseidon2.compress(Poseidon2.word(block.chainid, 4, 0, 0), Poseidon2.word(a0, a1, a2, 0));
        roots[0] = StateTree.emptyRoot();
    }

    // COMMIT
    // ============================================================================================

    /// @notice Appends a batch: publishes its data and fixes its place. The bond goes to who has it proven, and is lost if
    /// it is the first that is not by its deadline. The data is the calldata of a transaction to this contract, where anyone
    /// reads it: in an inner call only a trace shows it, and without it nobody could go on, or leave, after the batch is proven.
    /// @param previous The chain digest that the batch builds on. A commit that is sent twice, or meets another history than
    /// its sender saw, would post a bond on a batch that nobody can prove.
    /// @param slot The slot that its blocks were built for.
    /// @param blocks For each block where it ends in the data, a word's number in two bytes, and the state root that its
    /// header claims.
    /// @param data The batch's words, eight bytes each, padded with zero words to whole blocks of four.
    /// @param claimed The Poseidon2 digest of the words. A wrong one only makes the batch unprovable.
    function commit(bytes32 previous, uint64 slot, bytes calldata blocks, bytes calldata data, bytes32 claimed)
        external
        payable
        whileRunning
    {
        // An account with delegated code (EIP-7702) that calls itself is the origin of its inner calls.
        if (msg.sender != tx.origin || msg.sender.code.length != 0) revert Rollup__NotDirect(msg.sender);
        if (!STAKING.mayCommit(msg.sender, quietSince)) revert Rollup__NotYourTurn(msg.sender);
        if (slot > STAKING.slotAt(block.timestamp)) revert Rollup__Slot(slot);
        if (msg.value != BOND) revert Rollup__Bond(BOND, msg.value);
        Poseidon2.check(claimed);
        uint256 number = committed;
        if (number - proven == MAX_UNPROVEN) revert Rollup__TooManyUnproven();
        Batch storage parent = batches[number];
        if (parent.digest != previous) revert Rollup__Parent(parent.digest, previous);
        ++number;
        committed = uint64(number);
        quietSince = uint40(block.timestamp);
        Batch memory batch;
        BatchData.Data memory d = BatchData.load(data);
        batch.digest = BatchData.extend(d, claimed, number, previous);
        BlockHeaders.Header memory header;
        (header.slot, header.batch, header.parent) = (slot, uint64(number), parent.head);
        batch.head = BlockHeaders.chain(header, blocks, d.start, d.length);
        uint256 records = d.start + 8 * BatchData.HEADER_WORDS;
        batch.queueEnd = uint48(_consume(records, d.entries, parent.queueEnd));
        // Last, because it writes over the data.
        batch.operationsRoot = Operations.root(records, d.entries, d.start + 8 * d.length);
        (batch.committer, batch.committedAt) = (msg.sender, uint40(block.timestamp));
        batches[number] = batch;
        emit Committed(
            number, msg.sender, batch.digest, batch.operationsRoot, batch.head, block.timestamp + PROVE_WINDOW
        );
    }

    // PROVE
    // ============================================================================================

    /// @notice Settles all batches to `last`, if the verifier knows that the kernel leads from the proven state to `root` on
    /// their data. Anyone may send it at any time before the batches are pruned: the first batch's bond and all fees go to the
    /// payee that the statement names, so there is nothing to steal. The payee is the batch's committer while its time is
    /// exclusive: it had the work of the batch, and the first call on what the proof earns. The bonds of the others go back to
    /// their committers, and so does the first one's before [bondOpensAt]: a batch cannot be settled before the one in front of
    /// it is, and when that is may be another's choice.
    function prove(uint256 last, bytes32 root, address payee) external whileRunning {
        uint256 parent = proven;
        if (last <= parent || last > committed) revert Rollup__NotWaiting(last);
        _requireProven(parent, last, root, payee);
        uint256 earned = 0;
        bool earns = block.timestamp >= bondOpensAt();
        for (uint256 batch = parent + 1; batch <= last; ++batch) {
            address committer = batches[batch].committer;
            uint256 open = batches[batch].committedAt + EXCLUSIVE_WINDOW;
            if (block.timestamp < open && committer != payee) revert Rollup__Exclusive(batch, open);
            if (committer == payee || earns) earned += BOND;
            else _credit(committer, BOND);
            earns = false;
        }
        if (_overdue() || committed - parent == MAX_UNPROVEN) disturbed = uint40(block.timestamp);
        (proven, provenAt) = (uint64(last), uint40(block.timestamp));
        roots[last] = root;
        _credit(payee, earned + (batches[last].queueEnd - batches[parent].queueEnd) * QUEUE_FEE);
        emit Proven(parent + 1, last, root, payee);
    }

    /// @notice The digest of the statement that the kernel leads from the state after `parent` to `root` on the data of the
    /// batches after `parent` up to `last`. This is what the verifier must know.
    function statement(uint256 parent, uint256 last, bytes32 root, address payee) public view returns (bytes32) {
        uint64[] memory inputs = new uint64[](19);
        uint64[] memory outputs = new uint64[](4);
        _put(inputs, 0, roots[parent]);
        _put(inputs, 4, batches[parent].digest);
        _put(inputs, 8, DOMAIN);
        (uint256 a0, uint256 a1, uint256 a2) = StateTree.cut(payee);
        (inputs[12], inputs[13], inputs[14]) = (uint64(a0), uint64(a1), uint64(a2));
        _put(inputs, 15, batches[last].digest);
        _put(outputs, 0, root);
        return VERIFIER.statementOf(KERNEL, inputs, outputs);
    }

    function _put(uint64[] memory words, uint256 offset, bytes32 word) private pure {
        for (uint256 i = 0; i < 4; ++i) {
            words[offset + i] = Poseidon2.element(word, i);
        }
    }

    function _requireProven(uint256 parent, uint256 last, bytes32 root, address payee) private view {
        bytes32 digest = statement(parent, last, root, payee);
        if (!VERIFIER.isProven(digest)) revert Rollup__NotProven(digest);
    }

    // PRUNE
    // ============================================================================================

    /// @notice Drops all unproven batches once the first of them is past its deadline: without its proof none of the others
    /// can be proven. Its committer alone loses the bond, half to the caller, half burned, so that even a committer who
    /// prunes itself pays; if it is a validator it is jailed, so that the next commit is somebody else's. The queue's entries
    /// wait again, and operators have a queue window before they can be frozen out.
    function prune() external whileRunning {
        if (!_overdue()) revert Rollup__NothingToPrune();
        _drop(true);
    }

    function _overdue() private view returns (bool) {
        return proven < committed && deadline() < block.timestamp;
    }

    /// @notice From when on whoever else proves the first unproven batch has its bond; means nothing if all are proven. If it
    /// could not be settled before the last proof, its committer has some time from then on.
    function bondOpensAt() public view returns (uint256) {
        uint256 time = batches[uint256(proven) + 1].committedAt;
        uint256 own = time + EXCLUSIVE_WINDOW;
        uint256 half = PROVE_WINDOW / SETTLE_SHARE / 2;
        uint256 least = provenAt + (half < EXCLUSIVE_WINDOW ? half : EXCLUSIVE_WINDOW);
        return time > provenAt || own > least ? own : least;
    }

    /// @notice The last second in which the first unproven batch cannot be pruned; means nothing if all are proven.
    function deadline() public view returns (uint256) {
        uint256 own = batches[uint256(proven) + 1].committedAt + PROVE_WINDOW;
        uint256 least = provenAt + PROVE_WINDOW / SETTLE_SHARE;
        return own > least ? own : least;
    }

    /// @notice Drops all unproven batches; their bonds go back, that of the first only if `slash` is not set.
    function _drop(bool slash) private {
        uint256 first = uint256(proven) + 1;
        uint256 last = committed;
        if (first > last) return;
        committed = uint64(first - 1);
        for (uint256 batch = slash ? first + 1 : first; batch <= last; ++batch) {
            _credit(batches[batch].committer, BOND);
        }
        emit Pruned(first, last);
        (quietSince, disturbed) = (uint40(block.timestamp), uint40(block.timestamp));
        prunedAt = uint40(block.timestamp);
        if (slash) {
            STAKING.jail(batches[first].committer);
            _credit(msg.sender, BOND / 2);
            _pay(address(0), BOND - BOND / 2);
        }
    }

    // CLAIMS
    // ============================================================================================

    /// @notice Pays what an operation of a proven batch pays on L1: a withdrawal, an exit, or a deposit that was refused.
    /// Once, to the address in the record, whoever calls; a receiver that refuses is owed.
    /// @param position The operation's number in the batch: entries first, then records.
    /// @param words The operation's words, eight bytes each.
    /// @param path The siblings of its leaf, lowest first.
    function claim(uint256 batch, uint256 position, bytes calldata words, bytes32[] calldata path) external {
        if (batch > proven) revert Rollup__BatchNotProven(batch);
        if (!included(batch, position, words, path)) revert Rollup__NotIncluded(batch, position);
        (address to, uint256 amount) = Records.payment(words);
        if (amount == 0) revert Rollup__NothingToPay();
        _once(_claimed[batch], position);
        emit Claimed(batch, position, to, amount);
        _pay(to, amount * 1 gwei);
    }

    /// @notice Whether `words` is the operation at `position` of a committed batch, proven or not.
    function included(uint256 batch, uint256 position, bytes calldata words, bytes32[] calldata path)
        public
        view
        returns (bool)
    {
        if (batch == 0 || batch > committed) return false;
        return Operations.includes(batches[batch].operationsRoot, position, words, path);
    }

    /// @notice Marks bit `position`, which must not be marked.
    function _once(mapping(uint256 word => uint256 bits) storage bits, uint256 position) private {
        uint256 bit = 1 << (position & 255);
        uint256 word = bits[position >> 8];
        if (word & bit != 0) revert Rollup__AlreadyPaid();
        bits[position >> 8] = word | bit;
    }

    // PROVEN STATE
    // ============================================================================================

    /// @notice Whether the proven state has this account at `index`.
    /// @param next The next free index, which the root commits to.
    /// @param siblings The siblings of the account's leaf, lowest first.
    function accountProven(
        uint32 index,
        bytes32 auth,
        uint32 nonce,
        uint64 balance,
        uint64 next,
        bytes32[32] calldata siblings
    ) public view returns (bool) {
        return StateTree.rootFrom(index, auth, nonce, balance, next, siblings) == roots[proven];
    }

    // FREEZING AND LEAVING
    // ============================================================================================

    /// @notice Freezes the rollup if an entry that no proven batch consumed has waited past the freeze window: operators
    /// censor, or nobody proves. From then on nothing changes the proven state, and everybody can leave with it. While
    /// batches wait for a proof, and for a queue window after a prune, the entry has to wait for longer, up to the limit: who
    /// commits garbage cannot run the clock out for those who do not.
    function freeze() external whileRunning {
        uint256 entry = batches[proven].queueEnd;
        bool quiet = committed == proven && block.timestamp > uint256(prunedAt) + QUEUE_WINDOW;
        if (!_waited(entry, quiet ? FREEZE_WINDOW : FREEZE_LIMIT)) revert Rollup__NothingAbandoned();
        _freeze(_overdue());
    }

    /// @notice Freezes the rollup if the verifier knows two outcomes of the same batches: the proof system or the kernel is
    /// broken, and the only safe answer that needs nobody's judgement is to stop.
    /// @param parent A batch with which a proof ended.
    /// @param last A later one.
    /// @param root Another root than the proven one after `last`.
    /// @param payee The payee of the other statement.
    function reportContradiction(uint256 parent, uint256 last, bytes32 root, address payee) external whileRunning {
        bool known = roots[parent] != 0 && roots[last] != 0 && parent < last;
        if (!known || roots[last] == root) revert Rollup__NoContradiction();
        _requireProven(parent, last, root, payee);
        _freeze(false);
    }

    function _freeze(bool slash) private {
        frozen = true;
        emit Frozen(proven);
        _drop(slash);
    }

    /// @notice Pays the proven balance of an account of a frozen rollup to its L1 owner, once. The owner is part of the
    /// account's address, so the caller has no choice whom to pay.
    function escape(
        uint32 index,
        uint64[5] calldata key,
        address owner,
        uint32 nonce,
        uint64 balance,
        uint64 next,
        bytes32[32] calldata siblings
    ) external {
        if (!frozen) revert Rollup__NotFrozen();
        bytes32 auth = StateTree.auth(key, owner);
        if (!accountProven(index, auth, nonce, balance, next, siblings)) revert Rollup__NoSuchAccount(index);
        if (balance == 0) revert Rollup__NothingToPay();
        _once(_escaped, index);
        emit Escaped(index, owner, balance);
        _pay(owner, uint256(balance) * 1 gwei);
    }

    /// @notice Gives back what an entry of a frozen rollup brought, deposit and fee, if no proven batch consumed it. Once, to
    /// whoever queued it.
    /// @param words The entry's words, as its event gave them.
    function refund(uint256 entry, uint64[9] calldata words) external {
        if (!frozen) revert Rollup__NotFrozen();
        if (entry < batches[proven].queueEnd) revert Inbox__Entry(entry);
        _remove(entry, words);
        (address to, uint256 amount) = Records.origin(words);
        amount = amount * 1 gwei + QUEUE_FEE;
        emit Refunded(entry, to, amount);
        _pay(to, amount);
    }
}
