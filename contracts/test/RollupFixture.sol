// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import { Poseidon2 } from "../src/Poseidon2.sol";
import { Rollup } from "../src/Rollup.sol";
import { Staking } from "../src/Staking.sol";
import { StarkVerifier } from "../src/StarkVerifier.sol";
import { StateTree } from "../src/StateTree.sol";
import { Validators } from "../src/Validators.sol";

interface Cheats {
    function warp(uint256 time) external;
    function deal(address account, uint256 amount) external;
    function store(address account, bytes32 slot, bytes32 value) external;
    function prank(address sender) external;
    function prank(address sender, address origin) external;
    function expectPartialRevert(bytes4 selector) external;
    function expectRevert(bytes calldata reason) external;
    function expectEmit() external;
    function roll(uint256 number) external;
    function prevrandao(bytes32 random) external;
    function chainId(uint256 id) external;
    function etch(address account, bytes calldata code) external;
    function load(address account, bytes32 slot) external view returns (bytes32);
    function cool(address account) external;
    function addr(uint256 key) external pure returns (address);
    function sign(uint256 key, bytes32 digest) external pure returns (uint8 v, bytes32 r, bytes32 s);
    function recordLogs() external;
    function getNonce(address account) external view returns (uint64);
    function signAndAttachDelegation(address implementation, uint256 key) external;
    function computeCreateAddress(address deployer, uint256 nonce) external view returns (address);
}

