package main

import (
	_ "embed"
	"html/template"
	"io"
	"strings"

	"weir/plan"
	"weir/price"
)

//go:embed plan.html
var planPage string

var planTemplate = template.Must(template.New("plan").Funcs(template.FuncMap{
	"dollars": dollars, "fine": fine, "short": short, "percent": percent, "used": used, "bound": bound, "count": count,
	"plain": plain, "measured": measured,
	"spaced": func(s string) string { return strings.ReplaceAll(s, "_", " ") },
	"joined": func(s []string) string { return strings.Join(s, "; ") },
}).Parse(planPage))

// writePlanHTML writes one page that needs nothing else.
func writePlanHTML(w io.Writer, a plan.Answer) error {
	return planTemplate.Execute(w, struct {
		plan.Answer
		StaleDays          int
		Curve, Bars, Bills template.HTML
	}{a, int(price.StaleAfter.Hours() / 24), curveDrawing(a), barsDrawing(a), billsDrawing(a)})
}
