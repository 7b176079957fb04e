// kafkajs with the settings of the matrix, and the codecs that it takes from outside: it has only gzip itself.
import kafkajs from 'kafkajs'
import SnappyCodec from 'kafkajs-snappy'
import lz4 from 'lz4-napi'
import zstdCodec from 'zstd-codec'
import { equal, until } from './report.mjs'

const { CompressionCodecs, CompressionTypes, Kafka, logLevel } = kafkajs

const zstd = await new Promise((resolve) => zstdCodec.ZstdCodec.run((module) => resolve(new module.Simple())))
CompressionCodecs[CompressionTypes.Snappy] = SnappyCodec
CompressionCodecs[CompressionTypes.LZ4] = () => ({
  compress: (encoder) => lz4.compressFrame(encoder.buffer),
  decompress: (buffer) => lz4.decompressFrame(buffer)
})
CompressionCodecs[CompressionTypes.ZSTD] = () => ({
  compress: async (encoder) => Buffer.from(zstd.compress(encoder.buffer)),
  decompress: async (buffer) => Buffer.from(zstd.decompress(buffer))
})
export const CODECS = {
  none: CompressionTypes.None,
  gzip: CompressionTypes.GZIP,
  snappy: CompressionTypes.Snappy,
  lz4: CompressionTypes.LZ4,
  zstd: CompressionTypes.ZSTD
}

export const kafka = new Kafka({
  clientId: 'matrix',
  brokers: [process.env.MATRIX_BOOTSTRAP],
  logLevel: logLevel.NOTHING,
  retry: { initialRetryTime: 100, maxRetryTime: 1000, retries: 40 }
})
export const admin = kafka.admin()

const TEXT = ' ' + 'the quick brown fox jumps over the lazy dog '.repeat(4)
export const valueOf = (n) => String(n).padStart(6, '0') + TEXT
export const keyOf = (n) => `key-${n % 7}`
export const range = (first, end) => Array.from({ length: end - first }, (_, i) => first + i)
export const sorted = (numbers) => [...numbers].sort((a, b) => a - b)

export async function createTopic(topic, numPartitions, configEntries = []) {
  const topics = [{ topic, numPartitions, replicationFactor: 1, configEntries }]
  equal(await admin.createTopics({ topics, waitForLeaders: true }), true, `created ${topic}`)
}

// Sends the numbers from first in one request, acknowledged when this returns.
export async function produce(topic, first, count, { compression, idempotent = false, more = () => ({}) } = {}) {
  const producer = kafka.producer({ idempotent, maxInFlightRequests: 1 })
  await producer.connect()
  const messages = range(first, first + count).map((n) => ({ key: keyOf(n), value: valueOf(n), ...more(n) }))
  await producer.send({ topic, messages, compression, acks: -1 })
  await producer.disconnect()
}

// A group member that commits after each batch and keeps what it read. kafkajs reads in groups only.
export class Member {
  records = []
  share = []
  failure = null

  constructor(groupId, topic) {
    this.topic = topic
    this.consumer = kafka.consumer({ groupId, heartbeatInterval: 500, sessionTimeout: 10_000, maxWaitTimeInMs: 200 })
    const { GROUP_JOIN, CRASH } = this.consumer.events
    this.consumer.on(GROUP_JOIN, ({ payload }) => { this.share = sorted(payload.memberAssignment[topic] ?? []) })
    this.consumer.on(CRASH, ({ payload }) => { if (!payload.restart) this.failure = payload.error })
  }

  async start({ commit = true } = {}) {
    await this.consumer.connect()
    await this.consumer.subscribe({ topic: this.topic, fromBeginning: true })
    await this.consumer.run({
      autoCommit: false,
      eachBatch: async ({ batch, isStale }) => {
        if (isStale() || batch.messages.length === 0) return
        for (const message of batch.messages) this.records.push({ partition: batch.partition, ...message })
        const offset = String(Number(batch.lastOffset()) + 1)
        if (commit) await this.consumer.commitOffsets([{ topic: this.topic, partition: batch.partition, offset }])
      }
    })
    return this
  }

  check() {
    if (this.failure) throw this.failure
  }

  async leave() {
    await this.consumer.disconnect()
    this.check()
  }
}

export const startMember = (groupId, topic, options) => new Member(groupId, topic).start(options)
export const numberOf = (record) => Number(record.value.subarray(0, 6).toString())

export function numbers(...members) {
  return sorted(members.flatMap((member) => { member.check(); return member.records.map(numberOf) }))
}

export async function untilShared(partitions, ...members) {
  await until(() => `shared: ${JSON.stringify(members.map((m) => m.share))}`, () => {
    const together = sorted(members.flatMap((member) => { member.check(); return member.share }))
    return members.every((m) => m.share.length) && JSON.stringify(together) === JSON.stringify(range(0, partitions))
  })
}

export async function untilRead(count, ...members) {
  await until(() => `${count} records are read, have ${numbers(...members).length}`, () => numbers(...members).length >= count)
}

// The numbers of a partition in the order of their offsets; a record that was read twice counts once.
export function written(member, partition) {
  const mine = new Map(member.records.filter((r) => r.partition === partition).map((r) => [Number(r.offset), numberOf(r)]))
  return sorted(mine.keys()).map((offset) => mine.get(offset))
}
