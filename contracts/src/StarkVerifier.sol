// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import { CubicField } from "./CubicField.sol";
import { Deep } from "./Deep.sol";
import { Fri } from "./Fri.sol";
import { MerkleBatch } from "./MerkleBatch.sol";
import { Transcript } from "./Transcript.sol";

/// @title Verifier of STARK proofs of one AIR under one set of parameters.
/// @notice Answers one question: does this proof show that the program with this hash, run on these inputs, gives these
/// outputs? It knows programs by their hash only. Nobody can change its parameters, skip a check or attest in place of a
/// proof.
///
/// A proof that fits a transaction is checked by [verify], which keeps nothing, or by [prove], which keeps the fact. A
/// longer one is checked in three steps, each of which leaves a fact: [begin], [open], [finish]. A fact is the hash of what was shown, so it says the same
/// whoever paid for it: steps may be sent by anyone, in any number of copies, and a step of one proof cannot serve
/// another.
contract StarkVerifier {
    // ERRORS
    // ============================================================================================

    /// @notice The parameters contradict each other.
    error StarkVerifier__Parameters();
    /// @notice A public word or a limb of the program hash is not below the modulus.
    error StarkVerifier__PublicWord();
    /// @notice The trace length is outside the accepted range.
    error StarkVerifier__TraceLength(uint256 logLength);
    /// @notice A section of the proof is too short or too long.
    error StarkVerifier__Length(uint256 expected, uint256 found);
    /// @notice A limb of the out-of-domain values is not below the modulus.
    error StarkVerifier__NotCanonical();
    /// @notice A challenge hit a point where the check is not defined. An honest prover's next proof will not.
    error StarkVerifier__DegenerateChallenge();
    /// @notice An evaluator contract did not answer.
    error StarkVerifier__Evaluator(address evaluator);
    /// @notice The constraints do not hold at the out-of-domain point.
    error StarkVerifier__Constraints();
    /// @notice The proof of work is not there.
    error StarkVerifier__ProofOfWork();
    /// @notice The step before this one has not been taken for this proof.
    error StarkVerifier__NoFact(bytes32 fact);

    // EVENTS
    // ============================================================================================

    /// @notice A proof was begun: pass `session` to the steps that follow.
    event Begun(bytes32 indexed statement, uint256[] session);
    /// @notice A proof's tables were opened: pass `values` to the last step.
    event Opened(bytes32 indexed statement, uint256[] values);
    /// @notice A statement has been proven.
    event Proven(bytes32 indexed statement);

    // PARAMETERS
    // ============================================================================================

    /// @notice What a verifier is built for.
    /// @param identity The digest of the AIR's constraints.
    /// @param mainWidth Columns of the main segment.
    /// @param auxWidth Columns of the auxiliary segment.
    /// @param quotients Columns of the composition polynomial.
    /// @param transitions Transition constraints.
    /// @param boundaries Boundary constraints.
    /// @param logCycle log2 of the longest period of the periodic columns.
    /// @param queries Query positions drawn.
    /// @param logBlowup log2 of the blowup.
    /// @param grinding Bits of proof of work.
    /// @param logRemainder log2 of the most coefficients of the FRI remainder.
    /// @param logLeast log2 of the shortest trace.
    /// @param logMost log2 of the longest trace.
    /// @param chipSet The number of the AIR's chip set, which statements carry.
    /// @param tags The bus tags of the program, the inputs and the outputs.
    /// @param negative Whether the fractions of these messages count negatively.
    struct Parameters {
        bytes32 identity;
        uint256 mainWidth;
        uint256 auxWidth;
        uint256 quotients;
        uint256 transitions;
        uint256 boundaries;
        uint256 logCycle;
        uint256 queries;
        uint256 logBlowup;
        uint256 grinding;
        uint256 logRemainder;
        uint256 logLeast;
        uint256 logMost;
        uint256 chipSet;
        uint64[3] tags;
        bool[3] negative;
    }

    uint256 private constant P = 0xffffffff00000001;
    uint256 private constant CHALLENGES = 2;
    uint256 private constant LOG_FOLDING = 3;
    uint256 private constant DIGEST_BYTES = 25;

    /// @dev The identity as the transcript absorbs it: eight 32-bit limbs, eight bytes each.
    bytes32 private immutable IDENTITY_HIGH;
    bytes32 private immutable IDENTITY_LOW;
    uint256 private immutable MAIN_WIDTH;
    uint256 private immutable AUX_WIDTH;
    uint256 private immutable QUOTIENTS;
    uint256 private immutable CONSTRAINTS;
    uint256 private immutable LOG_CYCLE;
    uint256 private immutable QUERIES;
    uint256 private immutable LOG_BLOWUP;
    uint256 private immutable GRINDING;
    uint256 private immutable LOG_REMAINDER;
    uint256 private immutable LOG_LEAST;
    uint256 private immutable LOG_MOST;
    uint256 private immutable CHIP_SET;
    uint256 private immutable TAGS;
    uint256 private immutable SIGNS;
    uint256 private immutable EVALUATORS;
    address private immutable EVALUATOR0;
    address private immutable EVALUATOR1;
    address private immutable EVALUATOR2;
    address private immutable EVALUATOR3;

    /// @notice The facts that steps have left.
    mapping(bytes32 fact => bool known) private _facts;

    constructor(Parameters memory p, address[] memory evaluators) {
        bool ordered = p.logCycle <= p.logLeast && p.logLeast <= p.logMost && p.logMost + p.logBlowup <= 32;
        bool counts = p.queries != 0 && p.queries < 256 && p.mainWidth != 0 && p.auxWidth != 0 && p.quotients != 0;
        bool sizes = p.mainWidth + p.auxWidth <= 255 && p.quotients < (1 << p.logBlowup) && p.grinding <= 32;
        bool remainder = p.logRemainder >= 4 && p.logRemainder <= 8 && p.logLeast > p.logRemainder;
        bool parts = evaluators.length != 0 && evaluators.length <= 4;
        bool words = p.tags[0] < P && p.tags[1] < P && p.tags[2] < P && p.chipSet < P;
        if (!(ordered && counts && sizes && remainder && parts && words)) revert StarkVerifier__Parameters();
        for (uint256 i = 0; i < evaluators.length; ++i) {
            if (evaluators[i].code.length == 0) revert StarkVerifier__Evaluator(evaluators[i]);
        }
        IDENTITY_HIGH = _spread(uint256(p.identity) >> 128);
        IDENTITY_LOW = _spread(uint256(p.identity) & type(uint128).max);
        MAIN_WIDTH = p.mainWidth;
        AUX_WIDTH = p.auxWidth;
        QUOTIENTS = p.quotients;
        CONSTRAINTS = p.transitions + p.boundaries;
        LOG_CYCLE = p.logCycle;
        QUERIES = p.queries;
        LOG_BLOWUP = p.logBlowup;
        GRINDING = p.grinding;
        LOG_REMAINDER = p.logRemainder;
        LOG_LEAST = p.logLeast;
        LOG_MOST = p.logMost;
        CHIP_SET = p.chipSet;
        TAGS = uint256(p.tags[0]) | (uint256(p.tags[1]) << 64) | (uint256(p.tags[2]) << 128);
        SIGNS = (p.negative[0] ? 1 : 0) | (p.negative[1] ? 2 : 0) | (p.negative[2] ? 4 : 0);
        EVALUATORS = evaluators.length;
        EVALUATOR0 = evaluators[0];
        EVALUATOR1 = evaluators.length > 1 ? evaluators[1] : address(0);
        EVALUATOR2 = evaluators.length > 2 ? evaluators[2] : address(0);
        EVALUATOR3 = evaluators.length > 3 ? evaluators[3] : address(0);
    }

    // SESSION
    // ============================================================================================

    // A session is what the steps after the transcript need, as words: the statement, log2 of the trace length, z, the
    // combinations of the values at z and at gz, the seed of the DEEP coefficients, the seed of the positions, the three
    // roots, the hash of the remainder, then the roots of the FRI layers and their challenges.
    uint256 private constant S_STATEMENT = 0;
    uint256 private constant S_LOG_LENGTH = 1;
    uint256 private constant S_Z = 2;
    uint256 private constant S_AT_Z = 3;
    uint256 private constant S_AT_NEXT = 4;
    uint256 private constant S_DEEP_SEED = 5;
    uint256 private constant S_POSITION_SEED = 6;
    uint256 private constant S_ROOTS = 7;
    uint256 private constant S_REMAINDER = 10;
    uint256 private constant S_LAYERS = 11;

    // ONE TRANSACTION
    // ============================================================================================

    /// @notice Checks a whole proof; reverts unless it shows the statement.
    /// @param program The program's hash, four 64-bit limbs.
    /// @param inputs The program's public inputs.
    /// @param outputs The program's public outputs.
    /// @param proof The proof: head, openings, FRI.
    /// @return statement The statement's digest.
    function verify(bytes32 program, uint64[] calldata inputs, uint64[] calldata outputs, bytes calldata proof)
        external
        view
        returns (bytes32 statement)
    {
        return _verify(_words(program, inputs, outputs), proof);
    }

    /// @notice As [verify], and keeps what was shown: the statement is then proven, as after the last of several steps.
    function prove(bytes32 program, uint64[] calldata inputs, uint64[] calldata outputs, bytes calldata proof)
        external
        returns (bytes32 statement)
    {
        statement = _verify(_words(program, inputs, outputs), proof);
        _facts[_provenFact(statement)] = true;
        emit Proven(statement);
    }

    function _verify(bytes memory words, bytes calldata proof) private view returns (bytes32 statement) {
        uint256 start;
        assembly ("memory-safe") {
            start := proof.offset
        }
        uint256 head = _headLength(proof);
        if (proof.length < head) revert StarkVerifier__Length(head, proof.length);
        uint256[] memory session = _begin(words, proof[:head]);
        uint256 source = start + head;
        uint256[] memory values;
        Deep.Queries memory queries = _queries(session);
        (values, source) = _open(session, queries, source);
        source = _finish(session, queries, values, source);
        if (source != start + proof.length) revert StarkVerifier__Length(source - start, proof.length);
        return bytes32(session[S_STATEMENT]);
    }

    // SEVERAL TRANSACTIONS
    // ============================================================================================

    /// @notice Whether a proof of the statement has been checked by anyone, at once or in steps, and kept.
    function isProven(bytes32 statement) external view returns (bool) {
        return _facts[_provenFact(statement)];
    }

    /// @notice First step: transcript, constraints at the out-of-domain point, proof of work.
    /// @param head The proof's first section.
    /// @return session What the next steps need, to be passed to them unchanged.
    function begin(bytes32 program, uint64[] calldata inputs, uint64[] calldata outputs, bytes calldata head)
        external
        returns (uint256[] memory session)
    {
        session = _begin(_words(program, inputs, outputs), head);
        _facts[_begunFact(session)] = true;
        emit Begun(bytes32(session[S_STATEMENT]), session);
    }

    /// @notice Second step: the openings of the three tables.
    /// @param session What [begin] returned.
    /// @param openings The proof's second section.
    /// @return values What the last step needs, to be passed to it unchanged.
    function open(uint256[] calldata session, bytes calldata openings) external returns (uint256[] memory values) {
        bytes32 begun = _begunFact(session);
        if (!_facts[begun]) revert StarkVerifier__NoFact(begun);
        uint256 source;
        assembly ("memory-safe") {
            source := openings.offset
        }
        uint256 end = source + openings.length;
        (values, source) = _open(session, _queries(session), source);
        if (source != end) revert StarkVerifier__Length(openings.length + source - end, openings.length);
        _facts[_openedFact(begun, values)] = true;
        emit Opened(bytes32(session[S_STATEMENT]), values);
    }

    /// @notice Last step: the low-degree test. The statement is then proven.
    /// @param session What [begin] returned.
    /// @param values What [open] returned.
    /// @param fri The proof's third section.
    function finish(uint256[] calldata session, uint256[] calldata values, bytes calldata fri) external {
        bytes32 begun = _begunFact(session);
        if (!_facts[begun]) revert StarkVerifier__NoFact(begun);
        bytes32 opened = _openedFact(begun, values);
        if (!_facts[opened]) revert StarkVerifier__NoFact(opened);
        uint256 source;
        assembly ("memory-safe") {
            source := fri.offset
        }
        uint256 end = source + fri.length;
        source = _finish(session, _queries(session), values, source);
        if (source != end) revert StarkVerifier__Length(fri.length + source - end, fri.length);
        bytes32 statement = bytes32(session[S_STATEMENT]);
        _facts[_provenFact(statement)] = true;
        emit Proven(statement);
    }

    function _begunFact(uint256[] memory session) private pure returns (bytes32) {
        return keccak256(abi.encode("begun", session));
    }

    function _openedFact(bytes32 begun, uint256[] memory values) private pure returns (bytes32) {
        return keccak256(abi.encode("opened", begun, values));
    }

    function _provenFact(bytes32 statement) private pure returns (bytes32) {
        return keccak256(abi.encode("proven", statement));
    }

    // STATEMENT
    // ============================================================================================

    /// @notice The digest of a statement: what facts are keyed by.
    function statementOf(bytes32 program, uint64[] calldata inputs, uint64[] calldata outputs)
        external
        view
        returns (bytes32)
    {
        return keccak256(_words(program, inputs, outputs));
    }

    /// @notice The public words as the transcript absorbs them, eight bytes each; refuses words that are not canonical.
    function _words(bytes32 program, uint64[] calldata inputs, uint64[] calldata outputs)
        private
        view
        returns (bytes memory words)
    {
        uint256 bad;
        uint256 chipSet = CHIP_SET;
        assembly ("memory-safe") {
            words := mload(0x40)
            let target := add(words, 0x20)
            mstore(target, program)
            for { let shift := 0 } lt(shift, 256) { shift := add(shift, 64) } {
                bad := or(bad, iszero(lt(and(shr(shift, program), 0xffffffffffffffff), P)))
            }
            mstore(add(target, 0x20), or(shl(192, chipSet), shl(128, inputs.length)))
            target := add(target, 0x30)
            for { let i := 0 } lt(i, inputs.length) { i := add(i, 1) } {
                let word := calldataload(add(inputs.offset, shl(5, i)))
                bad := or(bad, iszero(lt(word, P)))
                mstore(target, shl(192, word))
                target := add(target, 8)
            }
            mstore(target, shl(192, outputs.length))
            target := add(target, 8)
            for { let i := 0 } lt(i, outputs.length) { i := add(i, 1) } {
                let word := calldataload(add(outputs.offset, shl(5, i)))
                bad := or(bad, iszero(lt(word, P)))
                mstore(target, shl(192, word))
                target := add(target, 8)
            }
            mstore(words, sub(target, add(words, 0x20)))
            mstore(0x40, and(add(target, 0x3f), not(0x1f)))
        }
        if (bad != 0) revert StarkVerifier__PublicWord();
    }

    /// @notice Four 32-bit limbs, eight bytes each.
    function _spread(uint256 limbs) private pure returns (bytes32 result) {
        for (uint256 i = 0; i < 4; ++i) {
            result |= bytes32(((limbs >> (32 * i)) & type(uint32).max) << (64 * i));
        }
    }

    /// @notice The seed of the transcript: everything that was settled before the prover's first message.
    function _seed(uint256 logLength, bytes memory words) private view returns (bytes32) {
        uint256 widths = (MAIN_WIDTH << 24) | (1 << 16) | (AUX_WIDTH << 8) | CHALLENGES;
        uint256 fri = (3 << 24) | ((1 << LOG_FOLDING) << 16) | (((1 << LOG_REMAINDER) - 1) << 8) | (1 << LOG_BLOWUP);
        return keccak256(
            abi.encodePacked(
                uint8(Transcript.TAG_SEED),
                (widths << 192) | ((1 << logLength) << 128) | (1 << 64) | 0xffffffff,
                (CONSTRAINTS << 192) | (fri << 128) | (GRINDING << 64) | QUERIES,
                IDENTITY_HIGH,
                IDENTITY_LOW,
                // Batching methods and partitions: linear, linear, one.
                uint64(0),
                words
            )
        );
    }

    // HEAD
    // ============================================================================================

    /// @notice log2 of the trace length, the first byte of a proof.
    function _logLength(bytes calldata head) private view returns (uint256 logLength) {
        if (head.length == 0) revert StarkVerifier__Length(1, 0);
        logLength = uint8(head[0]);
        if (logLength < LOG_LEAST || logLength > LOG_MOST) revert StarkVerifier__TraceLength(logLength);
    }

    function _layers(uint256 logLength) private view returns (uint256) {
        return (logLength - LOG_REMAINDER + LOG_FOLDING - 1) / LOG_FOLDING;
    }

    function _headLength(bytes calldata head) private view returns (uint256) {
        uint256 columns = MAIN_WIDTH + AUX_WIDTH + QUOTIENTS;
        return 1 + DIGEST_BYTES * (4 + _layers(_logLength(head))) + 48 * columns + 8;
    }

    /// @notice Runs the transcript and checks the constraints; the result is the session.
    function _begin(bytes memory words, bytes calldata head) private view returns (uint256[] memory session) {
        uint256 logLength = _logLength(head);
        {
            uint256 expected = _headLength(head);
            if (head.length != expected) revert StarkVerifier__Length(expected, head.length);
        }
        uint256 layers = _layers(logLength);
        session = new uint256[](S_LAYERS + 2 * layers);
        session[S_LOG_LENGTH] = logLength;
        uint256 source;
        assembly ("memory-safe") {
            source := add(head.offset, 1)
        }

        session[S_STATEMENT] = uint256(keccak256(words));
        uint256 coin = Transcript.create(_seed(logLength, words));
        // The evaluator's inputs: rows at z and gz, challenges, the cycle's point, the accumulator's end, coefficients.
        uint256 rows = 2 * (MAIN_WIDTH + AUX_WIDTH);
        uint256 values = _allocate(rows + CHALLENGES + 2 + CONSTRAINTS);
        bytes32 root = _digest(source);
        session[S_ROOTS] = uint256(root);
        Transcript.reseed(coin, root);
        Transcript.draw(coin, 0, values + 32 * rows, CHALLENGES);
        root = _digest(source + DIGEST_BYTES);
        session[S_ROOTS + 1] = uint256(root);
        Transcript.reseed(coin, root);
        Transcript.draw(coin, 0, values + 32 * (rows + CHALLENGES + 2), CONSTRAINTS);
        root = _digest(source + 2 * DIGEST_BYTES);
        session[S_ROOTS + 2] = uint256(root);
        Transcript.reseed(coin, root);
        session[S_Z] = Transcript.drawOne(coin);
        source += 3 * DIGEST_BYTES;

        _store(values + 32 * (rows + CHALLENGES + 1), _accumulator(values + 32 * rows, words));
        uint256 ood = _readOod(values, source);
        _checkConstraints(session, values, ood);
        source = _absorbOod(session, coin, ood, source);
        for (uint256 i = 0; i < layers; ++i) {
            root = _digest(source);
            session[S_LAYERS + i] = uint256(root);
            Transcript.reseed(coin, root);
            session[S_LAYERS + layers + i] = Transcript.drawOne(coin);
            source += DIGEST_BYTES;
        }
        root = _digest(source);
        session[S_REMAINDER] = uint256(root);
        Transcript.reseed(coin, root);
        uint256 nonce = uint256(_load(source + DIGEST_BYTES)) >> 192;
        bytes32 hash = Transcript.nonceHash(coin, nonce);
        if (uint256(hash) >> (256 - GRINDING) != 0) revert StarkVerifier__ProofOfWork();
        session[S_POSITION_SEED] = uint256(hash);
    }

    /// @notice What the accumulator must hold at the last row: minus the sum of the public messages' fractions.
    function _accumulator(uint256 challenges, bytes memory words) private view returns (uint256) {
        uint256 alpha = _word(challenges);
        uint256 beta = _word(challenges + 32);
        uint256 source;
        assembly ("memory-safe") {
            source := add(words, 0x20)
        }
        // The sum so far as a fraction, first its numerator, then its denominator.
        uint256[2] memory fraction = [uint256(0), 1];
        uint256 message = 0;
        for (uint256 i = 4; i > 0; --i) {
            message = CubicField.mul(message + _limb(source + 8 * (i - 1)), beta);
        }
        uint256 square = CubicField.mul(beta, beta);
        // The program's message has two zeros before the digest.
        _addFraction(fraction, alpha, CubicField.mul(message, square), 0);
        source += 40;
        for (uint256 kind = 1; kind < 3; ++kind) {
            uint256 count = _limb(source);
            source += 8;
            for (uint256 i = 0; i < count; ++i) {
                message = CubicField.scale(beta, i) + CubicField.scale(square, _limb(source));
                _addFraction(fraction, alpha, message, kind);
                source += 8;
            }
        }
        if (fraction[1] == 0) revert StarkVerifier__DegenerateChallenge();
        return CubicField.mul(fraction[0], CubicField.inv(fraction[1]));
    }

    /// @notice Moves a public message's fraction to the other side of the sum: the verifier's +1 becomes -1.
    /// @param message The message's fields combined with the powers of beta, without the tag.
    /// @param kind 0 program, 1 input, 2 output.
    function _addFraction(uint256[2] memory fraction, uint256 alpha, uint256 message, uint256 kind) private view {
        uint256 tag = (TAGS >> (64 * kind)) & 0xffffffffffffffff;
        uint256 denominator = CubicField.sub(alpha, CubicField.reduce(message + tag));
        uint256 bottom = fraction[1];
        uint256 top = CubicField.mul(fraction[0], denominator);
        bool negative = (SIGNS >> kind) & 1 == 1;
        fraction[0] = CubicField.reduce(negative ? top + bottom : CubicField.sub(top, bottom));
        fraction[1] = CubicField.mul(bottom, denominator);
    }

    /// @notice Reads the out-of-domain values as words: those at z, then those at gz. Copies the trace's to `values`.
    function _readOod(uint256 values, uint256 source) private view returns (uint256 ood) {
        uint256 columns = MAIN_WIDTH + AUX_WIDTH + QUOTIENTS;
        ood = _allocate(2 * columns);
        if (!Deep.read(source, ood, 2 * columns)) revert StarkVerifier__NotCanonical();
        uint256 size = 32 * (columns - QUOTIENTS);
        assembly ("memory-safe") {
            mcopy(values, ood, size)
            mcopy(add(values, size), add(ood, shl(5, columns)), size)
        }
    }

    /// @notice Checks that the composition of the constraints at z is what the quotients say it is.
    function _checkConstraints(uint256[] memory session, uint256 values, uint256 ood) private view {
        uint256 trace = MAIN_WIDTH + AUX_WIDTH;
        uint256 power = session[S_Z];
        for (uint256 i = LOG_CYCLE; i < session[S_LOG_LENGTH]; ++i) {
            power = CubicField.mul(power, power);
        }
        _store(values + 32 * (2 * trace + CHALLENGES), power);
        for (uint256 i = 0; i < LOG_CYCLE; ++i) {
            power = CubicField.mul(power, power);
        }
        uint256[3] memory sums = _evaluate(values, 2 * trace + CHALLENGES + 2 + CONSTRAINTS);

        uint256 quotient = 0;
        for (uint256 i = QUOTIENTS; i > 0; --i) {
            quotient = CubicField.mul(quotient, power) + _word(ood + 32 * (trace + i - 1));
        }
        if (!_composes(sums, quotient, power, session[S_Z], session[S_LOG_LENGTH])) {
            revert StarkVerifier__Constraints();
        }
    }

    /// @notice Whether T (z - l) / (z^n - 1) + F / (z - 1) + L / (z - l) = H, where l is the last row's point.
    /// @dev Both sides are multiplied by the denominators.
    /// @param sums T, F and L.
    /// @param quotient H.
    /// @param power z^n.
    function _composes(uint256[3] memory sums, uint256 quotient, uint256 power, uint256 z, uint256 logLength)
        private
        pure
        returns (bool)
    {
        uint256 vanishing = CubicField.reduce(CubicField.sub(power, 1));
        if (vanishing == 0) revert StarkVerifier__DegenerateChallenge();
        uint256 fromFirst = CubicField.reduce(CubicField.sub(z, 1));
        uint256 fromLast = CubicField.invBase(Fri.generator(logLength));
        fromLast = CubicField.reduce(CubicField.sub(z, fromLast));
        uint256 both = CubicField.mul(fromFirst, fromLast);
        uint256 boundary = CubicField.mul(sums[1], fromLast) + CubicField.mul(sums[2], fromFirst);
        uint256 left = CubicField.mul(CubicField.mul(sums[0], fromLast), both) + CubicField.mul(boundary, vanishing);
        return CubicField.reduce(left) == CubicField.mul(CubicField.mul(quotient, vanishing), both);
    }

    /// @notice Asks the evaluators for their shares of the combinations, and adds them.
    function _evaluate(uint256 values, uint256 count) private view returns (uint256[3] memory sums) {
        address[4] memory evaluators = [EVALUATOR0, EVALUATOR1, EVALUATOR2, EVALUATOR3];
        uint256[3] memory share;
        for (uint256 i = 0; i < EVALUATORS; ++i) {
            address evaluator = evaluators[i];
            bool success;
            assembly ("memory-safe") {
                success := staticcall(gas(), evaluator, values, shl(5, count), share, 0x60)
                success := and(success, eq(returndatasize(), 0x60))
            }
            if (!success) revert StarkVerifier__Evaluator(evaluator);
            for (uint256 j = 0; j < 3; ++j) {
                sums[j] += share[j];
            }
        }
    }

    /// @notice Absorbs the out-of-domain values, and combines them with the coefficients that follow.
    function _absorbOod(uint256[] memory session, uint256 coin, uint256 ood, uint256 source)
        private
        view
        returns (uint256)
    {
        uint256 columns = MAIN_WIDTH + AUX_WIDTH + QUOTIENTS;
        uint256 size = 48 * columns;
        bytes32 digest;
        assembly ("memory-safe") {
            let target := mload(0x40)
            mstore8(target, 0)
            calldatacopy(add(target, 1), source, size)
            digest := keccak256(target, add(size, 1))
        }
        Transcript.reseed(coin, digest);
        session[S_DEEP_SEED] = uint256(Transcript.seedOf(coin));
        uint256 coefficients = _allocate(columns);
        Transcript.draw(coin, 0, coefficients, columns);
        session[S_AT_Z] = CubicField.dot(coefficients, ood, columns);
        session[S_AT_NEXT] = CubicField.dot(coefficients, ood + 32 * columns, columns);
        return source + size;
    }

    // OPENINGS AND FRI
    // ============================================================================================

    /// @notice The query positions and their points.
    function _queries(uint256[] memory session) private view returns (Deep.Queries memory) {
        uint256 logDomain = session[S_LOG_LENGTH] + LOG_BLOWUP;
        return Deep.locate(Transcript.positions(bytes32(session[S_POSITION_SEED]), QUERIES, logDomain), logDomain);
    }

    /// @notice Checks the openings from `source` on, and returns the DEEP polynomial's values at the query positions.
    function _open(uint256[] memory session, Deep.Queries memory queries, uint256 source)
        private
        view
        returns (uint256[] memory values, uint256)
    {
        uint256 logDomain = queries.logDomain;
        uint256[] memory positions = queries.positions;
        values = new uint256[](positions.length);
        uint256 sums;
        assembly ("memory-safe") {
            sums := add(values, 0x20)
        }
        uint256 coefficients = _allocate(MAIN_WIDTH + AUX_WIDTH + QUOTIENTS);
        {
            uint256 coin = Transcript.create(bytes32(session[S_DEEP_SEED]));
            Transcript.draw(coin, 0, coefficients, MAIN_WIDTH + AUX_WIDTH + QUOTIENTS);
        }
        Deep.Table memory table = Deep.Table(coefficients, MAIN_WIDTH, 1, logDomain, bytes32(session[S_ROOTS]));
        source = Deep.open(table, positions, sums, source);
        coefficients += 32 * MAIN_WIDTH;
        table = Deep.Table(coefficients, AUX_WIDTH, 3, logDomain, bytes32(session[S_ROOTS + 1]));
        source = Deep.open(table, positions, sums, source);
        coefficients += 32 * AUX_WIDTH;
        table = Deep.Table(coefficients, QUOTIENTS, 3, logDomain, bytes32(session[S_ROOTS + 2]));
        source = Deep.open(table, positions, sums, source);
        Deep.Claims memory claims;
        claims.z = session[S_Z];
        claims.next = CubicField.scale(claims.z, Fri.generator(session[S_LOG_LENGTH]));
        claims.atZ = session[S_AT_Z];
        claims.atNext = session[S_AT_NEXT];
        Deep.divide(claims, sums, queries.powers, positions.length);
        return (values, source);
    }

    /// @notice Runs the low-degree test from `source` on.
    function _finish(uint256[] memory session, Deep.Queries memory queries, uint256[] memory values, uint256 source)
        private
        view
        returns (uint256)
    {
        uint256 logLength = session[S_LOG_LENGTH];
        uint256 logDomain = queries.logDomain;
        Fri.Points memory points;
        points.count = queries.positions.length;
        points.inverses = queries.inverses;
        assembly ("memory-safe") {
            mstore(add(points, 0x20), add(mload(queries), 0x20))
            mstore(add(points, 0x60), add(values, 0x20))
        }
        uint256 layers = _layers(logLength);
        uint256 roots;
        assembly ("memory-safe") {
            roots := add(session, shl(5, add(S_LAYERS, 1)))
        }
        source = Fri.fold(points, logDomain, roots, layers, source);
        logLength -= LOG_FOLDING * layers;
        logDomain -= LOG_FOLDING * layers;
        return Fri.checkRemainder(points, bytes32(session[S_REMAINDER]), 1 << logLength, logDomain, source);
    }

    // MEMORY AND CALLDATA
    // ============================================================================================

    function _allocate(uint256 words) private pure returns (uint256 pointer) {
        assembly ("memory-safe") {
            pointer := mload(0x40)
            mstore(0x40, add(pointer, shl(5, words)))
        }
    }

    function _word(uint256 pointer) private pure returns (uint256 value) {
        assembly ("memory-safe") {
            value := mload(pointer)
        }
    }

    function _store(uint256 pointer, uint256 value) private pure {
        assembly ("memory-safe") {
            mstore(pointer, value)
        }
    }

    /// @notice The eight bytes at `pointer`.
    function _limb(uint256 pointer) private pure returns (uint256) {
        return _word(pointer) >> 192;
    }

    function _load(uint256 source) private pure returns (bytes32 value) {
        assembly ("memory-safe") {
            value := calldataload(source)
        }
    }

    function _digest(uint256 source) private pure returns (bytes32) {
        return bytes32(uint256(_load(source)) & MerkleBatch.DIGEST);
    }
}
