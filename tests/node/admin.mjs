// The admin calls of kafkajs.
import kafkajs from 'kafkajs'
import { admin, createTopic, numberOf, produce, range, startMember, untilRead, untilShared } from './clients.mjs'
import { check, equal, until } from './report.mjs'
import { FIRST_TIMESTAMP_MS } from './scenarios.mjs'

const { AssignerProtocol, ConfigResourceTypes } = kafkajs
const TOPIC = ConfigResourceTypes.TOPIC

async function config(name, ...configNames) {
  const { resources } = await admin.describeConfigs({ resources: [{ type: TOPIC, name, configNames }], includeSynonyms: true })
  return Object.fromEntries(resources[0].configEntries.map((entry) => [entry.configName, entry]))
}

async function groupOffset(groupId) {
  const [{ partitions }] = await admin.fetchOffsets({ groupId, topics: ['commit'] })
  return partitions[0].offset
}

const groupNames = async () => (await admin.listGroups()).groups.map((group) => group.groupId)

export const calls = {
  'list-topics': async () => {
    const names = await admin.listTopics()
    check(['created', 'codec-gzip', 'rebalance'].every((name) => names.includes(name)), `names: ${names}`)
    return `${names.length} topics`
  },

  'describe-topics': async () => {
    const { topics } = await admin.fetchTopicMetadata({ topics: ['rebalance'] })
    equal(topics[0].partitions.map((p) => p.partitionId).sort(), [0, 1, 2, 3], 'partitions')
    return '4 partitions with leader and replicas'
  },

  'describe-cluster': async () => {
    const cluster = await admin.describeCluster()
    equal(cluster.brokers.map(({ host, port }) => `${host}:${port}`), [process.env.MATRIX_BOOTSTRAP], 'brokers')
    check(cluster.clusterId && cluster.controller >= 0, 'cluster id and controller')
    return 'one broker, a cluster id, a controller'
  },

  'create-partitions': async () => {
    await createTopic('grown', 1)
    await admin.createPartitions({ topicPartitions: [{ topic: 'grown', count: 4 }] })
    await until('the topic has 4 partitions', async () =>
      (await admin.fetchTopicMetadata({ topics: ['grown'] })).topics[0].partitions.length === 4)
    return '1 to 4'
  },

  'describe-configs': async () => {
    const entry = (await config('created', 'max.message.bytes'))['max.message.bytes']
    equal([entry.configValue, entry.isDefault], ['200000', false], 'entry')
    check(entry.configSynonyms.length >= 2, 'synonyms')
    return 'value, default flag, synonyms'
  },

  'alter-configs': async () => {
    await createTopic('altered', 1)
    const configEntries = [{ name: 'retention.ms', value: '123456' }]
    await admin.alterConfigs({ validateOnly: false, resources: [{ type: TOPIC, name: 'altered', configEntries }] })
    await until('the change shows', async () => (await config('altered'))['retention.ms'].configValue === '123456')
    return 'retention.ms changed and read back'
  },

  'list-groups': async () => {
    const names = await groupNames()
    check(names.includes('rebalancing') && names.includes('committing'), `names: ${names}`)
    return `${names.length} groups`
  },

  'describe-group': async () => {
    const member = await startMember('described', 'rebalance')
    await untilShared(4, member)
    const { groups: [group] } = await admin.describeGroups(['described'])
    await member.leave()
    equal([group.state, group.protocolType, group.members.length], ['Stable', 'consumer', 1], 'group')
    const { assignment } = AssignerProtocol.MemberAssignment.decode(group.members[0].memberAssignment)
    equal(assignment.rebalance.sort(), [0, 1, 2, 3], 'assignment')
    return 'a live group: state, members, assignment'
  },

  'list-group-offsets': async () => {
    equal(await groupOffset('committing'), '100', 'offset')
    return '100'
  },

  'alter-group-offsets': async () => {
    await admin.setOffsets({ groupId: 'altering', topic: 'commit', partitions: [{ partition: 0, offset: '12' }] })
    equal(await groupOffset('altering'), '12', 'offset')
    return 'set to 12'
  },

  'delete-group': async () => {
    await admin.setOffsets({ groupId: 'short-lived', topic: 'commit', partitions: [{ partition: 0, offset: '1' }] })
    await admin.deleteGroups(['short-lived'])
    check(!(await groupNames()).includes('short-lived'), 'gone from the list')
    return 'gone from the list'
  },

  'list-offsets': async () => {
    equal(await admin.fetchTopicOffsets('timestamps'), [{ partition: 0, offset: '100', high: '100', low: '0' }], 'offsets')
    const [late] = await admin.fetchTopicOffsetsByTimestamp('timestamps', FIRST_TIMESTAMP_MS + 1_000_000)
    equal(late.offset, '100', 'after the last: kafkajs says the end')
    return 'earliest, latest, by time'
  },

  'delete-records': async () => {
    await createTopic('trimmed', 1)
    await produce('trimmed', 0, 50)
    // kafkajs looks for leaders among the topics it has asked about before.
    await admin.fetchTopicOffsets('trimmed')
    await admin.deleteTopicRecords({ topic: 'trimmed', partitions: [{ partition: 0, offset: '30' }] })
    equal((await admin.fetchTopicOffsets('trimmed'))[0].low, '30', 'earliest offset')
    const member = await startMember('reads-trimmed', 'trimmed')
    await untilRead(20, member)
    await member.leave()
    equal(member.records.map(numberOf), range(30, 50), 'what is left')
    return '30 of 50 gone'
  },

  'delete-topic': async () => {
    await createTopic('doomed', 1)
    await admin.deleteTopics({ topics: ['doomed'] })
    await until('the topic is gone', async () => !(await admin.listTopics()).includes('doomed'))
    return 'gone from the list'
  }
}
