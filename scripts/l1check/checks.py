"""The checks: each says what was compared, and whether it holds."""

import random
from dataclasses import dataclass

from . import soundness
from .chain import L1, RpcError, Unasked, address, as_int, bytes_at, encode, list_at, number, unhex, word, words_at
from .chain import selector as function
from .hashes import P, bytes_word, compress, hash_elements, keccak256, word_bytes

BEGIN = "begin(bytes32,uint64[],uint64[],bytes)"
VERIFY = "verify(bytes32,uint64[],uint64[],bytes)"
OPEN = "open(uint256[],bytes)"
FINISH = "finish(uint256[],uint256[],bytes)"
CLAIM = "claim(uint256,uint256,bytes,bytes32[])"
COMMIT = "commit(bytes32,uint64,bytes,bytes,bytes32)"
COMMITTED = "Committed(uint256,address,bytes32,bytes32,bytes32,uint256)"
HEADER = "Header(uint64 slot,uint64 batch,uint32 index,bytes32 parent,bytes32 operations,bytes32 state)"
PROVEN = "Proven(uint256,uint256,bytes32,address)"
FACT = "Proven(bytes32)"
CLAIMED = "Claimed(uint256,uint256,address,uint256)"

# What the presets claim, in proven bits (`air/src/preset.rs`).
CLAIMS = {"settle-100": 100}
# Words of signed operations by tag, of a batch's head and of an entry (`specs/transactions.md`).
LENGTHS = {1: 2, 2: 4, 3: 8, 4: 6, 5: 7}
HEAD_WORDS, ENTRY_WORDS = 3, 10


class Report:
    """What was compared, in order."""

    def __init__(self, tell):
        self.lines = []
        self._tell = tell
        self.check = 0

    def say(self, holds, what):
        """`holds` is None where the question could not be asked."""
        self.lines.append({"check": self.check, "holds": holds, "what": what})
        self._tell(f"{ {True: 'ok  ', False: 'FAIL', None: '?   '}[holds]} {self.check} {what}")

    def equal(self, what, found, expected):
        if found == expected:
            self.say(True, f"{what}: {show(found)}")
        else:
            self.say(False, f"{what}: found {show(found)}, expected {show(expected)}")

    def exit_code(self):
        """1 if something does not hold, else 2 if something could not be asked."""
        answers = [line["holds"] for line in self.lines]
        return 1 if False in answers else 2 if None in answers or not answers else 0


def show(value):
    if isinstance(value, bytes):
        return "0x" + value.hex()
    if isinstance(value, (set, tuple)):
        return ", ".join(sorted(map(show, value)) if isinstance(value, set) else map(show, value))
    return str(value)


