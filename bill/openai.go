package bill

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math"
	"strings"
	"time"

	"weir"
)

// page is a page of OpenAI's usage or costs.
type page struct {
	Data []struct {
		Start   int64         `json:"start_time"`
		End     int64         `json:"end_time"`
		Results []pageOfModel `json:"results"`
	} `json:"data"`
}

type pageOfModel struct {
	Object   string `json:"object"`
	Model    string `json:"model"`
	Input    int64  `json:"input_tokens"` // cached and audio ones included
	Output   int64  `json:"output_tokens"`
	Cached   int64  `json:"input_cached_tokens"`
	AudioIn  int64  `json:"input_audio_tokens"`
	AudioOut int64  `json:"output_audio_tokens"`
	Requests int64  `json:"num_model_requests"`

	Amount *struct {
		Value    json.Number `json:"value"`
		Currency string      `json:"currency"`
	} `json:"amount"`
	LineItem string `json:"line_item"` // "gpt-4o-2024-08-06, input"
}

// OpenAI reads pages of usage and of costs, one after the other in one file.
func OpenAI(file []byte) ([]Line, error) {
	var lines []Line
	for d := json.NewDecoder(bytes.NewReader(file)); d.More(); {
		var p page
		if err := d.Decode(&p); err != nil {
			return nil, fmt.Errorf("not a page of usage or costs: %w", err)
		}
		for _, bucket := range p.Data {
			if bucket.End-bucket.Start > 24*60*60 {
				return nil, fmt.Errorf("a bucket of %s: ask with bucket_width=1d", time.Duration(bucket.End-bucket.Start)*time.Second)
			}
			day := time.Unix(bucket.Start, 0).UTC().Format(time.DateOnly)
			for _, r := range bucket.Results {
				more, err := r.lines(day)
				if err != nil {
					return nil, err
				}
				lines = append(lines, more...)
			}
		}
	}
	if len(lines) == 0 {
		return nil, fmt.Errorf("no results: ask with group_by=model, or group_by=line_item for costs")
	}
	return lines, nil
}

func (r *pageOfModel) lines(day string) ([]Line, error) {
	if r.Amount != nil {
		if !strings.EqualFold(r.Amount.Currency, "usd") {
			return nil, ErrNotUSD
		}
		dollars, err := r.Amount.Value.Float64()
		if err != nil {
			return nil, fmt.Errorf("amount %q is not a number", r.Amount.Value)
		}
		model, _, _ := strings.Cut(r.LineItem, ",")
		return []Line{{Day: day, Model: model, Meter: r.LineItem, Kind: Cost, Cost: weir.Money(math.Round(dollars * float64(weir.Dollar))), Priced: true}}, nil
	}
	if r.Model == "" {
		return nil, fmt.Errorf("usage of %s names no model: ask with group_by=model", day)
	}
	line := func(k Kind, n int64) Line {
		return Line{Day: day, Model: r.Model, Meter: string(k), Kind: k, Tokens: n}
	}
	return []Line{line(Input, r.Input-r.Cached-r.AudioIn), line(Cached, r.Cached), line(AudioIn, r.AudioIn),
		line(Output, r.Output-r.AudioOut), line(AudioOut, r.AudioOut), line(Requests, r.Requests)}, nil
}

// Read reads an export of either kind.
func Read(file []byte, meters Meters) ([]Line, error) {
	if text := bytes.TrimSpace(file); len(text) > 0 && text[0] == '{' {
		return OpenAI(file)
	}
	return Azure(file, meters)
}
