// What every client of the matrix is put through. Each scenario returns what it saw.
package main

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"sync/atomic"
	"time"

	"github.com/IBM/sarama"
)

const codecRecords = 200

var firstTimestamp = time.Now().Add(-time.Hour).Truncate(time.Second)

var codecs = []struct {
	name  string
	codec sarama.CompressionCodec
}{
	{"none", sarama.CompressionNone},
	{"gzip", sarama.CompressionGZIP},
	{"snappy", sarama.CompressionSnappy},
	{"lz4", sarama.CompressionLZ4},
	{"zstd", sarama.CompressionZSTD},
}

// steps runs functions in turn, up to the first that fails.
func steps(all ...func() error) error {
	for _, step := range all {
		if err := step(); err != nil {
			return err
		}
	}
	return nil
}

func createTwice() (string, error) {
	size := "200000"
	detail := &sarama.TopicDetail{NumPartitions: 3, ReplicationFactor: 1, ConfigEntries: map[string]*string{"max.message.bytes": &size}}
	if err := admin.CreateTopic("created", detail, false); err != nil {
		return "", err
	}
	described, err := admin.DescribeTopics([]string{"created"})
	if err != nil {
		return "", err
	}
	if err := equal(len(described[0].Partitions), 3, "partitions"); err != nil {
		return "", err
	}
	if err := admin.CreateTopic("created", detail, false); !errors.Is(err, sarama.ErrTopicAlreadyExists) {
		return "", fmt.Errorf("a second create: %v", err)
	}
	return "3 partitions, a second create is refused", nil
}

func produceCodec(name string, codec sarama.CompressionCodec) (string, error) {
	topic := "codec-" + name
	if err := createTopic(topic, 2); err != nil {
		return "", err
	}
	config := settings()
	config.Producer.Compression = codec
	err := produce(config, topic, 0, codecRecords, func(each *sarama.ProducerMessage, n int) {
		each.Headers = []sarama.RecordHeader{{Key: []byte("n"), Value: []byte(strconv.Itoa(n))}}
	})
	if err != nil {
		return "", err
	}
	var all []int
	for partition := int32(0); partition < 2; partition++ {
		end, err := client.GetOffset(topic, partition, sarama.OffsetNewest)
		if err != nil {
			return "", err
		}
		messages, err := read(topic, partition, sarama.OffsetOldest, int(end))
		if err != nil {
			return "", err
		}
		mine := numbersOf(messages)
		if !slices.IsSorted(mine) {
			return "", fmt.Errorf("order in partition %d: %v", partition, mine)
		}
		for _, each := range messages {
			n := numberOf(each)
			if len(each.Headers) != 1 {
				return "", fmt.Errorf("record %d has %d headers", n, len(each.Headers))
			}
			seen := []string{string(each.Key), string(each.Value), string(each.Headers[0].Key), string(each.Headers[0].Value)}
			if err := equal(seen, []string{keyOf(n), valueOf(n), "n", strconv.Itoa(n)}, "record"); err != nil {
				return "", err
			}
		}
		all = append(all, mine...)
	}
	slices.Sort(all)
	return fmt.Sprintf("%d records back, keys and headers too", codecRecords), equal(all, span(0, codecRecords), "numbers")
}

func idempotent() (string, error) {
	if err := createTopic("idempotent", 1); err != nil {
		return "", err
	}
	if err := produce(idempotentSettings(), "idempotent", 0, 300, nil); err != nil {
		return "", err
	}
	messages, err := read("idempotent", 0, sarama.OffsetOldest, 300)
	if err != nil {
		return "", err
	}
	return "300 records in order", equal(numbersOf(messages), span(0, 300), "numbers in order")
}

func commitResume() (string, error) {
	var first, second *member
	err := steps(
		func() error { return createTopic("commit", 1) },
		func() error { return produce(settings(), "commit", 0, 100, nil) },
		func() (err error) {
			committed := make(chan struct{})
			first, err = join("committing", "commit", func(session sarama.ConsumerGroupSession) {
				session.MarkOffset("commit", 0, 40, "forty")
				session.Commit()
				close(committed)
			})
			if err != nil {
				return err
			}
			select {
			case <-committed:
				return nil
			case <-time.After(deadline):
				return errors.New("no message came")
			}
		},
		func() error { return equal(numbersOf(first.read())[0], 0, "from the start") },
		func() error { return checkGroupOffset("committing", 40, "forty") },
		func() error { return first.leave() },
		func() (err error) { second, err = join("committing", "commit", nil); return err },
		func() error { return untilRead(60, second) },
		func() error { return second.leave() },
	)
	if err != nil {
		return "", err
	}
	return "resumed at the committed 40, metadata kept", equal(numbersOf(second.read()), span(40, 100), "resumed")
}