@dataclass
class Parameters:
    """`StarkVerifier.Parameters`, from the arguments of the creation transaction, and the evaluators."""

    identity: bytes
    main: int
    aux: int
    quotients: int
    transitions: int
    boundaries: int
    log_cycle: int
    queries: int
    log_blowup: int
    grinding: int
    log_remainder: int
    log_least: int
    log_most: int
    chip_set: int
    tags: list
    negative: list
    evaluators: list

    @classmethod
    def read(cls, arguments):
        words = words_at(arguments, 0, 21)
        numbers = [number(item) for item in words]
        evaluators = [address(item) for item in list_at(arguments, 20)]
        if len(arguments) != 32 * (22 + len(evaluators)):
            raise Unasked("the verifier's creation has other arguments than its source takes")
        return cls(words[0], *numbers[1:14], numbers[14:17], numbers[17:20], evaluators)

    def head_bytes(self, log_rows):
        """Bytes of a proof's first section, if digests, values and folding are as in [soundness]."""
        folding = soundness.FOLDING.bit_length() - 1
        layers = -(-(log_rows - self.log_remainder) // folding)
        values = 8 * soundness.EXTENSION * 2 * (self.main + self.aux + self.quotients)
        return 1 + soundness.DIGEST_BYTES * (3 + layers + 1) + values + 8


class Begun:
    """A `begin` transaction: what is proven, and the proof's first section."""

    def __init__(self, transaction, chip_set):
        self.calldata = transaction["input"]
        arguments = self.calldata[4:]
        self.program = arguments[:32]
        self.inputs, self.outputs = list_at(arguments, 1), list_at(arguments, 2)
        start, self.head = bytes_at(arguments, 3)
        self.start = 4 + start
        if not self.head:
            raise Unasked("a begin transaction has an empty head")
        self.log_rows = self.head[0]
        self.statement = statement(self.program, chip_set, [number(x) for x in self.inputs], [number(x) for x in self.outputs])


def statement(program, chip_set, inputs, outputs):
    """The digest of a statement: facts are kept under it."""
    words = [chip_set, len(inputs), *inputs, len(outputs), *outputs]
    return keccak256(program + b"".join(item.to_bytes(8, "big") for item in words))


def cut(account):
    """An L1 address as three elements of 56, 56 and 48 bits, the lowest first."""
    bits = as_int(account, "an address")
    return [bits % 2**56, (bits >> 56) % 2**56, bits >> 112]


class Checks:
    """A devnet under examination."""

    def __init__(self, l1, operators, report, compiled, kernel=None, seed=0, changes=40):
        self.l1, self.operators, self.report = L1(l1), operators, report
        # The first answers for the chain; proofs are whoever made them's.
        operator = self.operator = operators[0]
        self.compiled, self.kernel = compiled, kernel
        self.random, self.changes = random.Random(seed), changes
        self.status = operator.ask("starling_status")
        self.rollup = field(self.status, "rollup", str).lower()
        self.l1.scan()
        self.created = {}
        for transaction in self.l1.transactions:
            if transaction["to"] is None:
                receipt = self.l1.receipt(transaction)
                if as_int(receipt["status"], "status") == 1:
                    self.created[receipt["contractAddress"].lower()] = transaction
            else:
                transaction["to"] = transaction["to"].lower()

    def run(self):
        """Makes all checks. One that cannot be made does not keep the others from being made."""
        checks = [self.code, self.bits, self.rules, self.state, self.tampering, self.payments]
        for self.report.check, check in enumerate(checks, 1):
            try:
                check()
            except Unasked as reason:
                self.report.say(None, f"cannot be asked: {reason}")
            except (KeyError, TypeError, AttributeError, IndexError, ValueError, OverflowError) as reason:
                # An answer that is not formed as it should be.
                self.report.say(None, f"cannot be asked: an answer is malformed: {reason!r}")

    # WHAT THE CHECKS SHARE
    # ==============================================================================================================

    def rollup_word(self, signature, *arguments):
        return self.l1.view(self.rollup, signature, *arguments)[0]

    def verifier(self):
        return address(self.rollup_word("VERIFIER()"))

    def creation_arguments(self, at, contract):
        if at not in self.created:
            raise Unasked(f"no transaction creates {at}")
        return self.created[at]["input"][len(contract.creation) :]

    def parameters(self):
        return Parameters.read(self.creation_arguments(self.verifier(), self.compiled["StarkVerifier"]))

    def begun(self):
        """The `begin` transactions by statement; of several the last."""
        chip_set = self.parameters().chip_set
        found = [Begun(transaction, chip_set) for transaction in self.l1.sent(self.verifier(), BEGIN)]
        return {begun.statement: begun for begun in found}

    def settled(self):
        """The proofs that the rollup took: first batch, last batch, root, payee."""
        logs = self.l1.logs(self.rollup, PROVEN)
        return [(number(t[0]), number(t[1]), data[:32], address(data[32:64])) for t, data, _ in logs]

    def batch(self, batch):
        return self.l1.view(self.rollup, "batches(uint256)", word(batch))

    def settled_statement(self, first, last, root, payee):
        """The statement that the rollup must have asked the verifier for, and the digest under which it knows it."""
        before = self.rollup_word("roots(uint256)", word(first - 1))
        inputs = bytes_word(before) + bytes_word(self.batch(first - 1)[0]) + bytes_word(self.rollup_word("DOMAIN()"))
        inputs += cut(payee) + bytes_word(self.batch(last)[0])
        return statement(self.rollup_word("KERNEL()"), self.parameters().chip_set, inputs, bytes_word(root))

    def proofs(self):
        """All of `starling_proofs` of all nodes."""
        return [proof for operator in self.operators for proof in self.proofs_of(operator)]

    def proofs_of(self, operator):
        """All of `starling_proofs`, which gives a hundred at a time."""
        found = []
        while True:
            more = operator.ask("starling_proofs", found[-1]["last"] + 1 if found else 0)
            if not more:
                return found
            if found and more[-1]["last"] <= found[-1]["last"]:
                raise Unasked("starling_proofs does not come to an end")
            found += more

    # 1. CODE
    # ==============================================================================================================

    def code(self):
        """The deployed code is what the sources compile to, and so is the code that ran once to deploy it."""
        rollup = self.same_code("Rollup", self.rollup)
        verifier = self.verifier()
        values = self.same_code("StarkVerifier", verifier)
        p = self.parameters()
        names = sorted(name for name in self.compiled if name.startswith("KernelEvaluator"))
        self.report.equal("evaluators of the verifier", len(p.evaluators), len(names))
        for name, at in zip(names, p.evaluators):
            self.same_code(name, at)

        spread = lambda limbs: sum((limbs >> 32 * i & 0xFFFFFFFF) << 64 * i for i in range(4))  # noqa: E731
        high, low = number(p.identity[:16]), number(p.identity[16:])
        expected = {
            "IDENTITY_HIGH": spread(high),
            "IDENTITY_LOW": spread(low),
            "MAIN_WIDTH": p.main,
            "AUX_WIDTH": p.aux,
            "QUOTIENTS": p.quotients,
            "CONSTRAINTS": p.transitions + p.boundaries,
            "LOG_CYCLE": p.log_cycle,
            "QUERIES": p.queries,
            "LOG_BLOWUP": p.log_blowup,
            "GRINDING": p.grinding,
            "LOG_REMAINDER": p.log_remainder,
            "LOG_LEAST": p.log_least,
            "LOG_MOST": p.log_most,
            "CHIP_SET": p.chip_set,
            "TAGS": sum(tag << 64 * i for i, tag in enumerate(p.tags)),
            "SIGNS": sum(negative << i for i, negative in enumerate(p.negative)),
            "EVALUATORS": len(p.evaluators),
        }
        evaluators = [int(at, 16) for at in p.evaluators] + [0] * 4
        expected.update({f"EVALUATOR{i}": evaluators[i] for i in range(4)})
        self.same_values("StarkVerifier", values, expected)

        names = ["VERIFIER", "KERNEL", "STAKING", "BOND", "PROVE_WINDOW", "EXCLUSIVE_WINDOW", "QUEUE_FEE", "QUEUE_WINDOW"]
        names += ["FREEZE_WINDOW", "FREEZE_LIMIT", "QUEUE_CAP"]
        expected = self.arguments("Rollup", self.rollup, names)
        domain = compress([self.l1.chain_id, 4, 0, 0], cut(self.rollup) + [0])
        self.same_values("Rollup", rollup, expected | {"DOMAIN": number(word_bytes(domain))})

        staking = address(self.rollup_word("STAKING()"))
        values = self.same_code("Staking", staking)
        names = ["ROLLUP", "SLOT", "SLOTS", "STEP_IN", "SILENCE", "MIN_STAKE", "MIN_CHURN", "CHURN_QUOTIENT", "EXIT_DELAY"]
        names += ["EVIDENCE_WINDOW", "EQUIVOCATION", "NEGLECT", "REWARD", "JAIL", "MIN_BLOCKS"]
        expected = self.arguments("Staking", staking, names)
        genesis = as_int(self.created[staking]["timestamp"], "a block's time")
        self.same_values("Staking", values, expected | {"GENESIS": genesis})
        self.report.equal("the rollup that the validators commit to", expected["ROLLUP"], int(self.rollup, 16))

    def arguments(self, name, at, names):
        """The arguments of a contract's creation, all of them single words, by name."""
        arguments = self.creation_arguments(at, self.compiled[name])
        if len(arguments) != 32 * len(names):
            raise Unasked(f"the creation of {name} has other arguments than its source takes")
        return dict(zip(names, (number(item) for item in words_at(arguments, 0, len(names)))))

    def same_code(self, name, at):
        """Compares one contract; the values of its immutables, as its code has them."""
        contract, code = self.compiled[name], self.l1.code(at)
        places = sum(len(starts) for starts in contract.immutables.values())
        masked = f", {len(contract.immutables)} immutables masked in {places} places" if places else ""
        what = f"code of {name} at {at}"
        if contract.masked(code) == contract.masked(contract.runtime):
            self.report.say(True, f"{what}: {len(code)} bytes as compiled{masked}, hash 0x{keccak256(code).hex()[:16]}..")
        else:
            self.report.say(False, f"{what}: {differ(contract.masked(code), contract.masked(contract.runtime))}{masked}")
        if at not in self.created:
            raise Unasked(f"no transaction creates {at}")
        found = self.created[at]["input"][: len(contract.creation)]
        same = found == contract.creation
        text = f"{len(found)} bytes as compiled" if same else differ(found, contract.creation)
        self.report.say(same, f"creation code of {name} in {self.created[at]['hash'][:18]}..: {text}")
        return contract.values(code)

    def same_values(self, name, found, expected):
        found = {key: None if value is None else number(value) for key, value in found.items()}
        text = lambda value: hex(value) if isinstance(value, int) and value >= 1 << 64 else str(value)  # noqa: E731
        differing = [key for key in sorted(found.keys() | expected.keys()) if found.get(key) != expected.get(key)]
        wrong = [f"{key} is {text(found.get(key))}, expected {text(expected.get(key))}" for key in differing]
        what = f"immutables in the code of {name} against its creation's arguments"
        self.report.say(not wrong, f"{what}: {'; '.join(wrong) or f'all {len(expected)} equal'}")

    # 2. PROVEN BITS
    # ==============================================================================================================

    def bits(self):
        """The proven bits follow from the deployed parameters, and are what is claimed of every proof."""
        p = self.parameters()
        estimate = lambda log_rows: soundness.proven_bits(log_rows, p.log_blowup, p.queries, p.grinding)  # noqa: E731
        proofs = self.proofs()
        if not proofs:
            raise Unasked("the operator has no proof yet")
        presets = {field(proof, "preset", str) for proof in proofs}
        self.report.equal("presets of the operator's proofs", presets, {"settle-100"})
        worst = min((estimate(log_rows) for log_rows in range(p.log_least, p.log_most + 1)), key=lambda e: e["protocol"])
        self.report.equal(
            f"proven bits at every length from 2^{p.log_least} to 2^{p.log_most}: the least, with {p.queries} queries at blowup "
            f"{1 << p.log_blowup}, {p.grinding} bits of grinding, {p.main} + {p.aux} + {p.quotients} columns, "
            f"{p.transitions + p.boundaries} constraints in the cubic extension, folding {soundness.FOLDING}, is min({worst['protocol']:.2f} for the "
            f"{worst['term']}, {worst['collisions']} for collisions of {soundness.DIGEST_BYTES}-byte digests), against the claim",
            worst["bits"],
            CLAIMS["settle-100"],
        )
        begun = self.begun()
        by_run = {(proof["first"], proof["last"]): proof for proof in proofs}
        for first, last, root, payee in self.settled():
            digest = self.settled_statement(first, last, root, payee)
            if digest not in begun or (first, last) not in by_run:
                raise Unasked(f"the proof of batches {first} to {last} is not on both sides")
            head, said = begun[digest], by_run[first, last]
            self.report.equal(f"first section of the proof of batches {first} to {last}, its bytes with digests, values and folding as above", len(head.head), p.head_bytes(head.log_rows))
            claim = (field(said, "rows", int), field(said, "proven_bits", int))
            computed = (1 << head.log_rows, estimate(head.log_rows)["bits"])
            self.report.equal(f"rows and proven bits of the proof of batches {first} to {last}, the operator's against L1's", claim, computed)

    # 3. RULES
    # ==============================================================================================================

    def rules(self):
        """The rollup's kernel is the program of every proof, and the one that was asked for."""
        kernel = self.rollup_word("KERNEL()")
        argument = words_at(self.creation_arguments(self.rollup, self.compiled["Rollup"]), 0, 9)[1]
        self.report.equal("KERNEL() of the rollup against its creation's argument", kernel, argument)
        programs = {begun.program for begun in self.begun().values()}
        if not programs:
            raise Unasked("no proof was begun yet")
        self.report.equal(f"KERNEL() against the programs of the {len(self.begun())} proofs on L1", programs, {kernel})
        if self.kernel is not None:
            self.report.equal("KERNEL() against --kernel", kernel, self.kernel)

    # 4. STATE AND DATA
    # ==============================================================================================================

    def state(self):
        """The proven root is the operator's; every batch is bound to its data, every proof to its batches."""
        committed, proven = (number(self.rollup_word(name)) for name in ("committed()", "proven()"))
        if not proven:
            raise Unasked("no batch is proven yet")
        self.report.equal("chain of the operator against L1's", field(self.status, "chain_id", int), self.l1.chain_id)
        empty = [0] * 4
        for _ in range(32):
            empty = compress(empty, empty)
        empty = word_bytes(compress(empty, [0, 3, 0, 0]))
        self.report.equal("roots(0), the empty state", self.rollup_word("roots(uint256)", word(0)), empty)
        theirs = self.operator.ask("starling_batch", proven)
        if not isinstance(theirs, dict):
            raise Unasked(f"the operator does not have batch {proven}")
        root = self.rollup_word("roots(uint256)", word(proven))
        self.report.equal(f"root of the proven batch {proven}, L1's against the operator's", root, unhex(theirs["root"]))

        last_commit = {number(topics[0]): transaction for topics, _, transaction in self.l1.logs(self.rollup, COMMITTED)}
        by_hash = {transaction["hash"]: transaction for transaction in self.l1.transactions}
        previous = bytes(32)
        for batch in range(1, committed + 1):
            transaction = by_hash.get(last_commit.get(batch))
            if transaction is None or transaction["to"] != self.rollup:
                raise Unasked(f"no transaction to the rollup commits batch {batch}")
            previous = self.bound(batch, previous, transaction["input"])

        facts = {topics[0] for topics, _, _ in self.l1.logs(self.verifier(), FACT)}
        after = 0
        for first, last, root, payee in self.settled():
            digest = self.settled_statement(first, last, root, payee)
            known = number(self.l1.view(self.verifier(), "isProven(bytes32)", digest)[0]) == 1 and digest in facts
            same = self.rollup_word("roots(uint256)", word(last)) == root
            what = f"batches {first} to {last} follow batch {after}, and the verifier knows and has announced their statement {show(digest)[:18]}.."
            self.report.say(first == after + 1 and known and same, what)
            after = last
        self.report.equal("the last batch with a proof against proven()", after, proven)

    def bound(self, batch, previous, calldata):
        """Recomputes what L1 keeps of a batch from its commit's calldata; its chain digest."""
        kept = self.batch(batch)
        arguments = calldata[4:]
        parent, slot, claim = arguments[:32], arguments[32:64], arguments[128:160]
        _, blocks = bytes_at(arguments, 2)
        _, data = bytes_at(arguments, 3)
        words = [number(data[i : i + 8]) for i in range(0, len(data), 8)]
        length = words[0]
        canonical = all(item < P for item in words) and not any(words[length:]) and len(words) == -(-length // 4) * 4
        self.report.say(
            canonical and parent == previous and calldata[:4] == function(COMMIT),
            f"data of batch {batch}: {length} canonical words, padded with zeros, behind {show(parent)[:18]}..",
        )
        root, count = operations_root(words[:length])
        self.report.equal(f"operations root of batch {batch}, over {count} operations of the calldata", kept[1], root)
        # The headers that the committer answers for: each block's words, behind the header before.
        head, start = self.batch(batch - 1)[2], 1
        for index in range(len(blocks) // 34):
            end, state = number(blocks[34 * index : 34 * index + 2]), blocks[34 * index + 2 : 34 * index + 34]
            fields = slot + word(batch) + word(index) + head + keccak256(data[8 * start : 8 * end]) + state
            head, start = keccak256(keccak256(HEADER.encode()) + fields), end
        what = f"hash of the last of {len(blocks) // 34} headers of batch {batch}, which end at word {start}"
        self.report.equal(what, (kept[2], start), (head, length))
        digest = word_bytes(hash_elements(5, words[:length]))
        self.report.equal(f"Poseidon2 claim of batch {batch}, recomputed from the calldata", claim, digest)
        # The three points depend on every byte, the claim and the batch's place; L1 keeps only the digest that they enter.
        place = word(self.l1.chain_id) + word(int(self.rollup, 16)) + word(batch) + previous
        seed = keccak256(data + claim + place)
        points = [number(keccak256(seed + word(k))) % P for k in range(3)]
        values = []
        for point in points:
            value = 0
            for item in words:
                value = (value * point + item) % P
            values.append(value)
        left = compress(bytes_word(previous), bytes_word(claim))
        digest = word_bytes(compress(left, compress(points + [length], values + [0])))
        shown = ", ".join(f"{point:#x}" for point in points)
        self.report.equal(f"chain digest of batch {batch}, through the values at the points {shown}", kept[0], digest)
        theirs = self.operator.ask("starling_batch", batch)
        self.report.equal(f"chain digest of batch {batch}, the operator's", unhex(theirs["digest"]), digest)
        return digest

    # 5. PROOFS THAT WERE TAMPERED WITH
    # ==============================================================================================================

    def tampering(self):
        """The last proof is accepted again as it is, and refused by name with any byte changed."""
        verifier = self.verifier()
        finished = self.l1.sent(verifier, FINISH)
        if not finished:
            raise Unasked("no proof was finished in three steps yet")
        finish = finished[-1]["input"]
        session, values = list_at(finish[4:], 0), list_at(finish[4:], 1)
        opened = [t["input"] for t in self.l1.sent(verifier, OPEN) if list_at(t["input"][4:], 0) == session]
        begun = self.begun().get(session[0])
        if not opened or begun is None:
            raise Unasked("the first steps of the last proof are not transactions of their own")
        open_ = opened[-1]

        returned = {}
        sections = {"begin": (begun.calldata, begun.start, begun.head)}
        for name, calldata, slot in (("open", open_, 1), ("finish", finish, 2)):
            start, section = bytes_at(calldata[4:], slot)
            sections[name] = (calldata, 4 + start, section)
        for name, (calldata, _, section) in sections.items():
            returned[name] = self.accepted(f"{name} of the last proof, unchanged, {len(section)} bytes", calldata)
        for name, expected, what in (("begin", session, "open's session"), ("open", values, "finish's values")):
            if returned[name] is not None:
                self.report.say(list_at(returned[name], 0) == expected, f"{name} returns {what}: {len(expected)} words")
        proof = bytearray(b"".join(section for _, _, section in sections.values()))
        whole = function(VERIFY) + encode(begun.program, begun.inputs, begun.outputs, proof)
        self.accepted(f"the last proof in one call of verify, without any fact, {len(proof)} bytes", whole)

        for name, (calldata, start, section) in sections.items():
            self.refused(name, calldata, start, section)

    def accepted(self, what, calldata):
        """What a call of the verifier returns; says whether it succeeds."""
        try:
            returned = self.l1.call(self.verifier(), calldata)
        except RpcError as error:
            name = self.compiled["StarkVerifier"].error(error.data)
            self.report.say(False, f"{what}: reverts with {name or error}")
            return None
        self.report.say(True, f"{what}: succeeds")
        return returned

    def refused(self, name, calldata, start, section):
        """Changes single bytes of a section: the first, the last, and random ones.

        A change behind the values at z may by chance find a proof of work: about once in 2^25 changes, `begin` takes it.
        """
        places = [0, len(section) - 1] + [self.random.randrange(len(section)) for _ in range(self.changes - 2)]
        errors, wrong = {}, []
        for place in places:
            change = self.random.randrange(1, 256)
            changed = bytearray(calldata)
            changed[start + place] ^= change
            try:
                self.l1.call(self.verifier(), bytes(changed))
                wrong.append(f"byte {place} xor {change:#04x} is accepted")
            except RpcError as error:
                reason = self.compiled["StarkVerifier"].error(error.data)
                if reason is None:
                    wrong.append(f"byte {place} xor {change:#04x} fails without a known error: {error}")
                errors[reason] = errors.get(reason, 0) + 1
        counted = ", ".join(f"{count} {reason}" for reason, count in sorted(errors.items(), key=str))
        self.report.say(not wrong, f"{name} with one of {len(places)} bytes changed reverts: {'; '.join(wrong) or counted}")

    # 6. PAYMENTS
    # ==============================================================================================================

    def payments(self):
        """What was paid is not paid again, nor on another path, nor for a batch that is not proven."""
        claims = self.l1.sent(self.rollup, CLAIM)
        if not claims:
            raise Unasked("nothing was claimed yet")
        paid = {tuple(map(number, topics)) for topics, _, _ in self.l1.logs(self.rollup, CLAIMED)}
        unproven = number(self.rollup_word("proven()")) + 1
        for claim in claims:
            arguments = claim["input"][4:]
            batch, position = (number(item) for item in words_at(arguments, 0, 2))
            _, record = bytes_at(arguments, 2)
            path = list_at(arguments, 3)
            what = f"position {position} of batch {batch}"
            self.report.say((batch, position) in paid, f"{what} was paid: event and transaction {claim['hash'][:18]}..")
            again = (word(batch), word(position), bytearray(record), path)
            self.reverts(f"a second claim of {what}", claim["input"], "Rollup__AlreadyPaid")
            self.reverts(f"the same claim, encoded afresh, of {what}", claim_of(*again), "Rollup__AlreadyPaid")
            other = path[:-1] + [flipped(path[-1], self.random)] if path else [bytes(32)]
            self.reverts(f"a claim of {what} on another path", claim_of(*again[:3], other), "Rollup__NotIncluded")
            more = bytearray(flipped(bytes(record), self.random))
            self.reverts(f"a claim of {what} with another record", claim_of(*again[:2], more, path), "Rollup__NotIncluded")
            beyond = word(position + (1 << len(path)))
            self.reverts(f"a claim of {what} under a second position", claim_of(again[0], beyond, *again[2:]), "Rollup__NotIncluded")
            later = claim_of(word(unproven), *again[1:])
            self.reverts(f"the claim of {what} for batch {unproven}, which is not proven", later, "Rollup__BatchNotProven")

    def reverts(self, what, calldata, expected):
        try:
            self.l1.call(self.rollup, calldata)
            self.report.say(False, f"{what} succeeds, expected {expected}")
        except RpcError as error:
            found = self.compiled["Rollup"].error(error.data)
            self.report.equal(f"{what} reverts", found or str(error), expected)


def claim_of(*arguments):
    return function(CLAIM) + encode(*arguments)


def flipped(data, source):
    """The same bytes, one of them changed."""
    changed = bytearray(data)
    changed[source.randrange(len(changed))] ^= source.randrange(1, 256)
    return bytes(changed)


def operations_root(words):
    """The keccak tree over a batch's entries and records, and how many there are (`specs/l1.md`, Commit)."""
    entries, at = words[1], HEAD_WORDS
    leaves = []
    while at < len(words):
        size = ENTRY_WORDS if len(leaves) < entries else LENGTHS.get(words[at + 1] & 15) if at + 1 < len(words) else None
        if size is None or at + size > len(words):
            raise Unasked(f"word {at} of the data starts no operation")
        leaves.append(keccak256(b"\0" + b"".join(item.to_bytes(8, "big") for item in words[at : at + size])))
        at += size
    count = len(leaves)
    level = leaves + [bytes(32)] * ((1 << (count - 1).bit_length()) - count) if count else [bytes(32)]
    while len(level) > 1:
        level = [keccak256(b"\1" + level[i] + level[i + 1]) for i in range(0, len(level), 2)]
    return level[0], count


def differ(found, expected):
    """How two byte strings differ."""
    if len(found) != len(expected):
        return f"{len(found)} bytes found, {len(expected)} compiled"
    places = [i for i, (x, y) in enumerate(zip(found, expected)) if x != y]
    return f"{len(places)} of {len(found)} bytes differ from what is compiled, the first at {places[0]}"


def field(answer, name, kind):
    """A field of the operator's answer."""
    value = answer.get(name) if isinstance(answer, dict) else None
    if not isinstance(value, kind):
        raise Unasked(f"the operator's answer has no {name}")
    return value
