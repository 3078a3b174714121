package upstream

import (
	"fmt"
	"strings"
)

// NoVersion refuses an APIVersion, which only Azure OpenAI has.
func NoVersion(d Dialect, o *Options) error {
	if o.APIVersion != "" {
		return fmt.Errorf("upstream: APIVersion %q is for protocol %q only, not %q", o.APIVersion, "azureopenai", d.Name())
	}
	return nil
}

// EndsInVersion says whether a path's last segment is v and digits.
func EndsInVersion(path string) bool {
	last := path[strings.LastIndexByte(path, '/')+1:]
	if len(last) < 2 || last[0] != 'v' {
		return false
	}
	return strings.Trim(last[1:], "0123456789") == ""
}
