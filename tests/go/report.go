// The matrix's protocol with its harness (tests/README.md), and bounded waiting. Knows nothing about scenarios.
package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"os"
	"reflect"
	"runtime/debug"
	"strings"
	"time"
)

const deadline = 60 * time.Second

var (
	version = saramaVersion()
	answers = bufio.NewReader(os.Stdin)
	failed  = false
)

// line is what the harness reads for each capability.
type line struct {
	Client     string  `json:"client"`
	Version    string  `json:"version"`
	Capability string  `json:"capability"`
	OK         bool    `json:"ok"`
	Detail     string  `json:"detail"`
	Seconds    float64 `json:"seconds"`
}

// capability runs a scenario, which returns what it saw or an error, and prints its line.
func capability(name string, scenario func() (string, error)) {
	started := time.Now()
	detail, err := scenario()
	if err != nil {
		detail, failed = err.Error(), true
	}
	emit(line{"Sarama (Go)", version, name, err == nil, detail, time.Since(started).Seconds()})
}

func emit(value any) {
	text, err := json.Marshal(value)
	if err != nil {
		panic(err)
	}
	fmt.Println(string(text))
}

// request asks the harness for something, and waits until it is done.
func request(what string) error {
	emit(map[string]string{"request": what})
	answer, err := answers.ReadString('\n')
	if err != nil {
		return err
	}
	return equal(strings.TrimSpace(answer), "done", what)
}

// until calls condition until it is true, or fails.
func until(what string, condition func() (bool, error)) error {
	for end := time.Now().Add(deadline); ; time.Sleep(20 * time.Millisecond) {
		done, err := condition()
		if err != nil {
			return fmt.Errorf("until %s: %w", what, err)
		}
		if done {
			return nil
		}
		if time.Now().After(end) {
			return fmt.Errorf("waited %s until %s", deadline, what)
		}
	}
}

func equal(got, expected any, what string) error {
	if reflect.DeepEqual(got, expected) {
		return nil
	}
	return fmt.Errorf("%s: got %.300v, expected %.300v", what, got, expected)
}

func saramaVersion() string {
	info, _ := debug.ReadBuildInfo()
	for _, dependency := range info.Deps {
		if dependency.Path == "github.com/IBM/sarama" {
			return strings.TrimPrefix(dependency.Version, "v")
		}
	}
	return "unknown"
}