/// @notice A rollup, batches for it, and a state of one account.
/// @dev The verifier is the real one. What a proof would leave in it, a fact, is written into its storage: these tests
/// are about what follows from facts; proofs are made and verified in the tests of the Rust crates.
abstract contract RollupFixture {
    Cheats internal constant vm = Cheats(0x7109709ECfa91a80626fF3989D68f67F5b1DD12D);

    address internal constant OPERATOR = address(0x0999);
    uint256 internal constant BOND = 1 ether + 1;
    uint256 internal constant FEE = 0.001 ether;
    uint256 internal constant PROVE_WINDOW = 1 days;
    uint256 internal constant QUEUE_WINDOW = 1 hours;
    uint256 internal constant FREEZE_WINDOW = 4 days;
    uint256 internal constant FREEZE_LIMIT = 40 days;
    uint256 internal constant SLOT = 12;
    uint256 internal constant SLOTS = 4;
    uint256 internal constant SILENCE = 60;
    uint256 internal constant STAKE = 10 ether;
    uint256 internal constant CAP = 3;

    StarkVerifier internal verifier;
    Rollup internal rollup;
    Staking internal staking;
    bytes32 internal head;
    uint256 internal exclusive;

    constructor() {
        vm.warp(1_000_000);
        StarkVerifier.Parameters memory p;
        (p.mainWidth, p.auxWidth, p.quotients, p.transitions, p.boundaries) = (92, 4, 8, 100, 10);
        (p.logCycle, p.queries, p.logBlowup, p.grinding) = (3, 41, 4, 20);
        (p.logRemainder, p.logLeast, p.logMost) = (7, 9, 20);
        address[] memory evaluators = new address[](1);
        evaluators[0] = address(vm);
        verifier = new StarkVerifier(p, evaluators);
        (staking, rollup) = _deploy();
        // One validator, which leads every slot.
        vm.deal(OPERATOR, STAKE);
        vm.prank(OPERATOR);
        staking.register{ value: STAKE }(OPERATOR, 0, 0);
        vm.warp(block.timestamp + 3 * SLOT * SLOTS);
    }

    /// @notice A rollup and its validators, which name each other.
    function _deploy() internal returns (Staking validators, Rollup deployed) {
        address next = vm.computeCreateAddress(address(this), vm.getNonce(address(this)) + 1);
        validators = new Staking(Rollup(next), _stakingParameters());
        Rollup.Parameters memory p = _parameters();
        p.staking = validators;
        deployed = new Rollup(p);
    }

    function _stakingParameters() internal pure virtual returns (Validators.Parameters memory p) {
        (p.slot, p.slots, p.stepIn, p.silence, p.minBlocks) = (SLOT, SLOTS, 6, SILENCE, 3);
        (p.minStake, p.minChurn, p.churnQuotient) = (STAKE, 50 ether, 4);
        (p.exitDelay, p.evidenceWindow, p.jail) = (2 days, 1 days, 2 days);
        (p.equivocation, p.neglect, p.reward) = (50, 1 ether, 10);
    }

    function _parameters() internal view virtual returns (Rollup.Parameters memory p) {
        p.verifier = verifier;
        p.kernel = bytes32(uint256(77));
        p.staking = staking;
        p.bond = BOND;
        p.proveWindow = PROVE_WINDOW;
        p.exclusiveWindow = exclusive;
        p.queueFee = FEE;
        p.queueWindow = QUEUE_WINDOW;
        p.freezeWindow = FREEZE_WINDOW;
        p.freezeLimit = FREEZE_LIMIT;
        p.queueCap = CAP;
    }

    // RECORDS
    // ============================================================================================

    function _transfer(uint32 from, uint32 to) internal pure returns (bytes memory) {
        return abi.encodePacked(uint64(from) | (uint64(to & 0x7fffffff) << 32), uint64(1) | (uint64(to >> 31) << 4));
    }

    function _withdraw(uint32 from, address to, uint64 amount) internal pure returns (bytes memory) {
        (uint256 l0, uint256 l1, uint256 l2) = StateTree.cut(to);
        return abi.encodePacked(uint64(from), uint64(4 | (l2 << 4)), uint64(l0), uint64(l1), amount, uint64(3));
    }

    /// @notice The words of a queue entry.
    function _words(uint256 tag, uint32 index, address sender, uint64 amount, bytes32 auth)
        internal
        pure
        returns (uint64[9] memory words)
    {
        (uint256 l0, uint256 l1, uint256 l2) = StateTree.cut(sender);
        words[0] = index;
        words[1] = uint64(tag | (l2 << 4));
        (words[2], words[3], words[4]) = (uint64(l0), uint64(l1), amount);
        for (uint256 i = 0; i < 4; ++i) {
            words[5 + i] = Poseidon2.element(auth, i);
        }
    }

    /// @notice An entry in a batch.
    function _entry(uint64[9] memory words, uint64 moved) internal pure returns (bytes memory record) {
        for (uint256 i = 0; i < 9; ++i) {
            record = abi.encodePacked(record, words[i]);
        }
        return abi.encodePacked(record, moved);
    }

    // BATCHES
    // ============================================================================================

    function _data(uint256 entries, bytes[] memory operations) internal pure returns (bytes memory data) {
        for (uint256 i = 0; i < operations.length; ++i) {
            data = abi.encodePacked(data, operations[i]);
        }
        data = abi.encodePacked(uint64(data.length / 8 + 3), uint64(entries), uint64(0), data);
        while (data.length % 32 != 0) {
            data = abi.encodePacked(data, uint64(0));
        }
    }

    /// @notice One block with all of the data.
    function _blocks(bytes memory data) internal pure returns (bytes memory) {
        return abi.encodePacked(data.length < 8 ? uint16(3) : uint16(uint64(bytes8(data))), bytes32(uint256(1)));
    }

    /// @notice Goes on until anyone may commit.
    function _silence() internal {
        vm.warp(block.timestamp + SILENCE);
    }

    function _list(bytes memory a) internal pure returns (bytes[] memory list) {
        list = new bytes[](1);
        list[0] = a;
    }

    function _list(bytes memory a, bytes memory b) internal pure returns (bytes[] memory list) {
        list = new bytes[](2);
        (list[0], list[1]) = (a, b);
    }

    /// @notice The next call is a transaction of the operator's, who builds on [head].
    function _asOperator() internal {
        (head,,,,,) = rollup.batches(rollup.committed());
        vm.prank(OPERATOR, OPERATOR);
    }

    function _commit(uint256 entries, bytes[] memory operations) internal {
        bytes memory data = _data(entries, operations);
        vm.deal(OPERATOR, BOND);
        _asOperator();
        rollup.commit{ value: BOND }(head, 0, _blocks(data), data, bytes32(uint256(5)));
    }

    function _commitNothing() internal {
        _commit(0, new bytes[](0));
    }

    /// @notice What a proof of the statement leaves in the verifier.
    function _learn(bytes32 statement) internal {
        bytes32 fact = keccak256(abi.encode("proven", statement));
        vm.store(address(verifier), keccak256(abi.encode(fact, uint256(0))), bytes32(uint256(1)));
    }

    function _prove(uint256 last, bytes32 root, address payee) internal {
        _learn(rollup.statement(rollup.proven(), last, root, payee));
        rollup.prove(last, root, payee);
    }

    /// @notice Commits and proves a batch; its state root is that of nothing in particular.
    function _settle(uint256 entries, bytes[] memory operations) internal {
        _commit(entries, operations);
        _prove(rollup.committed(), bytes32(uint256(9)), address(this));
    }

    // TREES
    // ============================================================================================

    /// @notice Root and path of a tree of operations, the slow way.
    function _path(bytes[] memory operations, uint256 position)
        internal
        pure
        returns (bytes32 root, bytes32[] memory path)
    {
        uint256 size = 1;
        uint256 depth = 0;
        while (size < operations.length) {
            size *= 2;
            ++depth;
        }
        bytes32[] memory nodes = new bytes32[](size);
        for (uint256 i = 0; i < operations.length; ++i) {
            nodes[i] = keccak256(abi.encodePacked(uint8(0), operations[i]));
        }
        path = new bytes32[](depth);
        for (uint256 level = 0; level < depth; ++level) {
            path[level] = nodes[position ^ 1];
            position /= 2;
            size /= 2;
            for (uint256 i = 0; i < size; ++i) {
                nodes[i] = keccak256(abi.encodePacked(uint8(1), nodes[2 * i], nodes[2 * i + 1]));
            }
        }
        return (nodes[0], path);
    }

    /// @notice The siblings of account 0 in a tree that has no other.
    function _siblings() internal pure returns (bytes32[32] memory siblings) {
        for (uint256 height = 1; height < 32; ++height) {
            siblings[height] = Poseidon2.compress(siblings[height - 1], siblings[height - 1]);
        }
    }

    /// @notice The state root with account 0 alone.
    function _stateRoot(bytes32 auth, uint32 nonce, uint64 balance) internal pure returns (bytes32 node) {
        bytes32[32] memory siblings = _siblings();
        node = Poseidon2.compress(
            Poseidon2.compress(auth, Poseidon2.word(nonce, balance, 2, 0)), Poseidon2.compress(0, 0)
        );
        for (uint256 height = 0; height < 32; ++height) {
            node = Poseidon2.compress(node, siblings[height]);
        }
        return StateTree.root(node, 1);
    }

    function _auth(uint64[5] memory key, address owner) internal pure returns (bytes32) {
        (uint256 o0, uint256 o1, uint256 o2) = StateTree.cut(owner);
        return Poseidon2.compress(
            Poseidon2.word(key[0], key[1], key[2], key[3]), Poseidon2.word(key[4], o0, o1, o2 | (1 << 48))
        );
    }
}

/// @notice Takes no money.
contract Refuser { }

/// @notice Takes money only while `open`.
contract Moody {
    bool public open;

    function set(bool value) external {
        open = value;
    }

    receive() external payable {
        require(open);
    }
}

/// @notice Calls the rollup again with the same call whenever it is paid, and swallows the refusal.
contract Reentrant {
    address private immutable TARGET;
    bytes private _again;
    uint256 public entered;
    uint256 public succeeded;

    constructor(address target) {
        TARGET = target;
    }

    function set(bytes calldata again) external {
        _again = again;
    }

    receive() external payable {
        ++entered;
        (bool success,) = TARGET.call(_again);
        if (success) ++succeeded;
    }
}
