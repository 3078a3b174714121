package config

import (
	"strings"
	"testing"
)

// A flag that overrides the file must obey the file's rules, and a fault of it
// names the flag.
func TestAnOverrideIsHeldToTheRulesOfTheFile(t *testing.T) {
	const rest = "tenants: [{name: t}]\nmodels: [{name: m, deployments: [{name: m/a, external: {urls: [http://127.0.0.1:1]}}]}]\n"
	f := func(file, flag, key, value, want string) {
		t.Helper()
		c, err := Parse("weir.yaml", []byte(file+rest), Override{flag, key, value})
		have := ""
		switch {
		case err != nil:
			have = err.Error()
		case key == "server.listen":
			have = c.Server.Listen
		case key == "admin.listen":
			have = c.Admin.Listen
		case key == "store.gateway":
			have = c.Store.Gateway
		}
		if !strings.HasPrefix(have, want) {
			t.Errorf("%s %s\nhave %q\nwant %q", flag, value, have, want)
		}
	}
	f("", "--admin", "admin.listen", "0.0.0.0:8081", `--admin: admin.listen: "0.0.0.0:8081" is reachable from other machines and has no token; add admin.token`)
	f("", "--admin", "admin.listen", ":8081", `--admin: admin.listen: ":8081" is reachable`)
	f("", "--admin", "admin.listen", "[::]:8081", `--admin: admin.listen: "[::]:8081" is reachable`)
	f("admin: {token: env:T}\n", "--admin", "admin.listen", "0.0.0.0:8081", "0.0.0.0:8081")
	f("admin: {listen: \"0.0.0.0:1\"}\n", "--admin", "admin.listen", "127.0.0.1:8081", "127.0.0.1:8081")
	f("admin: {listen: nonsense}\n", "--admin", "admin.listen", "127.0.0.1:8081", "127.0.0.1:8081")
	f("", "--admin", "admin.listen", "127.0.0.1:8080", `--admin: admin.listen: "127.0.0.1:8080" is also the address of server.listen`)
	f("", "--listen", "server.listen", "127.0.0.1:8081", `weir.yaml:1:1: admin.listen: "127.0.0.1:8081" is also the address of server.listen`)
	f("", "--listen", "server.listen", "30020", "127.0.0.1:30020")
	f("", "--listen", "server.listen", "99999", `--listen: server.listen: "127.0.0.1:99999" has no port from 0 to 65535`)
	f("", "--listen", "server.listen", "localhost", `--listen: server.listen: "localhost" has no port; write localhost:8080`)
	f("", "--listen", "server.listen", "[::1]:80\n", "--listen: server.listen: contains a line break")
	f("", "--gateway", "store.gateway", "a b", `--gateway: store.gateway: "a b" is not a valid name`)
	f("", "--gateway", "store.gateway", "gw-1", "gw-1")
	f("server: {listen: 8080}\n", "--gateway", "store.gateway", "gw-1", "gw-1")
}

func TestAPortAloneIsOfTheLoopbackAddress(t *testing.T) {
	const rest = "tenants: [{name: t}]\nmodels: [{name: m, deployments: [{name: m/a, external: {urls: [http://127.0.0.1:1]}}]}]\n"
	for _, text := range []string{"8080", `"8080"`, "127.0.0.1:8080"} {
		c, err := Parse("weir.yaml", []byte("server: {listen: "+text+"}\n"+rest))
		if err != nil || c.Server.Listen != "127.0.0.1:8080" {
			t.Errorf("listen: %s: %v", text, err)
		}
	}
}
