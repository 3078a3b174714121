// Package arch holds the architecture rules of the code base as data, and the
// test that enforces them: which package may import which, and which may read
// the time. Every rule has its reason, which a failing test prints.
package arch

// A pack is what one package (and the folders below it) may use.
type pack struct {
	pure    bool     // decides: time is an argument; it starts nothing, touches nothing
	imports []string // packages of this module it may import, besides the root
	once    bool     // pure, but may keep what it computes alike each time: sync.OnceValue(s)
	sdks    []string // third-party module prefixes it may import; nil for pure packages means none
}

// house lists the project's packages. A package that is not listed fails the
// test: a new one is a decision, and a line here and in docs/ARCHITECTURE.md.
var house = map[string]pack{
	"weir": {pure: true},

	"weir/dispatch":        {pure: true},
	"weir/canary":          {pure: true},
	"weir/scale":           {pure: true},
	"weir/scale/baseline":  {pure: true, imports: []string{"weir/scale"}},
	"weir/engine":          {pure: true, imports: []string{"weir/fit", "weir/price"}},
	"weir/fit":             {pure: true, imports: []string{"weir/price"}},
	"weir/price":           {pure: true, once: true, sdks: []string{"github.com/goccy/go-yaml"}},
	"weir/price/pricefile": {imports: []string{"weir/price", "weir/internal/whole"}},
	"weir/quota":           {pure: true, imports: []string{"weir/price"}},
	"weir/saturate":        {pure: true, imports: []string{"weir/engine", "weir/fit", "weir/price"}},
	"weir/plan": {pure: true, imports: []string{"weir/price", "weir/fit", "weir/engine", "weir/saturate", "weir/scale", "weir/scale/baseline", "weir/sim", "weir/trace", "weir/fleet/mem",
		"weir/report/words"}},
	"weir/meter":    {pure: true, imports: []string{"weir/price"}},
	"weir/bill":     {pure: true, imports: []string{"weir/meter"}},
	"weir/trace":    {pure: true},
	"weir/jsonscan": {pure: true},
	"weir/cheaper":  {pure: true, imports: []string{"weir/jsonscan"}, sdks: []string{"github.com/santhosh-tekuri/jsonschema"}},
	// its answers are compared as those of other words are.
	"weir/cheaper/compare": {imports: []string{"weir/cheaper", "weir/cache/meaning", "weir/jsonscan", "weir/meter", "weir/price", "weir/report/words"}},
	"weir/cache":           {pure: true, imports: []string{"weir/jsonscan"}, sdks: []string{"golang.org/x/text/unicode/norm"}},
	// a circle is the key of a canonical body without its last words.
	"weir/cache/meaning": {pure: true, imports: []string{"weir/cache", "weir/jsonscan"}},
	"weir/embed":         {pure: true, imports: []string{"weir/cache", "weir/jsonscan"}},
	"weir/sim": {pure: true, imports: []string{"weir/scale", "weir/dispatch", "weir/engine", "weir/meter",
		"weir/fit", "weir/price", "weir/trace", "weir/control", "weir/fleet", "weir/fleet/mem"}},

	// whatif tries other values of a file's keys, which only config can apply.
	"weir/whatif": {imports: []string{"weir/config", "weir/wire", "weir/sim", "weir/scale", "weir/scale/baseline", "weir/trace", "weir/control", "weir/dispatch", "weir/engine",
		"weir/fleet/mem", "weir/meter", "weir/plan", "weir/price", "weir/store", "weir/report/words", "weir/internal/whole"}},

	// check's findings are config's faults, with their position in the file.
	"weir/check": {imports: []string{"weir/quota/needs", "weir/config", "weir/wire", "weir/fleet/kubernetes", "weir/fleet/azureml", "weir/fleet/aci", "weir/whatif", "weir/sim", "weir/saturate", "weir/trace", "weir/fit", "weir/price",
		"weir/report/words", "weir/scrape", "weir/upstream", "weir/upstream/dialects"}},

	// a demand.yaml has the form of weir.yaml: config decodes it.
	"weir/plan/demand": {imports: []string{"weir/plan", "weir/config", "weir/meter", "weir/store", "weir/trace"}},

	"weir/fit/files": {imports: []string{"weir/fit", "weir/price", "weir/config", "weir/internal/whole"}},

	// weir.yaml's deployments become servers by wire's own reading of them.
	"weir/manifest":       {pure: true, imports: []string{"weir/fit"}, sdks: []string{"github.com/goccy/go-yaml"}},
	"weir/manifest/files": {imports: []string{"weir/manifest", "weir/config", "weir/wire", "weir/fit", "weir/fit/files", "weir/price"}},

	"weir/demo": {imports: []string{"weir/config", "weir/wire", "weir/wire/emulated", "weir/node", "weir/load", "weir/trace", "weir/report/words"}},

	"weir/report":       {pure: true, imports: []string{"weir/report/chart", "weir/report/words", "weir/quota", "weir/sim", "weir/plan", "weir/fit", "weir/manifest", "weir/price", "weir/bill", "weir/control", "weir/scale"}},
	"weir/report/chart": {pure: true, imports: []string{"weir/report/words"}},
	"weir/report/words": {pure: true},

	"weir/fleet":            {},
	"weir/fleet/mem":        {pure: true, imports: []string{"weir/fleet"}},
	"weir/fleet/process":    {imports: []string{"weir/fleet"}},
	"weir/fleet/shared":     {imports: []string{"weir/fleet"}},
	"weir/fleet/kubernetes": {imports: []string{"weir/fleet"}},
	"weir/fleet/azureml":    {imports: []string{"weir/fleet", "weir/azure"}},
	"weir/fleet/aci":        {imports: []string{"weir/fleet", "weir/azure"}},
	"weir/fleet/fleettest":  {imports: []string{"weir/fleet"}},

	"weir/azure":      {},
	"weir/quota/live": {imports: []string{"weir/azure", "weir/quota"}},
	// what each deployment of a weir.yaml needs, by wire's own reading of it.
	"weir/quota/needs":       {imports: []string{"weir/azure", "weir/config", "weir/fleet/azureopenai", "weir/price", "weir/quota", "weir/quota/live", "weir/report", "weir/wire"}},
	"weir/fleet/azureopenai": {imports: []string{"weir/azure", "weir/quota"}},

	"weir/keda":          {imports: []string{"weir/keda/scalerpb"}},
	"weir/keda/scalerpb": {},

	"weir/http1":              {},
	"weir/front":              {},
	"weir/sse":                {},
	"weir/upstream":           {imports: []string{"weir/http1", "weir/sse", "weir/jsonscan"}},
	"weir/upstream/openai":    {imports: []string{"weir/upstream", "weir/upstream/anthropic", "weir/jsonscan", "weir/sse"}},
	"weir/upstream/azure":     {imports: []string{"weir/upstream", "weir/upstream/openai", "weir/jsonscan"}},
	"weir/upstream/anthropic": {imports: []string{"weir/upstream", "weir/jsonscan", "weir/sse"}},
	"weir/upstream/dialects":  {imports: []string{"weir/upstream", "weir/upstream/openai", "weir/upstream/azure", "weir/upstream/anthropic"}},

	"weir/control":          {imports: []string{"weir/scale", "weir/fleet"}},
	"weir/gateway":          {imports: []string{"weir/cache", "weir/cache/meaning", "weir/cheaper", "weir/embed", "weir/dispatch", "weir/canary", "weir/meter", "weir/upstream", "weir/jsonscan", "weir/front"}},
	"weir/store":            {imports: []string{"weir/meter"}},
	"weir/store/storetest":  {imports: []string{"weir/meter"}},
	"weir/store/vectors":    {imports: []string{"weir/store", "weir/cache", "weir/embed"}},
	"weir/limits":           {imports: []string{"weir/meter"}},
	"weir/limits/redistest": {},
	"weir/cache/memory":     {imports: []string{"weir/cache"}},
	"weir/cache/remote":     {imports: []string{"weir/cache"}},
	"weir/cache/operate":    {imports: []string{"weir/cache", "weir/cache/meaning", "weir/report/words"}},
	"weir/index":            {imports: []string{"weir/index/chunk", "weir/index/nearest"}},
	"weir/index/chunk":      {pure: true},
	"weir/index/nearest":    {pure: true},
	"weir/index/indextest":  {imports: []string{"weir/index", "weir/index/nearest"}},
	"weir/index/operate":    {imports: []string{"weir/index", "weir/index/chunk", "weir/index/nearest"}},
	"weir/index/search":     {imports: []string{"weir/index", "weir/index/nearest", "weir/embed"}},
	"weir/store/chunks":     {imports: []string{"weir/store", "weir/index", "weir/index/nearest"}},
	"weir/peers":            {imports: []string{"weir/scale", "weir/store"}},
	"weir/observe":          {},
	"weir/scrape":           {},
	"weir/load":             {imports: []string{"weir/trace"}},
	"weir/emulate":          {imports: []string{"weir/engine"}},
	"weir/emulate/arm":      {imports: []string{"weir/emulate", "weir/engine", "weir/price"}},
	"weir/config":           {},
	"weir/wire": {imports: []string{"weir/cheaper", "weir/config", "weir/gateway", "weir/dispatch", "weir/canary", "weir/meter", "weir/upstream", "weir/upstream/azure", "weir/upstream/dialects", "weir/scale",
		"weir/engine", "weir/fit", "weir/price", "weir/fleet", "weir/fleet/process", "weir/fleet/kubernetes", "weir/observe", "weir/control", "weir/limits", "weir/node", "weir/internal/memory",
		"weir/cache", "weir/cache/memory", "weir/azure", "weir/store/vectors", "weir/store/chunks", "weir/index", "weir/index/search", "weir/quota", "weir/quota/live", "weir/fleet/azureopenai", "weir/fleet/azureml", "weir/fleet/aci"}},
	"weir/wire/emulated": {imports: []string{"weir/wire", "weir/config", "weir/emulate", "weir/emulate/arm", "weir/engine", "weir/fit", "weir/price", "weir/report/words"}},
	"weir/node": {imports: []string{"weir/gateway", "weir/cache", "weir/cache/meaning", "weir/cache/memory", "weir/cache/remote", "weir/canary", "weir/dispatch", "weir/meter", "weir/control", "weir/scale", "weir/fleet", "weir/fleet/shared", "weir/upstream/dialects",
		"weir/keda", "weir/peers", "weir/limits", "weir/store", "weir/store/vectors", "weir/index/search", "weir/observe", "weir/scrape", "weir/internal/whole"}},

	"weir/bench/policies/ticks": {imports: []string{"weir/scale", "weir/scale/baseline"}},

	"weir/internal/arch":    {},
	"weir/internal/memory":  {},
	"weir/internal/mutants": {},
	"weir/internal/seed":    {},
	"weir/internal/story":   {},
	"weir/internal/whole":   {},
	"weir/internal/term":    {},
	"weir/internal/paint":   {imports: []string{"weir/config", "weir/report", "weir/internal/term"}},
	// flags, help and exit codes: it calls other packages, and decides nothing.
	"weir/cmd/weir": {imports: []string{"weir/cheaper/compare", "weir/internal/paint", "weir/cache", "weir/cache/operate", "weir/index/operate", "weir/store/chunks", "weir/node", "weir/wire", "weir/wire/emulated", "weir/config", "weir/check", "weir/whatif", "weir/demo", "weir/emulate",
		"weir/report", "weir/report/words", "weir/plan", "weir/plan/demand", "weir/manifest/files", "weir/fit", "weir/fit/files", "weir/engine", "weir/saturate", "weir/price", "weir/price/pricefile",
		"weir/quota/needs", "weir/bill", "weir/meter", "weir/control", "weir/scale/baseline", "weir/observe", "weir/internal/memory", "weir/internal/term", "weir/internal/whole"}},
}

