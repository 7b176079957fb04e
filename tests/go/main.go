// Sarama in the matrix: prints a line for each capability (tests/README.md has the protocol).
package main

import (
	"log"
	"os"

	"github.com/IBM/sarama"
)

var (
	client sarama.Client
	admin  sarama.ClusterAdmin
)

func main() {
	sarama.Logger = log.New(os.Stderr, "", log.LstdFlags|log.Lmicroseconds)
	var err error
	if client, err = sarama.NewClient(bootstrap, settings()); err != nil {
		panic(err)
	}
	if admin, err = sarama.NewClusterAdmin(bootstrap, settings()); err != nil {
		panic(err)
	}
	capability("create-topic", createTwice)
	for _, each := range codecs {
		capability("produce:"+each.name, func() (string, error) { return produceCodec(each.name, each.codec) })
	}
	capability("idempotent", idempotent)
	capability("commit-resume", commitResume)
	capability("seek-by-timestamp", seekByTimestamp)
	capability("group-rebalance", groupRebalance)
	capability("admin:list-topics", listTopics)
	capability("admin:describe-cluster", describeCluster)
	capability("admin:create-partitions", createPartitions)
	capability("admin:describe-configs", describeConfigs)
	capability("admin:alter-configs", alterConfig)
	capability("admin:incremental-alter-configs", incrementalAlterConfig)
	capability("admin:list-groups", listGroups)
	capability("admin:describe-group", describeGroup)
	capability("admin:alter-group-offsets", alterGroupOffsets)
	capability("admin:delete-group-offsets", deleteGroupOffset)
	capability("admin:delete-group", deleteGroup)
	capability("admin:list-offsets", listOffsets)
	capability("admin:delete-records", deleteRecords)
	capability("admin:describe-log-dirs", describeLogDirs)
	capability("admin:delete-topic", deleteTopic)
	capability("broker-restart", brokerRestart)
	if failed {
		os.Exit(1)
	}
}
