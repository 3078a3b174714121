package arm

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"net/http"
	"strings"
	"sync/atomic"
	"time"
)

// audience is that of Resource Manager in the public cloud (azcore,
// cloud.AzurePublic). A token for it opens the control plane.
const audience = "https://management.core.windows.net/"

// Audiences by what they open. Resource Manager takes both of its names, with
// and without the last slash (azidentity asks for the one in its cloud
// configuration). Scoring: "Authenticate to an online endpoint". Cognitive
// Services: "API version lifecycle", 2026-03-19, and the older name.
var audiences = map[string][]string{
	"arm":       {"https://management.core.windows.net", "https://management.azure.com"},
	"score":     {"https://ml.azure.com"},
	"cognitive": {"https://ai.azure.com", "https://cognitiveservices.azure.com"},
	"metrics":   {"https://metrics.monitor.azure.com"},
}

// issuer makes and checks the tokens of one tenant. They are JWTs signed with a
// key of this process: a token of another run opens nothing.
type issuer struct {
	tenant  string
	clients map[string]string
	life    time.Duration
	key     []byte
	revoked atomic.Int64 // tokens issued at this time (Unix nanoseconds) or before are expired
}

func newIssuer(o Options) *issuer {
	key := make([]byte, 32)
	_, _ = rand.Read(key) // never fails
	return &issuer{tenant: o.Tenant, clients: o.Clients, life: o.TokenLife, key: key}
}

// claims are what this server reads of its own tokens.
type claims struct {
	Audience string `json:"aud"`
	Issuer   string `json:"iss"`
	Issued   int64  `json:"iat"`
	Expires  int64  `json:"exp"`
	App      string `json:"appid"`
	Tenant   string `json:"tid"`
	Nanos    int64  `json:"nanos"` // of Issued, for expiring all tokens at once
}

var b64 = base64.RawURLEncoding

func (i *issuer) token(aud, app, iss string, life time.Duration, now time.Time) string {
	body, _ := json.Marshal(claims{Audience: aud, Issuer: iss, Issued: now.Unix(), Expires: now.Add(life).Unix(), App: app, Tenant: i.tenant, Nanos: now.UnixNano()})
	text := b64.EncodeToString([]byte(`{"alg":"HS256","typ":"JWT"}`)) + "." + b64.EncodeToString(body)
	return text + "." + i.sign(text)
}

func (i *issuer) sign(text string) string {
	mac := hmac.New(sha256.New, i.key)
	mac.Write([]byte(text))
	return b64.EncodeToString(mac.Sum(nil))
}

var (
	errToken    = errors.New("the access token is invalid")
	errExpired  = errors.New("the access token has expired")
	errAudience = errors.New("the access token has been obtained for another audience")
)

// check says which application a token is of, or why it does not open what has
// one of these audiences.
func (i *issuer) check(token string, now time.Time, audiences ...string) (app string, err error) {
	at := strings.LastIndexByte(token, '.')
	if at < 0 || !hmac.Equal([]byte(i.sign(token[:at])), []byte(token[at+1:])) {
		return "", errToken
	}
	_, middle, _ := strings.Cut(token[:at], ".")
	body, err := b64.DecodeString(middle)
	var c claims
	if err != nil || json.Unmarshal(body, &c) != nil {
		return "", errToken
	}
	if now.Unix() >= c.Expires || c.Nanos <= i.revoked.Load() {
		return "", errExpired
	}
	for _, aud := range audiences {
		if strings.TrimRight(c.Audience, "/") == aud {
			return c.App, nil
		}
	}
	return "", errAudience
}

// entra serves what azidentity asks of login.microsoftonline.com: the metadata
// of the instance and the tenant, and tokens for client credentials (a secret, or
// the assertion of a workload identity), as in "Microsoft identity platform and
// the OAuth 2.0 client credentials flow".
func (c *Cloud) entra() http.Handler {
	m := http.NewServeMux()
	m.HandleFunc("GET /common/discovery/instance", func(w http.ResponseWriter, r *http.Request) {
		writeJSON(w, http.StatusOK, object{
			"tenant_discovery_endpoint": "https://" + r.Host + "/" + c.o.Tenant + "/v2.0/.well-known/openid-configuration", "api-version": "1.1",
			"metadata": []any{object{"preferred_network": r.Host, "preferred_cache": r.Host, "aliases": []any{r.Host}}},
		})
	})
	m.HandleFunc("GET /{tenant}/v2.0/.well-known/openid-configuration", func(w http.ResponseWriter, r *http.Request) {
		at := "https://" + r.Host + "/" + r.PathValue("tenant")
		writeJSON(w, http.StatusOK, object{
			"issuer": at + "/v2.0", "token_endpoint": at + "/oauth2/v2.0/token", "authorization_endpoint": at + "/oauth2/v2.0/authorize",
			"jwks_uri": at + "/discovery/v2.0/keys", "token_endpoint_auth_methods_supported": []any{"client_secret_post", "private_key_jwt"},
		})
	})
	m.HandleFunc("POST /{tenant}/oauth2/v2.0/token", c.tokenFor)
	m.HandleFunc("GET /msi/token", c.managedIdentity)
	m.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		c.fail(w, refuse(http.StatusNotFound, "NotFound", "nothing is emulated at "+r.Method+" "+r.URL.Path))
	})
	return m
}

