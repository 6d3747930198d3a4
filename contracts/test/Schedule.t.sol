// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import { L1Header } from "../src/L1Header.sol";
import { Schedule } from "../src/Schedule.sol";
import { L1Chain } from "./L1Chain.sol";
import { StakingFixture } from "./StakingFixture.sol";

/// @notice Slots, frozen sets, leaders.
contract ScheduleTest is StakingFixture {
    function testFuzz_SlotsAreCountedFromTheGenesis(uint32 time) external view {
        uint256 genesis = staking.GENESIS();
        uint256 slot = staking.slotAt(genesis + time);
        assert(slot == time / SLOT);
        assert(staking.slotStart(slot) <= genesis + time && genesis + time < staking.slotStart(slot + 1));
        assert(staking.slotAt(staking.slotStart(slot)) == slot);
        // Before the genesis there is none.
        (bool success,) = address(staking).staticcall(abi.encodeCall(staking.slotAt, (genesis - 1)));
        assert(!success);
    }

    function testFuzz_AnEpochIsSoManySlots(uint32 time) external {
        vm.warp(staking.GENESIS() + time);
        assert(staking.currentEpoch() == time / EPOCH);
    }

    /// @notice Nobody leads before somebody's stake counts; then it leads to the end of the epoch before it leaves.
    function testFuzz_AStakeCountsFromThreeEpochsAheadOn(uint256 from, uint256 to) external {
        uint256 start = from % 5;
        uint256 end = start + 3 + to % 5;
        vm.warp(staking.slotStart(start * SLOTS) + from % EPOCH);
        address operator = _join(0, STAKE);
        vm.warp(staking.slotStart(end * SLOTS) + to % EPOCH);
        _exit(0);
        _toEpoch(end + 4);
        for (uint256 slot = 0; slot < (end + 5) * SLOTS; ++slot) {
            bool counts = slot / SLOTS >= start + 3 && slot / SLOTS < end + 3;
            assert(staking.leader(slot) == (counts ? operator : address(0)));
        }
    }

    function test_TheLeaderIsTheLeafThatTheSeedFinds() external {
        for (uint256 i = 0; i < 5; ++i) {
            _join(i, STAKE);
        }
        _toEpoch(7);
        for (uint256 slot = 3 * SLOTS; slot < 8 * SLOTS; ++slot) {
            uint256 point =
                uint256(keccak256(abi.encode(staking.seed(slot / SLOTS), slot))) % (5 * STAKE / UNIT) / (STAKE / UNIT);
            assert(staking.leader(slot) == _operator(point));
        }
        vm.expectRevert(abi.encodeWithSelector(Schedule.Schedule__NotYet.selector, 8));
        staking.leader(8 * SLOTS);
    }

    /// @notice Whatever anybody does, the sets of this epoch and the two after it stay, and so do leaders, past ones too.
    /// forge-config: default.fuzz.runs = 24
    function testFuzz_TheSetsAheadAreFrozen(uint256 seed) external {
        for (uint256 i = 0; i < 8; ++i) {
            _join(i, STAKE + i * 1 ether);
        }
        _toEpoch(6);
        for (uint256 i = 0; i < 8; ++i) {
            try staking.settle(_operator(i)) { } catch { }
        }
        _exit(7);
        for (uint256 round = 0; round < 3; ++round) {
            uint256 epoch = staking.currentEpoch();
            bytes32 before = _sets(epoch);
            for (uint256 k = 0; k < 5; ++k) {
                seed = uint256(keccak256(abi.encode(seed)));
                _anything(seed);
                assert(_sets(epoch) == before);
            }
            vm.warp(staking.slotStart((epoch + 1 + seed % 2) * SLOTS) - 1);
            assert(_sets(epoch) == before);
            if (seed % 5 == 0) vm.warp(block.timestamp + EXIT_DELAY);
            vm.warp(block.timestamp + 1);
        }
    }

    /// @notice All weights of the epochs up to the second after `epoch`, and all leaders of the epochs up to it.
    function _sets(uint256 epoch) private view returns (bytes32 digest) {
        for (uint256 slot = epoch < 6 ? 0 : (epoch - 6) * SLOTS; slot < (epoch + 1) * SLOTS; ++slot) {
            digest = keccak256(abi.encode(digest, slot % SLOTS == 0 ? open.sets(16, slot / SLOTS, slot) : bytes32(0)));
            digest = keccak256(abi.encode(digest, staking.leader(slot)));
        }
    }

    /// @notice One act by a validator or somebody new, if it is allowed.
    function _anything(uint256 seed) private {
        uint256 i = (seed >> 8) % 14;
        address operator = _operator(i);
        bool its = _isValidator(operator) && _validator(i).exit == 0 && !_validator(i).ejected;
        uint256 kind = seed % 6;
        if (kind == 0 && !_isValidator(operator)) _join(i, STAKE + (seed >> 64) % 30 * 1 ether);
        if (kind == 1 && its) _topUp(i, 1 ether + (seed >> 64) % 60 * 1 ether);
        if (kind == 2 && its) _exit(i);
        if (kind == 3 && its) _equivocate(i);
        if (kind == 4) try staking.settle(operator) { } catch { }
        if (kind == 5) try staking.withdraw(operator) { } catch { }
    }
}

