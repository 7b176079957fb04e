// The admin calls of Sarama.
package main

import (
	"errors"
	"fmt"
	"slices"

	"github.com/IBM/sarama"
)

func listTopics() (string, error) {
	topics, err := admin.ListTopics()
	if err != nil {
		return "", err
	}
	for _, name := range []string{"created", "codec-gzip", "rebalance"} {
		if _, there := topics[name]; !there {
			return "", fmt.Errorf("%s is not listed", name)
		}
	}
	return fmt.Sprintf("%d topics", len(topics)), equal(topics["rebalance"].NumPartitions, int32(4), "partitions")
}

func describeCluster() (string, error) {
	brokers, controller, err := admin.DescribeCluster()
	if err != nil {
		return "", err
	}
	if err := equal(len(brokers), 1, "brokers"); err != nil {
		return "", err
	}
	if controller < 0 {
		return "", errors.New("no controller")
	}
	return "one broker, a controller", equal(brokers[0].Addr(), bootstrap[0], "address")
}

func partitionCount(topic string) (int, error) {
	topics, err := admin.DescribeTopics([]string{topic})
	if err != nil {
		return 0, err
	}
	return len(topics[0].Partitions), nil
}

func createPartitions() (string, error) {
	if err := createTopic("grown", 1); err != nil {
		return "", err
	}
	if err := admin.CreatePartitions("grown", 4, nil, false); err != nil {
		return "", err
	}
	return "1 to 4", until("the topic has 4 partitions", func() (bool, error) {
		count, err := partitionCount("grown")
		return count == 4, err
	})
}

func topicConfig(topic, key string) (sarama.ConfigEntry, error) {
	resource := &sarama.ConfigResource{Type: sarama.TopicResource, Name: topic}
	options := sarama.DescribeConfigsOptions{IncludeSynonyms: true, IncludeDocumentation: true}
	results, err := admin.DescribeConfigs([]*sarama.ConfigResource{resource}, options)
	if err != nil {
		return sarama.ConfigEntry{}, err
	}
	for _, entry := range results[0].Configs {
		if entry.Name == key {
			return entry, nil
		}
	}
	return sarama.ConfigEntry{}, fmt.Errorf("no %s", key)
}

func describeConfigs() (string, error) {
	entry, err := topicConfig("created", "max.message.bytes")
	if err != nil {
		return "", err
	}
	if len(entry.Synonyms) < 2 || entry.Documentation == nil {
		return "", fmt.Errorf("synonyms or documentation missing: %+v", entry)
	}
	return "value, synonyms, documentation", equal(entry.Value, "200000", "value")
}

func untilConfig(topic, key, expected string) error {
	return until("the change shows", func() (bool, error) {
		entry, err := topicConfig(topic, key)
		return entry.Value == expected, err
	})
}

func alterConfig() (string, error) {
	if err := createTopic("altered", 1); err != nil {
		return "", err
	}
	retention := "123456"
	if err := admin.AlterConfig(sarama.TopicResource, "altered", map[string]*string{"retention.ms": &retention}, false); err != nil {
		return "", err
	}
	return "retention.ms changed and read back", untilConfig("altered", "retention.ms", retention)
}

func incrementalAlterConfig() (string, error) {
	size := "300000"
	change := map[string]sarama.IncrementalAlterConfigsEntry{
		"max.message.bytes": {Operation: sarama.IncrementalAlterConfigsOperationSet, Value: &size},
	}
	if err := admin.IncrementalAlterConfig(sarama.TopicResource, "altered", change, false); err != nil {
		return "", err
	}
	if err := untilConfig("altered", "max.message.bytes", size); err != nil {
		return "", err
	}
	return "one value changed, the other kept", untilConfig("altered", "retention.ms", "123456")
}

func listGroups() (string, error) {
	groups, err := admin.ListConsumerGroups()
	if err != nil {
		return "", err
	}
	for _, name := range []string{"rebalancing", "committing"} {
		if groups[name] != "consumer" {
			return "", fmt.Errorf("%s is not listed: %v", name, groups)
		}
	}
	return fmt.Sprintf("%d groups", len(groups)), nil
}