// edge reasons, printed with a violation.
const (
	whyPure   = "deciding is a pure function: it is told `now` and given a seeded *rand.Rand, so that production, the simulator and replay run the same code"
	whyEdge   = "packages meet at few, named edges; anything else goes through a small interface or func declared by its consumer"
	whyRoot   = "the vocabulary depends on nothing"
	whySDK    = "an SDK is imported by one folder only, so that replacing it touches one folder only"
	whyListed = "a new package is a decision: list it here and in docs/ARCHITECTURE.md"
	whyShape  = "config describes values; only wire turns them into each package's options"
)

// owner is the only folder that may import a third-party module; where a module is the
// common ground of others, the folders. Modules not listed may be used by any shell.
var owner = map[string]string{
	"github.com/Azure/azure-sdk-for-go/sdk/azcore":                  "weir/azure weir/fleet/aci weir/fleet/azureml weir/quota/live weir/upstream",
	"github.com/Azure/azure-sdk-for-go/sdk/azidentity":              "weir/azure weir/upstream",
	"github.com/Azure/azure-sdk-for-go/sdk/resourcemanager/compute": "weir/quota/live",

	"github.com/Azure/azure-sdk-for-go/sdk/resourcemanager/containerinstance": "weir/fleet/aci weir/quota/live",

	"github.com/Azure/azure-sdk-for-go/sdk/resourcemanager/machinelearning": "weir/fleet/azureml weir/quota/live",
	"github.com/Azure/azure-sdk-for-go/sdk/resourcemanager/monitor":         "weir/fleet/azureml",

	"modernc.org/sqlite":                    "weir/store",
	"github.com/pressly/goose":              "weir/store",
	"k8s.io/":                               "weir/fleet/kubernetes",
	"connectrpc.com/connect":                "weir/keda",
	"github.com/go-logr/logr":               "weir/fleet/kubernetes",
	"github.com/redis/rueidis":              "weir/limits weir/cache/remote", // how to reach it: limits.Options.Connection
	"github.com/klauspost/compress":         "weir/cache/remote",
	"github.com/jackc/pgx":                  "weir/store",
	"github.com/prometheus/client_golang":   "weir/observe",
	"github.com/tiktoken-go/tokenizer":      "weir/upstream",
	"github.com/spf13/cobra":                "weir/cmd/weir",
	"github.com/HdrHistogram":               "weir/load",
	"github.com/cespare/xxhash":             "weir/gateway",
	"github.com/maypok86/otter":             "weir/cache/memory",
	"github.com/santhosh-tekuri/jsonschema": "weir/cheaper",
}

// impure are import paths forbidden to pure packages, with what they would let
// in.
var impure = map[string]string{
	"os": "files and environment", "os/exec": "processes", "os/signal": "signals",
	"net": "network", "net/http": "network", "log": "output", "log/slog": "output",
	"sync": "locks", "sync/atomic": "shared memory", "syscall": "the system",
	"runtime": "the scheduler", "crypto/rand": "unseeded randomness", "math/rand": "use math/rand/v2 with a seed",
}

// clockFuncs of package time that read or wait on the real clock.
var clockFuncs = map[string]bool{
	"Now": true, "Since": true, "Until": true, "Sleep": true, "After": true,
	"AfterFunc": true, "Tick": true, "NewTimer": true, "NewTicker": true,
}

// onceOnly of package sync: all that a pure package with once may use.
var onceOnly = map[string]bool{"OnceValue": true, "OnceValues": true}

// seededOnly of package math/rand/v2: the only selectors a pure package may
// use. Everything else at package level draws from the global source.
var seededOnly = map[string]bool{
	"Rand": true, "New": true, "NewPCG": true, "PCG": true, "NewChaCha8": true, "ChaCha8": true, "Source": true, "NewZipf": true, "Zipf": true,
}
