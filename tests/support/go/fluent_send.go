// Sends the events of a JSON file by Debian's golang-github-fluent-fluent-logger-golang-dev; says how many
// were acknowledged. Argument: one JSON object {host, port, path, events, count, loggers}: event number i is
// the file's event i modulo their number, with i as metadata.ref; each of the loggers has a connection.
package main

import (
	"encoding/json"
	"fmt"
	"os"
	"sync"

	"github.com/fluent/fluent-logger-golang/fluent"
)

type job struct {
	Host, Path, Events   string
	Port, Count, Loggers int
}

func check(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// Numbers as the file has them: integers stay integers.
func exact(v interface{}) interface{} {
	switch v := v.(type) {
	case json.Number:
		if n, err := v.Int64(); err == nil {
			return n
		}
		f, err := v.Float64()
		check(err)
		return f
	case map[string]interface{}:
		out := map[string]interface{}{}
		for key, value := range v {
			out[key] = exact(value)
		}
		return out
	case []interface{}:
		out := []interface{}{}
		for _, value := range v {
			out = append(out, exact(value))
		}
		return out
	}
	return v
}

func read(path string) (events []map[string]interface{}) {
	f, err := os.Open(path)
	check(err)
	defer f.Close()
	d := json.NewDecoder(f)
	d.UseNumber()
	check(d.Decode(&events))
	for i := range events {
		events[i] = exact(events[i]).(map[string]interface{})
	}
	return events
}

func copied(from map[string]interface{}) map[string]interface{} {
	to := map[string]interface{}{}
	for key, value := range from {
		to[key] = value
	}
	return to
}

func send(j job, events []map[string]interface{}, first int) {
	config := fluent.Config{FluentHost: j.Host, FluentPort: j.Port, RequestAck: true, SubSecondPrecision: true}
	if j.Path != "" {
		config.FluentNetwork, config.FluentSocketPath = "unix", j.Path
	}
	log, err := fluent.New(config)
	check(err)
	for i := first; i < j.Count; i += j.Loggers {
		event := copied(events[i%len(events)])
		metadata := copied(event["metadata"].(map[string]interface{}))
		metadata["ref"] = i
		event["metadata"] = metadata
		check(log.Post("clients.go", event))
	}
	check(log.Close())
}

func main() {
	var j job
	var all sync.WaitGroup
	check(json.Unmarshal([]byte(os.Args[1]), &j))
	events := read(j.Events)
	for i := 0; i < j.Loggers; i++ {
		all.Add(1)
		go func(first int) {
			defer all.Done()
			send(j, events, first)
		}(i)
	}
	all.Wait()
	fmt.Println(j.Count)
}
