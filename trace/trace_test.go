package trace

import (
	"bytes"
	"compress/gzip"
	"errors"
	"io"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"
)

func read(t *testing.T, text string) []Arrival {
	t.Helper()
	r, err := NewReader(strings.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	all, err := ReadAll(r)
	if err != nil {
		t.Fatal(err)
	}
	return all
}

func TestEachPublishedFormatIsRead(t *testing.T) {
	f := func(text string, want ...Arrival) {
		t.Helper()
		if have := read(t, text); !reflect.DeepEqual(have, want) {
			t.Errorf("%q\nhave %+v\nwant %+v", text, have, want)
		}
	}
	f("arrival_s,input_tokens,output_tokens\n0,12,3\n1.5,7,1\n",
		Arrival{Prompt: 12, Output: 3}, Arrival{At: 1500 * time.Millisecond, Prompt: 7, Output: 1})
	f("arrival_s,input_tokens,output_tokens,prefix_blocks,client\r\n0,12,3,1 2 3,9\r\n",
		Arrival{Prompt: 12, Output: 3, Prefix: []uint64{1, 2, 3}, Client: 9})
	f("output_tokens,arrival_s,input_tokens\n3,0,12\n\n", Arrival{Prompt: 12, Output: 3})
	f("TIMESTAMP,ContextTokens,GeneratedTokens\n2023-11-16 18:15:46.6805900,374,44\n2023-11-16 18:15:50.9951690,396,109\n",
		Arrival{Prompt: 374, Output: 44}, Arrival{At: 4314579000, Prompt: 396, Output: 109})
	f(`{"timestamp": 27482, "input_length": 6955, "output_length": 52, "hash_ids": [46, 47]}`+"\n",
		Arrival{At: 27482 * time.Millisecond, Prompt: 6955, Output: 52, Prefix: []uint64{46, 47}})
}

func TestFaultsNameTheLine(t *testing.T) {
	f := func(text, want string) {
		t.Helper()
		r, err := NewReader(strings.NewReader(text))
		if err == nil {
			_, err = ReadAll(r)
		}
		if !errors.Is(err, ErrFormat) || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: have %v, want one with %q", text, err, want)
		}
	}
	const head = "arrival_s,input_tokens,output_tokens\n"
	f("", "empty")
	f("a,b,c\n1,2,3\n", "no trace format")
	f(head+"x,1,1\n", "line 2: arrival_s")
	f(head+"0,1,1\n1,1.5,1\n", "line 3: input_tokens")
	f(head+"0,1\n", "line 2: 2 columns, the header has 3")
	f(head+"0,1,1,1\n", "line 2: 4 columns")
	f(head+"0,1,\n", "line 2: output_tokens")
	f("arrival_s,input_tokens,output_tokens,client\n0,1,1,x\n", "line 2: client")
	f("arrival_s,input_tokens,output_tokens,prefix_blocks\n0,1,1,1 x\n", "line 2: prefix block")
	f("arrival_s,arrival_s\n", "line 1: column \"arrival_s\" appears twice")
	f("TIMESTAMP,ContextTokens,GeneratedTokens\n2023-11-16 18:15:46,1,1\n2023-11-16 18:15:45,1,1\n", "line 3: arrives at -1s, before")
	f(head+"0,0,1\n", "line 2: 0 prompt")
	f(head+"5,1,1\n4,1,1\n", "line 3: arrives at 4s, before")
	f(head+"-1,1,1\n", "out of range")
	f(head+"NaN,1,1\n", "out of range")
	f("TIMESTAMP,ContextTokens,GeneratedTokens\nyesterday,1,1\n", "line 2: TIMESTAMP")
	f("{\"input_length\": 1}\n", "line 1: no timestamp")
	f("{\"timestamp\": \"x\"}\n", "line 1: not a JSON")
	f(head+"0,1,1,"+strings.Repeat("9", maxLine)+"\n", "longer than")
	f("\x1f\x8bnot gzip", "gzip")
}