/// @notice Randomness from L1's headers.
contract SeedTest is StakingFixture {
    uint256 private constant NUMBER = 20_000_000;
    uint256 private constant NOW = 5;

    L1Chain.Block[4] private _blocks4;
    bytes[4] private _rlp;

    event Seeded(uint256 indexed epoch, bytes32 seed);

    /// @dev Four blocks: two before epoch 5, two in it. The contracts stand in the slot after.
    function setUp() external {
        uint256 start = staking.slotStart(NOW * SLOTS);
        uint256[4] memory times = [start - 13, start - 1, start, start + 11];
        bytes32 parent = keccak256("before");
        for (uint256 i = 0; i < 4; ++i) {
            _blocks4[i] = L1Chain.Block(parent, NUMBER + i, times[i], keccak256(abi.encode("random", i)));
            _rlp[i] = L1Chain.mine(_blocks4[i]);
            parent = keccak256(_rlp[i]);
        }
        vm.warp(start + SLOT);
    }

    function _notNow(uint256 epoch) private pure returns (bytes memory) {
        return abi.encodeWithSelector(Schedule.Schedule__NotNow.selector, epoch);
    }

    function _notFirst(uint256 number) private pure returns (bytes memory) {
        return abi.encodeWithSelector(Schedule.Schedule__NotTheFirstBlock.selector, number);
    }

    function _notKnown(uint256 number) private pure returns (bytes memory) {
        return abi.encodeWithSelector(L1Header.L1Header__NotInHistory.selector, number);
    }

    function test_TheFirstBlockOfTheEpochBeforeGivesTheSeed() external {
        bytes32 value = keccak256(abi.encode(_blocks4[2].random, NOW + 1));
        vm.expectRevert(abi.encodeWithSelector(Schedule.Schedule__NotYet.selector, NOW + 1));
        staking.seed(NOW + 1);
        vm.expectEmit();
        emit Seeded(NOW + 1, value);
        vm.prank(address(0xabc));
        staking.bringSeed(NOW + 1, _rlp[1], _rlp[2]);
        // Known an epoch before it is used, and the same for good.
        assert(staking.seed(NOW + 1) == value);
        _toEpoch(NOW + 9);
        assert(staking.seed(NOW + 1) == value);
    }

    function test_NoOtherBlockDoes() external {
        vm.expectRevert(_notFirst(NUMBER + 1));
        staking.bringSeed(NOW + 1, _rlp[0], _rlp[1]);
        vm.expectRevert(_notFirst(NUMBER + 3));
        staking.bringSeed(NOW + 1, _rlp[2], _rlp[3]);
        // A parent that is another block, although in its place and time.
        vm.expectRevert(_notFirst(NUMBER + 2));
        staking.bringSeed(NOW + 1, _rlp[0], _rlp[2]);
        L1Chain.Block memory uncle = _blocks4[1];
        uncle.random = keccak256("other");
        vm.expectRevert(_notFirst(NUMBER + 2));
        staking.bringSeed(NOW + 1, L1Chain.encode(uncle), _rlp[2]);
        vm.expectRevert(_notFirst(NUMBER + 3));
        staking.bringSeed(NOW + 1, _rlp[1], _rlp[3]);
    }

    function test_ASeedIsBroughtInTheEpochBeforeOnly() external {
        uint256[5] memory wrong = [uint256(0), NOW - 1, NOW, NOW + 2, NOW + 3];
        for (uint256 i = 0; i < 5; ++i) {
            vm.expectRevert(_notNow(wrong[i]));
            staking.bringSeed(wrong[i], _rlp[1], _rlp[2]);
        }
        vm.warp(staking.slotStart((NOW + 1) * SLOTS));
        vm.expectRevert(_notNow(NOW + 1));
        staking.bringSeed(NOW + 1, _rlp[1], _rlp[2]);
        vm.warp(block.timestamp - 1);
        staking.bringSeed(NOW + 1, _rlp[1], _rlp[2]);
        vm.expectRevert(_notNow(NOW + 1));
        staking.bringSeed(NOW + 1, _rlp[1], _rlp[2]);
    }

    function test_OnlyBlocksInL1sHistoryCount() external {
        vm.roll(NUMBER + 2);
        vm.expectRevert(_notKnown(NUMBER + 2));
        staking.bringSeed(NOW + 1, _rlp[1], _rlp[2]);
        vm.roll(NUMBER + 2 + 8192);
        vm.expectRevert(_notKnown(NUMBER + 2));
        staking.bringSeed(NOW + 1, _rlp[1], _rlp[2]);
        // The ring's place has another block by now.
        vm.roll(NUMBER + 2 + 8191);
        L1Chain.keep(NUMBER + 2 + 8191, keccak256("newer"));
        vm.expectRevert(_notKnown(NUMBER + 2));
        staking.bringSeed(NOW + 1, _rlp[1], _rlp[2]);
        // The last moment in which the history has it.
        L1Chain.keep(NUMBER + 2, keccak256(_rlp[2]));
        staking.bringSeed(NOW + 1, _rlp[1], _rlp[2]);
    }

    /// @notice On a chain without the history contract no block is known.
    function test_WithoutAHistoryNothingIsKnown() external {
        vm.etch(L1Chain.HISTORY, "");
        vm.expectRevert(_notKnown(NUMBER + 2));
        staking.bringSeed(NOW + 1, _rlp[1], _rlp[2]);
    }

    function test_AForgedHeaderIsNotInTheHistory() external {
        L1Chain.Block memory forged = _blocks4[2];
        forged.random = bytes32(uint256(forged.random) ^ 1);
        vm.expectRevert(_notKnown(NUMBER + 2));
        staking.bringSeed(NOW + 1, _rlp[1], L1Chain.encode(forged));
        // The block after, with the time of the first one.
        forged = _blocks4[3];
        forged.time = _blocks4[2].time;
        vm.expectRevert(_notKnown(NUMBER + 3));
        staking.bringSeed(NOW + 1, _rlp[1], L1Chain.encode(forged));
    }

    /// @notice Refused with a reason that names what is wrong, whatever the bytes are.
    function _refused(bytes memory parent, bytes memory header) private {
        try staking.bringSeed(NOW + 1, parent, header) {
            assert(false);
        } catch (bytes memory reason) {
            bytes4 selector = bytes4(reason);
            assert(
                selector == L1Header.L1Header__Malformed.selector
                    || selector == L1Header.L1Header__NotInHistory.selector
                    || selector == Schedule.Schedule__NotTheFirstBlock.selector
            );
        }
    }

    function testFuzz_BytesThatAreNoHeaderAreRefused(bytes calldata garbage, uint8 prefix) external {
        _refused(_rlp[1], garbage);
        _refused(garbage, _rlp[2]);
        // With the frame of a list.
        _refused(_rlp[1], L1Chain.list(garbage));
        _refused(L1Chain.list(garbage), _rlp[2]);
        _refused(_rlp[1], abi.encodePacked(prefix, garbage));
        _refused(abi.encodePacked(prefix, garbage), _rlp[2]);
    }

    function testFuzz_ChangedHeadersAreRefused(uint256 place, uint8 flip, uint256 cut) external {
        if (flip == 0) flip = 1;
        bytes memory header = _rlp[2];
        header[place % header.length] ^= bytes1(flip);
        _refused(_rlp[1], header);
        bytes memory parent = _rlp[1];
        parent[place % parent.length] ^= bytes1(flip);
        _refused(parent, _rlp[2]);
        // Cut off and continued.
        header = _rlp[2];
        cut %= header.length;
        assembly ("memory-safe") {
            mstore(header, cut)
        }
        _refused(_rlp[1], header);
        _refused(_rlp[1], abi.encodePacked(_rlp[2], flip));
        _refused(abi.encodePacked(_rlp[1], flip), _rlp[2]);
    }

    // FALLBACK
    // ============================================================================================

    /// @notice Brings an honest seed in epoch `epoch` for the next one.
    function _bring(uint256 epoch) private returns (bytes32 value) {
        uint256 start = staking.slotStart(epoch * SLOTS);
        uint256 number = NUMBER + 100 * epoch;
        bytes memory parent = L1Chain.mine(L1Chain.Block(0, number, start - 3, 0));
        bytes32 random = keccak256(abi.encode("epoch", epoch));
        bytes memory first = L1Chain.mine(L1Chain.Block(keccak256(parent), number + 1, start + 2, random));
        vm.warp(start + 3);
        staking.bringSeed(epoch + 1, parent, first);
        return keccak256(abi.encode(random, epoch + 1));
    }

    function _follows(bytes32 last, uint256 epoch) private view returns (bool) {
        return staking.seed(epoch) == keccak256(abi.encode(last, epoch));
    }

    function test_WithoutASeedTheLastOneGoesOn() external {
        bytes32 first = keccak256(abi.encode(keccak256("genesis"), 0));
        assert(staking.seed(0) == first);
        for (uint256 epoch = 1; epoch <= NOW; ++epoch) {
            assert(_follows(first, epoch));
        }
        // Not before the epoch: until then a seed can still be brought.
        vm.warp(staking.slotStart(7 * SLOTS) - 1);
        vm.expectRevert(abi.encodeWithSelector(Schedule.Schedule__NotYet.selector, 7));
        staking.seed(7);
        vm.warp(block.timestamp + 1);
        assert(_follows(first, 7));
        bytes32 eight = _bring(7);
        assert(staking.seed(8) == eight);
        _toEpoch(11);
        assert(_follows(eight, 9) && _follows(eight, 10) && _follows(eight, 11));
        bytes32 twelve = _bring(11);
        bytes32 thirteen = _bring(12);
        _toEpoch(30);
        bytes32 later = _bring(30);
        // What was without a seed stays as it was when later ones come.
        _toEpoch(33);
        for (uint256 epoch = 1; epoch < 33; ++epoch) {
            if (epoch < 8) assert(_follows(first, epoch));
            else if (epoch == 8) assert(staking.seed(epoch) == eight);
            else if (epoch < 12) assert(_follows(eight, epoch));
            else if (epoch == 12) assert(staking.seed(epoch) == twelve);
            else if (epoch == 13) assert(staking.seed(epoch) == thirteen);
            else if (epoch < 31) assert(_follows(thirteen, epoch));
            else if (epoch == 31) assert(staking.seed(epoch) == later);
            else assert(_follows(later, epoch));
        }
    }

    /// @notice In the first epoch, the genesis' own block is the first.
    function test_TheFirstEpochsSeed() external {
        _fresh();
        assert(staking.seed(0) == keccak256(abi.encode(keccak256("genesis"), 0)));
        bytes32 value = _bring(0);
        assert(staking.seed(1) == value);
    }
}