func seekByTimestamp() (string, error) {
	if err := createTopic("timestamps", 1); err != nil {
		return "", err
	}
	err := produce(settings(), "timestamps", 0, 100, func(each *sarama.ProducerMessage, n int) {
		each.Timestamp = firstTimestamp.Add(time.Duration(n) * time.Second)
	})
	if err != nil {
		return "", err
	}
	found, err := client.GetOffset("timestamps", 0, firstTimestamp.UnixMilli()+36_500)
	if err != nil {
		return "", err
	}
	if err := equal(found, int64(37), "first offset at or after the time"); err != nil {
		return "", err
	}
	messages, err := read("timestamps", 0, found, 63)
	if err != nil {
		return "", err
	}
	if err := equal(messages[0].Timestamp.UnixMilli(), firstTimestamp.UnixMilli()+37_000, "timestamp"); err != nil {
		return "", err
	}
	return "found 37 of 100, read on from there", equal(numbersOf(messages), span(37, 100), "read from there")
}

func groupRebalance() (string, error) {
	var first, second *member
	send := func(from int) func() error {
		return func() error { return produce(settings(), "rebalance", from, 100, nil) }
	}
	err := steps(
		func() error { return createTopic("rebalance", 4) },
		func() (err error) { first, err = join("rebalancing", "rebalance", nil); return err },
		func() error { return untilShared(4, first) },
		send(0),
		func() error { return untilRead(100, first) },
		func() (err error) { second, err = join("rebalancing", "rebalance", nil); return err },
		func() error { return untilShared(4, first, second) },
		send(100),
		func() error { return untilRead(200, first, second) },
		func() error { return equal(len(second.read()) > 0, true, "the second member read something") },
		func() error { return second.leave() },
		func() error { return untilShared(4, first) },
		send(200),
		func() error { return untilRead(300, first, second) },
		func() error { return first.leave() },
	)
	if err != nil {
		return "", err
	}
	return "4, 2+2, 4 partitions; 300 records, none twice", equal(numbers(first, second), span(0, 300), "each number once")
}

// sendUntil sends numbers, one every 20 ms, until stop is closed; the last result is the count, or the error.
func sendUntil(topic string, stop <-chan struct{}, sent *atomic.Int64) error {
	producer, err := sarama.NewSyncProducer(bootstrap, idempotentSettings())
	if err != nil {
		return err
	}
	for {
		if _, _, err := producer.SendMessage(message(topic, int(sent.Load()))); err != nil {
			return err
		}
		sent.Add(1)
		select {
		case <-stop:
			return producer.Close()
		case <-time.After(20 * time.Millisecond):
		}
	}
}

// brokerRestart: the producer goes on through the restart, and the member that was there before reads everything.
func brokerRestart() (string, error) {
	if err := createTopic("restart", 2); err != nil {
		return "", err
	}
	reader, err := join("restarting", "restart", nil)
	if err != nil {
		return "", err
	}
	if err := untilShared(2, reader); err != nil {
		return "", err
	}
	var sent atomic.Int64
	stop, ended := make(chan struct{}), make(chan error, 1)
	go func() { ended <- sendUntil("restart", stop, &sent) }()
	sentMore := func(than int64) func() (bool, error) {
		return func() (bool, error) {
			select {
			case err := <-ended:
				return false, fmt.Errorf("the producer ended: %w", err)
			default:
				return sent.Load() >= than, nil
			}
		}
	}
	err = steps(
		func() error { return untilRead(20, reader) },
		func() error { return request("restart-broker") },
		func() error { return until("sent on after the restart", sentMore(sent.Load()+20)) },
		func() error { close(stop); return <-ended },
		func() error {
			return until("all came", func() (bool, error) {
				return int64(len(slices.Compact(numbers(reader)))) >= sent.Load(), nil
			})
		},
		func() error { return reader.leave() },
	)
	if err != nil {
		return "", err
	}
	return "nothing lost, in order, nothing twice", checkWrittenOnce(reader, int(sent.Load()))
}

// checkWrittenOnce: each number lies at one offset only, and in order; a message that was read twice counts once.
func checkWrittenOnce(reader *member, sent int) error {
	messages := reader.read()
	slices.SortFunc(messages, func(a, b *sarama.ConsumerMessage) int { return int(a.Offset - b.Offset) })
	var all []int
	for partition := int32(0); partition < 2; partition++ {
		var mine []int
		last := int64(-1)
		for _, each := range messages {
			if each.Partition == partition && each.Offset != last {
				mine, last = append(mine, numberOf(each)), each.Offset
			}
		}
		if !slices.IsSorted(mine) {
			return fmt.Errorf("order in partition %d: %v", partition, mine)
		}
		all = append(all, mine...)
	}
	slices.Sort(all)
	return equal(all, span(0, sent), "each number written once")
}
