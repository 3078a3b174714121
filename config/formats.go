package config

import (
	"errors"
	"fmt"
	"net"
	"net/url"
	"regexp"
	"strconv"
	"strings"
)

// A format is a rule for a text. check returns the problem and the remedy, or
// two empty texts; pattern says the same, as far as it can, to editors.
type format struct {
	pattern string
	check   func(text string) (problem, remedy string)
	whole   func(text string) string // its full form; nil: itself. Bare numbers are texts then.
}

var formats = map[string]format{
	"name":         {namePattern, CheckName, nil},
	"path":         {`.`, checkPath, nil},
	"listen":       {`^(.*:)?[0-9]{1,5}$`, checkListen, wholeListen},
	"url":          {`^https?://[^/?#@]+(/[^?#]*)?$`, checkURL, nil},
	"endpoint":     {`^https?://[^/?#@]+(/[^?#]*)?$`, checkEndpoint, nil},
	"urlpath":      {`^(/[^?#\s]*)?$`, checkURLPath, nil},
	"apiversion":   {`^[0-9]{4}-[0-9]{2}-[0-9]{2}(-preview)?$`, checkAPIVersion, nil},
	"uuid":         {`^[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}$`, checkUUID, nil},
	"template":     {``, checkTemplate, nil},
	"gpu":          {gpuPattern, checkGPU, nil},
	"origin":       {originPattern, checkOrigin, nil},
	"header":       {headerPattern, checkHeader, nil},
	"server":       {`^.+:[0-9]{1,5}$`, checkServer, nil},
	"prefix":       {prefixPattern, checkPrefix, nil},
	"variable":     {variablePattern, checkVariable, nil},
	"object":       {objectPattern, checkObject, nil},
	"kind":         {kindPattern, checkKind, nil},
	"groupversion": {groupVersionPattern, checkGroupVersion, nil},
	"armid":        {armIDPattern, checkARMID, nil},
	"image":        {`^[^\s]+$`, checkImage, nil},
	"timezone":     {`^[A-Za-z][A-Za-z0-9_+-]*(/[A-Za-z0-9_+-]+)*$`, checkTimeZone, nil},
}

// armIDPattern is the ID of a resource of Azure.
const armIDPattern = `^/subscriptions/[^/\s]+/resourceGroups/[^/\s]+/providers/[^\s]+$`

var armIDRule = regexp.MustCompile("(?i)" + armIDPattern)

func checkARMID(text string) (string, string) {
	if armIDRule.MatchString(text) {
		return "", ""
	}
	return quote(text) + " is not the ID of a resource of Azure", "it begins with /subscriptions/, as az resource show prints it"
}

func checkImage(text string) (string, string) {
	if text != "" && !strings.ContainsAny(text, " \t\r\n") {
		return "", ""
	}
	return quote(text) + " is not an image", "give it as docker pull takes it"
}

const namePattern = `^[A-Za-z0-9]([A-Za-z0-9._:/@+-]{0,126}[A-Za-z0-9])?$`

const variablePattern = `^[A-Za-z_][A-Za-z0-9_]*$`

var variableRule = regexp.MustCompile(variablePattern)

func checkVariable(text string) (string, string) {
	if variableRule.MatchString(text) {
		return "", ""
	}
	return quote(text) + " is not a valid environment variable name", "letters, digits and _ are allowed"
}

const prefixPattern = `^[A-Za-z0-9._:/-]{1,64}$`

var prefixRule = regexp.MustCompile(prefixPattern)

var nameRule = regexp.MustCompile(namePattern)

// CheckName returns the problem of a name of a tenant, key, model or
// deployment, and the remedy; or two empty texts.
func CheckName(text string) (string, string) {
	if nameRule.MatchString(text) {
		return "", ""
	}
	return quote(text) + " is not a valid name", "a name has 1 to 128 letters, digits and . _ - : / @ +, and starts and ends with a letter or digit"
}

func checkPath(text string) (string, string) {
	if text == "" || strings.ContainsRune(text, 0) {
		return quote(text) + " is not a file path", "name a file"
	}
	return "", ""
}

var bareHost = regexp.MustCompile(`^(localhost|[0-9]{1,3}(\.[0-9]{1,3}){3})$`)

// wholeListen puts a bare port on the loopback address, as the defaults of all
// addresses are: no port is opened to other machines without being asked for.
func wholeListen(text string) string {
	if plainPort.MatchString(text) {
		return "127.0.0.1:" + text
	}
	return text
}

// Listen is the listen address of a flag, read as in the file: a bare port is
// on 127.0.0.1. The error says what is allowed.
func Listen(text string) (string, error) {
	text = wholeListen(text)
	if problem, remedy := checkListen(text); problem != "" {
		return "", errors.New(problem + "; " + remedy)
	}
	return text, nil
}

var plainPort = regexp.MustCompile(`^[0-9]{1,5}$`)

