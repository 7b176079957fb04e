// kafkajs in the matrix: prints a line for each capability (tests/README.md has the protocol).
import { calls } from './admin.mjs'
import { admin, CODECS } from './clients.mjs'
import { capability, exitCode } from './report.mjs'
import * as scenarios from './scenarios.mjs'

await admin.connect()
await capability('create-topic', scenarios.createTopicTwice)
for (const codec of Object.keys(CODECS)) await capability(`produce:${codec}`, () => scenarios.produceCodec(codec))
await capability('idempotent', scenarios.idempotent)
await capability('commit-resume', scenarios.commitResume)
await capability('seek-by-timestamp', scenarios.seekByTimestamp)
await capability('group-rebalance', scenarios.groupRebalance)
for (const [name, call] of Object.entries(calls)) await capability(`admin:${name}`, call)
await capability('broker-restart', scenarios.brokerRestart)
await admin.disconnect()
process.exit(exitCode())
