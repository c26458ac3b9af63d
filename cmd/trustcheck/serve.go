package main

import (
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/spf13/cobra"

	"github.com/trustcheck/trustcheck/gate/server"
)

func serveCommand(all *shared) *cobra.Command {
	var schema, check bool
	command := &cobra.Command{
		Use:   "serve --config FILE",
		Short: "Run the admission gate",
		Long: "serve admits callers by their CI tokens: for nginx, Traefik, Caddy, Envoy, Kubernetes, OPA clients\n" +
			"and its own decision API, as the configuration says. It writes one JSON line for each decision to\n" +
			"standard error and ends on SIGTERM, letting requests end first.",
		Args:        cobra.NoArgs,
		Annotations: map[string]string{ownConfig: "gate"},
		RunE: func(command *cobra.Command, _ []string) error {
			if schema {
				_, err := all.out.Write(server.Schema())
				return err
			}
			if all.config == "" {
				return errors.New("want --config, the gate's configuration file")
			}
			if all.now != "" {
				return errors.New("--now: the gate goes by the clock")
			}
			config, err := server.ReadConfig(all.config)
			if err != nil {
				return err
			}
			bundle, err := openBundle(command.Context(), config.RulePaths(), config.Require)
			if err != nil {
				return err
			}
			log := slog.New(slog.NewJSONHandler(all.err, nil))
			gate, err := server.Open(command.Context(), config, server.Environment{Bundle: bundle, Documents: documents, Log: log, Now: time.Now})
			if err != nil {
				return err
			}
			if check {
				gate.Close()
				_, err := fmt.Fprintln(all.out, "ok")
				return err
			}
			for _, address := range gate.Addresses() {
				log.Info("listening", "address", address.String())
			}
			if address := gate.AdminAddress(); address != nil {
				log.Info("listening", "address", address.String(), "for", "the operator")
			}
			server.SetProcess(log)
			return gate.Serve(command.Context())
		},
	}
	command.Flags().BoolVar(&check, "check", false, "read everything, open the listeners, and end without answering")
	command.Flags().BoolVar(&schema, "schema", false, "print the JSON Schema of the configuration file")
	return command
}