// The extract is the first ten minutes of a recorded trace: see its README.
func TestTheRecordedExtractIsReadFromGzip(t *testing.T) {
	f, err := os.Open(filepath.Join("testdata", "azure23_conv_10min.csv.gz"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	r, err := NewReader(f)
	if err != nil {
		t.Fatal(err)
	}
	all, err := ReadAll(r)
	if err != nil {
		t.Fatal(err)
	}
	if len(all) != 2867 || all[len(all)-1].At >= 10*time.Minute {
		t.Errorf("%d arrivals, the last at %v", len(all), all[len(all)-1].At)
	}
}

func TestAFactorThatMakesNoSenseIsAnError(t *testing.T) {
	for _, x := range []float64{0, -1, math.NaN(), math.Inf(1)} {
		if _, err := Faster(ten(), x).Next(); err == nil || errors.Is(err, io.EOF) {
			t.Errorf("Faster by %v: %v", x, err)
		}
		if _, err := Scale(ten(), x, rand.New(rand.NewPCG(1, 1))).Next(); err == nil || errors.Is(err, io.EOF) {
			t.Errorf("Scale by %v: %v", x, err)
		}
	}
}

func ten() *Slice {
	s := Slice{}
	for i := range 10 {
		s = append(s, Arrival{At: time.Duration(i) * time.Second, Prompt: i + 1, Output: 1})
	}
	return &s
}

func TestCutBeginsAtZero(t *testing.T) {
	all, err := ReadAll(Cut(ten(), 3*time.Second, 6*time.Second))
	if err != nil || len(all) != 3 || all[0].At != 0 || all[0].Prompt != 4 || all[2].At != 2*time.Second {
		t.Errorf("%+v, %v", all, err)
	}
}

func TestFasterKeepsEveryRequest(t *testing.T) {
	all, _ := ReadAll(Faster(ten(), 2))
	if len(all) != 10 || all[9].At != 4500*time.Millisecond {
		t.Errorf("%d arrivals, the last at %v", len(all), all[9].At)
	}
}

func TestScaleMultipliesTheRateAndKeepsTheOrder(t *testing.T) {
	for _, x := range []float64{0.25, 1, 1.5, 4} {
		src, err := Gamma(50, 1, 200*time.Second, rand.New(rand.NewPCG(1, 2)), fixed)
		if err != nil {
			t.Fatal(err)
		}
		all, err := ReadAll(Scale(src, x, rand.New(rand.NewPCG(3, 4))))
		if err != nil {
			t.Fatal(err)
		}
		// 10,000 x requests: five standard deviations of a binomial are within 5 %.
		if have, want := float64(len(all)), 10_000*x; math.Abs(have-want) > 0.06*want {
			t.Errorf("x %v: %v arrivals, want about %v", x, have, want)
		}
		if !slices.IsSortedFunc(all, func(a, b Arrival) int { return int(a.At - b.At) }) {
			t.Errorf("x %v: out of order", x)
		}
	}
}

func fixed(*rand.Rand) (int, int) { return 100, 10 }

func TestGammaHasTheMeanAndVariationAskedFor(t *testing.T) {
	for _, cv := range []float64{0.5, 1, 3} {
		src, err := Gamma(10, cv, 20_000*time.Second, rand.New(rand.NewPCG(5, 6)), fixed)
		if err != nil {
			t.Fatal(err)
		}
		all, _ := ReadAll(src)
		var sum, square float64
		for i := 1; i < len(all); i++ {
			gap := (all[i].At - all[i-1].At).Seconds()
			sum += gap
			square += gap * gap
		}
		n := float64(len(all) - 1)
		mean := sum / n
		have := math.Sqrt(square/n-mean*mean) / mean
		if math.Abs(mean-0.1) > 0.003 || math.Abs(have-cv) > 0.05*cv {
			t.Errorf("cv %v: mean gap %v, cv %v", cv, mean, have)
		}
	}
	if _, err := Gamma(0, 1, time.Second, nil, fixed); err == nil {
		t.Error("a rate of zero was accepted")
	}
}

func TestSameSeedSameArrivals(t *testing.T) {
	draw := func() []Arrival {
		src, _ := Gamma(5, 2, time.Minute, rand.New(rand.NewPCG(7, 8)), fixed)
		all, _ := ReadAll(Scale(src, 2.5, rand.New(rand.NewPCG(9, 10))))
		return all
	}
	if !reflect.DeepEqual(draw(), draw()) {
		t.Error("two draws differ")
	}
}

func FuzzReader(f *testing.F) {
	f.Add([]byte("arrival_s,input_tokens,output_tokens,prefix_blocks\n0,12,3,1 2\n"))
	f.Add([]byte("TIMESTAMP,ContextTokens,GeneratedTokens\n2023-11-16 18:15:46.6805900,374,44\n"))
	f.Add([]byte(`{"timestamp": 27482, "input_length": 6955, "output_length": 52, "hash_ids": [46]}`))
	var z bytes.Buffer
	w := gzip.NewWriter(&z)
	io.WriteString(w, "arrival_s,input_tokens,output_tokens\n1,1,1\n")
	w.Close()
	f.Add(z.Bytes())
	f.Fuzz(func(t *testing.T, data []byte) {
		r, err := NewReader(bytes.NewReader(data))
		if err != nil {
			if !errors.Is(err, ErrFormat) {
				t.Fatalf("not a format fault: %v", err)
			}
			return
		}
		var last time.Duration
		for range 10_000 {
			a, err := r.Next()
			if err != nil {
				if !errors.Is(err, io.EOF) && !errors.Is(err, ErrFormat) {
					t.Fatalf("not a format fault: %v", err)
				}
				return
			}
			if a.At < last || a.Prompt < 1 || a.Output < 1 {
				t.Fatalf("%+v after %v", a, last)
			}
			last = a.At
		}
	})
}

func BenchmarkReader(b *testing.B) {
	data, err := os.ReadFile(filepath.Join("testdata", "azure23_conv_10min.csv.gz"))
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	n := 0
	for b.Loop() {
		r, err := NewReader(bytes.NewReader(data))
		if err != nil {
			b.Fatal(err)
		}
		all, err := ReadAll(r)
		if err != nil {
			b.Fatal(err)
		}
		n += len(all)
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(n), "ns/arrival")
}
