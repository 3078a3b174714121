package observe

import "github.com/prometheus/client_golang/prometheus"

// Vectors is the state of stored embeddings.
type Vectors struct {
	Entries int    // in memory
	Bytes   int64  // of them
	Disk    int64  // bytes of the file that are in use
	Dropped uint64 // only grows
}

type vectorDescs struct{ entries, bytes, disk, dropped *prometheus.Desc }

func newVectorDescs() vectorDescs {
	return vectorDescs{
		entries: prometheus.NewDesc("weir_embeddings_entries", "Stored embeddings in this gateway's memory.", nil, nil),
		bytes:   prometheus.NewDesc("weir_embeddings_bytes", "Memory they take, about.", nil, nil),
		disk:    prometheus.NewDesc("weir_embeddings_disk_bytes", "Bytes in use of the file with stored embeddings.", nil, nil),
		dropped: prometheus.NewDesc("weir_embeddings_dropped_total", "Embeddings that did not come into the file: it was too slow, or could not be written. They are asked for again.", nil, nil),
	}
}

func (d *vectorDescs) describe(ch chan<- *prometheus.Desc) {
	for _, v := range []*prometheus.Desc{d.entries, d.bytes, d.disk, d.dropped} {
		ch <- v
	}
}

func (d *vectorDescs) collect(ch chan<- prometheus.Metric, v Vectors) {
	ch <- gauge(d.entries, float64(v.Entries))
	ch <- gauge(d.bytes, float64(v.Bytes))
	ch <- gauge(d.disk, float64(v.Disk))
	ch <- prometheus.MustNewConstMetric(d.dropped, prometheus.CounterValue, float64(v.Dropped))
}
