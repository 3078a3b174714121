package main

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"weir/config"
)

func newKey() *cobra.Command {
	cmd := group(&cobra.Command{
		Use:   "key",
		Short: "Make API keys and their hashes for weir.yaml",
		Long: `Weir stores no keys. weir.yaml holds the SHA-256 of each, and a caller's key is
hashed and looked up.`,
		Example: `  weir key new --name ci`,
	})
	cmd.AddCommand(newKeyNew(), newKeyHash())
	return cmd
}

func newKeyNew() *cobra.Command {
	var name string
	var quiet, asJSON bool
	cmd := &cobra.Command{
		Use:   "new",
		Short: "Make an API key and print it, once, with the lines for weir.yaml",
		Long: `Makes a key of 256 random bits. It is stored nowhere: if you lose it,
make a new one. For scripts, --quiet prints only the key, and --json an object with
name, key and hash.`,
		Example: `  weir key new --name ci
  weir key new --name ci --json
  weir key new --quiet | tee key.txt | weir key hash`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if problem, remedy := config.CheckName(name); problem != "" {
				return usageError{cmd.CommandPath(), fmt.Errorf("%s; %s", problem, remedy)}
			}
			key := config.NewKey()
			switch {
			case quiet && asJSON:
				return usageError{cmd.CommandPath(), errors.New("--quiet and --json exclude each other")}
			case quiet:
				_, err := fmt.Fprintln(cmd.OutOrStdout(), key)
				return err
			case asJSON:
				return json.NewEncoder(cmd.OutOrStdout()).Encode(struct {
					Name string `json:"name"`
					Key  string `json:"key"`
					Hash string `json:"hash"`
				}{name, key, config.HashKey(key).String()})
			}
			_, err := fmt.Fprintf(cmd.OutOrStdout(), `%s

This is the only time the key is shown. For weir.yaml, under the tenant's keys:

      - name: %s
        hash: %s
`, key, name, config.HashKey(key))
			return err
		},
	}
	cmd.Flags().BoolVarP(&quiet, "quiet", "q", false, "print only the key")
	cmd.Flags().BoolVar(&asJSON, "json", false, "print an object with name, key and hash")
	cmd.Flags().StringVar(&name, "name", "default", "`name` of the key, for metrics and logs")
	return cmd
}

// minKey is the shortest key whose hash is printed: the plain SHA-256 of a
// shorter one could be found by search.
const minKey = 24

func newKeyHash() *cobra.Command {
	return &cobra.Command{
		Use:   "hash",
		Short: "Print the hash of a key read from standard input",
		Long: fmt.Sprintf(`For keys from another source, such as a vault. A key must have at least %d
characters and should be random; otherwise it can be found from its hash.`, minKey),
		Example: `  weir key hash < key.txt`,
		Args:    noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			line, err := bufio.NewReader(io.LimitReader(cmd.InOrStdin(), 16<<10)).ReadString('\n')
			if err != nil && !errors.Is(err, io.EOF) {
				return err
			}
			key := strings.TrimRight(line, "\r\n")
			if len(key) < minKey {
				return fmt.Errorf("the key on standard input has %d characters: at least %d are needed, or it can be found from its hash; make one with `weir key new`", len(key), minKey)
			}
			_, err = fmt.Fprintln(cmd.OutOrStdout(), config.HashKey(key))
			return err
		},
	}
}
