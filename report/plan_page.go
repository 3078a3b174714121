package report

import (
	_ "embed"
	"html/template"
	"io"
	"strings"

	"weir/plan"
	"weir/price"
	"weir/report/words"
)

//go:embed plan.html
var planPage string

var planTemplate = template.Must(template.New("plan").Funcs(template.FuncMap{
	"dollars": words.Dollars, "small": words.Small, "short": words.Short, "count": words.Count, "used": used, "bound": bound,
	"percent": func(part, whole float64) string { return words.Percent(ratio(part, whole), 4) },
	"plain":   plain, "measured": measured, "sentence": words.Sentence,
	"spaced": func(s string) string { return strings.ReplaceAll(s, "_", " ") },
	"joined": func(s []string) string { return strings.Join(s, "; ") },
}).Parse(planPage))

// PlanPage writes one self-contained page.
func PlanPage(w io.Writer, a plan.Answer) error {
	return planTemplate.Execute(w, struct {
		plan.Answer
		StaleDays          int
		Curve, Bars, Bills template.HTML
	}{a, int(price.StaleAfter.Hours() / 24), curve(a), bars(a), bills(a)})
}