func (c *Cloud) tokenFor(w http.ResponseWriter, r *http.Request) {
	r.Body = http.MaxBytesReader(w, r.Body, maxBody)
	if err := r.ParseForm(); err != nil {
		entraError(w, http.StatusBadRequest, "invalid_request", "AADSTS900144: the request's form could not be read: "+err.Error())
		return
	}
	id, secret := r.PostForm.Get("client_id"), r.PostForm.Get("client_secret")
	known, listed := c.issuer.clients[id]
	scope, isDefault := strings.CutSuffix(r.PostForm.Get("scope"), "/.default")
	if first, _, more := strings.Cut(r.PostForm.Get("scope"), " "); more { // MSAL adds openid and others
		scope, isDefault = strings.CutSuffix(first, "/.default")
	}
	switch {
	case r.PathValue("tenant") != c.o.Tenant:
		entraError(w, http.StatusBadRequest, "invalid_request", "AADSTS90002: tenant '"+r.PathValue("tenant")+"' not found")
	case r.PostForm.Get("grant_type") != "client_credentials":
		entraError(w, http.StatusBadRequest, "unsupported_grant_type", "AADSTS70003: only client_credentials is emulated")
	case id == "" || len(c.issuer.clients) > 0 && !listed:
		entraError(w, http.StatusBadRequest, "unauthorized_client", "AADSTS700016: application '"+id+"' was not found in the directory")
	case r.PostForm.Get("client_assertion") == "" && (secret == "" || listed && secret != known):
		entraError(w, http.StatusUnauthorized, "invalid_client", "AADSTS7000215: invalid client secret provided")
	case strings.HasPrefix(scope, ownTokens):
		entraError(w, http.StatusBadRequest, "invalid_resource", "AADSTS500011: the resource principal named "+scope+" was not found in the tenant")
	case !isDefault:
		entraError(w, http.StatusBadRequest, "invalid_scope", "AADSTS1002012: the scope must end in /.default")
	default:
		life := c.issuer.life
		token := c.issuer.token(scope, id, "https://"+r.Host+"/"+c.o.Tenant+"/v2.0", life, time.Now())
		writeJSON(w, http.StatusOK, object{"token_type": "Bearer", "expires_in": int(life.Seconds()), "ext_expires_in": int(life.Seconds()), "access_token": token})
	}
}

// managedIdentity is the endpoint of App Service and Container Apps, which a
// client finds by IDENTITY_ENDPOINT and IDENTITY_HEADER ("How to use managed
// identities for App Service", REST endpoint reference).
func (c *Cloud) managedIdentity(w http.ResponseWriter, r *http.Request) {
	resource := r.URL.Query().Get("resource")
	if r.Header.Get("X-Identity-Header") == "" || resource == "" || strings.HasPrefix(resource, ownTokens) {
		writeJSON(w, http.StatusBadRequest, object{"statusCode": 400, "message": "X-IDENTITY-HEADER and the resource of a service are required"})
		return
	}
	now := time.Now()
	app := r.URL.Query().Get("client_id")
	if app == "" {
		app = "managed-identity"
	}
	token := c.issuer.token(resource, app, "https://"+r.Host+"/"+c.o.Tenant+"/", c.issuer.life, now)
	writeJSON(w, http.StatusOK, object{"access_token": token, "expires_on": text(now.Add(c.issuer.life).Unix()), "resource": resource, "token_type": "Bearer", "client_id": app})
}

func entraError(w http.ResponseWriter, status int, code, message string) {
	writeJSON(w, status, object{"error": code, "error_description": message, "error_codes": []any{}, "correlation_id": requestID()})
}
