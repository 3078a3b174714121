package main

import (
	"fmt"
	"io"
	"log"
	"net/http"
	"os"
	"path/filepath"
	"time"
)

// profile loads Weir as measure does and keeps CPU profiles of it.
func profile(w *world, p plan) error {
	t := w.targets[0]
	loads := []struct {
		name string
		run  func(d time.Duration) error
	}{
		{"requests-1k", func(d time.Duration) error { _, _, err := closedLoop(t, 64, request(askAnswer, 1<<10), d); return err }},
		{"requests-50k", func(d time.Duration) error { _, _, err := closedLoop(t, 64, request(askAnswer, 50<<10), d); return err }},
		{"embeddings", func(d time.Duration) error { _, _, err := closedLoop(t, 64, embedding(), d); return err }},
		{"streams", func(d time.Duration) error { _, err := pacedStreams(t, p.streams, d); return err }},
	}
	for _, l := range loads {
		const seconds = 5
		var g group
		g.run(func() error { return l.run((seconds + 2) * time.Second) })
		time.Sleep(time.Second)
		path := filepath.Join(p.profile, "weir-"+l.name+".pprof")
		if err := fetch(fmt.Sprintf("http://%s/debug/pprof/profile?seconds=%d", t.admin, seconds), path); err != nil {
			return err
		}
		if err := g.wait(); err != nil {
			return err
		}
		log.Printf("go tool pprof -top %s", path)
	}
	return nil
}

// fetch stores what a URL answers.
func fetch(url, path string) error {
	r, err := http.Get(url)
	if err != nil {
		return err
	}
	defer r.Body.Close()
	if r.StatusCode != http.StatusOK {
		return fmt.Errorf("%s: %s", url, r.Status)
	}
	f, err := os.Create(path)
	if err != nil {
		return err
	}
	defer f.Close()
	_, err = io.Copy(f, r.Body)
	return err
}
