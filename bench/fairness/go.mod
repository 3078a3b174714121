module weir/bench/fairness

go 1.26.8

require weir v0.0.0

require github.com/HdrHistogram/hdrhistogram-go v1.4.0 // indirect

replace weir => ../..