func checkListen(text string) (string, string) {
	remedy := "give host:port, such as 127.0.0.1:8080, [::1]:8080, or :8080 for every interface; 8080 alone means 127.0.0.1"
	if bareHost.MatchString(text) {
		return quote(text) + " has no port", "write " + text + ":8080"
	}
	host, port, err := net.SplitHostPort(text)
	if err != nil {
		return quote(text) + " is not an address", remedy
	}
	if n, err := strconv.Atoi(port); err != nil || n < 0 || n > 65535 {
		return fmt.Sprintf("%s has no port from 0 to 65535", quote(text)), remedy
	}
	if host != "" && host != "localhost" && net.ParseIP(host) == nil {
		return fmt.Sprintf("%s is not an IP address of this machine", quote(text)), remedy
	}
	return "", ""
}

// loopback says whether only this machine can reach an address that passed
// checkListen.
func loopback(listen string) bool {
	host, _, err := net.SplitHostPort(listen)
	if err != nil {
		return false
	}
	return host == "localhost" || net.ParseIP(host).IsLoopback()
}

func checkURL(text string) (string, string) {
	remedy := "give scheme://host:port and, if the server has one, a path before /v1, such as http://10.0.0.5:8000"
	u, err := url.Parse(text)
	if err == nil && u.Host != "" {
		if base, ok := baseOf(u); ok {
			return quote(text) + " is the address of a request, not of a server", "write " + base
		}
	}
	switch {
	case bareServer.MatchString(text):
		return quote(text) + " has no scheme", "write http://" + text + ", or https:// for TLS"
	case err != nil || u.Host == "" || u.Hostname() == "":
		return quote(text) + " is not a URL", remedy
	case u.Scheme != "http" && u.Scheme != "https":
		return fmt.Sprintf("%s has the scheme %s", quote(text), quote(u.Scheme)), "http and https are supported"
	case u.RawQuery != "" || u.ForceQuery || u.Fragment != "" || strings.Contains(text, "#"):
		return quote(text) + " has a query or fragment", remedy
	case strings.HasSuffix(strings.TrimSuffix(u.Path, "/"), "/v1"):
		return quote(text) + " ends in /v1, which Weir adds", "write " + strings.TrimSuffix(strings.TrimSuffix(text, "/"), "/v1")
	}
	if port := u.Port(); port != "" {
		if n, err := strconv.Atoi(port); err != nil || n < 1 || n > 65535 {
			return quote(text) + " has no port from 1 to 65535", remedy
		}
	}
	return "", ""
}

func checkURLPath(text string) (string, string) {
	if text == "" {
		return "", ""
	}
	u, err := url.Parse(text)
	if err != nil || !strings.HasPrefix(text, "/") || u.Host != "" || u.RawQuery != "" || u.Fragment != "" || strings.ContainsAny(text, " ?#\t") {
		return quote(text) + " is not a URL path", "give a path such as /health"
	}
	return "", ""
}

var apiVersion = regexp.MustCompile(`^[0-9]{4}-[0-9]{2}-[0-9]{2}(-preview)?$`)

func checkAPIVersion(text string) (string, string) {
	if apiVersion.MatchString(text) {
		return "", ""
	}
	return quote(text) + " is not an API version", "give one such as 2024-10-21, or omit the key for the v1 API"
}

var uuid = regexp.MustCompile(`^[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}$`)

func checkUUID(text string) (string, string) {
	if uuid.MatchString(text) {
		return "", ""
	}
	return quote(text) + " is not a client ID", "give the UUID the Azure portal shows, such as 00000000-0000-0000-0000-000000000000"
}

// templateNames are the names a process template may have in braces.
var templateNames = []string{"port", "addr", "gpu", "replica"}

var braced = regexp.MustCompile(`\{([^{}"]*)\}`)

func checkTemplate(text string) (string, string) {
	if strings.ContainsRune(text, 0) {
		return "contains a NUL character", "remove it"
	}
	for _, m := range braced.FindAllStringSubmatch(text, -1) {
		name := m[1]
		if contains(templateNames, name) || !plainWord.MatchString(name) {
			continue // JSON and the like pass through
		}
		remedy := "known: {port}, {addr}, {gpu}, {replica}"
		if near := nearest(name, templateNames); near != "" {
			remedy = fmt.Sprintf("did you mean {%s}?", near)
		}
		return fmt.Sprintf("{%s} is not a placeholder of Weir", name), remedy
	}
	return "", ""
}

var plainWord = regexp.MustCompile(`^[A-Za-z_]+$`)

const headerPattern = `^[A-Za-z0-9_-]{1,64}$`

var headerRule = regexp.MustCompile(headerPattern)

func checkHeader(text string) (string, string) {
	if headerRule.MatchString(text) {
		return "", ""
	}
	return quote(text) + " is not a valid header name", "a header's name has 1 to 64 letters, digits, - and _"
}

const gpuPattern = `^([0-9]{1,3}|(GPU|MIG)-[0-9A-Za-z-]+)$`

var gpuRule = regexp.MustCompile(gpuPattern)

func checkGPU(text string) (string, string) {
	if gpuRule.MatchString(text) {
		return "", ""
	}
	return quote(text) + " is not a GPU", `give its number as "0", or its name from nvidia-smi -L, such as "GPU-8a3f..."`
}
