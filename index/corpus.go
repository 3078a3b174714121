package index

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"os"
	"path"
	"strings"
	"time"
	"unicode/utf8"

	"weir/index/chunk"
)

// maxDocument bounds one document, in bytes of text.
const maxDocument = 16 << 20

// Folder is the text files below a folder, in the order of their paths. Files and folders
// whose names begin with a dot, links, and files that are no UTF-8 text are passed over.
type Folder struct {
	Dir string
	// Passed is told the files that are passed over because they are no text, or too large.
	Passed func(path, why string)
}

// Walk implements Corpus.
func (f Folder) Walk(ctx context.Context, each func(Document) error) error {
	root := os.DirFS(f.Dir)
	return fs.WalkDir(root, ".", func(p string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case ctx.Err() != nil:
			return ctx.Err()
		case p != "." && strings.HasPrefix(d.Name(), "."):
			if d.IsDir() {
				return fs.SkipDir
			}
			return nil
		case !d.Type().IsRegular():
			return nil
		}
		if info, err := d.Info(); err != nil {
			return err
		} else if info.Size() > maxDocument {
			f.pass(p, fmt.Sprintf("it is larger than %d MiB", maxDocument>>20))
			return nil
		}
		text, err := fs.ReadFile(root, p)
		if err != nil {
			return err
		}
		if !utf8.Valid(text) || bytes.IndexByte(text, 0) >= 0 {
			f.pass(p, "it is no UTF-8 text")
			return nil
		}
		return each(Document{ID: p, Text: string(text), Kind: chunk.KindOf(p), Attributes: map[string]any{"path": p, "folder": path.Dir(p), "type": strings.TrimPrefix(path.Ext(p), ".")}})
	})
}

func (f Folder) pass(p, why string) {
	if f.Passed != nil {
		f.Passed(p, why)
	}
}

// Lines is a JSONL file: a document on each line, {"id": ..., "text": ..., "attributes": {...}}.
type Lines struct{ Path string }

// Walk implements Corpus.
func (l Lines) Walk(ctx context.Context, each func(Document) error) error {
	f, err := os.Open(l.Path)
	if err != nil {
		return err
	}
	defer f.Close()
	in := bufio.NewScanner(f)
	in.Buffer(nil, maxLine)
	n := 1
	for ; in.Scan(); n++ {
		if len(bytes.TrimSpace(in.Bytes())) == 0 {
			continue
		}
		if ctx.Err() != nil {
			return ctx.Err()
		}
		d, err := lineOf(in.Bytes())
		if err != nil {
			return fmt.Errorf("%s:%d: %w", l.Path, n, err)
		}
		if err := each(d); err != nil {
			return err
		}
	}
	if err := in.Err(); errors.Is(err, bufio.ErrTooLong) {
		return fmt.Errorf("%s:%d: the line is longer than %d MiB: cut its document in two", l.Path, n, maxLine>>20)
	} else if err != nil {
		return fmt.Errorf("%s: %w", l.Path, err)
	}
	return nil
}

// maxLine bounds a line of a JSONL file, in bytes: escapes make a text longer.
const maxLine = 2 * maxDocument

func lineOf(line []byte) (d Document, err error) {
	var row struct {
		ID         string         `json:"id"`
		Text       *string        `json:"text"`
		Attributes map[string]any `json:"attributes"`
	}
	in := json.NewDecoder(bytes.NewReader(line))
	in.DisallowUnknownFields()
	if err := in.Decode(&row); err != nil {
		return d, fmt.Errorf("%w; want {\"id\": \"...\", \"text\": \"...\", \"attributes\": {...}}", err)
	}
	if _, err := in.Token(); err != io.EOF {
		return d, fmt.Errorf("the line goes on after its document: put each document on a line of its own")
	}
	if row.ID == "" || row.Text == nil {
		return d, fmt.Errorf("id or text is missing; want {\"id\": \"...\", \"text\": \"...\", \"attributes\": {...}}")
	}
	if len(*row.Text) > maxDocument {
		return d, fmt.Errorf("the text is longer than %d MiB: cut the document in two", maxDocument>>20)
	}
	for k, v := range row.Attributes {
		if !isScalar(v) {
			return d, fmt.Errorf("attribute %q is no text, number, true or false", k)
		}
	}
	return Document{ID: row.ID, Text: *row.Text, Kind: chunk.KindOf(row.ID), Attributes: row.Attributes}, nil
}

// Pages are the addresses on a list, one a line, fetched one after the other. A page that
// cannot be fetched ends the run: else it would be taken for one that is gone.
type Pages struct{ List string }

// maxFetch bounds the fetch of one page.
const maxFetch = time.Minute

// Walk implements Corpus.
func (p Pages) Walk(ctx context.Context, each func(Document) error) error {
	list, err := os.ReadFile(p.List)
	if err != nil {
		return err
	}
	client := &http.Client{Timeout: maxFetch}
	for line := range strings.Lines(string(list)) {
		if line = strings.TrimSpace(line); line == "" || line[0] == '#' {
			continue
		}
		text, err := fetch(ctx, client, line)
		if err != nil {
			return fmt.Errorf("fetch %s: %w", line, err)
		}
		if err := each(Document{ID: line, Text: text, Kind: chunk.KindOf(line), Attributes: map[string]any{"url": line}}); err != nil {
			return err
		}
	}
	return nil
}

func fetch(ctx context.Context, client *http.Client, url string) (string, error) {
	req, err := http.NewRequestWithContext(ctx, "GET", url, nil)
	if err != nil {
		return "", err
	}
	resp, err := client.Do(req)
	if err != nil {
		return "", err
	}
	defer resp.Body.Close()
	if resp.StatusCode != 200 {
		return "", fmt.Errorf("status %d", resp.StatusCode)
	}
	text, err := io.ReadAll(io.LimitReader(resp.Body, maxDocument+1))
	switch {
	case err != nil:
		return "", err
	case len(text) > maxDocument:
		return "", fmt.Errorf("it is larger than %d MiB", maxDocument>>20)
	case !utf8.Valid(text):
		return "", fmt.Errorf("it is no UTF-8 text")
	}
	return string(text), nil
}
