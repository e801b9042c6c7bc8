// A consumer in a group with franz-go: prints "PARTITION OFFSET VALUE" for each record, then commits
// it, until SIGTERM, when it leaves the group. A commit that fails is tried with the next records.
//
// Usage: go-consumer bootstrap ca.crt client.crt client.key topic group
package main

import (
	"bufio"
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
)

func tlsConfig(caFile, certFile, keyFile string) (*tls.Config, error) {
	ca, err := os.ReadFile(caFile)
	if err != nil {
		return nil, err
	}
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM(ca) {
		return nil, fmt.Errorf("%s holds no certificate", caFile)
	}
	pair, err := tls.LoadX509KeyPair(certFile, keyFile)
	if err != nil {
		return nil, err
	}
	return &tls.Config{RootCAs: roots, Certificates: []tls.Certificate{pair}}, nil
}

// Reads, prints and commits until the context ends.
func consume(ctx context.Context, client *kgo.Client) {
	out := bufio.NewWriter(os.Stdout)
	for {
		fetches := client.PollRecords(ctx, 500)
		if ctx.Err() != nil {
			return
		}
		fetches.EachError(func(topic string, partition int32, err error) {
			fmt.Fprintf(os.Stderr, "fetch %s/%d: %v\n", topic, partition, err)
		})
		fetches.EachRecord(func(record *kgo.Record) {
			fmt.Fprintf(out, "%d %d %s\n", record.Partition, record.Offset, record.Value)
		})
		out.Flush()
		if err := client.CommitUncommittedOffsets(ctx); err != nil {
			fmt.Fprintf(os.Stderr, "commit: %v\n", err)
		}
		client.AllowRebalance()
	}
}

func run(args []string) error {
	config, err := tlsConfig(args[1], args[2], args[3])
	if err != nil {
		return err
	}
	client, err := kgo.NewClient(
		kgo.SeedBrokers(args[0]),
		kgo.DialTLSConfig(config),
		kgo.ConsumeTopics(args[4]),
		kgo.ConsumerGroup(args[5]),
		kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()),
		kgo.DisableAutoCommit(),
		// Without this a partition may be given away between a poll and its commit.
		kgo.BlockRebalanceOnPoll(),
		kgo.SessionTimeout(6*time.Second),
		kgo.HeartbeatInterval(500*time.Millisecond),
		kgo.FetchMaxWait(200*time.Millisecond),
		kgo.RetryTimeout(5*time.Second),
	)
	if err != nil {
		return err
	}
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer stop()
	consume(ctx, client)
	client.AllowRebalance()
	client.Close()
	return nil
}

func main() {
	if len(os.Args) != 7 {
		fmt.Fprintln(os.Stderr, "usage: go-consumer bootstrap ca cert key topic group")
		os.Exit(2)
	}
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}
