package main

import (
	"time"

	"github.com/spf13/cobra"

	"github.com/trustcheck/trustcheck/internal/batch"
)

type lintFlags struct {
	batchFile string
}

func lintCommand(all *shared) *cobra.Command {
	var asked lintFlags
	command := &cobra.Command{
		Use:   "lint PATH...",
		Short: "Find roles that accept more tokens than they are meant for",
		RunE: func(command *cobra.Command, arguments []string) error {
			bundle, err := openBundle(command.Context(), nil, nil)
			if err != nil {
				return err
			}
			return all.runBatch(command, asked.batchFile, func(folder string, now func() time.Time) (batch.Answerer, error) {
				return batch.NewLint(bundle, folder, now), nil
			})
		},
	}
	command.Flags().StringVar(&asked.batchFile, "batch", "", "answer JSON lines from a file, or - for standard input")
	return command
}
