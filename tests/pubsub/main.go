// Google's own test server for Pub/Sub, on a free port of loopback, with a topic and its subscription:
//
//	pubsub TOPIC SUBSCRIPTION
//
// Its first line is its address. It ends with whoever holds its standard input.
package main

import (
	"context"
	"fmt"
	"io"
	"log"
	"os"

	"cloud.google.com/go/pubsub/v2/apiv1/pubsubpb"
	"cloud.google.com/go/pubsub/v2/pstest"
)

func main() {
	server, ctx := pstest.NewServer(), context.Background()
	topic, subscription := os.Args[1], os.Args[2]
	if _, err := server.GServer.CreateTopic(ctx, &pubsubpb.Topic{Name: topic}); err != nil {
		log.Fatal(err)
	}
	wanted := pubsubpb.Subscription{Name: subscription, Topic: topic, AckDeadlineSeconds: 10}
	if _, err := server.GServer.CreateSubscription(ctx, &wanted); err != nil {
		log.Fatal(err)
	}
	fmt.Println(server.Addr)
	_, _ = io.Copy(io.Discard, os.Stdin)
}
