package arm

import (
	"net/http"
	"strings"
)

// calls remember which actions were asked for, by role action: what a
// least-privilege role must allow: at most maxCalls actions, and the latest
// maxCalls requests.
type calls struct {
	actions map[string]int
	latest  []object
}

const maxCalls = 1000

func (l *calls) note(app string, r *http.Request) {
	if l.actions == nil {
		l.actions = map[string]int{}
	}
	a := Action(r.Method, r.URL.Path)
	if _, ok := l.actions[a]; ok || len(l.actions) < maxCalls {
		l.actions[a]++
	}
	if len(l.latest) == maxCalls {
		l.latest = l.latest[1:]
	}
	l.latest = append(l.latest, object{"method": r.Method, "path": r.URL.Path, "action": a, "app": app})
}

// Action is the role action that a request needs ("Azure resource provider
// operations"): type/read, /write, /delete, or type/name/action. Operations in
// progress are read with the right of the provider's locations.
func Action(method, path string) string {
	parts := strings.Split(strings.Trim(path, "/"), "/")
	at := -1
	for i, p := range parts {
		if strings.EqualFold(p, "providers") {
			at = i
		}
	}
	if at < 0 || at+2 > len(parts) {
		return method + " " + path
	}
	typ, tail := parts[at+1], parts[at+2:]
	for len(tail) >= 2 {
		typ += "/" + tail[0]
		tail = tail[2:]
	}
	verb := map[string]string{"GET": "read", "PUT": "write", "PATCH": "write", "DELETE": "delete"}[method]
	if len(tail) == 1 {
		typ += "/" + tail[0]
	}
	if method == http.MethodPost {
		verb = "action"
	}
	return typ + "/" + verb
}
