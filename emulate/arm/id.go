package arm

import (
	"net/url"
	"strings"
)

// rid is the address of a resource, or of a collection or an action below one.
type rid struct {
	subscription, group string
	typ                 string   // Microsoft.X/a/b, as written
	names               []string // one for each part of the type behind the namespace
	rest                string   // behind it: a collection's or an action's name; "" for the resource
	text                string   // of the resource, without rest
}

// reserved are characters that no name has ("Resource naming restrictions"): one
// with a slash would be another resource's address.
const reserved = `/\%&?#<>*:` + "\x00\n\r\t"

// parseID reads /subscriptions/{s}/resourceGroups/{g}/providers/{namespace}
// followed by pairs of type and name, and at most one more segment.
func parseID(path string) (id rid, ok bool) {
	parts := strings.Split(strings.Trim(path, "/"), "/")
	if len(parts) < 7 || len(parts) > maxSegments || !strings.EqualFold(parts[0], "subscriptions") || !strings.EqualFold(parts[2], "resourceGroups") || !strings.EqualFold(parts[4], "providers") {
		return rid{}, false
	}
	for i := range parts {
		s, err := url.PathUnescape(parts[i])
		if err != nil || s == "" || strings.ContainsAny(s, reserved) {
			return rid{}, false
		}
		parts[i] = s
	}
	id.subscription, id.group, id.typ = parts[1], parts[3], parts[5]
	tail := parts[6:]
	for len(tail) >= 2 {
		id.typ += "/" + tail[0]
		id.names = append(id.names, tail[1])
		tail = tail[2:]
	}
	end := len(parts)
	if len(tail) == 1 {
		id.rest, end = tail[0], end-1
	}
	id.text = "/" + strings.Join(parts[:end], "/")
	return id, true
}

// maxSegments bounds a path: five pairs of type and name are the deepest here.
const maxSegments = 17

func (id rid) key() string { return lower(id.text) }

func (id rid) name() string { return id.names[len(id.names)-1] }

// parent is the resource above, "" for one below the group.
func (id rid) parent() string {
	if len(id.names) < 2 {
		return ""
	}
	parts := strings.Split(id.text, "/")
	return strings.Join(parts[:len(parts)-2], "/")
}

func lower(s string) string { return strings.ToLower(s) }
