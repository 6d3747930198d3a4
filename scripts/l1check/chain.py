"""JSON-RPC and the contracts' binary interface, as far as the checks need them."""

import json
import urllib.request

from .hashes import keccak256


class Unasked(Exception):
    """A question that could not be asked, or whose answer makes no sense: neither yes nor no."""


class RpcError(Exception):
    """The other side answered with an error."""

    def __init__(self, error):
        error = error if isinstance(error, dict) else {"message": repr(error)}
        super().__init__(error.get("message"))
        data = error.get("data")
        data = data.get("data") if isinstance(data, dict) else data
        self.data = unhex(data) if isinstance(data, str) and data.startswith("0x") else None


class Rpc:
    """An endpoint."""

    def __init__(self, url):
        self.url = url
        # No proxy of the environment: what is looked at is what the address names.
        self._opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))

    def call(self, method, *params):
        """The method's result."""
        body = json.dumps({"jsonrpc": "2.0", "id": 1, "method": method, "params": params}).encode()
        request = urllib.request.Request(self.url, body, {"content-type": "application/json"})
        try:
            with self._opener.open(request, timeout=60) as response:
                answer = json.load(response)
        except (OSError, ValueError) as error:
            raise Unasked(f"{method} at {self.url}: {error}") from error
        if not isinstance(answer, dict) or ("result" not in answer and "error" not in answer):
            raise Unasked(f"{method} at {self.url}: not a JSON-RPC answer")
        if answer.get("error") is not None:
            raise RpcError(answer["error"])
        return answer.get("result")

    def ask(self, method, *params):
        """The method's result; an error is no answer to what is asked."""
        try:
            return self.call(method, *params)
        except RpcError as error:
            raise Unasked(f"{method} at {self.url}: {error}") from error


class L1:
    """The chain as it was at one block: everything is asked of that block, whatever comes after it."""

    def __init__(self, rpc):
        self.rpc = rpc
        self.block = self.number("eth_blockNumber")
        self.chain_id = self.number("eth_chainId")
        self.transactions = []

    def number(self, method, *params):
        return as_int(self.rpc.ask(method, *params), method)

    def code(self, address):
        return unhex(self.rpc.ask("eth_getCode", address, hex(self.block)))

    def call(self, to, data):
        """What a call returns; [RpcError] if it reverts."""
        return unhex(self.rpc.call("eth_call", {"to": to, "data": "0x" + data.hex()}, hex(self.block)))

    def view(self, to, signature, *arguments):
        """The words that a getter returns."""
        try:
            output = self.call(to, selector(signature) + b"".join(arguments))
        except RpcError as error:
            raise Unasked(f"{signature} of {to}: {error}") from error
        if not output or len(output) % 32:
            raise Unasked(f"{signature} of {to}: {len(output)} bytes came")
        return [output[i : i + 32] for i in range(0, len(output), 32)]

    def scan(self):
        """Reads all transactions, earliest first."""
        for number in range(self.block + 1):
            block = self.rpc.ask("eth_getBlockByNumber", hex(number), True)
            if not isinstance(block, dict):
                raise Unasked(f"block {number} is not there: the history from block 0 is needed")
            for transaction in block["transactions"]:
                transaction["input"] = unhex(transaction["input"])
                transaction["timestamp"] = block["timestamp"]
                self.transactions.append(transaction)

    def receipt(self, transaction):
        receipt = self.rpc.ask("eth_getTransactionReceipt", transaction["hash"])
        if not isinstance(receipt, dict):
            raise Unasked(f"transaction {transaction['hash']} has no receipt")
        return receipt

    def sent(self, to, signature):
        """The transactions that called a function of a contract and succeeded, earliest first."""
        found = [t for t in self.transactions if t["to"] == to and t["input"][:4] == selector(signature)]
        return [t for t in found if as_int(self.receipt(t)["status"], "status") == 1]

    def logs(self, address, event):
        """The data and topics of a contract's events, earliest first, with their transactions' hashes."""
        where = {"address": address, "fromBlock": "0x0", "toBlock": hex(self.block), "topics": ["0x" + keccak256(event.encode()).hex()]}
        logs = self.rpc.ask("eth_getLogs", where)
        return [([unhex(t) for t in log["topics"][1:]], unhex(log["data"]), log["transactionHash"]) for log in logs]


# BINARY INTERFACE
# ==================================================================================================================


def unhex(text):
    """Bytes of `0x` and hexadecimal digits."""
    try:
        if not text.startswith("0x"):
            raise ValueError("it does not start with 0x")
        return bytes.fromhex(text[2:])
    except (ValueError, AttributeError) as error:
        raise Unasked(f"{text!r:.60} is no bytes: {error}") from error


def as_int(text, what):
    """A number of `0x` and hexadecimal digits."""
    try:
        return int(text, 16)
    except (TypeError, ValueError) as error:
        raise Unasked(f"{what}: {text!r:.60} is no number") from error


def selector(signature):
    return keccak256(signature.encode())[:4]


def word(value):
    """A number as 32 bytes."""
    return value.to_bytes(32, "big")


def number(data):
    return int.from_bytes(data, "big")


def address(data):
    """The address in a word."""
    if any(data[:12]):
        raise Unasked(f"0x{data.hex()} is no address")
    return "0x" + data[12:].hex()


def words_at(arguments, offset, count):
    found = arguments[offset : offset + 32 * count]
    if len(found) != 32 * count:
        raise Unasked("the calldata ends before its arguments do")
    return [found[i : i + 32] for i in range(0, len(found), 32)]


def list_at(arguments, slot):
    """The words of the list whose offset is argument number `slot`."""
    offset = number(words_at(arguments, 32 * slot, 1)[0])
    count = number(words_at(arguments, offset, 1)[0])
    return words_at(arguments, offset + 32, count)


def bytes_at(arguments, slot):
    """Where the bytes whose offset is argument number `slot` start, and the bytes."""
    offset = number(words_at(arguments, 32 * slot, 1)[0])
    size = number(words_at(arguments, offset, 1)[0])
    found = arguments[offset + 32 : offset + 32 + size]
    if len(found) != size:
        raise Unasked("the calldata ends before its bytes do")
    return offset + 32, found


def encode(*arguments):
    """Arguments: bytes of 32 are a word, a list is a list of words, a bytearray is bytes."""
    heads, tails, offset = [], [], 32 * len(arguments)
    for argument in arguments:
        if isinstance(argument, bytes):
            heads.append(argument)
            continue
        body = bytes(argument) + bytes(-len(argument) % 32) if isinstance(argument, bytearray) else b"".join(argument)
        heads.append(word(offset))
        tails.append(word(len(argument)) + body)
        offset += len(tails[-1])
    return b"".join(heads + tails)
