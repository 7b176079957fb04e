// Sarama's clients with the settings of the matrix.
package main

import (
	"context"
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/IBM/sarama"
)

var bootstrap = []string{os.Getenv("MATRIX_BOOTSTRAP")}

var text = " " + strings.Repeat("the quick brown fox jumps over the lazy dog ", 4)

func valueOf(n int) string { return fmt.Sprintf("%06d", n) + text }
func keyOf(n int) string   { return "key-" + strconv.Itoa(n%7) }

func numberOf(message *sarama.ConsumerMessage) int {
	n, err := strconv.Atoi(string(message.Value[:6]))
	if err != nil {
		return -1
	}
	return n
}

func numbersOf(messages []*sarama.ConsumerMessage) []int {
	numbers := make([]int, 0, len(messages))
	for _, message := range messages {
		numbers = append(numbers, numberOf(message))
	}
	return numbers
}

// span is the numbers from first up to end, without it.
func span(first, end int) []int {
	numbers := make([]int, 0, end-first)
	for n := first; n < end; n++ {
		numbers = append(numbers, n)
	}
	return numbers
}

func settings() *sarama.Config {
	config := sarama.NewConfig()
	config.Version = sarama.V4_1_0_0
	config.Producer.Return.Successes = true
	config.Producer.RequiredAcks = sarama.WaitForAll
	config.Producer.Retry.Max = 100
	config.Producer.Retry.Backoff = 100 * time.Millisecond
	config.Metadata.Retry.Max = 100
	config.Metadata.Retry.Backoff = 100 * time.Millisecond
	config.Consumer.Offsets.Initial = sarama.OffsetOldest
	config.Consumer.Offsets.AutoCommit.Enable = false
	config.Consumer.Group.Heartbeat.Interval = 500 * time.Millisecond
	config.Consumer.MaxWaitTime = 100 * time.Millisecond
	return config
}

func idempotentSettings() *sarama.Config {
	config := settings()
	config.Producer.Idempotent = true
	config.Net.MaxOpenRequests = 1
	return config
}

func createTopic(topic string, partitions int32) error {
	return admin.CreateTopic(topic, &sarama.TopicDetail{NumPartitions: partitions, ReplicationFactor: 1}, false)
}

func message(topic string, n int) *sarama.ProducerMessage {
	return &sarama.ProducerMessage{
		Topic: topic,
		Key:   sarama.StringEncoder(keyOf(n)),
		Value: sarama.StringEncoder(valueOf(n)),
	}
}

// produce sends the numbers from first, and returns when all are acknowledged. change may alter each message.
func produce(config *sarama.Config, topic string, first, count int, change func(*sarama.ProducerMessage, int)) error {
	producer, err := sarama.NewSyncProducer(bootstrap, config)
	if err != nil {
		return err
	}
	messages := make([]*sarama.ProducerMessage, 0, count)
	for n := first; n < first+count; n++ {
		each := message(topic, n)
		if change != nil {
			change(each, n)
		}
		messages = append(messages, each)
	}
	if err := producer.SendMessages(messages); err != nil {
		return err
	}
	return producer.Close()
}

// read reads count messages of one partition from an offset.
func read(topic string, partition int32, offset int64, count int) ([]*sarama.ConsumerMessage, error) {
	consumer, err := sarama.NewConsumer(bootstrap, settings())
	if err != nil {
		return nil, err
	}
	defer consumer.Close()
	reader, err := consumer.ConsumePartition(topic, partition, offset)
	if err != nil {
		return nil, err
	}
	defer reader.Close()
	var messages []*sarama.ConsumerMessage
	expired := time.After(deadline)
	for len(messages) < count {
		select {
		case each := <-reader.Messages():
			messages = append(messages, each)
		case <-expired:
			return nil, fmt.Errorf("read %d of %d messages of %s-%d", len(messages), count, topic, partition)
		}
	}
	return messages, nil
}

// member is a group member that commits what it has read, whenever there is nothing more to read, and keeps it.
type member struct {
	group   sarama.ConsumerGroup
	topic   string
	cancel  context.CancelFunc
	done    chan error
	onFirst func(sarama.ConsumerGroupSession)

	lock     sync.Mutex
	share    []int
	messages []*sarama.ConsumerMessage
}

// join starts a member. onFirst, when given, is called once at the first message instead of any commit.
func join(groupID, topic string, onFirst func(sarama.ConsumerGroupSession)) (*member, error) {
	group, err := sarama.NewConsumerGroup(bootstrap, groupID, settings())
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithCancel(context.Background())
	m := &member{group: group, topic: topic, cancel: cancel, done: make(chan error, 1), onFirst: onFirst}
	go func() {
		for ctx.Err() == nil {
			// Consume returns at each rebalance, and with an error while the broker is away: then it is called again.
			if err := group.Consume(ctx, []string{topic}, m); err != nil && ctx.Err() == nil {
				time.Sleep(100 * time.Millisecond)
			}
		}
		m.done <- group.Close()
	}()
	return m, nil
}

func (m *member) Setup(session sarama.ConsumerGroupSession) error {
	share := []int{}
	for _, partition := range session.Claims()[m.topic] {
		share = append(share, int(partition))
	}
	slices.Sort(share)
	m.lock.Lock()
	defer m.lock.Unlock()
	m.share = share
	return nil
}

func (m *member) Cleanup(sarama.ConsumerGroupSession) error {
	m.lock.Lock()
	defer m.lock.Unlock()
	m.share = nil
	return nil
}

func (m *member) ConsumeClaim(session sarama.ConsumerGroupSession, claim sarama.ConsumerGroupClaim) error {
	// A commit waits behind the fetch that is under way on the same connection, so one is made for many messages.
	defer func() {
		if m.onFirst == nil {
			session.Commit()
		}
	}()
	for each := range claim.Messages() {
		m.lock.Lock()
		m.messages = append(m.messages, each)
		first := len(m.messages) == 1
		m.lock.Unlock()
		if m.onFirst == nil {
			session.MarkMessage(each, "")
			if len(claim.Messages()) == 0 {
				session.Commit()
			}
		} else if first {
			m.onFirst(session)
		}
	}
	return nil
}

func (m *member) leave() error {
	m.cancel()
	select {
	case err := <-m.done:
		return err
	case <-time.After(deadline):
		return fmt.Errorf("a member did not leave")
	}
}

func (m *member) read() []*sarama.ConsumerMessage {
	m.lock.Lock()
	defer m.lock.Unlock()
	return slices.Clone(m.messages)
}

func (m *member) partitions() []int {
	m.lock.Lock()
	defer m.lock.Unlock()
	return slices.Clone(m.share)
}

// numbers are those that the members have read, in order.
func numbers(members ...*member) []int {
	var all []int
	for _, m := range members {
		all = append(all, numbersOf(m.read())...)
	}
	slices.Sort(all)
	return all
}

// untilShared waits until the members have all partitions between them and each has some.
func untilShared(partitions int, members ...*member) error {
	return until("the partitions are shared", func() (bool, error) {
		var together []int
		for _, m := range members {
			share := m.partitions()
			if len(share) == 0 {
				return false, nil
			}
			together = append(together, share...)
		}
		slices.Sort(together)
		return slices.Equal(together, span(0, partitions)), nil
	})
}

func untilRead(count int, members ...*member) error {
	return until(fmt.Sprintf("%d records are read", count), func() (bool, error) {
		return len(numbers(members...)) >= count, nil
	})
}
