// A Go program that asks the edge for an item, with nothing but what `buf generate` made from the contracts. It is called once
// in gRPC and once in Connect; an unknown SKU shows how a typed error arrives.
package main

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"time"

	"connectrpc.com/connect"
	"golang.org/x/net/http2"

	inventoryv1 "weft.example/client/gen/weft/inventory/v1"
	"weft.example/client/gen/weft/inventory/v1/inventoryv1connect"
)

func main() {
	if len(os.Args) != 3 {
		fmt.Fprintln(os.Stderr, "usage: client <edge url> <sku>")
		os.Exit(2)
	}
	for _, protocol := range []struct {
		name    string
		options []connect.ClientOption
	}{{"gRPC", []connect.ClientOption{connect.WithGRPC()}}, {"Connect", nil}} {
		if err := ask(protocol.name, os.Args[1], os.Args[2], protocol.options...); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
	}
}

func ask(name, edge, sku string, options ...connect.ClientOption) error {
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	client := inventoryv1connect.NewItemServiceClient(cleartextHTTP2(), edge, options...)
	got, err := client.GetItem(ctx, connect.NewRequest(&inventoryv1.GetItemRequest{Sku: sku}))
	if err != nil {
		return err
	}
	fmt.Printf("%s: %s, %d g\n", name, got.Msg.GetItem().GetName(), got.Msg.GetItem().GetWeightGrams())
	_, err = client.GetItem(ctx, connect.NewRequest(&inventoryv1.GetItemRequest{Sku: "NO-SUCH-THING"}))
	var refused *connect.Error
	if !errors.As(err, &refused) || len(refused.Details()) == 0 {
		return fmt.Errorf("%s: a typed error was expected, and %v came", name, err)
	}
	fmt.Printf("%s: %s with %s\n", name, refused.Code(), refused.Details()[0].Type())
	return nil
}

func cleartextHTTP2() *http.Client {
	return &http.Client{Transport: &http2.Transport{
		AllowHTTP: true,
		DialTLSContext: func(ctx context.Context, network, address string, _ *tls.Config) (net.Conn, error) {
			return (&net.Dialer{}).DialContext(ctx, network, address)
		},
	}}
}