func describeGroup() (string, error) {
	live, err := join("described", "rebalance", nil)
	if err != nil {
		return "", err
	}
	if err := untilShared(4, live); err != nil {
		return "", err
	}
	groups, err := admin.DescribeConsumerGroups([]string{"described"})
	if err != nil {
		return "", err
	}
	if err := live.leave(); err != nil {
		return "", err
	}
	if err := equal([]any{groups[0].State, len(groups[0].Members)}, []any{"Stable", 1}, "state and members"); err != nil {
		return "", err
	}
	for _, only := range groups[0].Members {
		assignment, err := only.GetMemberAssignment()
		if err != nil {
			return "", err
		}
		partitions := slices.Sorted(slices.Values(assignment.Topics["rebalance"]))
		if err := equal(partitions, []int32{0, 1, 2, 3}, "assignment"); err != nil {
			return "", err
		}
	}
	return "a live group: state, members, assignment", nil
}

func checkGroupOffset(group string, offset int64, metadata string) error {
	answer, err := admin.ListConsumerGroupOffsets(group, map[string][]int32{"commit": {0}})
	if err != nil {
		return err
	}
	block := answer.GetBlock("commit", 0)
	if block == nil {
		return fmt.Errorf("no offset of group %s", group)
	}
	return equal([]any{block.Offset, block.Metadata}, []any{offset, metadata}, "committed offset and metadata")
}

func setGroupOffset(group string, offset int64) error {
	offsets := map[string]map[int32]sarama.OffsetAndMetadata{"commit": {0: {Offset: offset, LeaderEpoch: -1}}}
	answer, err := admin.AlterConsumerGroupOffsets(group, offsets, nil)
	if err != nil {
		return err
	}
	return equal(answer.Errors["commit"][0], sarama.ErrNoError, "answer")
}

func alterGroupOffsets() (string, error) {
	if err := setGroupOffset("altering", 12); err != nil {
		return "", err
	}
	return "set to 12", checkGroupOffset("altering", 12, "")
}

func deleteGroupOffset() (string, error) {
	if err := setGroupOffset("forgetting", 12); err != nil {
		return "", err
	}
	if err := admin.DeleteConsumerGroupOffset("forgetting", "commit", 0); err != nil {
		return "", err
	}
	return "none left", checkGroupOffset("forgetting", -1, "")
}

func deleteGroup() (string, error) {
	if err := setGroupOffset("short-lived", 1); err != nil {
		return "", err
	}
	if err := admin.DeleteConsumerGroup("short-lived"); err != nil {
		return "", err
	}
	groups, err := admin.ListConsumerGroups()
	_, there := groups["short-lived"]
	return "gone from the list", errors.Join(err, equal(there, false, "still listed"))
}

func listOffsets() (string, error) {
	found := map[string]int64{}
	asked := map[string]int64{
		"earliest": sarama.OffsetOldest, "latest": sarama.OffsetNewest, "by time": firstTimestamp.UnixMilli() + 36_500,
	}
	for name, at := range asked {
		answer, err := admin.ListOffsets(map[string]map[int32]int64{"timestamps": {0: at}}, nil)
		if err != nil {
			return "", err
		}
		result := answer["timestamps"][0]
		// Sarama has an error value for the absence of an error.
		if result.Err != nil && !errors.Is(result.Err, sarama.ErrNoError) {
			return "", result.Err
		}
		found[name] = result.Offset
	}
	return "earliest, latest, by time", equal(found, map[string]int64{"earliest": 0, "latest": 100, "by time": 37}, "offsets")
}

func deleteRecords() (string, error) {
	var messages []*sarama.ConsumerMessage
	err := steps(
		func() error { return createTopic("trimmed", 1) },
		func() error { return produce(settings(), "trimmed", 0, 50, nil) },
		func() error { return admin.DeleteRecords("trimmed", map[int32]int64{0: 30}) },
		func() (err error) { messages, err = read("trimmed", 0, sarama.OffsetOldest, 20); return err },
	)
	if err != nil {
		return "", err
	}
	return "30 of 50 gone", equal(numbersOf(messages), span(30, 50), "what is left")
}

func describeLogDirs() (string, error) {
	folders, err := admin.DescribeLogDirs([]int32{client.Brokers()[0].ID()})
	if err != nil {
		return "", err
	}
	for _, of := range folders {
		for _, topic := range of[0].Topics {
			if topic.Topic == "codec-none" && topic.Partitions[0].Size > 1000 {
				return "sizes in bytes", nil
			}
		}
	}
	return "", fmt.Errorf("no size of codec-none: %v", folders)
}

func deleteTopic() (string, error) {
	if err := createTopic("doomed", 1); err != nil {
		return "", err
	}
	if err := admin.DeleteTopic("doomed"); err != nil {
		return "", err
	}
	return "gone from the list", until("the topic is gone", func() (bool, error) {
		topics, err := admin.ListTopics()
		_, there := topics["doomed"]
		return !there, err
	})
}
