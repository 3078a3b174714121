package gateway

import (
	"bytes"
	"errors"
	"io"
	"testing"
	"testing/iotest"
)

func TestReadAllReadsToTheEndWithinItsLimit(t *testing.T) {
	for _, n := range []int{0, 1, 4095, 4096, 4097, 70_000, 1<<20 + 1} {
		want := bytes.Repeat([]byte("x"), n)
		for _, announced := range []int64{-1, int64(n), 10} {
			for _, r := range []io.Reader{bytes.NewReader(want), iotest.HalfReader(bytes.NewReader(want)), iotest.DataErrReader(bytes.NewReader(want))} {
				b, err := readAll(r, announced, int64(n))
				if err != nil || !bytes.Equal(b.b, want) {
					t.Fatalf("%d bytes announced as %d: %d read, %v", n, announced, len(b.b), err)
				}
				b.free()
			}
			if n > 0 {
				b, err := readAll(bytes.NewReader(want), announced, int64(n-1))
				if !errors.Is(err, errOverLimit) || len(b.b) != n {
					t.Fatalf("%d bytes with a limit of one less: %d, %v", n, len(b.b), err)
				}
				b.free()
			}
		}
	}
}

func TestReadAllTellsABreakFromAnEnd(t *testing.T) {
	broken := errors.New("broken")
	b, err := readAll(io.MultiReader(bytes.NewReader([]byte("abc")), iotest.ErrReader(broken)), 10, 100)
	if !errors.Is(err, broken) || string(b.b) != "abc" {
		t.Error(string(b.b), err)
	}
}

func TestAnAnnouncedLengthAloneGetsLittleMemory(t *testing.T) {
	b, err := readAll(bytes.NewReader([]byte("abc")), 1<<30, 1<<30)
	if err != nil || cap(b.b) > 2*trusted {
		t.Error(cap(b.b), err)
	}
}

func TestBuffersOfEverySizeComeBackWithTheirRoom(t *testing.T) {
	for _, n := range []int{0, 1, 4096, 5000, 1 << 20, 1<<20 + 1, 3 << 20} {
		b := newBuffer(n)
		if cap(b.b) < n || len(b.b) != 0 {
			t.Errorf("room for %d: %d", n, cap(b.b))
		}
		b.b = b.b[:cap(b.b)]
		b.free()
	}
	(*buffer)(nil).free()
}
