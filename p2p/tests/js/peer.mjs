// A peer of the Starling network on js-libp2p, written from specs/p2p.md alone. It is told on standard input, one line of
// JSON each, what to do, and says on standard output what happened.
//
// Arguments: the address to dial, chain id, rollup address, the kernel's hash in hexadecimal digits.

import './node20.mjs'
import { createInterface } from 'node:readline'
import { gossipsub } from '@libp2p/gossipsub'
import { identify } from '@libp2p/identify'
import { noise } from '@libp2p/noise'
import { tcp } from '@libp2p/tcp'
import { yamux } from '@libp2p/yamux'
import { multiaddr } from '@multiformats/multiaddr'
import { blake3 } from '@noble/hashes/blake3.js'
import { createLibp2p } from 'libp2p'

const [address, chainId, rollup, kernel] = process.argv.slice(2)
const prefix = `/starling/${chainId}/${rollup}`
const topics = ['transactions', 'blocks', 'evidence', 'proofs'].map((name) => `${prefix}/${name}/1`)
const text = new TextEncoder()

const say = (event) => process.stdout.write(JSON.stringify(event) + '\n')

const bytes = (digits) => Uint8Array.from(Buffer.from(digits, 'hex'))

const hex = (bytes) => Buffer.from(bytes).toString('hex')

const integer = (value, size) => {
  const out = new Uint8Array(size)
  for (let i = size - 1, rest = BigInt(value); i >= 0; i--, rest >>= 8n) out[i] = Number(rest & 255n)
  return out
}

// Version, chain id, rollup, kernel, role (full node), three heads at zero.
const status = Uint8Array.from([
  1,
  ...integer(chainId, 8),
  ...bytes(rollup.slice(2)),
  ...bytes(kernel),
  0,
  ...new Uint8Array(3 * 40)
])

const messageId = (message) => {
  const topic = text.encode(message.topic)
  const preimage = Uint8Array.from([...integer(topic.length, 8).reverse(), ...topic, ...message.data])
  return blake3(preimage, { context: text.encode('starling 2026 gossip message id'), dkLen: 20 })
}

const node = await createLibp2p({
  transports: [tcp()],
  connectionEncrypters: [noise()],
  streamMuxers: [yamux()],
  services: {
    identify: identify(),
    pubsub: gossipsub({ globalSignaturePolicy: 'StrictNoSign', msgIdFn: messageId })
  }
})

const read = async (stream) => {
  const parts = []
  for await (const part of stream) parts.push(part.subarray())
  return Buffer.concat(parts)
}

// Four bytes of length, the bytes, the end of the stream; and the same back.
const introduce = async (connection) => {
  const stream = await connection.newStream(`${prefix}/status/1`)
  stream.send(Uint8Array.from([...integer(status.length, 4), ...status]))
  const [answer] = await Promise.all([read(stream), stream.close()])
  if (answer.length !== 4 + status.length || answer.readUInt32BE() !== status.length) {
    throw new Error(`the answer is ${answer.length} bytes`)
  }
  if (!answer.subarray(4, 4 + 61).equals(Buffer.from(status.subarray(0, 61)))) {
    throw new Error('the answer names another network')
  }
}

await node.handle(`${prefix}/status/1`, async (stream) => {
  await read(stream)
  stream.send(Uint8Array.from([...integer(status.length, 4), ...status]))
  await stream.close()
})

node.addEventListener('peer:disconnect', () => say({ event: 'disconnected' }))
node.services.pubsub.addEventListener('gossipsub:message', ({ detail }) => {
  const { topic, data } = detail.msg
  say({ event: 'message', topic: topics.indexOf(topic), data: hex(data), id: hex(messageId(detail.msg)) })
})

const connection = await node.dial(multiaddr(address))
await introduce(connection)
for (const topic of topics) node.services.pubsub.subscribe(topic)
const subscribed = () => topics.every((topic) => node.services.pubsub.getSubscribers(topic).length > 0)
while (!subscribed()) await new Promise((resolve) => setTimeout(resolve, 20))
say({ event: 'ready', peer: node.peerId.toString() })

for await (const line of createInterface({ input: process.stdin })) {
  const { topic, data } = JSON.parse(line)
  const message = { topic: topics[topic], data: bytes(data) }
  const { recipients } = await node.services.pubsub.publish(message.topic, message.data)
  say({ event: 'published', id: hex(messageId(message)), recipients: recipients.length })
}
await node.stop()
