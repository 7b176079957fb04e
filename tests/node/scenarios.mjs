// What every client of the matrix is put through. Each scenario returns what it saw.
import { setTimeout as sleep } from 'node:timers/promises'
import {
  admin, CODECS, createTopic, kafka, keyOf, numberOf, numbers, produce, range, sorted, startMember, untilRead,
  untilShared, valueOf, written
} from './clients.mjs'
import { check, equal, request, until } from './report.mjs'

const CODEC_RECORDS = 200
export const FIRST_TIMESTAMP_MS = (Math.floor(Date.now() / 1000) - 3600) * 1000

export async function createTopicTwice() {
  await createTopic('created', 3, [{ name: 'max.message.bytes', value: '200000' }])
  const { topics } = await admin.fetchTopicMetadata({ topics: ['created'] })
  equal(topics[0].partitions.length, 3, 'partitions')
  equal(await admin.createTopics({ topics: [{ topic: 'created' }] }), false, 'a second create')
  return '3 partitions, a second create is refused'
}

export async function produceCodec(codec) {
  const topic = `codec-${codec}`
  await createTopic(topic, 2)
  const more = (n) => ({ headers: { n: String(n) } })
  await produce(topic, 0, CODEC_RECORDS, { compression: CODECS[codec], more })
  const member = await startMember(`reads-${topic}`, topic)
  await untilRead(CODEC_RECORDS, member)
  await member.leave()
  equal(numbers(member), range(0, CODEC_RECORDS), 'numbers')
  for (const record of member.records) {
    const n = numberOf(record)
    const seen = [record.key.toString(), record.value.toString(), record.headers.n.toString()]
    equal(seen, [keyOf(n), valueOf(n), String(n)], 'record')
  }
  for (const partition of [0, 1]) {
    equal(written(member, partition), sorted(written(member, partition)), `order in partition ${partition}`)
  }
  return `${CODEC_RECORDS} records back, keys and headers too`
}

export async function idempotent() {
  await createTopic('idempotent', 1)
  for (const first of [0, 100, 200]) await produce('idempotent', first, 100, { idempotent: true })
  const member = await startMember('reads-idempotent', 'idempotent')
  await untilRead(300, member)
  await member.leave()
  equal(member.records.map(numberOf), range(0, 300), 'numbers in order')
  return '300 records in order'
}

export async function commitResume() {
  await createTopic('commit', 1)
  await produce('commit', 0, 100)
  const first = await startMember('committing', 'commit', { commit: false })
  await untilRead(1, first)
  equal(numberOf(first.records[0]), 0, 'from the start')
  await first.consumer.commitOffsets([{ topic: 'commit', partition: 0, offset: '40', metadata: 'forty' }])
  const offsets = await admin.fetchOffsets({ groupId: 'committing', topics: ['commit'] })
  equal(offsets[0].partitions, [{ partition: 0, offset: '40', metadata: 'forty' }], 'committed')
  await first.leave()
  const second = await startMember('committing', 'commit')
  await untilRead(60, second)
  await second.leave()
  equal(second.records.map(numberOf), range(40, 100), 'resumed')
  return 'resumed at the committed 40, metadata kept'
}

export async function seekByTimestamp() {
  await createTopic('timestamps', 1)
  await produce('timestamps', 0, 100, { more: (n) => ({ timestamp: String(FIRST_TIMESTAMP_MS + n * 1000) }) })
  const [found] = await admin.fetchTopicOffsetsByTimestamp('timestamps', FIRST_TIMESTAMP_MS + 36_500)
  equal(found.offset, '37', 'first offset at or after the time')
  const member = await startMember('seeking', 'timestamps')
  await untilRead(100, member)
  member.records.length = 0
  member.consumer.seek({ topic: 'timestamps', partition: 0, offset: found.offset })
  await untilRead(63, member)
  await member.leave()
  equal(member.records.map(numberOf), range(37, 100), 'read from there')
  equal(member.records[0].timestamp, String(FIRST_TIMESTAMP_MS + 37_000), 'timestamp')
  return 'found 37 of 100, read on from there'
}

export async function groupRebalance() {
  await createTopic('rebalance', 4)
  const first = await startMember('rebalancing', 'rebalance')
  await untilShared(4, first)
  await produce('rebalance', 0, 100)
  await untilRead(100, first)
  const second = await startMember('rebalancing', 'rebalance')
  await untilShared(4, first, second)
  await produce('rebalance', 100, 100)
  await untilRead(200, first, second)
  check(second.records.length > 0, 'the second member read nothing')
  await second.leave()
  await untilShared(4, first)
  await produce('rebalance', 200, 100)
  await untilRead(300, first, second)
  await first.leave()
  equal(numbers(first, second), range(0, 300), 'each number once')
  return '4, 2+2, 4 partitions; 300 records, none twice'
}

// The producer goes on through the restart, and the member that was there before reads everything.
export async function brokerRestart() {
  await createTopic('restart', 2)
  const member = await startMember('restarting', 'restart')
  await untilShared(2, member)
  const producer = kafka.producer({ idempotent: true, maxInFlightRequests: 1 })
  await producer.connect()
  let sent = 0
  let stop = false
  const sending = (async () => {
    while (!stop) {
      await producer.send({ topic: 'restart', messages: [{ key: keyOf(sent), value: valueOf(sent) }], acks: -1 })
      sent += 1
      await sleep(20)
    }
    await producer.disconnect()
  })()
  const ended = sending.then(() => false, (error) => error)
  const whileSending = async (what, condition) => {
    const failure = await Promise.race([until(what, condition).then(() => false), ended])
    if (failure) throw failure
  }
  await whileSending('records came before the restart', () => numbers(member).length >= 20)
  await request('restart-broker')
  const after = sent
  await whileSending('sent on after the restart', () => sent >= after + 20)
  stop = true
  await sending
  await until(() => `${sent} came, have ${numbers(member).length}`, () => new Set(numbers(member)).size >= sent)
  await member.leave()
  const all = [written(member, 0), written(member, 1)]
  for (const mine of all) equal(mine, sorted(mine), 'order')
  equal(sorted(all.flat()), range(0, sent), 'each number written once')
  return 'nothing lost, in order, nothing twice'
}