/// @notice The reader of headers alone.
contract L1HeaderTest {
    function parse(bytes calldata rlp) external pure returns (L1Header.Header memory) {
        return L1Header.parse(rlp);
    }

    function _malformed(bytes memory rlp) private view {
        try this.parse(rlp) {
            assert(false);
        } catch (bytes memory reason) {
            assert(bytes4(reason) == L1Header.L1Header__Malformed.selector);
        }
    }

    /// @notice The first block of L1's main chain, whose hash everybody knows.
    function test_TheGenesisOfTheMainChain() external view {
        bytes memory items = abi.encodePacked(
            L1Chain.word(0),
            L1Chain.word(0x1dcc4de8dec75d7aab85b567b6ccd41ad312451b948a7413f0a142fd40d49347),
            L1Chain.text(new bytes(20)),
            L1Chain.word(0xd7f8974fb5ac78d9ac099b9ad5018bedc2ce0a72dad1827a1709da30580f0544),
            L1Chain.word(0x56e81f171bcc55a6ff8345e692c0f86e5b48e01b996cadc001622fb5e363b421),
            L1Chain.word(0x56e81f171bcc55a6ff8345e692c0f86e5b48e01b996cadc001622fb5e363b421),
            L1Chain.text(new bytes(256)),
            L1Chain.integer(0x400000000)
        );
        items = abi.encodePacked(
            items,
            L1Chain.integer(0),
            L1Chain.integer(5000),
            L1Chain.integer(0),
            L1Chain.integer(0),
            L1Chain.word(0x11bbe8db4e347b4e8c937c1c8370e4b5ed33adb3db69cbdb7a38e1e50b1b82fa),
            L1Chain.word(0),
            L1Chain.text(hex"0000000000000042")
        );
        L1Header.Header memory header = this.parse(L1Chain.list(items));
        assert(header.hash == 0xd4e56740f876aef8c010b86a40d5f56745a118d0906a34e69aec8c0db1cb8fa3);
        assert(header.parent == 0 && header.number == 0 && header.time == 0 && header.random == 0);
    }

    function testFuzz_FieldsAreRead(L1Chain.Block calldata b, uint8 sizes) external view {
        L1Chain.Block memory c = b;
        c.number >>= sizes & 0xf0;
        c.time >>= uint256(sizes & 15) << 4;
        bytes memory rlp = L1Chain.encode(c);
        L1Header.Header memory header = this.parse(rlp);
        assert(header.hash == keccak256(rlp) && header.parent == c.parent && header.random == c.random);
        assert(header.number == c.number && header.time == c.time);
    }

    function testFuzz_BytesAreAHeaderOrMalformed(bytes calldata garbage, uint8 prefix) external view {
        try this.parse(garbage) { }
        catch (bytes memory reason) {
            assert(bytes4(reason) == L1Header.L1Header__Malformed.selector && reason.length == 4);
        }
        try this.parse(abi.encodePacked(prefix, garbage)) { }
        catch (bytes memory reason) {
            assert(bytes4(reason) == L1Header.L1Header__Malformed.selector && reason.length == 4);
        }
    }

    function test_WhatIsNotAListOfFieldsIsMalformed() external view {
        _malformed("");
        _malformed(hex"80");
        _malformed(hex"c0");
        _malformed(hex"f9");
        _malformed(hex"f9ff");
        _malformed(hex"f90000");
        _malformed(hex"fa010000");
        _malformed(hex"ffffffffffffffffff");
        bytes memory items;
        for (uint256 i = 0; i < 13; ++i) {
            items = abi.encodePacked(items, L1Chain.word(0));
        }
        _malformed(L1Chain.list(items));
        // The fourteenth is the last that is asked for; what follows does not matter.
        this.parse(L1Chain.list(abi.encodePacked(items, L1Chain.word(0))));
        this.parse(L1Chain.list(abi.encodePacked(items, L1Chain.word(0), hex"c101")));
        _malformed(abi.encodePacked(L1Chain.list(abi.encodePacked(items, L1Chain.word(0))), hex"00"));
        _malformed(L1Chain.list(abi.encodePacked(items, hex"a0")));
        _malformed(L1Chain.list(abi.encodePacked(items, L1Chain.list(""))));
        _malformed(L1Chain.list(abi.encodePacked(items, L1Chain.text(new bytes(33)))));
        _malformed(L1Chain.text(abi.encodePacked(items, L1Chain.word(0))));
    }
}
