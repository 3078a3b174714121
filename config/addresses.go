package config

import (
	"net/url"
	"regexp"
	"strings"
)

// This file finds the base address of a server or resource in the text people
// paste: often the address of a request.

// bareServer is a host, with or without a port, that lacks its scheme.
var bareServer = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9.-]*(:[0-9]{1,5})?(/[^?#]*)?$`)

// operations are the last parts of the paths of requests.
var operations = []string{"/chat/completions", "/completions", "/embeddings", "/responses", "/messages", "/models",
	"/api/chat", "/api/generate", "/api/tags", "/generate"} // of Ollama and TGI

// baseOf is the server's base address, if u is the address of a request:
// "http://h:8000/x/v1/chat/completions" gives http://h:8000/x.
func baseOf(u *url.URL) (string, bool) {
	path := strings.TrimSuffix(u.Path, "/")
	for _, op := range operations {
		if prefix, ok := strings.CutSuffix(path, op); ok {
			base := url.URL{Scheme: u.Scheme, Host: u.Host, Path: strings.TrimSuffix(prefix, "/v1")}
			return base.String(), true
		}
	}
	return "", false
}

// checkEndpoint wants the endpoint of an Azure OpenAI resource. Its remedy
// replaces the address that the portal shows for a deployment.
func checkEndpoint(text string) (string, string) {
	u, err := url.Parse(text)
	if bareServer.MatchString(text) {
		return quote(text) + " has no scheme", "write https://" + text
	}
	if portalPage(text) {
		return quote(text) + " is a page of a portal, not the address of a resource", "copy the endpoint the page shows, such as https://NAME.openai.azure.com"
	}
	if err != nil || u.Host == "" {
		return checkURL(text)
	}
	version := u.Query().Get("api-version")
	switch {
	case strings.Contains(u.Path+"/", "/openai/") && strings.Trim(u.Path, "/") != "openai", strings.HasPrefix(u.Path, "/models"), version != "":
		prefix, _, _ := strings.Cut(u.Path, "/openai")
		prefix, _, _ = strings.Cut(prefix, "/models")
		base := url.URL{Scheme: u.Scheme, Host: u.Host, Path: strings.TrimSuffix(prefix, "/")}
		return quote(text) + " is the address of a request, not of the resource", "write endpoint: " + base.String() + deploymentIn(u.Path) + versionIn(u.Path, version)
	case strings.HasPrefix(u.Path, "/api/projects"):
		return quote(text) + " is the address of a project, not of the resource", "write endpoint: " + u.Scheme + "://" + u.Host
	}
	return checkURL(text)
}

// deploymentIn is the remedy for a path that names a deployment.
func deploymentIn(path string) string {
	_, rest, ok := strings.Cut(path, "/deployments/")
	name, _, _ := strings.Cut(rest, "/")
	if !ok || name == "" {
		return ""
	}
	return ", and beside it deployment: " + name
}

// versionIn is the remedy for a version of the classic API in a path below
// /openai.
func versionIn(path, version string) string {
	if !strings.Contains(path, "/openai") || !apiVersion.MatchString(version) {
		return ""
	}
	return ", api_version: " + version
}

// portalPage says whether a text is the address of a page of Azure's portals,
// copied from the browser.
func portalPage(text string) bool {
	u, err := url.Parse(text)
	if err != nil || u.User != nil {
		return false
	}
	switch strings.ToLower(u.Hostname()) {
	case "portal.azure.com", "ai.azure.com", "oai.azure.com":
		return true
	}
	return false
}
