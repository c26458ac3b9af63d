package main

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"time"

	"github.com/spf13/cobra"

	"github.com/trustcheck/trustcheck/internal/mint"
)

func issuerCommand(all *shared) *cobra.Command {
	var address, algorithm string
	command := &cobra.Command{
		Use:   "issuer",
		Short: "Run a local issuer for trying things",
		Long: "issuer serves a discovery document, a JWKS with a throw-away key and POST /token, which mints.\n" +
			"It answers this machine only. Verify its tokens with --allow-private-network.",
		Args: cobra.NoArgs,
		RunE: func(command *cobra.Command, _ []string) error {
			key, err := mint.NewKey(algorithm)
			if err != nil {
				return err
			}
			listener, err := net.Listen("tcp", address)
			if err != nil {
				return err
			}
			url := "http://" + listener.Addr().String()
			handler, err := mint.Handler(url, time.Now, key)
			if err != nil {
				return err
			}
			fmt.Fprintf(all.out, "issuer: %s\nmint:   curl -s -d '{\"shape\":\"gitlab\",\"claims\":[\"ref=main\"]}' %s/token\n", url, url)
			return serve(command.Context(), listener, handler)
		},
	}
	command.Flags().StringVar(&address, "listen", "127.0.0.1:8917", "loopback address to listen on")
	command.Flags().StringVar(&algorithm, "algorithm", "RS256", "signature algorithm")
	return command
}

// serve runs a server until the context ends.
func serve(ctx context.Context, listener net.Listener, handler http.Handler) error {
	server := &http.Server{Handler: handler, ReadHeaderTimeout: 5 * time.Second, ReadTimeout: 10 * time.Second}
	stopped := context.AfterFunc(ctx, func() {
		grace, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
		defer cancel()
		_ = server.Shutdown(grace)
	})
	defer stopped()
	if err := server.Serve(listener); err != http.ErrServerClosed {
		return err
	}
	return nil
}
